//! A checkpointed function's gradient, cut where its policy says: partial evaluation of the forward pass by what is kept.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Policy;
use crate::core::graph::Effects;
use crate::core::trace;
use crate::core::trace::Trace;
use crate::core::trace::stage::Stage;
use crate::core::{Eqn, Graph, Tensor, Var};
use crate::error::Result;
use crate::ops::barrier::barrier;
use crate::ops::call::VjpCalls;
use crate::ops::control::kept_in_loops::{self, KeepingLoop};
use crate::ops::name::Name;

/// The two passes of a gradient.
#[derive(Clone)]
pub(super) struct Split<G> {
    /// Returns the outputs and then the kept values.
    pub forward: G,
    /// Takes the arguments that it reads, the kept values, and the cotangents.
    pub backward: G,
    /// Which arguments it reads.
    pub reads: Vec<usize>,
}

/// What of the forward pass is kept, and what is computed again.
struct Plan {
    kept: Vec<Var>,
    again: Vec<Eqn>,
    /// What the backward pass reads of it.
    residuals: Vec<Var>,
    /// What is read of the inputs, of the kept values and of what is computed again.
    needed: FxHashSet<Var>,
}

/// A program whose loops return what a policy keeps of their steps.
struct Keeping {
    graph: Graph,
    /// By equation: what computes the loop again from what it keeps, and that.
    loops: FxHashMap<usize, (Eqn, Vec<Var>)>,
}

impl Keeping {
    fn of(graph: &Graph, policy: &Policy) -> Keeping {
        let mut keeping = Keeping { graph: graph.clone(), loops: FxHashMap::default() };
        for (at, eqn) in graph.eqns.iter().enumerate().filter(|(_, eqn)| !policy.keeps(eqn, graph)) {
            let Some(KeepingLoop { forward, again, kept }) =
                kept_in_loops::keeping(eqn, &|eqn, graph| policy.keeps(eqn, graph))
            else {
                continue;
            };
            let kept: Vec<Var> = kept.into_iter().map(|aval| keeping.graph.add_var(aval)).collect();
            let mut reads = Eqn { primitive: again, ..eqn.clone() };
            reads.args.extend(kept.iter().copied());
            keeping.loops.insert(at, (reads, kept.clone()));
            let makes = &mut keeping.graph.eqns[at];
            makes.primitive = forward;
            makes.outs.extend(kept);
        }
        keeping
    }
}

/// Cuts a gradient by a policy.
///
/// `vjp` has a forward graph that also returns all that its backward graph reads. Here the backward graph computes that itself, from
/// the arguments and from what the policy keeps.
pub(super) fn split(vjp: &VjpCalls, outs: usize, policy: &Policy, is_walled: bool) -> Result<Split<Graph>> {
    let (Keeping { graph: whole, loops }, mut pullback) =
        (Keeping::of(vjp.forward.graph(), policy), vjp.backward.graph().clone());
    let cts = pullback.inputs.split_off(whole.outs.len() - outs);
    // A rule may not read all that it says it does.
    let read: FxHashSet<Var> =
        pullback.eqns.iter().flat_map(|eqn| &eqn.args).chain(&pullback.outs).copied().collect();
    let (inputs, residuals): (Vec<Var>, Vec<Var>) =
        pullback.inputs.iter().zip(&whole.outs[outs..]).filter(|(input, _)| read.contains(input)).unzip();
    pullback.inputs = inputs.into_iter().chain(cts.iter().copied()).collect();
    let plan = plan(&whole, &loops, &residuals, policy);

    let reads: Vec<usize> =
        (0..whole.inputs.len()).filter(|&i| plan.needed.contains(&whole.inputs[i])).collect();
    let inputs: Vec<Var> = reads.iter().map(|&i| whole.inputs[i]).chain(plan.kept.iter().copied()).collect();
    let again = Graph {
        avals: whole.avals.clone(),
        inputs: inputs.clone(),
        consts: whole.consts.clone(),
        eqns: plan.again,
        outs: plan.residuals,
    };
    let stage = Stage::new(trace::current());
    let given: Vec<Tensor> = inputs.iter().map(|&var| stage.input(whole.aval(var))).collect();
    let cts: Vec<Tensor> = cts.iter().map(|&var| stage.input(pullback.aval(var))).collect();
    let backward = trace::run(Trace::Stage(stage.clone()), || {
        // Behind a barrier, or the compiler would find the first computation and keep its values.
        let given = if is_walled { barrier(given)? } else { given };
        let grads = pullback.interpret(again.interpret(given)?.into_iter().chain(cts))?;
        let (graph, captured) = stage.finish(&grads);
        assert!(captured.is_empty(), "a graph holds no traced values");
        Ok::<_, crate::Error>(graph)
    })?;
    let mut forward = whole;
    forward.outs.truncate(outs);
    forward.outs.extend(plan.kept);
    Ok(Split { forward, backward, reads })
}

/// Walks back from what is needed: an equation is computed again unless the policy keeps what it makes.
///
/// What is hard: the value that a backward rule reads may be the one in front of a name, as of a `tanh` whose output is named. It is
/// the same value, so the named one stands in for it, if the policy keeps that. And what an effect would make a second time is kept
/// whatever the policy says.
fn plan(
    graph: &Graph,
    loops: &FxHashMap<usize, (Eqn, Vec<Var>)>,
    residuals: &[Var],
    policy: &Policy,
) -> Plan {
    let mut names: FxHashMap<Var, Var> = FxHashMap::default();
    for eqn in graph.eqns.iter().filter(|eqn| eqn.primitive_as::<Name>().is_some()) {
        if policy.keeps(eqn, graph) {
            names.entry(eqn.args[0]).or_insert(eqn.outs[0]);
        }
    }
    let mut needed: FxHashSet<Var> = residuals.iter().copied().collect();
    let mut renamed: FxHashMap<Var, Var> = FxHashMap::default();
    let (mut kept, mut again) = (FxHashSet::default(), Vec::new());
    for (at, eqn) in graph.eqns.iter().enumerate().rev() {
        let mut outs: Vec<Var> = eqn.outs.iter().copied().filter(|out| needed.contains(out)).collect();
        if policy.keeps(eqn, graph) || eqn.primitive.has_effects() {
            kept.extend(outs);
            continue;
        }
        outs.retain(|out| match names.get(out) {
            Some(&name) => {
                kept.insert(name);
                renamed.insert(*out, name);
                false
            }
            None => true,
        });
        if !outs.is_empty() {
            let (eqn, of_steps) = loops.get(&at).map_or((eqn, &[][..]), |(eqn, kept)| (eqn, kept));
            kept.extend(of_steps);
            needed.extend(&eqn.args);
            again.push(eqn.clone());
        }
    }
    again.reverse();
    let rename = |var: &mut Var| *var = *renamed.get(var).unwrap_or(var);
    again.iter_mut().flat_map(|eqn| &mut eqn.args).for_each(rename);
    let mut residuals = residuals.to_vec();
    residuals.iter_mut().for_each(rename);
    let kept =
        graph.eqns.iter().flat_map(|eqn| &eqn.outs).copied().filter(|out| kept.contains(out)).collect();
    Plan { kept, again, residuals, needed }
}
