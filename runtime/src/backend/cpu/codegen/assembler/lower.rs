//! Lowering: from the functions of a kernel to the vector IR.

use super::halves;
use super::integers;
use super::isa::Isa;
use super::symbol::{SIGN, Symbol, record};
use super::vector_ir::{BasicBlock, Opcode, Relation, Rounding, Value};
use crate::array::DType;
use crate::array::DType::{BF16, Bool, F32};
use crate::scalar::math::lane::Lane;
use crate::scalar::math::{error_function, exponential, logarithm};
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// Whether there are vector operations for a function, of a last argument of dtype `from` and with a result of dtype `to`.
pub fn supports(op: ScalarOp, from: DType, to: DType) -> bool {
    match (from, to) {
        (F32, F32) => match op {
            ScalarOp::Powi(exponent) => matches!(exponent, -1 | 2 | 3),
            ScalarOp::Copy
            | ScalarOp::Cast
            | ScalarOp::Neg
            | ScalarOp::Relu
            | ScalarOp::Abs
            | ScalarOp::Sign
            | ScalarOp::Exp
            | ScalarOp::Exp2
            | ScalarOp::Expm1
            | ScalarOp::Log
            | ScalarOp::Log2
            | ScalarOp::Log1p
            | ScalarOp::Sqrt
            | ScalarOp::Rsqrt
            | ScalarOp::Tanh
            | ScalarOp::Logistic
            | ScalarOp::Erf
            | ScalarOp::Add
            | ScalarOp::Sub
            | ScalarOp::Mul
            | ScalarOp::Div
            | ScalarOp::Max
            | ScalarOp::Min
            | ScalarOp::Select
            | ScalarOp::Clamp
            | ScalarOp::MulAdd => true,
            _ => op.rounds(),
        },
        (F32, Bool) => {
            relation(op).is_some()
                || matches!(op, ScalarOp::Cast | ScalarOp::IsNan | ScalarOp::IsInf | ScalarOp::IsFinite)
        }
        (Bool, F32) => op == ScalarOp::Cast,
        (Bool, Bool) => matches!(
            op.of_booleans(),
            ScalarOp::Copy
                | ScalarOp::Cast
                | ScalarOp::Not
                | ScalarOp::And
                | ScalarOp::Or
                | ScalarOp::Xor
                | ScalarOp::Select
        ),
        (BF16, _) | (_, BF16) => halves::supports(op, from, to),
        _ => integers::supports(op, from, to),
    }
}

pub(super) fn relation(op: ScalarOp) -> Option<Relation> {
    Some(match op {
        ScalarOp::Eq => Relation::Eq,
        ScalarOp::Ne => Relation::Ne,
        ScalarOp::Lt => Relation::Lt,
        ScalarOp::Le => Relation::Le,
        ScalarOp::Gt => Relation::Gt,
        ScalarOp::Ge => Relation::Ge,
        _ => return None,
    })
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
    if from == BF16 || to == BF16 {
        return halves::lower(block, isa, op, from, to, args);
    }
    if integers::supports(op, from, to) {
        return integers::lower(block, isa, op, from, to, args);
    }
    let x = args[0];
    let op = if from == Bool { op.of_booleans() } else { op };
    if let Some(relation) = relation(op) {
        return compare(block, relation, x, args[1]);
    }
    let opcode = match op {
        ScalarOp::Select => {
            let condition = block.add(Opcode::NonZero, &[x]);
            return block.add(Opcode::Select, &[condition, args[1], args[2]]);
        }
        ScalarOp::Copy => return x,
        ScalarOp::Cast if from == to => return x,
        ScalarOp::Cast if from == Bool => Opcode::IntToFloat,
        ScalarOp::Cast => {
            let zero = block.constant(0.0);
            return compare(block, Relation::Ne, x, zero);
        }
        ScalarOp::IsNan => return compare(block, Relation::Unordered, x, x),
        ScalarOp::IsInf | ScalarOp::IsFinite => {
            let magnitude = with_bits(block, Opcode::And, x, !SIGN);
            let infinity = block.constant(f32::INFINITY);
            let relation = if op == ScalarOp::IsInf { Relation::Eq } else { Relation::Lt };
            return compare(block, relation, magnitude, infinity);
        }
        ScalarOp::Not => return with_bits(block, Opcode::Xor, x, 1),
        ScalarOp::And => Opcode::And,
        ScalarOp::Or => Opcode::Or,
        ScalarOp::Xor => Opcode::Xor,
        ScalarOp::Add => Opcode::Add,
        ScalarOp::Sub => Opcode::Sub,
        ScalarOp::Mul => Opcode::Mul,
        ScalarOp::Div => Opcode::Div,
        ScalarOp::Max => return maximum(block, isa, x, args[1]),
        ScalarOp::Min => return minimum(block, isa, x, args[1]),
        ScalarOp::Relu => return relu(block, x),
        ScalarOp::Clamp => {
            let raised = maximum(block, isa, args[1], x);
            return minimum(block, isa, raised, args[2]);
        }
        ScalarOp::MulAdd => Opcode::MulAdd,
        ScalarOp::Neg => return with_bits(block, Opcode::Xor, x, SIGN),
        ScalarOp::Powi(-1) => return reciprocal(block, x),
        ScalarOp::Powi(exponent) => {
            let square = block.add(Opcode::Mul, &[x, x]);
            return if exponent == 2 { square } else { block.add(Opcode::Mul, &[x, square]) };
        }
        _ => return function(block, op, x),
    };
    block.add(opcode, args)
}

