//! Loop formation: sorts the instructions of a tile into loops.
//!
//! What is reduced along rows is known when its loop has ended; so each instruction has a *level*, the number of loops that
//! have to end before it. That is list scheduling without limits on resources: first each instruction is as early as its arguments
//! are there (ASAP), then those that nobody waits for go as late as they are needed (ALAP), so that few values go from one loop to
//! another through memory.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::super::assembled::{Assembled, LoopStep, Step};
use super::super::instruction::{Action, ArrayId, Instruction, Map, Side};
use super::super::tile_program::Prologue;
pub use super::exec_memory::{ExecMemory, JitLoop};
use super::frame::STEP;
use super::halves;
use super::isa::{Assembler, Isa};
pub use super::listing::Listing;
use super::lower::{lower, supports};
use super::nest::Nest;
use super::unroll::{RowFold, Segment, parts};
use super::vector_ir::{BasicBlock, Opcode, Value};
use crate::array::DType;
use crate::backend::cpu::codegen::spec::{Access, KernelSpec};
use crate::kernels::reduce::BLOCK;
use crate::scalar::op::ScalarOp;

/// The part of the registers that accumulators may take.
const ACCUMULATORS: usize = 4;

/// What instructions refer to.
pub struct Space<'a> {
    pub spec: &'a KernelSpec,
    /// Which input's memory each result may be written to.
    pub aliases: &'a [Option<usize>],
    pub prologue: &'a [(Prologue, usize, ArrayId)],
    pub isa: &'static dyn Isa,
    /// How many bytes before they are needed inputs are prefetched, if they are too large for the L2 cache.
    pub prefetch: Option<i32>,
    /// A power of two that divides the number of elements of each run of a loop over elements.
    pub multiple: usize,
}

impl Space<'_> {
    fn inputs(&self) -> usize {
        self.spec.inputs.len()
    }

    /// Whether an array is a result.
    fn is_result(&self, array: ArrayId) -> bool {
        (self.inputs()..self.inputs() + self.spec.outs.len()).contains(&(array as usize))
    }

    /// Elements from one row of an array to the next, where it is a part of the rows of a larger one, and the bytes of an element.
    fn pitch(&self, array: ArrayId) -> Option<(usize, usize)> {
        let array = array as usize;
        match self.spec.inputs.get(array) {
            Some((Access::Window(window), dtype)) => Some((window.pitch, dtype.size())),
            Some(_) => None,
            None => {
                let out = array - self.inputs();
                let (_, window) = self.spec.part(out)?;
                let op = &self.spec.ops[self.spec.outs[out].0 - self.inputs()];
                Some((window.pitch, op.dtype().size()))
            }
        }
    }

    /// The input whose memory a result takes.
    fn overwritten(&self, array: ArrayId) -> Option<ArrayId> {
        let out = (array as usize).checked_sub(self.inputs())?;
        self.aliases.get(out).copied().flatten().map(|input| input as ArrayId)
    }

    /// The input with a number for all elements, or for each column, that is broadcast to a slot.
    fn broadcast(&self, array: ArrayId) -> Option<Opcode> {
        let (kind, input, _) = self.prologue.iter().find(|(.., slot)| *slot == array)?;
        if !matches!(self.spec.inputs[*input].1, DType::F32 | DType::I32 | DType::U32) {
            return None;
        }
        Some(match kind {
            Prologue::Splat => Opcode::Scalar(*input as ArrayId),
            Prologue::Repeat => Opcode::Column(*input as ArrayId, 0),
        })
    }
}

/// How an instruction is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopKind {
    /// In a loop over elements.
    Element,
    /// In a loop over elements, and known at its end.
    RowFold,
    /// In a loop over rows.
    Row,
    /// Before the loop of its level.
    Gather,
    /// By the interpreter, after the loop of its level.
    Other,
    /// By the interpreter, among rows.
    OtherRow,
}

