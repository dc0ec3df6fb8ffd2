//! Tiling: from a kernel spec to instructions over slots of a tile.

use std::collections::HashMap;

use super::instruction::{Action, Instruction, Map, Place, Side};
use crate::array::DType;
use crate::backend::cpu::codegen::assembler::isa::{self, Isa};
use crate::backend::cpu::codegen::assembler::{self, ExecMemory, Listing};
use crate::backend::cpu::codegen::interpreter::fold::{FoldColumns, fold_columns, fold_rows};
use crate::backend::cpu::codegen::spec::{Access, IterationSpace, KernelOp, KernelSpec, Owner};
use crate::kernels::blocks::{self, Block};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::simd::Level;
use crate::scalar::op::ScalarOp;

/// What is made once, before the first tile.
pub(super) enum Prologue {
    /// Spreads the only number of an input.
    Splat,
    /// Repeats an input that has a number for each column.
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
    /// Whether it is one number of all.
    pub is_total: bool,
}

pub(super) struct Plan {
    pub size: usize,
    pub cols: usize,
    /// Rows of a tile; 0 if a tile is a part of a row.
    pub tile_rows: usize,
    /// Elements of a tile at most.
    pub tile: usize,
    pub inputs: Vec<Input>,
    /// By result.
    pub outs: Vec<Out>,
    pub prologue: Vec<(Prologue, usize, Place)>,
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
    /// The code of compiled loops.
    pub code: Option<ExecMemory>,
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
    pub extent: IterationSpace,
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
    /// By loops that are compiled for an instruction set, and prefetch inputs so many bytes before they are needed.
    Jit(&'static dyn Isa, Option<i32>, Option<&'a mut Listing>),
}

struct Planner<'a> {
    spec: &'a KernelSpec,
    tile_rows: usize,
    prologue: Vec<(Prologue, usize, Place)>,
    body: Vec<Instruction>,
    /// By place from the first slot on: bytes of an element, whether it is kept, whether it has a number for each row only.
    slots: Vec<(usize, bool, bool)>,
    /// Values as seen by each element, or by each row.
    seen: HashMap<(usize, bool), Place>,
}

impl Plan {
    pub fn new(spec: &KernelSpec) -> Plan {
        let mut plan = Plan::of(spec, spec.cols);
        plan.parts.push(Part { first_tile: 0, size: plan.size, cols: plan.cols });
        let inputs = plan.inputs.iter().map(|input| input.count * input.width);
        plan.is_large =
            inputs.chain(plan.outs.iter().map(|out| out.count * out.width)).sum::<usize>() > L2_BYTES;
        plan
    }

    /// For arrays of these sizes, all computed by a spec that knows no rows.
    pub fn horizontal(spec: &KernelSpec, sizes: &[usize]) -> Plan {
        let mut plan = Plan::of(spec, usize::MAX);
        plan.size = sizes.iter().sum();
        let mut first_tile = 0;
        for &size in sizes {
            plan.parts.push(Part { first_tile, size, cols: size });
            first_tile += size.div_ceil(plan.tile);
        }
        let (inputs, aliases) = (plan.inputs.len(), std::mem::take(&mut plan.aliases));
        let at = |part: usize| aliases.iter().map(move |alias| alias.map(|input| part * inputs + input));
        plan.aliases = (0..sizes.len()).flat_map(at).collect();
        plan
    }

    fn of(spec: &KernelSpec, cols: usize) -> Plan {
        let [rest @ .., smallest] = TILES;
        let mut plans = rest.into_iter().map(|tile| Plan::with_tile(spec, cols, tile, Loops::Interpreted));
        plans
            .find(|plan| plan.bytes <= NEAR)
            .unwrap_or_else(|| Plan::with_tile(spec, cols, smallest, Loops::Interpreted))
    }

    /// The same plan with loops that are compiled for a level, where there is an instruction set and the system allows it.
    ///
    /// Tiles are the same, and so is the order of all sums.
    pub fn jit(&self, spec: &KernelSpec, level: Level, listing: Option<&mut Listing>) -> Option<Plan> {
        let isa = isa::of(level)?;
        let cols = if self.parts.len() > 1 { usize::MAX } else { self.cols };
        let prefetch = self.is_large.then_some((4 * self.tile) as i32);
        let plan = Plan::with_tile(spec, cols, self.unrounded_tile, Loops::Jit(isa, prefetch, listing));
        assert_eq!(plan.tile, self.tile, "the same tiles");
        plan.code.as_ref()?;
        let (parts, aliases) = (self.parts.clone(), self.aliases.clone());
        Some(Plan { size: self.size, is_large: self.is_large, parts, aliases, ..plan })
    }

