//! What is known of functions of a gradient in the rows where that is zero.

use rustc_hash::FxHashMap;

use crate::core::op::Op;
use crate::core::{Eqn, Graph, Var};
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// A value in the rows without a gradient.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Known {
    Zero,
    False,
    /// The elements of another value of the same shape and dtype.
    Same(Var),
    Other,
}

/// The number that all elements of a variable are, if that is plain to see.
pub(super) fn number(graph: &Graph, var: Var) -> Option<f64> {
    if let Some((_, array)) = graph.consts.iter().find(|(other, _)| *other == var) {
        return array.is_scalar().then(|| array.bytes().iter().all(|&byte| byte == 0))?.then_some(0.0);
    }
    let eqn = graph.eqns.iter().find(|eqn| eqn.outs.contains(&var))?;
    match eqn.primitive.op() {
        Op::Full(number) => Some(number),
        Op::BroadcastTo | Op::Reshape | Op::Cast => number(graph, eqn.args[0]),
        _ => None,
    }
}

/// What an equation makes, where others are known.
pub(super) fn of(graph: &Graph, eqn: &Eqn, members: &FxHashMap<Var, Known>) -> Known {
    use ScalarOp::{Abs, Add, Div, Gt, Lt, Mul, MulAdd, Ne, Neg, Powi, Relu, Select, Sign, Sqrt, Sub};
    let out = graph.aval(eqn.outs[0]);
    let known = |i: usize| members.get(&eqn.args[i]).copied();
    let is_zero = |i: usize| match known(i) {
        Some(known) => known == Known::Zero,
        None => number(graph, eqn.args[i]) == Some(0.0),
    };
    // An argument as the result.
    let same = |i: usize| match known(i) {
        Some(Known::Same(var)) if graph.aval(var).shape == out.shape => Known::Same(var),
        Some(Known::Zero) => Known::Zero,
        None if graph.aval(eqn.args[i]).shape == out.shape => Known::Same(eqn.args[i]),
        None if is_zero(i) => Known::Zero,
        _ => Known::Other,
    };
    match eqn.primitive.op() {
        Op::Elementwise(Mul) if is_zero(0) || is_zero(1) => Known::Zero,
        Op::Elementwise(Add | Sub) if is_zero(1) => same(0),
        Op::Elementwise(Add) if is_zero(0) => same(1),
        Op::Elementwise(MulAdd) if is_zero(0) || is_zero(1) => same(2),
        Op::Elementwise(Neg | Abs | Sqrt | Relu | Sign | Div) | Op::Reduce(ReduceOp::Sum, _)
            if is_zero(0) =>
        {
            Known::Zero
        }
        Op::Elementwise(Powi(exponent)) if exponent > 0 && is_zero(0) => Known::Zero,
        Op::Elementwise(Ne | Lt | Gt) if is_zero(0) && is_zero(1) => Known::False,
        Op::Elementwise(Select) if known(0) == Some(Known::False) => same(2),
        Op::Elementwise(Select) if is_zero(1) && is_zero(2) => Known::Zero,
        Op::Cast if is_zero(0) || known(0) == Some(Known::False) => Known::Zero,
        Op::BroadcastTo | Op::Reshape | Op::StopGradient | Op::Any(_) => match known(0) {
            Some(Known::Zero) => Known::Zero,
            Some(Known::False) => Known::False,
            _ => Known::Other,
        },
        _ => Known::Other,
    }
}
