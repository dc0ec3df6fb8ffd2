//! How much of a padded axis is real, and what it is padded to.

use std::sync::Arc;

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// The lengths of the axes that [`Jit::buckets`](crate::Jit::buckets) pads: the last part of the argument of such a function.
///
/// A length is a tensor, so it is no part of the program's shapes; the size that the axis is padded to is.
///
/// ```
/// use flaxen::prelude::*;
///
/// // What the function is given for 3 tokens that are padded to 4; such a value also calls it outside of `jit`.
/// let lengths = Lengths::default().with("tokens", 3, 4);
/// assert_eq!(lengths.mask("tokens")?.to_vec::<bool>()?, [true, true, true, false]);
/// assert_eq!(lengths.of("tokens")?.item::<i32>()?, 3);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, Default, Tree)]
pub struct Lengths {
    /// A scalar for each axis.
    lengths: Vec<Tensor>,
    /// What each is called, and padded to.
    #[tree(static)]
    axes: Vec<(Arc<str>, usize)>,
}

impl Lengths {
    /// Adds an axis: its name, how much of it is real, and its size with padding.
    #[must_use]
    pub fn with(self, name: &str, length: usize, size: usize) -> Lengths {
        self.with_shared(name.into(), length, size)
    }

    pub(super) fn with_shared(mut self, name: Arc<str>, length: usize, size: usize) -> Lengths {
        // A size that is no `i32` has no memory either.
        self.lengths.push(Tensor::from(i32::try_from(length).unwrap_or(i32::MAX)));
        self.axes.push((name, size));
        self
    }

    /// How much of an axis is real, as an `I32` scalar.
    ///
    /// # Errors
    /// If there is no axis of that name.
    pub fn of(&self, name: &str) -> Result<Tensor> {
        Ok(self.lengths[self.number(name)?].clone())
    }

    /// The size of an axis with its padding.
    ///
    /// # Errors
    /// If there is no axis of that name.
    pub fn size(&self, name: &str) -> Result<usize> {
        Ok(self.axes[self.number(name)?].1)
    }

    /// What is real along an axis, as a `Bool` vector of its size: true up to the length, and false in the padding.
    ///
    /// # Errors
    /// If there is no axis of that name.
    pub fn mask(&self, name: &str) -> Result<Tensor> {
        let number = self.number(name)?;
        let size = i32::try_from(self.axes[number].1).unwrap_or(i32::MAX);
        Tensor::try_arange(0, size, 1)?.try_lt(&self.lengths[number])
    }

    fn number(&self, name: &str) -> Result<usize> {
        self.axes.iter().position(|(own, _)| **own == *name).ok_or_else(|| {
            let names: Vec<String> = self.axes.iter().map(|(name, _)| format!("`{name}`")).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Error::argument("lengths", format!("there is no padded axis `{name}`; there are: {known}"))
        })
    }
}

/// What the length of an axis is padded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// Powers of two, from this one on.
    PowersOfTwo(usize),
    MultiplesOf(usize),
    /// In ascending order.
    Listed(Vec<usize>),
}

impl Sizes {
    /// The least of the sizes that a length fits into.
    ///
    /// # Errors
    /// If there is none: in words, what the sizes are.
    pub fn next(&self, length: usize) -> Result<usize, String> {
        match self {
            Sizes::PowersOfTwo(least) => length
                .max(*least)
                .checked_next_power_of_two()
                .ok_or_else(|| "the largest power of two".to_owned()),
            Sizes::MultiplesOf(0) => {
                Err("any multiple of 0: the step of `multiples_of` is at least 1".into())
            }
            Sizes::MultiplesOf(step) => length
                .max(1)
                .checked_next_multiple_of(*step)
                .ok_or_else(|| format!("the largest multiple of {step}")),
            Sizes::Listed(sizes) => match (sizes.iter().find(|&&size| size >= length), sizes.last()) {
                (Some(size), _) => Ok(*size),
                (None, None) => Err("any size: `sizes` has none".into()),
                (None, Some(largest)) => Err(format!(
                    "the largest of its sizes, {largest} of {sizes:?}: cut it, or add a larger size"
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_goes_to_the_least_size_that_it_fits_into() {
        let tried = |sizes: Sizes| [0, 1, 5, 8, 9].map(|length| sizes.next(length).ok());
        assert_eq!(tried(Sizes::PowersOfTwo(1)), [1, 1, 8, 8, 16].map(Some));
        assert_eq!(tried(Sizes::PowersOfTwo(6)), [8, 8, 8, 8, 16].map(Some));
        assert_eq!(tried(Sizes::MultiplesOf(4)), [4, 4, 8, 8, 12].map(Some));
        assert_eq!(tried(Sizes::MultiplesOf(0)), [None; 5]);
        assert_eq!(tried(Sizes::Listed(vec![5, 8])), [Some(5), Some(5), Some(5), Some(8), None]);
        assert_eq!(tried(Sizes::Listed(Vec::new())), [None; 5]);
        assert_eq!(Sizes::PowersOfTwo(1).next(usize::MAX).ok(), None);
        assert_eq!(Sizes::MultiplesOf(2).next(usize::MAX).ok(), None);
    }
}
