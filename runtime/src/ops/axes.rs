//! The axes an operation works over, as its caller writes them.

use smallvec::{SmallVec, smallvec};

use super::axes_of;
use crate::array::Shape;
use crate::core::Tensor;
use crate::error::Result;

/// A whole number of any of the types that Rust programs count in: `i32`, `i64`, `isize` and `usize`, for axes, positions and distances.
///
/// Negative axes and positions count from the end. A bare literal needs no suffix.
pub trait Int: Copy + std::fmt::Display + IntoAxes {
    /// The number; one beyond the address space, which no axis has, becomes the greatest.
    #[doc(hidden)]
    fn int(self) -> isize;
}

/// One axis, or several: `0`, `-1`, `[0, 1]`, a slice or a `Vec`, of any [`Int`]. Negative ones count from the end.
///
/// All of them are `..`. None at all are `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name axes",
    label = "expected an axis, an array of axes, or `..` for all of them"
)]
pub trait IntoAxes {
    /// The axes as they were written.
    #[doc(hidden)]
    fn axes(&self) -> AxisList;

    /// Whether all axes are meant, whatever [`axes`](IntoAxes::axes) says.
    #[doc(hidden)]
    fn is_every(&self) -> bool {
        false
    }
}

/// A short list of axes, as it was written.
pub type AxisList = SmallVec<[isize; 4]>;

impl IntoAxes for std::ops::RangeFull {
    fn axes(&self) -> AxisList {
        AxisList::new()
    }

    fn is_every(&self) -> bool {
        true
    }
}

impl IntoAxes for () {
    fn axes(&self) -> AxisList {
        AxisList::new()
    }
}

macro_rules! ints {
    ($($number:ty)*) => {
        $(impl Int for $number {
            fn int(self) -> isize {
                isize::try_from(self).unwrap_or(if self > 0 { isize::MAX } else { isize::MIN })
            }
        }

        impl IntoAxes for $number {
            fn axes(&self) -> AxisList {
                smallvec![self.int()]
            }
        }

        impl IntoShape for $number {
            fn sizes(&self) -> AxisList {
                smallvec![self.int()]
            }
        })*
    };
}

#[allow(clippy::unnecessary_fallible_conversions, reason = "one of the types is `isize`")]
mod numbers {
    use super::{AxisList, Int, IntoAxes, IntoShape, smallvec};

    ints! { i32 i64 isize usize }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)*) => {
        $(impl<T: Int, $($generics)*> IntoAxes for $list {
            fn axes(&self) -> AxisList {
                self.iter().map(|axis| axis.int()).collect()
            }
        }

        impl<T: Int, $($generics)*> IntoShape for $list {
            fn sizes(&self) -> AxisList {
                self.iter().map(|size| size.int()).collect()
            }
        })*
    };
}

lists! {
    [] &[T];
    [] Vec<T>;
    [] &Vec<T>;
    [const N: usize] [T; N];
    [const N: usize] &[T; N];
    [const N: usize] SmallVec<[T; N]>;
    [const N: usize] &SmallVec<[T; N]>;
}

/// A shape in which one size may be left open as −1: an array, a slice or a `Vec` of any [`Int`], one number, `()` for no axes, or a tuple of
/// numbers of several types, such as `(x.shape()[0], -1)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no shape",
    label = "expected a shape, such as `[2, 3]`, `[2, -1]`, `(n, -1)` or `()`"
)]
pub trait IntoShape {
    /// The sizes as they were written.
    #[doc(hidden)]
    fn sizes(&self) -> AxisList;
}

