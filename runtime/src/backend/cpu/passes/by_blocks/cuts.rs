//! How equations go with cuts: where an axis of rows is in what they read and in what they make.

use smallvec::smallvec;

use crate::backend::cpu::passes::fuse::elementwise;
use crate::core::op::Op;
use crate::core::primitive::Args;
use crate::core::{Eqn, Graph};
use crate::scalar::reduce::ReduceOp;

/// What an equation makes of rows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::backend::cpu::passes) enum Made {
    /// Rows, along this axis.
    Rows(usize),
    /// A sum over all rows.
    Sum,
}

/// By argument: the axis along which it has to be cut; none for what every block reads whole.
pub(in crate::backend::cpu::passes) type Cuts = Args<Option<usize>>;

/// What an equation makes of arguments that are cut along these axes into blocks of `rows` rows, and how the other ones are to be cut;
/// none if rows meet in it otherwise than in a sum.
pub(in crate::backend::cpu::passes) fn forward(
    graph: &Graph,
    eqn: &Eqn,
    cuts: &Cuts,
    rows: usize,
) -> Option<(Made, Cuts)> {
    let op = eqn.primitive.op();
    let [out] = eqn.outs[..] else { return None };
    let out = graph.aval(out);
    let shape = |i: usize| &graph.aval(eqn.args[i]).shape[..];
    let made = match op {
        Op::DotGeneral { dimensions, .. } => {
            let ((lc, rc), (lb, rb)) = (&dimensions.contracting, &dimensions.batch);
            let sides = [(lc, lb), (rc, rb)];
            let mut found = None;
            let mut needed: Cuts = cuts.clone();
            for side in 0..2 {
                let Some(axis) = cuts[side] else { continue };
                let (contracting, batch) = sides[side];
                let (other_contracting, other_batch) = sides[1 - side];
                let at = |axes: &[usize]| axes.iter().position(|&other| other == axis);
                let (made, partner) = if let Some(i) = at(batch) {
                    (Made::Rows(i), Some(other_batch[i]))
                } else if let Some(i) = at(contracting) {
                    (Made::Sum, Some(other_contracting[i]))
                } else {
                    let is_free = |axis: &usize| !contracting.contains(axis) && !batch.contains(axis);
                    let before = (0..axis).filter(is_free).count();
                    let left = if side == 0 { 0 } else { shape(0).len() - lc.len() - lb.len() };
                    (Made::Rows(batch.len() + left + before), None)
                };
                let is_new = found.replace(made).is_none_or(|other| other == made);
                if !is_new || (cuts[1 - side].is_some() && cuts[1 - side] != partner) {
                    return None;
                }
                if partner.is_some() {
                    needed[1 - side] = partner;
                }
            }
            return Some((found?, needed));
        }
        Op::Reduce(kind, axes) => {
            let axis = cuts[0]?;
            match axes.contains(&axis) {
                true if kind == ReduceOp::Sum => Made::Sum,
                true => return None,
                false => Made::Rows(axis - axes.iter().filter(|&&other| other < axis).count()),
            }
        }
        Op::Any(axes) | Op::All(axes) => {
            let axis = cuts[0].filter(|axis| !axes.contains(axis))?;
            Made::Rows(axis - axes.iter().filter(|&&other| other < axis).count())
        }
        Op::Transpose { axes } => Made::Rows(axes.iter().position(|&axis| Some(axis) == cuts[0])?),
        Op::Reshape => Made::Rows(same_place(shape(0), cuts[0]?, &out.shape)?),
        Op::StopGradient => Made::Rows(cuts[0]?),
        _ if elementwise(op).is_some() => {
            let mut places =
                cuts.iter().enumerate().filter_map(|(i, cut)| Some(out.rank() - shape(i).len() + (*cut)?));
            let axis = places.next()?;
            if places.any(|other| other != axis) {
                return None;
            }
            Made::Rows(axis)
        }
        _ => return None,
    };
    let needed = match made {
        Made::Rows(axis) if elementwise(op).is_some() => backward(graph, eqn, axis, rows)?,
        _ => cuts.clone(),
    };
    let is_whole = |axis: usize| out.shape.get(axis) == Some(&rows);
    let agrees = needed.iter().zip(cuts).all(|(needed, cut)| cut.is_none() || needed == cut);
    match made {
        Made::Rows(axis) => (is_whole(axis) && agrees).then_some((made, needed)),
        Made::Sum => Some((made, needed)),
    }
}

/// How arguments are to be cut for a result that is cut along an axis; none if rows do not come from rows.
pub(in crate::backend::cpu::passes) fn backward(
    graph: &Graph,
    eqn: &Eqn,
    axis: usize,
    rows: usize,
) -> Option<Cuts> {
    let [out] = eqn.outs[..] else { return None };
    let out = graph.aval(out);
    let shape = |i: usize| &graph.aval(eqn.args[i]).shape[..];
    Some(match eqn.primitive.op() {
        Op::Reshape => smallvec![Some(same_place(&out.shape, axis, shape(0))?)],
        Op::Transpose { axes } => smallvec![Some(axes[axis])],
        Op::StopGradient => smallvec![Some(axis)],
        Op::Full(_) | Op::Iota { .. } => smallvec![],
        Op::RandomBits { .. } if shape(0).len() == 1 => smallvec![None],
        op if elementwise(op).is_some() => (0..eqn.args.len())
            .map(|i| {
                let axis = axis.checked_sub(out.rank() - shape(i).len())?;
                (shape(i)[axis] == rows).then_some(axis)
            })
            .collect(),
        _ => return None,
    })
}

/// Where an axis is under another shape.
fn same_place(shape: &[usize], axis: usize, other: &[usize]) -> Option<usize> {
    let before: usize = shape[..axis].iter().product();
    let product = |axis: usize| other[..axis].iter().product::<usize>();
    (0..other.len()).find(|&at| other[at] == shape[axis] && product(at) == before)
}