/// Finds what takes the place of instructions: loops, and their code. What they are made of is written to `listing`, if somebody wants to
/// read it.
pub fn assemble(body: &[Instruction], space: &Space<'_>, mut listing: Option<&mut Listing>) -> Assembled {
    let kinds: Vec<LoopKind> = body.iter().map(|step| kind(step, space)).collect();
    let levels = levels(body, &kinds, space);
    let groups = groups(&kinds, &levels, most_folds(space.isa));
    let mut group_of = vec![0; body.len()];
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|&at| group_of[at] = number);
    }
    // Arrays that are read by others than the loop that writes them.
    let writer: FxHashMap<ArrayId, usize> = body
        .iter()
        .enumerate()
        .flat_map(|(at, step)| step.writes().iter().map(move |&array| (array, at)))
        .collect();
    let mut shared: FxHashSet<ArrayId> = FxHashSet::default();
    for (at, step) in body.iter().enumerate() {
        let from_others = |array: &&ArrayId| writer.get(array).is_some_and(|&w| group_of[w] != group_of[at]);
        shared.extend(step.reads().iter().filter(from_others));
    }
    let mut code = Assembler::default();
    if listing.is_some() {
        code.keep_marks();
    }
    let mut starts = Vec::new();
    let mut steps = Vec::new();
    for group in &groups {
        let is_loop = matches!(kinds[group[0]], LoopKind::Element | LoopKind::RowFold | LoopKind::Row);
        if !is_loop {
            steps.extend(group.iter().map(|&at| Step::Kept(at)));
            continue;
        }
        let members: Vec<&Instruction> = group.iter().map(|&at| &body[at]).collect();
        let (segment, step) = segment(&members, &shared, space, code.position());
        if let Some(listing) = &mut listing {
            listing.begin(space.isa, &segment);
        }
        starts.push(code.position());
        Nest::new(&segment, space.isa).emit(&mut code);
        steps.push(Step::Loop(step));
    }
    let end = code.position();
    let (code, marks) = code.finish();
    if let Some(listing) = listing {
        listing.fill(&code[..end], marks, &starts);
    }
    Assembled { steps, code }
}

/// With more reductions in a loop, there would be too few registers for anything else.
fn most_folds(isa: &dyn Isa) -> usize {
    usize::from(isa.vectors()) / ACCUMULATORS / usize::from(parts(isa))
}

fn kind(step: &Instruction, space: &Space<'_>) -> LoopKind {
    let is_vector = match &step.action {
        // A `bf16` for each row has no load.
        Action::Map(map) => {
            supports(map.op, map.from, map.to)
                && !(map.from == DType::BF16 && matches!(map.side, Side::Row(_)))
        }
        Action::Expand(width) => *width == 4,
        Action::Rows(_, _, dtype) => {
            let cols = space.spec.cols;
            // The order of one block that fills the lanes is that of a loop; others are folded in another order.
            return if *dtype == DType::F32 && (STEP..=BLOCK).contains(&cols) {
                LoopKind::RowFold
            } else {
                LoopKind::Other
            };
        }
        // What lies in rows is read and written where it is.
        Action::Gather => match &space.spec.inputs[step.args[0] as usize] {
            (Access::Window(_), dtype) if is_loaded(*dtype) => true,
            _ => return LoopKind::Gather,
        },
        Action::Scatter(_) => {
            let out = step.out as usize - space.inputs();
            let dtype = space.spec.ops[space.spec.outs[out].0 - space.inputs()].dtype();
            is_loaded(dtype)
        }
        Action::CrossTile(_) | Action::Jit(_) => false,
    };
    match (is_vector, step.by_rows) {
        (true, false) => LoopKind::Element,
        (true, true) => LoopKind::Row,
        (false, false) => LoopKind::Other,
        (false, true) => LoopKind::OtherRow,
    }
}

/// Whether there are loads and stores of a dtype.
fn is_loaded(dtype: DType) -> bool {
    dtype.size() == 4 || matches!(dtype, DType::Bool | DType::BF16)
}

