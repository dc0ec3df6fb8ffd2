//! `Conv`: convolution with one kernel for all positions.

use super::batch::BatchAxes;
use super::padding::ConvPadding;
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::core::precision::OperandPrecision;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::nn::arguments::{Constant, Sizes, Steps};
use crate::nn::function::{ConvGeneralFn, PromoteDtypeFn};
use crate::nn::injected::ConvGeneralCls;
use crate::nn::precision::promoted;
use crate::nn::support::{add_bias, bias_param};
use crate::scope::Initializer;
use crate::{ConvOptions, Padding, compact, init, module};

/// A convolution over any number of spatial axes: `y[p] = Σ_k x[p·stride + k·dilation]·W[k] + b`.
///
/// The input is `[batch.., spatial.., channels]` with as many spatial axes as `kernel_size` has entries, and any number of
/// batch axes, also none. The output is `[batch.., spatial.., features]`. The kernel is not flipped.
///
/// # Parameters
/// - `kernel`: `[kernel_size.., channels / feature_group_count, features]`.
/// - `bias`: `[features]`, unless `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
///
/// let conv = Conv::new(32, [3, 3]).strides([2, 2]).padding("SAME");
/// let x = Tensor::ones([1, 28, 28, 3]);
/// let (y, variables) = conv.init_with_output(key(0)).call(&x)?;
/// assert_eq!(y.shape(), [1, 14, 14, 32]);
/// assert_eq!(variables.dict("params")?.tensor("kernel")?.shape(), [3, 3, 3, 32]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.Conv`.
#[module]
pub struct Conv {
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
    /// Groups of channels that are convolved apart from each other.
    #[module(default = 1)]
    pub feature_group_count: usize,
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
    /// The convolution that is computed in place of [`Tensor::try_conv_general`], which is what `None` stands for.
    #[module(default)]
    pub conv_general_dilated: Option<ConvGeneralFn>,
    /// What makes the convolution for each call, perhaps as a submodule; it goes before `conv_general_dilated`.
    #[module(default)]
    pub conv_general_dilated_cls: Option<ConvGeneralCls>,
}

impl Layer for Conv {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let spatial = self.kernel_size.len();
        let strides = self.strides.list(Self::NAME, "strides", spatial)?;
        let input_dilation = self.input_dilation.list(Self::NAME, "input dilations", spatial)?;
        let kernel_dilation = self.kernel_dilation.list(Self::NAME, "kernel dilations", spatial)?;
        let (x, batch) = BatchAxes::merge(Self::NAME, x, spatial)?;
        let (x, padding) = self.padding.apply(Self::NAME, &x, &self.kernel_size, &kernel_dilation)?;

        let kernel_shape = self.kernel_shape(x.shape()[spatial + 1])?;
        let kernel = self.param_of("kernel", &self.kernel_init, &kernel_shape, self.param_dtype)?;
        let kernel = masked(Self::NAME, kernel, self.mask.as_ref())?;
        let bias_shape = [self.features];
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, bias_shape, self.param_dtype)?;

        let (promote, tensors) = (self.promote_dtype.as_ref(), (&x, &kernel, bias.as_ref()));
        let (x, kernel, bias) = promoted(Self::NAME, promote, self.dtype, tensors)?;
        let options = ConvOptions::new()
            .strides(strides)
            .padding(padding)
            .lhs_dilation(input_dilation)
            .rhs_dilation(kernel_dilation)
            .feature_groups(self.feature_group_count)
            .precision(self.precision.clone());
        let y = match (&self.conv_general_dilated_cls, &self.conv_general_dilated) {
            (Some(class), _) => class.within(self).call(&x, &kernel, &options)?,
            (None, Some(conv)) => conv.call(&x, &kernel, &options)?,
            (None, None) => x.try_conv_general(kernel, &options)?,
        };
        batch.split(&add_bias(y, bias.as_ref())?)
    }
}

impl Conv {
    fn kernel_shape(&self, channels: usize) -> Result<Shape> {
        let groups = self.feature_group_count;
        if groups == 0 || !channels.is_multiple_of(groups) || !self.features.is_multiple_of(groups) {
            let message = format!(
                "expects a `feature_group_count` that divides input channels and features, found {groups} for \
                 {channels} channels and {} features",
                self.features
            );
            return Err(Error::argument(Self::NAME, message));
        }
        Ok(self.kernel_size.iter().copied().chain([channels / groups, self.features]).collect())
    }
}

/// The kernel times its mask.
pub(super) fn masked(op: &'static str, kernel: Tensor, mask: Option<&Constant>) -> Result<Tensor> {
    match mask {
        None => Ok(kernel),
        Some(Constant(mask)) if mask.shape() == kernel.shape() => kernel.try_mul(mask),
        Some(Constant(mask)) => Err(Error::shape(
            op,
            format!("a mask {}", mask.aval()),
            format!("a mask of the kernel's shape {:?}", kernel.shape()),
        )),
    }
}
