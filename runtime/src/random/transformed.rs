//! Distributions that are functions of uniform, normal and exponential numbers.

use std::f64::consts::PI;

use super::continuous::exponential_samples;
use super::normal::standard;
use super::uniform::{between_constants, unit};
use super::{Key, check_parameters, divided, dtype_of_parameters, sampler, try_rademacher};
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::convert;
use crate::ops::elementwise::sampled;

sampler! {
    /// Samples of the standard Cauchy distribution, `F32` of a shape: `tan(π·(u − ½))`.
    pub fn cauchy / try_cauchy(key: &Key, shape: impl AsRef<[usize]>) {
        cauchy_samples(key, shape.as_ref(), DType::F32)
    }

    /// Samples of the standard Cauchy distribution, of a shape and a float dtype.
    pub fn cauchy_of / try_cauchy_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        cauchy_samples(key, shape.as_ref(), dtype)
    }

    /// Samples of the Maxwell distribution, the length of a normal vector in space, `F32` of a shape.
    pub fn maxwell / try_maxwell(key: &Key, shape: impl AsRef<[usize]>) {
        maxwell_samples(key, shape.as_ref(), DType::F32)
    }

    /// Samples of the Maxwell distribution, of a shape and a float dtype.
    pub fn maxwell_of / try_maxwell_of(key: &Key, shape: impl AsRef<[usize]>, dtype: DType) {
        maxwell_samples(key, shape.as_ref(), dtype)
    }

    /// Samples of the double-sided Maxwell distributions with a location and a scale, which broadcast to the shape of the samples.
    pub fn double_sided_maxwell / try_double_sided_maxwell(
        key: &Key,
        loc: impl TensorLike,
        scale: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        let shape = shape.as_ref();
        let [loc, scale] = parameters("double_sided_maxwell", shape, [loc.operand()?, scale.operand()?])?;
        let [key_length, key_sign] = key.try_split()?;
        let length = maxwell_samples(&key_length, shape, loc.dtype())?;
        let sign = try_rademacher(&key_sign, shape)?.try_cast(loc.dtype())?;
        sign.try_mul(length)?.try_mul_add(scale, loc)
    }

    /// Samples of the Pareto distributions of shape `b > 0` and scale 1, which broadcast to the shape of the samples: `exp(e/b)` of
    /// exponential numbers.
    pub fn pareto / try_pareto(key: &Key, b: impl TensorLike, shape: impl AsRef<[usize]>) {
        let shape = shape.as_ref();
        let [b] = parameters("pareto", shape, [b.operand()?])?;
        sampled::exp(&divided(&exponential_samples(key, shape, b.dtype())?, &b)?)
    }

    /// Samples of the Rayleigh distributions of a scale, which broadcasts to the shape of the samples: `scale·√(−2·log(u))`.
    pub fn rayleigh / try_rayleigh(key: &Key, scale: impl TensorLike, shape: impl AsRef<[usize]>) {
        let shape = shape.as_ref();
        let [scale] = parameters("rayleigh", shape, [scale.operand()?])?;
        let log = unit(key, shape, scale.dtype())?.try_log()?;
        scale.try_mul(log.try_mul(log.like(-2.0))?.try_sqrt()?)
    }

    /// Samples of the Weibull distributions of a scale and a concentration, which broadcast to the shape of the samples:
    /// `scale·(−log(1 − u))^(1/concentration)`.
    pub fn weibull_min / try_weibull_min(
        key: &Key,
        scale: impl TensorLike,
        concentration: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        let shape = shape.as_ref();
        let [scale, concentration] =
            parameters("weibull_min", shape, [scale.operand()?, concentration.operand()?])?;
        let exponential = exponential_samples(key, shape, scale.dtype())?;
        let power = concentration.like(1.0).try_div(concentration)?;
        sampled::pow(&exponential, &power)?.try_mul(scale)
    }

    /// Samples of the log-normal distributions of a standard deviation of the logarithm, which broadcasts to the shape of the samples:
    /// `exp(sigma·n)` of normal numbers.
    pub fn lognormal / try_lognormal(key: &Key, sigma: impl TensorLike, shape: impl AsRef<[usize]>) {
        let shape = shape.as_ref();
        let [sigma] = parameters("lognormal", shape, [sigma.operand()?])?;
        sampled::exp(&standard(key, shape, sigma.dtype())?.try_mul(sigma)?)
    }

    /// Samples of the triangular distributions from `left` to `right` with a mode between, which broadcast to the shape of the
    /// samples.
    pub fn triangular / try_triangular(
        key: &Key,
        left: impl TensorLike,
        mode: impl TensorLike,
        right: impl TensorLike,
        shape: impl AsRef<[usize]>,
    ) {
        let shape = shape.as_ref();
        let [left, mode, right] =
            parameters("triangular", shape, [left.operand()?, mode.operand()?, right.operand()?])?;
        let u = unit(key, shape, left.dtype())?;
        let (width, rise, fall) = (&right - &left, &mode - &left, &right - mode);
        let below = left + (&u * &width * &rise).try_sqrt()?;
        let above = right - ((1.0 - &u) * &width * fall).try_sqrt()?;
        u.try_lt(rise / width)?.try_select(below, above)
    }

    /// Samples of the Wald (inverse Gaussian) distributions of a mean and shape 1, which broadcasts to the shape of the samples.
    ///
    /// By the method of Michael, Schucany and Haas (1976).
    pub fn wald / try_wald(key: &Key, mean: impl TensorLike, shape: impl AsRef<[usize]>) {
        let shape = shape.as_ref();
        let [mean] = parameters("wald", shape, [mean.operand()?])?;
        let [key_normal, key_choice] = key.try_split()?;
        let y = standard(&key_normal, shape, mean.dtype())?.try_square()?;
        let u = unit(&key_choice, shape, mean.dtype())?;
        let squared = mean.try_square()?;
        let half = &mean * 0.5;
        // Products and sums in one rounding, as XLA makes them.
        let root = (4.0 * &mean).try_mul_add(&y, &squared * y.try_square()?)?.try_sqrt()?;
        let x = (&squared * &y).try_mul_add(y.like(0.5), &mean)?;
        let x = (-half).try_mul_add(root, x)?;
        let is_lesser = u.try_le(&mean / (&mean + &x))?;
        is_lesser.try_select(&x, squared / &x)
    }
}

/// Parameters in the dtype of the samples, which they must not make larger.
#[track_caller]
fn parameters<const N: usize>(
    op: &'static str,
    shape: &[usize],
    tensors: [Tensor; N],
) -> Result<[Tensor; N]> {
    check_parameters(op, shape, &tensors.each_ref())?;
    let dtype = dtype_of_parameters(&tensors);
    let mut converted = tensors;
    for tensor in &mut converted {
        *tensor = convert(tensor, dtype, false)?;
    }
    Ok(converted)
}

#[track_caller]
fn cauchy_samples(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let u = between_constants(key, shape, dtype, dtype.epsilon(), 1.0)?;
    sampled::tan(&u.like(PI).try_mul(u.try_sub(u.like(0.5))?)?)
}

#[track_caller]
fn maxwell_samples(key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let vectors: Shape = shape.iter().copied().chain([3]).collect();
    let x = standard(key, &vectors, dtype)?;
    let at = |i: isize| x.try_index_axis(-1, i);
    let (x, y, z) = (at(0)?, at(1)?, at(2)?);
    // Products and sums in one rounding, in the order in which XLA's compiler leaves them.
    z.try_mul_add(&z, x.try_mul_add(&x, y.try_square()?)?)?.try_sqrt()
}
