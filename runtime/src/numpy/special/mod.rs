//! Special functions, as `jax.scipy.special` has them; what is a method of [`Tensor`](crate::Tensor) here, such as
//! [`erf`](crate::Tensor::erf),
//! [`lgamma`](crate::Tensor::lgamma) or [`logistic`](crate::Tensor::logistic), is not repeated.
//!
//! All take tensors or numbers, which broadcast; integers become `F32`. They are computed in double precision and rounded.

mod entropy;
mod gamma_family;
mod log_sum;
mod normal;

pub use entropy::{
    entr, kl_div, logit, rel_entr, try_entr, try_kl_div, try_logit, try_rel_entr, try_xlog1py, try_xlogy,
    xlog1py, xlogy,
};
pub use gamma_family::{
    beta, betainc, betaln, factorial, gamma, gammainc, gammaincc, i0, i0e, i1, i1e, igamma_grad_a,
    multigammaln, polygamma, random_gamma_grad, try_beta, try_betainc, try_betaln, try_factorial, try_gamma,
    try_gammainc, try_gammaincc, try_i0, try_i0e, try_i1, try_i1e, try_igamma_grad_a, try_multigammaln,
    try_polygamma, try_random_gamma_grad, try_zeta, zeta,
};
pub use log_sum::LogSumExp;
pub use normal::{log_ndtr, ndtr, ndtri, try_log_ndtr, try_ndtr, try_ndtri};

/// Defines a function of tensors that panics and its fallible twin, which have one body.
macro_rules! functions {
    ($(
        $(#[$doc:meta])*
        pub fn $name:ident / $try_name:ident($($arg:ident $(: $type:ty)?),* $(,)?) $body:block
    )*) => {
        $(
            $crate::numpy::special::functions!(one [$(#[$doc])*] $name $try_name [$(($arg $(: $type)?))*] [] [] $body);
        )*
    };
    // Arguments without a type are tensors.
    (one $doc:tt $name:ident $try_name:ident [($arg:ident) $($rest:tt)*] [$($args:tt)*] [$($names:tt)*] $body:block) => {
        $crate::numpy::special::functions!(one $doc $name $try_name [$($rest)*] [$($args)* $arg: impl $crate::TensorLike,] [$($names)* $arg,]
            { let $arg = $crate::TensorLike::operand($arg)?; $body });
    };
    (one $doc:tt $name:ident $try_name:ident [($arg:ident: $type:ty) $($rest:tt)*] [$($args:tt)*] [$($names:tt)*] $body:block) => {
        $crate::numpy::special::functions!(one $doc $name $try_name [$($rest)*] [$($args)* $arg: $type,] [$($names)* $arg,] $body);
    };
    (one [$(#[$doc:meta])*] $name:ident $try_name:ident [] [$($args:tt)*] [$($names:tt)*] $body:block) => {
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("Where [`", stringify!($try_name), "`] returns an error.")]
        #[track_caller]
        pub fn $name($($args)*) -> $crate::Tensor {
            $crate::error::unwrap($try_name($($names)*))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        /// If shapes do not broadcast, or an argument has a dtype that the function does not take.
        #[track_caller]
        pub fn $try_name($($args)*) -> $crate::Result<$crate::Tensor> {
            // A function, as in a closure the caller's line would not be known.
            #[track_caller]
            fn value($($args)*) -> $crate::Result<$crate::Tensor> $body

            value($($names)*).map_err(|error: $crate::Error| error.called(stringify!($name)))
        }
    };
}
pub(crate) use functions;
