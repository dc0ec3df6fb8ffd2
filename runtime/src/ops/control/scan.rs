//! `scan`: a program applied to a carry and a slice of arrays, slice after slice.

use std::sync::{Arc, OnceLock};

use super::activity::active_in_loop;
use super::hoist::{Loop, Slices};
use super::scan_vjp;
use crate::array::{Array, Aval};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{Op, ScanOp};
use crate::core::primitive::{Args, Outs, Primitive, Pruned, Pullback};
use crate::core::trace::{self, Axis};
use crate::core::{Eqn, Graph, Tensor};
use crate::error::Result;
use crate::ops::call::{Call, Target};
use crate::ops::{prepend, zeros_of};

/// Which arguments are what, and how the loop goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Arguments that every step reads.
    pub consts: usize,
    /// Arguments, and results, that go from step to step.
    pub carry: usize,
    pub length: usize,
    pub reverse: bool,
}

#[derive(Clone)]
pub(super) struct Scan {
    pub body: Call,
    pub layout: Layout,
    /// What runs it where it is not part of a larger program.
    alone: Arc<OnceLock<Call>>,
}

/// Applies the body to slice after slice: the arguments are constants, the first carry, and arrays with an axis of `length` in front.
///
/// # Errors
/// What the operations of the body return that are computed once, before the loop.
pub(crate) fn scan(body: Graph, target: Target, layout: Layout, args: Args) -> Result<Outs> {
    // Simplified, so that equal values are one and what is constant is seen to be.
    scan_simplified(Call::new(body, target).graph().clone(), target, layout, args)
}

/// As [`scan`], of a body that the backend has simplified already.
pub(super) fn scan_simplified(body: Graph, target: Target, layout: Layout, args: Args) -> Result<Outs> {
    if layout.length == 0 {
        let none = |&var| zeros_of(&with_length(body.aval(var), 0));
        let carry = args[layout.consts..layout.consts + layout.carry].iter().cloned().map(Ok);
        return carry.chain(body.outs[layout.carry..].iter().map(none)).collect();
    }
    let first: Args = args[layout.consts..layout.consts + layout.carry].iter().cloned().collect();
    let mut steps = Loop { body, layout, args };
    let fixed = steps.split_invariant_carry();
    let is_cut = steps.hoist_invariants()? | steps.hoist_products(target)?;
    let ys = steps.split_known_slices();
    steps.drop_unread();
    let Loop { body, layout: inner, args } = steps;
    let body = if is_cut { Call::new(body, target) } else { Call::of_simplified(body, target) };
    let scan = Scan::new(body, inner);
    let made = trace::bind(&scan, args)?;
    let (last, made) = made.split_at(inner.carry);
    // What no step changes is what it was.
    let mut last = last.iter().cloned();
    let mut outs = Outs::new();
    for (i, first) in first.into_iter().enumerate() {
        outs.extend(if fixed.contains(&i) { Some(first) } else { last.next() });
    }
    outs.extend(ys.into_iter().map(|slices| match slices {
        Slices::Made(at) => made[at].clone(),
        Slices::Given(slices) => slices,
    }));
    Ok(outs)
}

/// As [`scan`], of a body that is run as it is: what does not depend on the step stays within, as it may be large.
pub(crate) fn scan_as_it_is(body: Graph, target: Target, layout: Layout, args: Args) -> Result<Outs> {
    trace::bind(&Scan::new(Call::new(body, target), layout), args)
}

/// A carry before the first step, for all examples: one that becomes mapped is the same for each of them at first.
pub(super) fn whole_carry(arg: Tensor, each: &Aval, size: usize, mapped: bool) -> Result<Tensor> {
    let is_whole = arg.rank() > each.rank();
    if mapped && !is_whole { arg.try_broadcast_to(prepend(size, &each.shape)) } else { Ok(arg) }
}

/// The shape of all slices.
pub(super) fn with_length(slice: &Aval, length: usize) -> Aval {
    slice.with_shape(prepend(length, &slice.shape))
}

impl Scan {
    pub fn new(body: Call, layout: Layout) -> Scan {
        Scan { body, layout, alone: Arc::default() }
    }

    fn graph(&self) -> &Graph {
        self.body.graph()
    }

    /// The outputs that something reads: those that are live, and the carry that these depend on.
    fn needed(&self, live: &[bool]) -> Vec<bool> {
        let (graph, Layout { consts, carry, .. }) = (self.graph(), self.layout);
        let mut needed = live.to_vec();
        loop {
            let mut read = vec![false; graph.avals.len()];
            for (out, _) in graph.outs.iter().zip(&needed).filter(|(_, needed)| **needed) {
                read[out.index()] = true;
            }
            for eqn in graph.eqns.iter().rev() {
                if eqn.outs.iter().any(|out| read[out.index()]) || eqn.primitive.has_effects() {
                    eqn.args.iter().for_each(|arg| read[arg.index()] = true);
                }
            }
            let mut changed = false;
            for i in 0..carry {
                if read[graph.inputs[consts + i].index()] && !needed[i] {
                    (needed[i], changed) = (true, true);
                }
            }
            if !changed {
                return needed;
            }
        }
    }
}

