//! Runs the instructions of a plan over all tiles.

use std::cell::Cell;
use std::ops::Range;

use smallvec::SmallVec;

use super::loops::{read, wide, write};
use super::plan::{Action, Input, Plan, Prologue};
use super::recipe::{Access, Extent, Recipe};
use crate::kernels::simd::Kernel;
use crate::kernels::threads;
use crate::tensor::pool::Buffer;

/// A fused kernel, ready to run.
pub(crate) struct Fused {
    plan: Plan,
}

/// Where an input's numbers are.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    /// In the memory of this result, which [`Fused::in_place`] has paired with it.
    Result(usize),
}

/// Pointers to inputs, results and accumulators.
struct Memory {
    inputs: SmallVec<[*const u8; 16]>,
    outs: SmallVec<[*mut u8; 8]>,
}

// SAFETY: inputs are only read, tiles of results are disjoint, and each piece has accumulators of its own.
unsafe impl Sync for Memory {}

/// Accumulators of all pieces.
struct Partial(*mut u8);

// SAFETY: each piece has accumulators of its own.
unsafe impl Sync for Partial {}

/// The least number of elements, as a power of two, that a piece of a reduction has.
const PIECE_BITS: u32 = 15;
/// Rows of a tile that are summed by themselves.
const MANY_ROWS: usize = 8;
/// Tiles whose sums are added up before they are added to the sums of others.
const RECENT: usize = 32;
/// The most pieces that a reduction is cut into.
const MOST_PIECES: usize = 64;

thread_local! {
    /// Slots, kept between runs.
    static SCRATCH: Cell<Option<Buffer>> = const { Cell::new(None) };
}

impl Fused {
    pub(crate) fn new(recipe: Recipe) -> Fused {
        Fused { plan: Plan::new(recipe) }
    }

    /// Which input's memory each result may be written to.
    pub(crate) fn in_place(&self) -> &[Option<usize>] {
        &self.plan.in_place
    }

