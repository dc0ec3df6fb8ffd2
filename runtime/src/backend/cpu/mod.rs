//! The CPU: from a closure to machine code.
//!
//! | level | what it is | made by | printed by |
//! |---|---|---|---|
//! | trace | the closure runs once on values without elements, and each operation is recorded | `core::trace::stage` | |
//! | [`Graph`] | equations over variables, in single-assignment form | `Stage::finish` | `Jit::graph` |
//! | smaller graph | equal equations are one, algebra is done, what nobody reads is gone | `cse → simplify → cse → dce → reduced_products` | `Jit::graph` |
//! | [`Schedule`] | the same variables, and few large steps | `by_blocks → part_barriers → tile_batch → fuse → fuse_horizontally → epilogues → start_reductions_early` | `Jit::program` |
//! | kernel spec | what a fused step computes of each element of its iteration space | `fuse::fusion` | `Display` |
//! | tile program | instructions over slots of a tile that stays in L1 | `codegen::plan` | `Display` |
//! | vector IR | operations on virtual vector registers, a block each for the body and its ends | `codegen::assembler::lower` | `Display` |
//! | registers | the same on those that there are, with spills | `codegen::assembler::regalloc` | with the assembly |
//! | machine code | bytes in executable memory | `codegen::isa` | disassembly |
//! | [`Program`] | commands in order, and an arena with a slot for every value between kernels | `memory`, `program` | `Display` |
//!
//! **Graphs** are what transforms work on: `grad` and `vmap` interpret them again, under a tape or over a batch. They hold primitives
//! only, and what a backend needs to know of one is its [`Op`]. The first passes are here as far as their rules are the CPU's
//! ([`CpuRules::simplify`]). A product that is only scaled, squared and summed is [not made](passes::reduced_products): its
//! operands give the sums.
//!
//! **Schedules** are the CPU's own. Matrices that are only passed through, as those of attention over many places, are made and used
//! [block by block](passes::by_blocks) in loops; [`tile_batch`](passes::tile_batch) runs chains for a few examples at a time; fusion gathers
//! element-wise functions and reductions (greedily, in the order of the equations, as long as no group waits for itself), which read
//! [slices](passes::fuse) where they lie and write what is concatenated where it belongs;
//! [horizontal fusion](passes::fuse) joins alike kernels over small arrays; [epilogues](passes::epilogue) let products hand their
//! tiles on; [reductions between ranks](passes::early_reductions) start as soon as their values are there. What is left as a primitive runs by its kernel: specialised to its shapes, if it has one for plain memory, else
//! as an operation on arrays.
//!
//! **Code generation** turns a kernel spec into a loop over tiles. Where the processor is one whose instructions it knows, the
//! tile's program becomes machine code; elsewhere, and for operations that it does not know, an interpreter calls one
//! vectorised loop for each instruction. Both round alike, so results have the same bits.
//!
//! **The cache on disk** ([`code_cache`]), where one is named, keeps machine code for the next process.
//!
//! **Memory** is planned once: the lifetime of a value between kernels is an interval of steps, and intervals that do not
//! overlap share a slot. A call allocates what it returns, and nothing else.
//!
//! **Control flow** is a step that runs programs of its own, which are compiled along with the one around them: a loop's body reads slices
//! where they are in their arrays, writes slices of results where they belong, and hands its carry to the next step; what a step
//! is done with the next one writes into, so that a loop that goes allocates nothing. Where rows of a batch
//! [go their own ways](passes::by_rows), shares of them are loops that threads run without meeting in between; weights that all steps
//! would transpose are [packed](passes::packed_constants) before the first one.
//!
//! A new pass is a function from schedule to schedule beside the others, with its text in `passes.txt`; a new primitive that
//! is a function of elements needs no word here.

pub(crate) mod code_cache;
pub(crate) mod codegen;
mod control;
mod looping;
pub(crate) mod memory;
pub(crate) mod passes;
mod profile;
pub(crate) mod program;
pub(crate) mod schedule;
mod spares;
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
    fn platform(&self) -> &'static str {
        "cpu"
    }

    fn decomposes(&self, primitive: &dyn Primitive) -> bool {
        matches!(primitive.op(), Op::Custom) && primitive.cpu().is_none()
    }

    fn simplify(&self, graph: Graph) -> Graph {
        graph.optimize()
    }

    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Arc<dyn Executable>> {
        let mut program = Program::new(&scheduled(graph, options));
        program.compile_kernels();
        Ok(Arc::new(program))
    }

    fn list(&self, graph: &Graph, options: CompileOptions) -> Result<ProgramText> {
        Ok(ProgramText::of(&scheduled(graph, options), schedule::Step::name))
    }

    fn explain(&self, graph: &Graph, options: CompileOptions, step: usize) -> Result<String> {
        explain(&scheduled(graph, options), step, schedule::Step::explain)
    }
}

fn scheduled(graph: &Graph, options: CompileOptions) -> Schedule {
    if options.fuse { graph.clone().fused() } else { graph.clone().part_barriers().into() }
}

/// The CPU's half of a primitive that is left after decomposition.
fn rules(primitive: &dyn Primitive) -> &dyn CpuRules {
    match primitive.cpu() {
        Some(rules) => rules,
        None => unreachable!("`{}` has no kernel, and was to decompose", primitive.name()),
    }
}
