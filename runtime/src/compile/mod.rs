//! Programs as data: the graph, its passes, and what runs it.
//!
//! `cse → simplify → cse → dce` make a smaller [`Graph`], which transforms work on; `slices → fuse → bundle → epilogues` make one of few large
//! kernels, and a [`Program`] runs it many times. Each pass is a function `Graph → Graph` with a printed form.

mod cse;
mod dce;
mod dot;
mod epilogue;
mod flops;
mod fuse;
mod graph;
#[cfg(test)]
mod pass_tests;
mod plan;
mod print;
mod profile;
mod program;
pub(crate) mod simplify;
mod slices;
#[cfg(test)]
mod tests;

pub use fuse::Fusible;
pub(crate) use graph::Eqn;
pub use graph::{Graph, Var};
pub use profile::{Profile, ProfiledStep};
pub(crate) use program::Program;
pub use simplify::{Known, Operand, Rewrite};

impl Graph {
    /// All passes, in order.
    pub(crate) fn optimize(self) -> Graph {
        // Who else reads a value is seen only where equal values are one.
        self.cse().simplify().cse().dce()
    }

    /// What a program runs: few large kernels.
    pub(crate) fn fused(self) -> Graph {
        self.slices().fuse().bundle().epilogues()
    }
}
