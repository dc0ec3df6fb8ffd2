//! `ConvTranspose`: a convolution that makes its input larger.

use super::batch::BatchAxes;
use super::layer::masked;
use super::padding::{ConvPadding, unknown};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::precision::OperandPrecision;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::nn::arguments::{Constant, Sizes, Steps};
use crate::nn::function::PromoteDtypeFn;
use crate::nn::precision::promoted;
use crate::nn::support::{add_bias, bias_param};
use crate::scope::Initializer;
use crate::{ConvOptions, Padding, compact, init, module};

/// A transposed convolution over any number of spatial axes: a convolution of the input with zeros between its elements.
///
/// The input is `[batch.., spatial.., channels]` with as many spatial axes as `kernel_size` has entries, and any number of
/// batch axes, also none. The output is `[batch.., spatial.., features]`; with padding `Same`, the default, each spatial
/// axis is `stride` times as long.
///
/// # Parameters
/// - `kernel`: `[kernel_size.., channels, features]`, or `[kernel_size.., features, channels]` with `transpose_kernel`.
/// - `bias`: `[features]`, unless `use_bias` is false.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::ConvTranspose;
///
/// let layer = ConvTranspose::new(8, [3, 3]).strides([2, 2]);
/// let y = layer.init_with_output(key(0)).call(&Tensor::ones([1, 7, 7, 16]))?.0;
/// assert_eq!(y.shape(), [1, 14, 14, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.ConvTranspose`.
#[module]
pub struct ConvTranspose {
    /// The number of output channels.
    pub features: usize,
    /// The size of the kernel along each spatial axis; one number is one axis.
    #[module(into)]
    pub kernel_size: Sizes,
    /// Steps between the input's elements in the output.
    #[module(into, default = Steps::All(1))]
    pub strides: Steps,
    /// `Same`, `Valid`, `Circular`, or what is put around the input with its zeros in numbers.
    #[module(into, default = Padding::Same.into())]
    pub padding: ConvPadding,
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
    /// Whether the kernel is that of the convolution of which this one is the transposed: flipped, channels exchanged.
    #[module(default = false)]
    pub transpose_kernel: bool,
    /// What brings input and parameters to the dtype of the computation, in place of [`promote_dtype`](crate::nn::promote_dtype).
    #[module(default)]
    pub promote_dtype: Option<PromoteDtypeFn>,
    /// The dtype that is summed in, and that the output has; by default that of the computation.
    #[module(default)]
    pub preferred_element_type: Option<DType>,
}

impl Layer for ConvTranspose {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let spatial = self.kernel_size.len();
        let strides = self.strides.list(Self::NAME, "strides", spatial)?;
        let kernel_dilation = self.kernel_dilation.list(Self::NAME, "kernel dilations", spatial)?;
        let (x, batch) = BatchAxes::merge(Self::NAME, x, spatial)?;

        let channels = x.shape()[spatial + 1];
        let ends = if self.transpose_kernel { [self.features, channels] } else { [channels, self.features] };
        let kernel_shape = [&self.kernel_size[..], &ends].concat();
        let kernel = self.param_of("kernel", &self.kernel_init, kernel_shape, self.param_dtype)?;
        let kernel = masked(Self::NAME, kernel, self.mask.as_ref())?;
        let bias_shape = [self.features];
        let bias_init = self.use_bias.then_some(&self.bias_init);
        let bias = bias_param(self, bias_init, bias_shape, self.param_dtype)?;

        let (promote, tensors) = (self.promote_dtype.as_ref(), (&x, &kernel, bias.as_ref()));
        let (x, kernel, bias) = promoted(Self::NAME, promote, self.dtype, tensors)?;
        let options = ConvOptions::new()
            .strides(&strides)
            .padding(self.zeros_around()?)
            .rhs_dilation(kernel_dilation)
            .transpose_kernel(self.transpose_kernel)
            .precision(self.precision.clone())
            .preferred_element_type(self.preferred_element_type);
        let mut y = x.try_conv_transpose(kernel, &options)?;
        if self.padding == ConvPadding::Circular {
            let periods = x.shape()[1..=spatial]
                .iter()
                .zip(&strides)
                .map(|(&size, &stride)| size.saturating_mul(stride));
            y = self.folded(&y, &periods.collect::<Vec<_>>())?;
        }
        batch.split(&add_bias(y, bias.as_ref())?)
    }
}

impl ConvTranspose {
    /// What is put around the input with its zeros, before anything is folded.
    fn zeros_around(&self) -> Result<Padding> {
        match &self.padding {
            ConvPadding::Zeros(padding @ (Padding::Same | Padding::Valid | Padding::Explicit(_))) => {
                Ok(padding.clone())
            }
            ConvPadding::Circular => Ok(Padding::Valid),
            ConvPadding::All(all) => Ok(Padding::Explicit(vec![(*all, *all); self.kernel_size.len()])),
            ConvPadding::Unknown(name) => Err(unknown(Self::NAME, name)),
            other => {
                let message = format!(
                    "expects padding `Same`, `Valid`, `Circular` or pairs of numbers, found {other:?}"
                );
                Err(Error::argument(Self::NAME, message))
            }
        }
    }

    /// The sum of all that a period apart falls onto one position.
    fn folded(&self, y: &Tensor, periods: &[usize]) -> Result<Tensor> {
        if periods.contains(&0) {
            return Ok(y.clone());
        }
        let mut widths = vec![(0, 0); y.rank()];
        for (axis, &period) in periods.iter().enumerate() {
            // So many that the input's start lies at a whole number of periods.
            let missing =
                (period as isize - y.shape()[axis + 1] as isize).rem_euclid(2 * period as isize) as usize;
            let (less, more) = (missing / 2, missing.div_ceil(2));
            widths[axis + 1] = if self.transpose_kernel { (less, more) } else { (more, less) };
        }
        let mut y = y.try_pad(widths, 0.0)?;
        for (axis, &period) in periods.iter().enumerate() {
            let axis = axis + 1;
            let shape =
                [&y.shape()[..axis], &[y.shape()[axis] / period, period], &y.shape()[axis + 1..]].concat();
            y = y.try_reshape(shape)?.try_sum_axes(axis as isize)?;
        }
        Ok(y)
    }
}
