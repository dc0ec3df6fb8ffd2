//! Which dtype a layer computes in.

use crate::array::{DType, promote};
use crate::core::Tensor;
use crate::core::tensor::f64_is_enabled;
use crate::error::{Error, Result};

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

/// As [`compute_dtype`], of an input and parameters, which an `F64` does not widen unless that was asked for.
pub(super) fn layer_dtype<'a>(
    op: &'static str,
    asked: Option<DType>,
    input: &'a Tensor,
    params: impl IntoIterator<Item = &'a Tensor> + Clone,
) -> Result<DType> {
    let dtype = compute_dtype(op, asked, std::iter::once(input).chain(params.clone()))?;
    let widened = || params.into_iter().map(Tensor::dtype).find(|&param| param != DType::F64);
    if asked.is_none()
        && input.dtype() == DType::F64
        && !f64_is_enabled()
        && let Some(param) = widened()
    {
        let found = format!("an input of {} and parameters of {param}", input.dtype());
        let expected = "one dtype: cast the input, as in `x.cast(DType::F32)`, or set the layer's `param_dtype` or `dtype` \
                        to `DType::F64`";
        return Err(Error::dtype(op, found, expected));
    }
    Ok(dtype)
}
