//! Scalar arithmetic of two arguments, beyond sums and products.

use half::{bf16, f16};

use super::number::Number;

/// Division, remainder and powers of a dtype.
///
/// Integers follow JAX: `x / 0` has all bits set, `x % 0` is 0, and `MIN / -1` wraps.
pub trait Arith: Number {
    /// The quotient; integers truncate towards zero.
    fn div(self, other: Self) -> Self;
    /// What is left by a quotient truncated towards zero; it has the sign of `self`.
    fn rem(self, other: Self) -> Self;
    /// `self` to the power of `other`; an integer to a negative power is 0, but for ±1.
    fn pow(self, other: Self) -> Self;
    /// The angle of the point (`other`, `self`); of floats only.
    fn atan2(self, other: Self) -> Self;
}

macro_rules! float {
    ($($t:ty)*) => { $(
        impl Arith for $t {
            #[inline(always)]
            fn div(self, other: Self) -> Self { self / other }
            #[inline(always)]
            fn rem(self, other: Self) -> Self { self % other }
            #[inline(always)]
            fn pow(self, other: Self) -> Self { self.powf(other) }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self { self.atan2(other) }
        }
    )* };
}

macro_rules! half_float {
    ($($t:ty)*) => { $(
        impl Arith for $t {
            #[inline(always)]
            fn div(self, other: Self) -> Self { Self::narrow(self.widen() / other.widen()) }
            #[inline(always)]
            fn rem(self, other: Self) -> Self { Self::narrow(self.widen() % other.widen()) }
            #[inline(always)]
            fn pow(self, other: Self) -> Self { Self::narrow(self.widen().powf(other.widen())) }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self { Self::narrow(self.widen().atan2(other.widen())) }
        }
    )* };
}

macro_rules! integer {
    ($($t:ty, $all_bits:expr, $negative:expr;)*) => { $(
        impl Arith for $t {
            #[inline(always)]
            fn div(self, other: Self) -> Self { if other == 0 { $all_bits } else { self.wrapping_div(other) } }
            #[inline(always)]
            fn rem(self, other: Self) -> Self { if other == 0 { 0 } else { self.wrapping_rem(other) } }
            fn pow(self, other: Self) -> Self {
                let negative: fn($t) -> bool = $negative;
                if negative(other) {
                    let odd = other & 1 == 1;
                    return if self == 1 || (self == Self::ZERO.wrapping_sub(1) && !odd) {
                        1
                    } else if self == Self::ZERO.wrapping_sub(1) {
                        self
                    } else {
                        0
                    };
                }
                // Binary exponentiation: a square for each bit of the exponent.
                let (mut base, mut left, mut out) = (self, other, 1 as $t);
                while left > 0 {
                    if left & 1 == 1 {
                        out = out.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    left >>= 1;
                }
                out
            }
            fn atan2(self, _other: Self) -> Self { unreachable!("angles are floats") }
        }
    )* };
}

float! { f32 f64 }
half_float! { f16 bf16 }
integer! {
    i32, -1, |x| x < 0;
    i64, -1, |x| x < 0;
    u32, u32::MAX, |_| false;
    u8, u8::MAX, |_| false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_never_trap() {
        assert_eq!((7i32.div(0), i32::MIN.div(-1), 7i32.rem(0), i32::MIN.rem(-1)), (-1, i32::MIN, 0, 0));
        assert_eq!((7u8.div(0), 7u8.rem(0)), (255, 0));
    }

    #[test]
    fn integer_powers() {
        assert_eq!([(3, 4), (-2, 3), (0, 0), (2, 33)].map(|(x, y)| Arith::pow(x, y)), [81i32, -8, 1, 0]);
        assert_eq!([(2, -1), (-1, -3), (-1, -2), (1, -5)].map(|(x, y)| Arith::pow(x, y)), [0i32, -1, 1, 1]);
    }
}