impl Primitive for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        let (carry, slices) = self.graph().outs.split_at(self.layout.carry);
        let carry = carry.iter().map(|&var| self.graph().aval(var).clone());
        let ys = slices.iter().map(|&var| with_length(self.graph().aval(var), self.layout.length));
        Ok(carry.chain(ys).collect())
    }

    fn op(&self) -> Op<'_> {
        let Layout { consts, carry, length, reverse } = self.layout;
        Op::Scan(ScanOp { body: self.graph(), consts, carry, length, reverse })
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let Layout { consts, carry, .. } = self.layout;
        let active = active_in_loop(self.graph(), needs_grad.to_vec(), consts, carry);
        scan_vjp::vjp_fwd(self, args, needs_grad, &active)
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let Layout { consts, carry, .. } = self.layout;
        let mut mapped = mapped.to_vec();
        // A carry differs between examples as soon as one step makes it so: the least fixed point.
        let (body, outs_mapped) = loop {
            let wanted: Vec<bool> = mapped[consts..consts + carry].to_vec();
            let (body, outs_mapped) = self.body.batched_at_least(&mapped, axis, &wanted)?;
            let new: Vec<usize> = (0..carry).filter(|&i| outs_mapped[i] && !mapped[consts + i]).collect();
            if new.is_empty() {
                break (body, outs_mapped);
            }
            new.into_iter().for_each(|i| mapped[consts + i] = true);
        };
        let mut ready = Args::new();
        for (i, arg) in args.into_iter().enumerate() {
            let given = arg.rank() > 0 && mapped[i];
            ready.push(match i {
                _ if i < consts => arg,
                _ if i < consts + carry => {
                    whole_carry(arg, self.graph().aval(self.graph().inputs[i]), axis.size, mapped[i])?
                }
                // Slices are along the axis in front, examples along the next one.
                _ if given => arg.try_move_axis(0, 1)?,
                _ => arg,
            });
        }
        let outs = scan_simplified(body.graph().clone(), body.target(), self.layout, ready)?;
        let moved = |(i, out): (usize, Tensor)| {
            if outs_mapped[i] && i >= carry { out.try_move_axis(1, 0) } else { Ok(out) }
        };
        Ok((outs.into_iter().enumerate().map(moved).collect::<Result<_>>()?, outs_mapped.into()))
    }

    fn collectives(&self) -> &[Arc<str>] {
        self.body.collectives()
    }

    fn flops(&self, _args: &[&Aval], _outs: &[&Aval]) -> u64 {
        let body = self.graph();
        body.flops(0..body.len()).saturating_mul(self.layout.length as u64)
    }

    fn with_subgraphs(&self, f: &dyn Fn(&Graph) -> Result<Graph>) -> Result<Option<Arc<dyn Primitive>>> {
        let body = Call::new(f(self.graph())?, self.body.target());
        Ok(Some(Arc::new(Scan::new(body, self.layout))))
    }

    fn prune(&self, live: &[bool]) -> Option<Pruned> {
        let needed = self.needed(live);
        let outs: Vec<usize> = (0..needed.len()).filter(|&i| needed[i]).collect();
        if outs.len() == needed.len() {
            return None;
        }
        let (graph, Layout { consts, carry, .. }) = (self.graph(), self.layout);
        let outs_left = outs.iter().map(|&i| graph.outs[i]).collect();
        // Inputs of a carry that is gone go, too, as nothing reads them any more.
        let target = self.body.target();
        let left = target.backend.simplify(Graph { outs: outs_left, ..graph.clone() });
        let read = left.is_read();
        let is_kept = |i: usize| match i.checked_sub(consts).filter(|&i| i < carry) {
            Some(carry) => needed[carry],
            None => read[graph.inputs[i].index()],
        };
        let args: Vec<usize> = (0..graph.inputs.len()).filter(|&i| is_kept(i)).collect();
        let layout = Layout {
            consts: args.iter().filter(|&&i| i < consts).count(),
            carry: outs.iter().filter(|&&i| i < carry).count(),
            ..self.layout
        };
        let inputs = args.iter().map(|&i| graph.inputs[i]).collect();
        let body = Call::of_simplified(Graph { inputs, ..left }, target);
        let primitive = Arc::new(Scan::new(body, layout));
        Some(Pruned { primitive, args, outs })
    }

    on_cpu!();
}

impl CpuRules for Scan {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        run_alone(self, &self.alone, self.body.target(), args, outs)
    }
}

/// Runs a primitive that holds programs as a program of one step, which is kept in `alone`.
pub(super) fn run_alone(
    primitive: &dyn Primitive,
    alone: &OnceLock<Call>,
    target: Target,
    args: Args<Array>,
    outs: Outs<Aval>,
) -> Result<Outs<Array>> {
    let call = alone.get_or_init(|| {
        let avals = args.iter().map(Array::aval).cloned().chain(outs).collect();
        let mut vars = (0u32..).map(crate::core::Var);
        let inputs: Vec<_> = vars.by_ref().take(args.len()).collect();
        let mut graph = Graph { avals, inputs, ..Graph::empty() };
        graph.outs = vars.take(graph.avals.len() - args.len()).collect();
        graph.eqns.push(Eqn {
            primitive: primitive.to_arc(),
            args: graph.inputs.iter().copied().collect(),
            outs: graph.outs.iter().copied().collect(),
            location: std::panic::Location::caller(),
            path: None,
        });
        Call::new(graph, target)
    });
    call.run(args)
}

impl PartialEq for Scan {
    fn eq(&self, other: &Scan) -> bool {
        self.body == other.body && self.layout == other.layout
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Layout { consts, carry, length, reverse } = self.layout;
        write!(f, "scan[length={length} consts={consts} carry={carry}")?;
        if reverse {
            f.write_str(" reverse")?;
        }
        write!(f, " body={}]", self.graph())
    }
}
