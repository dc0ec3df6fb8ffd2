//! Functions without branches in tagless final style (J. Carette, O. Kiselyov and C. Shan, 2009): one text of a function serves
//! loops over values and, as a text that writes instructions, loops that are compiled just in time.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::exponential::{ROUNDER, rounded};

/// Describes a value, or what stands for one.
///
/// Operations round as those of `f32` do.
pub trait Lane:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The 32 bits as an integer.
    type Bits: Copy;

    /// Returns a constant.
    fn of(x: f32) -> Self;
    /// Returns `self·a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Returns the magnitude.
    fn abs(self) -> Self;
    /// Returns the magnitude with the sign of another number.
    fn copysign(self, sign: Self) -> Self;
    /// Returns `low` for what is less, and NaN for NaN.
    fn at_least(self, low: f32) -> Self;
    /// Returns `high` for what is larger, and NaN for NaN.
    fn at_most(self, high: f32) -> Self;
    /// Returns `then` where `self < other`, else `otherwise`.
    fn if_less(self, other: Self, then: Self, otherwise: Self) -> Self;
    /// Returns `then` where the two are equal, else `otherwise`.
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self;
    /// Returns the nearest integer of a number of magnitude below 2²², as a number and as bits.
    #[inline(always)]
    fn nearest(self) -> (Self, Self::Bits) {
        let t = self + Self::of(ROUNDER);
        (t - Self::of(ROUNDER), rounded(t))
    }
    /// Returns the nearest integer of a product of magnitude below 2²², in one rounding where there is one.
    #[inline(always)]
    fn nearest_of_product(self, factor: f32) -> (Self, Self::Bits) {
        let t = self.mul_add(Self::of(factor), Self::of(ROUNDER));
        (t - Self::of(ROUNDER), rounded(t))
    }
    /// Returns the bits.
    fn bits(self) -> Self::Bits;
    /// Returns the number with these bits.
    fn from_bits(bits: Self::Bits) -> Self;
    /// Returns the nearest number to an integer.
    fn from_integer(integer: Self::Bits) -> Self;
    /// Returns the integer and another one, wrapped around.
    fn add_int(integer: Self::Bits, other: i32) -> Self::Bits;
    /// Returns the difference of two integers, wrapped around.
    fn sub_int(integer: Self::Bits, other: Self::Bits) -> Self::Bits;
    /// Returns bits moved towards the more significant end.
    fn shl(bits: Self::Bits, by: u8) -> Self::Bits;
    /// Returns bits moved towards the less significant end, with copies of the sign behind them.
    fn shr(bits: Self::Bits, by: u8) -> Self::Bits;
    /// Returns bits that are set in both.
    fn and(bits: Self::Bits, mask: u32) -> Self::Bits;
    /// Returns bits that are set in either.
    fn or(bits: Self::Bits, mask: u32) -> Self::Bits;
}

impl Lane for f32 {
    type Bits = i32;

    #[inline(always)]
    fn of(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn mul_add(self, a: f32, b: f32) -> f32 {
        f32::mul_add(self, a, b)
    }

    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }

    #[inline(always)]
    fn copysign(self, sign: f32) -> f32 {
        f32::copysign(self, sign)
    }

    #[inline(always)]
    fn at_least(self, low: f32) -> f32 {
        if self < low { low } else { self }
    }

    #[inline(always)]
    fn at_most(self, high: f32) -> f32 {
        if self > high { high } else { self }
    }

    #[inline(always)]
    fn if_less(self, other: f32, then: f32, otherwise: f32) -> f32 {
        if self < other { then } else { otherwise }
    }

    #[inline(always)]
    fn if_equal(self, other: f32, then: f32, otherwise: f32) -> f32 {
        if self == other { then } else { otherwise }
    }

    #[inline(always)]
    fn bits(self) -> i32 {
        self.to_bits() as i32
    }

    #[inline(always)]
    fn from_bits(bits: i32) -> f32 {
        f32::from_bits(bits as u32)
    }

    #[inline(always)]
    fn from_integer(integer: i32) -> f32 {
        integer as f32
    }

    #[inline(always)]
    fn add_int(integer: i32, other: i32) -> i32 {
        integer.wrapping_add(other)
    }

    #[inline(always)]
    fn sub_int(integer: i32, other: i32) -> i32 {
        integer.wrapping_sub(other)
    }

    #[inline(always)]
    fn shl(bits: i32, by: u8) -> i32 {
        ((bits as u32) << by) as i32
    }

    #[inline(always)]
    fn shr(bits: i32, by: u8) -> i32 {
        bits >> by
    }

    #[inline(always)]
    fn and(bits: i32, mask: u32) -> i32 {
        bits & mask as i32
    }

    #[inline(always)]
    fn or(bits: i32, mask: u32) -> i32 {
        bits | mask as i32
    }
}
