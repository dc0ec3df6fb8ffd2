//! Clipping the gradients of each example.

use super::moments::{same_structure, upcast};
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::tree::{self, Structure, Tree, leaves};

/// The number of examples, which is the size of the first axis of all leaves.
fn examples(op: &'static str, grads: &impl Tree) -> Result<usize> {
    let mut size = None;
    for leaf in leaves(grads) {
        let found = leaf.shape().first().copied();
        if found.is_none() || *size.get_or_insert(found) != found {
            let found = format!("gradients of shape {:?}", leaf.shape());
            return Err(Error::shape(op, found, "an axis of examples in front, of one size for all leaves"));
        }
    }
    size.flatten().ok_or_else(|| Error::shape(op, "no gradients", "one leaf at least"))
}

/// The norm of each example's gradients, in `F32` for `F16`.
fn norms(grads: &impl Tree, count: usize) -> Result<Tensor> {
    let squares = leaves(grads).into_iter().map(|leaf| {
        let rows = upcast(leaf).try_reshape([count, leaf.size() / count.max(1)])?;
        rows.try_mul(&rows)?.try_sum_axes(1)
    });
    squares.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(Tensor::zeros([count])))?.try_sqrt()
}

/// What each example is multiplied by, so that its norm is at most a number.
fn factors(norms: &Tensor, limit: &Tensor) -> Result<Tensor> {
    let none = norms.try_eq(0.0)?;
    let ratio = limit.try_cast(norms.dtype())?.try_div(none.try_select(norms.like(1.0), norms)?)?;
    none.try_select(norms.like(1.0), ratio.try_minimum(1.0)?)
}

/// The sum of a leaf's examples, each times a factor.
fn weighted_sum(leaf: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let (count, shape) = (leaf.shape()[0], &leaf.shape()[1..]);
    let wide = upcast(leaf);
    let rows = wide.try_reshape([count, shape.iter().product()])?;
    let sum = factors.try_cast(wide.dtype())?.try_reshape([1, count])?.try_matmul(&rows)?;
    super::moments::saturating_cast(&sum.try_reshape(shape)?, leaf.dtype())
}

/// The sum of the gradients of examples, each scaled down to have at most the norm `l2_norm_clip` of all leaves together, and how many were,
/// an `I32` scalar.
///
/// Leaves have an axis of examples in front, which those of the sum are without.
///
/// # Errors
/// If a leaf has no such axis, or another number of examples.
///
/// Source: Abadi et al., *Deep Learning with Differential Privacy*, 2016.
pub fn per_example_global_norm_clip<P: Tree>(
    grads: &P,
    l2_norm_clip: impl TensorLike,
) -> Result<(P, Tensor)> {
    let count = examples("per_example_global_norm_clip", grads)?;
    let factors = factors(&norms(grads, count)?, &l2_norm_clip.operand()?)?;
    let clipped = factors.try_lt(1.0)?.try_sum()?.try_cast(DType::I32)?;
    Ok((tree::map(grads, |leaf| weighted_sum(leaf, &factors))?, clipped))
}

/// As [`per_example_global_norm_clip`], for each leaf by itself, with limits whose squares sum to that of `global_l2_norm_clip`: the same
/// for all leaves if `uniform`, which is optax's default, otherwise in proportion to the root of their size. How many were clipped is
/// said for each leaf.
///
/// # Errors
/// If a leaf has no axis of examples, or another number of them.
///
/// Source: McMahan et al., *Learning Differentially Private Recurrent Language Models*, 2018.
pub fn per_example_layer_norm_clip<P: Tree>(
    grads: &P,
    global_l2_norm_clip: impl TensorLike,
    uniform: bool,
) -> Result<(P, P)> {
    let count = examples("per_example_layer_norm_clip", grads)?;
    let limit = global_l2_norm_clip.operand()?;
    let all = leaves(grads);
    let sizes: Vec<f64> = all.iter().map(|leaf| (leaf.size() / count.max(1)) as f64).collect();
    let total: f64 = sizes.iter().sum();
    let (mut sums, mut counts) = (vec![], vec![]);
    for (leaf, size) in all.iter().zip(&sizes) {
        let part = if uniform { 1.0 / all.len() as f64 } else { size / total };
        let factors = factors(&norms(*leaf, count)?, &(&limit * part.sqrt()))?;
        counts.push(factors.try_lt(1.0)?.try_sum()?.try_cast(DType::I32)?);
        sums.push(weighted_sum(leaf, &factors)?);
    }
    let structure: Structure = same_structure("the gradients", &[grads])?;
    Ok((structure.build(sums), structure.build(counts)))
}
