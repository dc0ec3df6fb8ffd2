//! Arithmetic of two arguments that is composed from primitives.

use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::elementwise;
use crate::ops::{broadcast_shapes, promoted, promoted_inexact};
use crate::scalar::op::ScalarOp;

/// Two numbers of one dtype.
#[track_caller]
fn numbers(op: &'static str, x: &Tensor, y: Tensor) -> Result<[Tensor; 2]> {
    let pair = promoted([x.clone(), y])?;
    if pair[0].dtype() == DType::Bool {
        return Err(Error::dtype(op, DType::Bool, "numbers (cast the booleans first)"));
    }
    fit(op, &pair)?;
    Ok(pair)
}

fn fit(op: &'static str, [x, y]: &[Tensor; 2]) -> Result<()> {
    broadcast_shapes(op, &[x.shape(), y.shape()]).map(drop)
}

/// Where a remainder with the sign of the dividend has to move by one divisor.
#[track_caller]
fn is_off(remainder: &Tensor, divisor: &Tensor) -> Result<Tensor> {
    let zero = remainder.like(0.0);
    let signs_differ = remainder.try_lt(&zero)?.try_ne(divisor.try_lt(&zero)?)?;
    signs_differ.try_bitand(remainder.try_ne(&zero)?)
}

/// # Arithmetic as in NumPy
impl Tensor {
    /// What the quotient rounded down leaves, as the operator `%`: it has the sign of the divisor.
    ///
    /// The gradients are 1 and `-floor(self / divisor)`. The remainder of an integer divided by 0 is 0.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([7, -7, 7, -7]) % Tensor::from([3, 3, -3, -3]);
    /// assert_eq!(x.to_vec::<i32>()?, [1, 2, -2, -1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[doc(alias = "mod")]
    #[track_caller]
    pub fn remainder(&self, divisor: impl TensorLike) -> Tensor {
        unwrap(self.try_remainder(divisor))
    }

    /// As [`remainder`](Tensor::remainder).
    ///
    /// # Errors
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn try_remainder(&self, divisor: impl TensorLike) -> Result<Tensor> {
        let [x, y] = numbers("remainder", self, divisor.operand()?)?;
        let left = x.try_fmod(&y)?;
        is_off(&left, &y)?.try_select(left.try_add(&y)?, &left)
    }

    /// The quotient rounded down, as Python's `//`; the dtype stays, and the gradient is 0.
    ///
    /// Integers divided by 0 give what they give in JAX: signed ones -2, but 0 gives -1; unsigned ones the largest number. The
    /// least integer divided by -1 is itself.
    ///
    /// # Panics
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn floor_divide(&self, divisor: impl TensorLike) -> Tensor {
        unwrap(self.try_floor_divide(divisor))
    }

    /// As [`floor_divide`](Tensor::floor_divide).
    ///
    /// # Errors
    /// If the shapes do not broadcast, or the arguments are boolean.
    #[track_caller]
    pub fn try_floor_divide(&self, divisor: impl TensorLike) -> Result<Tensor> {
        let [x, y] = numbers("floor_divide", self, divisor.operand()?)?;
        let dtype = x.dtype();
        if dtype.is_unsigned() {
            return elementwise::apply(ScalarOp::Div, [x, y]);
        }
        let left = x.try_fmod(&y)?;
        let is_off = is_off(&left, &y)?;
        if !dtype.is_float() {
            // By 0, JAX takes one more off than the quotient, whose bits are all set.
            let is_off = is_off.try_bitor(y.try_eq(0)?.try_bitand(x.try_ne(0)?)?)?;
            let quotient = elementwise::apply(ScalarOp::Div, [x, y])?;
            return is_off.try_select(quotient.try_sub(1)?, &quotient);
        }
        // What is left is taken off first: the quotient is then next to an integer, however large it is.
        let whole = y.try_eq(0)?.try_select(&x, x.try_sub(&left)?)?;
        let quotient = elementwise::apply(ScalarOp::Div, [whole, y])?;
        is_off.try_select(quotient.try_sub(1)?, &quotient)?.try_round()
    }

