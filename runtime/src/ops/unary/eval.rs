//! What the functions of one argument compute.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::Unary;
use crate::kernels::elementwise;
use crate::kernels::math::{self, Real, UnaryOp};
use crate::kernels::number::Number;
use crate::tensor::dtype::{dispatch, dispatch_float};
use crate::tensor::{Array, Aval, DType};

pub(super) fn run(op: Unary, x: Array, out: Aval) -> Array {
    match (op, x.dtype()) {
        // Booleans are bytes of 0 and 1.
        (Unary::Not, DType::Bool) => map(x, out, |x: u8| x ^ 1),
        (Unary::Neg, dtype) => dispatch!(dtype, T => map(x, out, T::negated)),
        (Unary::Relu, dtype) => dispatch!(dtype, T => map(x, out, |x: T| x.larger(T::ZERO))),
        (Unary::Function(UnaryOp::Abs), dtype) => dispatch!(dtype, T => map(x, out, T::magnitude)),
        (Unary::Function(UnaryOp::Sign), dtype) => dispatch!(dtype, T => map(x, out, T::direction)),
        (Unary::IsNan, dtype) => dispatch!(dtype, T => ask(&x, out, |x: T| Number::is_nan(x))),
        (Unary::IsInf, dtype) => dispatch!(dtype, T => ask(&x, out, T::is_infinite)),
        (Unary::IsFinite, dtype) => {
            dispatch!(dtype, T => ask(&x, out, |x: T| !Number::is_nan(x) & !x.is_infinite()))
        }
        (Unary::Not, DType::U8) => map(x, out, |x: u8| !x),
        (Unary::Not, DType::U32) => map(x, out, |x: u32| !x),
        (Unary::Not, DType::I32) => map(x, out, |x: i32| !x),
        (Unary::Not, _) => map(x, out, |x: i64| !x),
        (Unary::Function(op), dtype) => dispatch_float!(dtype, T => T::function(op, x, out)),
    }
}

/// Into the argument itself where nobody else holds it.
pub(super) fn map<T: bytemuck::Pod + Send + Sync>(
    mut x: Array,
    out: Aval,
    f: impl Fn(T) -> T + Sync,
) -> Array {
    if let Some(data) = x.unique() {
        elementwise::map_in_place(data, 1, f);
        return x.with_aval(out);
    }
    Array::build(out, |out| elementwise::map(x.data(), out, 1, f))
}

fn ask<T: bytemuck::Pod + Send + Sync>(x: &Array, out: Aval, f: impl Fn(T) -> bool + Sync) -> Array {
    Array::build(out, |out| elementwise::map(x.data::<T>(), out, 1, |x| u8::from(f(x))))
}

/// What has a sign.
trait Signed: Number {
    fn negated(self) -> Self;
    fn magnitude(self) -> Self;
    /// -1, 0 or 1; float zeros and NaN are their own.
    fn direction(self) -> Self;
    fn is_infinite(self) -> bool;
}

macro_rules! signed {
    ($($t:ty: $negated:expr, $magnitude:expr, $direction:expr, $is_infinite:expr;)*) => { $(
        impl Signed for $t {
            #[inline(always)]
            fn negated(self) -> $t {
                let f: fn($t) -> $t = $negated;
                f(self)
            }
            #[inline(always)]
            fn magnitude(self) -> $t {
                let f: fn($t) -> $t = $magnitude;
                f(self)
            }
            #[inline(always)]
            fn direction(self) -> $t {
                let f: fn($t) -> $t = $direction;
                f(self)
            }
            #[inline(always)]
            fn is_infinite(self) -> bool {
                let f: fn($t) -> bool = $is_infinite;
                f(self)
            }
        }
    )* };
}

const SIGN: u16 = 1 << 15;

signed! {
    u8: u8::wrapping_neg, |x| x, |x| u8::from(x > 0), |_| false;
    u32: u32::wrapping_neg, |x| x, |x| u32::from(x > 0), |_| false;
    i32: i32::wrapping_neg, i32::wrapping_abs, i32::signum, |_| false;
    i64: i64::wrapping_neg, i64::wrapping_abs, i64::signum, |_| false;
    f32: |x| -x, f32::abs, <f32 as Real>::sign, f32::is_infinite;
    f64: |x| -x, f64::abs, <f64 as Real>::sign, f64::is_infinite;
    f16:
        |x| f16::from_bits(x.to_bits() ^ SIGN),
        |x| f16::from_bits(x.to_bits() & !SIGN),
        |x| if x > f16::ZERO { f16::ONE } else if x < f16::ZERO { f16::NEG_ONE } else { x },
        f16::is_infinite;
    bf16:
        |x| bf16::from_bits(x.to_bits() ^ SIGN),
        |x| bf16::from_bits(x.to_bits() & !SIGN),
        |x| if x > bf16::ZERO { bf16::ONE } else if x < bf16::ZERO { bf16::NEG_ONE } else { x },
        bf16::is_infinite;
}

/// The floats: `bf16` and `f16` compute in `f32`.
pub(super) trait Float: Number {
    fn function(op: UnaryOp, x: Array, out: Aval) -> Array;
    fn integer_power(x: Array, exponent: i32, out: Aval) -> Array;
}

macro_rules! float {
    ($($t:ty)*) => { $(
        impl Float for $t {
            fn function(op: UnaryOp, mut x: Array, out: Aval) -> Array {
                if let Some(data) = x.unique::<$t>() {
                    math::unary_in_place(op, data);
                    return x.with_aval(out);
                }
                Array::build(out, |out| math::unary(op, x.data::<$t>(), out))
            }

            fn integer_power(mut x: Array, exponent: i32, out: Aval) -> Array {
                match exponent {
                    -1 => return map(x, out, |x: $t| 1.0 / x),
                    2 => return map(x, out, |x: $t| x * x),
                    3 => return map(x, out, |x: $t| x * (x * x)),
                    _ => {}
                }
                if let Some(data) = x.unique::<$t>() {
                    math::integer_power_in_place(data, exponent);
                    return x.with_aval(out);
                }
                Array::build(out, |out| math::integer_power(x.data::<$t>(), exponent, out))
            }
        }
    )* };
}

float! { f32 f64 }

macro_rules! half_float {
    ($($t:ty)*) => { $(
        impl Float for $t {
            fn function(op: UnaryOp, x: Array, out: Aval) -> Array {
                through_f32::<$t>(x, out, op.cost(), |block| math::unary_in_place(op, block))
            }

            fn integer_power(x: Array, exponent: i32, out: Aval) -> Array {
                through_f32::<$t>(x, out, 2, |block| math::integer_power_in_place(block, exponent))
            }
        }
    )* };
}

half_float! { f16 bf16 }

fn through_f32<H: Number>(mut x: Array, out: Aval, work: usize, f: impl Fn(&mut [f32]) + Sync) -> Array
where
    [H]: HalfFloatSliceExt,
{
    if let Some(data) = x.unique::<H>() {
        math::through_f32_in_place(data, work, f);
        return x.with_aval(out);
    }
    Array::build(out, |out| math::through_f32(x.data::<H>(), out, work, f))
}
