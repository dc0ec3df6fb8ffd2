//! Signs, exponents and mantissas of floats, and functions of numbers that are made of others.

use std::f64::consts::{LN_2, PI};

use super::paired::methods;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::elementwise::inexact;
use crate::ops::{convert, promoted_inexact};

/// A float as bits, and how they are laid out. Halves are first converted to `F32`, which has all of their numbers.
pub(super) struct Bits {
    /// As `F32` or `F64`.
    pub x: Tensor,
    /// Of the integers that the bits are read as.
    pub integers: DType,
    pub mantissa: i64,
    pub exponent: i64,
}

impl Bits {
    #[track_caller]
    pub fn of(x: &Tensor) -> Result<Bits> {
        if x.dtype() == DType::F64 {
            return Ok(Bits { x: x.clone(), integers: DType::I64, mantissa: 52, exponent: 11 });
        }
        Ok(Bits { x: x.try_cast(DType::F32)?, integers: DType::I32, mantissa: 23, exponent: 8 })
    }

    #[track_caller]
    pub fn read(&self) -> Result<Tensor> {
        self.x.try_bitcast(self.integers)
    }

    /// The least positive number with a full mantissa.
    pub fn tiny(&self) -> f64 {
        2f64.powi(1 - self.bias() as i32)
    }

    /// The exponent of 1.
    pub fn bias(&self) -> i64 {
        (1 << (self.exponent - 1)) - 1
    }

    #[track_caller]
    pub fn number(&self, value: i64) -> Result<Tensor> {
        Tensor::from_vec_of([value], [0usize; 0], DType::I64).try_cast(self.integers)
    }

    /// Two to the power of integers between the exponents of the least normal and the greatest number.
    #[track_caller]
    fn power_of_two(&self, exponents: &Tensor) -> Result<Tensor> {
        let biased = exponents.try_add(self.number(self.bias())?)?;
        biased.try_shl(self.number(self.mantissa)?)?.try_bitcast(self.x.dtype())
    }
}

