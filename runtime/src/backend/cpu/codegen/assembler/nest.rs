//! The loop nest around blocks: over rows, over the elements of each in steps, and what is left of a row.

use super::frame::{
    ARRAYS, COLS, COLUMN, END, Frame, INDEX, LINE, REST, ROW, ROWS, SAVED, SPARE, STEP, Width,
};
use super::isa::Isa;
use super::isa::x86::{Assembler, RSP, When};
use super::regalloc::{Inst, Pinned, Reg, allocate, pressure};
use super::unroll::{Segment, parts};
use super::vector_ir::{BasicBlock, Node, Opcode};

/// Operations of a block that is worth unrolling, at most.
const MOST_UNROLLED: usize = 512;

/// Bytes of a page of memory, at least.
const PAGE: i32 = 4096;

/// A loop whose values have registers.
pub struct Nest<'a> {
    segment: &'a Segment,
    isa: &'a dyn Isa,
    pinned: Pinned,
    frame: Frame,
    row_start: Vec<Inst>,
    /// Several steps at a time, and how many elements those are.
    unrolled: Option<(Vec<Inst>, usize)>,
    /// None where all elements are computed several steps at a time.
    step: Option<Vec<Inst>>,
    /// By vector of a step; none where nothing is left of a row.
    remainder: Vec<Vec<Inst>>,
    row_end: Vec<Inst>,
}

