//! Memory that the processor may run, and loops in it.
//!
//! It is writable while the code is copied into it, and executable only after that: never both at a time (W^X), so that no
//! fault of the program can change code that runs.

use memmap2::{Mmap, MmapMut};

use super::super::instruction::ArrayId;
use super::frame::STEP;

/// A compiled loop: it is given a pointer to each array, the number of rows, the elements of a row that fill whole steps, and
/// how many are left.
type Loop = unsafe extern "sysv64" fn(arrays: *const *mut u8, rows: usize, cols: usize, rest: usize);

/// Stands for a loop until there is memory with its code.
unsafe extern "sysv64" fn not_compiled(_: *const *mut u8, _: usize, _: usize, _: usize) {
    unreachable!("a program without code is not run");
}

/// Instructions, which nobody can write to any more.
pub struct ExecMemory(Mmap);

impl ExecMemory {
    /// None where the system lets no program make code of its own.
    pub fn new(bytes: &[u8]) -> Option<ExecMemory> {
        let mut map = MmapMut::map_anon(bytes.len()).ok()?;
        map.copy_from_slice(bytes);
        Some(ExecMemory(map.make_exec().ok()?))
    }
}

/// A loop of a program, instead of many instructions.
pub struct JitLoop {
    /// The arrays that are read and written, besides scalars.
    pub reads: Vec<ArrayId>,
    pub writes: Vec<ArrayId>,
    /// Whether rows matter.
    pub has_rows: bool,
    run: Loop,
}

impl JitLoop {
    /// A loop that has no code yet.
    pub fn new(reads: Vec<ArrayId>, writes: Vec<ArrayId>, has_rows: bool) -> JitLoop {
        JitLoop { reads, writes, has_rows, run: not_compiled }
    }

    /// Takes the code that begins at a byte.
    pub fn link(&mut self, memory: &ExecMemory, at: usize) {
        assert!(at < memory.0.len(), "inside the memory");
        // SAFETY: a pointer into the memory is not null, and only `run` calls it.
        self.run = unsafe { std::mem::transmute::<*const u8, Loop>(memory.0.as_ptr().add(at)) };
    }

    /// Computes rows of a tile.
    ///
    /// # Safety
    /// The code is that of this loop, and its memory is there. Each array has the elements of a tile of so many rows, or room for
    /// them, and nobody else writes to it.
    pub unsafe fn run(&self, arrays: &[*mut u8], rows: usize, cols: usize) {
        let rest = cols % STEP;
        // SAFETY: the loop reads and writes `rows` times `cols` elements of its arrays, or one for each row.
        unsafe { (self.run)(arrays.as_ptr(), rows, cols - rest, rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::codegen::isa::x86::{Assembler, RAX, RCX, RDI, RDX, RSI};

    #[test]
    fn code_runs_with_the_arguments_that_it_is_given() {
        let mut code = Assembler::default();
        code.leave();
        let start = code.position();
        // The rows and columns, and what is left, to the second array.
        code.load(RAX, RDI, 8);
        for (at, register) in [(0, RSI), (8, RDX), (16, RCX)] {
            code.store(register, RAX, at);
        }
        code.leave();
        let memory = ExecMemory::new(&code.finish().0).expect("this system runs what is compiled");
        let mut one = JitLoop::new(Vec::new(), vec![1], true);
        one.link(&memory, start);
        let mut out = [0u64; 3];
        let arrays = [std::ptr::null_mut(), out.as_mut_ptr().cast()];
        // SAFETY: the code writes three elements to the second array.
        unsafe { one.run(&arrays, 5, 100) };
        assert_eq!(out, [5, 96, 4]);
    }

    #[test]
    #[should_panic(expected = "inside the memory")]
    fn no_loop_begins_outside_of_the_memory() {
        let memory = ExecMemory::new(&[0xC3; 64]).expect("this system runs what is compiled");
        JitLoop::new(Vec::new(), Vec::new(), false).link(&memory, 64);
    }
}
