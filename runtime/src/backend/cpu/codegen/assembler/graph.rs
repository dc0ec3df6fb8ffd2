//! What a loop computes of each element, as a list of vector operations.
//!
//! A `Symbol` stands for a number while the text of a function runs: what is done to it is written down. So functions
//! are those of `kernels::math`, with the very same roundings.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::super::instruction::Place;
use crate::scalar::math::lane::Lane;

/// The number of a value in its graph.
pub type Value = usize;

/// How two numbers compare; the numbers are those of the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    Equal = 0x00,
    Unordered = 0x03,
    NotEqual = 0x04,
    Less = 0x11,
    LessOrEqual = 0x12,
    GreaterOrEqual = 0x1D,
    Greater = 0x1E,
}

/// An operation of two numbers, or of two patterns of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Two {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// The larger; the second, if either is NaN or both are zeros.
    Larger,
    /// The smaller; the second, if either is NaN or both are zeros.
    Smaller,
    /// The larger, 0 of 0 and -0; of a number and NaN, the number.
    Largest,
    /// The smaller, -0 of 0 and -0; of a number and NaN, the number.
    Least,
    And,
    Or,
    Xor,
    AddIntegers,
    SubtractIntegers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum One {
    Root,
    /// To an integer, in this direction.
    Round(u8),
    /// Of integers.
    Left(u8),
    /// Of integers, with the sign.
    Right(u8),
    FromInteger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A number for each element, so many vectors behind the first.
    Load(Place, u8),
    /// A byte for each element, as an integer.
    LoadByte(Place, u8),
    /// A number for each row.
    Row(Place),
    /// A number for each column.
    Column(Place, u8),
    /// A number for all.
    Number(Place),
    Constant(u32),
    One(One, Value),
    Two(Two, Value, Value),
    /// Product and sum.
    MultiplyAdd(Value, Value, Value),
    /// 1 or 0.
    Compare(Relation, Value, Value),
    /// By a comparison of the first two, the third or the fourth.
    Choose(Relation, Value, Value, Value, Value),
    /// The second where the first is not 0, else the third.
    Pick(Value, Value, Value),
}

impl Node {
    pub fn args(&self) -> smallvec::SmallVec<[Value; 4]> {
        match *self {
            Node::Load(..)
            | Node::LoadByte(..)
            | Node::Row(_)
            | Node::Column(..)
            | Node::Number(_)
            | Node::Constant(_) => smallvec::SmallVec::new(),
            Node::One(_, x) => smallvec::smallvec![x],
            Node::Two(_, x, y) | Node::Compare(_, x, y) => smallvec::smallvec![x, y],
            Node::MultiplyAdd(x, y, z) | Node::Pick(x, y, z) => smallvec::smallvec![x, y, z],
            Node::Choose(_, x, y, then, otherwise) => smallvec::smallvec![x, y, then, otherwise],
        }
    }

    /// The same for elements so many vectors behind, with these arguments.
    pub fn behind(self, vectors: u8, to: impl Fn(Value) -> Value) -> Node {
        match self {
            Node::Load(place, at) => Node::Load(place, at + vectors),
            Node::LoadByte(place, at) => Node::LoadByte(place, at + vectors),
            Node::Column(place, at) => Node::Column(place, at + vectors),
            Node::Row(_) | Node::Number(_) | Node::Constant(_) => self,
            Node::One(one, x) => Node::One(one, to(x)),
            Node::Two(two, x, y) => Node::Two(two, to(x), to(y)),
            Node::MultiplyAdd(x, y, z) => Node::MultiplyAdd(to(x), to(y), to(z)),
            Node::Compare(relation, x, y) => Node::Compare(relation, to(x), to(y)),
            Node::Choose(relation, x, y, then, otherwise) => {
                Node::Choose(relation, to(x), to(y), to(then), to(otherwise))
            }
            Node::Pick(condition, then, otherwise) => Node::Pick(to(condition), to(then), to(otherwise)),
        }
    }

    /// Whether it can be had from memory at any time.
    pub fn is_source(&self) -> bool {
        self.args().is_empty()
    }
}

/// Values in the order in which they are computed, each once.
#[derive(Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    known: HashMap<Node, Value>,
}

