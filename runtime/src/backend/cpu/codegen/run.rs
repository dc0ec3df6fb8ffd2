//! Runs the instructions of a program over all tiles.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use super::assembler::Listing;
use super::instruction::Action;
use super::spec::{Access, IterationSpace, KernelSpec};
use super::tile_program::{Input, Prologue, Sizes, TileProgram};
use super::tiling::{Held, Prefetch, Span, Tile};
use crate::array::pool::Buffer;
use crate::backend::cpu::codegen::interned::Interned;
use crate::kernels::blocks::expand;
use crate::kernels::scratch::Scratch;
use crate::kernels::simd::{self, Level};
use crate::kernels::threads;

/// A fused kernel, ready to run.
pub(crate) struct Fused {
    pub(super) spec: Arc<KernelSpec>,
    pub(super) program: TileProgram,
    /// By level, the first one left out: the program with loops that are compiled for it.
    jit: [OnceLock<Option<Box<TileProgram>>>; 2],
}

/// What is to be done with each piece of an output that is complete: the number of bytes before it, and the piece.
type Then<'a> = &'a (dyn Fn(usize, &mut [u8]) + Sync);

/// Where an input's elements are.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    /// In the memory of this result, which [`Fused::aliases`] names for it.
    Result(usize),
}

impl<'a> Source<'a> {
    /// The elements of an input that no result overwrites.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Source::Bytes(bytes) => bytes,
            Source::Result(_) => unreachable!("this input has memory of its own"),
        }
    }
}

/// Pointers to inputs, results and accumulators.
pub(super) struct Memory {
    inputs: Scratch<*const u8>,
    outs: Scratch<*mut u8>,
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
    /// Slots, kept between runs; and the run of pieces whose prologue they hold, 0 for none.
    static SCRATCH: Cell<Option<(u64, Buffer)>> = const { Cell::new(None) };
}

/// The kernels of all programs: what is computed, and the sizes of the arrays that are fused horizontally.
///
/// A loop that is unrolled, or a model of many equal layers, is many times the same kernel. One that is shared is compiled
/// once, and stays in the caches of instructions and data while the program goes from one step to the next.
static KERNELS: Interned<(Arc<KernelSpec>, Box<[usize]>), Fused> = Interned::new();

/// Numbers runs whose pieces come one after another.
static RUNS: AtomicU64 = AtomicU64::new(1);

impl Fused {
    /// The kernel of a spec: the same for all who hold one of an equal spec.
    pub(crate) fn shared(spec: KernelSpec) -> Arc<Fused> {
        KERNELS.get((Arc::new(spec), Box::default()), |(spec, _)| Fused::of(TileProgram::new(spec), spec))
    }

    /// A shared kernel for several arrays, whose inputs and results follow each other, array by array.
    ///
    /// Single numbers are the same for all arrays.
    pub(crate) fn horizontal(spec: KernelSpec, sizes: Box<[usize]>) -> Arc<Fused> {
        let make = |(spec, sizes): &(Arc<KernelSpec>, Box<[usize]>)| {
            Fused::of(TileProgram::horizontal(spec, sizes), spec)
        };
        KERNELS.get((Arc::new(spec), sizes), make)
    }

    /// A kernel of one's own.
    #[cfg(test)]
    pub(super) fn new(spec: &KernelSpec) -> Fused {
        Fused::of(TileProgram::new(spec), &Arc::new(spec.clone()))
    }

    fn of(program: TileProgram, spec: &Arc<KernelSpec>) -> Fused {
        Fused { spec: spec.clone(), program, jit: Default::default() }
    }

    /// By level, but for the first, which has no loops.
    pub(super) fn compiled(&self, level: Level) -> Option<&OnceLock<Option<Box<TileProgram>>>> {
        self.jit.get((level as usize).checked_sub(1)?)
    }

    pub(super) fn is_compiled(&self, level: Level) -> bool {
        self.compiled(level).is_none_or(|program| program.get().is_some())
    }

