//! `GroupNorm`: normalisation over groups of channels.

use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::nn::arguments::AxisList;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// Normalises groups of channels of each example: `y = (x − mean) / √(variance + ε) · scale + bias`.
///
/// The input is `[batch, .., channels]`; mean and variance are taken over the channels of a group and all axes between.
/// The output has the shape of the input.
///
/// # Parameters
/// - `scale`, `bias`: `[channels]`, unless `use_scale` or `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::GroupNorm;
///
/// let (norm, x) = (GroupNorm::new().num_groups(2), Tensor::from([[1.0f32, 3.0, 10.0, 30.0]]));
/// let y = norm.init_with_output(key(0)).call(&x)?.0;
/// assert!(y.all_close(&Tensor::from([[-1.0f32, 1.0, -1.0, 1.0]]), 1e-5, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Wu and He, arXiv:1803.08494; as `flax.linen.GroupNorm`.
#[module]
pub struct GroupNorm {
    /// The number of groups; None if `group_size` says it.
    #[module(default = Some(32))]
    pub num_groups: Option<usize>,
    /// The number of channels in a group; needs `num_groups(None)`.
    #[module(default)]
    pub group_size: Option<usize>,
    /// Keeps the divisor away from 0: at least 0 itself.
    #[module(into, default = 1e-6)]
    pub epsilon: f64,
    /// The dtype of the output; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// Whether a bias is added.
    #[module(default = true)]
    pub use_bias: bool,
    /// Whether a scale is multiplied.
    #[module(default = true)]
    pub use_scale: bool,
    /// How the bias begins.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// How the scale begins.
    #[module(into, default = init::ones())]
    pub scale_init: Initializer,
    /// The axes that mean and variance are taken over, the last one among them; by default all but the first.
    #[module(default)]
    pub reduction_axes: Option<AxisList>,
    /// The axis of a `vmap` over which statistics are averaged, too.
    #[module(default)]
    pub axis_name: Option<String>,
    /// Whether the variance is `E[x²] − E[x]²`: one pass over the input, and less exact where the mean is large.
    #[module(default = true)]
    pub use_fast_variance: bool,
    /// Whether statistics are at least `F32`; otherwise they have the dtype of the input.
    #[module(default = true)]
    pub force_float32_reductions: bool,
}

impl GroupNorm {
    /// As [`call`](Layer::call), with statistics of those elements only where `mask`, which broadcasts, is true.
    ///
    /// # Errors
    /// As [`call`](Layer::call); if the mask does not broadcast to the input.
    #[compact]
    pub fn call_masked(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        self.normalize(x, Some(mask))
    }

    fn normalize(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let Some(last) = x.rank().checked_sub(1) else {
            let expected = "an input with an axis of channels";
            return Err(Error::shape(Self::NAME, x.aval().to_string(), expected));
        };
        let reduced: Shape = match &self.reduction_axes {
            Some(axes) => axes.ascending(Self::NAME, x.rank())?,
            None => (1..last).chain([last]).collect(),
        };
        let Some((_, reduced)) = reduced.split_last().filter(|(axis, _)| **axis == last) else {
            let message = format!("expects reduction axes with the last one, of channels, found {reduced:?}");
            return Err(Error::argument(Self::NAME, message));
        };
        let channels = x.shape()[last];
        let groups = self.groups(channels)?;
        // `[.., channels]` as `[.., groups, channels of a group]`: statistics are over the last axis and the other reduced ones.
        let grouped = |x: &Tensor| {
            let shape: Shape =
                x.shape()[..x.rank() - 1].iter().copied().chain([groups, channels / groups]).collect();
            x.try_reshape(shape)
        };
        let mask = match mask {
            Some(mask) if mask.shape().last() == Some(&channels) => Some(grouped(mask)?),
            Some(mask) => {
                let expected = format!("a mask whose last axis has the input's {channels} channels");
                return Err(Error::shape(Self::NAME, mask.aval().to_string(), expected));
            }
            None => None,
        };

        let statistics = statistics!(self, self.axis_name.as_deref(), mask.as_ref());
        let within: Shape = reduced.iter().copied().chain([last + 1]).collect();
        let (mean, variance) = statistics.mean_and_variance(&grouped(x)?, &within)?;
        // Each channel has those of its group.
        let mean = mean.try_repeat(channels / groups, -1)?;
        let variance = variance.try_repeat(channels / groups, -1)?;
        let bias = self.use_bias.then_some(&self.bias_init);
        let normalization = normalization!(self, bias: bias, reduced: reduced, features: &[last]);
        normalization.apply(self, x, Some(&mean), &variance)
    }

    fn groups(&self, channels: usize) -> Result<usize> {
        let wrong = |message: String| Err(Error::argument(Self::NAME, message));
        match (self.num_groups, self.group_size) {
            (Some(groups), None) if groups > 0 && channels.is_multiple_of(groups) => Ok(groups),
            (Some(groups), None) => wrong(format!(
                "expects a number of groups that divides the {channels} channels, found {groups}"
            )),
            (None, Some(size)) if size > 0 && channels > 0 && channels.is_multiple_of(size) => {
                Ok(channels / size)
            }
            (None, Some(size)) => {
                wrong(format!("expects a group size that divides the {channels} channels, found {size}"))
            }
            (groups, size) => wrong(format!(
                "expects one of `num_groups` and `group_size`, found {groups:?} and {size:?}: for a group size, say \
                 `.num_groups(None).group_size(..)`"
            )),
        }
    }
}

impl Layer for GroupNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.normalize(x, None)
    }
}
