//! Activity analysis: which values depend on which inputs through numbers that have gradients (Griewank and Walther, *Evaluating
//! Derivatives*, 2008, chapter 6).

use crate::core::op::Op;
use crate::core::{Graph, Var};

/// By variable: whether it is a float that depends on an active input through floats.
pub(super) fn active(graph: &Graph, inputs: &[bool]) -> Vec<bool> {
    let mut active = vec![false; graph.avals.len()];
    for (var, &is_active) in graph.inputs.iter().zip(inputs) {
        active[var.index()] = is_active && has_gradient(graph, *var);
    }
    for eqn in &graph.eqns {
        let stops = matches!(eqn.primitive.op(), Op::StopGradient);
        if !stops && eqn.args.iter().any(|arg| active[arg.index()]) {
            eqn.outs.iter().for_each(|&out| active[out.index()] = has_gradient(graph, out));
        }
    }
    active
}

/// Which inputs of the body of a loop are active, where those of the carry become so by what an earlier step made of them: the least
/// fixed point, which is found after as many rounds as there are carries, at most.
pub(super) fn active_in_loop(body: &Graph, mut inputs: Vec<bool>, consts: usize, carry: usize) -> Vec<bool> {
    loop {
        let found = active(body, &inputs);
        let mut changed = false;
        for i in 0..carry {
            if found[body.outs[i].index()] && !inputs[consts + i] {
                (inputs[consts + i], changed) = (true, true);
            }
        }
        if !changed {
            // An active input that has no gradients is none.
            return inputs
                .iter()
                .zip(&body.inputs)
                .map(|(&on, &var)| on && has_gradient(body, var))
                .collect();
        }
    }
}

fn has_gradient(graph: &Graph, var: Var) -> bool {
    graph.aval(var).dtype.is_inexact()
}
