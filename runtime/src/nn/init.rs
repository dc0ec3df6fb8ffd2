//! Initializers, as `flax.linen.initializers` has them.

use crate::error::{Error, Result};
use crate::random::{self, Key};
use crate::scope::Initializer;
use crate::tensor::{DType, Tensor};

/// The standard deviation of the normal distribution truncated to [−2, 2].
const TRUNCATED_STDDEV: f32 = 0.879_625_66;

/// Zeros.
pub fn zeros() -> Initializer {
    constant(0.0).named("zeros")
}

/// Ones.
pub fn ones() -> Initializer {
    constant(1.0).named("ones")
}

/// One number everywhere.
pub fn constant(value: f32) -> Initializer {
    Initializer::new(move |_, shape, dtype| Tensor::full(shape, value).try_cast(dtype))
        .named(format!("constant({value:?})"))
}

/// Normal with mean 0; Flax's default standard deviation is 0.01.
pub fn normal(stddev: f32) -> Initializer {
    Initializer::new(move |key, shape, dtype| Ok(random::try_normal_of(key, shape, dtype)? * stddev))
        .named(format!("normal({stddev:?})"))
}

/// Normal with mean 0, truncated to an interval given in standard deviations.
pub fn truncated_normal(stddev: f32, lower: f32, upper: f32) -> Initializer {
    Initializer::new(move |key, shape, dtype| {
        (random::try_truncated_normal(key, shape, lower, upper)? * stddev).try_cast(dtype)
    })
    .named(format!("truncated_normal({stddev:?}, {lower:?}, {upper:?})"))
}

/// Uniform in [0, scale); Flax's default scale is 0.01.
pub fn uniform(scale: f32) -> Initializer {
    Initializer::new(move |key, shape, dtype| Ok(random::try_uniform_of(key, shape, dtype)? * scale))
        .named(format!("uniform({scale:?})"))
}

/// What the variance of [`variance_scaling`] is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanMode {
    /// The number of inputs of a unit.
    FanIn,
    /// The number of outputs of a unit.
    FanOut,
    /// The mean of both.
    FanAvg,
    /// The geometric mean of both.
    FanGeoAvg,
}

/// The distribution of [`variance_scaling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Normal, truncated to two standard deviations.
    TruncatedNormal,
    /// Normal.
    Normal,
    /// Uniform around 0.
    Uniform,
}

/// Samples whose variance is `scale` over a number of units, for kernels whose last two axes are inputs and outputs.
pub fn variance_scaling(scale: f32, mode: FanMode, distribution: Distribution) -> Initializer {
    Initializer::new(move |key, shape, dtype| scaled(key, shape, dtype, scale, mode, distribution))
        .named(format!("variance_scaling({scale:?}, {mode:?}, {distribution:?})"))
}

fn scaled(
    key: &Key,
    shape: &[usize],
    dtype: DType,
    scale: f32,
    mode: FanMode,
    distribution: Distribution,
) -> Result<Tensor> {
    let [field @ .., inputs, outputs] = shape else {
        return Err(Error::argument(
            "variance_scaling",
            format!(
                "needs at least two axes, inputs and outputs, found shape {shape:?}: use `zeros` or `normal`"
            ),
        ));
    };
    let field: usize = field.iter().product();
    let (fan_in, fan_out) = ((inputs * field) as f64, (outputs * field) as f64);
    let denominator = match mode {
        FanMode::FanIn => fan_in,
        FanMode::FanOut => fan_out,
        FanMode::FanAvg => f64::midpoint(fan_in, fan_out),
        FanMode::FanGeoAvg => (fan_in * fan_out).sqrt(),
    };
    let variance = (f64::from(scale) / denominator) as f32;
    match distribution {
        Distribution::TruncatedNormal => {
            let samples = random::try_truncated_normal(key, shape, -2.0, 2.0)?;
            (samples * (variance.sqrt() / TRUNCATED_STDDEV)).try_cast(dtype)
        }
        Distribution::Normal => Ok(random::try_normal_of(key, shape, dtype)? * variance.sqrt()),
        Distribution::Uniform => {
            (random::try_uniform_in(key, shape, -1.0, 1.0)? * (3.0 * variance).sqrt()).try_cast(dtype)
        }
    }
}

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident = $scale:literal $mode:ident $distribution:ident;)*) => {
        $($(#[$doc])*
        pub fn $name() -> Initializer {
            variance_scaling($scale, FanMode::$mode, Distribution::$distribution).named(stringify!($name))
        })*
    };
}

families! {
    /// LeCun's (“Efficient BackProp”, 1998), truncated normal: the default of kernels.
    lecun_normal = 1.0 FanIn TruncatedNormal;
    /// LeCun's (“Efficient BackProp”, 1998), uniform.
    lecun_uniform = 1.0 FanIn Uniform;
    /// He et al.'s (arXiv:1502.01852), truncated normal.
    he_normal = 2.0 FanIn TruncatedNormal;
    /// He et al.'s (arXiv:1502.01852), uniform.
    he_uniform = 2.0 FanIn Uniform;
    /// Glorot and Bengio's (AISTATS 2010), truncated normal.
    glorot_normal = 1.0 FanAvg TruncatedNormal;
    /// Glorot and Bengio's (AISTATS 2010), uniform.
    glorot_uniform = 1.0 FanAvg Uniform;
}
