//! Tensors from bytes, and bytes of tensors.

use std::borrow::Cow;

use crate::tensor::dtype::dispatch;
use crate::tensor::{Array, Aval, DType, Tensor};

/// A tensor whose little-endian numbers `fill` writes, or what is wrong.
pub(super) fn tensor(
    aval: Aval,
    fill: impl FnOnce(&mut [u8]) -> Result<(), String>,
) -> Result<Tensor, String> {
    let dtype = aval.dtype;
    let mut filled = Ok(());
    let array = dispatch!(dtype, T => Array::build::<T>(aval, |out| {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        filled = fill(bytes).and_then(|()| check(dtype, bytes));
        if cfg!(target_endian = "big") {
            reverse(dtype.size(), bytes);
        }
    }));
    filled.map(|()| array.into())
}

/// The numbers as little-endian bytes.
pub(super) fn bytes(array: &Array) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(array.bytes());
    if cfg!(target_endian = "big") {
        reverse(array.dtype().size(), bytes.to_mut());
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
    let filled = Aval::new(aval.shape.iter().map(|&size| size.max(1)).collect::<Vec<_>>(), aval.dtype);
    let size = filled.checked_size().and_then(|_| aval.checked_size());
    size.map(|size| size * aval.dtype.size())
        .ok_or_else(|| format!("the shape {:?} is too large", aval.shape))
}
