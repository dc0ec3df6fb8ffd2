//! What several layers do.

use std::borrow::Borrow;

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::Module;
use crate::scope::Initializer;

/// The value of an option that is given either to a layer's constructor or to its call.
///
/// ```
/// use flaxen::nn::merge_param;
/// assert!(merge_param("train", Some(true), None)?);
/// assert!(merge_param("train", Some(true), Some(true)).is_err());
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If both give it, or none.
pub fn merge_param<T>(name: &'static str, constructor: Option<T>, call: Option<T>) -> Result<T> {
    match (constructor, call) {
        (Some(value), None) | (None, Some(value)) => Ok(value),
        (Some(_), Some(_)) => {
            Err(Error::argument(name, "is given to the constructor and to the call: give it to one of them"))
        }
        (None, None) => Err(Error::argument(
            name,
            "is given neither to the constructor nor to the call: give it to one of them",
        )),
    }
}

/// The size of the last axis, which is that of the features.
pub(super) fn features_of(op: &'static str, x: &Tensor) -> Result<usize> {
    match x.shape() {
        [.., features] => Ok(*features),
        [] => Err(Error::shape(op, x.aval().to_string(), "an input with an axis of features")),
    }
}

/// The parameter `bias` of a layer, if there is something it begins with.
pub(super) fn bias_param(
    layer: &impl Module,
    init: Option<impl Borrow<Initializer>>,
    shape: impl AsRef<[usize]>,
    dtype: DType,
) -> Result<Option<Tensor>> {
    init.map(|init| layer.param_of("bias", init, shape, dtype)).transpose()
}

/// `y` with a bias, which broadcasts.
pub(super) fn add_bias(y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => y.try_add(bias),
        None => Ok(y),
    }
}
