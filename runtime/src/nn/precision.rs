//! Which dtype a layer computes in.

use crate::array::{DType, promote};
use crate::core::Tensor;
use crate::core::tensor::f64_is_enabled;
use crate::error::{Error, Result};
use crate::nn::function::PromoteDtypeFn;

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

/// Tensors in one dtype: `dtype`, or that of their mixture; as `flax.linen.dtypes.promote_dtype`, which layers call with their input and
/// parameters.
///
/// If `inexact` is true, this is a float.
///
/// ```
/// use flaxen::nn::promote_dtype;
/// use flaxen::prelude::*;
/// let (x, ids) = (Tensor::ones_of([2], DType::BF16), Tensor::from([1, 2]));
/// let both = promote_dtype(&[&x, &ids], None, true)?;
/// assert_eq!([both[0].dtype(), both[1].dtype()], [DType::BF16; 2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If `inexact` is true and `dtype` is no float.
pub fn promote_dtype(tensors: &[&Tensor], dtype: Option<DType>, inexact: bool) -> Result<Vec<Tensor>> {
    let dtype = match dtype {
        _ if inexact => compute_dtype("promote_dtype", dtype, tensors.iter().copied())?,
        Some(dtype) => dtype,
        None => promote(tensors.iter().map(|tensor| tensor.aval())).0,
    };
    tensors.iter().map(|tensor| tensor.try_cast(dtype)).collect()
}

/// A layer's input, kernel and bias in the dtype it computes in, by a function or as [`layer_dtype`] says.
pub(super) fn promoted(
    op: &'static str,
    promote: Option<&PromoteDtypeFn>,
    dtype: Option<DType>,
    (x, kernel, bias): (&Tensor, &Tensor, Option<&Tensor>),
) -> Result<(Tensor, Tensor, Option<Tensor>)> {
    let Some(promote) = promote else {
        let dtype = layer_dtype(op, dtype, x, std::iter::once(kernel).chain(bias))?;
        let bias = bias.map(|bias| bias.try_cast(dtype)).transpose()?;
        return Ok((x.try_cast(dtype)?, kernel.try_cast(dtype)?, bias));
    };
    let tensors: Vec<&Tensor> = [x, kernel].into_iter().chain(bias).collect();
    let expected = tensors.len();
    let mut promoted = promote.call(&tensors, dtype, true)?.into_iter();
    match (promoted.next(), promoted.next(), promoted.next(), promoted.next()) {
        (Some(x), Some(kernel), bias, None) if bias.is_some() == (expected == 3) => Ok((x, kernel, bias)),
        _ => {
            let message =
                format!("expects as many tensors of `promote_dtype` as it was given, which is {expected}");
            Err(Error::argument(op, message))
        }
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
