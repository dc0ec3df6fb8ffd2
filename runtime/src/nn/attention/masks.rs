//! Masks: which queries see which keys.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::create::iota;

/// The mask of queries and keys that both count: `[.., 1, queries, keys]` from `[.., queries]` and `[.., keys]`, as `F32`.
///
/// Elements are products, so queries and keys are 1 or true where they count, and 0 or false where they are padding.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::make_attention_mask;
///
/// let counts = Tensor::from([[1.0f32, 1.0, 0.0]]);
/// let mask = make_attention_mask(&counts, &counts)?;
/// assert_eq!(mask.shape(), [1, 1, 3, 3]);
/// assert_eq!(mask.to_vec::<f32>()?, [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the batch axes of the two do not broadcast.
#[track_caller]
pub fn make_attention_mask(queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
    make_attention_mask_with(queries, keys, |query, key| query.try_mul(key), 0, DType::F32)
}

/// As [`make_attention_mask`], by any function of the queries `[.., queries, 1]` and keys `[.., 1, keys]`, with more axes
/// of size 1 in front, and of a dtype.
///
/// # Errors
/// What the function returns; if the queries or keys have no axis.
#[track_caller]
pub fn make_attention_mask_with(
    queries: &Tensor,
    keys: &Tensor,
    pairwise: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
    extra_batch_dims: usize,
    dtype: DType,
) -> Result<Tensor> {
    if queries.rank() == 0 || keys.rank() == 0 {
        let found = format!("{} and {}", queries.aval(), keys.aval());
        return Err(Error::shape("make_attention_mask", found, "queries and keys `[.., length]`"));
    }
    let mask = pairwise(&queries.try_expand_dims([-1])?, &keys.try_expand_dims([-2])?)?;
    let mask = mask.try_expand_dims([-3])?;
    mask.try_expand_dims((0..extra_batch_dims as isize).collect::<Vec<_>>())?.try_cast(dtype)
}

/// The mask by which each position sees itself and those before: `[.., 1, length, length]` from any `[.., length]`, as `F32`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::make_causal_mask;
///
/// let mask = make_causal_mask(&Tensor::zeros([1, 3]))?;
/// assert_eq!(mask.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the input has no axis.
#[track_caller]
pub fn make_causal_mask(x: &Tensor) -> Result<Tensor> {
    let Some(last) = x.rank().checked_sub(1) else {
        return Err(Error::shape("make_causal_mask", x.aval().to_string(), "an input `[.., length]`"));
    };
    let positions = iota(x.shape(), DType::I32, last)?;
    make_attention_mask_with(&positions, &positions, |query, key| query.try_ge(key), 0, DType::F32)
}

/// The mask by which each position sees so many before and behind itself: `[.., 1, length, length]` from any `[.., length]`, as `F32`.
///
/// A causal window of `n` positions, the own one among them, is `(n − 1, 0)`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::make_sliding_window_mask;
///
/// let mask = make_sliding_window_mask(&Tensor::zeros([1, 3]), (1, 0))?;
/// assert_eq!(mask.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Beltagy et al., arXiv:2004.05150; the window is `local_window_size` of `jax.nn.dot_product_attention`, and `(sliding_window − 1, 0)`
/// of transformers.
///
/// # Errors
/// If the input has no axis.
#[track_caller]
pub fn make_sliding_window_mask(x: &Tensor, window: (usize, usize)) -> Result<Tensor> {
    let [batch @ .., length] = x.shape() else {
        return Err(Error::shape(
            "make_sliding_window_mask",
            x.aval().to_string(),
            "an input `[.., length]`",
        ));
    };
    let shape: Vec<usize> = batch.iter().copied().chain([1, *length, *length]).collect();
    local_window([*length; 2], window)?.try_cast(DType::F32)?.try_broadcast_to(shape)
}

/// True where a query sees a key that is so many positions before or behind it: `[queries, keys]`.
#[track_caller]
pub(super) fn local_window([queries, keys]: [usize; 2], (left, right): (usize, usize)) -> Result<Tensor> {
    // No more than there are, so that numbers stay small.
    let [left, right] = [left, right].map(|n| n.min(queries.max(keys)) as isize);
    let up_to = Tensor::tri(queries, keys, right, DType::Bool);
    up_to.try_bitand(Tensor::tri(queries, keys, -1 - left, DType::Bool).try_logical_not()?)
}

/// The mask that is true where all masks are, as `F32`; None if there are none.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::combine_masks;
///
/// let (a, b) = (Tensor::from([1.0f32, 1.0, 0.0]), Tensor::from([true, false, true]));
/// let both = combine_masks([Some(&a), None, Some(&b)])?.expect("a mask");
/// assert_eq!(both.to_vec::<f32>()?, [1.0, 0.0, 0.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If they differ in rank, or do not broadcast.
#[track_caller]
pub fn combine_masks<'a>(masks: impl IntoIterator<Item = Option<&'a Tensor>>) -> Result<Option<Tensor>> {
    let mut combined: Option<Tensor> = None;
    for mask in masks.into_iter().flatten() {
        let mask = mask.try_cast(DType::Bool)?;
        combined = Some(match combined {
            None => mask,
            Some(before) if before.rank() == mask.rank() => before.try_bitand(mask)?,
            Some(before) => {
                let found = format!("{} and {}", before.aval(), mask.aval());
                return Err(Error::shape("combine_masks", found, "masks of as many axes as each other"));
            }
        });
    }
    combined.map(|mask| mask.try_cast(DType::F32)).transpose()
}