    /// Computes all results.
    ///
    /// # Panics
    /// If inputs or results differ in number or size from those of the recipe, or a result is said to hold an input that
    /// it was not paired with.
    pub(crate) fn run(&self, inputs: &[Source<'_>], outs: &mut [&mut [u8]]) {
        let plan = &self.plan;
        assert!(inputs.len() == plan.inputs.len() && outs.len() == plan.outs.len(), "number of arrays");
        for (out, described) in outs.iter().zip(&plan.outs) {
            assert_eq!(out.len(), described.count * described.width, "bytes of a result");
        }
        let outs: SmallVec<[*mut u8; 8]> = outs.iter_mut().map(|out| out.as_mut_ptr()).collect();
        let pointer = |(i, source): (usize, &Source<'_>)| match *source {
            Source::Bytes(bytes) => {
                assert!(bytes.len() >= plan.inputs[i].count * plan.inputs[i].width, "bytes of an input");
                bytes.as_ptr()
            }
            Source::Result(out) => {
                assert_eq!(plan.in_place[out], Some(i), "a result is paired with one input");
                outs[out].cast_const()
            }
        };
        let memory = Memory { inputs: inputs.iter().enumerate().map(pointer).collect(), outs };
        self.tiles(&memory);
    }

    fn tiles(&self, memory: &Memory) {
        let plan = &self.plan;
        let tiles = plan.tiles();
        let work = plan.size * plan.work;
        if plan.roots.is_empty() {
            // Whether there are threads at all takes longer to find out than a small kernel takes.
            let threads = if work < threads::THRESHOLD { 1 } else { rayon::current_num_threads() };
            let pieces = (2 * threads).min(tiles).min(work / (threads::THRESHOLD / 4));
            if threads == 1 || pieces < 2 {
                // SAFETY: `run` has checked all arrays, and nobody else writes to them.
                return unsafe { self.piece(memory, 0..tiles, None) };
            }
            let each = tiles.div_ceil(pieces);
            return threads::parallel(tiles.div_ceil(each), &|i| {
                // SAFETY: as above; pieces are disjoint.
                unsafe { self.piece(memory, i * each..((i + 1) * each).min(tiles), None) }
            });
        }
        // How a reduction is cut depends on shapes alone.
        let pieces = (plan.size >> PIECE_BITS).clamp(1, MOST_PIECES).min(tiles.max(1));
        let each = tiles.div_ceil(pieces).max(1);
        let pieces = tiles.div_ceil(each).max(1);
        if pieces == 1 {
            // SAFETY: as above.
            return unsafe { self.piece(memory, 0..tiles, None) };
        }
        let mut partial = Buffer::scratch(pieces * plan.root_bytes);
        let partial = Partial(partial.slice_mut::<u8>().as_mut_ptr());
        let whole = &partial;
        let piece = |i: usize| {
            // SAFETY: there are `pieces` times `root_bytes` bytes.
            let own = unsafe { whole.0.add(i * plan.root_bytes) };
            // SAFETY: as above.
            unsafe { self.piece(memory, i * each..((i + 1) * each).min(tiles), Some(own)) }
        };
        if work < threads::THRESHOLD {
            (0..pieces).for_each(piece);
        } else {
            threads::parallel(pieces, &piece);
        }
        for root in &plan.roots {
            let at = |i: usize| {
                // SAFETY: the accumulators of piece `i`.
                unsafe { whole.0.add(i * plan.root_bytes + root.offset) }
            };
            let mut step = 1;
            while step < pieces {
                for i in (0..pieces - step).step_by(2 * step) {
                    // SAFETY: two different pieces, both of them finished.
                    unsafe { (root.fold.merge)(at(i + step), root.cols, at(i)) };
                }
                step *= 2;
            }
            // SAFETY: `run` has checked that the result has room for as many numbers as there are accumulators.
            unsafe { (root.fold.finish)(at(0), root.cols, memory.outs[root.out]) };
        }
    }

    /// Computes some tiles, leaving what is known at the end only in the accumulators at `partial`; without those, the
    /// tiles are all there are.
    ///
    /// # Safety
    /// All arrays have the sizes that the plan says, nobody else writes to these tiles or accumulators.
    unsafe fn piece(&self, memory: &Memory, tiles: Range<usize>, partial: Option<*mut u8>) {
        let plan = &self.plan;
        let bytes = plan.bytes + plan.root_bytes;
        let mut scratch = SCRATCH.take().filter(|buffer| buffer.slice::<u8>().len() >= bytes);
        let buffer = scratch.get_or_insert_with(|| Buffer::scratch(bytes));
        let base = buffer.slice_mut::<u8>().as_mut_ptr();
        // SAFETY: there is room for accumulators behind the slots.
        let own = partial.unwrap_or(unsafe { base.add(plan.bytes) });
        let inputs = plan.inputs.len();
        let mut places: SmallVec<[*mut u8; 48]> = SmallVec::new();
        places.extend(memory.inputs.iter().map(|pointer| pointer.cast_mut()));
        places.extend(memory.outs.iter().copied());
        // SAFETY: each slot begins inside the buffer, which has `plan.bytes` bytes.
        places.extend(plan.slots.iter().map(|&offset| unsafe { base.add(offset) }));
        for (kind, input, place) in &plan.prologue {
            let (width, to) = (plan.inputs[*input].width, places[*place as usize]);
            // SAFETY: a slot has room for a tile; the input has one number, or one for each column.
            unsafe {
                match kind {
                    Prologue::Splat => expand(width, memory.inputs[*input], 1, plan.largest(), to),
                    Prologue::Repeat => repeat(width, memory.inputs[*input], plan.cols, plan.tile_rows, to),
                }
            }
        }
        for root in &plan.roots {
            // SAFETY: the accumulators of this piece.
            unsafe {
                (root.fold.clear)(own.add(root.offset), root.cols);
                (root.fold.clear)(own.add(root.recent), root.cols);
            }
        }
        let end = tiles.end;
        for (done, index) in tiles.enumerate() {
            let tile = plan.tile_at(index);
            for (i, input) in plan.inputs.iter().enumerate() {
                let at = match input.access {
                    Access::Full => tile.first,
                    Access::Rows => tile.row,
                    Access::Columns => tile.column,
                    Access::One | Access::Strided(_) => continue,
                };
                // SAFETY: the tile's first element is inside the array.
                places[i] = unsafe { memory.inputs[i].add(at * input.width).cast_mut() };
            }
            for (i, out) in plan.outs.iter().enumerate() {
                let at = match out.extent {
                    Extent::Full => tile.first,
                    Extent::Row => tile.row,
                    Extent::Column | Extent::Total => continue,
                };
                // SAFETY: as above.
                places[inputs + i] = unsafe { memory.outs[i].add(at * out.width) };
            }
            // SAFETY: places hold what the plan says.
            unsafe { self.tile(&tile, &places, own) };
            if done % RECENT == RECENT - 1 || index + 1 == end {
                for root in &plan.roots {
                    // SAFETY: the accumulators of this piece.
                    unsafe {
                        (root.fold.merge)(own.add(root.recent), root.cols, own.add(root.offset));
                        (root.fold.clear)(own.add(root.recent), root.cols);
                    }
                }
            }
        }
        if partial.is_none() {
            for root in &plan.roots {
                // SAFETY: the result has room for as many numbers as there are accumulators.
                unsafe { (root.fold.finish)(own.add(root.offset), root.cols, memory.outs[root.out]) };
            }
        }
        SCRATCH.set(scratch);
    }

    /// Computes one tile.
    ///
    /// # Safety
    /// Each place has room for the numbers of a tile, and accumulators are those of this piece.
    unsafe fn tile(&self, tile: &Tile, places: &[*mut u8], partial: *mut u8) {
        let plan = &self.plan;
        for instruction in &plan.body {
            let count = if instruction.by_rows { tile.rows } else { tile.count };
            let out = places[instruction.out as usize];
            let arg = instruction.args.map(|place| places[place as usize].cast_const());
            // SAFETY: places hold numbers of the types that the plan chose the loops for, and no result lies where an
            // argument does.
            unsafe {
                match &instruction.action {
                    Action::Map(block, parameter) => block(arg, out, count, *parameter),
                    Action::Expand(width) => expand(*width, arg[0], tile.rows, tile.count / tile.rows, out),
                    Action::Gather => {
                        let input = instruction.args[0] as usize;
                        gather(&plan.inputs[input], arg[0], tile.first, count, out);
                    }
                    Action::Rows(fold) => fold(arg[0], tile.rows, plan.cols, out),
                    Action::Root(root) => {
                        let root = &plan.roots[*root];
                        let (rows, cols) = if root.is_total { (tile.count, 1) } else { (tile.rows, tile.count / tile.rows) };
                        let recent = partial.add(root.recent + tile.column * root.fold.width);
                        let recent = if root.is_total { partial.add(root.recent) } else { recent };
                        if rows < MANY_ROWS {
                            (root.fold.add)(arg[0], rows, cols, recent);
                        } else {
                            let own = partial.add(root.tile);
                            (root.fold.clear)(own, cols);
                            (root.fold.add)(arg[0], rows, cols, own);
                            (root.fold.merge)(own, cols, recent);
                        }
                    }
                }
            }
        }
    }
}

/// Which elements a tile has.
struct Tile {
    first: usize,
    count: usize,
    row: usize,
    rows: usize,
    /// Of its first element, where it is a part of a row.
    column: usize,
}

impl Plan {
    fn tiles(&self) -> usize {
        match (self.size, self.tile_rows) {
            (0, _) => 0,
            (size, 0) => size / self.cols * self.cols.div_ceil(self.tile),
            (size, rows) => (size / self.cols).div_ceil(rows),
        }
    }

