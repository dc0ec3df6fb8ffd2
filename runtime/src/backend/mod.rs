//! What runs graphs.

pub(crate) mod cpu;
pub(crate) mod device;
#[cfg(feature = "pjrt")]
pub(crate) mod pjrt;
pub(crate) mod stablehlo;

use std::path::Path;

use crate::core::CompileOptions;
use crate::error::Result;
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

/// Keeps the machine code of compiled functions in a folder from now on, for the next process to run.
///
/// It is off by default. The variable `FLAXEN_CACHE_DIR` names a folder as well, for programs that do not call this function. What was
/// compiled before stays as it is.
///
/// A function is traced in every process, as its text is not known to a program; what is stored are the kernels that it becomes: a
/// file for each program, which is found by what its kernels compute, by the instruction sets of the processor, and by the version and
/// sources of this crate. A file that is cut off or damaged is replaced; [`JitStats`](crate::JitStats) counts how often. Files are
/// never removed, and may be at any time.
///
/// A digest tells damage, not malice: **whoever may write to the folder decides what this process runs**, as with its executable. So
/// a folder is made for its user alone (mode 0700), and one that belongs to somebody else, or that others may write to, is refused; such
/// a file is as good as a damaged one.
///
/// ```
/// use flaxen::prelude::*;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("flaxen");
/// flaxen::compilation_cache(&folder)?;
/// let f = jit(|x: Tensor| Ok((x * 2.0 + 1.0).relu()));
/// f.call(Tensor::ones([1000]))?;
/// assert!(f.stats().disk_misses <= 1 && f.stats().disk_hits == 0);
/// flaxen::no_compilation_cache();
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// It is what JAX calls `jax_compilation_cache_dir`, where whole executables are stored.
///
/// # Errors
/// If the folder cannot be made or written to, belongs to another user, or others may write to it.
pub fn compilation_cache(folder: impl AsRef<Path>) -> Result<()> {
    cpu::code_cache::set(folder.as_ref())
}

/// Stores and reads no machine code any more, whatever folder [`compilation_cache`] or `FLAXEN_CACHE_DIR` has named.
pub fn no_compilation_cache() {
    cpu::code_cache::turn_off();
}
