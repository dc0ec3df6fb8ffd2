//! `ConvPadding`: what layers put around their input.

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::pad::PadMode;
use crate::ops::padding::Padding;

/// What a convolutional layer puts around the spatial axes of its input.
///
/// Made from a [`Padding`], from Flax's names, from a number for all sides, from numbers for both sides of each axis, or
/// from pairs of numbers:
///
/// ```
/// use flaxen::nn::ConvPadding;
/// use flaxen::Padding;
/// assert_eq!(ConvPadding::from("SAME"), ConvPadding::from(Padding::Same));
/// assert_eq!(ConvPadding::from([1, 2]), ConvPadding::from([(1, 1), (2, 2)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConvPadding {
    /// Zeros.
    Zeros(Padding),
    /// As many zeros on all sides.
    All(isize),
    /// What is at the other end, as much as `Same` without strides: the output goes round.
    Circular,
    /// What is mirrored at the outermost element, as much as `Same` without strides.
    Reflect,
    /// Zeros in front only, so that no output depends on later inputs; for one spatial axis.
    Causal,
    /// A name that stands for none of these: an error when the layer is called.
    Unknown(String),
}

impl From<Padding> for ConvPadding {
    fn from(padding: Padding) -> ConvPadding {
        match padding {
            Padding::Unknown(name) => ConvPadding::Unknown(name),
            padding => ConvPadding::Zeros(padding),
        }
    }
}

/// Flax's names, in any case.
impl From<&str> for ConvPadding {
    fn from(name: &str) -> ConvPadding {
        match &*name.to_ascii_uppercase() {
            "CIRCULAR" => ConvPadding::Circular,
            "REFLECT" => ConvPadding::Reflect,
            "CAUSAL" => ConvPadding::Causal,
            _ => Padding::from(name).into(),
        }
    }
}

impl From<isize> for ConvPadding {
    fn from(all: isize) -> ConvPadding {
        ConvPadding::All(all)
    }
}

impl<const N: usize> From<[isize; N]> for ConvPadding {
    fn from(both: [isize; N]) -> ConvPadding {
        Padding::Explicit(both.iter().map(|&both| (both, both)).collect()).into()
    }
}

impl From<Vec<isize>> for ConvPadding {
    fn from(both: Vec<isize>) -> ConvPadding {
        Padding::Explicit(both.iter().map(|&both| (both, both)).collect()).into()
    }
}

impl<const N: usize> From<[(isize, isize); N]> for ConvPadding {
    fn from(pairs: [(isize, isize); N]) -> ConvPadding {
        Padding::Explicit(pairs.into()).into()
    }
}

impl From<Vec<(isize, isize)>> for ConvPadding {
    fn from(pairs: Vec<(isize, isize)>) -> ConvPadding {
        Padding::Explicit(pairs).into()
    }
}

impl ConvPadding {
    /// The input `[batch, spatial.., channels]` with what a convolution cannot pad itself, and what it can.
    pub(super) fn apply(
        &self,
        op: &'static str,
        x: &Tensor,
        kernel: &[usize],
        dilation: &[usize],
    ) -> Result<(Tensor, Padding)> {
        let dilated = || {
            kernel
                .iter()
                .zip(dilation)
                .map(|(&k, &step)| k.saturating_sub(1).saturating_mul(step).saturating_add(1))
        };
        let centred = || spatial_widths(dilated().map(|k| ((k - 1) / 2, k / 2)));
        match self {
            ConvPadding::Zeros(padding) => Ok((x.clone(), padding.clone())),
            ConvPadding::All(all) => Ok((x.clone(), vec![(*all, *all); kernel.len()].into())),
            ConvPadding::Circular => Ok((x.try_pad_mode(centred(), PadMode::Wrap)?, Padding::Valid)),
            ConvPadding::Reflect => Ok((x.try_pad_mode(centred(), PadMode::Reflect)?, Padding::Valid)),
            ConvPadding::Causal if kernel.len() == 1 => {
                Ok((x.try_pad(spatial_widths(dilated().map(|k| (k - 1, 0))), 0.0)?, Padding::Valid))
            }
            ConvPadding::Causal => {
                let message =
                    format!("causal padding needs one spatial axis, found the kernel size {kernel:?}");
                Err(Error::argument(op, message))
            }
            ConvPadding::Unknown(name) => Err(unknown(op, name)),
        }
    }
}

pub(super) fn unknown(op: &'static str, name: &str) -> Error {
    let names = "\"SAME\", \"VALID\", \"CIRCULAR\", \"REFLECT\", \"CAUSAL\", or pairs of numbers";
    Error::argument(op, format!("there is no padding {name:?}: give {names}"))
}

/// Widths of the spatial axes, with none for batch and channels.
fn spatial_widths(spatial: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    [(0, 0)].into_iter().chain(spatial).chain([(0, 0)]).collect()
}