    /// A plan with tiles of so many elements, or of as many whole rows as fit.
    ///
    /// A row is held as a whole if anything is computed along it; else it may be cut to tiles. Slots come last, as loops that are
    /// compiled need few of them.
    fn with_tile(spec: &KernelSpec, cols: usize, unrounded: usize, loops: Loops<'_>) -> Plan {
        let (size, tile) = (spec.size, unrounded);
        let folds = spec.ops.iter().any(|op| op.extent() == IterationSpace::Row);
        let rows = (size / cols.max(1)).max(1);
        let tile_rows = if cols <= tile || folds { (tile / cols.max(1)).clamp(1, rows) } else { 0 };
        let tile = if tile_rows == 0 { tile } else { tile_rows * cols };
        let mut planner = Planner {
            spec,
            tile_rows,
            prologue: Vec::new(),
            body: Vec::new(),
            slots: Vec::new(),
            seen: HashMap::new(),
        };
        let aliases = assign_aliases(spec);
        let mut cross_tile = Vec::new();
        let mut cross_tile_bytes = 0;
        for at in 0..spec.ops.len() {
            planner.op(at, &aliases, &mut cross_tile, &mut cross_tile_bytes);
        }
        for (out, &(value, _)) in spec.outs.iter().enumerate() {
            planner.finish(out, value);
        }
        let Planner { mut prologue, mut body, slots: needs, .. } = planner;
        let first_slot = spec.inputs.len() + spec.outs.len();
        let mut code = None;
        if let Loops::Jit(isa, prefetch, listing) = loops {
            let space = assembler::Space { spec, aliases: &aliases, prologue: &prologue, isa, prefetch };
            (body, code) = assembler::assemble(body, &space, listing);
            let is_read = |place: &Place| body.iter().any(|step| step.reads().contains(place));
            prologue.retain(|(_, _, place)| is_read(place));
        }
        let (slots, bytes) = assign(&mut body, &prologue, &needs, first_slot, tile, tile_rows.max(1));
        let rows = size / cols.max(1);
        let input = |(access, dtype): &(Access, crate::DType)| Input {
            access: access.clone(),
            width: dtype.size(),
            count: match access {
                Access::One => 1,
                Access::Full => size,
                Access::Rows => rows,
                Access::Columns => cols,
                Access::Strided(layout) => layout.reach()[0],
            },
        };
        let out = |&(value, _): &(usize, Owner)| {
            let op = &spec.ops[value - spec.inputs.len()];
            let count = match op.extent() {
                IterationSpace::Full => size,
                IterationSpace::Row => rows,
                IterationSpace::Column => cols,
                IterationSpace::Total => 1,
            };
            Out { width: op.dtype().size(), count, extent: op.extent() }
        };
        Plan {
            size,
            cols,
            tile_rows,
            tile,
            inputs: spec.inputs.iter().map(input).collect(),
            outs: spec.outs.iter().map(out).collect(),
            prologue,
            body,
            slots,
            bytes,
            cross_tile,
            cross_tile_bytes,
            work: spec.ops.iter().filter(|op| op.extent() != IterationSpace::Row).map(KernelOp::cost).sum(),
            aliases,
            parts: Vec::new(),
            is_large: false,
            has_folds: folds,
            unrounded_tile: unrounded,
            code,
        }
    }
}

/// Which input each result may overwrite.
fn assign_aliases(spec: &KernelSpec) -> Vec<Option<usize>> {
    let mut free = spec.donated.clone();
    let op = |value: usize| &spec.ops[value - spec.inputs.len()];
    if let Some((input, _)) = spec.over {
        free[input] = None;
    }
    let mut alias = |(out, &(value, owner)): (usize, &(usize, Owner))| {
        if let Some((input, result)) = spec.over
            && result == out
        {
            return Some(input);
        }
        let fits = |input: &usize| {
            let (access, dtype) = &spec.inputs[*input];
            free[*input] == Some(owner)
                && matches!(access, Access::Full)
                && op(value).extent() == IterationSpace::Full
                && dtype.size() == op(value).dtype().size()
        };
        let input = (0..spec.inputs.len()).find(fits)?;
        free[input] = None;
        Some(input)
    };
    spec.outs.iter().enumerate().map(&mut alias).collect()
}