    /// What is computed; of each array, if there are several.
    pub(crate) fn spec(&self) -> &KernelSpec {
        &self.spec
    }

    /// The program that is run.
    fn program(&self) -> &TileProgram {
        if simd::has_jit() { self.program_at(Level::chosen()) } else { &self.program }
    }

    /// The program with loops that are compiled for a level; that of the interpreter, if there are none.
    pub(super) fn program_at(&self, level: Level) -> &TileProgram {
        let Some(compiled) = self.compiled(level) else { return &self.program };
        if compiled.get().is_none() {
            Fused::compile_for(level, &[self]);
        }
        compiled.get().and_then(Option::as_deref).unwrap_or(&self.program)
    }

    /// All levels of the kernel below the graph as text: what is computed, the program of a tile, and the loops that are compiled
    /// for the chosen level, in the vector IR and as machine code.
    pub(crate) fn explain(&self) -> String {
        let mut listing = Listing::default();
        self.program.jit(&self.spec, Level::chosen(), Some(&mut listing), None);
        format!("{}{}{listing}", self.spec, self.program())
    }

    /// The program of the interpreter.
    #[cfg(test)]
    pub(super) fn interpreted(&self) -> &TileProgram {
        &self.program
    }

    /// Whether it computes several arrays.
    pub(crate) fn is_horizontal(&self) -> bool {
        self.program.parts.len() > 1
    }

    /// Which input's memory each result may be written to.
    pub(crate) fn aliases(&self) -> &[Option<usize>] {
        &self.program.aliases
    }

