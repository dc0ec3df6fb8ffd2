//! Functions of whole trees of parameters.

use super::moments::{same_shapes, same_structure, upcast, zip};
use crate::array::DType;
use crate::core::domain::{POSITIVE, PROBABILITY};
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::tree::{Tree, leaves};

/// The parameters plus the updates, in the dtypes of the parameters.
///
/// ```
/// use flaxen::prelude::*;
///
/// let params = optim::apply_updates(&Tensor::from([1.0f32, 2.0]), &Tensor::from([0.5f32, -1.0]))?;
/// assert_eq!(params.to_vec::<f32>()?, [1.5, 1.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If structures or shapes differ.
pub fn apply_updates<P: Tree>(params: &P, updates: &P) -> Result<P> {
    same_structure("the updates differ from the parameters", &[updates, params])?;
    same_shapes("apply_updates", "an update", updates, params)?;
    let [params] = zip([params, updates], |[p, u]| Ok([(p + u).try_cast(p.dtype())?]))?;
    Ok(params)
}

/// The Euclidean norm of all values of a tree together.
///
/// The dtype is that of the leaves together. Squares of `F16` are computed in `F32`, so that only a norm beyond the range of
/// `F16` is infinite.
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn global_norm(tree: &impl Tree) -> Result<Tensor> {
    let dtypes = leaves(tree).into_iter().map(Tensor::dtype).reduce(DType::promote);
    wide_norm(tree)?.try_cast(dtypes.map_or(DType::F32, DType::to_inexact))
}

/// As [`global_norm`], in `F32` for `F16`.
pub(super) fn wide_norm(tree: &impl Tree) -> Result<Tensor> {
    let square = |leaf: &Tensor| {
        let leaf = upcast(leaf);
        leaf.try_mul(leaf.try_conj()?)?.try_real()?.try_sum()
    };
    let squares = leaves(tree).into_iter().map(square);
    let sum = squares.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(Tensor::zeros([])))?;
    sum.try_sqrt()
}

/// `step_size·new + (1 − step_size)·old`: one step of Polyak averaging, for target networks and averaged weights.
///
/// # Errors
/// If structures or shapes differ, or `step_size` is not from 0 to 1.
pub fn incremental_update<P: Tree>(new: &P, old: &P, step_size: impl TensorLike) -> Result<P> {
    let step_size = step_size.operand()?;
    step_size.check_open()?;
    PROBABILITY.check_number("incremental_update", "step_size", &step_size)?;
    let rest = 1.0 - &step_size;
    let [mixed] =
        zip([new, old], |[new, old]| Ok([new.try_mul(&step_size)?.try_add(old.try_mul(&rest)?)?]))?;
    Ok(mixed)
}

/// `new` at every `period`-th step, otherwise `old`.
///
/// # Errors
/// If structures or shapes differ, or the period is below 1.
pub fn periodic_update<P: Tree>(new: &P, old: &P, steps: impl TensorLike, period: i32) -> Result<P> {
    POSITIVE.check("periodic_update", "period", period.into())?;
    let due = (steps.operand()?.try_cast(DType::I32)? % period).try_eq(0)?;
    let [chosen] = zip([new, old], |[new, old]| Ok([due.try_select(new, old)?]))?;
    Ok(chosen)
}
