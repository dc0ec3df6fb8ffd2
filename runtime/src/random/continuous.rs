//! Other continuous distributions, by inverse transform sampling.

use super::normal::above_minus_one;
use super::uniform::{between_constants, unit};
use super::{Key, sampler};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::ops::elementwise::sampled;

sampler! {
    /// Samples of the standard Gumbel distribution, `F32` of a shape: `−log(−log(u))`.
    ///
    /// The greatest of such numbers, each added to a logit, is a sample of the categorical distribution.
    pub fn gumbel / try_gumbel(key: &Key, shape: impl AsRef<[usize]>) {
        gumbel_samples(key, shape.as_ref(), DType::F32)
    }

    /// Samples of the standard Gumbel distribution, of a shape and a float dtype.
    pub fn gumbel_of / try_gumbel_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        gumbel_samples(key, shape.as_ref(), dtype)
    }

    /// Samples of the exponential distribution with mean 1, `F32` of a shape: `−log(1 − u)`.
    pub fn exponential / try_exponential(key: &Key, shape: impl AsRef<[usize]>) {
        exponential_samples(key, shape.as_ref(), DType::F32)
    }

    /// Samples of the exponential distribution with mean 1, of a shape and a float dtype.
    pub fn exponential_of / try_exponential_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        exponential_samples(key, shape.as_ref(), dtype)
    }

    /// Samples of the standard Laplace distribution, `F32` of a shape: `sign(u)·log(1 − |u|)` for `u` in (−1, 1).
    pub fn laplace / try_laplace(key: &Key, shape: impl AsRef<[usize]>) {
        laplace_samples(key, shape.as_ref(), DType::F32)
    }

    /// Samples of the standard Laplace distribution, of a shape and a float dtype.
    pub fn laplace_of / try_laplace_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        laplace_samples(key, shape.as_ref(), dtype)
    }

    /// Samples of the standard logistic distribution, `F32` of a shape: `log(u) − log(1 − u)`.
    pub fn logistic / try_logistic(key: &Key, shape: impl AsRef<[usize]>) {
        logistic_samples(key, shape.as_ref(), DType::F32)
    }

    /// Samples of the standard logistic distribution, of a shape and a float dtype.
    pub fn logistic_of / try_logistic_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        logistic_samples(key, shape.as_ref(), dtype)
    }
}

#[track_caller]
pub(super) fn gumbel_samples(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    positive(key, shape, dtype)?.try_log()?.try_neg()?.try_log()?.try_neg()
}

#[track_caller]
pub(super) fn exponential_samples(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    sampled::log1p(&unit(key, shape, dtype)?.try_neg()?)?.try_neg()
}

#[track_caller]
fn laplace_samples(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let u = between_constants(key, shape, dtype, above_minus_one(dtype), 1.0)?;
    u.try_sign()?.try_mul(sampled::log1p(&u.try_abs()?.try_neg()?)?)
}

#[track_caller]
fn logistic_samples(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let u = positive(key, shape, dtype)?;
    u.try_log()?.try_sub(sampled::log1p(&u.try_neg()?)?)
}

/// Uniform in (0, 1): 0 becomes the least normal number, whose logarithm is finite.
#[track_caller]
fn positive(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    // As JAX compiles `u·(1 - least) + least`: `u` is a number of [1, 2) less 1, and `least - 1` rounds to -1, so that the
    // two constants make one.
    let u = unit(key, shape, dtype)?;
    u.try_maximum(u.like(dtype.least_normal()))
}
