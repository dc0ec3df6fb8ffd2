//! Normal distributions, by inverse transform sampling with the inverse error function.

use super::uniform::{between, between_constants};
use super::{Key, check_bare, check_parameters, dtype_of_parameters, sampler};
use crate::array::DType;
use crate::core::domain::NUMBER;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::convert;
use crate::ops::elementwise::sampled;

sampler! {
    /// Samples of the standard normal distribution, `F32` of a shape.
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

    /// Samples of the standard normal distribution, of a shape and a float dtype.
    pub fn normal_of / try_normal_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        standard(key, shape.as_ref(), dtype)
    }

    /// Samples of the standard normal distribution between `lower` and `upper`, both broadcast to the shape; bare numbers may
    /// be infinite, but not NaN.
    ///
    /// The dtype is that of the bounds, `F32` for bare numbers. The samples are `√2·erf⁻¹(u)` for `u` uniform between
    /// `erf(lower/√2)` and `erf(upper/√2)`, kept strictly inside of the bounds; but a bound of 0 may be met, because next to
    /// it JAX sees only 0.
    pub fn truncated_normal / try_truncated_normal(
        key: &Key,
        lower: impl TensorLike,
        upper: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        let (lower, upper) = (lower.operand()?, upper.operand()?);
        let dtype = dtype_of_parameters([&lower, &upper]);
        check_parameters("truncated_normal", shape.as_ref(), &[&lower, &upper])?;
        check_bare("truncated_normal", "lower", NUMBER, &lower)?;
        check_bare("truncated_normal", "upper", NUMBER, &upper)?;
        let (lower, upper) = (convert(&lower, dtype, false)?, convert(&upper, dtype, false)?);
        let scale = lower.like(std::f64::consts::SQRT_2);
        // A division by a constant is a product with its rounded reciprocal to XLA.
        let shrink = scale.like(1.0).try_div(&scale)?;
        let bound = |x: &Tensor| sampled::erf(&x.try_mul(&shrink)?);
        let u = between("truncated_normal", key, shape.as_ref(), dtype, bound(&lower)?, bound(&upper)?)?;
        let (least, greatest) = (flushed(&lower.try_next_up()?)?, flushed(&upper.try_next_down()?)?);
        sampled::erf_inv(&u)?.try_mul(&scale)?.try_clip(least, greatest)
    }
}

/// With subnormal numbers as zeros, which they are to XLA on CPUs; those of `F16` are normal in `F32`, where it computes.
#[track_caller]
fn flushed(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F16 {
        return Ok(x.clone());
    }
    let is_subnormal = x.try_abs()?.try_lt(x.like(x.dtype().least_normal()))?;
    is_subnormal.try_select(x.try_mul(x.like(0.0))?, x)
}

#[track_caller]
pub(super) fn standard(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let u = between_constants(key, shape, dtype, above_minus_one(dtype), 1.0)?;
    Ok(sampled::erf_inv(&u)? * std::f64::consts::SQRT_2)
}

/// The least number of the dtype above −1.
pub(super) fn above_minus_one(dtype: DType) -> f64 {
    // A float below 1 has a mantissa of one bit less above the last one: half the distance of the floats above 1.
    -1.0 + 0.5 * dtype.epsilon()
}
