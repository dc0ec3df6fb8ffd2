//! `SwiGLU`: the feed-forward layer with a gate.

use super::function::ActivationFn;
use super::support::features_of;
use super::{Dense, activation};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::scope::Initializer;
use crate::{compact, init, module};

/// A feed-forward layer of which one product gates another: `y = (silu(x·G) ⊙ x·U)·D`.
///
/// The input is `[.., features]`, the output `[.., out_features]`.
///
/// # Parameters
/// - `gate`, `up`: a `kernel` `[features, hidden_features]` each.
/// - `down`: a `kernel` `[hidden_features, out_features]`.
/// - A `bias` each, if `use_bias` is true.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::SwiGLU;
///
/// let (layer, x) = (SwiGLU::new(32), Tensor::ones([2, 5, 12]));
/// let variables = layer.init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/down/kernel")?.shape(), [32, 12]);
/// assert_eq!(layer.apply(&variables).call(&x)?.shape(), [2, 5, 12]);
/// // `GeGLU`, as Gemma has it.
/// let gelu = SwiGLU::new(32).activation_fn(nn::gelu);
/// # let y = gelu.apply(&variables).call(&x)?;
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Shazeer, arXiv:2002.05202. Llama's `gate_proj`, `up_proj` and `down_proj`.
#[module]
pub struct SwiGLU {
    /// The number of features between the products.
    pub hidden_features: usize,
    /// The number of outputs; by default that of the features.
    #[module(default)]
    pub out_features: Option<usize>,
    /// What the gate goes through; `silu` by default.
    #[module(into, default = ActivationFn::new(activation::silu))]
    pub activation_fn: ActivationFn,
    /// Whether biases are added.
    #[module(default = false)]
    pub use_bias: bool,
    /// The dtype of the computation; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How the kernels begin.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the biases begin.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
}

impl Layer for SwiGLU {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let inputs = features_of(Self::NAME, x)?;
        let dense = |features: usize| {
            Dense::new(features)
                .use_bias(self.use_bias)
                .dtype(self.dtype)
                .param_dtype(self.param_dtype)
                .kernel_init(&self.kernel_init)
                .bias_init(&self.bias_init)
        };
        let gate = self.child_named("gate", dense(self.hidden_features)).call(x)?;
        let up = self.child_named("up", dense(self.hidden_features)).call(x)?;
        let y = self.activation_fn.call(&gate)?.try_mul(up)?;
        self.child_named("down", dense(self.out_features.unwrap_or(inputs))).call(&y)
    }
}
