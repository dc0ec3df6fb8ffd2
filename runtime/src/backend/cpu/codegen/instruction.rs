//! What is done with a tile, step by step.

use crate::array::DType;
use crate::backend::cpu::codegen::assembler::JitLoop;
use crate::backend::cpu::codegen::interpreter::fold::FoldRows;
use crate::kernels::blocks::Block;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// An array of a tile, by its number: inputs come first, then results, then slots.
pub(super) type ArrayId = u16;

pub(super) struct Instruction {
    pub action: Action,
    pub args: [ArrayId; 3],
    pub out: ArrayId,
    /// Whether it handles a value for each row, not for each element.
    pub by_rows: bool,
}

pub(super) enum Action {
    Map(Map),
    /// Broadcasts the value of each row along the row.
    Expand(usize),
    /// Reads an input that is broadcast in another way, or is a part of the rows of an array.
    Gather,
    /// Writes rows of elements, so many bytes wide, to a part of the rows of an array.
    Scatter(usize),
    /// Folds each row, by a loop for a reduction and a dtype.
    Rows(FoldRows, ReduceOp, DType),
    /// Adds to the accumulators of a cross-tile reduction.
    CrossTile(usize),
    /// Many of the others at once, in a loop that was compiled for them.
    Jit(JitLoop),
}

/// A function of elements: its loop, the parameter of that, and what the loop is for.
pub(super) struct Map {
    pub block: Block,
    pub parameter: i32,
    pub op: ScalarOp,
    /// The dtype of the last argument, and of the result.
    pub from: DType,
    pub to: DType,
    pub side: Side,
}

/// Whether a value stands for many elements of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    None,
    /// One for all elements of this argument.
    Scalar(usize),
    /// One for all elements of a row of this argument.
    Row(usize),
}

impl Instruction {
    /// The arrays that are read.
    pub fn reads(&self) -> &[ArrayId] {
        match &self.action {
            Action::Map(map) => &self.args[..map.op.arity()],
            Action::Jit(jit) => &jit.reads,
            _ => &self.args[..1],
        }
    }

    /// The arrays that are written.
    pub fn writes(&self) -> &[ArrayId] {
        match &self.action {
            Action::CrossTile(_) => &[],
            Action::Jit(jit) => &jit.writes,
            _ => std::slice::from_ref(&self.out),
        }
    }
}
