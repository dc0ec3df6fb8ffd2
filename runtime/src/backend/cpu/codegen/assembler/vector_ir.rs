//! The vector IR: what the body of a loop computes, as straight-line code in SSA form over vectors of 32-bit lanes.
//!
//! Nothing in it belongs to one processor. Equal operations are one value (local value numbering by hashing, Ershov 1958),
//! and sources, which can be had from memory at any time, are read where they are used.

use std::fmt;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::super::instruction::ArrayId;
use crate::scalar::reduce::ReduceOp;

/// The number of a value in its block.
pub type Value = usize;

/// How two numbers compare; comparisons with NaN are false, but for [`Ne`](Relation::Ne) and
/// [`Unordered`](Relation::Unordered).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Either is NaN.
    Unordered,
}

/// The direction in which a number is rounded to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    NearestEven,
    Down,
    Up,
    TowardsZero,
}

/// What is done with lanes. Arrays are named as in the program of the tile; `u8`s behind them count whole vectors from the
/// element of the loop on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// A number for each element; in the lanes of a mask, if there is an argument.
    Load(ArrayId, u8),
    /// A byte for each element, as an integer; in the lanes of a mask, if there is an argument.
    LoadByte(ArrayId, u8),
    /// 16 bits for each element, as an integer without a sign; in the lanes of a mask, if there is an argument.
    LoadHalf(ArrayId, u8),
    /// A number for each column; in the lanes of a mask, if there is an argument.
    Column(ArrayId, u8),
    /// A value for each row.
    Row(ArrayId),
    /// A number for all.
    Scalar(ArrayId),
    /// The same of a `bf16`, in 32 bits.
    ScalarHalf(ArrayId),
    Constant(u32),
    /// What an accumulator holds before the block.
    Accumulator(u8),
    /// The mask of those lanes of a vector that are left of a row.
    Lanes(u8),
    /// The same, of an array that is overwritten before the value is needed for the last time.
    Copy,
    Add,
    Sub,
    Mul,
    Div,
    /// Product and sum, rounded once.
    MulAdd,
    /// The first if it is larger, else the second: which is taken of zeros, and where either is NaN.
    Max,
    /// The first if it is smaller, else the second: which is taken of zeros, and where either is NaN.
    Min,
    /// `maximumNumber` of IEEE 754-2019: 0 of 0 and -0; of a number and NaN, the number.
    MaximumNumber,
    /// `minimumNumber` of IEEE 754-2019: -0 of 0 and -0; of a number and NaN, the number.
    MinimumNumber,
    Sqrt,
    Round(Rounding),
    And,
    Or,
    Xor,
    /// Bits moved towards the more significant end.
    Shl(u8),
    /// Bits moved towards the less significant end, with copies of the sign behind them.
    Sar(u8),
    /// Bits moved towards the less significant end, with zeros behind them.
    Shr(u8),
    /// The first moved by as many bits as the second says, an integer without a sign: by 32 or more, nothing of it is left.
    ShlBy,
    /// As [`ShlBy`](Opcode::ShlBy) towards the other end, with copies of the sign.
    SarBy,
    /// As [`ShlBy`](Opcode::ShlBy) towards the other end.
    ShrBy,
    AddInt,
    SubInt,
    /// The lower half of the product, with and without signs.
    MulInt,
    /// The magnitude; that of the least integer is itself.
    AbsInt,
    MaxInt,
    MinInt,
    /// Of integers without a sign.
    MaxUint,
    /// Of integers without a sign.
    MinUint,
    IntToFloat,
    /// Towards zero; the least integer where there is none.
    FloatToInt,
    /// A mask.
    Cmp(Relation),
    /// A mask, of integers; which relations there are depends on the instruction set.
    CmpInt(Relation),
    /// A mask, of integers without a sign; not in every instruction set.
    CmpUint(Relation),
    /// A mask: where an integer, which is not negative, is not 0.
    NonZero,
    /// The second where the mask holds, else the third.
    Select,
    /// 1 or 0, as integers.
    MaskToInt,
    /// The lane whose number differs in this bit.
    Swap(u8),
    /// Writes a number for each element; in the lanes of a mask, if there is a second argument.
    Store(ArrayId, u8),
    /// Writes the lowest byte of each lane; in the lanes of a mask, if there is a second argument.
    StoreByte(ArrayId, u8),
    /// Writes the lowest 16 bits of each lane, whose others are 0; in the lanes of a mask, if there is a second argument.
    StoreHalf(ArrayId, u8),
    /// Writes the first lane as the number of the row.
    StoreRow(ArrayId),
    /// What an accumulator holds after the block.
    SetAccumulator(u8),
    /// Combines a vector into an accumulator of a row: what unrolling makes operations of.
    Fold(ReduceOp, u8),
}

impl Opcode {
    /// Whether it does something, and has no value.
    pub fn is_effect(self) -> bool {
        matches!(
            self,
            Opcode::Store(..)
                | Opcode::StoreByte(..)
                | Opcode::StoreHalf(..)
                | Opcode::StoreRow(_)
                | Opcode::SetAccumulator(_)
                | Opcode::Fold(..)
        )
    }