    /// `√(x² + y²)`, which overflows only if the result does.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn hypot(&self, other: impl TensorLike) -> Tensor {
        unwrap(self.try_hypot(other))
    }

    /// As [`hypot`](Tensor::hypot).
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn try_hypot(&self, other: impl TensorLike) -> Result<Tensor> {
        let pair = promoted_inexact([self.clone(), other.operand()?])?;
        fit("hypot", &pair)?;
        let [x, y] = pair;
        let (x, y) = (x.try_abs()?, y.try_abs()?);
        let infinite = x.try_is_inf()?.try_bitor(y.try_is_inf()?)?;
        let (long, short) = (x.try_maximum(&y)?, x.try_minimum(&y)?);
        let is_zero = long.try_eq(long.like(0.0))?;
        let ratio = short.try_div(is_zero.try_select(long.like(1.0), &long)?)?;
        let length = long.try_mul((ratio.try_square()? + 1.0).sqrt())?;
        let length = is_zero.try_select(&long, length)?;
        // Strong in any case, as in JAX.
        infinite.try_select(length.like(f64::INFINITY), &length)?.try_cast(length.dtype())
    }

    /// True where `|self - other| ≤ atol + rtol · |other|`, or both are the same infinity; NaN is close to nothing.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[doc(alias = "isclose")]
    #[track_caller]
    pub fn is_close(&self, other: impl TensorLike, rtol: f64, atol: f64) -> Tensor {
        unwrap(self.try_is_close(other, rtol, atol))
    }

    /// As [`is_close`](Tensor::is_close).
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn try_is_close(&self, other: impl TensorLike, rtol: f64, atol: f64) -> Result<Tensor> {
        let pair = promoted_inexact([self.clone(), other.operand()?])?;
        fit("is_close", &pair)?;
        let [x, y] = pair;
        let distance = x.try_sub(&y)?.try_abs()?;
        let allowed = y.try_abs()? * rtol + atol;
        let near = distance.try_le(allowed)?.try_bitand(y.try_is_finite()?)?;
        x.try_eq(&y)?.try_bitor(near)
    }

    /// Whether all numbers are close to the other's, as [`is_close`](Tensor::is_close) says.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 2.0]);
    /// assert!(x.all_close([1.000001f32, 2.0], 1e-5, 1e-8)?);
    /// assert!(!x.all_close([1.1f32, 2.0], 1e-5, 1e-8)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast; under `jit` and `vmap` there are no numbers to compare.
    #[doc(alias = "allclose")]
    #[track_caller]
    pub fn all_close(&self, other: impl TensorLike, rtol: f64, atol: f64) -> Result<bool> {
        Ok(self.try_is_close(other, rtol, atol)?.to_vec::<bool>()?.into_iter().all(|close| close))
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn list(x: &Tensor) -> Vec<f64> {
        x.cast(DType::F64).to_vec().unwrap()
    }

    #[test]
    fn remainder_and_floored_quotient_make_the_dividend_again() {
        let x = [7.5, -7.5, 7.5, -7.5, 6.0, -6.0, 0.0, 0.7];
        let y = [2.0, 2.0, -2.0, -2.0, 3.0, -3.0, 5.0, -0.1];
        for dtype in [DType::F32, DType::F64, DType::I32, DType::I64, DType::F16, DType::BF16] {
            let y = if dtype.is_float() { y } else { y.map(|y| y - f64::from(y == -0.1)) };
            let (x, y) = (Tensor::of(x, dtype), Tensor::of(y, dtype));
            let (left, whole) = (x.remainder(&y), x.floor_divide(&y));
            assert_eq!((left.dtype(), whole.dtype()), (dtype, dtype));
            assert!((&whole * &y + &left).all_close(&x, 1e-2, 1e-6).unwrap(), "{dtype}");
            for ((left, y), whole) in list(&left).into_iter().zip(list(&y)).zip(list(&whole)) {
                assert!(
                    (left == 0.0 || (left < 0.0) == (y < 0.0)) && left.abs() < y.abs(),
                    "{dtype} {left} {y}"
                );
                assert_eq!(whole, whole.floor());
            }
        }
    }

    #[test]
    fn unsigned_integers_divide_plainly_and_nothing_divides_by_zero() {
        let x = Tensor::from([200u8, 7]);
        assert_eq!(x.floor_divide(Tensor::from([7u8, 2])).to_vec::<u8>().unwrap(), [28, 3]);
        assert_eq!(Tensor::from([7, -7]).remainder(Tensor::from([0, 0])).to_vec::<i32>().unwrap(), [0, 0]);
        assert!(list(&Tensor::from([1.0f32]).remainder(0.0))[0].is_nan());
        assert!(Tensor::from([true]).try_remainder(Tensor::from([true])).is_err());
    }

    #[test]
    fn integers_divided_by_zero_give_what_they_give_in_jax() {
        fn check<T: crate::Element>(
            x: [T; 5],
            y: [T; 5],
            quotients: [T; 5],
            left: [T; 5],
            truncated: [T; 5],
        ) {
            let (x, y) = (Tensor::of(x, T::DTYPE), Tensor::of(y, T::DTYPE));
            let all = |x: Tensor, y: Tensor| (x.floor_divide(&y), x.remainder(&y), x.fmod(&y));
            let (constant, mapped) =
                ((x.clone(), y.clone()), vmap(move |(x, y): (Tensor, Tensor)| Ok(all(x, y))));
            let runs = [
                all(x.clone(), y.clone()),
                jit(move |(x, y): (Tensor, Tensor)| Ok(all(x, y))).call((x.clone(), y.clone())).unwrap(),
                jit(move |_: Tensor| Ok(all(constant.0.clone(), constant.1.clone())))
                    .call(Tensor::from(1))
                    .unwrap(),
                mapped.call((x, y)).unwrap(),
            ];
            for (a, b, c) in runs {
                assert_eq!([a, b, c].map(|x| x.to_vec::<T>().unwrap()), [&quotients[..], &left, &truncated]);
            }
        }
        // jnp.floor_divide, remainder and fmod of JAX 0.10.2 on CPU.
        check([7, -7, 0, i32::MIN, i32::MIN], [0, 0, 0, 0, -1], [-2, -2, -1, -2, i32::MIN], [0; 5], [0; 5]);
        check([7, -7, 0, i64::MIN, i64::MIN], [0, 0, 0, 0, -1], [-2, -2, -1, -2, i64::MIN], [0; 5], [0; 5]);
        check(
            [7, 255, 0, 1, 9],
            [0, 0, 0, 0, 4u8],
            [255, 255, 255, 255, 2],
            [0, 0, 0, 0, 1],
            [0, 0, 0, 0, 1],
        );
        let most = u32::MAX;
        check(
            [7, most, 0, 1, 9],
            [0, 0, 0, 0, 4],
            [most, most, most, most, 2],
            [0, 0, 0, 0, 1],
            [0, 0, 0, 0, 1],
        );
    }

    #[test]
    fn the_gradient_of_the_remainder_is_minus_the_floored_quotient() {
        let (x, y) =
            (Tensor::of([7.5f64, -7.5, 7.5], DType::F64), Tensor::of([2.0f64, 2.0, -2.0], DType::F64));
        let dx = grad(|x: &Tensor| x.remainder(&y).try_sum())(&x).unwrap();
        let dy = grad(|y: &Tensor| x.remainder(y).try_sum())(&y).unwrap();
        assert_eq!(list(&dx), [1.0; 3]);
        assert_eq!(list(&dy), list(&-x.floor_divide(&y)));
        let flat = grad(|x: &Tensor| x.floor_divide(&y).try_sum())(&x).unwrap();
        assert_eq!(list(&flat), [0.0; 3]);
    }

    #[test]
    fn the_hypotenuse_neither_overflows_nor_has_a_nan_gradient_at_zero() {
        let inf = f32::INFINITY;
        let x = Tensor::from([3.0f32, -3e30, 0.0, inf, 0.0]);
        let y = Tensor::from([4.0f32, 4e30, 0.0, f32::NAN, -2.0]);
        let found = x.hypot(&y);
        let expected = Tensor::from([5.0f32, 5e30, 0.0, inf, 2.0]);
        assert!(found.all_close(expected, 1e-6, 0.0).unwrap(), "{found:?}");
        let (x, y) = (Tensor::of([3.0f64, 0.0], DType::F64), Tensor::of([4.0f64, 0.0], DType::F64));
        let gradient = list(&grad(|x: &Tensor| x.hypot(&y).try_sum())(&x).unwrap());
        assert!((gradient[0] - 0.6).abs() < 1e-12 && gradient[1].is_finite(), "{gradient:?}");
    }

    #[test]
    fn closeness_is_relative_to_the_other_and_counts_equal_infinities() {
        let inf = f32::INFINITY;
        let x = Tensor::from([1.0f32, 100.0, inf, inf, f32::NAN]);
        let y = Tensor::from([1.05f32, 104.0, inf, 1.0, f32::NAN]);
        assert_eq!(x.is_close(&y, 0.045, 0.0).to_vec::<bool>().unwrap(), [false, true, true, false, false]);
        assert!(x.is_close(&y, 0.045, 0.01).to_vec::<bool>().unwrap()[0]);
        let traced = jit(|x: Tensor| {
            x.all_close(&x, 0.0, 0.0)?;
            Ok(x)
        });
        assert!(traced.call(x).is_err());
    }
}
