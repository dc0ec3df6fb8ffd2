//! Staging what may depend on inputs without values, and computing what does not.

use crate::core::Graph;
use crate::core::Tensor;
use crate::core::tensor::Repr;
use crate::core::trace;
use crate::core::trace::stage::Stage;
use crate::core::trace::{Trace, Traced};
use crate::error::{Error, Result};

/// The tensors, or the indices of those that depend on the elements of an abstract value.
pub(crate) type Computed = Result<Vec<Tensor>, Vec<usize>>;

/// Runs `f` with abstract values as inputs, then computes the tensors it returned.
pub(crate) fn stage_lazily<T>(f: impl FnOnce() -> Result<(T, Vec<Tensor>)>) -> Result<(T, Computed)> {
    let stage = Stage::lazy(trace::current());
    let (out, graph, captured) = trace::run(Trace::Stage(stage.clone()), || {
        let (out, tensors) = f()?;
        let (graph, captured) = stage.finish(&tensors);
        Ok::<_, Error>((out, graph, captured))
    })?;
    let dependent = dependent_variables(&graph, &captured);
    let outs: Vec<usize> =
        (0..graph.outs.len()).filter(|&index| dependent[graph.outs[index].index()]).collect();
    if !outs.is_empty() {
        return Ok((out, Err(outs)));
    }
    // What prints an abstract value has nothing to print.
    let gone: Vec<bool> =
        graph.eqns.iter().map(|eqn| eqn.args.iter().any(|arg| dependent[arg.index()])).collect();
    let tensors = graph.without(&gone).dce().interpret(captured)?;
    Ok((out, Ok(tensors)))
}

/// By variable: whether it depends on the elements of an abstract value.
fn dependent_variables(graph: &Graph, captured: &[Tensor]) -> Vec<bool> {
    let mut dependent = vec![false; graph.avals.len()];
    for (var, tensor) in graph.inputs.iter().zip(captured) {
        dependent[var.index()] =
            matches!(&tensor.repr, Repr::Traced(traced) if matches!(**traced, Traced::Abstract { .. }));
    }
    for eqn in &graph.eqns {
        let any = eqn.args.iter().any(|arg| dependent[arg.index()]);
        eqn.outs.iter().for_each(|out| dependent[out.index()] = any);
    }
    dependent
}
