//! `Dense`: the linear layer.

use super::function::{DotGeneralFn, PromoteDtypeFn};
use super::injected::{DotGeneralCls, product_of};
use super::precision::{layer_dtype, promoted};
use super::support::{add_bias, bias_param, features_of};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::core::precision::OperandPrecision;
use crate::error::Result;
use crate::module::{Layer, Module, quantized_param};
use crate::ops::byte_dot::{byte_dot, is_exact};
use crate::ops::dot_general::DotOptions;
use crate::scope::Initializer;
use crate::variables::Quantized;
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
    /// How exactly an accelerator is to compute the product; see [`Precision`](crate::Precision), on which no number depends here.
    #[module(into, default = OperandPrecision::Unsaid)]
    pub precision: OperandPrecision,
    /// How the kernel begins.
    #[module(into, default = init::lecun_normal())]
    pub kernel_init: Initializer,
    /// How the bias begins.
    #[module(into, default = init::zeros())]
    pub bias_init: Initializer,
    /// What brings input and parameters to the dtype of the computation, in place of [`promote_dtype`](crate::nn::promote_dtype).
    #[module(default)]
    pub promote_dtype: Option<PromoteDtypeFn>,
    /// The product that is computed in place of [`Tensor::try_dot_general_with`], which is what `None` stands for.
    #[module(default)]
    pub dot_general: Option<DotGeneralFn>,
    /// What makes the product for each call, perhaps as a submodule; it goes before `dot_general`.
    #[module(default)]
    pub dot_general_cls: Option<DotGeneralCls>,
}

impl Dense {
    /// Whether a kernel in 8 bits fits, and nothing of one's own is in place of the product.
    fn multiplies_integers(&self, kernel: &Quantized, shape: [usize; 2]) -> bool {
        let is_plain =
            self.promote_dtype.is_none() && self.dot_general.is_none() && self.dot_general_cls.is_none();
        is_plain && kernel.numbers().shape() == shape && kernel.channels() == 1 && is_exact(shape[0])
    }

    /// The layer with a kernel in 8 bits, as if it were one in `F32`.
    fn of_integers(&self, x: &Tensor, kernel: &Quantized) -> Result<Tensor> {
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, [self.features], self.param_dtype)?;
        let params = std::iter::once(kernel.scale()).chain(bias.as_ref());
        let dtype = layer_dtype(Self::NAME, self.dtype, x, params)?;
        let bias = bias.map(|bias| bias.try_cast(dtype)).transpose()?;
        let scale = kernel.scale().try_reshape([self.features])?;
        let y = byte_dot(&x.try_cast(DType::F32)?, kernel.numbers(), &scale, false)?;
        add_bias(y.try_cast(dtype)?, bias.as_ref())
    }
}

impl Layer for Dense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let inputs = features_of("Dense", x)?;
        let bias_shape = [self.features];
        let kernel_shape = [inputs, self.features];
        let fits = |kernel: &Quantized| self.multiplies_integers(kernel, kernel_shape);
        if let Some(kernel) = quantized_param(self, "kernel", fits)? {
            return self.of_integers(x, &kernel);
        }
        let kernel = self.param_of("kernel", &self.kernel_init, kernel_shape, self.param_dtype)?;
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, bias_shape, self.param_dtype)?;
        let (promote, tensors) = (self.promote_dtype.as_ref(), (x, &kernel, bias.as_ref()));
        let (x, kernel, bias) = promoted(Self::NAME, promote, self.dtype, tensors)?;
        let contracting = ([x.rank() - 1].into_iter().collect(), [0].into_iter().collect());
        let dimensions = DotDimensions { contracting, batch: Default::default() };
        let given = (self.dot_general_cls.as_ref(), self.dot_general.as_ref());
        let options = DotOptions::new().precision(self.precision.clone());
        let y = product_of(self, given, (&x, &kernel), &dimensions, &options)?;
        add_bias(y, bias.as_ref())
    }
}
