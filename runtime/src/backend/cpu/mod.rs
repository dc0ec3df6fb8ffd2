//! The CPU: passes over graphs, kernels generated for what is left, and the program that runs them.
//!
//! `cse → simplify → cse → dce` make a smaller [`Graph`](crate::core::Graph), which transforms work on; `tile_batch → fuse → horizontal → epilogues` make
//! one of few large kernels, and a [`Program`] runs it many times. Each pass is a function `Graph → Graph` with a printed form.

pub(crate) mod codegen;
pub(crate) mod memory;
pub(crate) mod passes;
mod profile;
pub(crate) mod program;
pub(crate) mod schedule;
#[cfg(test)]
mod tests;

pub(crate) use program::Program;

use std::sync::Arc;

use crate::core::backend::explain;
use crate::core::op::Op;
use crate::core::primitive::Primitive;
use crate::core::{Backend, CompileOptions, CpuRules, Executable, Graph, ProgramText};
use crate::error::Result;
use schedule::Schedule;

/// The CPU, by kernels of this crate and those that it generates.
pub(crate) struct Cpu;

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn decomposes(&self, primitive: &dyn Primitive) -> bool {
        matches!(primitive.op(), Op::Custom) && primitive.cpu().is_none()
    }

    fn simplify(&self, graph: Graph) -> Graph {
        graph.optimize()
    }

    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Arc<dyn Executable>> {
        Ok(Arc::new(Program::new(&scheduled(graph, options))))
    }

    fn list(&self, graph: &Graph, options: CompileOptions) -> Result<ProgramText> {
        Ok(ProgramText::of(&scheduled(graph, options), schedule::Step::name))
    }

    fn explain(&self, graph: &Graph, options: CompileOptions, step: usize) -> Result<String> {
        explain(&scheduled(graph, options), step, schedule::Step::explain)
    }
}

fn scheduled(graph: &Graph, options: CompileOptions) -> Schedule {
    if options.fuse { graph.clone().fused() } else { graph.clone().into() }
}

/// The CPU's half of a primitive that is left after decomposition.
fn rules(primitive: &dyn Primitive) -> &dyn CpuRules {
    match primitive.cpu() {
        Some(rules) => rules,
        None => unreachable!("`{}` has no kernel, and was to decompose", primitive.name()),
    }
}
