//! The elementwise functions of the table of scalar functions, as one primitive.

mod binary;
mod gradient;
#[cfg(test)]
mod logaddexp_tests;
#[cfg(test)]
mod mul_add_tests;
mod powi;
pub(crate) mod sampled;
mod simplify;
mod special;
mod ternary;
#[cfg(test)]
mod tests;
mod unary;

use smallvec::smallvec;

pub(crate) use binary::owned;
pub(super) use gradient::share;
pub use ternary::ClipBound;
pub(crate) use unary::inexact;

use super::{align, broadcast_shapes, cotangent, infer_elementwise, of_reals, only, unpack};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::scalar::op::{Gives, ScalarOp};

/// A scalar function of every element; arguments broadcast to the output, and have one dtype but for the condition of a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elementwise(pub(crate) ScalarOp);

impl Elementwise {
    fn check_dtype(self, dtype: DType) -> Result<()> {
        let op = self.0;
        if !op.accepts(dtype) {
            of_reals(op.name(), dtype)?;
            return Err(Error::dtype(op.name(), dtype, op.takes().expected()));
        }
        match op {
            ScalarOp::Powi(exponent) if exponent < 0 && !dtype.is_inexact() => {
                let message = format!("power {exponent} of {dtype} is not an integer: cast to a float first");
                Err(Error::argument("powi", message))
            }
            _ => Ok(()),
        }
    }
}

impl Primitive for Elementwise {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let out = if self.0 == ScalarOp::Select {
            if args[0].dtype != DType::Bool {
                return Err(Error::dtype("select", args[0].dtype, "a condition of booleans"));
            }
            let value = infer_elementwise("select", &args[1..])?;
            Aval { shape: broadcast_shapes("select", &[&args[0].shape, &value.shape])?, ..value }
        } else {
            infer_elementwise(self.name(), args)?
        };
        self.check_dtype(out.dtype)?;
        Ok(smallvec![match self.0.gives() {
            Gives::Bool => out.with_dtype(DType::Bool),
            Gives::Complex => Aval { dtype: DType::C64, ..out },
            Gives::Part => Aval { dtype: DType::F32, ..out },
            Gives::Same | Gives::Asked => out,
        }])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(self.0)
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        gradient::residuals(self.0, needs_grad)
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        gradient::vjp(self.0, residuals, cotangent(cts), needs_grad)
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, align(args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Elementwise {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let (op, out) = (self.0, only(outs));
        Ok(smallvec![match op.arity() {
            1 => arrays::elementwise::<1>(op, unpack(args), out),
            2 => arrays::elementwise::<2>(op, unpack(args), out),
            _ => arrays::elementwise::<3>(op, unpack(args), out),
        }])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        simplify::of(self.0, args)
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        simplify::splat(self.0, args)
    }
}

impl std::fmt::Debug for Elementwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Applies a scalar function to tensors that have the dtypes it takes.
#[track_caller]
pub(crate) fn apply(op: ScalarOp, args: impl IntoIterator<Item = Tensor>) -> Result<Tensor> {
    bind1(&Elementwise(op), args)
}

impl ScalarOp {
    /// Computes the function of every element of tensors that broadcast against each other.
    ///
    /// Arguments have one dtype that the function [takes](ScalarOp::takes), but for the condition of a selection: the methods of
    /// [`Tensor`] promote theirs, this does not.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::scalar::op::ScalarOp;
    /// let (x, y) = (Tensor::from([1.0f32, 5.0]), Tensor::from(3.0f32));
    /// assert_eq!(ScalarOp::Max.apply([x, y])?.to_vec::<f32>()?, [3.0, 5.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are more or fewer arguments than it [has](ScalarOp::arity), the shapes do not broadcast, or the dtypes do not fit.
    #[track_caller]
    pub fn apply(self, args: impl IntoIterator<Item = Tensor>) -> Result<Tensor> {
        let args: Args = args.into_iter().collect();
        if args.len() != self.arity() {
            let message = format!("{} arguments, where there are {}", args.len(), self.arity());
            return Err(Error::argument(self.name(), message));
        }
        apply(self, args)
    }
}
