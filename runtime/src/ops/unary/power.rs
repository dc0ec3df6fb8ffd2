//! Powers with a fixed integer exponent.

use smallvec::smallvec;

use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::ops::{convert, cotangent, only, unpack};
use crate::scalar::op::ScalarOp;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct IntegerPower(pub(crate) i32);

impl Primitive for IntegerPower {
    fn name(&self) -> &'static str {
        "powi"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let dtype = args[0].dtype;
        if dtype == DType::Bool {
            return Err(Error::dtype("powi", dtype, "numbers (cast the booleans first)"));
        }
        if !dtype.is_float() && self.0 < 0 {
            let message = format!("power {} of {dtype} is not an integer: cast to a float first", self.0);
            return Err(Error::argument("powi", message));
        }
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::Elementwise(ScalarOp::Power(self.0))
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        if matches!(self.0, 0 | 1) { ResidualMask::NONE } else { ResidualMask::ARGS }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        Ok(smallvec![match self.0 {
            0 => None,
            1 => Some(ct),
            2 => Some(ct * (residuals.arg(0) * 2.0)),
            n => {
                let x = residuals.arg(0);
                let power = match n.checked_sub(1) {
                    Some(less) => x.try_powi(less)?,
                    None => x.try_powi(n)? / x,
                };
                Some(ct * (power * f64::from(n)))
            }
        }])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for IntegerPower {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        Ok(smallvec![arrays::elementwise::<1>(ScalarOp::Power(self.0), unpack(args), only(outs))])
    }

    fn simplify(&self, _args: &[Match<'_>]) -> Option<Rewrite> {
        (self.0 == 1).then_some(Rewrite::Value(Operand::Arg(0)))
    }

    fn splat(&self, _args: &[Match<'_>]) -> Option<f64> {
        (self.0 == 0).then_some(1.0)
    }
}

impl std::fmt::Debug for IntegerPower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "powi[exponent={}]", self.0)
    }
}

impl Tensor {
    /// The power with a fixed integer exponent, by repeated squaring; integers wrap around, and 0⁰ is 1.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([2.0f32, -3.0]);
    /// assert_eq!(x.powi(3).to_vec::<f32>()?, [8.0, -27.0]);
    /// assert_eq!(grad(|x: &Tensor| Ok(x.powi(-2)))(&Tensor::from(2.0f32))?.item::<f32>()?, -0.25);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the exponent is negative and this is not a float.
    #[track_caller]
    pub fn powi(&self, exponent: i32) -> Tensor {
        unwrap(self.try_powi(exponent))
    }

    /// As [`powi`](Tensor::powi).
    ///
    /// # Errors
    /// If the exponent is negative and this is not a float.
    #[track_caller]
    pub fn try_powi(&self, exponent: i32) -> Result<Tensor> {
        let x = match self.dtype() {
            DType::Bool => convert(self, DType::I32, self.aval().weak)?,
            _ => self.clone(),
        };
        bind1(&IntegerPower(exponent), [x])
    }

    /// The product with itself.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn square(&self) -> Tensor {
        unwrap(self.try_square())
    }

    /// As [`square`](Tensor::square).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_square(&self) -> Result<Tensor> {
        self.try_powi(2)
    }

    /// `1/x`; of integers as `F32`.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn reciprocal(&self) -> Tensor {
        unwrap(self.try_reciprocal())
    }

    /// As [`reciprocal`](Tensor::reciprocal).
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    #[track_caller]
    pub fn try_reciprocal(&self) -> Result<Tensor> {
        bind1(&IntegerPower(-1), [super::methods::inexact(self)?])
    }
}
