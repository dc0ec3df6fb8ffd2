//! What collectives over an axis of ranks do: the ranks' transport moves and reduces, shapes and rare dtypes are brought in order here.

use std::sync::Arc;

use crate::array::{Array, DType};
use crate::core::Tensor;
use crate::core::op::CollectiveOp;
use crate::core::trace;
use crate::error::{Error, Result};
use crate::transport::{Reduction, Transport};

/// What ranks of the axis talk through.
pub(super) fn transport(name: &str) -> Result<Arc<dyn Transport>> {
    trace::ranks::transport(name)
        .ok_or_else(|| Error::UnboundAxis { axis: name.to_owned(), bound: Vec::new() })
}

/// What an operation reduces with, if it does.
pub(super) fn reduction(kind: CollectiveOp) -> Option<Reduction> {
    match kind {
        CollectiveOp::Sum => Some(Reduction::Sum),
        CollectiveOp::Mean => Some(Reduction::Mean),
        CollectiveOp::Max => Some(Reduction::Max),
        CollectiveOp::Min => Some(Reduction::Min),
        _ => None,
    }
}

/// Does an operation with the array of this rank.
pub(super) fn run(kind: CollectiveOp, transport: &dyn Transport, array: Option<Array>) -> Result<Array> {
    // The operations within run here and now, whatever is traced around.
    trace::enter(None, || {
        let Some(array) = array else { return Ok(Array::scalar(transport.rank() as i32, false)) };
        if let Some(reduction) = reduction(kind) {
            return reduce(reduction, transport, array);
        }
        match kind {
            CollectiveOp::Gather { axis, .. } => moved(transport.all_gather(array)?, 0, axis),
            CollectiveOp::AllToAll { axis } => moved(transport.all_to_all(moved(array, axis, 0)?)?, 0, axis),
            _ => unreachable!("reduced above, or a primitive of its own"),
        }
    })
}

fn reduce(reduction: Reduction, transport: &dyn Transport, array: Array) -> Result<Array> {
    let dtype = array.dtype();
    match (dtype, reduction) {
        (DType::C64, Reduction::Max | Reduction::Min) => {
            Err(Error::dtype(reduction.name(), dtype, "numbers that can be compared"))
        }
        (DType::Bool, Reduction::Sum | Reduction::Mean) => {
            Err(Error::dtype(reduction.name(), dtype, "numbers (cast the booleans first)"))
        }
        (_, Reduction::Mean) if !dtype.is_inexact() => {
            let sum = Tensor::from(reduce(Reduction::Sum, transport, array)?);
            sum.try_div(sum.like(transport.size() as f64))?.array().cloned()
        }
        // Sums of fewer bits are those bits of the sums, as integers wrap around.
        (DType::Bool | DType::I8 | DType::I16 | DType::U16, _) => {
            let wide = Tensor::from(array).try_cast(DType::I32)?.array()?.clone();
            Tensor::from(transport.all_reduce(reduction, wide)?).try_cast(dtype)?.array().cloned()
        }
        _ => transport.all_reduce(reduction, array),
    }
}

/// The array with an axis elsewhere.
fn moved(array: Array, from: usize, to: usize) -> Result<Array> {
    if from == to {
        return Ok(array);
    }
    Tensor::from(array).try_move_axis(from as isize, to as isize)?.array().cloned()
}
