//! Lowering of integers of 32 bits: sums and products wrap around, so that they do not depend on signs; comparisons and shifts do.

use super::isa::Isa;
use super::lower::relation;
use super::vector_ir::{BasicBlock, Opcode, Relation, Value};
use crate::array::DType;
use crate::array::DType::{Bool, F32, I32, U32};
use crate::scalar::op::ScalarOp;

/// Whether there are vector operations for a function that takes or gives integers of 32 bits.
pub fn supports(op: ScalarOp, from: DType, to: DType) -> bool {
    match (from, to) {
        (I32, I32) | (U32, U32) => match op {
            ScalarOp::Powi(exponent) => matches!(exponent, 2 | 3),
            _ => matches!(
                op,
                ScalarOp::Copy
                    | ScalarOp::Cast
                    | ScalarOp::Neg
                    | ScalarOp::Not
                    | ScalarOp::Relu
                    | ScalarOp::Abs
                    | ScalarOp::Sign
                    | ScalarOp::Add
                    | ScalarOp::Sub
                    | ScalarOp::Mul
                    | ScalarOp::MulAdd
                    | ScalarOp::Max
                    | ScalarOp::Min
                    | ScalarOp::Clamp
                    | ScalarOp::And
                    | ScalarOp::Or
                    | ScalarOp::Xor
                    | ScalarOp::ShiftLeft
                    | ScalarOp::ShiftRight
                    | ScalarOp::Select
            ),
        },
        (I32 | U32, Bool) => op == ScalarOp::Cast || relation(op).is_some(),
        (I32 | Bool, U32) | (U32 | Bool | F32, I32) | (I32 | U32, F32) => op == ScalarOp::Cast,
        _ => false,
    }
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
    let (x, is_signed) = (args[0], from == I32);
    let (max, min) =
        if is_signed { (Opcode::MaxInt, Opcode::MinInt) } else { (Opcode::MaxUint, Opcode::MinUint) };
    if let Some(relation) = relation(op) {
        let mask = isa.compare_integers(block, relation, is_signed, [x, args[1]]);
        return block.add(Opcode::MaskToInt, &[mask]);
    }
    match op {
        ScalarOp::Cast => cast(block, isa, from, to, x),
        ScalarOp::Copy => x,
        ScalarOp::Relu | ScalarOp::Abs if !is_signed => x,
        ScalarOp::Neg => {
            let zero = block.bits(0);
            block.add(Opcode::SubInt, &[zero, x])
        }
        ScalarOp::Not => {
            let all = block.bits(u32::MAX);
            block.add(Opcode::Xor, &[x, all])
        }
        ScalarOp::Relu => {
            let zero = block.bits(0);
            block.add(Opcode::MaxInt, &[x, zero])
        }
        ScalarOp::Abs => block.add(Opcode::AbsInt, &[x]),
        ScalarOp::Sign => {
            // Kept between -1 and 1.
            let one = block.bits(1);
            let sign = block.add(min, &[x, one]);
            if !is_signed {
                return sign;
            }
            let minus_one = block.bits(u32::MAX);
            block.add(max, &[sign, minus_one])
        }
        ScalarOp::Powi(exponent) => {
            let square = block.add(Opcode::MulInt, &[x, x]);
            if exponent == 2 { square } else { block.add(Opcode::MulInt, &[x, square]) }
        }
        ScalarOp::Add => block.add(Opcode::AddInt, args),
        ScalarOp::Sub => block.add(Opcode::SubInt, args),
        ScalarOp::Mul => block.add(Opcode::MulInt, args),
        ScalarOp::MulAdd => {
            let product = block.add(Opcode::MulInt, &args[..2]);
            block.add(Opcode::AddInt, &[product, args[2]])
        }
        ScalarOp::Max => block.add(max, args),
        ScalarOp::Min => block.add(min, args),
        ScalarOp::Clamp => {
            let raised = block.add(max, &[x, args[1]]);
            block.add(min, &[raised, args[2]])
        }
        ScalarOp::And => block.add(Opcode::And, args),
        ScalarOp::Or => block.add(Opcode::Or, args),
        ScalarOp::Xor => block.add(Opcode::Xor, args),
        ScalarOp::ShiftLeft => block.add(Opcode::ShlBy, args),
        ScalarOp::ShiftRight => block.add(if is_signed { Opcode::SarBy } else { Opcode::ShrBy }, args),
        ScalarOp::Select => {
            let condition = block.add(Opcode::NonZero, &[x]);
            block.add(Opcode::Select, &[condition, args[1], args[2]])
        }
        _ => unreachable!("`supports` was asked"),
    }
}

fn cast(block: &mut BasicBlock, isa: &dyn Isa, from: DType, to: DType, x: Value) -> Value {
    match (from, to) {
        (F32, _) => saturated(block, x),
        (I32, F32) => block.add(Opcode::IntToFloat, &[x]),
        (U32, F32) => {
            // Both halves are floats, and their sum is rounded once.
            let (high, mask) = (block.add(Opcode::Shr(16), &[x]), block.bits(0xFFFF));
            let low = block.add(Opcode::And, &[x, mask]);
            let [high, low] = [high, low].map(|half| block.add(Opcode::IntToFloat, &[half]));
            let unit = block.constant(65536.0);
            block.add(Opcode::MulAdd, &[high, unit, low])
        }
        (I32 | U32, Bool) => {
            let zero = block.bits(0);
            let mask = isa.compare_integers(block, Relation::Ne, true, [x, zero]);
            block.add(Opcode::MaskToInt, &[mask])
        }
        // Booleans are loaded as integers.
        _ => x,
    }
}

/// As `as i32`: towards zero, the nearest integer there is, and 0 for NaN.
fn saturated(block: &mut BasicBlock, x: Value) -> Value {
    // What is too low has the right bits by itself.
    let (integer, limit) = (block.add(Opcode::FloatToInt, &[x]), block.constant(2147483648.0));
    let (is_high, greatest) =
        (block.add(Opcode::Cmp(Relation::Ge), &[x, limit]), block.bits(i32::MAX as u32));
    let integer = block.add(Opcode::Select, &[is_high, greatest, integer]);
    let (is_nan, zero) = (block.add(Opcode::Cmp(Relation::Unordered), &[x, x]), block.bits(0));
    block.add(Opcode::Select, &[is_nan, zero, integer])
}
