//! Signs of numbers of every dtype.

use half::{bf16, f16};

use super::math::Real;
use super::number::Number;

/// What has a sign.
pub trait Signed: Number {
    /// The opposite number; unsigned integers wrap around.
    fn neg(self) -> Self;
    /// The number without its sign.
    fn abs(self) -> Self;
    /// -1, 0 or 1; float zeros and NaN are their own.
    fn sign(self) -> Self;
    /// Whether it is one of the infinities.
    fn is_infinite(self) -> bool;
}

macro_rules! signed {
    ($($t:ty: $neg:expr, $abs:expr, $sign:expr, $is_infinite:expr;)*) => { $(
        impl Signed for $t {
            #[inline(always)]
            fn neg(self) -> $t {
                let f: fn($t) -> $t = $neg;
                f(self)
            }
            #[inline(always)]
            fn abs(self) -> $t {
                let f: fn($t) -> $t = $abs;
                f(self)
            }
            #[inline(always)]
            fn sign(self) -> $t {
                let f: fn($t) -> $t = $sign;
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
