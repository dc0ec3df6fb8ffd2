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

/// Integers and booleans as `F32`, with a dtype of its own in any case.
#[track_caller]
fn strong(x: &Tensor) -> Result<Tensor> {
    convert(x, x.dtype().to_inexact(), false)
}
