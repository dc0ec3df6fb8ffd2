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
use crate::kernels::broadcast::Broadcast;
use crate::kernels::elementwise;
use crate::ops::{align, convert, cotangent, infer_elementwise, only, unpack};
use crate::scalar::math::sampling;
use crate::scalar::op::ScalarOp;

/// A function of floats with the roundings of XLA on CPUs; the derivative is that of the function.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sampled(ScalarOp);

impl Sampled {
    /// Whether the function of that name has other roundings.
    fn is_needed(self, dtype: DType) -> bool {
        use ScalarOp::{Erf, ErfInv, Exp, Lgamma, Log1p, Pow, Tan};
        matches!((self.0, dtype), (Erf | Exp | Lgamma | Tan | Pow, DType::F32) | (Log1p | ErfInv, DType::F64))
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
        let out = infer_elementwise(self.name(), args)?;
        if !self.is_needed(out.dtype) {
            return Err(Error::dtype(self.name(), out.dtype, "the dtype whose bits differ"));
        }
        Ok(smallvec![out])
    }

    fn op(&self) -> Op<'_> {
        Op::RoundedAsXla(self.0)
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

impl CpuRules for Sampled {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let out = only(outs);
        if self.0 == ScalarOp::Pow {
            let [x, y] = unpack(args);
            let layout = Broadcast::new(&out.shape, [x.shape(), y.shape(), y.shape()]);
            return Ok(smallvec![Array::build(out, |out| {
                let args = (x.data::<f32>(), y.data::<f32>(), y.data::<f32>());
                // XLA has no subnormal numbers on CPUs.
                let flushed = |x: f32| if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x };
                elementwise::zip3(&layout, args, out, 32, |x: f32, y, _| flushed(x.powf(y)));
            })]);
        }
        let [x] = unpack(args);
        Ok(smallvec![match self.0 {
            ScalarOp::Erf => map(&x, out, sampling::erf),
            ScalarOp::Exp => map(&x, out, sampling::exp),
            ScalarOp::Lgamma => map(&x, out, sampling::lgamma),
            // XLA calls the C library, and so does this.
            ScalarOp::Tan => map(&x, out, f32::tan),
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

/// `eˣ` as XLA rounds it.
#[track_caller]
pub(crate) fn exp(x: &Tensor) -> Result<Tensor> {
    sampled(ScalarOp::Exp, x)
}

/// The tangent as XLA rounds it.
#[track_caller]
pub(crate) fn tan(x: &Tensor) -> Result<Tensor> {
    sampled(ScalarOp::Tan, x)
}

/// `log |Γ(x)|` as XLA rounds it.
#[track_caller]
pub(crate) fn lgamma(x: &Tensor) -> Result<Tensor> {
    sampled(ScalarOp::Lgamma, x)
}

/// `xʸ`, both of one float dtype, as XLA rounds it.
#[track_caller]
pub(crate) fn pow(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let args = [x.clone(), y.clone()];
    if Sampled(ScalarOp::Pow).is_needed(x.dtype()) {
        return bind1(&Sampled(ScalarOp::Pow), args);
    }
    apply(ScalarOp::Pow, args)
}