/// The level of each instruction.
///
/// An instruction waits for what it reads, and for those that read the memory which its result takes. It is in the level of the
/// last of them, or in the next one where that is known only when its loop has ended.
fn levels(body: &[Instruction], kinds: &[LoopKind], space: &Space<'_>) -> Vec<usize> {
    let mut producer: FxHashMap<ArrayId, usize> = FxHashMap::default();
    let mut readers: FxHashMap<ArrayId, Vec<usize>> = FxHashMap::default();
    let mut levels = vec![0; body.len()];
    // As early as possible.
    for (at, step) in body.iter().enumerate() {
        let mut level = 0;
        for array in step.reads() {
            if let Some(&from) = producer.get(array) {
                let is_late = match kinds[from] {
                    LoopKind::RowFold => true,
                    // The interpreter's results are there after the loop of their level.
                    LoopKind::Other => kinds[at] != LoopKind::Other,
                    _ => false,
                };
                level = level.max(levels[from] + usize::from(is_late));
            }
            readers.entry(*array).or_default().push(at);
        }
        for &array in step.writes() {
            producer.insert(array, at);
            for &reader in space.overwritten(array).iter().filter_map(|input| readers.get(input)).flatten() {
                let is_late =
                    kinds[reader] == LoopKind::Other && kinds[at] != LoopKind::Other && reader != at;
                level = level.max(levels[reader] + usize::from(is_late));
            }
        }
        levels[at] = level;
    }
    // As late as others need it.
    let mut latest: Vec<Option<usize>> = vec![None; body.len()];
    for (at, step) in body.iter().enumerate().rev() {
        if matches!(kinds[at], LoopKind::Element | LoopKind::Gather)
            && let Some(level) = latest[at]
        {
            levels[at] = level;
        }
        let mut limit = |of: usize, level: usize| {
            let now = latest[of].map_or(level, |latest| latest.min(level));
            latest[of] = Some(now);
        };
        for array in step.reads() {
            if let Some(&from) = producer.get(array) {
                limit(from, levels[at]);
            }
        }
        for &array in step.writes() {
            for &reader in space.overwritten(array).iter().filter_map(|input| readers.get(input)).flatten() {
                if reader != at {
                    limit(reader, levels[at]);
                }
            }
        }
    }
    levels
}

/// Instructions that run together, in the order of levels.
fn groups(kinds: &[LoopKind], levels: &[usize], most_folds: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for level in 0..=levels.iter().copied().max().unwrap_or(0) {
        let of = |kind: fn(LoopKind) -> bool| {
            (0..kinds.len()).filter(move |&at| levels[at] == level && kind(kinds[at]))
        };
        let mut is_open = false;
        for at in of(|kind| matches!(kind, LoopKind::Row | LoopKind::OtherRow)) {
            match groups.last_mut().filter(|_| is_open && kinds[at] == LoopKind::Row) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
            is_open = kinds[at] == LoopKind::Row;
        }
        groups.extend(of(|kind| kind == LoopKind::Gather).map(|at| vec![at]));
        let elements: Vec<usize> = of(|kind| matches!(kind, LoopKind::Element | LoopKind::RowFold)).collect();
        let mut folds = 0;
        let mut group = Vec::new();
        for at in elements {
            folds += usize::from(kinds[at] == LoopKind::RowFold);
            if folds > most_folds {
                groups.push(std::mem::take(&mut group));
                folds = 1;
            }
            group.push(at);
        }
        groups.extend((!group.is_empty()).then_some(group));
        groups.extend(of(|kind| kind == LoopKind::Other).map(|at| vec![at]));
    }
    groups
}

