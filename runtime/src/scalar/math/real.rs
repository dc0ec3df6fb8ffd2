//! The trait through which generic kernels call scalar functions.

use super::{error_function, exponential, gamma, logarithm, trigonometry};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Describes floating-point numbers with the functions of the elementwise primitives.
///
/// The f32 versions of the common functions (`exp`, `exp2`, `expm1`, `log`, `log2`, `log1p`, `logistic`, `tanh`, `erf`,
/// `erfc`, `erf_inv`, `sqrt`, `rsqrt`, rounding) are branch-free and always inlined, so loops over them vectorise inside
/// [`simd::run`](crate::kernels::simd::run); `sin_near` and `cos_near` do the same for bounded arguments. The other f32
/// functions round a double-precision result. On concrete types call them as `Real::exp(x)`: `x.exp()` is std's.
///
/// f32 results are within 2.5 units in the last place of the true value, and the same on every instruction set. Only
/// `erf_inv` loses more, up to two digits near ±1, as XLA does, whose bits it reproduces.
pub trait Real:
    Copy
    + Debug
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Converts from double precision, rounding to nearest.
    fn from_f64(x: f64) -> Self;
    /// Converts to double precision, exactly.
    fn to_f64(self) -> f64;
    /// Returns `self·a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// Returns `e^x`.
    fn exp(self) -> Self;
    /// Returns `2^x`.
    fn exp2(self) -> Self;
    /// Returns `e^x - 1`, precise near zero.
    fn expm1(self) -> Self;
    /// Returns the natural logarithm.
    fn log(self) -> Self;
    /// Returns the logarithm to base 2.
    fn log2(self) -> Self;
    /// Returns `log(1 + x)`, precise near zero.
    fn log1p(self) -> Self;
    /// Returns the square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Returns `1/√x`.
    fn rsqrt(self) -> Self;
    /// Returns the cube root.
    fn cbrt(self) -> Self;
    /// Returns the sine.
    fn sin(self) -> Self;
    /// Returns the cosine.
    fn cos(self) -> Self;
    /// Returns whether `sin_near` and `cos_near` are valid for this argument; never for a NaN in f32.
    fn is_near(self) -> bool;
    /// Returns the sine of an argument for which `is_near` holds.
    fn sin_near(self) -> Self;
    /// Returns the cosine of an argument for which `is_near` holds.
    fn cos_near(self) -> Self;
    /// Returns the tangent.
    fn tan(self) -> Self;
    /// Returns the inverse sine.
    fn asin(self) -> Self;
    /// Returns the inverse cosine.
    fn acos(self) -> Self;
    /// Returns the inverse tangent.
    fn atan(self) -> Self;
    /// Returns the hyperbolic sine.
    fn sinh(self) -> Self;
    /// Returns the hyperbolic cosine.
    fn cosh(self) -> Self;
    /// Returns the hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Returns the inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// Returns the inverse hyperbolic cosine.
    fn acosh(self) -> Self;
    /// Returns the inverse hyperbolic tangent.
    fn atanh(self) -> Self;
    /// Returns `1/(1 + e^-x)`.
    fn logistic(self) -> Self;
    /// Returns the error function.
    fn erf(self) -> Self;
    /// Returns `1 - erf(x)`, precise in the tail.
    fn erfc(self) -> Self;
    /// Returns the inverse of the error function.
    fn erf_inv(self) -> Self;
    /// Returns `log |Γ(x)|`.
    fn lgamma(self) -> Self;
    /// Returns the derivative of `lgamma`.
    fn digamma(self) -> Self;
    /// Returns the second derivative of `lgamma`.
    fn trigamma(self) -> Self;
    /// Rounds towards minus infinity.
    fn floor(self) -> Self;
    /// Rounds towards infinity.
    fn ceil(self) -> Self;
    /// Rounds to the nearest integer, ties to the even one.
    fn round(self) -> Self;
    /// Rounds towards zero.
    fn trunc(self) -> Self;
    /// Returns the magnitude.
    fn abs(self) -> Self;
    /// Returns -1 or 1, or the argument itself if that is a zero or NaN.
    fn sign(self) -> Self;

    /// Returns `self^y`, with the limits of C's `pow`.
    fn pow(self, y: Self) -> Self;
    /// Returns `self^n` by repeated squaring; for negative `n` the reciprocal of `self^-n`.
    fn powi(self, n: i32) -> Self;
    /// Returns the angle of the point `(x, self)`, between -π and π.
    fn atan2(self, x: Self) -> Self;
    /// Returns the remainder of the truncated quotient, with the sign of `self`.
    fn rem(self, y: Self) -> Self;
    /// Returns the maximum; NaN if either is, and +0 of two zeros of different sign.
    fn max(self, y: Self) -> Self;
    /// Returns the minimum; NaN if either is, and -0 of two zeros of different sign.
    fn min(self, y: Self) -> Self;
}

macro_rules! of_one {
    ($type:ty: $($name:ident => $function:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self) -> $type {
                $function(self)
            }
        )*
    };
}

