//! What the numbers of a dtype reach and how fine they are, as `jnp.finfo` and `jnp.iinfo` say it.

use super::DType;

/// The limits of a float dtype, each of which is a number of it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FloatLimits {
    /// Bits of a number.
    pub bits: usize,
    /// The distance from 1 to the next greater number.
    pub eps: f64,
    /// The greatest finite number.
    pub max: f64,
    /// The least finite number.
    pub min: f64,
    /// The smallest positive number that has all digits, also called the smallest normal one.
    pub tiny: f64,
    /// The smallest positive number.
    pub smallest_subnormal: f64,
}

/// The limits of an integer dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegerLimits {
    /// Bits of a number.
    pub bits: usize,
    /// The least number.
    pub min: i64,
    /// The greatest number.
    pub max: i64,
}

impl DType {
    /// The distance of 1 from the next number of a float dtype.
    pub(crate) fn epsilon(self) -> f64 {
        self.finfo().map_or(f64::EPSILON, |limits| limits.eps)
    }

    /// The least positive number with a whole mantissa of a float dtype.
    pub(crate) fn least_normal(self) -> f64 {
        self.finfo().map_or(f64::MIN_POSITIVE, |limits| limits.tiny)
    }

    /// The limits of a float dtype, as `jnp.finfo`; `None` for others.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let limits = DType::BF16.finfo().ok_or(Error::msg("a float"))?;
    /// assert_eq!((limits.bits, limits.eps), (16, 0.0078125));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn finfo(self) -> Option<FloatLimits> {
        // Bits of the mantissa that are stored, and the exponents of the smallest and the greatest numbers that have all of them.
        let (mantissa, low, high) = match self {
            DType::F16 => (10, -14, 15),
            DType::BF16 => (7, -126, 127),
            DType::F32 => (23, -126, 127),
            DType::F64 => (52, -1022, 1023),
            _ => return None,
        };
        let eps = 2f64.powi(-mantissa);
        let max = (2.0 - eps) * 2f64.powi(high);
        // In two steps, because a power beyond the normal numbers may be computed as the reciprocal of one that is infinite.
        let (tiny, smallest_subnormal) = (2f64.powi(low), 2f64.powi(low) * eps);
        Some(FloatLimits { bits: 8 * self.size(), eps, max, min: -max, tiny, smallest_subnormal })
    }

    /// The limits of an integer dtype, as `jnp.iinfo`; `None` for others.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let limits = DType::I8.iinfo().ok_or(Error::msg("an integer dtype"))?;
    /// assert_eq!((limits.min, limits.max), (-128, 127));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn iinfo(self) -> Option<IntegerLimits> {
        let range = self.narrow_range().or((self == DType::I64).then_some([i64::MIN, i64::MAX]));
        range.map(|[min, max]| IntegerLimits { bits: 8 * self.size(), min, max })
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn limits_of_floats_are_those_of_their_rust_types() {
        let of = |dtype: DType| {
            let FloatLimits { bits, eps, max, min, tiny, .. } = dtype.finfo().unwrap();
            (bits, [eps, max, min, tiny])
        };
        let f32s = [f32::EPSILON, f32::MAX, f32::MIN, f32::MIN_POSITIVE].map(f64::from);
        let f16s = [f16::EPSILON, f16::MAX, f16::MIN, f16::MIN_POSITIVE].map(f64::from);
        let bf16s = [bf16::EPSILON, bf16::MAX, bf16::MIN, bf16::MIN_POSITIVE].map(f64::from);
        assert_eq!(of(DType::F32), (32, f32s));
        assert_eq!(of(DType::F64), (64, [f64::EPSILON, f64::MAX, f64::MIN, f64::MIN_POSITIVE]));
        assert_eq!(of(DType::F16), (16, f16s));
        assert_eq!(of(DType::BF16), (16, bf16s));
        assert_eq!(DType::F64.finfo().unwrap().smallest_subnormal, f64::from_bits(1));
        assert_eq!(DType::F32.finfo().unwrap().smallest_subnormal, f64::from(f32::from_bits(1)));
        assert_eq!((DType::I32.finfo(), DType::F32.iinfo(), DType::Bool.iinfo()), (None, None, None));
    }
}
