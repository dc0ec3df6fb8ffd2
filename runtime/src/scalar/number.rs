//! The dtypes that kernels compute with, and how each of them adds, multiplies and compares.
//!
//! Kernels are generic over [`Number`]: integers wrap around, `bf16` and `f16` are widened to `f32` for sums and
//! products and rounded once at the end, and the maximum or minimum of two floats is NaN if either is, as IEEE 754-2019
//! (§9.6) has it.

use std::fmt::Debug;

use half::{bf16, f16};

use crate::scalar::rounding;

mod sealed {
    pub trait Sealed {}
}

/// A number type of tensors: `f32`, `f64`, `bf16`, `f16`, `i32`, `i64`, `u32` or `u8`.
///
/// Methods are named as the functions of [`ScalarOp`](super::op::ScalarOp), but for `maximum` and `minimum`: on a concrete float `x.max(y)` is
/// std's, which drops a NaN.
pub trait Number:
    sealed::Sealed + bytemuck::Pod + Default + PartialEq + PartialOrd + Debug + Send + Sync
{
    /// What sums and products are carried in: `f32` for `bf16` and `f16`, the type itself for all others.
    type Acc: Number<Acc = Self::Acc>;

    /// Whether it is `f32`, the type of nearly all models: loops over others are compiled for fewer instruction sets.
    const IS_F32: bool = false;
    /// Whether it is an integer.
    const IS_INTEGER: bool = false;

    /// The neutral element of sums.
    const ZERO: Self;
    /// The neutral element of products.
    const ONE: Self;
    /// The neutral element of [`maximum`](Self::maximum): -∞, or the least integer.
    const MAX_IDENTITY: Self;
    /// The neutral element of [`minimum`](Self::minimum): +∞, or the greatest integer.
    const MIN_IDENTITY: Self;

    /// Converts to the type in which sums are carried, exactly.
    fn widen(self) -> Self::Acc;
    /// Rounds a sum to this type, to nearest with ties to even.
    fn narrow(acc: Self::Acc) -> Self;
    /// Converts from `f64`; to integers it truncates and saturates, as `as` does.
    fn from_f64(x: f64) -> Self;
    /// Converts to `f64`; exact but for large 64-bit integers.
    fn to_f64(self) -> f64;

    /// Returns the sum; integers wrap around.
    fn add(self, other: Self) -> Self;
    /// Returns the difference; integers wrap around.
    fn sub(self, other: Self) -> Self;
    /// Returns the product; integers wrap around.
    fn mul(self, other: Self) -> Self;
    /// Returns `self · factor + summand` in two roundings, on every machine alike.
    #[inline(always)]
    fn mul_then_add(self, factor: Self, summand: Self) -> Self {
        self.mul(factor).add(summand)
    }

    /// Tells whether this is a NaN.
    fn is_nan(self) -> bool;
    /// Returns the maximum: 0 of 0 and -0, and *the* quiet NaN if either is a NaN.
    fn maximum(self, other: Self) -> Self;
    /// Returns the minimum: -0 of 0 and -0, and *the* quiet NaN if either is a NaN.
    fn minimum(self, other: Self) -> Self;
    /// Returns the number itself if it is more than 0, else 0; a NaN stays as it is.
    fn relu(self) -> Self;
}

macro_rules! float {
    ($($t:ty)*) => { $(
        impl sealed::Sealed for $t {}
        impl Number for $t {
            const IS_F32: bool = size_of::<$t>() == 4;
            type Acc = $t;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const MAX_IDENTITY: Self = <$t>::NEG_INFINITY;
            const MIN_IDENTITY: Self = <$t>::INFINITY;
            #[inline(always)]
            fn widen(self) -> Self { self }
            #[inline(always)]
            fn narrow(acc: Self) -> Self { acc }
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn add(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self - other }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn is_nan(self) -> bool { self != self }
            // Selections that processors have instead of branches: of equal numbers and of NaN, each takes the second.
            // Equal numbers that differ are zeros of different signs.
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                let (one, two) = (if self > other { self } else { other }, if other > self { other } else { self });
                let either = <$t>::from_bits(one.to_bits() & two.to_bits());
                if Number::is_nan(self) | Number::is_nan(other) { <$t>::NAN } else { either }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                let (one, two) = (if self < other { self } else { other }, if other < self { other } else { self });
                let either = <$t>::from_bits(one.to_bits() | two.to_bits());
                if Number::is_nan(self) | Number::is_nan(other) { <$t>::NAN } else { either }
            }
            // -0 + 0 is 0, and nothing else changes.
            #[inline(always)]
            fn relu(self) -> Self { (if 0.0 > self { 0.0 } else { self }) + 0.0 }
        }
    )* };
}

