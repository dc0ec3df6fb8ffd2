//! Algebraic simplification of elementwise functions: involutions, idempotence, neutral elements, and values known of all elements.

use std::sync::Arc;

use smallvec::smallvec;

use super::Elementwise;
use crate::array::DType;
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::ops::broadcast_shapes;
use crate::scalar::op::ScalarOp::{
    self, Abs, Add, Ceil, Cos, Cosh, Div, Floor, Mul, MulAdd, Neg, Not, Pow, Powi, Relu, Round, Select, Sign,
    Sub, Trunc,
};

pub(super) fn of(op: ScalarOp, args: &[Match<'_>]) -> Option<Rewrite> {
    match op {
        Powi(exponent) => (exponent == 1).then_some(Rewrite::Value(Operand::Arg(0))),
        Select => select(args),
        MulAdd => mul_add(args),
        _ if op.arity() == 1 => of_one(op, args),
        _ => neutral(op, args),
    }
}

/// The number that all elements of the result have, where every dtype computes the same.
pub(super) fn splat(op: ScalarOp, args: &[Match<'_>]) -> Option<f64> {
    let exact: fn(f64) -> f64 = match op {
        Powi(0) => return Some(1.0),
        Neg => |x| -x,
        Abs => f64::abs,
        Floor => f64::floor,
        Ceil => f64::ceil,
        Round => f64::round_ties_even,
        Trunc => f64::trunc,
        _ => return None,
    };
    args[0].splat().filter(|_| args[0].aval().dtype.is_float()).map(exact)
}

/// A function of a function of one argument.
fn of_one(op: ScalarOp, args: &[Match<'_>]) -> Option<Rewrite> {
    let &Elementwise(inner) = args[0].made_by()?;
    let is_idempotent = op.rounds() || matches!(op, Relu | Abs | Sign);
    match (op, inner) {
        (Neg, Neg) | (Not, Not) => Some(Rewrite::Value(Operand::Inner(0, 0))),
        _ if op == inner && is_idempotent => Some(Rewrite::Value(Operand::Arg(0))),
        _ if op.rounds() && inner.rounds() => Some(Rewrite::Value(Operand::Arg(0))),
        (Abs | Cos | Cosh, Neg | Abs) => {
            Some(Rewrite::Apply(Arc::new(Elementwise(op)), smallvec![Operand::Inner(0, 0)]))
        }
        _ => None,
    }
}

/// A function of two arguments, one of which changes nothing.
fn neutral(op: ScalarOp, args: &[Match<'_>]) -> Option<Rewrite> {
    let (x, y) = (args.first()?, args.get(1)?);
    // Only where the other operand alone has the shape of the result. Adding 0.0 to -0.0 gives 0.0, so a float sum
    // with zero stays; a difference does not change its sign.
    let keeps_shape = |kept: &Match<'_>, other: &Match<'_>| {
        let (kept, other) = (&kept.aval().shape, &other.aval().shape);
        broadcast_shapes("simplify", &[kept, other]).is_ok_and(|shape| shape == *kept)
    };
    let with = |unit: f64| {
        if y.splat() == Some(unit) && keeps_shape(x, y) {
            return Some(Rewrite::Value(Operand::Arg(0)));
        }
        let swaps = matches!(op, Add | Mul);
        (swaps && x.splat() == Some(unit) && keeps_shape(y, x)).then_some(Rewrite::Value(Operand::Arg(1)))
    };
    match op {
        Add if !x.aval().dtype.is_inexact() => with(0.0),
        Sub if y.splat().is_some_and(|y| y.to_bits() == 0) => with(0.0),
        Mul | Div | Pow if x.aval().dtype != DType::Bool => with(1.0),
        _ => None,
    }
}

/// A selection whose condition is known.
fn select(args: &[Match<'_>]) -> Option<Rewrite> {
    let chosen = if args[0].splat()? == 0.0 { 2 } else { 1 };
    let shapes = [&args[0].aval().shape[..], &args[1].aval().shape, &args[2].aval().shape];
    let out = broadcast_shapes("select", &shapes).ok()?;
    (args[chosen].aval().shape == out).then_some(Rewrite::Value(Operand::Arg(chosen)))
}

/// A factor of one leaves a sum, which rounds once as well.
fn mul_add(args: &[Match<'_>]) -> Option<Rewrite> {
    let factor = (0..2).find(|&i| args[i].splat() == Some(1.0))?;
    let shape = |i: usize| &args[i].aval().shape[..];
    let sum = broadcast_shapes("mul_add", &[shape(1 - factor), shape(2)]).ok()?;
    let all = broadcast_shapes("mul_add", &[shape(0), shape(1), shape(2)]).ok()?;
    let operands = smallvec![Operand::Arg(1 - factor), Operand::Arg(2)];
    (sum == all).then(|| Rewrite::Apply(Arc::new(Elementwise(Add)), operands))
}
