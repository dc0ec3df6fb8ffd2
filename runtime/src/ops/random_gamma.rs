//! Samples of gamma distributions, differentiable in their shapes.

use smallvec::smallvec;

use super::random_bits::{keys, words};
use super::{batch_all, cotangent, only, unpack};
use crate::array::dtype::dispatch_float;
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::gamma;
use crate::scalar::op::ScalarOp;

/// For keys `[K.., 2]` and shapes of distributions `[K.., S..]`, a sample of each, or its logarithm.
#[derive(Clone, PartialEq)]
struct RandomGamma {
    log_space: bool,
}

impl Primitive for RandomGamma {
    fn name(&self) -> &'static str {
        "random_gamma"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let keys = keys(self.name(), args[0])?;
        if !args[1].dtype.is_float() {
            return Err(Error::dtype(self.name(), args[1].dtype, "a float dtype"));
        }
        if !args[1].shape.starts_with(keys) {
            let found = format!("shapes of distributions {:?} for keys {keys:?}", args[1].shape);
            return Err(Error::shape(self.name(), found, "the axes of the keys first"));
        }
        Ok(smallvec![args[1].with_dtype(args[1].dtype)])
    }

    fn op(&self) -> Op<'_> {
        Op::RandomGamma { log_space: self.log_space }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 0b10, outs: 1 }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let (alpha, sample) = (residuals.arg(1), residuals.out(0));
        let slope = |sample: &Tensor| ScalarOp::RandomGammaGrad.apply([alpha.clone(), sample.clone()]);
        let slope = if self.log_space {
            // The logarithm of a sample that underflowed is there, and has a derivative.
            let sample = sample.try_exp()?;
            let sample = sample.try_maximum(sample.like(sample.dtype().least_normal()))?;
            slope(&sample)? / sample
        } else {
            slope(sample)?
        };
        Ok(smallvec![None, Some(cotangent(cts) * slope)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, batch_all(axis.size, args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for RandomGamma {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([key, alpha], out) = (unpack(args), only(outs));
        Ok(smallvec![dispatch_float!(out.dtype, T => {
            Array::build(out, |out: &mut [T]| gamma::fill(words(&key), alpha.data(), self.log_space, out))
        })])
    }
}

impl std::fmt::Debug for RandomGamma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "random_gamma[log_space={}]", self.log_space)
    }
}

/// A sample of the gamma distribution of each shape, or its logarithm.
#[track_caller]
pub(crate) fn random_gamma(key: &Tensor, alpha: Tensor, log_space: bool) -> Result<Tensor> {
    bind1(&RandomGamma { log_space }, [key.clone(), alpha])
}
