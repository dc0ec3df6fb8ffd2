//! Convolution over any number of spatial dimensions.

mod primitive;
mod transposed;

use primitive::Convolution;

use super::padding::{Padding, Sizes, ones_unless_given};
use super::shape::permuted;
use crate::array::{Aval, DType, Shape};
use crate::core::op::ConvOperand;
use crate::core::precision::OperandPrecision;
use crate::core::trace::bind1;
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::conv::Geometry;
use crate::ops::dot_general::SummedIn;

const OP: &str = "conv_general";

/// In which order the axes of input, kernel and output of a convolution are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ConvLayout {
    /// Input and output `[batch, spatial.., channels]`, kernel `[spatial.., input channels / groups, output channels]`.
    ///
    /// The layout of Flax, `NHWC` and `HWIO`, and the one that is computed in.
    #[default]
    ChannelsLast,
    /// Input and output `[batch, channels, spatial..]`, kernel `[output channels, input channels / groups, spatial..]`.
    ///
    /// The layout of PyTorch, `NCHW` and `OIHW`. Costs a transposition of each.
    ChannelsFirst,
}

impl ConvLayout {
    /// The axes of an input in the order of [`ChannelsLast`](ConvLayout::ChannelsLast).
    fn input_axes(self, rank: usize) -> Shape {
        match self {
            ConvLayout::ChannelsLast => (0..rank).collect(),
            ConvLayout::ChannelsFirst => std::iter::once(0).chain(2..rank).chain([1]).collect(),
        }
    }

    /// The axes of a kernel in the order of [`ChannelsLast`](ConvLayout::ChannelsLast).
    fn kernel_axes(self, rank: usize) -> Shape {
        match self {
            ConvLayout::ChannelsLast => (0..rank).collect(),
            ConvLayout::ChannelsFirst => (2..rank).chain([1, 0]).collect(),
        }
    }

    /// The axes of an output in this order, out of those of [`ChannelsLast`](ConvLayout::ChannelsLast).
    fn output_axes(self, rank: usize) -> Shape {
        match self {
            ConvLayout::ChannelsLast => (0..rank).collect(),
            ConvLayout::ChannelsFirst => [0, rank - 1].into_iter().chain(1..rank - 1).collect(),
        }
    }
}

/// How windows go over the input of [`Tensor::conv_general`].
///
/// Lists have an entry per spatial dimension; an empty one, the default, stands for all 1.
///
/// ```
/// use flaxen::prelude::*;
/// let options = ConvOptions::new().strides([2, 2]).padding(Padding::Same).feature_groups(4);
/// assert_eq!(options.strides, [2, 2]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConvOptions {
    /// Steps between windows.
    pub strides: Vec<usize>,
    /// What is put around the dilated input; nothing by default.
    pub padding: Padding,
    /// Steps between input elements; greater than 1 inserts zeros, as a transposed convolution does.
    pub lhs_dilation: Vec<usize>,
    /// Steps between kernel elements; greater than 1 is an atrous convolution.
    pub rhs_dilation: Vec<usize>,
    /// Groups of channels that are convolved apart from each other; 1 by default.
    pub feature_groups: usize,
    /// The order of the axes; channels last by default.
    pub layout: ConvLayout,
    /// For [`conv_transpose`](Tensor::conv_transpose) alone: whether the kernel is that of the convolution of which this one is the
    /// transposed, with input and output channels exchanged; then it is flipped, too.
    pub transpose_kernel: bool,
    /// How exactly an accelerator is to compute it; see [`Precision`](crate::Precision), on which no number depends here.
    pub precision: OperandPrecision,
    /// The dtype that is summed in, and that the output has; by default that of the operands.
    pub preferred_element_type: Option<DType>,
}

impl Default for ConvOptions {
    fn default() -> ConvOptions {
        ConvOptions {
            strides: Vec::new(),
            padding: Padding::Valid,
            lhs_dilation: Vec::new(),
            rhs_dilation: Vec::new(),
            feature_groups: 1,
            layout: ConvLayout::ChannelsLast,
            transpose_kernel: false,
            precision: OperandPrecision::Unsaid,
            preferred_element_type: None,
        }
    }
}

