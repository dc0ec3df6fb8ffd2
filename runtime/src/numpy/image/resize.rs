//! `resize`: an image of another size.

use std::sync::Arc;

use super::ResizeMethod;
use super::kernel::{nearest, weights};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::banded::banded;
use crate::ops::elementwise::inexact;
use crate::ops::pick::picked;

/// The image `x` with the sizes of `shape`, as `jax.image.resize`.
///
/// Any axes may change, and those that do are resized one after the other; batch and channel axes keep their sizes. All but
/// [`Nearest`](ResizeMethod::Nearest) make integers `F32`. Where an axis shrinks, each element of the result is a weighted mean of all that it
/// covers, unless [`antialias`](Resize::antialias) is off. Weights are computed in `F32`, of `F64` images in `F64`.
///
/// ```
/// use flaxen::image::{ResizeMethod, resize};
/// use flaxen::prelude::*;
/// let x = Tensor::from([[0.0f32, 1.0]]);
/// let y = resize(&x, [1, 4], ResizeMethod::Linear).run()?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.25, 0.75, 1.0]);
/// let images = Tensor::ones([8, 32, 32, 3]);
/// assert_eq!(resize(&images, [8, 16, 48, 3], ResizeMethod::Cubic).antialias(false).run()?.shape(), [8, 16, 48, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn resize(x: &Tensor, shape: impl AsRef<[usize]>, method: ResizeMethod) -> Resize {
    Resize { x: x.clone(), shape: shape.as_ref().into(), method, antialias: true }
}

/// A resizing about to be run; see [`resize`].
#[derive(Clone, Debug)]
#[must_use = "nothing is computed before `run`"]
pub struct Resize {
    x: Tensor,
    shape: Vec<usize>,
    method: ResizeMethod,
    antialias: bool,
}

impl Resize {
    /// Sets whether an axis that shrinks is smoothed first; true by default.
    pub fn antialias(self, antialias: bool) -> Resize {
        Resize { antialias, ..self }
    }

    /// Computes the image.
    ///
    /// # Errors
    /// If the shape has not as many axes as the image, or an axis without elements is to have some.
    #[track_caller]
    pub fn run(self) -> Result<Tensor> {
        let Resize { x, shape, method, antialias } = self;
        check("resize", &x, &shape)?;
        let mut axes: Vec<usize> = (0..shape.len()).filter(|&axis| x.shape()[axis] != shape[axis]).collect();
        if axes.iter().any(|&axis| x.shape()[axis] == 0) {
            let found = format!("{:?} to {shape:?}", x.shape());
            return Err(Error::shape("resize", found, "elements where the result has some"));
        }
        if method == ResizeMethod::Nearest {
            let places = |&axis: &usize| {
                let (from, to) = (x.shape()[axis], shape[axis]);
                (axis, (0..to).map(|i| nearest(i, from, to)).collect())
            };
            return picked(&x, axes.iter().map(places).collect());
        }
        let mut x = inexact(&x)?;
        // Those that shrink first; of these, and of the others from the last one on, the outer ones are the cheaper.
        axes.sort_by_key(|&axis| {
            let grows = shape[axis] > x.shape()[axis];
            (grows, if grows { -(axis as isize) } else { axis as isize })
        });
        for axis in axes {
            let (from, to) = (x.shape()[axis], shape[axis]);
            x = match x.dtype() {
                _ if to == 0 => x.try_slice_axis(axis, 0..0)?,
                DType::F64 => banded(&x, axis, Arc::new(weights::<f64>(from, to, method, antialias)))?,
                _ => banded(&x, axis, Arc::new(weights::<f32>(from, to, method, antialias)))?,
            };
        }
        Ok(x)
    }
}

/// Refuses a shape of other axes than the image's.
pub(super) fn check(op: &'static str, x: &Tensor, shape: &[usize]) -> Result<()> {
    if shape.len() == x.rank() {
        return Ok(());
    }
    let expected = "a size for each axis, also for those that keep theirs";
    Err(Error::shape(op, format!("{:?} to {shape:?}", x.shape()), expected))
}
