//! Floats with fewer bits than their dtype has.

use smallvec::smallvec;

use super::floats::Bits;
use super::paired::methods;
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind, bind1};
use crate::error::{Error, Result};
use crate::ops::cotangent;

/// A primitive for the sake of its gradient, which is that of a linear function whose transpose it is itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ReducePrecision {
    exponent_bits: u32,
    mantissa_bits: u32,
}

impl Primitive for ReducePrecision {
    fn name(&self) -> &'static str {
        "reduce_precision"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![args[0].clone()])
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok(smallvec![reduced(&args[0], self.exponent_bits, self.mantissa_bits)?])
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(bind1(self, [cotangent(cts)])?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((bind(self, args)?, mapped.into()))
    }
}

methods! {
    => "Precision";
    /// The nearest number that has an exponent and a mantissa of so many bits, as `lax.reduce_precision`.
    ///
    /// Ties go to the even one; what is too large becomes infinite, and what is too small for a full mantissa 0. The gradient
    /// is reduced in the same way.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32 / 3.0]);
    /// assert_eq!(x.reduce_precision(8, 7).item::<f32>()?, x.cast(DType::BF16).cast(DType::F32).item::<f32>()?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    reduce_precision try_reduce_precision(exponent_bits: u32, mantissa_bits: u32) -> Tensor,
    fails "If this is no float, or the exponent has no bits or more than 30."
    |x| {
        if !x.dtype().is_float() {
            return Err(Error::dtype("reduce_precision", x.dtype(), "floats"));
        }
        if !(1..=30).contains(&exponent_bits) {
            let message = format!("{exponent_bits} bits of an exponent: use 1 to 30");
            return Err(Error::argument("reduce_precision", message));
        }
        bind1(&ReducePrecision { exponent_bits, mantissa_bits }, [x.clone()])
    };
}

#[track_caller]
fn reduced(x: &Tensor, exponent_bits: u32, mantissa_bits: u32) -> Result<Tensor> {
    let bits = Bits::of(x)?;
    let raw = bits.read()?;
    let sign_bit = bits.number(if bits.integers == DType::I64 { i64::MIN } else { i64::from(i32::MIN) })?;
    let (sign, mut size) = (raw.try_bitand(&sign_bit)?, raw.try_bitand(sign_bit.try_logical_not()?)?);
    let dropped = bits.mantissa - i64::from(mantissa_bits);
    if dropped > 0 {
        // Half of the last place that stays, less one if that is even.
        let last = size.try_shr(bits.number(dropped)?)?.try_bitand(bits.number(1)?)?;
        let half = bits.number((1 << (dropped - 1)) - 1)?;
        size = size.try_add(half)?.try_add(last)?.try_bitand(bits.number(-(1 << dropped))?)?;
    }
    let exponent = size.try_shr(bits.number(bits.mantissa)?)?.try_sub(bits.number(bits.bias())?)?;
    let most = (1i64 << (exponent_bits - 1)) - 1;
    let infinity = bits.number(((1 << bits.exponent) - 1) << bits.mantissa)?;
    let mut kept = size;
    if most < bits.bias() {
        kept = exponent.try_gt(bits.number(most)?)?.try_select(&infinity, kept)?;
        kept = exponent.try_lt(bits.number(1 - most)?)?.try_select(bits.number(0)?, kept)?;
    }
    let reduced = kept.try_bitor(sign)?.try_bitcast(bits.x.dtype())?.try_cast(x.dtype())?;
    x.try_is_nan()?.try_select(x, reduced)
}
