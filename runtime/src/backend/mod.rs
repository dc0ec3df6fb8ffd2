//! What runs graphs.

pub(crate) mod cpu;
pub(crate) mod stablehlo;

use crate::core::CompileOptions;
use crate::ops::call::Target;

/// What functions are compiled by, unless told otherwise.
pub(crate) const CPU: Target = Target { backend: &cpu::Cpu, options: CompileOptions { fuse: true } };

/// Frees the memory that waits to be used again, but for a little that other threads keep for themselves, and forgets the programs of
/// loops that ran outside of [`jit`](crate::jit()), which are kept for when they run again.
pub fn release_memory() {
    // First, because the memory of their intermediate values goes back to the pool.
    crate::ops::remembered::forget();
    crate::array::release();
}
