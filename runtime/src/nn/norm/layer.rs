//! `LayerNorm`: normalisation over the features of each example.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::arguments::AxisList;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// Normalises each example over its features: `y = (x − mean) / √(variance + ε) · scale + bias`.
///
/// The input has any shape, and the output has the same.
///
/// # Parameters
/// - `scale`, `bias`: the sizes of the axes that `feature_axes` names, unless `use_scale` or `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (norm, x) = (LayerNorm::new(), Tensor::from([[1.0f32, 3.0], [10.0, 30.0]]));
/// let y = norm.init_with_output(key(0)).call(&x)?.0;
/// assert!(y.all_close(&Tensor::from([[-1.0f32, 1.0], [-1.0, 1.0]]), 1e-5, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Ba, Kiros and Hinton, arXiv:1607.06450; as `flax.linen.LayerNorm`.
#[module]
pub struct LayerNorm {
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
    /// The axes that mean and variance are taken over; the last one by default.
    #[module(into, default = AxisList::from(-1))]
    pub reduction_axes: AxisList,
    /// The axes of scale and bias; the last one by default.
    #[module(into, default = AxisList::from(-1))]
    pub feature_axes: AxisList,
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

impl LayerNorm {
    /// As [`call`](Layer::call), with statistics of those elements only where `mask`, which broadcasts, is true.
    ///
    /// # Errors
    /// If there are no such axes, or the mask does not broadcast to the input.
    #[compact]
    pub fn call_masked(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        self.normalize(x, Some(mask))
    }

    fn normalize(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let reduced = self.reduction_axes.ascending(Self::NAME, x.rank())?;
        let features = self.feature_axes.ascending(Self::NAME, x.rank())?;
        let statistics = statistics!(self, self.axis_name.as_deref(), mask);
        let (mean, variance) = statistics.mean_and_variance(x, &reduced)?;
        let bias = self.use_bias.then_some(&self.bias_init);
        let normalization = normalization!(self, bias: bias, reduced: &reduced, features: &features);
        normalization.apply(self, x, Some(&mean), &variance)
    }
}

impl Layer for LayerNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.normalize(x, None)
    }
}
