//! Forward mode of a graph: the transpose of its pullback, as for functions.

use crate::core::trace::stage::Stage;
use crate::core::trace::tape::Tape;
use crate::core::trace::{self, Trace};
use crate::core::{Graph, Tensor};
use crate::error::Result;
use crate::ops::call::strong;
use crate::ops::{convert, zeros_of};

/// The graph of outputs and their tangents: its inputs are those of `graph` and the tangents of the active ones, its outputs those of
/// `graph` and the tangents of those in `outs`.
pub(super) fn jvp(graph: &Graph, active: &[bool], outs: &[bool]) -> Result<Graph> {
    let stage = Stage::new(trace::current());
    trace::run(Trace::Stage(stage.clone()), || {
        let inputs: Vec<Tensor> = graph.inputs.iter().map(|&var| stage.input(graph.aval(var))).collect();
        let is_active = || graph.inputs.iter().zip(active).filter(|(_, active)| **active);
        let tangents: Vec<Tensor> =
            is_active().map(|(&var, _)| stage.input(&strong(graph.aval(var)))).collect();

        let tape = Tape::new(trace::current());
        let watched: Vec<Tensor> = inputs
            .into_iter()
            .zip(active)
            .map(|(input, &active)| if active { tape.watch(input) } else { input })
            .collect();
        let made = trace::run(Trace::Tape(tape.clone()), || graph.interpret(watched))?;
        let (mut values, ids): (Vec<Tensor>, Vec<Option<usize>>) =
            made.into_iter().map(|out| tape.open(out)).unzip();
        let backward = tape.finish();

        // The pullback is linear, so the point at which it is transposed does not matter.
        let transposed = Tape::new(trace::current());
        let zeros = values.iter().map(|value| zeros_of(&strong(value.aval()))).collect::<Result<Vec<_>>>()?;
        let cts: Vec<Tensor> = zeros.into_iter().map(|zero| transposed.watch(zero)).collect();
        let grads = trace::run(Trace::Tape(transposed.clone()), || {
            let seeds = ids.iter().zip(&cts).filter_map(|(id, ct)| Some(((*id)?, ct.clone())));
            backward.run_once(seeds.collect(), tangents.len())
        })?;
        let mut seeds = Vec::new();
        for (grad, tangent) in grads.into_iter().zip(&tangents) {
            let Some(grad) = grad else { continue };
            let dtype = grad.dtype();
            if let (_, Some(id)) = transposed.open(grad) {
                seeds.push((id, convert(tangent, dtype, false)?));
            }
        }
        let found = transposed.finish().run_once(seeds, values.len())?;
        let wanted = found.into_iter().zip(&graph.outs).zip(outs).filter(|(_, wanted)| **wanted);
        let tangents = wanted.map(|((tangent, &var), _)| match tangent {
            Some(tangent) => convert(&tangent, graph.aval(var).dtype, false),
            None => zeros_of(&strong(graph.aval(var))),
        });
        let tangents = tangents.collect::<Result<Vec<_>>>()?;
        values.extend(tangents);
        let (graph, captured) = stage.finish(&values);
        assert!(captured.is_empty(), "a graph holds no traced values");
        Ok(graph)
    })
}