impl<'a> Nest<'a> {
    /// Unrolls a loop and finds registers for it.
    pub fn new(segment: &'a Segment, isa: &'a dyn Isa) -> Nest<'a> {
        let parts = parts(isa);
        let accumulators = segment.folds.len() * usize::from(parts);
        let room = usize::from(isa.vectors()) - accumulators;
        let block = |vectors| segment.unrolled(isa, vectors, false);
        let fits = |&vectors: &u8| {
            segment.cols >= isa.lanes() * usize::from(vectors)
                && segment.block.operations() * usize::from(vectors) <= MOST_UNROLLED
        };
        // A value on the stack costs less than to wait for an operation, so that spills are no reason against it.
        let vectors = [4, 2].into_iter().find(fits).filter(|&vectors| vectors > parts);
        let unrolled = vectors.map(|vectors| (block(0..vectors), vectors));
        let elements = |vectors: u8| isa.lanes() * usize::from(vectors);
        let fills = |vectors: u8| segment.multiple >= elements(vectors);
        let step = (!vectors.is_some_and(fills)).then(|| block(0..parts));
        let masked = |vector| segment.unrolled(isa, vector..vector + 1, true);
        let remainder: Vec<BasicBlock> =
            if fills(parts) { Vec::new() } else { (0..parts).map(masked).collect() };
        let (row_start, row_end) = (segment.row_start(isa), segment.row_end(isa));
        let steps = || unrolled.iter().map(|(block, _)| block).chain(&step);
        let blocks = || steps().chain([&row_end]).chain(&remainder);
        let peak = blocks().map(|block| pressure(block, isa)).max().unwrap_or(0);
        let last = isa.vectors() - 1;
        let pinned = Pinned {
            accumulators: (0..accumulators as Reg).map(|number| last - number).collect(),
            kept: keep(segment, accumulators as Reg..room.saturating_sub(peak) as Reg + accumulators as Reg)
                .map(|(op, number)| (op, last - number))
                .collect(),
        };
        let mut slots = 0;
        let mut allocated = |block: &BasicBlock| {
            let (insts, needed) = allocate(block, isa, &pinned);
            slots = slots.max(needed);
            insts
        };
        let row_start = allocated(&row_start);
        let unrolled = unrolled.map(|(block, vectors)| (allocated(&block), elements(vectors)));
        let (step, row_end) = (step.map(|block| allocated(&block)), allocated(&row_end));
        let remainder = remainder.iter().map(allocated).collect();
        let frame = Frame::new(&segment.block, &segment.windows, isa, slots);
        Nest { segment, isa, pinned, frame, row_start, unrolled, step, remainder, row_end }
    }

    /// Appends the function.
    pub fn emit(&self, code: &mut Assembler) {
        self.prologue(code);
        code.mark(|| "for each row".into());
        code.clear(INDEX);
        code.clear(ROW);
        let rows = code.here();
        for &(op, register) in &self.pinned.kept {
            if let Opcode::Row(_) = op {
                self.load(op, register, code);
            }
        }
        self.block(&self.row_start, code);
        code.mark(|| "for each step of the row".into());
        code.clear(COLUMN);
        code.copy(END, INDEX);
        code.add(END, COLS);
        if let Some((block, elements)) = &self.unrolled {
            self.steps(block, *elements, code);
        }
        if let Some(step) = &self.step {
            self.steps(step, STEP, code);
        }
        if !self.remainder.is_empty() {
            self.remainder(code);
        }
        self.block(&self.row_end, code);
        code.mark(|| "end".into());
        for &(array, bytes) in &self.segment.windows {
            self.frame.advance(array, bytes, code);
        }
        code.add_number(ROW, 1);
        code.compare_memory(ROW, RSP, Frame::ROWS);
        code.jump_back(When::Less, rows);
        code.load(RSP, RSP, Frame::CALLER);
        SAVED.iter().rev().for_each(|&register| code.pop(register));
        code.leave();
    }

    /// The stack frame, and what all rows have in common.
    fn prologue(&self, code: &mut Assembler) {
        let Nest { frame, isa, .. } = self;
        code.mark(|| "begin".into());
        SAVED.iter().for_each(|&register| code.push(register));
        code.copy(SPARE, RSP);
        // Each page is touched in turn, so that no frame reaches beyond the page that guards the stack (stack probes).
        let mut left = frame.size;
        while left > PAGE {
            code.add_number(RSP, -PAGE);
            code.store(SPARE, RSP, 0);
            left -= PAGE;
        }
        code.add_number(RSP, -left);
        code.and_number(RSP, -LINE);
        code.store(SPARE, RSP, Frame::CALLER);
        code.store(ROWS, RSP, Frame::ROWS);
        code.copy(REST, INDEX);
        if !self.remainder.is_empty() {
            isa.make_lanes(code, frame);
        }
        for &(array, at, width) in &frame.scalars {
            code.load(SPARE, ARRAYS, 8 * i32::from(array));
            if width == Width::Half {
                // The upper half of an `f32`.
                code.load_word(SPARE, SPARE, None, 0);
                code.shift_left(SPARE, 16);
                code.store_half(SPARE, RSP, at);
                isa.broadcast_scalar(code, RSP, at, at);
            } else {
                isa.broadcast_scalar(code, SPARE, 0, at);
            }
        }
        for (array, register) in frame.pointers() {
            code.load(register, ARRAYS, 8 * i32::from(array));
        }
        frame.place_moving(code);
        for &(op, register) in &self.pinned.kept {
            if !matches!(op, Opcode::Row(_)) {
                self.load(op, register, code);
            }
        }
    }

    fn load(&self, op: Opcode, to: Reg, code: &mut Assembler) {
        self.block(&[Inst::load(op, to)], code);
    }

    fn block(&self, insts: &[Inst], code: &mut Assembler) {
        for inst in insts {
            code.mark(|| inst.to_string());
            self.isa.emit(code, inst, &self.frame);
        }
    }

    /// A loop over as many elements as there are, some at a time.
    fn steps(&self, block: &[Inst], elements: usize, code: &mut Assembler) {
        let step = elements as i32;
        code.mark(|| format!("{step} elements at a time"));
        // The end is moved to where the last step may begin, and back.
        code.add_number(END, 1 - step);
        code.compare(INDEX, END);
        let to_end = code.jump(When::NotLess);
        let again = code.here();
        for array in &self.segment.prefetched {
            if let Some(base) = self.frame.register(*array) {
                for line in (0..4 * step).step_by(LINE as usize) {
                    code.prefetch(base, INDEX, 2, self.segment.prefetch_distance + line);
                }
            }
        }
        self.block(block, code);
        code.mark(|| "next".into());
        code.add_number(INDEX, step);
        if self.segment.block.nodes.iter().any(|node| matches!(node.op, Opcode::Column(..))) {
            code.add_number(COLUMN, step);
        }
        code.compare(INDEX, END);
        code.jump_back(When::Less, again);
        code.land(to_end);
        code.add_number(END, step - 1);
    }

    /// What is left of a row, vector by vector.
    fn remainder(&self, code: &mut Assembler) {
        code.mark(|| "what is left of the row".into());
        code.test(REST);
        let to_end = code.jump(When::Zero);
        self.isa.begin_remainder(code, &self.frame);
        let mut jumps = Vec::new();
        for (vector, block) in self.remainder.iter().enumerate() {
            if vector > 0 {
                code.mark(|| format!("vector {vector}"));
                code.compare_number(REST, (vector * self.isa.lanes()) as i32);
                jumps.push(code.jump(When::NotGreater));
            }
            self.block(block, code);
        }
        code.mark(|| "end of the row".into());
        jumps.into_iter().for_each(|jump| code.land(jump));
        self.isa.end_remainder(code, &self.frame);
        code.add(INDEX, REST);
        code.land(to_end);
    }
}

/// Numbers that are the same for many elements and are used most, for registers that nobody needs.
fn keep(segment: &Segment, registers: std::ops::Range<Reg>) -> impl Iterator<Item = (Opcode, Reg)> {
    let nodes = &segment.block.nodes;
    let mut counts = vec![0; nodes.len()];
    nodes.iter().flat_map(Node::args).for_each(|&arg| counts[arg] += 1);
    let is_kept = |op: Opcode| {
        matches!(op, Opcode::Scalar(_) | Opcode::ScalarHalf(_) | Opcode::Constant(_) | Opcode::Row(_))
    };
    let mut values: Vec<usize> = (0..nodes.len()).filter(|&value| is_kept(nodes[value].op)).collect();
    values.sort_by_key(|&value| (std::cmp::Reverse(counts[value]), value));
    values.into_iter().map(|value| nodes[value].op).zip(registers)
}
