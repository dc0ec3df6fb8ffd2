//! Programs within programs: calls, branches and loops.

use std::sync::Arc;

use super::body::Body;
use super::graph::write_graph;
use super::types::{Element, Type};
use super::value::Value;
use crate::core::Graph;
use crate::core::op::{ScanOp, WhileOp};
use crate::error::Result;

impl Body<'_> {
    /// Writes a loop: `again` says of the state whether to go on, `step` makes the next state.
    ///
    /// # Errors
    /// What the two return.
    pub(super) fn repeat<'b>(
        &'b self,
        state: &[Value<'b>],
        again: impl FnOnce(&[Value<'b>]) -> Result<Value<'b>>,
        step: impl FnOnce(&[Value<'b>]) -> Result<Vec<Value<'b>>>,
    ) -> Result<Vec<Value<'b>>> {
        let types: Vec<Type> = state.iter().map(Value::ty).collect();
        let regions = [self.region(&types, |state| Ok(vec![again(state)?]))?, self.region(&types, step)?];
        Ok(self.generic("stablehlo.while", state, "", &regions, types))
    }

    /// Writes a loop of so many steps over a state; `step` is given the number of the step, an `I32`, from 0 on.
    ///
    /// # Errors
    /// What `step` returns.
    pub(super) fn repeat_times<'b>(
        &'b self,
        count: usize,
        state: &[Value<'b>],
        step: impl FnOnce(Value<'b>, &[Value<'b>]) -> Result<Vec<Value<'b>>>,
    ) -> Result<Vec<Value<'b>>> {
        let all: Vec<Value<'b>> = [self.scalar(0, Element::I32)].iter().chain(state).copied().collect();
        let again = |state: &[Value<'b>]| Ok(state[0].lt(state[0].like(count)));
        let outs = self.repeat(&all, again, |state| {
            let next = step(state[0], &state[1..])?;
            Ok([state[0] + 1].into_iter().chain(next).collect())
        })?;
        Ok(outs[1..].to_vec())
    }
}

/// A program that is a function of its own; calls of the same one share it.
pub(super) fn call<'b>(body: &'b Body<'b>, graph: &Graph, args: &[Value<'b>]) -> Result<Vec<Value<'b>>> {
    // Graphs are borrowed as long as the module is written, so that no two have one address.
    let key = format!("graph {:p}", std::ptr::from_ref(graph));
    body.call_keyed(key, "call", args, |body, args| write_graph(body, graph, args))
}

/// One of several programs; an index that is none of theirs is the last one's for `stablehlo.case`, so it is clamped first.
pub(super) fn cond<'b>(
    body: &'b Body<'b>,
    branches: &[Arc<Graph>],
    args: &[Value<'b>],
    outs: &[Type],
) -> Result<Vec<Value<'b>>> {
    let index = args[0];
    let index = index.max(index.like(0)).min(index.like(branches.len() - 1));
    let regions: Result<Vec<String>> =
        branches.iter().map(|branch| body.region(&[], |_| write_graph(body, branch, &args[1..]))).collect();
    Ok(body.generic("stablehlo.case", &[index], "", &regions?, outs.to_vec()))
}

/// A loop over its carry. The constants go along with it: some readers of StableHLO want all that a region reads to be its arguments.
pub(super) fn while_loop<'b>(
    body: &'b Body<'b>,
    lasting: WhileOp<'_>,
    args: &[Value<'b>],
) -> Result<Vec<Value<'b>>> {
    let WhileOp { cond, body: step, cond_consts, body_consts } = lasting;
    let fixed = cond_consts + body_consts;
    let again = |state: &[Value<'b>]| {
        let args = [&state[..cond_consts], &state[fixed..]].concat();
        Ok(write_graph(body, cond, &args)?[0])
    };
    let next = |state: &[Value<'b>]| {
        let made = write_graph(body, step, &state[cond_consts..])?;
        Ok(state[..fixed].iter().copied().chain(made).collect())
    };
    Ok(body.repeat(args, again, next)?[fixed..].to_vec())
}

/// A loop that counts, reads slices of what it goes over, and writes slices of what it stacks.
pub(super) fn scan<'b>(
    body: &'b Body<'b>,
    scan: ScanOp<'_>,
    args: &[Value<'b>],
    outs: &[Type],
) -> Result<Vec<Value<'b>>> {
    let ScanOp { body: step, consts, carry, length, reverse } = scan;
    let stacked: Vec<Value<'b>> = outs[carry..].iter().map(|out| body.splat(0, out)).collect();
    if length == 0 {
        return Ok(args[consts..consts + carry].iter().copied().chain(stacked).collect());
    }
    let xs = consts + carry;
    let count = args.len();
    let state: Vec<Value<'b>> = args.iter().copied().chain(stacked).collect();
    let ends = body.repeat_times(length, &state, |step_number, state| {
        let at = if reverse { step_number.like(length - 1) - step_number } else { step_number };
        let starts = |rank: usize| -> Vec<Value<'b>> {
            (0..rank).map(|axis| if axis == 0 { at } else { at.like(0) }).collect()
        };
        let slices = state[xs..count].iter().map(|x| {
            let shape = x.shape();
            let mut sizes = shape.to_vec();
            sizes[0] = 1;
            x.dynamic_slice(&starts(shape.len()), &sizes).reshape(&shape[1..])
        });
        let inputs: Vec<Value<'b>> = state[..xs].iter().copied().chain(slices).collect();
        let made = write_graph(body, step, &inputs)?;
        let written = state[count..].iter().zip(&made[carry..]).map(|(all, slice)| {
            let shape = all.shape();
            let mut sizes = shape.to_vec();
            sizes[0] = 1;
            all.dynamic_update_slice(slice.reshape(sizes), &starts(shape.len()))
        });
        let written: Vec<Value<'b>> = written.collect();
        let (fixed, over) = (&state[..consts], &state[xs..count]);
        Ok([fixed, &made[..carry], over, &written].concat())
    })?;
    Ok([&ends[consts..xs], &ends[count..]].concat())
}
