//! Which frequencies the elements of transforms belong to, and in which order they lie.

use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::axis_of;
use crate::ops::create::iota;

/// The whole numbers `0, 1, …` of frequencies as `F32`, each divided by `n · d`.
#[track_caller]
fn divided(op: &'static str, numbers: &Tensor, n: usize, d: f64) -> Result<Tensor> {
    if n == 0 {
        return Err(Error::argument(op, "expects at least 1 as `n`, found 0".to_owned()));
    }
    // As JAX: in the precision of the result.
    numbers.try_cast(DType::F32)?.try_div(numbers.try_cast(DType::F32)?.like(d * n as f64))
}

/// The frequencies of the elements that [`fft`](super::fft) gives of `n`, which lie `d` apart, in cycles for each unit of `d`: from 0 up,
/// then the negative ones from the least up; `F32`.
///
/// # Panics
/// If `n` is 0.
#[track_caller]
pub fn fftfreq(n: usize, d: f64) -> Tensor {
    unwrap(try_fftfreq(n, d))
}

/// As [`fftfreq`].
///
/// # Errors
/// If `n` is 0.
#[track_caller]
pub fn try_fftfreq(n: usize, d: f64) -> Result<Tensor> {
    let k = iota([n], DType::I32, 0)?;
    let wrapped = k.try_sub(n as i64)?;
    divided("fftfreq", &k.try_lt(n.div_ceil(2) as i64)?.try_select(&k, wrapped)?, n, d)
}

/// The frequencies of the elements that [`rfft`](super::rfft) gives of `n`, which lie `d` apart, in cycles for each unit of `d`; `F32`.
///
/// # Panics
/// If `n` is 0.
#[track_caller]
pub fn rfftfreq(n: usize, d: f64) -> Tensor {
    unwrap(try_rfftfreq(n, d))
}

/// As [`rfftfreq`].
///
/// # Errors
/// If `n` is 0.
#[track_caller]
pub fn try_rfftfreq(n: usize, d: f64) -> Result<Tensor> {
    divided("rfftfreq", &iota([n / 2 + 1], DType::I32, 0)?, n, d)
}

#[track_caller]
fn shifted(
    op: &'static str,
    x: &Tensor,
    axes: Option<&[isize]>,
    shift: fn(usize) -> usize,
) -> Result<Tensor> {
    let all: Vec<isize> = (0..x.rank() as isize).collect();
    axes.unwrap_or(&all).iter().try_fold(x.clone(), |x, &axis| {
        let at = axis_of(op, axis, x.rank())?;
        let (size, by) = (x.shape()[at], shift(x.shape()[at]));
        if by == 0 {
            return Ok(x);
        }
        let part = |from: usize, to: usize| x.try_slice_axis(at, from..to);
        Tensor::try_concatenate(&[part(size - by, size)?, part(0, size - by)?], at as isize)
    })
}

macro_rules! shifts {
    ($($(#[$doc:meta])* $name:ident $try_name:ident $shift:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// Along the axes that are named, or all.
        ///
        /// # Panics
        /// If there is no such axis.
        #[track_caller]
        pub fn $name(x: impl TensorLike, axes: Option<&[isize]>) -> Tensor {
            unwrap($try_name(x, axes))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        /// If there is no such axis.
        #[track_caller]
        pub fn $try_name(x: impl TensorLike, axes: Option<&[isize]>) -> Result<Tensor> {
            shifted(stringify!($name), &x.operand()?, axes, $shift)
        }
    )* };
}

shifts! {
    /// The elements of a transform with frequency 0 in the middle.
    fftshift try_fftshift |n| n / 2;
    /// The inverse of [`fftshift`].
    ifftshift try_ifftshift |n| n - n / 2;
}
