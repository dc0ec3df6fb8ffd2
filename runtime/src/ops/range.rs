//! Parts of an axis, as ranges of whole numbers of any type.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::slice::range_of;
use crate::error::Result;

/// A part of an axis: Python's `start:end:step`, made of a range: `1..3`, `..n`, `-2..`, `..`.
///
/// Ranges of integers are slices with a step of 1; [`Slice::step`] has others. Negative positions count from the end of the
/// axis, and those beyond it mean the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    pub(crate) start: Option<isize>,
    pub(crate) end: Option<isize>,
    pub(crate) step: isize,
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
    pub(crate) fn positions(self, op: &'static str, size: usize) -> Result<(usize, isize, usize)> {
        range_of(op, self.start, self.end, self.step, size)
    }
}

/// The end of a range that includes it: after −1, the last, is the end of the axis.
fn after(last: isize) -> Option<isize> {
    if last == -1 { None } else { last.checked_add(1) }
}

/// Positions beyond all axes mean the end.
fn position<T: TryInto<isize>>(at: T) -> isize {
    at.try_into().unwrap_or(isize::MAX)
}

macro_rules! ranges {
    ($($range:ty: $given:ident => $start:expr, $end:expr;)*) => {
        $(impl From<$range> for Slice {
            fn from($given: $range) -> Slice {
                Slice { start: $start, end: $end, step: 1 }
            }
        })*
    };
}

ranges! {
    RangeFull: _all => None, None;
    // Ends that are open or not, as the program finds out.
    Range<Option<isize>>: range => range.start, range.end;
}

macro_rules! ranges_of {
    ($($number:ty)*) => {
        $(ranges! {
            Range<$number>: range => Some(position(range.start)), Some(position(range.end));
            RangeFrom<$number>: range => Some(position(range.start)), None;
            RangeTo<$number>: range => None, Some(position(range.end));
            RangeInclusive<$number>: range => Some(position(*range.start())), after(position(*range.end()));
            RangeToInclusive<$number>: range => None, after(position(range.end));
        })*
    };
}

ranges_of! { i32 i64 isize usize }