/// The functions that are the same text for both precisions.
macro_rules! common {
    ($type:ident) => {
        of_one! {
            $type:
            sqrt => $type::sqrt;
            rsqrt => |x| 1.0 / $type::sqrt(x);
            floor => $type::floor;
            ceil => $type::ceil;
            round => $type::round_ties_even;
            trunc => $type::trunc;
            abs => $type::abs;
            sign => |x: $type| if x.abs() > 0.0 { $type::copysign(1.0, x) } else { x };
        }

        #[inline(always)]
        fn from_f64(x: f64) -> Self {
            x as $type
        }

        #[inline(always)]
        fn to_f64(self) -> f64 {
            self.into()
        }

        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            $type::mul_add(self, a, b)
        }

        #[inline]
        fn powi(self, n: i32) -> Self {
            let (mut base, mut exponent, mut power) = (self, n.unsigned_abs(), 1.0);
            while exponent > 0 {
                if exponent & 1 == 1 {
                    power *= base;
                }
                exponent >>= 1;
                base *= base;
            }
            if n < 0 { 1.0 / power } else { power }
        }

        #[inline(always)]
        fn rem(self, y: Self) -> Self {
            self % y
        }

        #[inline(always)]
        fn max(self, y: Self) -> Self {
            let max = if self > y || self.is_nan() { self } else { y };
            // Equal numbers differ in the sign of zero only.
            if self == y { $type::from_bits(self.to_bits() & y.to_bits()) } else { max }
        }

        #[inline(always)]
        fn min(self, y: Self) -> Self {
            let min = if self < y || self.is_nan() { self } else { y };
            if self == y { $type::from_bits(self.to_bits() | y.to_bits()) } else { min }
        }
    };
}

/// Rounds a function of double precision.
macro_rules! rounded {
    ($($name:ident => $function:expr;)*) => {
        of_one! { f32: $($name => |x| $function(f64::from(x)) as f32;)* }
    };
}

/// The inverse hyperbolic cosine; that of `libm` is a number for large negative arguments.
#[inline]
fn acosh(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

impl Real for f32 {
    common!(f32);

    of_one! {
        f32:
        exp => exponential::exp;
        exp2 => exponential::exp2;
        expm1 => exponential::expm1;
        logistic => exponential::logistic;
        tanh => exponential::tanh;
        log => logarithm::log;
        log2 => logarithm::log2;
        log1p => logarithm::log1p;
        erf => error_function::erf;
        erfc => error_function::erfc;
        erf_inv => error_function::erf_inv;
        sin => trigonometry::sin;
        cos => trigonometry::cos;
        sin_near => trigonometry::sin_within_limit;
        cos_near => trigonometry::cos_within_limit;
    }

    rounded! {
        cbrt => f64::cbrt;
        tan => f64::tan;
        asin => f64::asin;
        acos => f64::acos;
        atan => f64::atan;
        sinh => f64::sinh;
        cosh => f64::cosh;
        asinh => libm::asinh;
        acosh => acosh;
        atanh => libm::atanh;
        lgamma => libm::lgamma;
        digamma => gamma::digamma;
        trigamma => gamma::trigamma;
    }

    #[inline(always)]
    fn is_near(self) -> bool {
        self.abs() <= trigonometry::LIMIT
    }

    #[inline]
    fn pow(self, y: f32) -> f32 {
        f64::from(self).powf(f64::from(y)) as f32
    }

    #[inline]
    fn atan2(self, x: f32) -> f32 {
        f64::from(self).atan2(f64::from(x)) as f32
    }
}

impl Real for f64 {
    common!(f64);

    of_one! {
        f64:
        exp => f64::exp;
        exp2 => f64::exp2;
        expm1 => f64::exp_m1;
        log => f64::ln;
        log2 => f64::log2;
        log1p => f64::ln_1p;
        cbrt => f64::cbrt;
        sin => f64::sin;
        cos => f64::cos;
        sin_near => f64::sin;
        cos_near => f64::cos;
        tan => f64::tan;
        asin => f64::asin;
        acos => f64::acos;
        atan => f64::atan;
        sinh => f64::sinh;
        cosh => f64::cosh;
        tanh => f64::tanh;
        asinh => libm::asinh;
        acosh => acosh;
        atanh => libm::atanh;
        erf => libm::erf;
        erfc => libm::erfc;
        erf_inv => error_function::erf_inv_f64;
        lgamma => libm::lgamma;
        digamma => gamma::digamma;
        trigamma => gamma::trigamma;
    }

    #[inline]
    fn logistic(self) -> f64 {
        let tail = (-self.abs()).exp();
        let numerator = if self < 0.0 { tail } else { 1.0 };
        numerator / (1.0 + tail)
    }

    #[inline(always)]
    fn is_near(self) -> bool {
        true
    }

    #[inline]
    fn pow(self, y: f64) -> f64 {
        self.powf(y)
    }

    #[inline]
    fn atan2(self, x: f64) -> f64 {
        f64::atan2(self, x)
    }
}