/// The value that a reduction combines two values to.
pub fn combine(block: &mut BasicBlock, isa: &dyn Isa, op: ReduceOp, x: Value, y: Value) -> Value {
    match op {
        ReduceOp::Sum => block.add(Opcode::Add, &[x, y]),
        ReduceOp::Prod => block.add(Opcode::Mul, &[x, y]),
        ReduceOp::Max => maximum(block, isa, x, y),
        ReduceOp::Min => minimum(block, isa, x, y),
    }
}

/// A comparison as a boolean.
fn compare(block: &mut BasicBlock, relation: Relation, x: Value, y: Value) -> Value {
    let mask = block.add(Opcode::Cmp(relation), &[x, y]);
    block.add(Opcode::MaskToInt, &[mask])
}

/// `maximum` of IEEE 754-2019, as [`Number::maximum`](crate::scalar::number::Number::maximum).
fn maximum(block: &mut BasicBlock, isa: &dyn Isa, x: Value, y: Value) -> Value {
    let number = isa.maximum_number(block, x, y);
    or_nan(block, x, y, number)
}

/// `minimum` of IEEE 754-2019, as [`Number::minimum`](crate::scalar::number::Number::minimum).
fn minimum(block: &mut BasicBlock, isa: &dyn Isa, x: Value, y: Value) -> Value {
    let number = isa.minimum_number(block, x, y);
    or_nan(block, x, y, number)
}

/// NaN where either is NaN, else the number.
fn or_nan(block: &mut BasicBlock, x: Value, y: Value, number: Value) -> Value {
    let (is_nan, nan) = (block.add(Opcode::Cmp(Relation::Unordered), &[x, y]), block.constant(f32::NAN));
    block.add(Opcode::Select, &[is_nan, nan, number])
}

/// As [`Number::relu`](crate::scalar::number::Number::relu).
fn relu(block: &mut BasicBlock, x: Value) -> Value {
    let zero = block.constant(0.0);
    let either = block.add(Opcode::Max, &[zero, x]);
    block.add(Opcode::Add, &[either, zero])
}

fn with_bits(block: &mut BasicBlock, op: Opcode, x: Value, bits: u32) -> Value {
    let bits = block.bits(bits);
    block.add(op, &[x, bits])
}

fn reciprocal(block: &mut BasicBlock, x: Value) -> Value {
    let one = block.constant(1.0);
    block.add(Opcode::Div, &[one, x])
}

fn function(block: &mut BasicBlock, op: ScalarOp, x: Value) -> Value {
    match op {
        ScalarOp::Abs => with_bits(block, Opcode::And, x, !SIGN),
        ScalarOp::Sign => {
            record(block, x, |x| Symbol::of(0.0).if_less(x.abs(), Symbol::of(1.0).copysign(x), x))
        }
        ScalarOp::Sqrt => block.add(Opcode::Sqrt, &[x]),
        ScalarOp::Rsqrt => {
            let root = block.add(Opcode::Sqrt, &[x]);
            reciprocal(block, root)
        }
        ScalarOp::Floor => block.add(Opcode::Round(Rounding::Down), &[x]),
        ScalarOp::Ceil => block.add(Opcode::Round(Rounding::Up), &[x]),
        ScalarOp::Round => block.add(Opcode::Round(Rounding::NearestEven), &[x]),
        ScalarOp::Trunc => block.add(Opcode::Round(Rounding::TowardsZero), &[x]),
        ScalarOp::Exp => record(block, x, exponential::exp::<Symbol>),
        ScalarOp::Exp2 => record(block, x, exponential::exp2::<Symbol>),
        ScalarOp::Expm1 => record(block, x, exponential::expm1::<Symbol>),
        ScalarOp::Logistic => record(block, x, exponential::logistic::<Symbol>),
        ScalarOp::Tanh => record(block, x, exponential::tanh::<Symbol>),
        ScalarOp::Log => record(block, x, logarithm::log::<Symbol>),
        ScalarOp::Log2 => record(block, x, logarithm::log2::<Symbol>),
        ScalarOp::Log1p => record(block, x, logarithm::log1p::<Symbol>),
        ScalarOp::Erf => record(block, x, error_function::erf::<Symbol>),
        _ => unreachable!("`supports` was asked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::codegen::isa;
    use crate::kernels::simd::Level;

    #[test]
    fn every_supported_function_has_a_lowering() {
        let mut lowered = 0;
        for isa in [Level::Avx2, Level::Avx512].map(|level| isa::of(level).unwrap()) {
            for &op in ScalarOp::ALL {
                for (from, to) in
                    DType::ALL.iter().flat_map(|&from| DType::ALL.iter().map(move |&to| (from, to)))
                {
                    if !supports(op, from, to) {
                        continue;
                    }
                    let mut block = BasicBlock::default();
                    let args: Vec<Value> =
                        (0..op.arity()).map(|array| block.add(Opcode::Load(array as u16, 0), &[])).collect();
                    let value = lower(&mut block, isa, op, from, to, &args);
                    assert!(value < block.nodes.len(), "{op:?} from {from} to {to}");
                    lowered += 1;
                }
            }
        }
        assert!(lowered > 100, "functions are supported: {lowered}");
    }
}
