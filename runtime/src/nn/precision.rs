//! Which dtype a layer computes in.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, promote};

/// The dtype that was asked for, or that of the mixture of all tensors, which is a float in any case.
pub(super) fn compute_dtype<'a>(
    op: &'static str,
    asked: Option<DType>,
    tensors: impl IntoIterator<Item = &'a Tensor>,
) -> Result<DType> {
    match asked {
        Some(dtype) if dtype.is_float() => Ok(dtype),
        Some(dtype) => Err(Error::dtype(op, dtype, "a float dtype to compute in")),
        None => Ok(promote(tensors.into_iter().map(Tensor::aval)).0.to_inexact()),
    }
}
