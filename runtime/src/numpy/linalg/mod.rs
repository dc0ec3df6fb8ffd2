//! Functions of matrices that are composed of factorisations, as `jax.numpy.linalg` and `jax.scipy.linalg` have them.

mod determinant;
mod exponential;
mod least_squares;
mod norm;
mod power;
pub(crate) mod products;
mod solve;

pub use norm::MatrixNorm;
pub use products::{multi_dot, try_multi_dot};

use crate::core::Tensor;
use crate::error::Result;
use crate::ops::convert;

/// Methods that panic, each with its twin that returns a `Result`: its text, when it fails, and what it computes.
macro_rules! methods {
    ($(
        $(#[$doc:meta])*
        $name:ident $try_name:ident ($x:ident $(, $arg:ident: $type:ty)*) -> $out:ty, $fails:literal $body:block
    )*) => {
        impl $crate::Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            #[doc = $fails]
            #[track_caller]
            pub fn $name(&self $(, $arg: $type)*) -> $out {
                $crate::error::unwrap(self.$try_name($($arg),*))
            }

            #[doc = concat!("As [`", stringify!($name), "`](crate::Tensor::", stringify!($name), ").")]
            ///
            /// # Errors
            #[doc = $fails]
            #[track_caller]
            pub fn $try_name(&self $(, $arg: $type)*) -> $crate::Result<$out> {
                let $x = self;
                $body
            }
        )* }
    };
}

pub(crate) use methods;

/// Integers and booleans as `F32`, with a dtype of its own in any case.
#[track_caller]
fn strong(x: &Tensor) -> Result<Tensor> {
    convert(x, x.dtype().to_inexact(), false)
}