macro_rules! half_float {
    ($($t:ty: $widen:ident $narrow:ident $round:ident;)*) => { $(
        impl sealed::Sealed for $t {}
        impl Number for $t {
            type Acc = f32;
            const ZERO: Self = <$t>::ZERO;
            const ONE: Self = <$t>::ONE;
            const MAX_IDENTITY: Self = <$t>::NEG_INFINITY;
            const MIN_IDENTITY: Self = <$t>::INFINITY;
            #[inline(always)]
            fn widen(self) -> f32 { rounding::$widen(self) }
            #[inline(always)]
            fn narrow(acc: f32) -> Self { rounding::$narrow(acc) }
            #[inline(always)]
            fn from_f64(x: f64) -> Self { rounding::$round(x) }
            #[inline(always)]
            fn to_f64(self) -> f64 { self.widen().into() }
            #[inline(always)]
            fn add(self, other: Self) -> Self { Self::narrow(self.widen() + other.widen()) }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { Self::narrow(self.widen() - other.widen()) }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { Self::narrow(self.widen() * other.widen()) }
            #[inline(always)]
            fn is_nan(self) -> bool { <$t>::is_nan(self) }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if Number::is_nan(self) | Number::is_nan(other) { <$t>::NAN }
                else if rank(self.to_bits()) > rank(other.to_bits()) { self }
                else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if Number::is_nan(self) | Number::is_nan(other) { <$t>::NAN }
                else if rank(self.to_bits()) < rank(other.to_bits()) { self }
                else { other }
            }
            #[inline(always)]
            fn relu(self) -> Self {
                if Number::is_nan(self) | (rank(self.to_bits()) > 0) { self } else { <$t>::ZERO }
            }
        }
    )* };
}

/// Where a half stands among all: bits of sign and magnitude as an integer that grows with the number, -0 before 0.
#[inline(always)]
fn rank(bits: u16) -> i16 {
    let bits = bits as i16;
    bits ^ (((bits >> 15) as u16) >> 1) as i16
}

macro_rules! integer {
    ($($t:ty)*) => { $(
        impl sealed::Sealed for $t {}
        impl Number for $t {
            const IS_INTEGER: bool = true;
            type Acc = $t;
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const MAX_IDENTITY: Self = <$t>::MIN;
            const MIN_IDENTITY: Self = <$t>::MAX;
            #[inline(always)]
            fn widen(self) -> Self { self }
            #[inline(always)]
            fn narrow(acc: Self) -> Self { acc }
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn is_nan(self) -> bool { false }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self { self.min(other) }
            #[inline(always)]
            fn relu(self) -> Self { self.max(0) }
        }
    )* };
}

float!(f32 f64);
half_float! {
    bf16: f32_of_bf16 bf16_of_f32 bf16_of_f64;
    f16: f32_of_f16 f16_of_f32 f16_of_f64;
}
integer!(i32 i64 u32 u8);

#[cfg(test)]
mod tests {

    use super::*;
    use crate::scalar::arith::Arith;
    use crate::scalar::signed::Signed;

