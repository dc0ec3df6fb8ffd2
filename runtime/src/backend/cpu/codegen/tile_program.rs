//! Tile programs: the instructions that compute one tile of a kernel, over arrays that stay in L1, and what all tiles share.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::assembled::Assembled;
use super::builder::Builder;
use super::instruction::{Action, ArrayId, Instruction};
use super::slots;
use crate::backend::cpu::codegen::assembler::isa::{self, Isa};
use crate::backend::cpu::codegen::assembler::{self, ExecMemory, Listing};
use crate::backend::cpu::codegen::interpreter::fold::FoldColumns;
use crate::backend::cpu::codegen::spec::{
    Access, IterationSpace, KernelOp, KernelSpec, Owner, Window, power_of_two_in,
};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::simd::Level;

/// What is made once, before the first tile.
pub(super) enum Prologue {
    /// Broadcasts an input that is one value.
    Splat,
    /// Repeats an input that has a value for each column.
    Repeat,
}

/// A reduction that is known at the end only.
pub(super) struct CrossTile {
    pub fold: FoldColumns,
    /// Accumulators.
    pub cols: usize,
    /// The number of the result.
    pub out: usize,
    /// Where its accumulators begin.
    pub offset: usize,
    /// Where those of the last few tiles begin: sums of sums lose less than one long sum.
    pub recent: usize,
    /// Where those of one tile begin.
    pub tile: usize,
    /// Whether it is one value of all.
    pub is_total: bool,
}

pub(super) struct TileProgram {
    pub size: usize,
    pub cols: usize,
    /// Rows of a tile; 0 if a tile is a part of a row.
    pub tile_rows: usize,
    /// Elements of a tile at most.
    pub tile: usize,
    pub inputs: Vec<Input>,
    /// By result.
    pub outs: Vec<Out>,
    /// The number of arrays that results are in.
    pub results: usize,
    pub prologue: Vec<(Prologue, usize, ArrayId)>,
    pub body: Vec<Instruction>,
    /// By slot: where it begins.
    pub slots: Vec<usize>,
    /// Bytes of all slots.
    pub bytes: usize,
    pub cross_tile: Vec<CrossTile>,
    /// Bytes of all accumulators.
    pub cross_tile_bytes: usize,
    /// Which input's memory each result may be written to.
    pub aliases: Vec<Option<usize>>,
    /// The rough cost of an element.
    pub work: usize,
    /// The arrays that are computed, one after another: mostly one.
    pub parts: Vec<Part>,
    /// Whether arrays are too large for the L2 cache, and worth being prefetched.
    pub is_large: bool,
    /// Whether anything is computed of whole rows.
    pub has_folds: bool,
    /// Elements of a tile, before it was made of whole rows.
    pub unrounded_tile: usize,
    /// The memory that the code of its compiled loops is in.
    pub code: Option<Arc<ExecMemory>>,
    pub sizes: Sizes,
}

/// Bytes of all arrays, part by part: what each run compares.
#[derive(Default)]
pub(super) struct Sizes {
    /// At least.
    pub inputs: Vec<usize>,
    /// The number of the array that a result is in, and the bytes of that.
    pub outs: Vec<(usize, usize)>,
}

/// Bytes of inputs and results that the L2 cache may hold.
const L2_BYTES: usize = 1 << 20;

/// One of several arrays that are computed alike.
#[derive(Clone)]
pub(super) struct Part {
    pub first_tile: usize,
    pub size: usize,
    pub cols: usize,
}

pub(super) struct Input {
    pub access: Access,
    pub width: usize,
    pub count: usize,
}

pub(super) struct Out {
    pub width: usize,
    pub count: usize,
    pub space: IterationSpace,
    /// The array it is in, and the part of its rows, if it shares that with others.
    pub part: Option<(usize, Window)>,
}