impl ConvOptions {
    /// One window at each position where it fits.
    pub fn new() -> ConvOptions {
        ConvOptions::default()
    }

    /// Sets the steps between windows.
    pub fn strides(self, strides: impl AsRef<[usize]>) -> ConvOptions {
        ConvOptions { strides: strides.as_ref().into(), ..self }
    }

    /// Sets what is put around the dilated input.
    pub fn padding(self, padding: impl Into<Padding>) -> ConvOptions {
        ConvOptions { padding: padding.into(), ..self }
    }

    /// Sets the steps between input elements.
    pub fn lhs_dilation(self, dilation: impl AsRef<[usize]>) -> ConvOptions {
        ConvOptions { lhs_dilation: dilation.as_ref().into(), ..self }
    }

    /// Sets the steps between kernel elements.
    pub fn rhs_dilation(self, dilation: impl AsRef<[usize]>) -> ConvOptions {
        ConvOptions { rhs_dilation: dilation.as_ref().into(), ..self }
    }

    /// Sets the number of groups of channels.
    pub fn feature_groups(self, groups: usize) -> ConvOptions {
        ConvOptions { feature_groups: groups, ..self }
    }

    /// Sets the order of the axes.
    pub fn layout(self, layout: ConvLayout) -> ConvOptions {
        ConvOptions { layout, ..self }
    }

    /// Sets whether the kernel of a transposed convolution is flipped and its channels exchanged.
    pub fn transpose_kernel(self, transpose: bool) -> ConvOptions {
        ConvOptions { transpose_kernel: transpose, ..self }
    }

    /// Sets how exactly an accelerator is to compute it: a [`Precision`](crate::Precision), one of JAX's names, or a pair of either.
    pub fn precision(self, precision: impl Into<OperandPrecision>) -> ConvOptions {
        ConvOptions { precision: precision.into(), ..self }
    }

    /// Sets the dtype that is summed in, and that the output has.
    pub fn preferred_element_type(self, dtype: impl Into<Option<DType>>) -> ConvOptions {
        ConvOptions { preferred_element_type: dtype.into(), ..self }
    }

    /// All sizes of a convolution, from two operands in this layout.
    fn geometry(&self, lhs: &Aval, rhs: &Aval) -> Result<Geometry> {
        let groups = self.feature_groups;
        let wrong = |expected: String| {
            let of_groups = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
            let layout = match self.layout {
                ConvLayout::ChannelsLast => "",
                ConvLayout::ChannelsFirst => ", channels first",
            };
            Err(Error::shape(OP, format!("input {lhs} and kernel {rhs}{of_groups}{layout}"), expected))
        };
        let rank = lhs.rank();
        if rank < 2 || rhs.rank() != rank {
            return wrong(
                "an input of at least two axes (batch and channels) and a kernel of as many".into(),
            );
        }
        let sizes = |aval: &Aval, axes: Shape| axes.iter().map(|&axis| aval.shape[axis]).collect::<Vec<_>>();
        let input = sizes(lhs, self.layout.input_axes(rank));
        let kernel = sizes(rhs, self.layout.kernel_axes(rank));
        let spatial = rank - 2;
        let (batch, cin, cin_each, cout) = (input[0], input[rank - 1], kernel[spatial], kernel[rank - 1]);
        if groups == 0 {
            return Err(Error::argument(OP, "0 feature groups: give at least 1"));
        }
        if cin_each.checked_mul(groups) != Some(cin) {
            return wrong(if cin.is_multiple_of(groups) {
                format!("a kernel for {} input channels, as the input has per group", cin / groups)
            } else {
                format!("a number of groups that divides the input's {cin} channels")
            });
        }
        if !cout.is_multiple_of(groups) {
            return wrong(format!("a number of groups that divides the kernel's {cout} output channels"));
        }
        if self.transpose_kernel {
            return Err(Error::argument(OP, "a transposed kernel: that is for `conv_transpose`"));
        }
        let lhs_dilation = ones_unless_given(&self.lhs_dilation, spatial);
        if !matches!(self.padding, Padding::Explicit(_)) && lhs_dilation.iter().any(|&step| step != 1) {
            let message = format!(
                "padding {:?} says nothing of a dilated input: give explicit padding with `lhs_dilation`",
                self.padding
            );
            return Err(Error::argument(OP, message));
        }
        let mut geometry = Geometry {
            batch,
            in_spatial: input[1..=spatial].into(),
            kernel: kernel[..spatial].into(),
            out_spatial: vec![0; spatial],
            cin,
            cout,
            strides: ones_unless_given(&self.strides, spatial),
            padding: Vec::new(),
            lhs_dilation,
            rhs_dilation: ones_unless_given(&self.rhs_dilation, spatial),
            groups,
        };
        let sizes = Sizes {
            op: OP,
            input: &geometry.in_spatial,
            window: &geometry.kernel,
            strides: &geometry.strides,
            input_dilation: &geometry.lhs_dilation,
            window_dilation: &geometry.rhs_dilation,
        };
        geometry.padding = sizes.pad(&self.padding)?;
        geometry.out_spatial = (0..spatial).map(|d| geometry.out_size(d)).collect();
        Ok(geometry)
    }
}