/// One loop for several instructions: the vector IR of all, one after another, so that what one of them writes for another one is
/// a value, and is stored only if it is a result or another loop reads it. Its code begins at `start`.
fn segment(
    members: &[&Instruction],
    shared: &FxHashSet<ArrayId>,
    space: &Space<'_>,
    start: usize,
) -> (Segment, LoopStep) {
    let mut block = BasicBlock::default();
    let mut known: FxHashMap<ArrayId, Value> = FxHashMap::default();
    let mut folds: Vec<RowFold> = Vec::new();
    let mut writes: Vec<ArrayId> = Vec::new();
    let overwritten: Vec<ArrayId> = members.iter().filter_map(|step| space.overwritten(step.out)).collect();
    // Results are written in the order of instructions, as one may take the place of an argument that is read before.
    for step in members {
        let value = match &step.action {
            Action::Map(map) => {
                let args: SmallVec<[Value; 3]> =
                    (0..map.op.arity()).map(|i| argument(&mut block, &known, map, i, step, space)).collect();
                let value = lower(&mut block, space.isa, map.op, map.from, map.to, &args);
                let node = &block.nodes[value];
                // A copy outlives its array, which a later result may overwrite.
                if node.is_source() && node.op.array().is_some_and(|array| overwritten.contains(&array)) {
                    block.add(Opcode::Copy, &[value])
                } else {
                    value
                }
            }
            Action::Expand(_) => block.add(Opcode::Row(step.args[0]), &[]),
            Action::Rows(_, folding, _) => {
                let value = load(&mut block, &known, step.args[0], DType::F32, space);
                block.add(Opcode::Fold(*folding, folds.len() as u8), &[value]);
                writes.push(step.out);
                folds.push(RowFold { folding: *folding, out: step.out });
                continue;
            }
            Action::Gather => {
                let dtype = space.spec.inputs[step.args[0] as usize].1;
                load(&mut block, &known, step.args[0], dtype, space)
            }
            Action::Scatter(width) => {
                let dtype = match *width {
                    1 => DType::Bool,
                    2 => DType::BF16,
                    _ => DType::F32,
                };
                load(&mut block, &known, step.args[0], dtype, space)
            }
            Action::CrossTile(_) | Action::Jit(_) => unreachable!("these are not in loops"),
        };
        known.insert(step.out, value);
        if space.is_result(step.out) || shared.contains(&step.out) {
            let (store, value) = match stored_dtype(step, space) {
                DType::Bool => (Opcode::StoreByte(step.out, 0), value),
                DType::BF16 => (Opcode::StoreHalf(step.out, 0), halves::narrowed(&mut block, value)),
                _ => (Opcode::Store(step.out, 0), value),
            };
            block.add(store, &[value]);
            writes.push(step.out);
        }
    }
    let block = block.pruned();
    let sources = block.nodes.iter().filter(|node| node.is_source());
    let reads: Vec<ArrayId> = sources.filter_map(|node| node.op.array()).collect();
    let mut arrays: Vec<ArrayId> = reads.iter().chain(&writes).copied().collect();
    arrays.sort_unstable();
    arrays.dedup();
    let slots = space.inputs() + space.spec.outs.len();
    let windows: Vec<(ArrayId, i32)> = arrays
        .into_iter()
        .filter(|&array| (array as usize) < slots)
        .filter_map(|array| {
            let (pitch, width) = space.pitch(array)?;
            Some((array, (pitch as i32 - space.spec.cols as i32) * width as i32))
        })
        .collect();
    let has_rows = !folds.is_empty()
        || !windows.is_empty()
        || block.nodes.iter().any(|node| matches!(node.op, Opcode::Row(_) | Opcode::Column(..)));
    let is_large = |array: &&ArrayId| {
        let input = space.spec.inputs.get(**array as usize);
        input.is_some_and(|(access, dtype)| matches!(access, Access::Full) && dtype.size() == 4)
    };
    let prefetched =
        if space.prefetch.is_some() { reads.iter().filter(is_large).copied().collect() } else { Vec::new() };
    let by_rows = members[0].by_rows && !matches!(members[0].action, Action::Rows(..));
    let multiple = if by_rows { 1 } else { space.multiple };
    let step = LoopStep { reads, writes, has_rows, by_rows, start };
    let cols = if has_rows { space.spec.cols } else { usize::MAX };
    let prefetch_distance = space.prefetch.unwrap_or(0);
    (Segment { block, folds, windows, prefetched, prefetch_distance, cols, multiple }, step)
}

/// The dtype of what an instruction of a loop writes; of those with 32 bits, any.
fn stored_dtype(step: &Instruction, space: &Space<'_>) -> DType {
    match &step.action {
        Action::Map(map) => map.to,
        Action::Gather => space.spec.inputs[step.args[0] as usize].1,
        Action::Scatter(1) => DType::Bool,
        Action::Scatter(2) => DType::BF16,
        _ => DType::F32,
    }
}

fn argument(
    block: &mut BasicBlock,
    known: &FxHashMap<ArrayId, Value>,
    map: &Map,
    number: usize,
    step: &Instruction,
    space: &Space<'_>,
) -> Value {
    let array = step.args[number];
    if map.from == DType::BF16 && map.side == Side::Scalar(number) {
        return block.add(Opcode::ScalarHalf(array), &[]);
    }
    match map.side {
        Side::Scalar(side) if side == number => return block.add(Opcode::Scalar(array), &[]),
        Side::Row(side) if side == number => return block.add(Opcode::Row(array), &[]),
        _ => {}
    }
    let dtype = if map.op == ScalarOp::Select && number == 0 { DType::Bool } else { map.from };
    load(block, known, array, dtype, space)
}

fn load(
    block: &mut BasicBlock,
    known: &FxHashMap<ArrayId, Value>,
    array: ArrayId,
    dtype: DType,
    space: &Space<'_>,
) -> Value {
    if let Some(&value) = known.get(&array) {
        return value;
    }
    let load = match dtype {
        DType::Bool => Opcode::LoadByte(array, 0),
        DType::BF16 => {
            let half = block.add(Opcode::LoadHalf(array, 0), &[]);
            return halves::widened(block, half);
        }
        _ => Opcode::Load(array, 0),
    };
    block.add(space.broadcast(array).unwrap_or(load), &[])
}
