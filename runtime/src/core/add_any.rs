//! `add_any`: the sum of two gradients of one value.
//!
//! Gradients are accumulated by the tape, which stands below all other operations; JAX's `add_any` is there for the same reason.
//! Compiled, it is an addition like any other.

use smallvec::smallvec;

use super::Tensor;
use super::cpu::{CpuRules, on_cpu};
use super::op::Op;
use super::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use super::trace::{Axis, bind1};
use crate::array::{Array, Aval, Shape};
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::scalar::op::ScalarOp;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddAny;

/// The sum of two gradients of one value, written into either, if nobody else holds it.
pub(crate) fn add_any(x: Tensor, y: Tensor) -> Result<Tensor> {
    bind1(&AddAny, [x, y])
}

impl Primitive for AddAny {
    fn name(&self) -> &'static str {
        "add_any"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (x, y) = (args[0], args[1]);
        if x.shape != y.shape || x.dtype != y.dtype || !x.dtype.is_inexact() {
            return Err(Error::shape("add_any", format!("{x} and {y}"), "two gradients of one value"));
        }
        Ok(smallvec![Aval { weak: x.weak && y.weak, ..x.clone() }])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(ScalarOp::Add)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        Ok(needs_grad.iter().map(|&needed| cts[0].clone().filter(|_| needed)).collect())
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let whole = |(arg, &mapped): (Tensor, &bool)| {
            let shape = || std::iter::once(axis.size).chain(arg.shape().iter().copied()).collect::<Shape>();
            if mapped { Ok(arg) } else { arg.try_broadcast_to(shape()) }
        };
        let args: Args = args.into_iter().zip(mapped).map(whole).collect::<Result<_>>()?;
        Ok((smallvec![bind1(self, args)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for AddAny {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let (mut args, mut outs) = (args.into_iter(), outs.into_iter());
        let (Some(x), Some(y), Some(out)) = (args.next(), args.next(), outs.next()) else {
            unreachable!("two arguments and one output")
        };
        Ok(smallvec![arrays::elementwise(ScalarOp::Add, [x, y], out)])
    }
}
