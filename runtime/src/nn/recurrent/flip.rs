//! Sequences of different lengths: reversed, and what there is at their ends.

use crate::array::{DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{self, Tree};

/// Sequences from their ends to their beginnings, with padding left where it is: behind them.
///
/// The input is `[batch.., time, features..]` with `num_batch_dims` axes of the batch, or `[time, batch.., features..]` if
/// `time_major` is true, and the output has the same shape. `lengths` are integers of the shape `[batch..]`: how many steps of
/// each sequence are no padding; without them, none are. Step `t` of the output is step `(T − 1 − t + length) mod T` of the
/// input, so that padding is reversed, too.
///
/// ```
/// use flaxen::nn::flip_sequences;
/// use flaxen::prelude::*;
///
/// let x = Tensor::from([[1, 0, 0], [2, 3, 0], [4, 5, 6]]);
/// let flipped = flip_sequences(&x, Some(&Tensor::from([1, 2, 3])), 1, false)?;
/// assert_eq!(flipped.to_vec::<i32>()?, [1, 0, 0, 3, 2, 0, 6, 5, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As `flax.linen.recurrent.flip_sequences`.
///
/// # Errors
/// If the input has no axis of time; if `lengths` are not integers, or not of the batch's shape.
pub fn flip_sequences(
    x: &Tensor,
    lengths: Option<&Tensor>,
    num_batch_dims: usize,
    time_major: bool,
) -> Result<Tensor> {
    const OP: &str = "flip_sequences";
    if x.rank() <= num_batch_dims {
        let expected = format!("{num_batch_dims} axes of the batch and one of time");
        return Err(Error::shape(OP, x.aval().to_string(), expected));
    }
    let time = if time_major { 0 } else { num_batch_dims };
    let axis = time as isize;
    let Some(lengths) = lengths else { return x.try_flip([axis]) };
    check_lengths(OP, x, lengths, num_batch_dims, time_major)?;
    let steps = x.shape()[time];
    if steps == 0 {
        return Ok(x.clone());
    }
    let one_for =
        |axes: std::ops::Range<usize>| axes.map(|at| if at == time { steps } else { 1 }).collect::<Shape>();
    let from_end = Tensor::try_arange_of(0, steps as i32, 1, DType::I32)?.try_flip([0])?;
    let from_end = from_end.try_reshape(one_for(0..num_batch_dims + 1))?;
    let steps_of = lengths.try_cast(DType::I32)?.try_expand_dims([axis])?;
    let from = from_end.try_add(steps_of)?.try_remainder(steps as i32)?;
    let shape: Shape = from.shape().iter().copied().chain(one_for(from.rank()..x.rank())).collect();
    x.try_take_along_axis(from.try_reshape(shape)?, axis)
}

/// Refuses lengths that are not those of a batch of sequences.
pub(super) fn check_lengths(
    op: &'static str,
    x: &Tensor,
    lengths: &Tensor,
    num_batch_dims: usize,
    time_major: bool,
) -> Result<()> {
    let first = usize::from(time_major);
    let batch = &x.shape()[first..first + num_batch_dims];
    if !lengths.dtype().is_integer() {
        return Err(Error::dtype(op, lengths.dtype(), "lengths that are integers"));
    }
    if lengths.shape() != batch {
        let expected = format!("lengths of the batch's shape {batch:?}");
        return Err(Error::shape(op, format!("lengths of shape {:?}", lengths.shape()), expected));
    }
    Ok(())
}

/// The states after the last steps that are no padding, of the states after each step: leaves of `[time, batch.., ..]`.
///
/// As in Flax, where the index is that of an array: step −1, of a length of 0, is the last one, and steps beyond either end
/// are the one at that end, to which no gradient flows.
pub(super) fn last_states<C: Tree>(op: &'static str, states: &C, lengths: &Tensor) -> Result<C> {
    let last = lengths.try_cast(DType::I32)?.try_sub(1)?;
    tree::map(states, |leaf| {
        if leaf.shape().get(1..=lengths.rank()) != Some(lengths.shape()) {
            let expected = format!(
                "a carry whose leaves begin with the batch's axes {:?}, as those of sequences with lengths do",
                lengths.shape()
            );
            let found = leaf.shape().get(1..).unwrap_or_default();
            return Err(Error::shape(op, format!("a carry with a leaf of shape {found:?}"), expected));
        }
        let steps = leaf.shape()[0] as i32;
        let rest = vec![1; leaf.rank() - 1 - lengths.rank()];
        let shape: Shape = [1].into_iter().chain(lengths.shape().iter().copied()).chain(rest).collect();
        let from_start = last.try_lt(0)?.try_select(last.try_add(steps)?, &last)?.try_reshape(shape)?;
        let there = from_start.try_clip(0, steps - 1)?;
        let state = leaf.try_take_along_axis(&there, 0)?;
        let is_there = there.try_eq(&from_start)?.try_broadcast_to(state.shape())?;
        is_there.try_select(&state, state.stop_gradient())?.try_index_axis(0, 0)
    })
}
