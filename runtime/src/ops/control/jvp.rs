//! Forward mode of a graph: the transpose of its pullback, as for functions.

use crate::core::trace::stage::Stage;
use crate::core::trace::tape::Tape;
use crate::core::trace::{self, Trace};
use crate::core::{Graph, Tensor};
use crate::error::Result;
use crate::ops::call::strong;
use crate::ops::forward::tangents_of;
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

        let results: Vec<_> = values.iter().map(|value| strong(value.aval())).zip(ids).collect();
        let found = tangents_of(backward, &results, &tangents.iter().collect::<Vec<_>>())?;
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
