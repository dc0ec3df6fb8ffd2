//! `cond`: one of several programs, chosen by an index.

use std::sync::{Arc, OnceLock};

use smallvec::smallvec;

use super::activity::active;
use super::scan::run_alone;
use super::while_loop::stage_on;
use crate::array::{Array, Aval};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive, Pruned, Pullback};
use crate::core::trace::{self, Axis};
use crate::core::{Graph, Tensor};
use crate::error::Result;
use crate::ops::call::{Call, distinct, strong};
use crate::ops::{convert, zeros_of};

#[derive(Clone)]
pub(crate) struct Cond {
    /// All of them take and return the same.
    branches: Arc<[Call]>,
    graphs: Arc<[Arc<Graph>]>,
    collectives: Arc<[Arc<str>]>,
    /// What runs it where it is not part of a larger program.
    alone: Arc<OnceLock<Call>>,
}

impl Cond {
    /// The arguments are an `I32` and the arguments of the branches, which all give results of the same shapes and dtypes.
    pub(crate) fn new(branches: Vec<Call>) -> Cond {
        let graphs = branches.iter().map(Call::shared_graph).collect();
        let collectives = distinct(branches.iter().flat_map(Call::collectives));
        let (branches, collectives) = (branches.into(), collectives.into());
        Cond { branches, graphs, collectives, alone: Arc::default() }
    }

    /// Shapes and dtypes of the outputs.
    fn outs(&self) -> Outs<Aval> {
        let graph = &self.graphs[0];
        graph.outs.iter().map(|&var| graph.aval(var).clone()).collect()
    }

    /// A conditional whose branches are made from these, one by one.
    fn map(&self, f: impl FnMut(&Call) -> Result<Call>) -> Result<Cond> {
        Ok(Cond::new(self.branches.iter().map(f).collect::<Result<_>>()?))
    }
}

/// A place for what branches keep for their pullbacks: each branch has a value of this shape and dtype, or is given zeros.
struct Slots {
    avals: Vec<Aval>,
    /// By branch, by residual: its slot.
    of: Vec<Vec<usize>>,
}

impl Slots {
    /// Branches share slots, as only one of them runs.
    fn assign(forward: &[Call], outs: usize) -> Slots {
        let mut slots = Slots { avals: Vec::new(), of: Vec::new() };
        for call in forward {
            let mut taken: Vec<usize> = Vec::new();
            for &var in &call.graph().outs[outs..] {
                let aval = strong(call.graph().aval(var));
                let free = (0..slots.avals.len()).find(|at| slots.avals[*at] == aval && !taken.contains(at));
                let at = free.unwrap_or_else(|| {
                    slots.avals.push(aval);
                    slots.avals.len() - 1
                });
                taken.push(at);
            }
            slots.of.push(taken);
        }
        slots
    }
}

