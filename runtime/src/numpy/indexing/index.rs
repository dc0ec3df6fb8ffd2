//! What may stand in a tuple of indices.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::core::tensor::Repr;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::slice;

/// As many whole axes as the other indices leave, Python's `...`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ellipsis;

/// A new axis of size 1, Python's `None` in an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewAxis;

/// A part of an axis: Python's `start:end:step`.
///
/// Ranges of integers are slices with a step of 1; [`Slice::step`] has others. Negative positions count from the end of the
/// axis, and those beyond it mean the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    pub(super) start: Option<isize>,
    pub(super) end: Option<isize>,
    pub(super) step: isize,
}

impl Slice {
    /// The whole axis.
    pub const ALL: Slice = Slice { start: None, end: None, step: 1 };

    /// Every `step`-th position of a range; a negative step goes backwards from `start`, which then is the larger one.
    ///
    /// ```
    /// use flaxen::Slice;
    /// use flaxen::prelude::*;
    /// let x = Tensor::arange(0i32, 6, 1);
    /// assert_eq!(x.index(Slice::step(1.., 2)).to_vec::<i32>()?, [1, 3, 5]);
    /// assert_eq!(x.index(Slice::step(.., -3)).to_vec::<i32>()?, [5, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn step(range: impl Into<Slice>, step: isize) -> Slice {
        Slice { step, ..range.into() }
    }

    /// The first position, the step and the number of positions along an axis of a size.
    pub(super) fn positions(self, size: usize) -> Result<(usize, isize, usize)> {
        slice::range_of("index", self.start, self.end, self.step, size)
    }
}

/// One index of a tuple.
#[derive(Clone)]
pub enum Index {
    /// A position along an axis, which the result does not have; negative ones count from the end.
    At(i64),
    /// Positions along an axis, or, of booleans, the elements of as many axes as it has where it is true.
    Tensor(Tensor),
    /// A part of an axis.
    Slice(Slice),
    /// As many whole axes as the others leave.
    Ellipsis,
    /// An axis of size 1 that the tensor does not have.
    NewAxis,
}

/// What an index may be: an integer, a range of integers, a [`Slice`], `..` for the whole axis, [`Ellipsis`], [`NewAxis`], or
/// a tensor or an array of integers or of booleans.
pub trait IntoIndex {
    /// As an index.
    #[doc(hidden)]
    fn into_index(self) -> Result<Index>;
}

/// A tuple of up to eight indices, one index, or a `Vec` of [`Index`].
pub trait Indices {
    /// In order.
    #[doc(hidden)]
    fn into_indices(self) -> Result<Vec<Index>>;
}

impl<T: TensorLike> IntoIndex for T {
    fn into_index(self) -> Result<Index> {
        let tensor = self.operand()?;
        Ok(match &tensor.repr {
            // A bare number, which no tensor is.
            Repr::Array(array) if array.is_scalar() && array.aval().weak && array.dtype().is_integer() => {
                Index::At(tensor.item()?)
            }
            _ => Index::Tensor(tensor),
        })
    }
}

impl IntoIndex for Index {
    fn into_index(self) -> Result<Index> {
        Ok(self)
    }
}

impl IntoIndex for usize {
    fn into_index(self) -> Result<Index> {
        // Beyond every axis all the same.
        Ok(Index::At(i64::try_from(self).unwrap_or(i64::MAX)))
    }
}

impl IntoIndex for isize {
    fn into_index(self) -> Result<Index> {
        Ok(Index::At(self as i64))
    }
}

impl IntoIndex for Ellipsis {
    fn into_index(self) -> Result<Index> {
        Ok(Index::Ellipsis)
    }
}

impl IntoIndex for NewAxis {
    fn into_index(self) -> Result<Index> {
        Ok(Index::NewAxis)
    }
}

impl IntoIndex for Slice {
    fn into_index(self) -> Result<Index> {
        Ok(Index::Slice(self))
    }
}

/// The end of a range that includes it: after −1, the last, is the end of the axis.
fn after(last: isize) -> Option<isize> {
    if last == -1 { None } else { last.checked_add(1) }
}

macro_rules! ranges {
    ($([$($generics:tt)*] $range:ty: $given:ident => $start:expr, $end:expr;)*) => {
        $(impl<$($generics)*> From<$range> for Slice {
            fn from($given: $range) -> Slice {
                Slice { start: $start, end: $end, step: 1 }
            }
        }

        impl<$($generics)*> IntoIndex for $range {
            fn into_index(self) -> Result<Index> {
                Ok(Index::Slice(self.into()))
            }
        })*
    };
}

ranges! {
    [] RangeFull: _all => None, None;
}

macro_rules! ranges_of {
    ($($number:ty)*) => {
        $(ranges! {
            [] Range<$number>: range => Some(position(range.start)), Some(position(range.end));
            [] RangeFrom<$number>: range => Some(position(range.start)), None;
            [] RangeTo<$number>: range => None, Some(position(range.end));
            [] RangeInclusive<$number>: range => Some(position(*range.start())), after(position(*range.end()));
            [] RangeToInclusive<$number>: range => None, after(position(range.end));
        })*
    };
}

ranges_of! { i32 i64 isize usize }

/// Positions beyond all axes mean the end.
fn position<T: TryInto<isize>>(at: T) -> isize {
    at.try_into().unwrap_or(isize::MAX)
}

impl<T: IntoIndex> Indices for T {
    fn into_indices(self) -> Result<Vec<Index>> {
        Ok(vec![self.into_index()?])
    }
}

impl Indices for Vec<Index> {
    fn into_indices(self) -> Result<Vec<Index>> {
        Ok(self)
    }
}

impl Indices for () {
    fn into_indices(self) -> Result<Vec<Index>> {
        Ok(Vec::new())
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(impl<$($name: IntoIndex),*> Indices for ($($name,)*) {
            fn into_indices(self) -> Result<Vec<Index>> {
                #[allow(non_snake_case)]
                let ($($name,)*) = self;
                Ok(vec![$($name.into_index()?),*])
            }
        })*
    };
}

tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
}