impl Planner<'_> {
    fn inputs(&self) -> usize {
        self.spec.inputs.len()
    }

    fn slot(&mut self, width: usize, kept: bool, by_rows: bool) -> Place {
        self.slots.push((width, kept, by_rows));
        (self.inputs() + self.spec.outs.len() + self.slots.len() - 1) as Place
    }

    fn width(&self, value: usize) -> usize {
        match value.checked_sub(self.inputs()) {
            None => self.spec.inputs[value].1.size(),
            Some(op) => self.spec.ops[op].dtype().size(),
        }
    }

    /// Where a value is found with a number for each element, or each row.
    fn place(&mut self, value: usize, by_rows: bool) -> Place {
        if let Some(&place) = self.seen.get(&(value, by_rows)) {
            return place;
        }
        let width = self.width(value);
        let place = match self.spec.inputs.get(value).map(|(access, _)| access) {
            Some(Access::One) => {
                // One number for all is the same for elements and rows.
                let slot = match self.seen.get(&(value, !by_rows)) {
                    Some(&slot) => slot,
                    None => {
                        let slot = self.slot(width, true, false);
                        self.prologue.push((Prologue::Splat, value, slot));
                        slot
                    }
                };
                self.seen.insert((value, !by_rows), slot);
                slot
            }
            Some(Access::Full) => value as Place,
            Some(Access::Rows) if by_rows => value as Place,
            Some(Access::Columns) if self.tile_rows < 2 => value as Place,
            Some(Access::Columns) => {
                let slot = self.slot(width, true, false);
                self.prologue.push((Prologue::Repeat, value, slot));
                slot
            }
            Some(Access::Strided(_)) => {
                let out = self.slot(width, false, false);
                let args = [value as Place, 0, 0];
                self.body.push(Instruction { action: Action::Gather, args, out, by_rows: false });
                out
            }
            // A number for each row, and wanted for each element.
            Some(Access::Rows) | None => {
                let args = [self.place(value, true), 0, 0];
                let out = self.slot(width, false, false);
                self.body.push(Instruction { action: Action::Expand(width), args, out, by_rows: false });
                out
            }
        };
        self.seen.insert((value, by_rows), place);
        place
    }

    fn op(
        &mut self,
        at: usize,
        aliases: &[Option<usize>],
        cross_tile: &mut Vec<CrossTile>,
        cross_tile_bytes: &mut usize,
    ) {
        let spec = self.spec;
        let value = self.inputs() + at;
        let op = &spec.ops[at];
        let by_rows = op.extent() == IterationSpace::Row;
        match op {
            KernelOp::Map { code, args, from, to, .. }
                if let Some((side, block, cols)) = self.mixed(*code, args, *from, by_rows) =>
            {
                let mut places = [0; 3];
                // A number for each row is found where rows are handled; one number is the input itself.
                places[side] = if cols == 0 { args[side] as Place } else { self.place(args[side], true) };
                places[1 - side] = self.place(args[1 - side], by_rows);
                let out = self.destination(value, by_rows, aliases);
                let kind = if cols == 0 { Side::Number(side) } else { Side::Row(side) };
                let map = Map { block, parameter: cols, code: *code, from: *from, to: *to, side: kind };
                self.body.push(Instruction { action: Action::Map(map), args: places, out, by_rows });
            }
            KernelOp::Map { code, args, from, to, .. } => {
                let mut places = [0; 3];
                for (place, &arg) in places.iter_mut().zip(args) {
                    *place = self.place(arg, by_rows);
                }
                let Some((block, parameter)) = blocks::entry(*code, *from, *to) else {
                    unreachable!("`supports` was asked")
                };
                let out = self.destination(value, by_rows, aliases);
                let map = Map { block, parameter, code: *code, from: *from, to: *to, side: Side::None };
                self.body.push(Instruction { action: Action::Map(map), args: places, out, by_rows });
            }
            KernelOp::Fold { folding, arg, dtype, extent } => {
                let args = [self.place(*arg, false), 0, 0];
                if by_rows {
                    let out = self.destination(value, true, aliases);
                    let action = Action::Rows(fold_rows(*folding, *dtype), *folding, *dtype);
                    self.body.push(Instruction { action, args, out, by_rows });
                    return;
                }
                let fold = fold_columns(*folding, *dtype);
                let cols = if *extent == IterationSpace::Total { 1 } else { spec.cols };
                let out = spec.outs.iter().position(|&(out, _)| out == value);
                let out = out.unwrap_or_else(|| unreachable!("what is known at the end is a result"));
                let action = Action::CrossTile(cross_tile.len());
                self.body.push(Instruction { action, args, out: 0, by_rows: false });
                let is_total = *extent == IterationSpace::Total;
                let bytes = (cols * fold.width).next_multiple_of(LINE);
                let (offset, recent, tile) =
                    (*cross_tile_bytes, *cross_tile_bytes + bytes, *cross_tile_bytes + 2 * bytes);
                cross_tile.push(CrossTile { fold, cols, out, offset, recent, tile, is_total });
                *cross_tile_bytes += 3 * bytes;
            }
        }
    }

    /// Which of two arguments is a single number, or one for each row, and the loop for that; rows have so many elements.
    fn mixed(
        &self,
        code: ScalarOp,
        args: &[usize],
        from: DType,
        by_rows: bool,
    ) -> Option<(usize, Block, i32)> {
        let &[x, y] = args else { return None };
        let is_number = |value: usize| matches!(self.spec.inputs.get(value), Some((Access::One, _)));
        let is_row = |value: usize| match value.checked_sub(self.inputs()) {
            None => matches!(self.spec.inputs[value].0, Access::Rows),
            Some(op) => self.spec.ops[op].extent() == IterationSpace::Row,
        };
        let loops = blocks::mixed(code, from)?;
        if is_number(x) != is_number(y) {
            let side = usize::from(is_number(y));
            return Some((side, loops.number[side], 0));
        }
        let cols = i32::try_from(self.spec.cols).ok()?;
        if by_rows || is_number(x) || is_row(x) == is_row(y) {
            return None;
        }
        let side = usize::from(is_row(y));
        Some((side, loops.rows[side], cols))
    }

    /// Where a value is written: into the result's memory if it is one and nothing of that is read any more.
    fn destination(&mut self, value: usize, by_rows: bool, aliases: &[Option<usize>]) -> Place {
        let result = self.spec.outs.iter().position(|&(out, _)| out == value);
        let place = match result {
            Some(out) if aliases[out].is_none_or(|input| !self.is_read_from(input, value)) => {
                (self.inputs() + out) as Place
            }
            _ => self.slot(self.width(value), false, by_rows),
        };
        self.seen.insert((value, by_rows), place);
        place
    }

    /// Whether the operation that makes `value`, or a later one, reads an input.
    fn is_read_from(&self, input: usize, value: usize) -> bool {
        self.spec.ops[value - self.inputs()..].iter().any(|op| op.args().contains(&input))
    }

    /// Copies a result that waits in a slot.
    fn finish(&mut self, out: usize, value: usize) {
        let op = &self.spec.ops[value - self.inputs()];
        if matches!(op.extent(), IterationSpace::Column | IterationSpace::Total) {
            return;
        }
        let by_rows = op.extent() == IterationSpace::Row;
        let (from, to) = (self.place(value, by_rows), (self.inputs() + out) as Place);
        if from != to {
            let (block, dtype) = (blocks::copy(self.width(value)), op.dtype());
            let map =
                Map { block, parameter: 0, code: ScalarOp::Copy, from: dtype, to: dtype, side: Side::None };
            self.body.push(Instruction { action: Action::Map(map), args: [from, 0, 0], out: to, by_rows });
        }
    }
}

