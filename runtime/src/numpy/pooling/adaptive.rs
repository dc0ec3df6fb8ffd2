//! Adaptive pooling: as many windows as the result has elements.

use std::ops::Range;
use std::sync::Arc;

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::kernels::banded::Bands;
use crate::ops::banded::banded;
use crate::ops::elementwise::inexact;
use crate::ops::pick::picked;

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
    along_axes("adaptive_avg_pool", inexact(x)?, sizes.as_ref(), |y, axis, from, to| {
        let weights = |bin: Range<usize>| (bin.start, vec![1.0 / bin.len() as f64; bin.len()]);
        banded(y, axis, Arc::new(Bands::new(from, (0..to).map(|i| weights(bin(i, from, to))))))
    })
}

/// The largest elements of bins of the spatial axes of `x`, `[batch.., spatial.., channels]`, of any dtype that has an order.
///
/// The bins are those of [`adaptive_avg_pool`], as in PyTorch's `adaptive_max_pool1d`, `2d` and `3d`; a bin with a NaN is NaN. The
/// gradient of a maximum that is there several times is shared by all of these, as that of [`Tensor::max`].
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::adaptive_max_pool;
///
/// let x = Tensor::from([[1.0f32], [6.0], [2.0]]);
/// assert_eq!(adaptive_max_pool(&x, [2])?.to_vec::<f32>()?, [6.0, 6.0]);
/// assert_eq!(adaptive_max_pool(&Tensor::ones([8, 12, 10, 3]), [7, 7])?.shape(), [8, 7, 7, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// As [`adaptive_avg_pool`]; if `x` is complex.
#[track_caller]
pub fn adaptive_max_pool(x: &Tensor, sizes: impl AsRef<[usize]>) -> Result<Tensor> {
    along_axes("adaptive_max_pool", x.clone(), sizes.as_ref(), |y, axis, from, to| {
        // Bins of one length: where one has fewer elements, its last one again.
        let longest = (0..to).map(|i| bin(i, from, to).len()).max().unwrap_or(0);
        let places = (0..to).flat_map(|i| {
            let bin = bin(i, from, to);
            (0..longest).map(move |j| (bin.start + j).min(bin.end - 1))
        });
        let bins = picked(y, vec![(axis, places.collect())])?;
        let mut shape = y.shape().to_vec();
        shape.splice(axis..=axis, [to, longest]);
        bins.try_reshape(shape)?.try_max_axes([axis as isize + 1])
    })
}

/// `pool` along each spatial axis that gets another size: of an image, the axis, its size and the new one.
fn along_axes(
    op: &'static str,
    mut y: Tensor,
    sizes: &[usize],
    pool: impl Fn(&Tensor, usize, usize, usize) -> Result<Tensor>,
) -> Result<Tensor> {
    let Some(batch) = y.rank().checked_sub(sizes.len() + 1) else {
        let expected = format!("{} spatial axes for the sizes {sizes:?}, and one of channels", sizes.len());
        return Err(Error::shape(op, y.aval().to_string(), expected));
    };
    let whole = y.shape().to_vec();
    for (axis, &to) in (batch..).zip(sizes) {
        let from = y.shape()[axis];
        if from == 0 && to > 0 {
            let found = format!("{whole:?} to {sizes:?}");
            return Err(Error::shape(op, found, "elements where the result has some"));
        }
        y = match to {
            0 => y.try_slice_axis(axis, 0..0)?,
            _ if to == from => y,
            _ => pool(&y, axis, from, to)?,
        };
    }
    Ok(y)
}

/// The elements of a bin.
fn bin(i: usize, from: usize, to: usize) -> Range<usize> {
    let [i, from, to] = [i, from, to].map(|n| n as u128);
    (i * from / to) as usize..((i + 1) * from).div_ceil(to) as usize
}
