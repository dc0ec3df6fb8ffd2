//! Functions of one argument, element by element.

mod gradient;
mod methods;
mod power;
pub(crate) mod sampled;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use smallvec::smallvec;

pub(crate) use methods::inexact;

use super::{cotangent, only, unpack};
use crate::array::{Array, Aval, DType};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::scalar::op::ScalarOp;
use crate::scalar::op::UnaryOp;

/// Argument and output have one dtype, but for the questions, which give booleans.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    /// The opposite number; unsigned integers wrap around.
    Neg,
    /// `not` of booleans, or of all bits of integers.
    Not,
    /// The number, or 0 where that is larger.
    Relu,
    IsFinite,
    IsNan,
    IsInf,
    /// A function of floats; the magnitude and the sign are those of integers, too.
    Function(UnaryOp),
}

use Unary::{Function, IsFinite, IsInf, IsNan, Neg, Not, Relu};

impl Unary {
    fn code(self) -> ScalarOp {
        match self {
            Neg => ScalarOp::Neg,
            Not => ScalarOp::Not,
            Relu => ScalarOp::Relu,
            IsFinite => ScalarOp::IsFinite,
            IsNan => ScalarOp::IsNan,
            IsInf => ScalarOp::IsInf,
            Function(op) => ScalarOp::Function(op),
        }
    }

    fn check_dtype(self, dtype: DType) -> Result<()> {
        let (fits, expected) = match self {
            IsFinite | IsNan | IsInf => return Ok(()),
            Neg | Relu | Function(UnaryOp::Abs | UnaryOp::Sign) => {
                (dtype != DType::Bool, "numbers (cast the booleans first)")
            }
            Not => (!dtype.is_float(), "booleans or integers"),
            Function(_) => (dtype.is_float(), "floats"),
        };
        if fits { Ok(()) } else { Err(Error::dtype(self.name(), dtype, expected)) }
    }

    /// Whether a second application changes nothing.
    fn is_idempotent(self) -> bool {
        self.rounds() || matches!(self, Relu | Function(UnaryOp::Abs | UnaryOp::Sign))
    }

    /// Whether the result is an integer, which all roundings leave as it is.
    fn rounds(self) -> bool {
        matches!(self, Function(UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Round | UnaryOp::Trunc))
    }
}

impl Primitive for Unary {
    fn name(&self) -> &'static str {
        match self {
            Neg => "neg",
            Not => "not",
            Relu => "relu",
            IsFinite => "is_finite",
            IsNan => "is_nan",
            IsInf => "is_inf",
            Function(op) => op.name(),
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        self.check_dtype(args[0].dtype)?;
        Ok(smallvec![match self {
            IsFinite | IsNan | IsInf => args[0].with_dtype(DType::Bool),
            _ => args[0].clone(),
        }])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(self.code())
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        gradient::residuals(*self)
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![gradient::of(*self, residuals, cotangent(cts))?])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Unary {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<1>(self.code(), unpack(args), only(outs))])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        let inner = *args[0].made_by::<Unary>()?;
        match (*self, inner) {
            (Neg, Neg) | (Not, Not) => Some(Rewrite::Value(Operand::Inner(0, 0))),
            (outer, inner) if outer == inner && outer.is_idempotent() => {
                Some(Rewrite::Value(Operand::Arg(0)))
            }
            (outer, inner) if outer.rounds() && inner.rounds() => Some(Rewrite::Value(Operand::Arg(0))),
            (Function(UnaryOp::Abs | UnaryOp::Cos | UnaryOp::Cosh), Neg | Function(UnaryOp::Abs)) => {
                Some(Rewrite::Apply(Arc::new(*self), smallvec![Operand::Inner(0, 0)]))
            }
            _ => None,
        }
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        // Only where every dtype computes the same number.
        let exact: fn(f64) -> f64 = match self {
            Neg => |x| -x,
            Function(UnaryOp::Abs) => f64::abs,
            Function(UnaryOp::Floor) => f64::floor,
            Function(UnaryOp::Ceil) => f64::ceil,
            Function(UnaryOp::Round) => f64::round_ties_even,
            Function(UnaryOp::Trunc) => f64::trunc,
            _ => return None,
        };
        args[0].splat().filter(|_| args[0].aval().dtype.is_float()).map(exact)
    }
}

impl std::fmt::Debug for Unary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
