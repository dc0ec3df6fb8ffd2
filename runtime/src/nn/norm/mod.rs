//! Normalisation: layers that give their features a mean of 0 and a variance of 1.

/// How a layer with the fields of Flax's computes statistics.
macro_rules! statistics {
    ($layer:expr, $axis_name:expr, $mask:expr) => {
        $crate::nn::norm::statistics::Statistics {
            op: Self::NAME,
            dtype: $layer.dtype,
            axis_name: $axis_name,
            mask: $mask,
            use_fast_variance: $layer.use_fast_variance,
            force_float32: $layer.force_float32_reductions,
        }
    };
}

/// How a layer with the fields of Flax's normalises.
macro_rules! normalization {
    ($layer:expr, bias: $bias:expr, reduced: $reduced:expr, features: $features:expr $(,)?) => {
        $crate::nn::norm::normalize::Normalization {
            op: Self::NAME,
            epsilon: $layer.epsilon,
            dtype: $layer.dtype,
            param_dtype: $layer.param_dtype,
            scale: $layer.use_scale.then_some(&$layer.scale_init),
            bias: $bias,
            reduced: $reduced,
            features: $features,
        }
    };
}

mod batch;
mod group;
mod instance;
mod layer;
mod normalize;
mod rms;
mod spectral;
mod statistics;
mod weight;

pub use batch::BatchNorm;
pub use group::GroupNorm;
pub use instance::InstanceNorm;
pub use layer::LayerNorm;
pub use rms::RMSNorm;
pub use spectral::SpectralNorm;
pub use weight::WeightNorm;
