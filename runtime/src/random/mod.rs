//! Random numbers, bit for bit those of `jax.random`.
//!
//! There is no hidden state: a [`Key`] determines what a function returns, and a key is used once. New keys come from
//! [`Key::split`] and [`Key::fold_in`].
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::random;
//!
//! let [noise, mask] = random::key(42).split();
//! let x = random::normal(&noise, [2, 3]);
//! let kept = random::bernoulli(&mask, 0.9, [2, 3]);
//! assert_eq!(kept.select(x, 0.0).shape(), [2, 3]);
//! ```
//!
//! Each function takes one key; for many keys there is [`vmap`](crate::vmap). All work under every transform: a key may
//! be an argument of a compiled function, and samples are differentiable in their parameters where JAX's are.
//!
//! The bits are those of Threefry-2x32 in JAX's partitionable mode. All samples are bit for bit those of JAX 0.10.2 on CPUs
//! that have fused multiply-add, in every dtype; `F64` as far as the logarithm and the error function of the C library are
//! the ones that JAX calls. Where JAX differs from itself, that is a function of `jax.random` called with arrays outside of
//! `jit`: in a compiled function, bounds that are constants of the program may go through another error function, and with
//! compilation off (`jax.disable_jit`) products and sums are rounded one by one; uniform `F16` between bounds are those of
//! CPUs that compute with halves (AVX512-FP16), on others JAX rounds them twice. One difference is intended: `U8` from
//! ranges that end beyond the int32 numbers are drawn from all of `U8`, where JAX wraps the bound around and draws 0.
//!
//! Of samples that are drawn by rejection, or made of others, some differ in the last bits, and rarely in a decision that hangs on them.
//! Gamma samples, and what is made of them, need `1/√d`: it is rounded once here, while XLA takes an estimate of the processor, so
//! that JAX's own bits differ between processors; for four of five shapes of the distribution they are the same. Halves of gamma
//! samples are drawn as `F32` and rounded. Powers and tangents of `F32` are those of the C library, as in JAX. Samples of several
//! variables depend on the order in which products of matrices are summed.

mod choice;
mod continuous;
mod counts;
mod discrete;
mod gamma_family;
mod generator;
mod key;
mod multivariate;
mod normal;
mod permutation;
mod transformed;
mod uniform;

pub use choice::Choice;
pub use continuous::{
    exponential, exponential_of, gumbel, gumbel_of, laplace, laplace_of, logistic, logistic_of,
    try_exponential, try_exponential_of, try_gumbel, try_gumbel_of, try_laplace, try_laplace_of,
    try_logistic, try_logistic_of,
};
pub use counts::{
    binomial, geometric, multinomial, poisson, try_binomial, try_geometric, try_multinomial, try_poisson,
};
pub use discrete::{
    bernoulli, bits, categorical, categorical_of, categorical_without_replacement, rademacher, randint,
    randint_of, try_bernoulli, try_bits, try_categorical, try_categorical_of,
    try_categorical_without_replacement, try_rademacher, try_randint, try_randint_of,
};
pub use gamma_family::{
    ball, beta, chisquare, dirichlet, f, gamma, generalized_normal, loggamma, t, try_ball, try_beta,
    try_chisquare, try_dirichlet, try_f, try_gamma, try_generalized_normal, try_loggamma, try_t,
};
pub use generator::{Generator, from_fn, from_fn_of, try_from_fn, try_from_fn_of};
pub use key::{Key, fold_in, key, split};
pub use multivariate::{
    CovarianceFactor, multivariate_normal, multivariate_normal_by, orthogonal, try_multivariate_normal,
    try_multivariate_normal_by, try_orthogonal,
};
pub use normal::{normal, normal_of, truncated_normal, try_normal, try_normal_of, try_truncated_normal};
pub use permutation::{
    permutation, permute, permute_independently, try_permutation, try_permute, try_permute_independently,
};
pub use transformed::{
    cauchy, cauchy_of, double_sided_maxwell, lognormal, maxwell, maxwell_of, pareto, rayleigh, triangular,
    try_cauchy, try_cauchy_of, try_double_sided_maxwell, try_lognormal, try_maxwell, try_maxwell_of,
    try_pareto, try_rayleigh, try_triangular, try_wald, try_weibull_min, wald, weibull_min,
};
pub use uniform::{try_uniform, try_uniform_in, try_uniform_of, uniform, uniform_in, uniform_of};

use crate::array::{DType, promote};
use crate::core::Tensor;
use crate::core::domain::Domain;
use crate::error::{Error, Result};
use crate::ops::broadcast_shapes;

/// Defines a function that panics and its fallible twin, which have one body.
macro_rules! sampler {
    ($(
        $(#[$doc:meta])*
        pub fn $name:ident / $try_name:ident($($arg:ident: $type:ty),* $(,)?) $body:block
    )*) => {
        $($(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("Where [`", stringify!($try_name), "`] returns an error.")]
        #[track_caller]
        pub fn $name($($arg: $type),*) -> $crate::Tensor {
            $crate::error::unwrap($try_name($($arg),*))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        /// If there are many keys instead of one, a parameter does not fit the shape, a dtype is not of the kind that the
        /// function samples, or the size overflows the address space.
        #[track_caller]
        pub fn $try_name($($arg: $type),*) -> $crate::Result<$crate::Tensor> {
            // A function, as in a closure the caller's line would not be known.
            #[track_caller]
            fn sample($($arg: $type),*) -> $crate::Result<$crate::Tensor> $body

            sample($($arg),*).map_err(|error| error.called(stringify!($name)))
        })*
    };
}
use sampler;

/// The dtype of samples whose parameters are these: that of tensors, `F32` for bare numbers.
fn dtype_of_parameters<'a>(parameters: impl IntoIterator<Item = &'a Tensor>) -> DType {
    let (dtype, weak) = promote(parameters.into_iter().map(Tensor::aval));
    if weak { DType::F32 } else { dtype.to_inexact() }
}

/// A parameter that is a bare number has a domain; those of tensors are values, and samples are what JAX makes of them.
fn check_bare(op: &'static str, name: &str, domain: Domain, parameter: &Tensor) -> Result<()> {
    if parameter.aval().weak { domain.check_number(op, name, parameter) } else { Ok(()) }
}

/// A quotient as XLA rounds it, which multiplies by the reciprocal of a divisor that has fewer elements.
#[track_caller]
fn divided(x: &Tensor, divisor: &Tensor) -> Result<Tensor> {
    if divisor.size() < x.size() {
        x.try_mul(divisor.like(1.0).try_div(divisor)?)
    } else {
        x.try_div(divisor)
    }
}

/// Parameters must not make the sample larger than asked for.
fn check_parameters(op: &'static str, shape: &[usize], parameters: &[&Tensor]) -> Result<()> {
    for parameter in parameters {
        let found = parameter.shape();
        if !broadcast_shapes(op, &[shape, found]).is_ok_and(|out| out[..] == *shape) {
            let found = format!("{found:?} for samples of shape {shape:?}");
            return Err(Error::shape(op, found, "parameters that broadcast to the shape of the samples"));
        }
    }
    Ok(())
}
