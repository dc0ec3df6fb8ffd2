//! The axes an operation works over, as its caller writes them.

use super::axes_of;
use crate::array::Shape;
use crate::core::Tensor;
use crate::error::Result;

/// One axis, or several: `0`, `-1`, `[0, 1]`, a slice or a `Vec`. Negative ones count from the end.
///
/// All of them are `..`. Implemented for one integer type only, so that a bare literal needs no suffix. No axes at all, `[]`, are
/// none.
pub trait IntoAxes {
    /// The axes as they were written.
    fn axes(&self) -> &[isize];

    /// Whether all axes are meant, whatever [`axes`](IntoAxes::axes) says.
    fn is_every(&self) -> bool {
        false
    }
}

impl IntoAxes for std::ops::RangeFull {
    fn axes(&self) -> &[isize] {
        &[]
    }

    fn is_every(&self) -> bool {
        true
    }
}

impl IntoAxes for isize {
    fn axes(&self) -> &[isize] {
        std::slice::from_ref(self)
    }
}

impl<const N: usize> IntoAxes for [isize; N] {
    fn axes(&self) -> &[isize] {
        self
    }
}

impl<const N: usize> IntoAxes for &[isize; N] {
    fn axes(&self) -> &[isize] {
        *self
    }
}

impl IntoAxes for &[isize] {
    fn axes(&self) -> &[isize] {
        self
    }
}

impl IntoAxes for Vec<isize> {
    fn axes(&self) -> &[isize] {
        self
    }
}

impl IntoAxes for &Vec<isize> {
    fn axes(&self) -> &[isize] {
        self
    }
}

/// All axes of a tensor.
pub(crate) fn every_axis(x: &Tensor) -> Shape {
    (0..x.rank()).collect()
}

/// The axes of a tensor that its caller means, in ascending order.
pub(crate) fn meant(op: &'static str, axes: &impl IntoAxes, x: &Tensor) -> Result<Shape> {
    if axes.is_every() {
        return Ok(every_axis(x));
    }
    axes_of(op, axes.axes(), x.rank())
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
    ($($what:literal, $fails:literal, $(#[$more:meta])*
        $all:ident $try_all:ident $some:ident $try_some:ident $keep:ident $try_keep:ident
        ($($arg:ident: $type:ty = $default:expr),*) = $reduce:path;)*) => {
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
