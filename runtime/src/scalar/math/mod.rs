//! Functions of one and two real numbers, for f32 and f64.
//!
//! [`Real`] names them. The common functions of f32 are written over a `Lane`, which numbers and the vector IR of the assembler
//! implement, so that loops over them become vector instructions, and compiled loops have the same roundings.

pub(crate) mod bessel;
pub(crate) mod error_function;
pub(crate) mod exponential;
mod gamma;
mod incomplete_beta;
mod incomplete_gamma;
pub(crate) mod lane;
mod log_sum;
pub(crate) mod logarithm;
pub(crate) mod normal_quantile;
mod polynomial;
mod real;
pub(crate) mod sampling;
pub mod special;
mod trigonometry;
pub(crate) mod zeta;

pub use log_sum::{log_add_exp, x_log};
pub use real::Real;
