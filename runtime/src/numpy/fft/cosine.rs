//! Cosine transforms of the second type by Fourier transforms of as many elements (J. Makhoul, "A fast cosine transform in one and two
//! dimensions", 1980).

use std::f64::consts::PI;

use super::{Norm, try_fft, try_ifft};
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::axes::Int;
use crate::ops::axis_of;
use crate::ops::complex::padded_to;

/// The even elements of the last axis, then the odd ones backwards.
#[track_caller]
fn interleaved(x: &Tensor) -> Result<Tensor> {
    let even = x.try_slice_axis_step(-1, 0.., 2)?;
    if x.shape()[x.rank() - 1] == 1 {
        return Ok(even);
    }
    Tensor::try_concatenate(&[even, x.try_slice_axis_step(-1, 1.., 2)?.try_flip([-1])?], -1)
}

/// Undoes [`interleaved`].
#[track_caller]
fn deinterleaved(x: &Tensor) -> Result<Tensor> {
    let size = x.shape()[x.rank() - 1];
    let (even, odd) = (size.div_ceil(2), size / 2);
    let order = (0..size).map(|i| if i % 2 == 0 { i / 2 } else { even + odd - 1 - i / 2 } as i32);
    x.try_take(Tensor::from(order.collect::<Vec<i32>>()), -1)
}

/// `e^(sign · πi k/(2n))` for each `k`.
fn turns(n: usize, sign: f64) -> Result<Tensor> {
    let part = |f: fn(f64) -> f64| {
        let angles = (0..n).map(|k| f(sign * PI * k as f64 / (2 * n) as f64) as f32);
        Tensor::from(angles.collect::<Vec<f32>>())
    };
    Tensor::try_complex(part(f64::cos), part(f64::sin))
}

/// What makes the transform one of orthonormal rows: `√(1/4n)`, and `√(1/2n)` for all but the first.
fn orthonormal(n: usize) -> Tensor {
    let factor = |k: usize| (if k == 0 { 4.0 } else { 2.0 } * n as f64).sqrt().recip() as f32;
    Tensor::from((0..n).map(factor).collect::<Vec<f32>>())
}

/// With the axis at the end, and of a size.
#[track_caller]
fn prepared(op: &'static str, x: &Tensor, n: Option<usize>, axis: impl Int, norm: Norm) -> Result<Tensor> {
    if norm == Norm::Forward {
        return Err(Error::argument(op, "has the norms `Backward` and `Ortho`, found `Forward`".to_owned()));
    }
    let at = axis_of(op, axis, x.rank())? as isize;
    let x = x.try_move_axis(at, -1)?.try_cast(DType::F32)?;
    let x = n.map_or(Ok(x.clone()), |n| padded_to(&x, -1, n))?;
    if x.shape()[x.rank() - 1] == 0 {
        return Err(Error::argument(op, format!("transforms at least 1 element, found 0 along axis {axis}")));
    }
    Ok(x)
}

/// The transform of each part of complex numbers.
fn of_parts(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.is_complex() { Tensor::try_complex(f(&x.try_real()?)?, f(&x.try_imag()?)?) } else { f(x) }
}

/// The cosine transform of the second type along an axis, `y_k = 2 Σ_j x_j cos(πk(2j + 1)/2n)`, as `F32`.
///
/// With [`Norm::Ortho`], rows of the matrix are orthonormal: results are divided by `√(2n)`, and the first one by `√(4n)`. `axis` has
/// `n` elements then, or as many as it has here: it is cut off, or followed by zeros. Of complex numbers each part is transformed.
///
/// # Panics
/// If there is no such axis, or nothing along it; for [`Norm::Forward`].
#[track_caller]
pub fn dct(x: impl TensorLike, n: impl Into<Option<usize>>, axis: impl Int, norm: Norm) -> Tensor {
    unwrap(try_dct(x, n, axis, norm))
}

/// As [`dct`].
///
/// # Errors
/// If there is no such axis, or nothing along it; for [`Norm::Forward`].
#[track_caller]
pub fn try_dct(
    x: impl TensorLike,
    n: impl Into<Option<usize>>,
    axis: impl Int,
    norm: Norm,
) -> Result<Tensor> {
    let n = n.into();
    of_parts(&x.operand()?, |x| {
        let rows = prepared("dct", x, n, axis, norm)?;
        let n = rows.shape()[rows.rank() - 1];
        let spectrum = try_fft(interleaved(&rows)?, None, -1, Norm::Backward)?;
        let out = spectrum.try_mul(turns(n, -1.0)?)?.try_real()?.try_mul(2.0)?;
        let out = if norm == Norm::Ortho { out.try_mul(orthonormal(n))? } else { out };
        out.try_move_axis(-1, axis)
    })
}

/// The inverse of [`dct`], with the same arguments.
///
/// # Panics
/// If there is no such axis, or nothing along it; for [`Norm::Forward`].
#[track_caller]
pub fn idct(x: impl TensorLike, n: impl Into<Option<usize>>, axis: impl Int, norm: Norm) -> Tensor {
    unwrap(try_idct(x, n, axis, norm))
}

/// As [`idct`].
///
/// # Errors
/// If there is no such axis, or nothing along it; for [`Norm::Forward`].
#[track_caller]
pub fn try_idct(
    x: impl TensorLike,
    n: impl Into<Option<usize>>,
    axis: impl Int,
    norm: Norm,
) -> Result<Tensor> {
    let n = n.into();
    of_parts(&x.operand()?, |x| {
        let rows = prepared("idct", x, n, axis, norm)?;
        let n = rows.shape()[rows.rank() - 1];
        let weight = if norm == Norm::Ortho { orthonormal(n) } else { orthonormal(n).try_square()? };
        let turned = rows.try_mul(weight)?.try_mul(2.0 * n as f64)?.try_mul(turns(n, 1.0)?)?;
        deinterleaved(&try_ifft(turned, None, -1, Norm::Backward)?.try_real()?)?.try_move_axis(-1, axis)
    })
}