methods! {
    => "Parts of floats";
    /// True where the sign is minus, also that of zeros and NaN; nowhere for unsigned integers and booleans.
    signbit try_signbit() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| {
        if x.dtype().is_float() {
            let bits = Bits::of(x)?;
            return bits.read()?.try_lt(bits.number(0)?);
        }
        if x.dtype() == DType::Bool { x.try_cast(DType::U8)?.try_lt(0) } else { x.try_lt(x.like(0.0)) }
    };

    /// The magnitude of this with the sign of another number.
    copysign try_copysign(sign: impl TensorLike) -> Tensor, fails "If the shapes do not broadcast."
    |x| {
        let [x, sign] = promoted_inexact([x.clone(), sign.operand()?])?;
        let size = x.try_abs()?;
        sign.try_signbit()?.try_select(size.try_neg()?, size)
    };

    /// The next number of the dtype in the direction of another; that itself, where it is equal, and NaN beside NaN.
    ///
    /// No gradient flows.
    nextafter try_nextafter(towards: impl TensorLike) -> Tensor, fails "If the shapes do not broadcast."
    |x| {
        let [x, to] = promoted_inexact([x.clone(), towards.operand()?])?;
        let down = x.try_gt(&to)?.try_select(x.try_next_down()?, &to)?;
        let moved = x.try_lt(&to)?.try_select(x.try_next_up()?, down)?;
        Ok(x.try_is_nan()?.try_select(&x, moved)?.stop_gradient())
    };

    /// 0 below zero, 1 above it, and `at_zero` at it; NaN stays NaN.
    heaviside try_heaviside(at_zero: impl TensorLike) -> Tensor, fails "If the shapes do not broadcast."
    |x| {
        let [x, at_zero] = promoted_inexact([x.clone(), at_zero.operand()?])?;
        let middle = x.try_is_nan()?.try_select(&x, at_zero)?;
        let upper = x.try_gt(x.like(0.0))?.try_select(x.like(1.0), middle)?;
        x.try_lt(x.like(0.0))?.try_select(x.like(0.0), upper)
    };

    /// A number of magnitude between a half, included, and 1, and the exponent of two that it has to be multiplied by, as
    /// `I32`.
    ///
    /// Zeros, infinities and NaN are their own, with exponent 0.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (m, e) = Tensor::from([6.0f32]).frexp();
    /// assert_eq!((m.item::<f32>()?, e.item::<i32>()?), (0.75, 3));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    frexp try_frexp() -> (Tensor, Tensor), fails "If this is a value of a transform that has returned."
    |x| {
        let x = inexact(x)?;
        let mut bits = Bits::of(&x)?;
        // Subnormal numbers are scaled up first.
        let small = bits.x.try_abs()?.try_lt(bits.x.like(bits.tiny()))?;
        let scale = bits.x.like(2f64.powi(bits.mantissa as i32));
        let whole = bits.x.clone();
        bits.x = small.try_select(bits.x.try_mul(scale)?, &bits.x)?;
        let offset = small.try_select(bits.number(bits.mantissa)?, bits.number(0)?)?;
        let raw = bits.read()?;
        let field = bits.number(((1 << bits.exponent) - 1) << bits.mantissa)?;
        let exponent = raw.try_bitand(&field)?.try_shr(bits.number(bits.mantissa)?)?;
        let exponent = exponent.try_sub(bits.number(bits.bias() - 1)?)?.try_sub(offset)?;
        let half = bits.number((bits.bias() - 1) << bits.mantissa)?;
        let part = raw.try_bitand(field.try_logical_not()?)?.try_bitor(half)?.try_bitcast(bits.x.dtype())?;
        let own = whole.try_is_finite()?.try_logical_not()?.try_bitor(whole.try_eq(whole.like(0.0))?)?;
        let part = own.try_select(&whole, part)?.try_cast(x.dtype())?;
        let exponent = own.try_select(exponent.like(0.0), exponent)?.try_cast(DType::I32)?;
        Ok((part, exponent))
    };

    /// This times two to the power of integers, without an overflow on the way; the gradient is that power.
    ldexp try_ldexp(exponents: impl TensorLike) -> Tensor,
    fails "If the exponents are no integers, or the shapes do not broadcast."
    |x| {
        let exponents = exponents.operand()?;
        if !exponents.dtype().is_integer() {
            return Err(Error::dtype("ldexp", exponents.dtype(), "integers as exponents"));
        }
        let x = inexact(x)?;
        let bits = Bits::of(&x)?;
        // Three steps reach from the least number to the greatest, and none of their powers is out of range.
        let (most, mut left) = (bits.bias() - 1, exponents.try_cast(bits.integers)?);
        let mut scaled = bits.x.clone();
        for _ in 0..3 {
            let step = left.try_clamp(bits.number(-most)?, bits.number(most)?)?;
            scaled = scaled.try_mul(bits.power_of_two(&step)?)?;
            left = left.try_sub(step)?;
        }
        convert(&scaled, x.dtype(), false)
    };

    /// `sin(πx) / (πx)`, and 1 at 0.
    sinc try_sinc() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| {
        let x = inexact(x)?;
        let turn = x.try_mul(x.like(PI))?;
        let zero = x.try_eq(x.like(0.0))?;
        let safe = zero.try_select(x.like(1.0), &turn)?;
        // The first terms of the series are there for the derivatives at 0.
        let square = turn.try_square()?;
        let series = square.try_mul(square.try_mul(x.like(1.0 / 120.0))?.try_sub(x.like(1.0 / 6.0))?)?;
        zero.try_select(series.try_add(x.like(1.0))?, safe.try_sin()?.try_div(&safe)?)
    };

    /// This to the power of another number; integers are computed as `F32`.
    float_power try_float_power(exponent: impl TensorLike) -> Tensor, fails "If the shapes do not broadcast."
    |x| {
        let [x, exponent] = promoted_inexact([x.clone(), exponent.operand()?])?;
        x.try_pow(exponent)
    };

    /// `log2(2ˣ + 2ʸ)` without overflow.
    logaddexp2 try_logaddexp2(other: impl TensorLike) -> Tensor, fails "If the shapes do not broadcast."
    |x| {
        let [x, y] = promoted_inexact([x.clone(), other.operand()?])?;
        let (dtype, wide) = (x.dtype(), if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 });
        let (x, y) = (x.try_cast(wide)?, y.try_cast(wide)?);
        // Relative to the larger one, so that the change of base costs no precision.
        let top = x.try_maximum(&y)?.stop_gradient();
        let top = top.try_is_finite()?.try_select(&top, top.like(0.0))?;
        let natural = |x: &Tensor| x.try_sub(&top)?.try_mul(x.like(LN_2));
        let sum = natural(&x)?.try_logaddexp(natural(&y)?)?;
        sum.try_mul(sum.like(1.0 / LN_2))?.try_add(top)?.try_cast(dtype)
    };

    /// Degrees as radians.
    #[doc(alias = "radians")]
    deg2rad try_deg2rad() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| {
        let x = inexact(x)?;
        x.try_mul(x.like(PI / 180.0))
    };

    /// Radians as degrees.
    #[doc(alias = "degrees")]
    rad2deg try_rad2deg() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| {
        let x = inexact(x)?;
        x.try_mul(x.like(180.0 / PI))
    };

    /// The nearest number with so many decimals, of two that are equally near the even one, as `jnp.round`; the gradient is 0.
    ///
    /// It is scaled, rounded and scaled back, which may be the neighbour of the number with the fewest digits. Integers stay as
    /// they are.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([1.25f32, 17.0]).round_to(1).to_vec::<f32>()?, [1.2, 17.0]);
    /// assert_eq!(Tensor::from([17.0f32]).round_to(-1).to_vec::<f32>()?, [20.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    round_to try_round_to(decimals: i32) -> Tensor, fails "If this is of integers and the decimals are negative."
    |x| {
        let Some(info) = x.dtype().finfo() else {
            return match decimals {
                0.. => Ok(x.clone()),
                _ => Err(Error::dtype("round_to", x.dtype(), "floats, or decimals that are not negative")),
            };
        };
        // Beyond the precision of the dtype there is nothing to round.
        if f64::from(decimals) > info.max.log10() {
            return Ok(x.clone());
        }
        if decimals == 0 {
            return x.try_round();
        }
        let wide = if x.dtype() == DType::F16 { x.try_cast(DType::F32)? } else { x.clone() };
        let factor = wide.like(10f64.powi(decimals));
        wide.try_mul(&factor)?.try_round()?.try_div(factor)?.try_cast(x.dtype())
    };

    /// Quotient rounded down, and what it leaves: [`floor_divide`](Tensor::floor_divide) and
    /// [`remainder`](Tensor::remainder).
    divmod try_divmod(divisor: impl TensorLike) -> (Tensor, Tensor),
    fails "If the shapes do not broadcast, or the arguments are boolean."
    |x| {
        let divisor = divisor.operand()?;
        Ok((x.try_floor_divide(&divisor)?, x.try_remainder(&divisor)?))
    };
}