impl Primitive for Cond {
    fn name(&self) -> &'static str {
        "cond"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(self.outs())
    }

    fn op(&self) -> Op<'_> {
        Op::Cond(&self.graphs)
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let needs: Vec<bool> = needs_grad[1..].to_vec();
        // A gradient that one branch alone has is zero in the others.
        let calls = self.branches.iter().map(|branch| branch.vjp(&needs)).collect::<Result<Vec<_>>>()?;
        let forward: Vec<Call> = calls.iter().map(|call| call.forward.clone()).collect();
        let avals = self.outs();
        let count = avals.len();
        let slots = Slots::assign(&forward, count);
        let mut filled = Vec::new();
        for (call, of) in forward.iter().zip(&slots.of) {
            let graph = call.graph();
            let staged = stage_on(graph.inputs.iter().map(|&var| graph.aval(var)), |args| {
                let mut outs = graph.interpret(args)?;
                let kept = outs.split_off(count);
                let mut all: Vec<Option<Tensor>> = vec![None; slots.avals.len()];
                of.iter().zip(kept).for_each(|(&at, value)| all[at] = Some(value));
                for (value, aval) in all.into_iter().zip(&slots.avals) {
                    outs.push(value.map_or_else(|| zeros_of(aval), Ok)?);
                }
                Ok(outs)
            })?;
            filled.push(Call::new(staged, call.target()));
        }
        let index = args[0].clone();
        let mut outs = trace::bind(&Cond::new(filled), args)?;
        let kept: Args = outs.drain(count..).collect();
        let needs_grad: Args<bool> = needs_grad.into();
        // An output that depends on no active argument has no cotangent to wait for.
        let mut of_outs = vec![false; count];
        for graph in self.graphs.iter() {
            let found = active(graph, &needs);
            graph.outs.iter().zip(&mut of_outs).for_each(|(out, on)| *on |= found[out.index()]);
        }
        let pullback: Pullback = Box::new(move |cts| {
            let mut args: Args = smallvec![index.clone()];
            args.extend(kept.iter().cloned());
            let of: Vec<usize> = (0..count).filter(|&i| of_outs[i] && cts[i].is_some()).collect();
            for &i in &of {
                if let Some(ct) = &cts[i] {
                    args.push(convert(ct, avals[i].dtype, false)?);
                }
            }
            let mut branches = Vec::new();
            for (call, slot) in calls.iter().zip(&slots.of) {
                let backward = call.backward.graph();
                let given = of.iter().map(|&i| strong(&avals[i]));
                let inputs: Vec<Aval> = slots.avals.iter().cloned().chain(given).collect();
                let staged = stage_on(inputs.iter(), |inputs| {
                    let (kept, cts) = inputs.split_at(slots.avals.len());
                    let mut args: Vec<Tensor> = slot.iter().map(|&at| kept[at].clone()).collect();
                    for (i, aval) in avals.iter().enumerate() {
                        args.push(match of.iter().position(|&other| other == i) {
                            Some(at) => cts[at].clone(),
                            None => zeros_of(&strong(aval))?,
                        });
                    }
                    backward.interpret(args)
                })?;
                branches.push(Call::new(staged, call.backward.target()));
            }
            let mut grads = trace::bind(&Cond::new(branches), args)?.into_iter();
            Ok(needs_grad.iter().map(|&needed| if needed { grads.next() } else { None }).collect())
        });
        Ok((outs, pullback))
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let count = self.outs().len();
        if mapped[0] {
            // Examples go different ways: all branches run, and each example takes from its own.
            let wanted = vec![true; count];
            let mut chosen: Option<Vec<Tensor>> = None;
            for (at, branch) in self.branches.iter().enumerate() {
                let (call, _) = branch.batched_at_least(&mapped[1..], axis, &wanted)?;
                let outs = call.graph().interpret(args[1..].iter().cloned())?;
                chosen = Some(match chosen {
                    None => outs,
                    Some(before) => {
                        let is_later = args[0].try_ge(at as i32)?;
                        let choose = |(new, old): (&Tensor, &Tensor)| {
                            let mut shape = vec![1; new.rank()];
                            shape[0] = axis.size;
                            is_later.try_reshape(shape)?.try_select(new, old)
                        };
                        outs.iter().zip(&before).map(choose).collect::<Result<_>>()?
                    }
                });
            }
            let outs = chosen.unwrap_or_default();
            return Ok((outs.into(), smallvec![true; count]));
        }
        let mut wanted = vec![false; count];
        for branch in self.branches.iter() {
            let (_, outs) = branch.batched(&mapped[1..], axis)?;
            wanted.iter_mut().zip(outs).for_each(|(wanted, out)| *wanted |= out);
        }
        let batched = self.map(|branch| Ok(branch.batched_at_least(&mapped[1..], axis, &wanted)?.0))?;
        Ok((trace::bind(&batched, args)?, wanted.into()))
    }

    fn collectives(&self) -> &[Arc<str>] {
        &self.collectives
    }

    fn flops(&self, _args: &[&Aval], _outs: &[&Aval]) -> u64 {
        // Of the longest way.
        self.graphs.iter().map(|graph| graph.flops(0..graph.len())).max().unwrap_or(0)
    }

    fn with_subgraphs(&self, f: &dyn Fn(&Graph) -> Result<Graph>) -> Result<Option<Arc<dyn Primitive>>> {
        Ok(Some(Arc::new(self.map(|branch| Ok(Call::new(f(branch.graph())?, branch.target())))?)))
    }

    fn prune(&self, live: &[bool]) -> Option<Pruned> {
        let outs: Vec<usize> = (0..live.len()).filter(|&i| live[i]).collect();
        let left: Vec<Graph> = self
            .branches
            .iter()
            .map(|branch| {
                let graph = branch.graph();
                let outs = outs.iter().map(|&i| graph.outs[i]).collect();
                branch.target().backend.simplify(Graph { outs, ..graph.clone() })
            })
            .collect();
        let mut is_read = vec![false; left[0].inputs.len()];
        for graph in &left {
            let read = graph.is_read();
            graph.inputs.iter().zip(&mut is_read).for_each(|(var, on)| *on |= read[var.index()]);
        }
        let kept: Vec<usize> = (0..is_read.len()).filter(|&i| is_read[i]).collect();
        let branches = left.into_iter().zip(self.branches.iter()).map(|(graph, branch)| {
            let inputs = kept.iter().map(|&i| graph.inputs[i]).collect();
            Call::new(Graph { inputs, ..graph }, branch.target())
        });
        let primitive = Arc::new(Cond::new(branches.collect()));
        let args = std::iter::once(0).chain(kept.iter().map(|i| i + 1)).collect();
        Some(Pruned { primitive, args, outs })
    }

    on_cpu!();
}

impl CpuRules for Cond {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        run_alone(self, &self.alone, self.branches[0].target(), args, outs)
    }
}

impl PartialEq for Cond {
    fn eq(&self, other: &Cond) -> bool {
        *self.branches == *other.branches
    }
}

impl std::fmt::Debug for Cond {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cond[")?;
        for (i, graph) in self.graphs.iter().enumerate() {
            write!(f, "{}{graph}", if i > 0 { " " } else { "" })?;
        }
        f.write_str("]")
    }
}
