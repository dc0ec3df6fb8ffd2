//! Padding of windows: what convolutions and reductions over windows have in common.

use crate::error::{Error, Result};

/// What is put around the spatial dimensions before windows are taken.
///
/// Lists of pairs convert into [`Padding::Explicit`], and JAX's names into what they stand for:
///
/// ```
/// use flaxen::prelude::*;
/// assert_eq!(Padding::from([(1, 1), (0, 2)]), Padding::Explicit(vec![(1, 1), (0, 2)]));
/// assert_eq!(Padding::from("SAME"), Padding::Same);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Padding {
    /// Nothing: only whole windows.
    #[default]
    Valid,
    /// As much as gives `⌈size / stride⌉` windows; of an odd number, the larger half behind.
    Same,
    /// As much as gives `⌈size / stride⌉` windows; of an odd number, the larger half in front.
    SameLower,
    /// So much in front of and behind each dimension; negative numbers crop.
    Explicit(Vec<(isize, isize)>),
    /// A name that stands for none of these: an error of what is padded.
    Unknown(String),
}

/// `"VALID"`, `"SAME"` or `"SAME_LOWER"`, in any case.
impl From<&str> for Padding {
    fn from(name: &str) -> Padding {
        match &*name.to_ascii_uppercase() {
            "VALID" => Padding::Valid,
            "SAME" => Padding::Same,
            "SAME_LOWER" => Padding::SameLower,
            _ => Padding::Unknown(name.to_owned()),
        }
    }
}

impl From<Vec<(isize, isize)>> for Padding {
    fn from(pairs: Vec<(isize, isize)>) -> Padding {
        Padding::Explicit(pairs)
    }
}

impl From<&[(isize, isize)]> for Padding {
    fn from(pairs: &[(isize, isize)]) -> Padding {
        Padding::Explicit(pairs.into())
    }
}

impl<const N: usize> From<[(isize, isize); N]> for Padding {
    fn from(pairs: [(isize, isize); N]) -> Padding {
        Padding::Explicit(pairs.into())
    }
}

/// Positions of windows stay far from the limits of `isize`, whatever a kernel adds to them.
const FAR: i128 = (isize::MAX / 8) as i128;

/// The sizes that a list of windows is made of, one entry per dimension in each.
pub(super) struct Sizes<'a> {
    pub op: &'static str,
    pub input: &'a [usize],
    pub window: &'a [usize],
    pub strides: &'a [usize],
    pub input_dilation: &'a [usize],
    pub window_dilation: &'a [usize],
}

impl Sizes<'_> {
    /// The padding in numbers.
    ///
    /// # Errors
    /// If a list has not one entry per dimension, a stride, dilation or window is 0, more is cropped than there is, or
    /// positions overflow.
    pub fn pad(&self, padding: &Padding) -> Result<Vec<(isize, isize)>> {
        let rank = self.input.len();
        for (what, list) in [
            ("window sizes", self.window),
            ("strides", self.strides),
            ("input dilations", self.input_dilation),
            ("window dilations", self.window_dilation),
        ] {
            if list.len() != rank || list.contains(&0) {
                let expected = format!("{rank} of them, each at least 1");
                return Err(Error::argument(self.op, format!("{what} {list:?}: give {expected}")));
            }
        }
        if let Padding::Explicit(pairs) = padding
            && pairs.len() != rank
        {
            let message = format!("padding {pairs:?}: give {rank} pairs, one per windowed dimension");
            return Err(Error::argument(self.op, message));
        }
        (0..rank).map(|d| self.pad_dimension(d, padding)).collect()
    }

    fn pad_dimension(&self, d: usize, padding: &Padding) -> Result<(isize, isize)> {
        let dilated = |size: usize, dilation: usize| match size as i128 {
            0 => 0,
            size => (size - 1).saturating_mul(dilation as i128).saturating_add(1),
        };
        let (size, stride) = (self.input[d] as i128, self.strides[d] as i128);
        let window = dilated(self.window[d], self.window_dilation[d]).min(2 * FAR);
        let total = || (((size + stride - 1) / stride - 1) * stride + window - size).max(0);
        let (low, high) = match padding {
            Padding::Valid => (0, 0),
            Padding::Same => (total() / 2, total() - total() / 2),
            Padding::SameLower => (total() - total() / 2, total() / 2),
            Padding::Explicit(pairs) => (pairs[d].0 as i128, pairs[d].1 as i128),
            Padding::Unknown(name) => return Err(unknown(self.op, name)),
        };
        let dilated = dilated(self.input[d], self.input_dilation[d]).min(2 * FAR);
        let padded = dilated + low + high;
        if [low.abs(), high.abs(), dilated, padded, window, stride].iter().any(|&size| size > FAR) {
            let found = format!("dimension {d} of size {size} with padding ({low}, {high}), window {window}");
            return Err(Error::shape(self.op, found, "positions that fit the address space"));
        }
        if padded < 0 {
            let message =
                format!("padding ({low}, {high}) crops more than dimension {d} has: {dilated} elements");
            return Err(Error::argument(self.op, message));
        }
        Ok((low as isize, high as isize))
    }
}

/// The error of a name that stands for no padding.
pub(super) fn unknown(op: &'static str, name: &str) -> Error {
    let names = "\"SAME\", \"SAME_LOWER\", \"VALID\", or pairs of numbers";
    Error::argument(op, format!("there is no padding {name:?}: give {names}"))
}

/// A list with an entry per dimension: an empty one stands for all 1.
pub(crate) fn ones_unless_given(list: &[usize], rank: usize) -> Vec<usize> {
    if list.is_empty() { vec![1; rank] } else { list.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pad(size: usize, window: usize, stride: usize, padding: Padding) -> Result<Vec<(isize, isize)>> {
        Sizes {
            op: "test",
            input: &[size],
            window: &[window],
            strides: &[stride],
            input_dilation: &[1],
            window_dilation: &[1],
        }
        .pad(&padding)
    }

    #[test]
    fn same_padding_gives_a_window_per_stride_and_leans_back() {
        for (size, window, stride) in
            [(5, 3, 1), (5, 2, 1), (6, 3, 2), (7, 4, 3), (3, 1, 2), (1, 4, 5), (0, 3, 2)]
        {
            let (low, high) = pad(size, window, stride, Padding::Same).unwrap()[0];
            assert_eq!(pad(size, window, stride, Padding::SameLower).unwrap(), [(high, low)]);
            assert!(low <= high && high - low <= 1 && low >= 0);
            let padded = size + (low + high) as usize;
            let windows = if padded < window { 0 } else { (padded - window) / stride + 1 };
            assert_eq!(windows, size.div_ceil(stride), "{size} {window} {stride}");
        }
    }

    #[test]
    fn lists_that_make_no_sense_are_refused() {
        assert!(pad(5, 0, 1, Padding::Valid).is_err());
        assert!(pad(5, 1, 0, Padding::Valid).is_err());
        assert!(pad(5, 1, 1, [(0, 0), (0, 0)].into()).is_err());
        assert!(pad(5, 1, 1, [(-3, -3)].into()).is_err());
        assert!(pad(5, 1, 1, "half".into()).unwrap_err().to_string().contains("\"half\""));
        assert!(pad(5, 1, 1, [(isize::MAX, 0)].into()).is_err());
        assert!(pad(5, usize::MAX, 1, Padding::Same).is_err());
        assert_eq!(pad(5, 1, 1, [(-3, -2)].into()).unwrap(), [(-3, -2)]);
    }
}
