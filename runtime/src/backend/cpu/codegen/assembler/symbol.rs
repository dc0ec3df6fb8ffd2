//! Recording: a `Symbol` stands for a number while the text of a function runs, and what is done to it is written down.
//!
//! So the functions of loops are those of `scalar::math`, with the very same roundings.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::vector_ir::{BasicBlock, Opcode, Relation, Value};
use crate::scalar::math::lane::Lane;

/// The bit of the sign.
pub const SIGN: u32 = 1 << 31;

/// Stands for a number, or for its bits.
#[derive(Clone, Copy)]
pub struct Symbol(Value);

thread_local! {
    /// The block that symbols are written to.
    static RECORDED: RefCell<BasicBlock> = RefCell::default();
}

/// Writes down a function of one number.
pub fn record(block: &mut BasicBlock, x: Value, function: impl FnOnce(Symbol) -> Symbol) -> Value {
    RECORDED.replace(std::mem::take(block));
    let value = function(Symbol(x)).0;
    *block = RECORDED.take();
    value
}

fn op<const N: usize>(op: Opcode, args: [Symbol; N]) -> Symbol {
    Symbol(RECORDED.with_borrow_mut(|block| block.add(op, &args.map(|arg| arg.0))))
}

fn of_bits(bits: u32) -> Symbol {
    op(Opcode::Constant(bits), [])
}

macro_rules! operators {
    ($($trait:ident $name:ident)*) => { $(
        impl $trait for Symbol {
            type Output = Symbol;
            fn $name(self, other: Symbol) -> Symbol {
                op(Opcode::$trait, [self, other])
            }
        }
    )* };
}

operators! { Add add  Sub sub  Mul mul  Div div }

impl Neg for Symbol {
    type Output = Symbol;
    fn neg(self) -> Symbol {
        op(Opcode::Xor, [self, of_bits(SIGN)])
    }
}

impl Lane for Symbol {
    type Bits = Symbol;

    fn of(x: f32) -> Symbol {
        of_bits(x.to_bits())
    }

    fn mul_add(self, a: Symbol, b: Symbol) -> Symbol {
        op(Opcode::MulAdd, [self, a, b])
    }

    fn abs(self) -> Symbol {
        Symbol::and(self, !SIGN)
    }

    fn copysign(self, sign: Symbol) -> Symbol {
        op(Opcode::Or, [self.abs(), Symbol::and(sign, SIGN)])
    }

    fn at_least(self, low: f32) -> Symbol {
        op(Opcode::Max, [Symbol::of(low), self])
    }

    fn at_most(self, high: f32) -> Symbol {
        op(Opcode::Min, [Symbol::of(high), self])
    }

    fn if_less(self, other: Symbol, then: Symbol, otherwise: Symbol) -> Symbol {
        op(Opcode::Select, [op(Opcode::Cmp(Relation::Lt), [self, other]), then, otherwise])
    }

    fn if_equal(self, other: Symbol, then: Symbol, otherwise: Symbol) -> Symbol {
        op(Opcode::Select, [op(Opcode::Cmp(Relation::Eq), [self, other]), then, otherwise])
    }

    fn bits(self) -> Symbol {
        self
    }

    fn from_bits(bits: Symbol) -> Symbol {
        bits
    }

    fn from_integer(integer: Symbol) -> Symbol {
        op(Opcode::IntToFloat, [integer])
    }

    fn add_int(integer: Symbol, other: i32) -> Symbol {
        op(Opcode::AddInt, [integer, of_bits(other as u32)])
    }

    fn sub_int(integer: Symbol, other: Symbol) -> Symbol {
        op(Opcode::SubInt, [integer, other])
    }

    fn shl(bits: Symbol, by: u8) -> Symbol {
        op(Opcode::Shl(by), [bits])
    }

    fn shr(bits: Symbol, by: u8) -> Symbol {
        op(Opcode::Sar(by), [bits])
    }

    fn and(bits: Symbol, mask: u32) -> Symbol {
        op(Opcode::And, [bits, of_bits(mask)])
    }

    fn or(bits: Symbol, mask: u32) -> Symbol {
        op(Opcode::Or, [bits, of_bits(mask)])
    }
}
