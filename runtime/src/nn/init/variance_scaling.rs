//! Initializers whose variance depends on the numbers of a unit's inputs and outputs.

use super::scalar;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::error::{Error, Result};
use crate::nn::arguments::AxisList;
use crate::ops::axis_of;
use crate::random::{self, Key};
use crate::scope::Initializer;

/// The standard deviation of the normal distribution truncated to [−2, 2].
const TRUNCATED_STDDEV: f64 = 0.87962566103423978;

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

/// Samples whose variance is `scale / n`, where `n` is a number of inputs or outputs; an [`Initializer`] to be.
///
/// The inputs of a unit are those of `in_axis` and of the receptive field, which is all axes that have no other role; its
/// outputs are those of `out_axis` and of the receptive field.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::init::VarianceScaling;
///
/// // A kernel `[heads, inputs, outputs]`, of which each head is on its own.
/// let init = VarianceScaling::lecun_normal().batch_axis(0);
/// let kernel = Initializer::from(init).tensor(&key(0), &[4, 64, 64], DType::F32)?;
/// assert!((kernel.std().item::<f32>()? - 0.125).abs() < 2e-3);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VarianceScaling {
    /// The variance times the number of units: finite and at least 0.
    pub scale: f64,
    /// Which number of units.
    pub mode: FanMode,
    /// The distribution.
    pub distribution: Distribution,
    /// The axes of inputs; the last but one by default.
    pub in_axis: AxisList,
    /// The axes of outputs; the last one by default.
    pub out_axis: AxisList,
    /// Axes that take no part; none by default.
    pub batch_axis: AxisList,
}

impl VarianceScaling {
    /// For kernels whose last two axes are inputs and outputs.
    pub fn new(scale: impl Into<f64>, mode: FanMode, distribution: Distribution) -> VarianceScaling {
        let (in_axis, out_axis, batch_axis) = (AxisList::from(-2), AxisList::from(-1), AxisList::from([]));
        VarianceScaling { scale: scale.into(), mode, distribution, in_axis, out_axis, batch_axis }
    }

    /// Sets the axes of inputs.
    #[must_use]
    pub fn in_axis(self, axes: impl Into<AxisList>) -> VarianceScaling {
        VarianceScaling { in_axis: axes.into(), ..self }
    }

    /// Sets the axes of outputs.
    #[must_use]
    pub fn out_axis(self, axes: impl Into<AxisList>) -> VarianceScaling {
        VarianceScaling { out_axis: axes.into(), ..self }
    }

    /// Sets the axes that take no part.
    #[must_use]
    pub fn batch_axis(self, axes: impl Into<AxisList>) -> VarianceScaling {
        VarianceScaling { batch_axis: axes.into(), ..self }
    }

    fn tensor(&self, key: &Key, shape: &[usize], dtype: DType) -> Result<Tensor> {
        NOT_NEGATIVE.check("variance_scaling", "scale", self.scale)?;
        let (inputs, outputs) = self.fans(shape)?;
        let units = match self.mode {
            FanMode::FanIn => inputs,
            FanMode::FanOut => outputs,
            FanMode::FanAvg => f64::midpoint(inputs, outputs),
            FanMode::FanGeoAvg => (inputs * outputs).sqrt(),
        };
        let variance = scalar(self.scale / units, dtype)?;
        match self.distribution {
            Distribution::TruncatedNormal => {
                let stddev = variance.try_sqrt()? / TRUNCATED_STDDEV;
                let (lower, upper) = (scalar(-2.0, dtype)?, scalar(2.0, dtype)?);
                random::try_truncated_normal(key, lower, upper, shape)?.try_mul(stddev)
            }
            Distribution::Normal => random::try_normal_of(key, shape, dtype)?.try_mul(variance.try_sqrt()?),
            Distribution::Uniform => {
                let samples = random::try_uniform_in(key, shape, scalar(-1.0, dtype)?, scalar(1.0, dtype)?)?;
                samples.try_mul((variance * 3.0).try_sqrt()?)
            }
        }
    }

    /// How many inputs and outputs a unit has.
    fn fans(&self, shape: &[usize]) -> Result<(f64, f64)> {
        const OP: &str = "variance_scaling";
        if shape.len() < 2 && self.in_axis == AxisList::from(-2) {
            let message = format!(
                "needs at least two axes, inputs and outputs, found shape {shape:?}: use `zeros` or `normal`, or say \
                 which axes they are"
            );
            return Err(Error::argument(OP, message));
        }
        let size = |axes: &AxisList| -> Result<f64> {
            let sizes = axes.0.iter().map(|&axis| Ok(shape[axis_of(OP, axis, shape.len())?] as f64));
            sizes.product()
        };
        let (inputs, outputs) = (size(&self.in_axis)?, size(&self.out_axis)?);
        let all: f64 = shape.iter().map(|&size| size as f64).product();
        let field = all / inputs / outputs / size(&self.batch_axis)?;
        Ok((inputs * field, outputs * field))
    }
}

impl From<VarianceScaling> for Initializer {
    fn from(scaling: VarianceScaling) -> Initializer {
        let name = format!("{scaling:?}");
        Initializer::new(move |key, shape, dtype| scaling.tensor(key, shape, dtype)).named(name)
    }
}

/// Samples whose variance is `scale` over a number of units, for kernels whose last two axes are inputs and outputs.
///
/// [`VarianceScaling`] says other axes.
pub fn variance_scaling(scale: impl Into<f64>, mode: FanMode, distribution: Distribution) -> Initializer {
    let scale = scale.into();
    Initializer::from(VarianceScaling::new(scale, mode, distribution))
        .named(format!("variance_scaling({scale:?}, {mode:?}, {distribution:?})"))
}

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident = $scale:literal $mode:ident $distribution:ident;)*) => {
        impl VarianceScaling {
            $($(#[$doc])*
            pub fn $name() -> VarianceScaling {
                VarianceScaling::new($scale, FanMode::$mode, Distribution::$distribution)
            })*
        }

        $($(#[$doc])*
        pub fn $name() -> Initializer {
            Initializer::from(VarianceScaling::$name()).named(stringify!($name))
        })*
    };
}

families! {
    /// LeCun's (Efficient BackProp, 1998), truncated normal: the default of kernels.
    lecun_normal = 1.0 FanIn TruncatedNormal;
    /// LeCun's (Efficient BackProp, 1998), uniform.
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

pub use {
    glorot_normal as xavier_normal, glorot_uniform as xavier_uniform, he_normal as kaiming_normal,
    he_uniform as kaiming_uniform,
};
