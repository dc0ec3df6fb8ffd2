//! What an equation can be in a fused kernel: a map over elements, a fold of rows, of columns or of everything, or a reshape.

use super::window::{LONGEST_PITCH, SHORTEST_ROW};
use crate::array::Aval;
use crate::backend::cpu::codegen::{can_fold, supports};
use crate::core::op::Op;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::Eqn;

/// What an equation does, seen as rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Map(ScalarOp),
    /// Folds rows of `cols` elements.
    Rows(ReduceOp, usize),
    /// Folds columns, of which there are so many.
    Columns(ReduceOp, usize),
    /// Folds everything to one number.
    Total(ReduceOp),
    Reshape,
    /// Puts rows of so many elements side by side.
    Join(usize),
}

pub(super) fn role(graph: &Schedule, eqn: &Eqn<Step>) -> Option<Role> {
    let out = graph.aval(*eqn.outs.first().filter(|_| eqn.outs.len() == 1)?);
    let op = eqn.primitive.op()?;
    if let Some(function) = elementwise(op) {
        let from = graph.aval(*eqn.args.last()?).dtype;
        return (out.size() > 0 && supports(function, from, out.dtype)).then_some(Role::Map(function));
    }
    match op {
        Op::Reduce(function, axes) => reduction(function, axes, graph.aval(eqn.args[0])),
        Op::Concatenate { axis } => joint(graph, eqn, axis),
        op => is_reshape(op).then_some(Role::Reshape),
    }
}

/// Parts of one shape can be results of one kernel, which writes them where they belong.
fn joint(graph: &Schedule, eqn: &Eqn<Step>, axis: usize) -> Option<Role> {
    let first = graph.aval(eqn.args[0]);
    let row: usize = first.shape[axis..].iter().product();
    let are_alike = eqn.args.iter().all(|&arg| graph.aval(arg).shape == first.shape);
    let is_long = (SHORTEST_ROW..=LONGEST_PITCH / eqn.args.len()).contains(&row);
    (are_alike && is_long && first.size() > 0).then_some(Role::Join(row))
}

/// The function that makes each element of the output from those of the arguments, if the operation is one.
pub(crate) fn elementwise(op: Op<'_>) -> Option<ScalarOp> {
    match op {
        Op::Elementwise(function) => Some(function),
        Op::Cast => Some(ScalarOp::Cast),
        Op::BroadcastTo => Some(ScalarOp::Copy),
        _ => None,
    }
}

/// Whether the output is the argument, element by element in row-major order.
pub(crate) fn is_reshape(op: Op<'_>) -> bool {
    matches!(op, Op::Reshape | Op::StopGradient)
}

fn reduction(function: ReduceOp, axes: &[usize], arg: &Aval) -> Option<Role> {
    let reduced: Vec<bool> =
        (0..arg.rank()).filter(|&a| arg.shape[a] != 1).map(|a| axes.contains(&a)).collect();
    let count: usize = axes.iter().map(|&axis| arg.shape[axis]).product();
    if arg.size() == 0 || count < 2 || !can_fold(function, arg.dtype) {
        return None;
    }
    if reduced.iter().all(|&is| is) {
        return Some(Role::Total(function));
    }
    if reduced.is_sorted() {
        return Some(Role::Rows(function, count));
    }
    reduced.is_sorted_by(|a, b| a >= b).then(|| Role::Columns(function, arg.size() / count))
}
