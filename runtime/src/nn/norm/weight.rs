//! `WeightNorm`: directions of length 1, and a learned scale.

use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::error::Result;
use crate::module::lift::with_mapped_params;
use crate::module::{Layer, Module};
use crate::nn::arguments::{AxisList, Names};
use crate::nn::norm::statistics::signed;
use crate::nn::precision::compute_dtype;
use crate::scope::Initializer;
use crate::tree::{Path, map_with_path};
use crate::{compact, init, module};

/// Gives the weights of a layer a length of 1 for each feature, times a learned scale: `w / √(Σ w² + ε) · scale`.
///
/// # Parameters
/// - Those of the layer. `init` stores the normalised weights in place of those that the layer began with, as Flax does.
/// - For each parameter at a path that the filter accepts: `NAME/PATH/scale`, the sizes of the axes that `feature_axes` names,
///   unless `use_scale` is false; `NAME` is the layer's name. These are names with slashes in them.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::WeightNorm;
///
/// let (layer, x) = (WeightNorm::new(Dense::new(4)), Tensor::ones([2, 3]));
/// let variables = layer.init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor(["params", "layer_instance/kernel/scale"])?.shape(), [4]);
/// assert_eq!(layer.apply(&variables).call(&x)?.shape(), [2, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Salimans and Kingma, arXiv:1602.07868; as `flax.linen.WeightNorm`.
#[module]
pub struct WeightNorm<L: Module> {
    /// The layer.
    #[submodule]
    pub layer_instance: L,
    /// Keeps divisors away from 0: at least 0 itself.
    #[module(into, default = 1e-12)]
    pub epsilon: f64,
    /// The dtype of the normalised weights; by default that of the mixture of weights and scale.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the scale begins with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// Whether a scale is multiplied.
    #[module(default = true)]
    pub use_scale: bool,
    /// How the scale begins.
    #[module(into, default = init::ones())]
    pub scale_init: Initializer,
    /// The axes that have a length each; the last one by default, and with none each parameter has one length.
    #[module(into, default = AxisList::from(-1))]
    pub feature_axes: AxisList,
    /// What occurs in the paths of the parameters that are normalised; an empty list accepts all.
    #[module(into, default = Names::from("kernel"))]
    pub variable_filter: Names,
}

impl<L: Layer> Layer for WeightNorm<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.normalized(|layer| layer.call(x))
    }
}

impl<L: Module> WeightNorm<L> {
    /// What a function of the layer returns, with the normalised weights; `init` calls it twice.
    ///
    /// # Errors
    /// What the function returns; if a parameter does not have the feature axes.
    #[compact]
    pub fn call_with<T>(&self, f: impl Fn(&L) -> Result<T>) -> Result<T> {
        self.normalized(f)
    }

    fn normalized<T>(&self, f: impl Fn(&L) -> Result<T>) -> Result<T> {
        NOT_NEGATIVE.check(Self::NAME, "epsilon", self.epsilon)?;
        let name = self.layer_instance.name().unwrap_or_default();
        let unit = |path: &Path, weights: &Tensor| self.unit(weights, &format!("{name}/{}", path.join("/")));
        with_mapped_params(&self.layer_instance, false, |params| map_with_path(params, unit), f)
    }

    fn unit(&self, weights: &Tensor, path: &str) -> Result<Tensor> {
        let Names(parts) = &self.variable_filter;
        if !parts.is_empty() && !parts.iter().any(|part| path.contains(part)) {
            return Ok(weights.clone());
        }
        let features = self.feature_axes.ascending(Self::NAME, weights.rank())?;
        let reduced: Shape = (0..weights.rank()).filter(|axis| !features.contains(axis)).collect();
        let squares = weights.try_square()?.try_sum_keep(signed(&reduced))?;
        let mut unit = weights.try_mul((squares + self.epsilon).try_rsqrt()?)?;
        let mut scale = None;
        if self.use_scale {
            let sizes: Shape = features.iter().map(|&axis| weights.shape()[axis]).collect();
            let name = format!("{path}/scale");
            let mut spread = Shape::from_elem(1, weights.rank());
            features.iter().for_each(|&axis| spread[axis] = weights.shape()[axis]);
            let param =
                self.param_of(&name, &self.scale_init, sizes, self.param_dtype)?.try_reshape(spread)?;
            unit = unit.try_mul(&param)?;
            scale = Some(param);
        }
        unit.try_cast(compute_dtype(Self::NAME, self.dtype, [weights].into_iter().chain(&scale))?)
    }
}
