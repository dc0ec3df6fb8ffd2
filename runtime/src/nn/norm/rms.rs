//! `RMSNorm`: division by the root of the mean square.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::arguments::AxisList;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// Divides each example by the root of its mean square: `y = x / √(mean(x²) + ε) · scale`.
///
/// The input has any shape, and the output has the same.
///
/// # Parameters
/// - `scale`: the sizes of the axes that `feature_axes` names, unless `use_scale` is false.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::RMSNorm;
///
/// let (norm, x) = (RMSNorm::new(), Tensor::from([[1.0f32, 7.0]]));
/// let y = norm.init_with_output(key(0)).call(&x)?.0;
/// assert!(y.all_close(&Tensor::from([[0.2f32, 1.4]]), 1e-5, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Zhang and Sennrich, arXiv:1910.07467; as `flax.linen.RMSNorm`.
#[module]
pub struct RMSNorm {
    /// Keeps the divisor away from 0: at least 0 itself.
    #[module(into, default = 1e-6)]
    pub epsilon: f64,
    /// The dtype of the output; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// Whether a scale is multiplied.
    #[module(default = true)]
    pub use_scale: bool,
    /// How the scale begins.
    #[module(into, default = init::ones())]
    pub scale_init: Initializer,
    /// The axes that the mean square is taken over; the last one by default.
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

impl RMSNorm {
    /// As [`call`](Layer::call), with statistics of those elements only where `mask`, which broadcasts, is true.
    ///
    /// # Errors
    /// As [`call`](Layer::call); if the mask does not broadcast to the input.
    #[compact]
    pub fn call_masked(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        self.normalize(x, Some(mask))
    }

    fn normalize(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let reduced = self.reduction_axes.ascending(Self::NAME, x.rank())?;
        let features = self.feature_axes.ascending(Self::NAME, x.rank())?;
        let mean_square = statistics!(self, self.axis_name.as_deref(), mask).mean_square(x, &reduced)?;
        let normalization = normalization!(self, bias: None, reduced: &reduced, features: &features);
        normalization.apply(self, x, None, &mean_square)
    }
}

impl Layer for RMSNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.normalize(x, None)
    }
}