/// Elements of a tile, if rows are shorter: as many as the L1 cache has room for, so that calls weigh little.
const TILES: [usize; 3] = [2048, 1024, 512];
/// Bytes that the slots of a tile may take: the rest of the cache is for inputs and results.
const NEAR: usize = 20 << 10;
/// Slots begin at cache lines.
pub(super) const LINE: usize = 64;
/// The longest row that is held as a whole.
pub(crate) const LONGEST_ROW: usize = 1 << 14;

/// How maps and folds of rows are run.
enum Loops<'a> {
    Interpreted,
    /// By loops that are compiled.
    Jit(Jit<'a>),
}

/// How loops are compiled.
struct Jit<'a> {
    isa: &'static dyn Isa,
    /// How many bytes before they are needed inputs are prefetched.
    prefetch: Option<i32>,
    /// What divides the number of elements of all runs of a loop.
    multiple: usize,
    listing: Option<&'a mut Listing>,
    /// What is known of them already, or else where they are put.
    loops: &'a mut Option<Assembled>,
}

impl TileProgram {
    pub fn new(spec: &KernelSpec) -> TileProgram {
        let mut program = TileProgram::of(spec, spec.cols);
        program.parts.push(Part { first_tile: 0, size: program.size, cols: program.cols });
        let inputs = program.inputs.iter().map(|input| input.count * input.width);
        program.is_large =
            inputs.chain(program.outs.iter().map(|out| out.count * out.width)).sum::<usize>() > L2_BYTES;
        program.sizes = program.sizes();
        program
    }

    /// For arrays of these sizes, all computed by a spec that knows no rows.
    pub fn horizontal(spec: &KernelSpec, sizes: &[usize]) -> TileProgram {
        let mut program = TileProgram::of(spec, usize::MAX);
        program.size = sizes.iter().sum();
        let mut first_tile = 0;
        for &size in sizes {
            program.parts.push(Part { first_tile, size, cols: size });
            first_tile += size.div_ceil(program.tile);
        }
        let (inputs, aliases) = (program.inputs.len(), std::mem::take(&mut program.aliases));
        let at = |part: usize| aliases.iter().map(move |alias| alias.map(|input| part * inputs + input));
        program.aliases = (0..sizes.len()).flat_map(at).collect();
        program.sizes = program.sizes();
        program
    }

