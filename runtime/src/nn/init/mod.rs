//! Initializers, as `flax.linen.initializers` has them.
//!
//! All return an [`Initializer`]: a function of a key, a shape and a dtype, which can also be made of a closure. For one key
//! the values are those of Flax, bit for bit in `F32`; [`orthogonal`] differs by the rounding of its decomposition.

mod orthogonal;
mod variance_scaling;

use std::cmp::Ordering;

use crate::array::{Aval, DType, Element};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE, NUMBER};
use crate::core::tensor::bare;
use crate::error::{Error, Result};
use crate::ops::create::full;
use crate::random;
use crate::scope::Initializer;

pub use orthogonal::{delta_orthogonal, orthogonal};
pub use variance_scaling::{
    Distribution, FanMode, VarianceScaling, glorot_normal, glorot_uniform, he_normal, he_uniform,
    kaiming_normal, kaiming_uniform, lecun_normal, lecun_uniform, variance_scaling, xavier_normal,
    xavier_uniform,
};

/// Zeros.
#[doc(alias = "initializers")]
pub fn zeros() -> Initializer {
    Initializer::new(|_, shape, dtype| full(Aval::unchecked(shape, dtype), 0.0)).named("zeros")
}

/// Ones.
pub fn ones() -> Initializer {
    Initializer::new(|_, shape, dtype| full(Aval::unchecked(shape, dtype), 1.0)).named("ones")
}

/// One number everywhere; it may be infinite, but not NaN.
pub fn constant(value: impl Into<f64>) -> Initializer {
    let value = value.into();
    Initializer::new(move |_, shape, dtype| {
        NUMBER.check("constant", "value", value)?;
        full(Aval::unchecked(shape, dtype), value)
    })
    .named(format!("constant({value:?})"))
}

/// Normal with mean 0; the standard deviation is finite and at least 0, 0.01 by Flax's default.
pub fn normal(stddev: impl Into<f64>) -> Initializer {
    let stddev = stddev.into();
    Initializer::new(move |key, shape, dtype| {
        NOT_NEGATIVE.check("normal", "stddev", stddev)?;
        Ok(random::try_normal_of(key, shape, dtype)? * stddev)
    })
    .named(format!("normal({stddev:?})"))
}

/// Normal with mean 0, truncated to an interval given in standard deviations.
///
/// Flax's defaults are 0.01, −2 and 2. The standard deviation is that before truncation, finite and at least 0; `lower` is
/// below `upper`.
pub fn truncated_normal(stddev: impl Into<f64>, lower: impl Into<f64>, upper: impl Into<f64>) -> Initializer {
    let (stddev, lower, upper) = (stddev.into(), lower.into(), upper.into());
    Initializer::new(move |key, shape, dtype| {
        NOT_NEGATIVE.check("truncated_normal", "stddev", stddev)?;
        if !matches!(lower.partial_cmp(&upper), Some(Ordering::Less)) {
            let message = format!("expects `lower` below `upper`, found {lower} and {upper}");
            return Err(Error::argument("truncated_normal", message));
        }
        let (lower, upper) = (scalar(lower, dtype)?, scalar(upper, dtype)?);
        Ok(random::try_truncated_normal(key, lower, upper, shape)? * stddev)
    })
    .named(format!("truncated_normal({stddev:?}, {lower:?}, {upper:?})"))
}

/// Uniform in [0, scale), or (scale, 0]; the scale is finite, 0.01 by Flax's default.
pub fn uniform(scale: impl Into<f64>) -> Initializer {
    let scale = scale.into();
    Initializer::new(move |key, shape, dtype| {
        FINITE.check("uniform", "scale", scale)?;
        Ok(random::try_uniform_of(key, shape, dtype)? * scale)
    })
    .named(format!("uniform({scale:?})"))
}

/// Samples of any distribution of the `rand` ecosystem, such as those of `ndarray-rand`.
///
/// The values are drawn one after another, row-major, as the distribution's type, and cast to the parameter's dtype.
///
/// ```
/// use flaxen::prelude::*;
/// use ndarray_rand::rand_distr::Cauchy;
///
/// let cauchy = init::from_distribution(Cauchy::new(0.0f32, 0.1)?);
/// let x = Tensor::ones([1, 3]);
/// let variables = Dense::new(4).kernel_init(cauchy).init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/kernel")?.shape(), [3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_distribution<T, D>(distribution: D) -> Initializer
where
    T: Element,
    D: rand::distr::Distribution<T> + Send + Sync + 'static,
{
    Initializer::new(move |key, shape, dtype| {
        random::try_from_fn_of(key, shape, dtype, |generator| distribution.sample(generator))
    })
}

/// A number of a dtype.
fn scalar(value: f64, dtype: DType) -> Result<Tensor> {
    bare(value).try_cast(dtype)
}
