//! Determinants and their logarithms.

use smallvec::smallvec;

use super::strong;
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::Result;
use crate::kernels::linalg::{Side, Triangle};
use crate::numpy::paired::methods;
use crate::ops::create::iota;
use crate::ops::linalg::{lu, square, transposed, triangular};
use crate::ops::{cotangent, reduce};

/// The determinant of matrices of any size, whose gradient is that of the cofactors, which exist where there is no inverse.
#[derive(Clone, PartialEq, Debug)]
struct Determinant;

impl Primitive for Determinant {
    fn name(&self) -> &'static str {
        "determinant"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch, _) = square("det", args[0])?;
        Ok(smallvec![Aval::new(batch, args[0].dtype)])
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        let (sign, log) = args[0].try_slogdet()?;
        Ok(smallvec![sign.try_mul(log.try_exp()?)?])
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::ARGS
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let adjugate = adjugate(residuals.arg(0))?;
        let ct = cotangent(cts).try_expand_dims([-1, -2])?;
        Ok(smallvec![Some(transposed(&adjugate)?.try_mul(ct)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }
}

/// The determinant times the inverse, also of matrices of rank `n - 1`: the last row of `U` is divided by the last pivot only after
/// the determinant has been multiplied in. Zeros where the rank is less, as in JAX.
#[track_caller]
fn adjugate(a: &Tensor) -> Result<Tensor> {
    let (_, n) = square("det", a.aval())?;
    let eye = Tensor::eye_of(n, n, 0, a.dtype());
    if n == 1 {
        return eye.try_broadcast_to(a.shape());
    }
    let [lu, pivots, order] = lu::factorized(a)?;
    let sign = parity(&pivots, None)?;
    let partial = lu.try_diagonal()?.try_cumprod(-1)?.try_mul(sign.try_expand_dims([-1])?)?;
    let number = |i: isize| partial.try_slice_axis(-1, i..i + 1).and_then(|x| x.try_expand_dims([-1]));
    let (before, whole) = (number(n as isize - 2)?, number(n as isize - 1)?);
    // The last pivot becomes the inverse of all others: what is divided by it is multiplied by them.
    let last_row = iota([n, 1], DType::I32, 0)?.try_eq(n as i32 - 1)?;
    let corner = last_row.try_bitand(iota([1, n], DType::I32, 1)?.try_eq(n as i32 - 1)?)?;
    let lu = corner.try_select(before.try_reciprocal()?, &lu)?;
    let upper = Triangle { lower: false, transpose: false, unit_diagonal: false };
    let shape: Vec<usize> = a.shape()[..a.rank() - 1].iter().copied().chain([1]).collect();
    let probe = triangular::solve(&lu, &Tensor::ones_of(shape, a.dtype()), Side::Left, upper)?;
    let has_less =
        probe.try_is_finite()?.try_all_axes([-1, -2])?.try_logical_not()?.try_expand_dims([-1, -2])?;
    let b = has_less.try_select(eye.like(0.0), eye.try_broadcast_to(a.shape())?)?;
    let lower = Triangle { lower: true, transpose: false, unit_diagonal: true };
    let x = triangular::solve(&lu, &lu::rows(&b, &order)?, Side::Left, lower)?;
    let x = last_row.try_select(&x, x.try_mul(whole)?)?;
    let x = triangular::solve(&lu, &x, Side::Left, upper)?;
    has_less.try_select(x.like(0.0), x)
}

/// -1 if the number of exchanges, and of negative numbers on the diagonal, is odd; else 1.
#[track_caller]
fn parity(pivots: &Tensor, diagonal: Option<&Tensor>) -> Result<Tensor> {
    let last = pivots.rank() - 1;
    let moved = pivots.try_ne(iota([pivots.shape()[last]], DType::I32, 0)?)?;
    let mut count = reduce::sum_widened(&moved, &[last])?;
    let mut dtype = DType::F32;
    if let Some(diagonal) = diagonal {
        count = count.try_add(reduce::sum_widened(&diagonal.try_lt(diagonal.like(0.0))?, &[last])?)?;
        dtype = diagonal.dtype();
    }
    let is_odd = count.try_remainder(2)?;
    is_odd.try_mul(-2)?.try_add(1)?.try_cast(dtype)
}

/// The element in a row and a column.
#[track_caller]
fn at(x: &Tensor, row: isize, column: isize) -> Result<Tensor> {
    x.try_index_axis(-2, row)?.try_index_axis(-1, column)
}

#[track_caller]
fn determinant_of_2(x: &Tensor) -> Result<Tensor> {
    at(x, 0, 0)?.try_mul(at(x, 1, 1)?)?.try_sub(at(x, 0, 1)?.try_mul(at(x, 1, 0)?)?)
}

/// By the rule of Sarrus.
#[track_caller]
fn determinant_of_3(x: &Tensor) -> Result<Tensor> {
    let product = |columns: [isize; 3]| {
        at(x, 0, columns[0])?.try_mul(at(x, 1, columns[1])?)?.try_mul(at(x, 2, columns[2])?)
    };
    let plus = product([0, 1, 2])?.try_add(product([1, 2, 0])?)?.try_add(product([2, 0, 1])?)?;
    plus.try_sub(product([2, 1, 0])?)?.try_sub(product([0, 2, 1])?)?.try_sub(product([1, 0, 2])?)
}

methods! {
    => "Linear algebra: determinants";
    /// The determinant of matrices `[.., n, n]`, `[..]`. Integers give `F32`.
    ///
    /// There is a gradient for singular matrices, too: that of the cofactors.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.det().item::<f32>()?, -2.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    det try_det() -> Tensor, fails "If the matrices are not square, or the dtype is `F16` or `BF16`." |x| {
        let x = strong(x)?;
        match square("det", x.aval())?.1 {
            2 => determinant_of_2(&x),
            3 => determinant_of_3(&x),
            _ => bind1(&Determinant, [x]),
        }
    };

    /// The sign of the determinant of matrices `[.., n, n]`, and the logarithm of its magnitude, both `[..]`, which does not overflow.
    ///
    /// They are 0 and −∞ if a matrix is singular. The gradient of the sign is 0. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (sign, log) = (Tensor::eye(200) * -1e3).slogdet();
    /// assert_eq!(sign.item::<f32>()?, 1.0);
    /// assert!(log.all_close(200.0 * 1e3f32.ln(), 1e-5, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    slogdet try_slogdet() -> (Tensor, Tensor), fails "If the matrices are not square, or the dtype is `F16` or `BF16`." |x| {
        let x = strong(x)?;
        let (_, n) = square("slogdet", x.aval())?;
        if n == 1 || n == 2 {
            let det = if n == 1 { at(&x, 0, 0)? } else { determinant_of_2(&x)? };
            return Ok((det.try_sign()?, det.try_abs()?.try_log()?));
        }
        let [lu, pivots, _] = lu::factorized(&x)?;
        let diagonal = lu.try_diagonal()?;
        let is_zero = diagonal.try_eq(diagonal.like(0.0))?.try_any_axes([-1])?;
        let sign = is_zero.try_select(diagonal.like(0.0), parity(&pivots, Some(&diagonal))?)?;
        let sum = reduce::sum_axes(&diagonal.try_abs()?.try_log()?, &[diagonal.rank() - 1])?;
        Ok((sign, is_zero.try_select(sum.like(f64::NEG_INFINITY), sum)?))
    };
}
