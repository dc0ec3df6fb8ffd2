//! `ConvLocal`: a convolution with a kernel for each position.

use super::batch::BatchAxes;
use super::layer::masked;
use super::padding::ConvPadding;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::precision::OperandPrecision;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::nn::arguments::{Constant, Sizes, Steps};
use crate::nn::function::PromoteDtypeFn;
use crate::nn::precision::promoted;
use crate::nn::support::{add_bias, bias_param};
use crate::numpy::convolution::times_each;
use crate::ops::dot_general::DotOptions;
use crate::scope::Initializer;
use crate::{ConvOptions, Padding, compact, init, module};

/// As [`Conv`](super::Conv), with a kernel and a bias of its own for each position of the output.
///
/// The input is `[batch.., spatial.., channels]` with as many spatial axes as `kernel_size` has entries, and any number of
/// batch axes, also none. The output is `[batch.., spatial.., features]`.
///
/// # Parameters
/// - `kernel`: `[output spatial.., channels · kernel size, features]`, the channels outermost in the second but last axis.
/// - `bias`: `[output spatial.., features]`, unless `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::ConvLocal;
///
/// let layer = ConvLocal::new(4, [3]).padding("VALID");
/// let (y, variables) = layer.init_with_output(key(0)).call(&Tensor::ones([2, 8, 5]))?;
/// assert_eq!(y.shape(), [2, 6, 4]);
/// assert_eq!(variables.tensor("params/kernel")?.shape(), [6, 15, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.ConvLocal`.
#[module]
pub struct ConvLocal {
    /// The number of output channels.
    pub features: usize,
    /// The size of the kernel along each spatial axis; one number is one axis.
    #[module(into)]
    pub kernel_size: Sizes,
    /// Steps between windows.
    #[module(into, default = Steps::All(1))]
    pub strides: Steps,
    /// What is put around the input; by default as much as keeps its size without strides.
    #[module(into, default = Padding::Same.into())]
    pub padding: ConvPadding,
    /// Steps between input elements; greater than 1 inserts zeros, and needs padding in numbers.
    #[module(into, default = Steps::All(1))]
    pub input_dilation: Steps,
    /// Steps between kernel elements.
    #[module(into, default = Steps::All(1))]
    pub kernel_dilation: Steps,
    /// Whether a bias is added.
    #[module(default = true)]
    pub use_bias: bool,
    /// What the kernel is multiplied by, of its shape; nothing by default.
    #[module(default)]
    pub mask: Option<Constant>,
    /// The dtype of the computation; by default that of the mixture of input and parameters.
    #[module(default)]
    pub dtype: Option<DType>,
    /// The dtype the parameters begin with.
    #[module(default = DType::F32)]
    pub param_dtype: DType,
    /// How exactly an accelerator is to compute the convolution; see [`Precision`](crate::Precision), on which no number depends here.
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
}

impl Layer for ConvLocal {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let spatial = self.kernel_size.len();
        let (x, batch) = BatchAxes::merge(Self::NAME, x, spatial)?;
        let patches = self.patches(&x)?;
        let positions = &patches.shape()[1..=spatial];
        let inputs = patches.shape()[spatial + 1];
        let kernel_shape = [positions, &[inputs, self.features]].concat();
        let kernel = self.param_of("kernel", &self.kernel_init, kernel_shape, self.param_dtype)?;
        let kernel = masked(Self::NAME, kernel, self.mask.as_ref())?;
        let bias_shape = [positions, &[self.features]].concat();
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, bias_shape, self.param_dtype)?;

        let (promote, tensors) = (self.promote_dtype.as_ref(), (&patches, &kernel, bias.as_ref()));
        let (patches, kernel, bias) = promoted(Self::NAME, promote, self.dtype, tensors)?;
        let y = times_each(&patches, &kernel, &DotOptions::new().precision(self.precision.clone()))?;
        batch.split(&add_bias(y, bias.as_ref())?)
    }
}

impl ConvLocal {
    /// What each position of the output sees: `[batch, spatial.., channels · kernel size]`.
    fn patches(&self, x: &Tensor) -> Result<Tensor> {
        let spatial = self.kernel_size.len();
        let kernel_dilation = self.kernel_dilation.list(Self::NAME, "kernel dilations", spatial)?;
        let (x, padding) = self.padding.apply(Self::NAME, x, &self.kernel_size, &kernel_dilation)?;
        let x = x.try_cast(x.dtype().to_inexact())?;
        let options = ConvOptions::new()
            .strides(self.strides.list(Self::NAME, "strides", spatial)?)
            .padding(padding)
            .lhs_dilation(self.input_dilation.list(Self::NAME, "input dilations", spatial)?)
            .rhs_dilation(kernel_dilation)
            .precision(self.precision.clone());
        x.try_conv_patches(&self.kernel_size[..], &options)
    }
}
