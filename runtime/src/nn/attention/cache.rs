//! The KV cache: keys and values of the positions so far, for decoding one position at a time.

use super::masks::combine_masks;
use crate::array::{Aval, DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::Module;
use crate::ops::create::{full, iota};

/// Keys, values and mask after the cache.
pub(super) struct Cached {
    pub key: Tensor,
    pub value: Tensor,
    pub mask: Option<Tensor>,
    pub bias: Option<Tensor>,
}

/// Writes one position into the cache, and returns all of it with a mask of what was written up to now.
///
/// The first call makes the cache, of the length of its keys, and uses it not yet. With a `window` of so many positions before the present
/// one it is a ring buffer of those and the present one, in which each position takes the place of the one that the window has left: it
/// does not grow with the length, and there is no last position. Masks and biases are of all positions even so, and those that are in the
/// ring are taken from them.
pub(super) fn cached<M: Module>(
    module: &M,
    query: &Tensor,
    [key, value]: [Tensor; 2],
    [mask, bias]: [Option<Tensor>; 2],
    window: Option<usize>,
) -> Result<Cached> {
    let is_there = module.has_variable("cache", "cached_key");
    let zeros = |x: &Tensor| {
        let mut shape: Shape = x.shape().into();
        let axis = shape.len() - 3;
        shape[axis] = window.map_or(shape[axis], |window| shape[axis].min(window.saturating_add(1)));
        full(Aval::unchecked(&shape, x.dtype()), 0.0)
    };
    let cached_key = module.variable("cache", "cached_key", || zeros(&key))?;
    let cached_value = module.variable("cache", "cached_value", || zeros(&value))?;
    let cache_index =
        module.variable("cache", "cache_index", || full(Aval::unchecked([], DType::I32), 0.0))?;
    if !is_there {
        return Ok(Cached { key, value, mask, bias });
    }

    // Keys are `[batch.., length, heads, depth]`, and queries of one position.
    let (keys, values, index) = (cached_key.try_get()?, cached_value.try_get()?, cache_index.try_get()?);
    let mut one: Shape = keys.shape().into();
    let axis = one.len() - 3;
    one[axis] = 1;
    if let [.., heads, _] = query.shape() {
        // Keys may have fewer heads than queries.
        one[axis + 1] = *heads;
    }
    if query.shape() != &one[..] {
        let expected = format!(
            "one position at a time, queries {:?}, as the cache has keys {:?}",
            &one[..],
            keys.shape()
        );
        return Err(Error::shape(M::NAME, format!("queries {:?}", query.shape()), expected));
    }
    let length = keys.shape()[axis];
    let place = match window {
        Some(_) => index.try_remainder(index.like(length as f64))?,
        None => index.clone(),
    };
    let key = keys.try_dynamic_update_axis(axis as isize, &place, key)?;
    let value = values.try_dynamic_update_axis(axis as isize, &place, value)?;
    cached_key.set(key.clone())?;
    cached_value.set(value.clone())?;
    cache_index.set(index.try_add(index.like(1.0))?)?;

    // A causal mask of one row: positions that are not written yet are zeros, not keys.
    let places = iota([length], DType::I32, 0)?;
    let seen = places.try_le(&index)?;
    let shape: Shape = keys.shape()[..axis].iter().copied().chain([1, 1, length]).collect();
    let in_ring = |of_all: Option<Tensor>| match (of_all, window) {
        (Some(x), Some(_)) if x.shape().last().is_some_and(|&count| count != 1) => {
            // The latest position at each place.
            let before = place.try_sub(&places)?.try_remainder(place.like(length as f64))?;
            x.try_take_clip(index.try_sub(before)?, -1).map(Some)
        }
        (x, _) => Ok(x),
    };
    let (mask, bias) = (in_ring(mask)?, in_ring(bias)?);
    let mask = combine_masks([mask.as_ref(), Some(&seen.try_broadcast_to(shape)?)])?;
    Ok(Cached { key, value, mask, bias })
}
