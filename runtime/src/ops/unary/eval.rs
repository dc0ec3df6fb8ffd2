//! What the functions of one argument compute.

use half::{bf16, f16};

use super::Unary;
use crate::array::dtype::{dispatch, dispatch_float};
use crate::array::{Array, Aval, DType};
use crate::kernels::elementwise;
use crate::kernels::halves::Half;
use crate::kernels::{halves, unary};
use crate::scalar::number::Number;
use crate::scalar::op::UnaryOp;
use crate::scalar::signed::Signed;

pub(super) fn run(op: Unary, x: Array, out: Aval) -> Array {
    match (op, x.dtype()) {
        // Booleans are bytes of 0 and 1.
        (Unary::Not, DType::Bool) => map(x, out, |x: u8| x ^ 1),
        (Unary::Neg, dtype) => dispatch!(dtype, T => map(x, out, T::negated)),
        (Unary::Relu, dtype) => dispatch!(dtype, T => map(x, out, T::positive)),
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
                    unary::unary_in_place(op, data);
                    return x.with_aval(out);
                }
                Array::build(out, |out| unary::unary(op, x.data::<$t>(), out))
            }

            fn integer_power(mut x: Array, exponent: i32, out: Aval) -> Array {
                match exponent {
                    -1 => return map(x, out, |x: $t| 1.0 / x),
                    2 => return map(x, out, |x: $t| x * x),
                    3 => return map(x, out, |x: $t| x * (x * x)),
                    _ => {}
                }
                if let Some(data) = x.unique::<$t>() {
                    unary::integer_power_in_place(data, exponent);
                    return x.with_aval(out);
                }
                Array::build(out, |out| unary::integer_power(x.data::<$t>(), exponent, out))
            }
        }
    )* };
}

float! { f32 f64 }

macro_rules! half_float {
    ($($t:ty)*) => { $(
        impl Float for $t {
            fn function(op: UnaryOp, x: Array, out: Aval) -> Array {
                through_f32::<$t>(x, out, op.cost(), |block| unary::unary_in_place(op, block))
            }

            fn integer_power(x: Array, exponent: i32, out: Aval) -> Array {
                through_f32::<$t>(x, out, 2, |block| unary::integer_power_in_place(block, exponent))
            }
        }
    )* };
}

half_float! { f16 bf16 }

fn through_f32<H: Half>(mut x: Array, out: Aval, work: usize, f: impl Fn(&mut [f32]) + Sync) -> Array {
    if let Some(data) = x.unique::<H>() {
        halves::through_f32_in_place(data, work, f);
        return x.with_aval(out);
    }
    Array::build(out, |out| halves::through_f32(x.data::<H>(), out, work, f))
}
