//! Scalar functions and their loops over slices, for f32 and f64.
//!
//! [`Real`] names the functions of one and two numbers; [`unary`] applies one over a slice, chosen by [`UnaryOp`]. The
//! common functions of f32 are written so that such loops become vector instructions.

pub(in crate::kernels) mod error_function;
pub(in crate::kernels) mod exponential;
mod gamma;
mod halves;
pub(in crate::kernels) mod lane;
mod log_sum;
pub(in crate::kernels) mod logarithm;
mod polynomial;
mod power;
mod real;
pub(crate) mod sampling;
#[cfg(test)]
mod tests;
mod trigonometry;
mod unary;

pub use halves::{through_f32, through_f32_in_place};
pub use log_sum::log_add_exp;
pub use power::{integer_power, integer_power_in_place};
pub use real::Real;
pub use unary::{UnaryFn, UnaryOp, functions, map, map_in_place, unary, unary_in_place};
