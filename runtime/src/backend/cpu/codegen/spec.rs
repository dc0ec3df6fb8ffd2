//! What a fused kernel computes, and how it reads its inputs.

use smallvec::SmallVec;

use crate::array::DType;
use crate::kernels::blocks;
use crate::kernels::broadcast::Broadcast;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// A fused computation over `size` elements in rows of `cols`.
///
/// Values are numbered: the inputs first, then the result of each operation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct KernelSpec {
    /// Elements of the whole space.
    pub size: usize,
    /// Elements of a row; all of them, where nothing happens along rows.
    pub cols: usize,
    pub inputs: Vec<(Access, DType)>,
    pub ops: Vec<KernelOp>,
    /// The values that are results, each once, and none of them an input; and whose memory theirs is.
    pub outs: Vec<(usize, Owner)>,
    /// The last results side by side: how many of them share the rows of one array, for each such array.
    pub joined: Vec<usize>,
    /// By input: whose memory its is, if that may become the memory of a result of the same owner.
    pub donated: Vec<Option<Owner>>,
    /// An input that arrives in the memory of a result, whoever owns that.
    pub over: Option<Over>,
}

/// An input that arrives piece by piece in the memory of a result.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Over {
    pub input: usize,
    pub result: usize,
    /// A power of two: pieces begin and end at multiples of so many elements.
    pub multiple: usize,
}

/// Where an input has the value that belongs to an element of the space.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// One value for all.
    One,
    /// A value for each element.
    Full,
    /// A value for each row.
    Rows,
    /// A value for each column.
    Columns,
    /// A value for each element, in a part of the rows of a larger array.
    Window(Window),
    /// Any other broadcast.
    Strided(Broadcast<1>),
}

/// A part of each row of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    /// The first element of the first row.
    pub start: usize,
    /// Elements from one row to the next; 0 where all rows are the same.
    pub pitch: usize,
}

impl Window {
    /// Where an element of a row is.
    pub fn element(self, row: usize, column: usize) -> usize {
        self.start + row * self.pitch + column
    }
}

/// Whose memory a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// It belongs to the program, which uses it again.
    Program,
    /// It comes from the caller, or goes to them.
    Caller,
}

/// How many elements a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IterationSpace {
    /// One for each element.
    Full,
    /// One for each row.
    Row,
    /// One for each column, known at the end.
    Column,
    /// One, known at the end.
    Total,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum KernelOp {
    /// A function of elements; `from` is the dtype of the last argument.
    Map { op: ScalarOp, args: SmallVec<[usize; 3]>, from: DType, to: DType, space: IterationSpace },
    /// All elements of each row (`Row`), of each column (`Column`), or all there are (`Total`).
    Fold { op: ReduceOp, arg: usize, dtype: DType, space: IterationSpace },
}

impl KernelSpec {
    /// The same for an input that arrives in pieces, rows of `row` elements, in the memory of the first result that its elements may be
    /// overwritten with; none if the spec cannot be computed of such pieces.
    pub fn after(&self, input: usize, row: usize) -> Option<(KernelSpec, usize)> {
        let (access, dtype) = &self.inputs[input];
        let is_partial = |op: &KernelOp| matches!(op.space(), IterationSpace::Column | IterationSpace::Total);
        if !matches!(access, Access::Full) || self.ops.iter().any(is_partial) {
            return None;
        }
        let op = |value: usize| &self.ops[value - self.inputs.len()];
        let fits = |op: &KernelOp| op.space() == IterationSpace::Full && op.dtype().size() == dtype.size();
        let result = self.outs[..self.whole()].iter().position(|&(value, _)| fits(op(value)))?;
        let by_rows = self.ops.iter().any(|op| op.space() == IterationSpace::Row);
        if by_rows && !row.is_multiple_of(self.cols) {
            return None;
        }
        let over = Over { input, result, multiple: power_of_two_in(row) };
        Some((KernelSpec { over: Some(over), ..self.clone() }, result))
    }

    /// Whether arrays of other sizes can be computed along, by the same operations with the same scalars.
    pub fn is_elementwise(&self) -> bool {
        self.inputs.iter().all(|(access, _)| matches!(access, Access::One | Access::Full))
            && self.ops.iter().all(|op| matches!(op, KernelOp::Map { space: IterationSpace::Full, .. }))
            && self.over.is_none()
            && self.joined.is_empty()
    }

    /// How many of the results have an array of their own.
    pub fn whole(&self) -> usize {
        self.outs.len() - self.joined.iter().sum::<usize>()
    }

    /// Where a result is that shares the rows of an array: which array, counted with those of whole results, and which part.
    pub fn part(&self, out: usize) -> Option<(usize, Window)> {
        let mut behind = out.checked_sub(self.whole())?;
        for (number, &count) in self.joined.iter().enumerate() {
            if behind < count {
                let window = Window { start: behind * self.cols, pitch: count * self.cols };
                return Some((self.whole() + number, window));
            }
            behind -= count;
        }
        None
    }

    /// Whether another spec performs the same operations, on arrays of any size.
    pub fn resembles(&self, other: &KernelSpec) -> bool {
        let same_op = |(a, b): (&KernelOp, &KernelOp)| matches!(a, KernelOp::Map { .. }) && a == b;
        self.inputs.len() == other.inputs.len()
            && self.ops.len() == other.ops.len()
            && self.outs == other.outs
            && self.donated == other.donated
            && (self.inputs.iter().zip(&other.inputs)).all(|(a, b)| a.1 == b.1 && a.0.is(&b.0))
            && self.ops.iter().zip(&other.ops).all(same_op)
    }
}

/// The largest power of two that divides a number, up to one that no loop has a step of.
pub(super) fn power_of_two_in(number: usize) -> usize {
    const MOST: u32 = 12;
    1 << number.trailing_zeros().min(MOST)
}

impl Access {
    /// Whether two accesses of one array read the same elements in the same order.
    pub fn is(&self, other: &Access) -> bool {
        match (self, other) {
            (Access::Strided(a), Access::Strided(b)) => a == b,
            (Access::Window(a), Access::Window(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl KernelOp {
    pub(super) fn dtype(&self) -> DType {
        match self {
            KernelOp::Map { to, .. } => *to,
            KernelOp::Fold { dtype, .. } => *dtype,
        }
    }

    pub(super) fn space(&self) -> IterationSpace {
        match self {
            KernelOp::Map { space, .. } | KernelOp::Fold { space, .. } => *space,
        }
    }

    pub(super) fn args(&self) -> &[usize] {
        match self {
            KernelOp::Map { args, .. } => args,
            KernelOp::Fold { arg, .. } => std::slice::from_ref(arg),
        }
    }

    pub(super) fn cost(&self) -> usize {
        match self {
            KernelOp::Map { op, .. } => op.cost(),
            KernelOp::Fold { .. } => 1,
        }
    }
}

/// Whether there is a loop for a function: of a last argument of dtype `from` to a result of dtype `to`.
pub(crate) fn supports(op: ScalarOp, from: DType, to: DType) -> bool {
    blocks::entry(op, from, to).is_some()
}
