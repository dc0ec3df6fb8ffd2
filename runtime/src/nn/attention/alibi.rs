//! `ALiBi`: a bias by the distance of queries and keys in place of positions.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// The slopes of heads for [`make_alibi_bias`], `F32[num_heads]`.
///
/// They are the geometric sequence from `2^(−8/n)` by steps of itself, for the `n` heads that are the last power of two; those of the
/// other heads are every second one of the sequence for twice as many.
///
/// ```
/// use flaxen::nn::alibi_slopes;
/// assert_eq!(alibi_slopes(4).to_vec::<f32>()?, [0.25, 0.0625, 0.015625, 0.00390625]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Press et al., arXiv:2108.12409, and the authors' program for other numbers than powers of two.
pub fn alibi_slopes(num_heads: usize) -> Tensor {
    let count = if num_heads == 0 { 1 } else { 1 << num_heads.ilog2() };
    let slope = |i: usize, count: usize| (-8.0 * i as f64 / count as f64).exp2() as f32;
    let whole = (1..=count).map(|i| slope(i, count));
    let between = (1..).step_by(2).map(|i| slope(i, 2 * count));
    Tensor::from(whole.chain(between).take(num_heads).collect::<Vec<f32>>())
}

/// What is added to the products of queries and keys: `−slope · |q − k|`, `F32[.., num_heads, queries, keys]`, from positions
/// `[.., queries]` and `[.., keys]`.
///
/// Where a mask hides the keys behind a query, as in the paper, all distances are to keys before it.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::{Attend, MultiHeadDotProductAttention, make_alibi_bias, make_causal_mask};
///
/// let (x, positions) = (Tensor::ones([2, 3, 8]), Tensor::arange(0, 3, 1));
/// let bias = make_alibi_bias(8, &positions, &positions)?;
/// assert_eq!(bias.shape(), [8, 3, 3]);
/// assert_eq!(bias.index_axis(0, 0).to_vec::<f32>()?, [0.0, -0.5, -1.0, -0.5, 0.0, -0.5, -1.0, -0.5, 0.0]);
/// let call = Attend::new().bias(&bias).mask(&make_causal_mask(&Tensor::zeros([2, 3]))?);
/// let y = MultiHeadDotProductAttention::new(8).init_with_output(key(0)).run(|m| m.call(&x, call))?.0;
/// assert_eq!(y.shape(), [2, 3, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Press et al., arXiv:2108.12409.
///
/// # Errors
/// If queries or keys have no axis, or their other axes do not broadcast.
#[track_caller]
pub fn make_alibi_bias(num_heads: usize, queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
    if queries.rank() == 0 || keys.rank() == 0 {
        let found = format!("{} and {}", queries.aval(), keys.aval());
        return Err(Error::shape("make_alibi_bias", found, "positions `[.., length]`"));
    }
    let [queries, keys] = [queries.try_cast(DType::F32)?, keys.try_cast(DType::F32)?];
    let distance = queries.try_expand_dims([-1])?.try_sub(keys.try_expand_dims([-2])?)?.try_abs()?;
    let slopes = alibi_slopes(num_heads).try_neg()?.try_reshape([num_heads, 1, 1])?;
    distance.try_expand_dims([-3])?.try_mul(slopes)
}