    /// Whether its value is a truth value for each lane.
    pub fn is_mask(self) -> bool {
        matches!(
            self,
            Opcode::Cmp(_) | Opcode::CmpInt(_) | Opcode::CmpUint(_) | Opcode::NonZero | Opcode::Lanes(_)
        )
    }

    /// Whether its first two arguments may be exchanged.
    pub fn is_commutative(self) -> bool {
        matches!(
            self,
            Opcode::Add
                | Opcode::Mul
                | Opcode::MaximumNumber
                | Opcode::MinimumNumber
                | Opcode::And
                | Opcode::Or
                | Opcode::Xor
                | Opcode::AddInt
                | Opcode::MulInt
                | Opcode::MaxInt
                | Opcode::MinInt
                | Opcode::MaxUint
                | Opcode::MinUint
        )
    }

    /// Whether an array is read or written along the elements of a row.
    pub fn is_memory(self) -> bool {
        matches!(
            self,
            Opcode::Load(..)
                | Opcode::LoadByte(..)
                | Opcode::LoadHalf(..)
                | Opcode::Column(..)
                | Opcode::Store(..)
                | Opcode::StoreByte(..)
                | Opcode::StoreHalf(..)
        )
    }

    /// The array that it reads or writes.
    pub fn array(self) -> Option<ArrayId> {
        match self {
            Opcode::Load(array, _)
            | Opcode::LoadByte(array, _)
            | Opcode::LoadHalf(array, _)
            | Opcode::Column(array, _)
            | Opcode::Row(array)
            | Opcode::Store(array, _)
            | Opcode::StoreByte(array, _)
            | Opcode::StoreHalf(array, _)
            | Opcode::StoreRow(array) => Some(array),
            _ => None,
        }
    }

    /// The same for elements so many vectors behind.
    pub fn behind(self, vectors: u8) -> Opcode {
        match self {
            Opcode::Load(array, at) => Opcode::Load(array, at + vectors),
            Opcode::LoadByte(array, at) => Opcode::LoadByte(array, at + vectors),
            Opcode::LoadHalf(array, at) => Opcode::LoadHalf(array, at + vectors),
            Opcode::Column(array, at) => Opcode::Column(array, at + vectors),
            Opcode::Store(array, at) => Opcode::Store(array, at + vectors),
            Opcode::StoreByte(array, at) => Opcode::StoreByte(array, at + vectors),
            Opcode::StoreHalf(array, at) => Opcode::StoreHalf(array, at + vectors),
            other => other,
        }
    }
}

/// An operation and its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub op: Opcode,
    count: u8,
    args: [Value; 3],
}

impl Node {
    fn new(op: Opcode, args: &[Value]) -> Node {
        let mut all = [0; 3];
        all[..args.len()].copy_from_slice(args);
        Node { op, count: args.len() as u8, args: all }
    }

    pub fn args(&self) -> &[Value] {
        &self.args[..usize::from(self.count)]
    }

    /// Whether it can be had from memory at any time.
    pub fn is_source(&self) -> bool {
        self.count == 0
    }
}

/// Operations in the order in which they are performed, each value once.
#[derive(Default)]
pub struct BasicBlock {
    pub nodes: Vec<Node>,
    known: FxHashMap<Node, Value>,
}

/// In one piece, as blocks look up each operation.
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [x, y, z] = self.args.map(|arg| arg as u64);
        state.write_u64(x | y << 20 | z << 40);
        self.op.hash(state);
    }
}

impl BasicBlock {
    pub fn with_capacity(operations: usize) -> BasicBlock {
        BasicBlock {
            nodes: Vec::with_capacity(operations),
            known: FxHashMap::with_capacity_and_hasher(operations, FxBuildHasher),
        }
    }

    /// As [`with_capacity`](BasicBlock::with_capacity), for operations few of which are looked up.
    pub fn with_room(operations: usize) -> BasicBlock {
        BasicBlock { nodes: Vec::with_capacity(operations), known: FxHashMap::default() }
    }

    pub fn add(&mut self, op: Opcode, args: &[Value]) -> Value {
        // What is turned into an integer and back stays a mask.
        if op == Opcode::NonZero && self.nodes[args[0]].op == Opcode::MaskToInt {
            return self.nodes[args[0]].args[0];
        }
        let node = Node::new(op, args);
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// Appends an operation that is known to be another one than all before.
    pub fn push(&mut self, op: Opcode, args: &[Value]) -> Value {
        self.nodes.push(Node::new(op, args));
        self.nodes.len() - 1
    }

    /// By value: whether it is the same for all elements of a row.
    pub fn uniform(&self) -> Vec<bool> {
        let mut is_uniform: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let is_number = matches!(
                node.op,
                Opcode::Row(_) | Opcode::Scalar(_) | Opcode::ScalarHalf(_) | Opcode::Constant(_)
            );
            let is_made_of_such = !node.is_source() && !node.op.is_memory() && !node.op.is_effect();
            is_uniform.push(is_number || is_made_of_such && node.args().iter().all(|&arg| is_uniform[arg]));
        }
        is_uniform
    }