/// # Convolutions
impl Tensor {
    /// The convolution with a kernel over any number of spatial dimensions, as `lax.conv_general_dilated`.
    ///
    /// Input `[batch, spatial.., channels]`, kernel `[spatial.., channels / groups, features]`, output
    /// `[batch, spatial.., features]`; see [`ConvLayout`] for another order. The kernel is not flipped, as in all neural
    /// networks. A kernel larger than the padded input gives an output without elements. Both have one dtype; `BF16` and
    /// `F16` are summed in `F32` and rounded once.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::ones([8, 28, 28, 3]);
    /// let kernel = Tensor::ones([3, 3, 3, 16]);
    /// let y = x.conv_general(&kernel, &ConvOptions::new().strides([2, 2]).padding(Padding::Same));
    /// assert_eq!(y.shape(), [8, 14, 14, 16]);
    /// ```
    ///
    /// # Panics
    /// If ranks, channels or dtypes do not match, groups do not divide the channels, lists have not one entry per spatial
    /// dimension, a step or kernel size is 0, or the padding of a dilated input is not explicit.
    #[doc(alias = "conv")]
    #[doc(alias = "conv_dimension_numbers")]
    #[doc(alias = "conv_general_dilated")]
    #[doc(alias = "conv_general_permutations")]
    #[track_caller]
    pub fn conv_general(&self, kernel: impl TensorLike, options: &ConvOptions) -> Tensor {
        unwrap(self.try_conv_general(kernel, options))
    }

    /// As [`conv_general`](Tensor::conv_general).
    ///
    /// # Errors
    /// If ranks, channels or dtypes do not match, groups do not divide the channels, lists have not one entry per spatial
    /// dimension, a step or kernel size is 0, or the padding of a dilated input is not explicit.
    #[track_caller]
    pub fn try_conv_general(&self, kernel: impl TensorLike, options: &ConvOptions) -> Result<Tensor> {
        let (kernel, rank, layout) = (kernel.operand()?, self.rank(), options.layout);
        let geometry = options.geometry(self.aval(), kernel.aval())?;
        let lhs = permuted(self, layout.input_axes(rank))?;
        let rhs = permuted(&kernel, layout.kernel_axes(rank))?;
        let (summed, [lhs, rhs]) = SummedIn::of(OP, options.preferred_element_type, [lhs, rhs])?;
        let precision = options.precision.resolve(OP)?;
        let out = bind1(&Convolution { gives: ConvOperand::Output, geometry, precision }, [lhs, rhs])?;
        let out = summed.finish(out)?;
        permuted(&out, layout.output_axes(rank))
    }
}