    fn sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        for (number, part) in self.parts.iter().enumerate() {
            sizes.inputs.extend(self.inputs.iter().map(|input| {
                let count = if matches!(input.access, Access::Full) { part.size } else { input.count };
                count * input.width
            }));
            sizes.outs.extend(self.outs.iter().enumerate().map(|(out, described)| {
                let (result, count) = match (described.part, described.space) {
                    // All parts of a row have the same length.
                    (Some((result, window)), _) => (result, described.count / self.cols * window.pitch),
                    (None, IterationSpace::Full) => (out, part.size),
                    (None, _) => (out, described.count),
                };
                (number * self.results + result, count * described.width)
            }));
        }
        sizes
    }

    fn of(spec: &KernelSpec, cols: usize) -> TileProgram {
        let [rest @ .., smallest] = TILES;
        let mut programs =
            rest.into_iter().map(|tile| TileProgram::with_tile(spec, cols, tile, Loops::Interpreted));
        programs
            .find(|program| program.bytes <= NEAR)
            .unwrap_or_else(|| TileProgram::with_tile(spec, cols, smallest, Loops::Interpreted))
    }

    /// The same program with loops that are compiled for a level, where there is an instruction set.
    ///
    /// Tiles are the same, and so is the order of all sums. Loops that were assembled before, of the same spec and for the same level,
    /// are taken as they are.
    pub fn jit(
        &self,
        spec: &KernelSpec,
        level: Level,
        listing: Option<&mut Listing>,
        mut loops: Option<Assembled>,
    ) -> Option<Draft> {
        let isa = isa::of(level)?;
        let cols = if self.parts.len() > 1 { usize::MAX } else { self.cols };
        let prefetch = self.is_large.then_some((4 * self.tile) as i32);
        let multiple = self.multiple(spec);
        let how = Loops::Jit(Jit { isa, prefetch, multiple, listing, loops: &mut loops });
        let program = TileProgram::with_tile(spec, cols, self.unrounded_tile, how);
        assert_eq!(program.tile, self.tile, "the same tiles");
        let (parts, aliases) = (self.parts.clone(), self.aliases.clone());
        let mut program = TileProgram { size: self.size, is_large: self.is_large, parts, aliases, ..program };
        program.sizes = program.sizes();
        Some(Draft { program, loops: loops? })
    }

    /// A power of two that divides the number of elements of each run of a loop: of a tile, of a row of it, or of a part of a row, as
    /// `next` of tilings makes them.
    pub fn multiple(&self, spec: &KernelSpec) -> usize {
        let rows = self.parts.iter().map(|part| power_of_two_in(part.cols));
        let cut = (self.tile_rows == 0).then(|| power_of_two_in(self.tile));
        // Pieces that need not be whole rows are cut anywhere else.
        let pieces = spec.over.map(|over| over.multiple.min(power_of_two_in(self.tile)));
        rows.chain(cut).chain(pieces).min().unwrap_or(1)
    }

    /// A program with tiles of so many elements, or of as many whole rows as fit.
    ///
    /// A row is held as a whole if anything is computed along it; else it may be cut to tiles. Slots come last, as loops that are
    /// compiled need few of them.
    fn with_tile(spec: &KernelSpec, cols: usize, unrounded: usize, loops: Loops<'_>) -> TileProgram {
        let (size, tile) = (spec.size, unrounded);
        let folds = spec.ops.iter().any(|op| op.space() == IterationSpace::Row);
        let rows = (size / cols.max(1)).max(1);
        // No whole rows in a tile, 0, says that a row is cut: then a tile is part of one row.
        let tile_rows = if cols <= tile || folds { (tile / cols.max(1)).clamp(1, rows) } else { 0 };
        let tile = if tile_rows == 0 { tile } else { tile_rows * cols };
        let mut builder = Builder {
            spec,
            tile_rows,
            prologue: Vec::new(),
            body: Vec::new(),
            slots: Vec::new(),
            seen: FxHashMap::default(),
        };
        // Instructions name arrays by number: inputs, then results, then slots, of which there are only needs until loops are compiled.
        let aliases = assign_aliases(spec);
        let mut cross_tile = Vec::new();
        let mut cross_tile_bytes = 0;
        for at in 0..spec.ops.len() {
            builder.op(at, &aliases, &mut cross_tile, &mut cross_tile_bytes);
        }
        for (out, &(value, _)) in spec.outs.iter().enumerate() {
            builder.finish(out, value);
        }
        let Builder { mut prologue, mut body, slots: needs, .. } = builder;
        let first_slot = spec.inputs.len() + spec.outs.len();
        if let Loops::Jit(Jit { isa, prefetch, multiple, listing, loops }) = loops {
            let space =
                assembler::Space { spec, aliases: &aliases, prologue: &prologue, isa, prefetch, multiple };
            let known = loops.take().filter(|known| known.fits(body.len(), first_slot + needs.len()));
            let known = loops.insert(known.unwrap_or_else(|| assembler::assemble(&body, &space, listing)));
            body = known.apply(body, multiple);
            // Compiled loops hold scalars in registers: what was to fill a slot with one has no reader left.
            let is_read = |array: &ArrayId| body.iter().any(|step| step.reads().contains(array));
            prologue.retain(|(_, _, array)| is_read(array));
        }
        let (slots, bytes) = slots::assign(&mut body, &prologue, &needs, first_slot, tile, tile_rows.max(1));
        let rows = size / cols.max(1);
        let input = |(access, dtype): &(Access, crate::DType)| Input {
            access: access.clone(),
            width: dtype.size(),
            count: match access {
                Access::One => 1,
                Access::Full => size,
                Access::Rows => rows,
                Access::Columns => cols,
                Access::Window(window) => window.element(rows - 1, cols),
                Access::Strided(layout) => layout.reach()[0],
            },
        };
        let out = |(number, &(value, _)): (usize, &(usize, Owner))| {
            let op = &spec.ops[value - spec.inputs.len()];
            let count = match op.space() {
                IterationSpace::Full => size,
                IterationSpace::Row => rows,
                IterationSpace::Column => cols,
                IterationSpace::Total => 1,
            };
            Out { width: op.dtype().size(), count, space: op.space(), part: spec.part(number) }
        };
        TileProgram {
            size,
            cols,
            tile_rows,
            tile,
            inputs: spec.inputs.iter().map(input).collect(),
            outs: spec.outs.iter().enumerate().map(out).collect(),
            results: spec.whole() + spec.joined.len(),
            prologue,
            body,
            slots,
            bytes,
            cross_tile,
            cross_tile_bytes,
            work: spec.ops.iter().filter(|op| op.space() != IterationSpace::Row).map(KernelOp::cost).sum(),
            aliases,
            parts: Vec::new(),
            is_large: false,
            has_folds: folds,
            unrounded_tile: unrounded,
            code: None,
            sizes: Sizes::default(),
        }
    }
}

