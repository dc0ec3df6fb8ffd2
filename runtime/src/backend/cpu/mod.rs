//! The CPU: passes over graphs, kernels generated for what is left, and the program that runs them.
//!
//! `cse → simplify → cse → dce` make a smaller [`Graph`](crate::core::Graph), which transforms work on; `tile_batch → fuse → horizontal → epilogues` make
//! one of few large kernels, and a [`Program`] runs it many times. Each pass is a function `Graph → Graph` with a printed form.

pub(crate) mod codegen;
pub(crate) mod memory;
pub(crate) mod passes;
mod profile;
pub(crate) mod program;
#[cfg(test)]
mod tests;

pub(crate) use program::Program;

use crate::core::CpuRules;
use crate::core::primitive::Primitive;

/// The CPU's half of a primitive that is left after decomposition.
fn rules(primitive: &dyn Primitive) -> &dyn CpuRules {
    match primitive.cpu() {
        Some(rules) => rules,
        None => unreachable!("`{}` has no kernel, and was to decompose", primitive.name()),
    }
}
