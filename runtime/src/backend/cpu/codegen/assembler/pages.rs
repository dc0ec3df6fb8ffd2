//! Memory that the processor may run.

use memmap2::{Mmap, MmapMut};

/// A loop that was assembled: it is given the place of each value, the number of rows, the elements of a row that fill whole
/// vectors, and a bit for each of those that are left.
pub type Loop = unsafe extern "sysv64" fn(places: *const *mut u8, rows: usize, cols: usize, rest: usize);

/// Instructions, which nobody can write to any more.
pub struct Pages(Mmap);

impl Pages {
    /// None where the system lets no program make code of its own.
    pub fn new(bytes: &[u8]) -> Option<Pages> {
        let mut map = MmapMut::map_anon(bytes.len()).ok()?;
        map.copy_from_slice(bytes);
        Some(Pages(map.make_exec().ok()?))
    }

    /// The loop that begins at a byte.
    ///
    /// # Safety
    /// A function with this signature begins there.
    pub unsafe fn entry(&self, at: usize) -> Loop {
        assert!(at < self.0.len(), "inside the pages");
        // SAFETY: the caller vouches for the function; pages stay where they are.
        unsafe { std::mem::transmute::<*const u8, Loop>(self.0.as_ptr().add(at)) }
    }
}
