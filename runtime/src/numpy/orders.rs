//! Tensors sorted together, and the greatest along any axis.

use super::paired::{functions, methods};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::axis_of;

/// Where the elements of the keys are in their order, which the first decides, then the second, and so on.
#[track_caller]
fn order(keys: &[Tensor], axis: impl Int) -> Result<Option<Tensor>> {
    // Sorting keeps the order of equals: from the last key to the first.
    let mut order: Option<Tensor> = None;
    for key in keys.iter().rev() {
        order = Some(match order {
            None => key.try_argsort(axis)?,
            Some(order) => {
                let next = key.try_take_along_axis(&order, axis)?.try_argsort(axis)?;
                order.try_take_along_axis(next, axis)?
            }
        });
    }
    Ok(order)
}

functions! {
    /// The tensors, all of one shape, in the order of the first `keys` of them along an axis, as `lax.sort` of several operands.
    ///
    /// Equal elements keep their order. Gradients flow to where elements came from.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (x, y) = (Tensor::from([2i32, 1, 2]), Tensor::from([5i32, 6, 4]));
    /// let sorted = Tensor::sort_together(&[x, y], 0, 2);
    /// assert_eq!(sorted[0].to_vec::<i32>()?, [1, 2, 2]);
    /// assert_eq!(sorted[1].to_vec::<i32>()?, [6, 4, 5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    sort_together try_sort_together(tensors: &[Tensor], axis: impl Int, keys: usize) -> Vec<Tensor>,
    fails "If shapes differ, there is no such axis, or there are fewer tensors than keys, or no key."
    {
        const OP: &str = "sort_together";
        if let Some(other) = tensors.iter().find(|other| other.shape() != tensors[0].shape()) {
            let found = format!("{:?} and {:?}", tensors[0].shape(), other.shape());
            return Err(Error::shape(OP, found, "tensors of one shape"));
        }
        let found = tensors.get(..keys).map(|keys| order(keys, axis)).transpose()?.flatten();
        let Some(order) = found else {
            let message = format!("{keys} keys of {} tensors: use at least one, and not more", tensors.len());
            return Err(Error::argument(OP, message));
        };
        tensors.iter().map(|x| x.try_take_along_axis(&order, axis)).collect()
    };

    /// Where the elements are in the order of the last key, then of the one before it, and so on, along an axis, as
    /// `jnp.lexsort`, as `I32`.
    lexsort try_lexsort(keys: &[Tensor], axis: impl Int) -> Tensor, fails "If there are no keys, shapes differ, or there is no such axis."
    {
        let first: Vec<Tensor> = keys.iter().rev().cloned().collect();
        order(&first, axis)?.ok_or_else(|| Error::argument("lexsort", "no keys: give at least one"))
    };
}

methods! {
    => "Orders";
    /// These keys in ascending order along an axis, and the values beside them in the same order, as `lax.sort_key_val`.
    sort_key_val try_sort_key_val(values: &Tensor, axis: impl Int) -> (Tensor, Tensor),
    fails "If the shapes differ, or there is no such axis."
    |x| {
        let mut both = Tensor::try_sort_together(&[x.clone(), values.clone()], axis, 1)
            .map_err(|error| error.called("sort_key_val"))?;
        let values = both.remove(1);
        Ok((both.remove(0), values))
    };

    /// The `k` greatest elements along an axis, greatest first, and where they are, as `I32`.
    ///
    /// [`top_k`](Tensor::top_k) is that along the last axis.
    top_k_along try_top_k_along(k: usize, axis: impl Int) -> (Tensor, Tensor),
    fails "If there is no such axis, or it has fewer than `k` elements."
    |x| {
        let axis = axis_of("top_k_along", axis, x.rank())? as isize;
        let (values, positions) = x.try_move_axis(axis, -1)?.try_top_k(k)?;
        Ok((values.try_move_axis(-1, axis)?, positions.try_move_axis(-1, axis)?))
    };

    /// Sums of the elements of an axis up to each of them, as `jnp.cumulative_sum`; with `initial` behind a 0.
    ///
    /// Booleans and small integers are summed as by [`sum`](Tensor::sum).
    cumulative_sum try_cumulative_sum(axis: impl Int, initial: bool) -> Tensor, fails "If there is no such axis."
    |x| {
        let sums = x.try_cumsum(axis)?;
        if !initial {
            return Ok(sums);
        }
        let at = axis_of("cumulative_sum", axis, x.rank())?;
        let mut widths = vec![(0, 0); x.rank()];
        widths[at] = (1, 0);
        sums.try_pad(widths, sums.like(0.0))
    };
}
