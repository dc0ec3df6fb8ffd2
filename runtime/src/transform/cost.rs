//! What a function costs, from its graph.

use std::ops::Range;

use super::stage::{avals, stage};
use super::vjp;
use crate::core::Graph;
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Structure, Tree};

/// The graph of a function, as it was written.
pub(crate) fn graph_of<I: Tree, O: Tree>(f: impl FnOnce(I) -> Result<O>, args: &I) -> Result<Graph> {
    Ok(stage(&Structure::of(args), &avals(args), f)?.graph)
}

/// The floating-point operations of some equations together with their gradient, with respect to all that they read.
pub(crate) fn vjp_flops(graph: &Graph, equations: Range<usize>) -> Result<u64> {
    let part = graph.part(equations);
    let is_float = |tensor: &&Tensor| tensor.dtype().is_inexact();
    let inputs: Vec<Tensor> =
        part.inputs.iter().map(|&var| Tensor::abstract_value(part.aval(var).clone())).collect();
    let both = graph_of(
        |inputs: Vec<Tensor>| {
            let (floats, others): (Vec<Tensor>, Vec<Tensor>) =
                inputs.iter().cloned().partition(|input| is_float(&input));
            let run = |floats: &Vec<Tensor>| {
                let (mut floats, mut others) = (floats.iter(), others.iter());
                let next = |input: &Tensor| if is_float(&input) { floats.next() } else { others.next() };
                let args: Vec<Tensor> = inputs.iter().filter_map(next).cloned().collect();
                Ok(part.interpret(args)?.into_iter().filter(|out| is_float(&out)).collect::<Vec<_>>())
            };
            let (outs, pullback) = vjp(run, &floats)?;
            let gradients = pullback(&outs)?;
            Ok((outs, gradients))
        },
        &inputs,
    )?;
    let both = both.dce();
    Ok(both.flops(0..both.len()))
}
