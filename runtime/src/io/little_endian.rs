//! Tensors from little-endian bytes, and bytes of tensors.

use std::borrow::Cow;

use crate::array::{Array, Aval, DType, memory};
use crate::core::Tensor;

/// A tensor whose little-endian values `fill` writes, or what is wrong.
pub(super) fn tensor(
    aval: Aval,
    fill: impl FnOnce(&mut [u8]) -> Result<(), String>,
) -> Result<Tensor, String> {
    let (dtype, text) = (aval.dtype, aval.to_string());
    let mut array =
        memory::or_error("load", || text, || Ok(Array::exact(aval))).map_err(|e| e.to_string())?;
    if let Some(bytes) = array.unique_bytes() {
        fill(bytes)?;
        check(dtype, bytes)?;
        if cfg!(target_endian = "big") {
            reverse(dtype.word(), bytes);
        }
    }
    Ok(array.into())
}

/// The values as little-endian bytes.
pub(super) fn bytes(array: &Array) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(array.bytes());
    if cfg!(target_endian = "big") {
        reverse(array.dtype().word(), bytes.to_mut());
    }
    bytes
}

/// Turns every number's bytes around.
pub(super) fn reverse(size: usize, bytes: &mut [u8]) {
    if size > 1 {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

/// Kernels rely on booleans being 0 or 1.
fn check(dtype: DType, bytes: &[u8]) -> Result<(), String> {
    if dtype != DType::Bool {
        return Ok(());
    }
    match bytes.iter().find(|&&byte| byte > 1) {
        Some(byte) => Err(format!("a boolean is stored as {byte}, which is neither 0 nor 1")),
        None => Ok(()),
    }
}

/// A shape and dtype that may come from a file: its size, and that of every part of it, can be counted.
pub(super) fn checked(aval: &Aval) -> Result<usize, String> {
    if aval.rank() > Aval::MAX_RANK {
        return Err(format!("it has {} axes, at most {} are allowed", aval.rank(), Aval::MAX_RANK));
    }
    aval.checked_size()
        .map(|size| size * aval.dtype.size())
        .ok_or_else(|| format!("the shape {:?} is too large", aval.shape))
}
