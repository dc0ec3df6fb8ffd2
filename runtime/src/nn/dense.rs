//! `Dense`: the linear layer.

use super::function::DotGeneralFn;
use super::precision::layer_dtype;
use super::support::{add_bias, bias_param, features_of};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::scope::Initializer;
use crate::{compact, init, module};

/// A linear layer over the last axis: `y = x·W + b`.
///
/// The input is `[.., inputs]`, the output `[.., features]`.
///
/// # Parameters
/// - `kernel`: `[inputs, features]`.
/// - `bias`: `[features]`, unless `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (layer, x) = (Dense::new(4), Tensor::ones([8, 3]));
/// let variables = layer.init(key(0)).call(&x)?;
/// assert_eq!(variables.dict("params")?.tensor("kernel")?.shape(), [3, 4]);
/// assert_eq!(layer.apply(&variables).call(&x)?.shape(), [8, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.Dense`.
#[module]
pub struct Dense {
    /// The number of outputs.
    pub features: usize,
    /// Whether a bias is added.
    #[module(default = true)]
    pub use_bias: bool,
    /// The dtype of the computation; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the kernel begins.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the bias begins.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// The product that is computed in place of `Tensor::try_dot_general`, which is what `None` stands for.
    #[module(default)]
    pub dot_general: Option<DotGeneralFn>,
}

impl Layer for Dense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let inputs = features_of("Dense", x)?;
        let bias_shape = [self.features];
        let kernel = self.param_of("kernel", &self.kernel_init, [inputs, self.features], self.param_dtype)?;
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, bias_shape, self.param_dtype)?;
        let dtype = layer_dtype("Dense", self.dtype, x, [&kernel].into_iter().chain(&bias))?;
        let (x, kernel) = (x.try_cast(dtype)?, kernel.try_cast(dtype)?);
        let y = match &self.dot_general {
            None => x.try_dot(&kernel)?,
            Some(dot) => {
                let contracting = ([x.rank() - 1].into_iter().collect(), [0].into_iter().collect());
                dot.call(&x, &kernel, &DotDimensions { contracting, batch: Default::default() })?
            }
        };
        add_bias(y, bias.as_ref())
    }
}