/// A program whose loops are assembled, but not yet in memory that may be run.
pub(super) struct Draft {
    pub program: TileProgram,
    pub loops: Assembled,
}

impl Draft {
    /// The programs, with all of their code in one piece of memory, as each piece costs several calls of the system; none where the
    /// system lets no program make code of its own.
    pub fn link(drafts: Vec<Option<Draft>>) -> Vec<Option<TileProgram>> {
        let code: Vec<&[u8]> = drafts.iter().flatten().map(|draft| &draft.loops.code[..]).collect();
        let Some((memory, starts)) = ExecMemory::new(&code) else {
            return drafts.into_iter().map(|_| None).collect();
        };
        let (memory, mut starts) = (Arc::new(memory), starts.into_iter());
        let mut link = |Draft { mut program, .. }| {
            let start = starts.next()?;
            for step in &mut program.body {
                if let Action::Jit(jit) = &mut step.action {
                    jit.link(&memory, start);
                }
            }
            program.code = Some(memory.clone());
            Some(program)
        };
        drafts.into_iter().map(|draft| draft.and_then(&mut link)).collect()
    }
}

/// Which input each result may overwrite.
fn assign_aliases(spec: &KernelSpec) -> Vec<Option<usize>> {
    let mut free = spec.donated.clone();
    let op = |value: usize| &spec.ops[value - spec.inputs.len()];
    if let Some(over) = spec.over {
        free[over.input] = None;
    }
    let mut alias = |(out, &(value, owner)): (usize, &(usize, Owner))| {
        if let Some(over) = spec.over.filter(|over| over.result == out) {
            return Some(over.input);
        }
        let fits = |input: &usize| {
            let (access, dtype) = &spec.inputs[*input];
            free[*input] == Some(owner)
                && matches!(access, Access::Full)
                && op(value).space() == IterationSpace::Full
                && dtype.size() == op(value).dtype().size()
        };
        if spec.part(out).is_some() {
            return None;
        }
        let input = (0..spec.inputs.len()).find(fits)?;
        free[input] = None;
        Some(input)
    };
    spec.outs.iter().enumerate().map(&mut alias).collect()
}

/// How an array is read as if broadcast to a shape, in rows of `cols` elements.
pub(crate) fn access(out: &[usize], shape: &[usize], cols: usize) -> Access {
    let layout = Broadcast::new(out, [shape]);
    match layout.pattern() {
        (step, _, None) => {
            if step == 0 {
                Access::One
            } else {
                Access::Full
            }
        }
        (0, row, Some(1)) if row == cols => Access::Rows,
        (1, row, Some(0)) if row == cols => Access::Columns,
        _ => Access::Strided(layout),
    }
}