/// Gives slots whose lifetimes do not overlap the same memory, by width and kind; returns where each begins.
///
/// The result of an instruction never lies where one of its arguments does.
fn assign(
    body: &mut [Instruction],
    prologue: &[(Prologue, usize, Place)],
    needs: &[(usize, bool, bool)],
    first: usize,
    tile: usize,
    rows: usize,
) -> (Vec<usize>, usize) {
    let slot_of = |place: Place| (place as usize).checked_sub(first);
    let mut last = vec![0; needs.len()];
    for (at, instruction) in body.iter().enumerate() {
        let places = instruction.reads().iter().chain(instruction.writes());
        places.filter_map(|&place| slot_of(place)).for_each(|slot| last[slot] = at);
    }
    let mut merged: Vec<Option<usize>> = vec![None; needs.len()];
    // What was given away: width, kind.
    let mut memory: Vec<(usize, bool)> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    for (_, _, place) in prologue {
        if let Some(slot) = slot_of(*place) {
            merged[slot] = Some(memory.len());
            memory.push((needs[slot].0, false));
        }
    }
    for (at, step) in body.iter().enumerate() {
        for slot in step.writes().iter().filter_map(|&place| slot_of(place)) {
            if merged[slot].is_some() {
                continue;
            }
            let (width, _, by_rows) = needs[slot];
            let found = free.iter().position(|&m| memory[m] == (width, by_rows)).map(|i| free.swap_remove(i));
            merged[slot] = Some(found.unwrap_or_else(|| {
                memory.push((width, by_rows));
                memory.len() - 1
            }));
        }
        let places = step.reads().iter().chain(step.writes());
        let mut ended: Vec<usize> = places.filter_map(|&place| slot_of(place)).collect();
        ended.sort_unstable();
        ended.dedup();
        for slot in ended {
            if last[slot] == at && !needs[slot].1 {
                free.extend(merged[slot]);
            }
        }
    }
    let mut bytes = 0;
    let offsets: Vec<usize> = memory
        .iter()
        .map(|&(width, by_rows)| {
            let begin = bytes;
            bytes += (width * if by_rows { rows } else { tile }).next_multiple_of(LINE);
            begin
        })
        .collect();
    (merged.iter().map(|memory| memory.map_or(0, |m| offsets[m])).collect(), bytes)
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
