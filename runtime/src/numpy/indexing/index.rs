//! What may stand in a tuple of indices.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::core::tensor::Repr;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::range::Slice;

/// As many whole axes as the other indices leave, Python's `...`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ellipsis;

/// A new axis of size 1, Python's `None` in an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewAxis;

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

macro_rules! ranges {
    ($($range:ty)*) => {
        $(impl IntoIndex for $range {
            fn into_index(self) -> Result<Index> {
                Ok(Index::Slice(self.into()))
            }
        })*
    };
}

ranges! { RangeFull }

macro_rules! ranges_of {
    ($($number:ty)*) => {
        $(ranges! {
            Range<$number> RangeFrom<$number> RangeTo<$number> RangeInclusive<$number> RangeToInclusive<$number>
        })*
    };
}

ranges_of! { i32 i64 isize usize }

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