impl IntoShape for () {
    fn sizes(&self) -> AxisList {
        AxisList::new()
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(impl<$($name: Int),*> IntoShape for ($($name,)*) {
            fn sizes(&self) -> AxisList {
                #[allow(non_snake_case)]
                let ($($name,)*) = self;
                smallvec![$($name.int()),*]
            }
        })*
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

/// All axes of a tensor.
pub(crate) fn every_axis(x: &Tensor) -> Shape {
    (0..x.rank()).collect()
}

/// The axes of a tensor that its caller means, in ascending order.
pub(crate) fn meant(op: &'static str, axes: &impl IntoAxes, x: &Tensor) -> Result<Shape> {
    if axes.is_every() {
        return Ok(every_axis(x));
    }
    axes_of(op, &axes.axes(), x.rank())
}

/// A shape with size 1 at the reduced axes.
pub(crate) fn kept_shape(shape: &[usize], axes: &[usize]) -> Shape {
    shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect()
}

/// The number of elements that are reduced to one.
pub(crate) fn reduced_size(shape: &[usize], axes: &[usize]) -> usize {
    axes.iter().map(|&axis| shape[axis]).product()
}

/// Methods of reductions: over all axes, over some, and over some that stay with size 1; each with its fallible twin.
///
/// The function takes the tensor and ascending axes, then the further arguments of the methods that take axes; the
/// method over all axes gives their default.
macro_rules! reduction_methods {
    ($(=> $section:literal;)? $($what:literal, $fails:literal, $(#[$more:meta])*
        $all:ident $try_all:ident $some:ident $try_some:ident $keep:ident $try_keep:ident
        ($($arg:ident: $type:ty = $default:expr),*) = $reduce:path;)*) => {
        $(#[doc = concat!("# ", $section)])?
        impl $crate::Tensor { $(
            #[doc = concat!($what, " over all axes.")]
            ///
            $(#[$more])*
            ///
            /// # Panics
            #[doc = $fails]
            #[track_caller]
            pub fn $all(&self) -> $crate::Tensor {
                $crate::error::unwrap(self.$try_all())
            }

            #[doc = concat!("As [`", stringify!($all), "`](crate::Tensor::", stringify!($all), ").")]
            ///
            /// # Errors
            #[doc = $fails]
            #[track_caller]
            pub fn $try_all(&self) -> $crate::Result<$crate::Tensor> {
                $reduce(self, &$crate::ops::axes::every_axis(self) $(, $default)*)
            }

            #[doc = concat!($what, " over some axes, which the result is without.")]
            ///
            #[doc = concat!("See [`", stringify!($all), "`](crate::Tensor::", stringify!($all), ").")]
            ///
            /// # Panics
            /// If there is no such axis, or one is named twice.
            #[doc = $fails]
            #[track_caller]
            pub fn $some(&self, axes: impl $crate::ops::axes::IntoAxes $(, $arg: $type)*) -> $crate::Tensor {
                $crate::error::unwrap(self.$try_some(axes $(, $arg)*))
            }

            #[doc = concat!("As [`", stringify!($some), "`](crate::Tensor::", stringify!($some), ").")]
            ///
            /// # Errors
            /// If there is no such axis, or one is named twice.
            #[doc = $fails]
            #[track_caller]
            pub fn $try_some(
                &self,
                axes: impl $crate::ops::axes::IntoAxes
                $(, $arg: $type)*
            ) -> $crate::Result<$crate::Tensor> {
                $reduce(self, &$crate::ops::axes::meant(stringify!($some), &axes, self)? $(, $arg)*)
            }

            #[doc = concat!($what, " over some axes, which stay in the result with size 1.")]
            ///
            #[doc = concat!("See [`", stringify!($all), "`](crate::Tensor::", stringify!($all), ").")]
            ///
            /// # Panics
            /// If there is no such axis, or one is named twice.
            #[doc = $fails]
            #[track_caller]
            pub fn $keep(&self, axes: impl $crate::ops::axes::IntoAxes $(, $arg: $type)*) -> $crate::Tensor {
                $crate::error::unwrap(self.$try_keep(axes $(, $arg)*))
            }

            #[doc = concat!("As [`", stringify!($keep), "`](crate::Tensor::", stringify!($keep), ").")]
            ///
            /// # Errors
            /// If there is no such axis, or one is named twice.
            #[doc = $fails]
            #[track_caller]
            pub fn $try_keep(
                &self,
                axes: impl $crate::ops::axes::IntoAxes
                $(, $arg: $type)*
            ) -> $crate::Result<$crate::Tensor> {
                let axes = $crate::ops::axes::meant(stringify!($keep), &axes, self)?;
                $reduce(self, &axes $(, $arg)*)?.try_reshape(&$crate::ops::axes::kept_shape(self.shape(), &axes))
            }
        )* }
    };
}

pub(crate) use reduction_methods;
