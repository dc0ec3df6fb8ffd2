//! The tiles of a program, and which of them, or which elements, a piece of a run has.

use std::ops::Range;

use smallvec::SmallVec;

use super::tile_program::{LINE, Part, TileProgram};
use crate::backend::cpu::codegen::spec::Access;
use crate::kernels::simd;

/// Which elements a piece has.
pub(super) enum Span<'a> {
    /// Whole tiles.
    Tiles(Range<usize>),
    /// Elements of the only array, one input of which is found elsewhere.
    Elements(Range<usize>, &'a Held),
}

/// A piece of an input, to be overwritten with the same piece of a result.
pub(super) struct Held {
    pub input: usize,
    pub result: usize,
    /// The element at `at`.
    pub first: usize,
    pub at: *mut u8,
    /// What all pieces of a run have in common.
    pub run: u64,
}

impl Held {
    /// # Safety
    /// The element is one of the piece.
    pub unsafe fn element(&self, element: usize, width: usize) -> *mut u8 {
        // SAFETY: the caller vouches for it.
        unsafe { self.at.add((element - self.first) * width) }
    }
}

/// What is prefetched while a tile is computed: the elements behind it, some before each instruction.
///
/// Arrays are read one after another, each for too short a time for the processor to foresee what comes; and it waits if
/// many lines are prefetched at once.
pub(super) struct Prefetch {
    /// What is left of each input, and its bytes.
    inputs: SmallVec<[(*const u8, usize); 8]>,
    /// Bytes before each instruction.
    step: usize,
}

impl Prefetch {
    pub fn new(
        program: &TileProgram,
        pointers: &[*const u8],
        part: usize,
        tile: &Tile,
        held: Option<usize>,
    ) -> Prefetch {
        let mut inputs = SmallVec::new();
        // Compiled loops do so by themselves.
        if !program.is_large || program.code.is_some() {
            return Prefetch { inputs, step: 0 };
        }
        let behind = tile.first + tile.count;
        let count = tile.count.min(program.parts[part].size - behind);
        let mut bytes = 0;
        for (i, input) in program.inputs.iter().enumerate() {
            if matches!(input.access, Access::Full) && held != Some(i) {
                let start = pointers[part * program.inputs.len() + i];
                inputs.push((start.wrapping_add(behind * input.width), count * input.width));
                bytes += count * input.width;
            }
        }
        Prefetch { inputs, step: bytes.div_ceil(program.body.len().max(1)).next_multiple_of(LINE) }
    }

    #[inline]
    pub fn step(&mut self) {
        let mut left = self.step;
        while let Some((start, bytes)) = self.inputs.last_mut().filter(|_| left > 0) {
            let now = left.min(*bytes);
            for line in (0..now).step_by(LINE) {
                simd::prefetch(start.wrapping_add(line));
            }
            *start = start.wrapping_add(now);
            *bytes -= now;
            left -= now;
            if *bytes == 0 {
                self.inputs.pop();
            }
        }
    }
}

/// Which elements a tile has.
pub(super) struct Tile {
    /// Its number, where it is one of those that the program counts.
    pub index: usize,
    pub first: usize,
    pub count: usize,
    pub row: usize,
    pub rows: usize,
    /// Of its first element, where it is a part of a row.
    pub column: usize,
}

impl TileProgram {
    pub fn tiles(&self) -> usize {
        self.parts.last().map_or(0, |part| part.first_tile + self.tiles_of(part))
    }

    fn tiles_of(&self, part: &Part) -> usize {
        match (part.size, self.tile_rows) {
            (0, _) => 0,
            (size, 0) => size / part.cols * part.cols.div_ceil(self.tile),
            (size, rows) => (size / part.cols).div_ceil(rows),
        }
    }

    /// The tile of a span that follows another one, and the array it is of.
    pub fn next(&self, span: &Span<'_>, part: usize, last: Option<&Tile>) -> Option<(usize, Tile)> {
        match span {
            Span::Tiles(tiles) => {
                let index = last.map_or(tiles.start, |tile| tile.index + 1);
                if index >= tiles.end {
                    return None;
                }
                let mut part = part;
                while self.parts.get(part + 1).is_some_and(|next| next.first_tile <= index) {
                    part += 1;
                }
                Some((part, self.tile_at(&self.parts[part], index)))
            }
            Span::Elements(elements, _) => {
                let first = last.map_or(elements.start, |tile| tile.first + tile.count);
                let left = elements.end - first;
                let (row, column) = (first / self.cols, first % self.cols);
                if left == 0 {
                    return None;
                }
                if self.tile_rows > 0 && column == 0 && left >= self.cols {
                    let rows = self.tile_rows.min(left / self.cols);
                    return Some((0, Tile { index: 0, first, count: rows * self.cols, row, rows, column }));
                }
                let count = self.tile.min(self.cols - column).min(left);
                Some((0, Tile { index: 0, first, count, row, rows: 1, column }))
            }
        }
    }

    fn tile_at(&self, part: &Part, index: usize) -> Tile {
        let in_part = index - part.first_tile;
        if self.tile_rows == 0 {
            let in_row = part.cols.div_ceil(self.tile);
            let (row, column) = (in_part / in_row, in_part % in_row * self.tile);
            let count = self.tile.min(part.cols - column);
            return Tile { index, first: row * part.cols + column, count, row, rows: 1, column };
        }
        let row = in_part * self.tile_rows;
        let rows = self.tile_rows.min(part.size / part.cols - row);
        Tile { index, first: row * part.cols, count: rows * part.cols, row, rows, column: 0 }
    }

    /// Elements of the largest tile there is.
    pub fn largest(&self) -> usize {
        self.tile.min(self.size)
    }
}
