//! `conv_transpose`: the convolution of an input with zeros between its elements.

use super::ConvOptions;
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::padding::{Padding, ones_unless_given, unknown};

const OP: &str = "conv_transpose";

/// # Transposed convolutions
impl Tensor {
    /// The transposed convolution with a kernel, as `lax.conv_transpose`: of the input with `stride - 1` zeros between its
    /// elements.
    ///
    /// Shapes, dtypes and the order of axes are those of [`conv_general`](Tensor::conv_general). With padding
    /// [`Same`](Padding::Same) each spatial dimension becomes `stride` times as long, with [`Valid`](Padding::Valid) every
    /// product of an input and a kernel element is in the output, and numbers are what is put around the input with its
    /// zeros. The kernel is neither flipped nor are its channels exchanged, unless
    /// [`transpose_kernel`](ConvOptions::transpose_kernel) asks for both: then this is the gradient of a convolution with it.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (x, kernel) = (Tensor::ones([1, 7, 7, 3]), Tensor::ones([3, 3, 3, 8]));
    /// let y = x.conv_transpose(&kernel, &ConvOptions::new().strides([2, 2]).padding(Padding::Same));
    /// assert_eq!(y.shape(), [1, 14, 14, 8]);
    /// ```
    ///
    /// # Panics
    /// As [`conv_general`](Tensor::conv_general); if the options have an `lhs_dilation`, which the strides are here, or the
    /// padding [`SameLower`](Padding::SameLower).
    #[track_caller]
    pub fn conv_transpose(&self, kernel: impl TensorLike, options: &ConvOptions) -> Tensor {
        unwrap(self.try_conv_transpose(kernel, options))
    }

    /// As [`conv_transpose`](Tensor::conv_transpose).
    ///
    /// # Errors
    /// As [`try_conv_general`](Tensor::try_conv_general); if the options have an `lhs_dilation`, which the strides are here,
    /// or the padding [`SameLower`](Padding::SameLower).
    #[track_caller]
    pub fn try_conv_transpose(&self, kernel: impl TensorLike, options: &ConvOptions) -> Result<Tensor> {
        let mut kernel = kernel.operand()?;
        if options.transpose_kernel && kernel.rank() >= 2 {
            let axes: Vec<isize> =
                options.layout.kernel_axes(kernel.rank()).iter().map(|&axis| axis as isize).collect();
            let (spatial, channels) = axes.split_at(kernel.rank() - 2);
            kernel = kernel.try_flip(spatial)?.try_swap_axes(channels[0], channels[1])?;
        }
        if !options.lhs_dilation.is_empty() {
            let found = format!("lhs_dilation {:?}", options.lhs_dilation);
            return Err(Error::argument(
                OP,
                format!("{found}: its strides are the steps between input elements"),
            ));
        }
        let spatial = kernel.rank().saturating_sub(2);
        let sizes: Vec<usize> = match kernel.rank() {
            0 | 1 => Vec::new(),
            rank => {
                options.layout.kernel_axes(rank)[..spatial].iter().map(|&axis| kernel.shape()[axis]).collect()
            }
        };
        let strides = ones_unless_given(&options.strides, spatial);
        let dilation = ones_unless_given(&options.rhs_dilation, spatial);
        let dilated = ConvOptions {
            strides: Vec::new(),
            padding: Padding::Explicit(pairs(&options.padding, &sizes, &strides, &dilation)?),
            lhs_dilation: strides,
            transpose_kernel: false,
            ..options.clone()
        };
        self.try_conv_general(kernel, &dilated)
    }
}

/// What is put around the input with its zeros, of each spatial dimension.
fn pairs(
    padding: &Padding,
    kernel: &[usize],
    strides: &[usize],
    dilation: &[usize],
) -> Result<Vec<(isize, isize)>> {
    // The extent of a kernel with its dilation; sums saturate, and sizes that are too large are refused later.
    let extents = kernel
        .iter()
        .zip(dilation)
        .map(|(&k, &step)| k.saturating_sub(1).saturating_mul(step).saturating_add(1));
    let each = |pair: fn(usize, usize) -> (usize, usize)| -> Vec<(isize, isize)> {
        let pairs = extents.zip(strides).map(|(size, &stride)| pair(size, stride));
        let signed = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
        pairs.map(|(before, total)| (signed(before), signed(total).saturating_sub(signed(before)))).collect()
    };
    match padding {
        // So that the output is `stride` times as long as the input; more in front, as JAX has it.
        Padding::Same => Ok(each(|size, stride| {
            let total = size.saturating_add(stride).saturating_sub(2);
            (if stride > size - 1 { size - 1 } else { total.div_ceil(2) }, total)
        })),
        // So that every product of an input and a kernel element is in the output.
        Padding::Valid => Ok(each(|size, stride| {
            (
                size - 1,
                size.saturating_add(stride).saturating_sub(2).saturating_add(size.saturating_sub(stride)),
            )
        })),
        Padding::Explicit(pairs) => Ok(pairs.clone()),
        Padding::Unknown(name) => Err(unknown(OP, name)),
        Padding::SameLower => {
            Err(Error::argument(OP, "padding SameLower: give Same, Valid or pairs of numbers, as in JAX"))
        }
    }
}