    fn tile_at(&self, index: usize) -> Tile {
        if self.tile_rows == 0 {
            let in_row = self.cols.div_ceil(self.tile);
            let (row, column) = (index / in_row, index % in_row * self.tile);
            let count = self.tile.min(self.cols - column);
            return Tile { first: row * self.cols + column, count, row, rows: 1, column };
        }
        let row = index * self.tile_rows;
        let rows = self.tile_rows.min(self.size / self.cols - row);
        Tile { first: row * self.cols, count: rows * self.cols, row, rows, column: 0 }
    }

    /// Elements of the largest tile there is.
    fn largest(&self) -> usize {
        self.tile.min(self.size)
    }
}

/// Repeats each of `rows` numbers `cols` times.
///
/// # Safety
/// `from` points to `rows` aligned numbers of this width, `to` to room for all.
unsafe fn expand(width: usize, from: *const u8, rows: usize, cols: usize, to: *mut u8) {
    // SAFETY: the caller vouches for both.
    unsafe {
        match width {
            1 => wide(Expand(read::<u8>(from, rows), cols, write::<u8>(to, rows * cols))),
            2 => wide(Expand(read::<u16>(from, rows), cols, write::<u16>(to, rows * cols))),
            4 => wide(Expand(read::<u32>(from, rows), cols, write::<u32>(to, rows * cols))),
            _ => wide(Expand(read::<u64>(from, rows), cols, write::<u64>(to, rows * cols))),
        }
    }
}

struct Expand<'a, T>(&'a [T], usize, &'a mut [T]);

impl<T: Copy> Kernel for Expand<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        if self.1 == 0 {
            return;
        }
        for (&x, out) in self.0.iter().zip(self.2.chunks_exact_mut(self.1)) {
            out.fill(x);
        }
    }
}

/// Repeats `cols` numbers `rows` times.
///
/// # Safety
/// `from` points to `cols` numbers of this width, `to` to room for all.
unsafe fn repeat(width: usize, from: *const u8, cols: usize, rows: usize, to: *mut u8) {
    for row in 0..rows {
        // SAFETY: the caller vouches for both.
        unsafe { std::ptr::copy_nonoverlapping(from, to.add(row * cols * width), cols * width) };
    }
}

/// Reads elements `first..first + count` of an array that is broadcast.
///
/// # Safety
/// `from` points to the whole array, `to` to room for the elements.
unsafe fn gather(input: &Input, from: *const u8, first: usize, count: usize, to: *mut u8) {
    let Access::Strided(layout) = &input.access else { unreachable!("only these are gathered") };
    let (step, row, _) = layout.pattern();
    let (begin, end) = (first / row, (first + count).div_ceil(row));
    layout.rows(begin, end - begin, &mut |start, [at]| {
        let start = begin * row + start;
        let (low, high) = (start.max(first), (start + row).min(first + count));
        // SAFETY: the row lies inside the array, and the part between `low` and `high` inside the result.
        unsafe {
            let from = from.add((at + (low - start) * step) * input.width);
            let to = to.add((low - first) * input.width);
            if step == 0 {
                expand(input.width, from, 1, high - low, to);
            } else {
                std::ptr::copy_nonoverlapping(from, to, (high - low) * input.width);
            }
        }
    });
}
