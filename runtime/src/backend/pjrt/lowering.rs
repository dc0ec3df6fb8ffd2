//! Graphs as programs of a device: what is part of their text, and what is given to them beside their arguments.

use std::sync::Arc;

use super::client::PjrtDevice;
use super::program::Signature;
use crate::array::Array;
use crate::backend::stablehlo::{Argument, Lowering, lower};
use crate::core::primitive::Primitive;
use crate::core::{Backend, CompileOptions, Executable, Graph};
use crate::error::Result;

/// Constants of more bytes are given to the program rather than written down in its text, which would take longer to read than to copy
/// them.
const IN_TEXT: usize = 256;

impl Backend for PjrtDevice {
    fn platform(&self) -> &str {
        self.name()
    }

    /// What has no text of its own is decomposed where the text is written.
    fn decomposes(&self, _primitive: &dyn Primitive) -> bool {
        false
    }

    fn takes(&self, array: &Array) -> bool {
        array.is_on_host() || self.has(array)
    }

    fn compile(&self, graph: &Graph, _options: CompileOptions) -> Result<Arc<dyn Executable>> {
        let (graph, constants) = with_constants_as_inputs(graph.clone());
        let inputs = graph.inputs.len() - constants.len();
        let donated = may_be_overwritten(&graph, inputs);
        let argument = |&donated: &bool| Argument { donated, ..Argument::default() };
        let arguments = donated.iter().map(argument).collect();
        let text = lower(&graph, &Lowering { arguments, locations: true, ..Lowering::default() })?;
        let outs = graph.outs.iter().map(|&var| graph.aval(var).clone()).collect();
        self.leaked().compile_text(&text, Signature { donated, constants, outs })
    }
}

/// Makes large constants inputs, behind all others.
fn with_constants_as_inputs(mut graph: Graph) -> (Graph, Vec<Array>) {
    let consts = std::mem::take(&mut graph.consts);
    let (large, small) = consts.into_iter().partition(|(_, array)| array.aval().bytes() > IN_TEXT);
    graph.consts = small;
    let large: Vec<_> = large;
    graph.inputs.extend(large.iter().map(|(var, _)| *var));
    (graph, large.into_iter().map(|(_, array)| array).collect())
}

/// Which of the first inputs a result could be written into: for each result the first of its shape and dtype that is left, as XLA does
/// with what JAX donates. Whether one really is given away is decided anew at each call.
fn may_be_overwritten(graph: &Graph, inputs: usize) -> Vec<bool> {
    let mut donated = vec![false; inputs];
    for &out in &graph.outs {
        let aval = graph.aval(out);
        let is_like = |&i: &usize| {
            let input = graph.aval(graph.inputs[i]);
            !donated[i] && input.dtype == aval.dtype && input.shape == aval.shape
        };
        if let Some(i) = (0..inputs).find(is_like) {
            donated[i] = true;
        }
    }
    donated
}