impl Graph {
    pub fn add(&mut self, node: Node) -> Value {
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    pub fn constant(&mut self, x: f32) -> Value {
        self.add(Node::Constant(x.to_bits()))
    }

    /// As [`Number::maximum`](crate::scalar::number::Number::maximum).
    pub fn larger(&mut self, x: Value, y: Value) -> Value {
        self.extreme(Two::Largest, x, y)
    }

    /// As [`Number::minimum`](crate::scalar::number::Number::minimum).
    pub fn smaller(&mut self, x: Value, y: Value) -> Value {
        self.extreme(Two::Least, x, y)
    }

    fn extreme(&mut self, two: Two, x: Value, y: Value) -> Value {
        let (either, nan) = (self.add(Node::Two(two, x, y)), self.constant(f32::NAN));
        self.add(Node::Choose(Relation::Unordered, x, y, nan, either))
    }

    /// As [`Number::positive`](crate::scalar::number::Number::positive).
    pub fn positive(&mut self, x: Value) -> Value {
        let zero = self.constant(0.0);
        let either = self.add(Node::Two(Two::Larger, zero, x));
        self.add(Node::Two(Two::Add, either, zero))
    }

    /// Writes down a function of one number.
    pub fn function(&mut self, x: Value, function: impl FnOnce(Symbol) -> Symbol) -> Value {
        RECORDED.replace(std::mem::take(self));
        let value = function(Symbol(x)).0;
        *self = RECORDED.take();
        value
    }
}

thread_local! {
    /// The graph that symbols are written to.
    static RECORDED: RefCell<Graph> = RefCell::default();
}

fn record(node: Node) -> Symbol {
    Symbol(RECORDED.with_borrow_mut(|graph| graph.add(node)))
}

/// Stands for a number, or for its bits.
#[derive(Clone, Copy)]
pub struct Symbol(Value);

macro_rules! operators {
    ($($trait:ident $name:ident $two:ident)*) => { $(
        impl $trait for Symbol {
            type Output = Symbol;
            fn $name(self, other: Symbol) -> Symbol {
                record(Node::Two(Two::$two, self.0, other.0))
            }
        }
    )* };
}

operators! { Add add Add  Sub sub Subtract  Mul mul Multiply  Div div Divide }

impl Neg for Symbol {
    type Output = Symbol;
    fn neg(self) -> Symbol {
        record(Node::Two(Two::Xor, self.0, of_bits(SIGN).0))
    }
}

pub const SIGN: u32 = 1 << 31;

fn of_bits(bits: u32) -> Symbol {
    record(Node::Constant(bits))
}

impl Lane for Symbol {
    type Bits = Symbol;

    fn of(x: f32) -> Symbol {
        of_bits(x.to_bits())
    }

    fn mul_add(self, a: Symbol, b: Symbol) -> Symbol {
        record(Node::MultiplyAdd(self.0, a.0, b.0))
    }

    fn abs(self) -> Symbol {
        Symbol::and(self, !SIGN)
    }

    fn copysign(self, sign: Symbol) -> Symbol {
        let (magnitude, sign) = (self.abs(), Symbol::and(sign, SIGN));
        record(Node::Two(Two::Or, magnitude.0, sign.0))
    }

    fn at_least(self, low: f32) -> Symbol {
        record(Node::Two(Two::Larger, Symbol::of(low).0, self.0))
    }

    fn at_most(self, high: f32) -> Symbol {
        record(Node::Two(Two::Smaller, Symbol::of(high).0, self.0))
    }

    fn if_less(self, other: Symbol, then: Symbol, otherwise: Symbol) -> Symbol {
        record(Node::Choose(Relation::Less, self.0, other.0, then.0, otherwise.0))
    }

    fn if_equal(self, other: Symbol, then: Symbol, otherwise: Symbol) -> Symbol {
        record(Node::Choose(Relation::Equal, self.0, other.0, then.0, otherwise.0))
    }

    fn bits(self) -> Symbol {
        self
    }

    fn from_bits(bits: Symbol) -> Symbol {
        bits
    }

    fn from_integer(integer: Symbol) -> Symbol {
        record(Node::One(One::FromInteger, integer.0))
    }

    fn plus(integer: Symbol, other: i32) -> Symbol {
        record(Node::Two(Two::AddIntegers, integer.0, of_bits(other as u32).0))
    }

    fn minus(integer: Symbol, other: Symbol) -> Symbol {
        record(Node::Two(Two::SubtractIntegers, integer.0, other.0))
    }

    fn left(bits: Symbol, by: u8) -> Symbol {
        record(Node::One(One::Left(by), bits.0))
    }

    fn right(bits: Symbol, by: u8) -> Symbol {
        record(Node::One(One::Right(by), bits.0))
    }

    fn and(bits: Symbol, mask: u32) -> Symbol {
        record(Node::Two(Two::And, bits.0, of_bits(mask).0))
    }

    fn or(bits: Symbol, mask: u32) -> Symbol {
        record(Node::Two(Two::Or, bits.0, of_bits(mask).0))
    }
}
