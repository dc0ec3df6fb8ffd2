//! Memory that the processor may run.
//!
//! It is writable while the code is copied into it, and executable only after that: never both at a time (W^X), so that no
//! fault of the program can change code that runs.

use memmap2::{Mmap, MmapMut};

/// A compiled loop: it is given the place of each value, the number of rows, the elements of a row that fill whole steps, and
/// how many are left.
pub type Loop = unsafe extern "sysv64" fn(places: *const *mut u8, rows: usize, cols: usize, rest: usize);

/// Instructions, which nobody can write to any more.
pub struct ExecMemory(Mmap);

impl ExecMemory {
    /// None where the system lets no program make code of its own.
    pub fn new(bytes: &[u8]) -> Option<ExecMemory> {
        let mut map = MmapMut::map_anon(bytes.len()).ok()?;
        map.copy_from_slice(bytes);
        Some(ExecMemory(map.make_exec().ok()?))
    }

    /// The loop that begins at a byte.
    ///
    /// # Safety
    /// A function with this signature begins there.
    pub unsafe fn entry(&self, at: usize) -> Loop {
        assert!(at < self.0.len(), "inside the memory");
        // SAFETY: the caller vouches for the function; the memory stays where it is.
        unsafe { std::mem::transmute::<*const u8, Loop>(self.0.as_ptr().add(at)) }
    }
}
