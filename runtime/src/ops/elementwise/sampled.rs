//! The functions that samples are made with, where they need the bits of XLA and not the nearest numbers.

use smallvec::smallvec;

use super::{apply, gradient};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::elementwise;
use crate::ops::{convert, cotangent, only, unpack};
use crate::scalar::math::sampling;
use crate::scalar::op::ScalarOp;

/// A function of floats with the roundings of XLA on CPUs; the derivative is that of the function.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sampled(ScalarOp);

impl Sampled {
    /// Whether the function of that name has other roundings.
    fn is_needed(self, dtype: DType) -> bool {
        matches!(
            (self.0, dtype),
            (ScalarOp::Erf, DType::F32) | (ScalarOp::Log1p | ScalarOp::ErfInv, DType::F64)
        )
    }
}

fn map<T: bytemuck::Pod + Send + Sync>(x: &Array, out: Aval, f: impl Fn(T) -> T + Sync) -> Array {
    Array::build(out, |out| elementwise::map(x.data(), out, 12, f))
}

impl Primitive for Sampled {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if !self.is_needed(args[0].dtype) {
            return Err(Error::dtype(self.name(), args[0].dtype, "the dtype whose bits differ"));
        }
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::RoundedAsXla(self.0)
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        gradient::residuals(self.0, needs_grad)
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![gradient::of_one(self.0, residuals, cotangent(cts))?])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Sampled {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        Ok(smallvec![match self.0 {
            ScalarOp::Erf => map(&x, out, sampling::erf),
            ScalarOp::Log1p => map(&x, out, sampling::log1p_f64),
            _ => map(&x, out, sampling::erf_inv_f64),
        }])
    }
}

impl std::fmt::Debug for Sampled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[rounding=xla]", self.name())
    }
}

#[track_caller]
fn sampled(op: ScalarOp, x: &Tensor) -> Result<Tensor> {
    if Sampled(op).is_needed(x.dtype()) {
        return bind1(&Sampled(op), [x.clone()]);
    }
    apply(op, [x.clone()])
}

/// `erf` as XLA rounds it; of halves through `F32`.
#[track_caller]
pub(crate) fn erf(x: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    if matches!(dtype, DType::F16 | DType::BF16) {
        return convert(&sampled(ScalarOp::Erf, &convert(x, DType::F32, false)?)?, dtype, false);
    }
    sampled(ScalarOp::Erf, x)
}

/// The inverse of `erf` as XLA rounds it.
#[track_caller]
pub(crate) fn erf_inv(x: &Tensor) -> Result<Tensor> {
    sampled(ScalarOp::ErfInv, x)
}

/// `log(1 + x)` as XLA rounds it.
#[track_caller]
pub(crate) fn log1p(x: &Tensor) -> Result<Tensor> {
    sampled(ScalarOp::Log1p, x)
}
