//! What a fused kernel computes, and how it reads its inputs.

use smallvec::SmallVec;

use super::code::{Code, Folding};
use super::table;
use crate::kernels::broadcast::Broadcast;
use crate::tensor::DType;

/// A fused computation over `size` elements in rows of `cols`.
///
/// Values are numbered: the inputs first, then the result of each operation.
pub(crate) struct Recipe {
    /// Elements of the whole space.
    pub size: usize,
    /// Elements of a row; all of them, where nothing happens along rows.
    pub cols: usize,
    pub inputs: Vec<(Access, DType)>,
    pub ops: Vec<Op>,
    /// The values that are results, each once, and none of them an input; and whose memory theirs is.
    pub outs: Vec<(usize, Owner)>,
    /// By input: whose memory its is, if that may become the memory of a result of the same owner.
    pub dying: Vec<Option<Owner>>,
}

/// Where an input has the number that belongs to an element of the space.
#[derive(Clone)]
pub(crate) enum Access {
    /// One number for all.
    One,
    /// A number for each.
    Full,
    /// A number for each row.
    Rows,
    /// A number for each column.
    Columns,
    /// Any other broadcast.
    Strided(Broadcast<1>),
}

/// Whose memory a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It belongs to the program, which uses it again.
    Program,
    /// It comes from the caller, or goes to them.
    Caller,
}

/// How many numbers a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// One for each element.
    Full,
    /// One for each row.
    Row,
    /// One for each column, known at the end.
    Column,
    /// One, known at the end.
    Total,
}

pub(crate) enum Op {
    /// A function of elements; `from` is the dtype of the last argument.
    Map { code: Code, args: SmallVec<[usize; 3]>, from: DType, to: DType, extent: Extent },
    /// All elements of each row (`Row`), of each column (`Column`), or all there are (`Total`).
    Fold { folding: Folding, arg: usize, dtype: DType, extent: Extent },
}

impl Access {
    /// Whether two accesses of one array read the same numbers in the same order.
    pub fn is(&self, other: &Access) -> bool {
        match (self, other) {
            (Access::Strided(a), Access::Strided(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Op {
    pub(super) fn dtype(&self) -> DType {
        match self {
            Op::Map { to, .. } => *to,
            Op::Fold { dtype, .. } => *dtype,
        }
    }

    pub(super) fn extent(&self) -> Extent {
        match self {
            Op::Map { extent, .. } | Op::Fold { extent, .. } => *extent,
        }
    }

    pub(super) fn args(&self) -> &[usize] {
        match self {
            Op::Map { args, .. } => args,
            Op::Fold { arg, .. } => std::slice::from_ref(arg),
        }
    }

    pub(super) fn cost(&self) -> usize {
        match self {
            Op::Map { code, .. } => code.cost(),
            Op::Fold { .. } => 1,
        }
    }
}

/// Whether there is a loop for a code: of a last argument of dtype `from` to a result of dtype `to`.
pub(crate) fn supports(code: Code, from: DType, to: DType) -> bool {
    table::entry(code, from, to).is_some()
}
