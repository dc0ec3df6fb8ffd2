//! Adaptive pooling: as many windows as the result has elements.

use std::sync::Arc;

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::kernels::banded::Bands;
use crate::ops::banded::banded;
use crate::ops::elementwise::inexact;

/// The averages of bins of the spatial axes of `x`, `[batch.., spatial.., channels]`, so many that they have the sizes given.
///
/// Of an axis of `n` elements the bin `i` of `m` goes from `⌊i·n/m⌋` to before `⌈(i+1)·n/m⌉`, as in PyTorch's
/// `adaptive_avg_pool1d`, `2d` and `3d`: bins overlap where `m` does not divide `n`. There is one spatial axis per size, and any
/// number of batch axes, also none. Integers are averaged as `F32`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::adaptive_avg_pool;
///
/// let x = Tensor::from([[1.0f32], [2.0], [6.0]]);
/// assert_eq!(adaptive_avg_pool(&x, [2])?.to_vec::<f32>()?, [1.5, 4.0]);
/// assert_eq!(adaptive_avg_pool(&Tensor::ones([8, 12, 10, 3]), [7, 7])?.shape(), [8, 7, 7, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If `x` has fewer axes than the sizes and one for channels, or no elements along an axis where the result has some.
#[track_caller]
pub fn adaptive_avg_pool(x: &Tensor, sizes: impl AsRef<[usize]>) -> Result<Tensor> {
    const OP: &str = "adaptive_avg_pool";
    let sizes = sizes.as_ref();
    let Some(batch) = x.rank().checked_sub(sizes.len() + 1) else {
        let expected = format!("{} spatial axes for the sizes {sizes:?}, and one of channels", sizes.len());
        return Err(Error::shape(OP, x.aval().to_string(), expected));
    };
    let mut y = inexact(x)?;
    for (axis, &to) in (batch..).zip(sizes) {
        let from = y.shape()[axis];
        if from == 0 && to > 0 {
            let found = format!("{:?} to {sizes:?}", x.shape());
            return Err(Error::shape(OP, found, "elements where the result has some"));
        }
        y = match to {
            0 => y.try_slice_axis(axis as isize, 0, 0)?,
            _ if to == from => y,
            _ => banded(&y, axis, Arc::new(Bands::new(from, (0..to).map(|i| bin(i, from, to)))))?,
        };
    }
    Ok(y)
}

/// The first element of a bin, and the weight of each.
fn bin(i: usize, from: usize, to: usize) -> (usize, Vec<f64>) {
    let [i, from, to] = [i, from, to].map(|n| n as u128);
    let (first, end) = (i * from / to, ((i + 1) * from).div_ceil(to));
    let count = (end - first) as usize;
    (first as usize, vec![1.0 / count as f64; count])
}
