//! From a code to vector operations.

use super::graph::{Graph, Node, One, Relation, SIGN, Symbol, Two, Value};
use crate::array::DType;
use crate::array::DType::{Bool, F32, I32, U32};
use crate::scalar::math::lane::Lane;
use crate::scalar::math::{error_function, exponential, logarithm};
use crate::scalar::op::ScalarOp;
use crate::scalar::op::UnaryOp;

/// Whether there are vector operations for a code, of a last argument of dtype `from` and with a result of dtype `to`.
pub fn supports(code: ScalarOp, from: DType, to: DType) -> bool {
    match (from, to) {
        (F32, F32) => match code {
            ScalarOp::Function(op) => is_function(op),
            ScalarOp::Power(exponent) => matches!(exponent, -1 | 2 | 3),
            ScalarOp::Copy
            | ScalarOp::Cast
            | ScalarOp::Neg
            | ScalarOp::Relu
            | ScalarOp::Add
            | ScalarOp::Sub
            | ScalarOp::Mul
            | ScalarOp::Div
            | ScalarOp::Max
            | ScalarOp::Min
            | ScalarOp::Select
            | ScalarOp::Clamp
            | ScalarOp::MulAdd => true,
            _ => false,
        },
        (F32, Bool) => {
            relation(code).is_some()
                || matches!(code, ScalarOp::Cast | ScalarOp::IsNan | ScalarOp::IsInf | ScalarOp::IsFinite)
        }
        (Bool, F32) => code == ScalarOp::Cast,
        (Bool, Bool) => matches!(
            code,
            ScalarOp::Copy
                | ScalarOp::Cast
                | ScalarOp::Not
                | ScalarOp::And
                | ScalarOp::Or
                | ScalarOp::Xor
                | ScalarOp::Add
                | ScalarOp::Mul
                | ScalarOp::Max
                | ScalarOp::Min
                | ScalarOp::Select
        ),
        (I32, I32) | (U32, U32) => {
            matches!(code, ScalarOp::Copy | ScalarOp::Add | ScalarOp::Sub | ScalarOp::Select)
        }
        _ => false,
    }
}

fn is_function(op: UnaryOp) -> bool {
    matches!(
        op,
        UnaryOp::Abs
            | UnaryOp::Sign
            | UnaryOp::Exp
            | UnaryOp::Exp2
            | UnaryOp::Expm1
            | UnaryOp::Log
            | UnaryOp::Log2
            | UnaryOp::Log1p
            | UnaryOp::Sqrt
            | UnaryOp::Rsqrt
            | UnaryOp::Tanh
            | UnaryOp::Logistic
            | UnaryOp::Erf
            | UnaryOp::Floor
            | UnaryOp::Ceil
            | UnaryOp::Round
            | UnaryOp::Trunc
    )
}

fn relation(code: ScalarOp) -> Option<Relation> {
    Some(match code {
        ScalarOp::Eq => Relation::Equal,
        ScalarOp::Ne => Relation::NotEqual,
        ScalarOp::Lt => Relation::Less,
        ScalarOp::Le => Relation::LessOrEqual,
        ScalarOp::Gt => Relation::Greater,
        ScalarOp::Ge => Relation::GreaterOrEqual,
        _ => return None,
    })
}

