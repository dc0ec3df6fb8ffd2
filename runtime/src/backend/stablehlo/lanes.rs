//! The functions of single precision that are written over a [`Lane`], as text: one source of their polynomials.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::types::Element;
use super::value::Value;
use crate::scalar::math::lane::Lane;

/// A value of `F32`, or a number that is the same everywhere.
#[derive(Clone, Copy)]
pub(super) enum Lanes<'b> {
    Number(f32),
    Of(Value<'b>),
}

use Lanes::{Number, Of};

impl<'b> Lanes<'b> {
    /// The value, in the type of another one if it is a number.
    fn beside(self, other: Value<'b>) -> Value<'b> {
        match self {
            Number(x) => other.like(f64::from(x)),
            Of(value) => value,
        }
    }

    /// The value.
    pub(super) fn value(self) -> Value<'b> {
        match self {
            Of(value) => value,
            Number(_) => unreachable!("a function depends on its argument"),
        }
    }

    fn both(
        self,
        other: Lanes<'b>,
        of_values: impl FnOnce(Value<'b>, Value<'b>) -> Value<'b>,
        of_numbers: impl FnOnce(f32, f32) -> f32,
    ) -> Lanes<'b> {
        match (self, other) {
            (Number(x), Number(y)) => Number(of_numbers(x, y)),
            (Of(x), y) => Of(of_values(x, y.beside(x))),
            (x, Of(y)) => Of(of_values(x.beside(y), y)),
        }
    }

    fn choose(self, other: Lanes<'b>, condition: Value<'b>, then: Lanes<'b>) -> Lanes<'b> {
        let like = self.value();
        Of(condition.select(then.beside(like), other.beside(like)))
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident;)*) => { $(
        impl<'b> $trait for Lanes<'b> {
            type Output = Lanes<'b>;

            fn $method(self, other: Lanes<'b>) -> Lanes<'b> {
                self.both(other, |x, y| x.$method(y), |x, y| x.$method(y))
            }
        }
    )* };
}

operator! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
}

impl<'b> Neg for Lanes<'b> {
    type Output = Lanes<'b>;

    fn neg(self) -> Lanes<'b> {
        match self {
            Number(x) => Number(-x),
            Of(value) => Of(-value),
        }
    }
}

impl<'b> Lane for Lanes<'b> {
    type Bits = Value<'b>;

    fn of(x: f32) -> Lanes<'b> {
        Number(x)
    }

    /// In two roundings where the compiler does not make one of them.
    fn mul_add(self, a: Lanes<'b>, b: Lanes<'b>) -> Lanes<'b> {
        self * a + b
    }

    fn abs(self) -> Lanes<'b> {
        Of(self.value().unary("abs"))
    }

    fn copysign(self, sign: Lanes<'b>) -> Lanes<'b> {
        Of(copysign(self.value(), sign.value()))
    }

    fn at_least(self, low: f32) -> Lanes<'b> {
        self.if_less(Number(low), Number(low), self)
    }

    fn at_most(self, high: f32) -> Lanes<'b> {
        let x = self.value();
        self.choose(self, x.gt(Number(high).beside(x)), Number(high))
    }

    fn if_less(self, other: Lanes<'b>, then: Lanes<'b>, otherwise: Lanes<'b>) -> Lanes<'b> {
        let x = self.value();
        let condition = x.lt(other.beside(x));
        Of(condition.select(then.beside(x), otherwise.beside(x)))
    }

    fn if_equal(self, other: Lanes<'b>, then: Lanes<'b>, otherwise: Lanes<'b>) -> Lanes<'b> {
        let x = self.value();
        let condition = x.eq(other.beside(x));
        Of(condition.select(then.beside(x), otherwise.beside(x)))
    }

    // Not by adding and subtracting a large number, which XLA takes for adding nothing.
    fn nearest(self) -> (Lanes<'b>, Value<'b>) {
        let n = self.value().unary("round_nearest_even");
        (Of(n), n.convert(Element::I32))
    }

    fn nearest_of_product(self, factor: f32) -> (Lanes<'b>, Value<'b>) {
        (self * Number(factor)).nearest()
    }

    fn bits(self) -> Value<'b> {
        self.value().bits_as(Element::I32)
    }

    fn from_bits(bits: Value<'b>) -> Lanes<'b> {
        Of(bits.bits_as(Element::F32))
    }

    fn from_integer(integer: Value<'b>) -> Lanes<'b> {
        Of(integer.convert(Element::F32))
    }

    fn add_int(integer: Value<'b>, other: i32) -> Value<'b> {
        integer + other
    }

    fn sub_int(integer: Value<'b>, other: Value<'b>) -> Value<'b> {
        integer - other
    }

    fn shl(bits: Value<'b>, by: u8) -> Value<'b> {
        bits.binary("shift_left", bits.like(i32::from(by)))
    }

    fn shr(bits: Value<'b>, by: u8) -> Value<'b> {
        bits.binary("shift_right_arithmetic", bits.like(i32::from(by)))
    }

    fn and(bits: Value<'b>, mask: u32) -> Value<'b> {
        bits & mask.cast_signed()
    }

    fn or(bits: Value<'b>, mask: u32) -> Value<'b> {
        bits | mask.cast_signed()
    }
}

/// The magnitude of one float with the sign of another, also of zeros and NaN.
pub(super) fn copysign<'b>(magnitude: Value<'b>, sign: Value<'b>) -> Value<'b> {
    let of = magnitude.element();
    let (integer, minus) = match of.bits() {
        64 => (Element::I64, i64::MIN),
        _ => (Element::I32, i64::from(i32::MIN)),
    };
    let [magnitude, sign] = [magnitude, sign].map(|x| x.bits_as(integer));
    ((magnitude & !magnitude.like(minus)) | (sign & minus)).bits_as(of)
}