    /// Computes all results.
    ///
    /// # Panics
    /// If inputs or results differ in number or size from those of the spec, or a result is said to hold an input that
    /// it does not alias.
    pub(crate) fn run(&self, inputs: &[Source<'_>], outs: &mut [&mut [u8]]) {
        let program = self.program();
        program.run(&program.memory(inputs, outs));
    }

    /// As [`run`](Fused::run), with an input that arrives in the memory of a result: `product` writes it there, and calls
    /// what it is given for each piece that is complete, with the piece and the number of bytes before it. Pieces are
    /// whole rows if the spec needs that.
    ///
    /// # Panics
    /// As [`run`](Fused::run).
    pub(crate) fn run_after(
        &self,
        inputs: &[Source<'_>],
        outs: &mut [&mut [u8]],
        result: usize,
        product: &dyn Fn(&mut [u8], Then<'_>),
    ) {
        let program = self.program();
        let memory = program.memory(inputs, outs);
        let Some(input) = program.aliases[result] else { unreachable!("the input arrives in this result") };
        let width = program.outs[result].width;
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        product(outs[result], &|before, piece| {
            let (first, count) = (before / width, piece.len() / width);
            assert!(first + count <= program.size, "a piece of the result");
            let is_whole = first % program.cols == 0 && count % program.cols == 0;
            assert!(is_whole || !program.has_folds, "whole rows");
            let held = Held { input, result, first, at: piece.as_mut_ptr(), run };
            // SAFETY: `memory` has checked all arrays; pieces are disjoint, so nobody else writes to these elements.
            unsafe { program.piece(&memory, Span::Elements(first..first + count, &held), None) };
        });
    }
}

impl TileProgram {
    pub(super) fn memory(&self, inputs: &[Source<'_>], outs: &mut [&mut [u8]]) -> Memory {
        let Sizes { inputs: least, outs: exact } = &self.sizes;
        assert_eq!(inputs.len(), least.len(), "number of inputs");
        assert_eq!(outs.len(), self.parts.len() * self.results, "number of results");
        let mut written = Scratch::empty();
        for &(result, bytes) in exact {
            let out = &mut outs[result];
            assert_eq!(out.len(), bytes, "bytes of a result");
            written.push(out.as_mut_ptr());
        }
        let outs = written;
        let mut pointers = Scratch::empty();
        for (i, (input, &bytes)) in inputs.iter().zip(least).enumerate() {
            pointers.push(match *input {
                Source::Bytes(given) => {
                    assert!(given.len() >= bytes, "bytes of an input");
                    given.as_ptr()
                }
                Source::Result(out) => {
                    assert_eq!(self.aliases[out], Some(i), "a result aliases one input");
                    outs[out].cast_const()
                }
            });
        }
        Memory { inputs: pointers, outs }
    }

    pub(super) fn run(&self, memory: &Memory) {
        let program = self;
        let tiles = program.tiles();
        let work = program.size * program.work;
        if program.cross_tile.is_empty() {
            // Whether there are threads at all takes longer to find out than a small kernel takes.
            let pieces = threads::pieces(work).min(tiles);
            if pieces < 2 {
                // SAFETY: `run` has checked all arrays, and nobody else writes to them.
                return unsafe { self.piece(memory, Span::Tiles(0..tiles), None) };
            }
            let each = tiles.div_ceil(pieces);
            return threads::parallel(tiles.div_ceil(each), &|i| {
                // SAFETY: as above; pieces are disjoint.
                unsafe { self.piece(memory, Span::Tiles(i * each..((i + 1) * each).min(tiles)), None) }
            });
        }
        // How a reduction is cut depends on shapes alone.
        let pieces = (program.size >> PIECE_BITS).clamp(1, MOST_PIECES).min(tiles.max(1));
        let each = tiles.div_ceil(pieces).max(1);
        let pieces = tiles.div_ceil(each).max(1);
        if pieces == 1 {
            // SAFETY: as above.
            return unsafe { self.piece(memory, Span::Tiles(0..tiles), None) };
        }
        let mut partial = Buffer::scratch(pieces * program.cross_tile_bytes);
        let partial = Partial(partial.slice_mut::<u8>().as_mut_ptr());
        let whole = &partial;
        let piece = |i: usize| {
            // SAFETY: there are `pieces` times `cross_tile_bytes` bytes.
            let own = unsafe { whole.0.add(i * program.cross_tile_bytes) };
            // SAFETY: as above.
            unsafe { self.piece(memory, Span::Tiles(i * each..((i + 1) * each).min(tiles)), Some(own)) }
        };
        if threads::worth(work) {
            threads::parallel(pieces, &piece);
        } else {
            (0..pieces).for_each(piece);
        }
        for reduction in &program.cross_tile {
            let at = |i: usize| {
                // SAFETY: the accumulators of piece `i`.
                unsafe { whole.0.add(i * program.cross_tile_bytes + reduction.offset) }
            };
            let mut step = 1;
            while step < pieces {
                for i in (0..pieces - step).step_by(2 * step) {
                    // SAFETY: two different pieces, both of them finished.
                    unsafe { (reduction.fold.merge)(at(i + step), reduction.cols, at(i)) };
                }
                step *= 2;
            }
            // SAFETY: `run` has checked that the result has room for as many numbers as there are accumulators.
            unsafe { (reduction.fold.finish)(at(0), reduction.cols, memory.outs[reduction.out]) };
        }
    }

    /// Computes some elements, leaving what is known at the end only in the accumulators at `partial`; without those, the
    /// tiles are all there are.
    ///
    /// # Safety
    /// All arrays have the sizes that the program says, nobody else writes to these elements or
    /// accumulators; elements outside of tiles are whole rows if anything is computed by rows.
    unsafe fn piece(&self, memory: &Memory, span: Span<'_>, partial: Option<*mut u8>) {
        let program = self;
        let bytes = program.bytes + program.cross_tile_bytes;
        let mut scratch = SCRATCH.take().filter(|(_, buffer)| buffer.slice::<u8>().len() >= bytes);
        let (holds, buffer) = scratch.get_or_insert_with(|| (0, Buffer::scratch(bytes)));
        let run = match &span {
            Span::Tiles(_) => 0,
            Span::Elements(_, held) => held.run,
        };
        let is_ready = run != 0 && *holds == run;
        *holds = run;
        let base = buffer.slice_mut::<u8>().as_mut_ptr();
        // SAFETY: there is room for accumulators behind the slots.
        let own = partial.unwrap_or(unsafe { base.add(program.bytes) });
        let (inputs, outs) = (program.inputs.len(), program.outs.len());
        let mut arrays: SmallVec<[*mut u8; 48]> = SmallVec::new();
        arrays.extend(memory.inputs[..inputs].iter().map(|pointer| pointer.cast_mut()));
        arrays.extend(memory.outs[..outs].iter().copied());
        // SAFETY: each slot begins inside the buffer, which has `program.bytes` bytes.
        arrays.extend(program.slots.iter().map(|&offset| unsafe { base.add(offset) }));
        for (kind, input, array) in program.prologue.iter().filter(|_| !is_ready) {
            let (width, to) = (program.inputs[*input].width, arrays[*array as usize]);
            // SAFETY: a slot has room for a tile; the input has one number, or one for each column.
            unsafe {
                match kind {
                    Prologue::Splat => expand(width, memory.inputs[*input], 1, program.largest(), to),
                    Prologue::Repeat => {
                        repeat(width, memory.inputs[*input], program.cols, program.tile_rows, to);
                    }
                }
            }
        }
        for reduction in &program.cross_tile {
            // SAFETY: the accumulators of this piece.
            unsafe {
                (reduction.fold.clear)(own.add(reduction.offset), reduction.cols);
                (reduction.fold.clear)(own.add(reduction.recent), reduction.cols);
            }
        }
        let mut done = 0;
        let mut next = program.next(&span, 0, None);
        while let Some((part, tile)) = next {
            for (i, input) in program.inputs.iter().enumerate() {
                let at = match input.access {
                    Access::Full => tile.first,
                    Access::Rows => tile.row,
                    Access::Columns => tile.column,
                    Access::Window(window) => window.element(tile.row, tile.column),
                    Access::One | Access::Strided(_) => continue,
                };
                arrays[i] = match &span {
                    // SAFETY: the tile lies inside the piece that is held.
                    Span::Elements(_, held) if held.input == i => unsafe { held.element(at, input.width) },
                    // SAFETY: the tile's first element is inside the array.
                    _ => unsafe { memory.inputs[part * inputs + i].add(at * input.width).cast_mut() },
                };
            }
            for (i, out) in program.outs.iter().enumerate() {
                let at = match out.space {
                    IterationSpace::Full => {
                        out.part.map_or(tile.first, |(_, window)| window.element(tile.row, tile.column))
                    }
                    IterationSpace::Row => tile.row,
                    IterationSpace::Column | IterationSpace::Total => continue,
                };
                arrays[inputs + i] = match &span {
                    // SAFETY: as above.
                    Span::Elements(_, held) if held.result == i => unsafe { held.element(at, out.width) },
                    // SAFETY: as above.
                    _ => unsafe { memory.outs[part * outs + i].add(at * out.width) },
                };
            }
            if let Span::Elements(..) = span {
                // A tile may begin within a row then.
                for (kind, input, array) in &program.prologue {
                    if let Prologue::Repeat = kind {
                        let offset = program.slots[*array as usize - inputs - outs];
                        // SAFETY: the slot has a number for each column.
                        arrays[*array as usize] =
                            unsafe { base.add(offset + tile.column * program.inputs[*input].width) };
                    }
                }
            }
            let held = match &span {
                Span::Tiles(_) => None,
                Span::Elements(_, held) => Some(held.input),
            };
            let mut prefetch = Prefetch::new(program, &memory.inputs, part, &tile, held);
            // SAFETY: arrays hold what the program says.
            unsafe { self.tile(&tile, &arrays, own, &mut prefetch) };
            next = program.next(&span, part, Some(&tile));
            done += 1;
            if done % RECENT == 0 || next.is_none() {
                for reduction in &program.cross_tile {
                    // SAFETY: the accumulators of this piece.
                    unsafe {
                        (reduction.fold.merge)(
                            own.add(reduction.recent),
                            reduction.cols,
                            own.add(reduction.offset),
                        );
                        (reduction.fold.clear)(own.add(reduction.recent), reduction.cols);
                    }
                }
            }
        }
        if partial.is_none() {
            for reduction in &program.cross_tile {
                // SAFETY: the result has room for as many numbers as there are accumulators.
                unsafe {
                    (reduction.fold.finish)(
                        own.add(reduction.offset),
                        reduction.cols,
                        memory.outs[reduction.out],
                    );
                };
            }
        }
        SCRATCH.set(scratch);
    }

    /// Computes one tile.
    ///
    /// # Safety
    /// Each array has room for the elements of a tile, and accumulators are those of this piece.
    unsafe fn tile(&self, tile: &Tile, arrays: &[*mut u8], partial: *mut u8, prefetch: &mut Prefetch) {
        let program = self;
        for instruction in &program.body {
            prefetch.step();
            let count = if instruction.by_rows { tile.rows } else { tile.count };
            let out = arrays[instruction.out as usize];
            let arg = instruction.args.map(|array| arrays[array as usize].cast_const());
            // SAFETY: arrays hold elements of the types that the program chose the loops for, and no result lies where an
            // argument does.
            unsafe {
                match &instruction.action {
                    Action::Map(map) => (map.block)(arg, out, count, map.parameter),
                    Action::Expand(width) => expand(*width, arg[0], tile.rows, tile.count / tile.rows, out),
                    Action::Gather => {
                        let input = &program.inputs[instruction.args[0] as usize];
                        if let Access::Window(window) = input.access {
                            let row = input.width * (tile.count / tile.rows);
                            rows(arg[0], input.width * window.pitch, out, row, row, tile.rows);
                        } else {
                            gather(input, arg[0], tile.first, count, out);
                        }
                    }
                    Action::Scatter(width) => {
                        let result = &program.outs[instruction.out as usize - program.inputs.len()];
                        let pitch = result.part.map_or(program.cols, |(_, window)| window.pitch);
                        let row = width * (tile.count / tile.rows);
                        rows(arg[0], row, out, width * pitch, row, tile.rows);
                    }
                    Action::Rows(fold, ..) => fold(arg[0], tile.rows, program.cols, out),
                    Action::Jit(jit) => {
                        let rows = if jit.has_rows { tile.rows } else { 1 };
                        jit.run(arrays, rows, count / rows);
                    }
                    Action::CrossTile(reduction) => {
                        let reduction = &program.cross_tile[*reduction];
                        let (rows, cols) = if reduction.is_total {
                            (tile.count, 1)
                        } else {
                            (tile.rows, tile.count / tile.rows)
                        };
                        let recent = partial.add(reduction.recent + tile.column * reduction.fold.width);
                        let recent = if reduction.is_total { partial.add(reduction.recent) } else { recent };
                        if rows < MANY_ROWS {
                            (reduction.fold.add)(arg[0], rows, cols, recent);
                        } else {
                            let own = partial.add(reduction.tile);
                            (reduction.fold.clear)(own, cols);
                            (reduction.fold.add)(arg[0], rows, cols, own);
                            (reduction.fold.merge)(own, cols, recent);
                        }
                    }
                }
            }
        }
    }
}

/// Repeats `cols` elements `rows` times.
///
/// # Safety
/// `from` points to `cols` elements of this width, `to` to room for all.
unsafe fn repeat(width: usize, from: *const u8, cols: usize, rows: usize, to: *mut u8) {
    for row in 0..rows {
        // SAFETY: the caller vouches for both.
        unsafe { std::ptr::copy_nonoverlapping(from, to.add(row * cols * width), cols * width) };
    }
}

/// Copies rows of `bytes` bytes, which begin `from_pitch` and `to_pitch` bytes apart.
///
/// # Safety
/// `from` points to all of these rows, `to` to room for them.
unsafe fn rows(from: *const u8, from_pitch: usize, to: *mut u8, to_pitch: usize, bytes: usize, count: usize) {
    for row in 0..count {
        // SAFETY: the caller vouches for both.
        unsafe { std::ptr::copy_nonoverlapping(from.add(row * from_pitch), to.add(row * to_pitch), bytes) };
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