    pub fn bits(&mut self, bits: u32) -> Value {
        self.add(Opcode::Constant(bits), &[])
    }

    pub fn constant(&mut self, x: f32) -> Value {
        self.bits(x.to_bits())
    }

    /// The block without what nobody needs (dead code elimination).
    pub fn pruned(&self) -> BasicBlock {
        let mut is_needed: Vec<bool> = self.nodes.iter().map(|node| node.op.is_effect()).collect();
        for (value, node) in self.nodes.iter().enumerate().rev() {
            if is_needed[value] {
                node.args().iter().for_each(|&arg| is_needed[arg] = true);
            }
        }
        let mut pruned = BasicBlock::with_capacity(self.nodes.len());
        let mut renamed = vec![0; self.nodes.len()];
        for (value, node) in self.nodes.iter().enumerate().filter(|(value, _)| is_needed[*value]) {
            let args: smallvec::SmallVec<[Value; 3]> = node.args().iter().map(|&arg| renamed[arg]).collect();
            renamed[value] = pruned.add(node.op, &args);
        }
        pruned
    }

    /// The number of operations.
    pub fn operations(&self) -> usize {
        self.nodes.iter().filter(|node| !node.is_source()).count()
    }
}

/// As text: `Cmp(Lt)` is `cmp.lt`, array 3 is `p3`, and `[i + 2v]` are the elements two vectors behind.
impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |f: &mut fmt::Formatter<'_>, name: &str, array: ArrayId, index: &str, vectors: u8| {
            match vectors {
                0 => write!(f, "{name} p{array}[{index}]"),
                _ => write!(f, "{name} p{array}[{index} + {vectors}v]"),
            }
        };
        match *self {
            Opcode::Load(array, vectors) => at(f, "load", array, "i", vectors),
            Opcode::LoadByte(array, vectors) => at(f, "load.byte", array, "i", vectors),
            Opcode::LoadHalf(array, vectors) => at(f, "load.half", array, "i", vectors),
            Opcode::Column(array, vectors) => at(f, "load", array, "column", vectors),
            Opcode::Row(array) => write!(f, "load p{array}[row]"),
            Opcode::Scalar(array) => write!(f, "scalar p{array}"),
            Opcode::ScalarHalf(array) => write!(f, "scalar.half p{array}"),
            Opcode::Constant(bits) => write!(f, "constant {:?}", ConstantText(bits)),
            Opcode::Accumulator(number) => write!(f, "accumulator {number}"),
            Opcode::Lanes(vector) => write!(f, "lanes {vector}"),
            Opcode::Round(rounding) => write!(f, "round.{}", Lowercase(rounding)),
            Opcode::Shl(by) => write!(f, "shl.{by}"),
            Opcode::Sar(by) => write!(f, "sar.{by}"),
            Opcode::Shr(by) => write!(f, "shr.{by}"),
            Opcode::Cmp(relation) => write!(f, "cmp.{}", Lowercase(relation)),
            Opcode::CmpInt(relation) => write!(f, "cmpint.{}", Lowercase(relation)),
            Opcode::CmpUint(relation) => write!(f, "cmpuint.{}", Lowercase(relation)),
            Opcode::Swap(bit) => write!(f, "swap.{bit}"),
            Opcode::Store(array, vectors) => at(f, "store", array, "i", vectors),
            Opcode::StoreByte(array, vectors) => at(f, "store.byte", array, "i", vectors),
            Opcode::StoreHalf(array, vectors) => at(f, "store.half", array, "i", vectors),
            Opcode::StoreRow(array) => write!(f, "store p{array}[row]"),
            Opcode::SetAccumulator(number) => write!(f, "set accumulator {number}"),
            Opcode::Fold(folding, number) => write!(f, "fold.{} {number}", Lowercase(folding)),
            other => write!(f, "{}", Lowercase(other)),
        }
    }
}

/// A float where the bits are those of a common one, else the bits.
struct ConstantText(u32);

impl fmt::Debug for ConstantText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = f32::from_bits(self.0);
        if x == 0.0 || (1e-9..1e9).contains(&x.abs()) || x.is_infinite() {
            write!(f, "{x:?}")
        } else {
            write!(f, "{:#010x}", self.0)
        }
    }
}

/// The name of a variant in lowercase.
struct Lowercase<T>(T);

impl<T: fmt::Debug> fmt::Display for Lowercase<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:?}", self.0).to_lowercase())
    }
}

impl fmt::Display for BasicBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (value, node) in self.nodes.iter().enumerate() {
            if node.op.is_effect() {
                write!(f, "    {}", node.op)?;
            } else {
                write!(f, "    %{value} = {}", node.op)?;
            }
            let separator = if node.op.array().is_some() || node.op.is_effect() { ", " } else { " " };
            for (i, arg) in node.args().iter().enumerate() {
                write!(f, "{}%{arg}", if i == 0 { separator } else { ", " })?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
