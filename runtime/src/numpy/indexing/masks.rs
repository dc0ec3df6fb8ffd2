//! Indices of booleans: the elements where they are true.

use super::index::Index;
use super::resolve::{consumed, left};
use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::numpy::nonzero;

/// The positions along each axis of a mask where it is true.
///
/// How many they are is not known while a program is compiled: then it is an error that says what to write instead.
pub(super) fn positions(mask: &Tensor, shape: &[usize]) -> Result<Vec<Tensor>> {
    check(mask, shape)?;
    if mask.rank() == 0 {
        return Err(Error::shape("index", "a mask without axes", "a mask of one axis or more, or `select`"));
    }
    if mask.array().is_err() {
        let message = format!(
            "a mask {} without values yet, so how many elements it means is not known: give a value that broadcasts to every \
             element, write `mask.select(x, y)`, or take positions from `mask.nonzero_of(size, fill)`",
            mask.aval()
        );
        return Err(Error::argument("index", message));
    }
    nonzero::positions(mask)
}

fn check(mask: &Tensor, shape: &[usize]) -> Result<()> {
    if mask.shape() == shape {
        return Ok(());
    }
    let found = format!("a mask of shape {:?}", mask.shape());
    Err(Error::shape("index", found, format!("{shape:?}, the shape of the axes it stands for")))
}

/// If the only index that leaves something out is a mask, and the values are the same for all that it means: the mask, and the
/// values, both so that they broadcast to the whole tensor. Then an update is a selection, which needs no values of the mask.
pub(super) fn selection(
    indices: &[Index],
    shape: &[usize],
    values: &Tensor,
) -> Result<Option<(Tensor, Tensor)>> {
    let rest = left(indices, shape)?;
    let (mut found, mut axis) = (None, 0);
    for index in indices {
        match index {
            Index::Tensor(mask) if mask.dtype() == DType::Bool && found.is_none() => {
                found = Some((mask, axis));
            }
            Index::Slice(slice) if slice.positions("index", shape[axis])? == (0, 1, shape[axis]) => {}
            Index::Ellipsis => {}
            _ => return Ok(None),
        }
        axis += consumed(index).unwrap_or(rest);
    }
    let Some((mask, axis)) = found else { return Ok(None) };
    check(mask, &shape[axis..axis + mask.rank()])?;
    let behind = shape.len() - axis - mask.rank();
    let mut mask_shape: Shape = mask.shape().into();
    mask_shape.resize(mask.rank() + behind, 1);
    let mut values_shape: Shape = values.shape().into();
    if let Some(count) = values.rank().checked_sub(behind + 1) {
        // One axis counts what is true: the values are alike along it, and get the axes of the mask in its place.
        if values.shape()[count] != 1 {
            return Ok(None);
        }
        values_shape.remove(count);
        (0..mask.rank()).for_each(|_| values_shape.insert(count, 1));
    }
    if values_shape.len() > shape.len() {
        return Ok(None);
    }
    Ok(Some((mask.try_reshape(&mask_shape)?, values.try_reshape(&values_shape)?)))
}