/// The value of a code that is supported.
pub fn lower(graph: &mut Graph, code: ScalarOp, from: DType, to: DType, args: &[Value]) -> Value {
    let x = args[0];
    let two = |graph: &mut Graph, two| graph.add(Node::Two(two, x, args[1]));
    if let Some(relation) = relation(code) {
        return graph.add(Node::Compare(relation, x, args[1]));
    }
    match code {
        ScalarOp::Select => graph.add(Node::Pick(x, args[1], args[2])),
        ScalarOp::Copy => x,
        ScalarOp::Cast if from == to => x,
        ScalarOp::Cast if from == Bool => graph.add(Node::One(One::FromInteger, x)),
        ScalarOp::Cast => {
            let zero = graph.constant(0.0);
            graph.add(Node::Compare(Relation::NotEqual, x, zero))
        }
        ScalarOp::IsNan => graph.add(Node::Compare(Relation::Unordered, x, x)),
        ScalarOp::IsInf | ScalarOp::IsFinite => {
            let magnitude = masked(graph, Two::And, x, !SIGN);
            let infinity = graph.constant(f32::INFINITY);
            let relation = if code == ScalarOp::IsInf { Relation::Equal } else { Relation::Less };
            graph.add(Node::Compare(relation, magnitude, infinity))
        }
        ScalarOp::Not => masked(graph, Two::Xor, x, 1),
        ScalarOp::And => two(graph, Two::And),
        ScalarOp::Or => two(graph, Two::Or),
        ScalarOp::Xor => two(graph, Two::Xor),
        ScalarOp::Add | ScalarOp::Max if from == Bool => two(graph, Two::Or),
        ScalarOp::Mul | ScalarOp::Min if from == Bool => two(graph, Two::And),
        ScalarOp::Add if from != F32 => two(graph, Two::AddIntegers),
        ScalarOp::Sub if from != F32 => two(graph, Two::SubtractIntegers),
        ScalarOp::Add => two(graph, Two::Add),
        ScalarOp::Sub => two(graph, Two::Subtract),
        ScalarOp::Mul => two(graph, Two::Multiply),
        ScalarOp::Div => two(graph, Two::Divide),
        ScalarOp::Max => graph.larger(x, args[1]),
        ScalarOp::Min => graph.smaller(x, args[1]),
        ScalarOp::Relu => graph.positive(x),
        ScalarOp::Clamp => {
            let raised = graph.larger(args[1], x);
            graph.smaller(raised, args[2])
        }
        ScalarOp::MulAdd => graph.add(Node::MultiplyAdd(x, args[1], args[2])),
        ScalarOp::Neg => masked(graph, Two::Xor, x, SIGN),
        ScalarOp::Power(-1) => reciprocal(graph, x),
        ScalarOp::Power(exponent) => {
            let square = graph.add(Node::Two(Two::Multiply, x, x));
            if exponent == 2 { square } else { graph.add(Node::Two(Two::Multiply, x, square)) }
        }
        ScalarOp::Function(op) => function(graph, op, x),
        _ => unreachable!("`supports` was asked"),
    }
}

fn masked(graph: &mut Graph, two: Two, x: Value, bits: u32) -> Value {
    let bits = graph.add(Node::Constant(bits));
    graph.add(Node::Two(two, x, bits))
}

fn reciprocal(graph: &mut Graph, x: Value) -> Value {
    let one = graph.constant(1.0);
    graph.add(Node::Two(Two::Divide, one, x))
}

fn function(graph: &mut Graph, op: UnaryOp, x: Value) -> Value {
    /// Ways to round, as numbers of the instruction, with no exception for what is not exact.
    const TO_EVEN: u8 = 8;
    const DOWN: u8 = 9;
    const UP: u8 = 10;
    const TO_ZERO: u8 = 11;
    match op {
        UnaryOp::Abs => masked(graph, Two::And, x, !SIGN),
        UnaryOp::Sign => {
            graph.function(x, |x| Symbol::of(0.0).if_less(x.abs(), Symbol::of(1.0).copysign(x), x))
        }
        UnaryOp::Sqrt => graph.add(Node::One(One::Root, x)),
        UnaryOp::Rsqrt => {
            let root = graph.add(Node::One(One::Root, x));
            reciprocal(graph, root)
        }
        UnaryOp::Floor => graph.add(Node::One(One::Round(DOWN), x)),
        UnaryOp::Ceil => graph.add(Node::One(One::Round(UP), x)),
        UnaryOp::Round => graph.add(Node::One(One::Round(TO_EVEN), x)),
        UnaryOp::Trunc => graph.add(Node::One(One::Round(TO_ZERO), x)),
        UnaryOp::Exp => graph.function(x, exponential::exp::<Symbol>),
        UnaryOp::Exp2 => graph.function(x, exponential::exp2::<Symbol>),
        UnaryOp::Expm1 => graph.function(x, exponential::expm1::<Symbol>),
        UnaryOp::Logistic => graph.function(x, exponential::logistic::<Symbol>),
        UnaryOp::Tanh => graph.function(x, exponential::tanh::<Symbol>),
        UnaryOp::Log => graph.function(x, logarithm::log::<Symbol>),
        UnaryOp::Log2 => graph.function(x, logarithm::log2::<Symbol>),
        UnaryOp::Log1p => graph.function(x, logarithm::log1p::<Symbol>),
        UnaryOp::Erf => graph.function(x, error_function::erf::<Symbol>),
        _ => unreachable!("`supports` was asked"),
    }
}
