//! Programs as data: the graph, its passes, and what runs it.
//!
//! `simplify → cse → dce` make a smaller [`Graph`]; a [`Program`] runs it many times. Each pass is a function
//! `Graph → Graph` with a printed form.

mod cse;
mod dce;
mod flops;
mod graph;
mod print;
mod program;
pub(crate) mod simplify;

pub(crate) use graph::Eqn;
pub use graph::{Graph, Var};
pub(crate) use program::Program;
pub use simplify::{Known, Operand, Rewrite};

impl Graph {
    /// All passes, in order.
    pub(crate) fn optimize(self) -> Graph {
        self.simplify().cse().dce()
    }
}
