//! Lowering of `bf16`: lanes hold the number in `f32`, where each operation is computed and then rounded, as the interpreter does.
//!
//! Numbers are rounded by the operations that integers have, and not by `VCVTNEPS2BF16`, which takes subnormal numbers for zeros.

use super::isa::Isa;
use super::lower;
use super::symbol::SIGN;
use super::vector_ir::{BasicBlock, Opcode, Relation, Value};
use crate::array::DType;
use crate::array::DType::{BF16, F32};
use crate::scalar::op::ScalarOp;

/// Bits of an `f32` that a `bf16` has not.
const CUT: u8 = 16;

/// Whether there are vector operations for a function that takes or gives `bf16`.
pub fn supports(op: ScalarOp, from: DType, to: DType) -> bool {
    match (from, to) {
        (BF16, F32) | (F32, BF16) => op == ScalarOp::Cast,
        _ => lower::supports(op, wide(from), wide(to)),
    }
}

/// What lanes hold.
fn wide(dtype: DType) -> DType {
    if dtype == BF16 { F32 } else { dtype }
}

/// The value of a function that is supported.
pub fn lower(
    block: &mut BasicBlock,
    isa: &dyn Isa,
    op: ScalarOp,
    from: DType,
    to: DType,
    args: &[Value],
) -> Value {
    let value = match op {
        ScalarOp::Cast if wide(from) == wide(to) => args[0],
        // In two roundings.
        ScalarOp::MulAdd => {
            let product = block.add(Opcode::Mul, &args[..2]);
            block.add(Opcode::Add, &[product, args[2]])
        }
        _ => lower::lower(block, isa, op, wide(from), wide(to), args),
    };
    let is_exact = is_exact(op) || (op == ScalarOp::Cast && (from == BF16 || from == DType::Bool));
    if to != BF16 || is_exact { value } else { rounded(block, value) }
}

/// Whether a function gives `bf16` of `bf16` without rounding.
fn is_exact(op: ScalarOp) -> bool {
    matches!(
        op,
        ScalarOp::Copy
            | ScalarOp::Select
            | ScalarOp::Neg
            | ScalarOp::Abs
            | ScalarOp::Sign
            | ScalarOp::Relu
            | ScalarOp::Max
            | ScalarOp::Min
            | ScalarOp::Clamp
            | ScalarOp::Floor
            | ScalarOp::Ceil
            | ScalarOp::Round
            | ScalarOp::Trunc
    )
}

/// As [`bf16_of_f32`](crate::scalar::rounding::bf16_of_f32), in 32 bits.
fn rounded(block: &mut BasicBlock, x: Value) -> Value {
    let (shifted, one) = (block.add(Opcode::Shr(CUT), &[x]), block.bits(1));
    let to_even = block.add(Opcode::And, &[shifted, one]);
    let half = block.bits(0x7FFF);
    let added = block.add(Opcode::AddInt, &[to_even, half]);
    let nearest = block.add(Opcode::AddInt, &[x, added]);
    let (sign, quiet) = (block.bits(SIGN), block.bits(0x7FC0_0000));
    let sign = block.add(Opcode::And, &[x, sign]);
    let nan = block.add(Opcode::Or, &[sign, quiet]);
    let is_nan = block.add(Opcode::Cmp(Relation::Unordered), &[x, x]);
    let bits = block.add(Opcode::Select, &[is_nan, nan, nearest]);
    let kept = block.bits(u32::MAX << CUT);
    block.add(Opcode::And, &[bits, kept])
}

/// The number that is loaded as 16 bits.
pub fn widened(block: &mut BasicBlock, half: Value) -> Value {
    block.add(Opcode::Shl(CUT), &[half])
}

/// The 16 bits that are stored.
pub fn narrowed(block: &mut BasicBlock, x: Value) -> Value {
    block.add(Opcode::Shr(CUT), &[x])
}
