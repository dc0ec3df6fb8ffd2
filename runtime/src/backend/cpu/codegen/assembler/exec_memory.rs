//! Memory that the processor may run, and loops in it.
//!
//! It is writable while the code is copied into it, and executable only after that: never both at a time (W^X), so that no
//! fault of the program can change code that runs.

use memmap2::{Mmap, MmapMut};

use super::super::instruction::ArrayId;
use super::frame::{LINE, STEP};

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
    /// Several pieces of code, and where each begins: at cache lines, to which their constants are aligned.
    ///
    /// None where the system lets no program make code of its own.
    pub fn new(pieces: &[&[u8]]) -> Option<(ExecMemory, Vec<usize>)> {
        let mut starts = Vec::with_capacity(pieces.len());
        let end = pieces.iter().fold(0, |end: usize, piece| {
            starts.push(end.next_multiple_of(LINE as usize));
            end.next_multiple_of(LINE as usize) + piece.len()
        });
        let mut map = MmapMut::map_anon(end.max(1)).ok()?;
        for (&start, piece) in starts.iter().zip(pieces) {
            map[start..start + piece.len()].copy_from_slice(piece);
        }
        Some((ExecMemory(map.make_exec().ok()?), starts))
    }
}

/// A loop of a program, instead of many instructions.
pub struct JitLoop {
    /// The arrays that are read and written, besides scalars.
    pub reads: Vec<ArrayId>,
    pub writes: Vec<ArrayId>,
    /// Whether rows matter.
    pub has_rows: bool,
    /// What divides the number of elements of a row, or of all.
    multiple: usize,
    /// Where its code begins among that of its kernel.
    start: usize,
    run: Loop,
}

impl JitLoop {
    /// A loop that has no code yet.
    pub fn new(
        reads: Vec<ArrayId>,
        writes: Vec<ArrayId>,
        has_rows: bool,
        multiple: usize,
        start: usize,
    ) -> JitLoop {
        JitLoop { reads, writes, has_rows, multiple, start, run: not_compiled }
    }

    /// Takes its code from memory where that of its kernel begins at a byte.
    pub fn link(&mut self, memory: &ExecMemory, kernel: usize) {
        let at = kernel + self.start;
        assert!(at < memory.0.len(), "inside the memory");
        // SAFETY: a pointer into the memory is not null, and only `run` calls it.
        self.run = unsafe { std::mem::transmute::<*const u8, Loop>(memory.0.as_ptr().add(at)) };
    }

    /// Computes rows of a tile.
    ///
    /// # Panics
    /// If the elements of a row are no multiple of what they were said to be.
    ///
    /// # Safety
    /// The code is that of this loop, and its memory is there. Each array has the elements of a tile of so many rows, or room for
    /// them, and nobody else writes to it.
    pub unsafe fn run(&self, arrays: &[*mut u8], rows: usize, cols: usize) {
        assert_eq!(cols & (self.multiple - 1), 0, "a loop without code for what is left");
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
        let code = code.finish().0;
        let (memory, starts) = ExecMemory::new(&[&[0xC3], &code]).expect("this system runs what is compiled");
        assert_eq!(starts, [0, 64]);
        let mut one = JitLoop::new(Vec::new(), vec![1], true, 1, start);
        one.link(&memory, starts[1]);
        let mut out = [0u64; 3];
        let arrays = [std::ptr::null_mut(), out.as_mut_ptr().cast()];
        // SAFETY: the code writes three elements to the second array.
        unsafe { one.run(&arrays, 5, 100) };
        assert_eq!(out, [5, 96, 4]);
    }

    #[test]
    #[should_panic(expected = "inside the memory")]
    fn no_loop_begins_outside_of_the_memory() {
        let (memory, _) = ExecMemory::new(&[&[0xC3; 64]]).expect("this system runs what is compiled");
        JitLoop::new(Vec::new(), Vec::new(), false, 1, 60).link(&memory, 4);
    }

    #[test]
    #[should_panic(expected = "a loop without code for what is left")]
    fn rows_of_another_length_than_there_is_code_for_are_refused() {
        let one = JitLoop::new(Vec::new(), Vec::new(), false, 32, 0);
        // SAFETY: it is refused before anything is run.
        unsafe { one.run(&[], 1, 100) };
    }
}
