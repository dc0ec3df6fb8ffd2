//! The passes over a graph.

mod cse;
mod dce;
pub(crate) mod epilogue;
pub(crate) mod fuse;
mod simplify;
#[cfg(test)]
mod tests;
pub(crate) mod tile_batch;

use crate::core::Graph;

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
