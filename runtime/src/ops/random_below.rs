//! Random integers below a bound, from twice as many random bits as they have.

use smallvec::smallvec;

use super::random_bits::no_gradient;
use super::{align, infer_elementwise, only, unpack};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::elementwise;

/// High bits and low bits, as one number, modulo the span; a span of 0 stands for all numbers of the width.
///
/// `I64` stands for the unsigned integers of its bits.
#[derive(Clone, PartialEq, Debug)]
struct RandomBelow;

impl Primitive for RandomBelow {
    fn name(&self) -> &'static str {
        "random_below"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let out = infer_elementwise(self.name(), args)?;
        match out.dtype {
            DType::U32 | DType::I64 => Ok(smallvec![out.with_dtype(out.dtype)]),
            other => Err(Error::dtype(self.name(), other, "uint32 or int64")),
        }
    }

    fn op(&self) -> Op<'_> {
        Op::RandomBelow
    }

    no_gradient!();

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for RandomBelow {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([high, low, span], out) = (unpack(args), only(outs));
        let layout = Broadcast::new(&out.shape, [high.shape(), low.shape(), span.shape()]);
        Ok(smallvec![if out.dtype == DType::U32 {
            Array::build(out, |out: &mut [u32]| {
                elementwise::zip3(&layout, (high.data(), low.data(), span.data()), out, 12, below_u32);
            })
        } else {
            Array::build(out, |out: &mut [u64]| {
                elementwise::zip3(&layout, (high.data(), low.data(), span.data()), out, 40, below_u64);
            })
        }])
    }
}

macro_rules! below {
    ($name:ident $type:ty) => {
        /// `(high·2^width + low) mod span`, by way of `2^width mod span`; products wrap around, as in JAX.
        #[inline]
        fn $name(high: $type, low: $type, span: $type) -> $type {
            let modulo = |x: $type| x.checked_rem(span).unwrap_or(x);
            let half = modulo(1 << (<$type>::BITS / 2));
            let weight = modulo(half.wrapping_mul(half));
            modulo(modulo(high).wrapping_mul(weight).wrapping_add(modulo(low)))
        }
    };
}

below!(below_u32 u32);
below!(below_u64 u64);

#[track_caller]
pub(crate) fn random_below(high: Tensor, low: Tensor, span: Tensor) -> Result<Tensor> {
    bind1(&RandomBelow, [high, low, span])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_spans_give_the_remainder_of_the_wide_number() {
        // As long as the product of two remainders does not wrap around.
        for span in [1u32, 2, 3, 10, 1000, 65535, 65536] {
            for (high, low) in [(0, 7), (1, 0), (0xdead_beef, 0x1234_5678), (u32::MAX, u32::MAX)] {
                let wide = (u64::from(high) << 32 | u64::from(low)) % u64::from(span);
                assert_eq!(u64::from(below_u32(high, low, span)), wide, "{high} {low} {span}");
                let wide = (u128::from(high) << 64 | u128::from(low)) % u128::from(span);
                assert_eq!(u128::from(below_u64(high.into(), low.into(), span.into())), wide);
            }
        }
    }

    #[test]
    fn a_span_of_zero_keeps_the_low_bits() {
        assert_eq!(below_u32(5, 9, 0), 5u32.wrapping_mul(0) + 9);
        assert_eq!(below_u64(5, u64::MAX, 0), u64::MAX);
    }
}
