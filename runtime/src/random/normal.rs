//! Normal distributions, by the inverse of the error function.

use super::uniform::{between, between_constants};
use super::{Key, check_parameters, dtype_of_parameters, sampler};
use crate::error::Result;
use crate::ops::convert;
use crate::tensor::{DType, Tensor};

sampler! {
    /// Numbers of the standard normal distribution, `F32` of a shape.
    ///
    /// They are `√2·erf⁻¹(u)` for `u` uniform in (−1, 1).
    ///
    /// ```
    /// use flaxen::random;
    ///
    /// let noise = random::normal(&random::key(0), [2, 3]);
    /// assert_eq!(noise.shape(), [2, 3]);
    /// ```
    pub fn normal / try_normal(key: &Key, shape: impl AsRef<[usize]>) {
        standard(key, shape.as_ref(), DType::F32)
    }

    /// Numbers of the standard normal distribution, of a shape and a float dtype.
    pub fn normal_of / try_normal_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        standard(key, shape.as_ref(), dtype)
    }

    /// Numbers of the standard normal distribution between `lower` and `upper`, both broadcast to the shape.
    ///
    /// The dtype is that of the bounds, `F32` for bare numbers. The samples are `√2·erf⁻¹(u)` for `u` uniform between
    /// `erf(lower/√2)` and `erf(upper/√2)`, kept strictly inside of the bounds.
    pub fn truncated_normal / try_truncated_normal(
        key: &Key,
        shape: impl AsRef<[usize]>,
        lower: impl Into<Tensor>,
        upper: impl Into<Tensor>,
    ) {
        let (lower, upper) = (lower.into(), upper.into());
        let dtype = dtype_of_parameters([&lower, &upper]);
        check_parameters("truncated_normal", shape.as_ref(), &[&lower, &upper])?;
        let (lower, upper) = (convert(&lower, dtype, false)?, convert(&upper, dtype, false)?);
        let scale = lower.like(std::f64::consts::SQRT_2);
        let bound = |x: &Tensor| x.try_div(&scale)?.try_erf();
        let u = between("truncated_normal", key, shape.as_ref(), dtype, bound(&lower)?, bound(&upper)?)?;
        u.try_erf_inv()?.try_mul(&scale)?.try_clamp(lower.try_next_up()?, upper.try_next_down()?)
    }
}

#[track_caller]
fn standard(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let u = between_constants(key, shape, dtype, above_minus_one(dtype), 1.0)?;
    Ok(u.try_erf_inv()? * std::f64::consts::SQRT_2)
}

/// The least number of the dtype above −1.
pub(super) fn above_minus_one(dtype: DType) -> f64 {
    // A float below 1 has a mantissa of one bit less above the last one: half the distance of the floats above 1.
    -1.0 + 0.5
        * match dtype {
            DType::F16 => f64::from(half::f16::EPSILON),
            DType::BF16 => f64::from(half::bf16::EPSILON),
            DType::F32 => f64::from(f32::EPSILON),
            _ => f64::EPSILON,
        }
}
