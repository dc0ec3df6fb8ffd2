//! `BatchNorm`: normalisation over the examples of a batch.

use std::fmt::Debug;

use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::core::domain::PROBABILITY;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::arguments::AxisList;
use crate::nn::support::merge_param;
use crate::scope::Initializer;
use crate::{compact, init, module};

/// Normalises each feature over all other axes: `y = (x − mean) / √(variance + ε) · scale + bias`.
///
/// While training, mean and variance are those of the input, and running averages of them are kept; otherwise they are the
/// running averages. The input has any shape, and the output has the same.
///
/// # Parameters and variables
/// Each has the sizes of the axes that `axis` names.
/// - `scale`, `bias` in `params`, unless `use_scale` or `use_bias` is false.
/// - `mean`, `var` in `batch_stats`: `momentum · average + (1 − momentum) · statistic of the batch` after each training
///   call, which needs the collection to be mutable. The variance is the biased one. `init` makes 0 and 1.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (norm, x) = (BatchNorm::new().momentum(0.9), Tensor::from([[1.0f32], [3.0]]));
/// let variables = norm.init(key(0)).run(|m| m.call(&x, true))?;
/// let (y, updates) = norm.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true))?;
/// assert!((y.to_vec::<f32>()?[1] - 1.0).abs() < 1e-4);
/// assert!((updates.dict("batch_stats")?.tensor("mean")?.to_vec::<f32>()?[0] - 0.2).abs() < 1e-6);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As a [`Layer`], in [`sequential!`](crate::sequential) for instance, it has no argument that says whether it trains:
/// [`use_running_average`](BatchNorm::use_running_average) says it then. Saying it in both places is an error, as in Flax.
///
/// Ioffe and Szegedy, arXiv:1502.03167; as `flax.linen.BatchNorm`, whose `use_running_average` is `!train`.
#[module]
pub struct BatchNorm {
    /// Whether the running averages are used, for calls that do not say; none by default.
    #[module(default)]
    pub use_running_average: Option<bool>,
    /// The axes of features; the last one by default.
    #[module(into, default = AxisList::from(-1))]
    pub axis: AxisList,
    /// The weight of the past in the running averages, from 0 to 1.
    #[module(into, default = 0.99)]
    pub momentum: f64,
    /// Keeps the divisor away from 0: at least 0 itself.
    #[module(into, default = 1e-5)]
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
    /// The axis of a `vmap` over which statistics are averaged, too; not so during `init`.
    #[module(default)]
    pub axis_name: Option<String>,
    /// Whether the variance is `E[x²] − E[x]²`: one pass over the input, and less exact where the mean is large.
    #[module(default = true)]
    pub use_fast_variance: bool,
    /// Whether statistics are at least `F32`; otherwise they have the dtypes of input and parameters.
    #[module(default = true)]
    pub force_float32_reductions: bool,
}

impl BatchNorm {
    /// **`train` is the opposite of Flax's `use_running_average`.** The normalised input, by its own statistics if `train` is true, by the running averages if it is false, and as
    /// [`use_running_average`](BatchNorm::use_running_average) says if it is None.
    ///
    /// # Errors
    /// If there are no such axes, `batch_stats` is not mutable while training, a `vmap` with `axis_name` is missing, or the
    /// constructor was given `use_running_average`, too.
    #[compact]
    pub fn call(&self, x: &Tensor, train: impl Into<Option<bool>> + Debug) -> Result<Tensor> {
        self.normalize(x, train.into(), None)
    }

    /// As [`call`](BatchNorm::call), with statistics of those elements only where `mask`, which broadcasts, is true.
    ///
    /// # Errors
    /// As [`call`](BatchNorm::call); if the mask does not broadcast to the input.
    #[compact]
    pub fn call_masked(
        &self,
        x: &Tensor,
        train: impl Into<Option<bool>> + Debug,
        mask: &Tensor,
    ) -> Result<Tensor> {
        self.normalize(x, train.into(), Some(mask))
    }

    fn normalize(&self, x: &Tensor, train: Option<bool>, mask: Option<&Tensor>) -> Result<Tensor> {
        let running =
            merge_param("use_running_average", self.use_running_average, train.map(|train| !train))?;
        PROBABILITY.check(Self::NAME, "momentum", self.momentum)?;
        let features = self.axis.ascending(Self::NAME, x.rank())?;
        let reduced: Shape = (0..x.rank()).filter(|axis| !features.contains(axis)).collect();
        let sizes: Shape = features.iter().map(|&axis| x.shape()[axis]).collect();

        let dtype = if self.force_float32_reductions { DType::F32 } else { self.param_dtype };
        let average_mean = self.variable("batch_stats", "mean", || Tensor::zeros_of(&sizes, dtype))?;
        let average_variance = self.variable("batch_stats", "var", || Tensor::ones_of(&sizes, dtype))?;

        let (mean, variance) = if running {
            (average_mean.try_get()?, average_variance.try_get()?)
        } else {
            let axis_name = self.axis_name.as_deref().filter(|_| !self.is_initializing());
            let statistics = statistics!(self, axis_name, mask);
            let (mean, variance) = statistics.mean_and_variance(x, &reduced)?;
            if !self.is_initializing() {
                let next = |average: Tensor, batch: &Tensor| {
                    (average * self.momentum).try_add(batch * (1.0 - self.momentum))
                };
                average_mean.set(next(average_mean.try_get()?, &mean)?)?;
                average_variance.set(next(average_variance.try_get()?, &variance)?)?;
            }
            (mean, variance)
        };

        let bias = self.use_bias.then_some(&self.bias_init);
        let normalization = normalization!(self, bias: bias, reduced: &reduced, features: &features);
        normalization.apply(self, x, Some(&mean), &variance)
    }
}

impl Layer for BatchNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.normalize(x, None, None)
    }
}