    fn neutral_elements_are_neutral<T: Number>() {
        for x in [0.0, 1.0, 3.0, 100.0].map(T::from_f64) {
            assert_eq!(T::ZERO.add(x), x);
            assert_eq!(T::ONE.mul(x), x);
            assert_eq!(T::MAX_IDENTITY.maximum(x), x);
            assert_eq!(T::MIN_IDENTITY.minimum(x), x);
            assert_eq!(T::narrow(x.widen()), x);
            assert_eq!(x.mul_then_add(T::ONE, T::ONE), x.add(T::ONE));
            assert_eq!(x.add(T::ONE).sub(T::ONE), x);
            assert_eq!(T::from_f64(x.to_f64()), x);
        }
    }

    #[test]
    fn every_type_has_neutral_elements() {
        neutral_elements_are_neutral::<f32>();
        neutral_elements_are_neutral::<f64>();
        neutral_elements_are_neutral::<bf16>();
        neutral_elements_are_neutral::<f16>();
        neutral_elements_are_neutral::<i32>();
        neutral_elements_are_neutral::<i64>();
        neutral_elements_are_neutral::<u32>();
        neutral_elements_are_neutral::<u8>();
    }

    #[test]
    fn integers_wrap_around() {
        assert_eq!(200u8.add(100), 44);
        assert_eq!(0u32.sub(1), u32::MAX);
        assert_eq!(i32::MAX.mul(2), -2);
    }

    #[test]
    fn the_larger_and_the_smaller_of_anything_and_nan_is_nan() {
        assert!(Number::maximum(f32::NAN, 1.0).is_nan() && Number::maximum(1f32, f32::NAN).is_nan());
        assert!(Number::minimum(f64::NAN, 1.0).is_nan() && Number::minimum(1f64, f64::NAN).is_nan());
        assert!(Number::is_nan(bf16::NAN.maximum(bf16::ONE)) && Number::is_nan(f16::ONE.minimum(f16::NAN)));
    }

    fn zero_is_more_than_minus_zero<T: Arith + Signed>() {
        let (zero, minus) = (T::ZERO, T::ZERO.neg());
        let signs = |x: T, y: T| {
            let is_minus = |z: T| T::ONE.div(z) == T::MAX_IDENTITY;
            [Number::maximum(x, y), Number::minimum(x, y), x.relu()].map(is_minus)
        };
        assert_eq!(signs(zero, minus), [false, true, false]);
        assert_eq!(signs(minus, zero), [false, true, false]);
        assert_eq!(signs(minus, minus), [true, true, false]);
        assert_eq!(signs(zero, zero), [false, false, false]);
        let nan = T::from_f64(f64::NAN);
        assert!(nan.relu().is_nan() && nan.neg().relu().is_nan());
        assert_eq!([T::ONE, T::ONE.neg()].map(T::relu), [T::ONE, zero]);
    }

    #[test]
    fn of_zeros_the_larger_is_plus_and_the_smaller_minus_in_either_order() {
        zero_is_more_than_minus_zero::<f32>();
        zero_is_more_than_minus_zero::<f64>();
        zero_is_more_than_minus_zero::<bf16>();
        zero_is_more_than_minus_zero::<f16>();
    }

    #[test]
    fn halves_are_ranked_as_the_numbers_that_they_are() {
        let all = (0..=u16::MAX).map(f16::from_bits).filter(|x| !x.is_nan());
        let (mut by_rank, mut by_number): (Vec<f16>, Vec<f16>) = (all.clone().collect(), all.collect());
        by_rank.sort_by_key(|x| rank(x.to_bits()));
        by_number.sort_by(f16::total_cmp);
        assert_eq!(by_rank, by_number);
        for (&x, &y) in by_number.iter().zip(&by_number[1..]) {
            assert_eq!(
                [x.maximum(y), y.maximum(x), x.minimum(y), y.minimum(x)].map(f16::to_bits),
                [y, y, x, x].map(f16::to_bits)
            );
        }
    }

    #[test]
    fn halves_round_to_nearest_even() {
        assert_eq!(bf16::narrow(1.0 + 1.0 / 256.0), bf16::ONE);
        assert_eq!(bf16::narrow(1.0 + 3.0 / 256.0).to_f32(), 1.0 + 4.0 / 256.0);
    }
}
