//! The passes: over graphs, which stay graphs of primitives, and over schedules.

pub(crate) mod analysis;
mod barriers;
pub(crate) mod by_blocks;
pub(crate) mod by_rows;
mod cse;
mod dce;
mod early_reductions;
pub(crate) mod epilogue;
pub(crate) mod fuse;
pub(crate) mod packed_constants;
pub(crate) mod reduced_products;
mod simplify;
pub(crate) mod sparse_rows;
mod splice;
#[cfg(test)]
mod tests;
pub(crate) mod tile_batch;

use super::schedule::Schedule;
use crate::core::Graph;

impl Graph {
    /// All passes, in order.
    pub(crate) fn optimize(self) -> Graph {
        // Who else reads a value is seen only where equal values are one.
        self.cse().simplify().cse().dce().reduced_products()
    }

    /// What a program runs: few large kernels.
    pub(crate) fn fused(self) -> Schedule {
        self.sparse_rows()
            .by_blocks()
            .part_barriers()
            .tile_batch()
            .fuse()
            .fuse_horizontally()
            .epilogues()
            .start_reductions_early()
    }
}
