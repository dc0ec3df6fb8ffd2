//! What the elements up to each one become: in as many steps as the length has binary digits, each over all elements at once
//! (W. D. Hillis and G. L. Steele, "Data parallel algorithms", 1986).

use super::special::log_add_exp;
use super::types::Element;
use super::value::Value;
use crate::core::op::CumulativeOp;
use crate::error::Result;
use crate::kernels::recurrence::Factor;
use crate::kernels::reduce::Direction;

/// Combines each element with all before it along an axis: `combine` makes the states of a part of those before and those after.
fn scan<'b>(
    state: Vec<Value<'b>>,
    axis: usize,
    direction: Direction,
    mut combine: impl FnMut(&[Value<'b>], &[Value<'b>]) -> Result<Vec<Value<'b>>>,
) -> Result<Vec<Value<'b>>> {
    let length = state[0].shape()[axis];
    let mut state = state;
    let mut distance = 1;
    while distance < length {
        let rest = length - distance;
        let part = |from: usize, to: usize| -> Vec<Value<'b>> {
            state.iter().map(|x| x.part(axis, from, to)).collect()
        };
        state = if direction == Direction::Forward {
            let made = combine(&part(0, rest), &part(distance, length))?;
            joined(&part(0, distance), &made, axis)
        } else {
            let made = combine(&part(distance, length), &part(0, rest))?;
            joined(&made, &part(rest, length), axis)
        };
        distance *= 2;
    }
    Ok(state)
}

fn joined<'b>(first: &[Value<'b>], second: &[Value<'b>], axis: usize) -> Vec<Value<'b>> {
    first.iter().zip(second).map(|(&a, &b)| a.body().concatenate(&[a, b], axis)).collect()
}

/// Sums, products and extremes of what there is so far.
pub(super) fn cumulative(
    x: Value<'_>,
    op: CumulativeOp,
    axis: usize,
    direction: Direction,
) -> Result<Value<'_>> {
    let element = x.element();
    let carried =
        if matches!(op, CumulativeOp::Max | CumulativeOp::Min) { element } else { element.accumulator() };
    let made = scan(vec![x.convert(carried)], axis, direction, |before, after| {
        let [a, b] = [before[0], after[0]];
        Ok(vec![match op {
            CumulativeOp::Sum => a + b,
            CumulativeOp::Prod => a * b,
            CumulativeOp::Max => a.max(b),
            CumulativeOp::Min => a.min(b),
            CumulativeOp::LogSumExp => log_add_exp(a, b),
        }])
    })?;
    Ok(made[0].convert(element))
}

/// From factors and summands to the states `s_i = b_i + a · s_before`.
///
/// Two steps are one, whose factor is the product of theirs and whose summand is the second's after the first's.
pub(super) fn recurrence<'b>(
    a: Value<'b>,
    b: Value<'b>,
    axis: usize,
    direction: Direction,
    factor: Factor,
) -> Result<Value<'b>> {
    let element = b.element();
    let carried: Element = element.accumulator();
    let [a, b] = [a, b].map(|x| x.convert(carried));
    // The factor in front of the first state is not used, whatever it is.
    let a = if factor == Factor::Own { a } else { super::movement::shift(a, axis, direction, 0.0) };
    let made = scan(vec![a, b], axis, direction, |before, after| {
        Ok(vec![after[0] * before[0], after[1] + after[0] * before[1]])
    })?;
    Ok(made[1].convert(element))
}
