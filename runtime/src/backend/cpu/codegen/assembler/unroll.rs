//! Unrolling: the blocks of a loop, made of what it does with one vector.
//!
//! Several vectors are computed side by side, operation by operation, so that one is computed while another waits for an
//! operation to end (software unrolling for latency). What is left of a row is computed under a mask (a masked remainder, or
//! tail predication). Reductions of rows have an accumulator for each lane of a step, which are combined at the end of the row, in
//! the order of [`fold_run`](crate::kernels::reduce): halves, quarters, and so on.

use std::ops::Range;

use smallvec::SmallVec;

use super::super::instruction::ArrayId;
use super::frame::STEP;
use super::isa::Isa;
use super::lower::combine;
use super::vector_ir::{BasicBlock, Opcode, Value};
use crate::kernels::reduce::{Fold, Max, Min, Prod, Sum};
use crate::scalar::reduce::ReduceOp;

/// What each row is reduced to, and where that is written.
#[derive(Clone, Copy, Debug)]
pub struct RowFold {
    pub folding: ReduceOp,
    pub out: ArrayId,
}

/// A loop to be compiled: what it does with one vector.
pub struct Segment {
    pub block: BasicBlock,
    pub folds: Vec<RowFold>,
    /// Arrays whose rows do not follow each other, and the bytes between the end of one and the next.
    pub windows: Vec<(ArrayId, i32)>,
    /// Arrays that are prefetched, and how many bytes before they are needed.
    pub prefetched: Vec<ArrayId>,
    pub prefetch_distance: i32,
    /// Elements of a row, at most.
    pub cols: usize,
    /// A power of two that divides the number of elements of each run.
    pub multiple: usize,
}

/// Vectors of a step.
pub fn parts(isa: &dyn Isa) -> u8 {
    (STEP / isa.lanes()) as u8
}

impl Segment {
    /// What is done with some vectors, whole ones or those lanes of them that are left of a row.
    pub fn unrolled(&self, isa: &dyn Isa, vectors: Range<u8>, is_masked: bool) -> BasicBlock {
        let nodes = self.block.nodes.len();
        let mut unroller = Unroller {
            segment: self,
            isa,
            is_masked,
            // Of what differs from vector to vector nothing is looked up.
            is_uniform: self.block.uniform(),
            out: BasicBlock::with_room(nodes * vectors.len()),
            values: vec![vec![0; nodes]; usize::from(vectors.end)],
            accumulators: vec![None; self.folds.len() * usize::from(parts(isa))],
        };
        (0..nodes).for_each(|value| vectors.clone().for_each(|vector| unroller.copy(value, vector)));
        let Unroller { mut out, accumulators, .. } = unroller;
        for (number, value) in accumulators.into_iter().enumerate() {
            if let Some(value) = value {
                out.add(Opcode::SetAccumulator(number as u8), &[value]);
            }
        }
        out
    }

    /// What is done before the elements of a row: neutral elements.
    pub fn row_start(&self, isa: &dyn Isa) -> BasicBlock {
        let mut block = BasicBlock::default();
        for (number, fold) in self.folds.iter().enumerate() {
            let neutral = block.constant(match fold.folding {
                ReduceOp::Sum => Sum::<f32>::IDENTITY,
                ReduceOp::Prod => Prod::<f32>::IDENTITY,
                ReduceOp::Max => Max::<f32>::IDENTITY,
                ReduceOp::Min => Min::<f32>::IDENTITY,
            });
            for part in 0..parts(isa) {
                block.add(Opcode::SetAccumulator(number as u8 * parts(isa) + part), &[neutral]);
            }
        }
        block
    }

    /// What is done after the elements of a row: all lanes become one number.
    pub fn row_end(&self, isa: &dyn Isa) -> BasicBlock {
        let mut block = BasicBlock::default();
        for (number, fold) in self.folds.iter().enumerate() {
            let combine = |block: &mut BasicBlock, x, y| combine(block, isa, fold.folding, x, y);
            let accumulator = |part| Opcode::Accumulator(number as u8 * parts(isa) + part);
            let mut vectors: Vec<Value> =
                (0..parts(isa)).map(|part| block.add(accumulator(part), &[])).collect();
            while vectors.len() > 1 {
                let high = vectors.split_off(vectors.len() / 2);
                vectors = vectors.iter().zip(high).map(|(&x, y)| combine(&mut block, x, y)).collect();
            }
            let mut lanes = isa.lanes() / 2;
            while lanes > 0 {
                let other = block.add(Opcode::Swap(lanes as u8), &[vectors[0]]);
                vectors[0] = combine(&mut block, vectors[0], other);
                lanes /= 2;
            }
            block.add(Opcode::StoreRow(fold.out), &[vectors[0]]);
        }
        block
    }
}

struct Unroller<'a> {
    segment: &'a Segment,
    isa: &'a dyn Isa,
    is_masked: bool,
    /// By value of the segment: whether all vectors have the same.
    is_uniform: Vec<bool>,
    out: BasicBlock,
    /// By vector and value of the segment.
    values: Vec<Vec<Value>>,
    /// What accumulators hold by now.
    accumulators: Vec<Option<Value>>,
}

impl Unroller<'_> {
    /// Appends an operation for a vector.
    fn copy(&mut self, value: Value, vector: u8) {
        let node = &self.segment.block.nodes[value];
        let renamed = &self.values[usize::from(vector)];
        let mut args: SmallVec<[Value; 3]> = node.args().iter().map(|&arg| renamed[arg]).collect();
        if let Opcode::Fold(folding, number) = node.op {
            return self.fold(folding, number, args[0], vector);
        }
        if self.is_masked && node.op.is_memory() {
            args.push(self.out.add(Opcode::Lanes(vector), &[]));
        }
        let op = node.op.behind(vector);
        let new = if self.is_uniform[value] { self.out.add(op, &args) } else { self.out.push(op, &args) };
        self.values[usize::from(vector)][value] = new;
    }

    fn fold(&mut self, folding: ReduceOp, number: u8, x: Value, vector: u8) {
        let number = number * parts(self.isa) + vector % parts(self.isa);
        let held = self.accumulators[usize::from(number)];
        let before = held.unwrap_or_else(|| self.out.add(Opcode::Accumulator(number), &[]));
        let mut after = combine(&mut self.out, self.isa, folding, before, x);
        if self.is_masked {
            let lanes = self.out.add(Opcode::Lanes(vector), &[]);
            after = self.out.add(Opcode::Select, &[lanes, after, before]);
        }
        self.accumulators[usize::from(number)] = Some(after);
    }
}
