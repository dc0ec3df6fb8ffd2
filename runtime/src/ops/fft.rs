//! Fourier transforms along the last axis, as one primitive; `numpy::fft` has the functions.
//!
//! The transform of complex numbers is its own transpose. Those from and to real numbers leave out what follows from the rest, and
//! their transposes say how often each element that is left counts.

use smallvec::smallvec;

use super::{complex::padded_to, cotangent, only, unpack};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::fourier::{Fourier, Plan};

/// A transform of rows of `size`, whose results are multiplied by `scale`.
#[derive(Clone, Copy, PartialEq)]
struct Transform {
    kind: Fourier,
    size: usize,
    scale: f64,
}

impl Primitive for Transform {
    fn name(&self) -> &'static str {
        match self.kind {
            Fourier::Forward => "fft",
            Fourier::Inverse => "ifft",
            Fourier::RealForward => "rfft",
            Fourier::RealInverse => "irfft",
        }
    }

    fn flops(&self, args: &[&Aval], _outs: &[&Aval]) -> u64 {
        // The usual count for a length that is a power of two.
        5 * args[0].size() as u64 * u64::from(self.size.ilog2())
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let Aval { shape, dtype, .. } = args[0];
        let (from, to) = match self.kind {
            Fourier::RealForward => (DType::F32, DType::C64),
            Fourier::RealInverse => (DType::C64, DType::F32),
            Fourier::Forward | Fourier::Inverse => (DType::C64, DType::C64),
        };
        if *dtype != from {
            return Err(Error::dtype(self.name(), dtype, from.name()));
        }
        let input = self.kind.input(self.size);
        if self.size == 0 || shape.last() != Some(&input) {
            let expected = format!("{input} elements along the last axis, for a length of {}", self.size);
            return Err(Error::shape(self.name(), format!("{shape:?}"), expected));
        }
        let mut shape = shape.clone();
        shape.pop();
        shape.push(self.kind.output(self.size));
        Ok(smallvec![super::addressable(self.name(), Aval::unchecked(shape, to))?])
    }

    fn op(&self) -> Op<'_> {
        Op::Fft { kind: self.kind, size: self.size, scale: self.scale }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let with = |kind: Fourier| Transform { kind, ..*self };
        Ok(smallvec![Some(match self.kind {
            Fourier::Forward | Fourier::Inverse => bind1(self, [ct])?,
            // As of the whole transform, whose other elements have no cotangent.
            Fourier::RealForward =>
                bind1(&with(Fourier::Forward), [padded_to(&ct, -1, self.size)?])?.try_real()?,
            // What is not at the ends stands for its conjugate, too.
            Fourier::RealInverse => {
                let counts = (0..self.kind.input(self.size)).map(|k| {
                    let is_alone = k == 0 || 2 * k == self.size;
                    if is_alone { 1.0 } else { 2f32 }
                });
                let counts = Tensor::from(counts.collect::<Vec<f32>>());
                bind1(&with(Fourier::RealForward), [ct])?.try_conj()?.try_mul(counts)?
            }
        })])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Transform {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        let plan = Plan::of(self.kind, self.size);
        Ok(smallvec![Array::build_bytes(out, |out| plan.run(x.bytes(), out, self.scale as f32))])
    }

    fn specialize(&self, _args: &[&Aval], _out: &Aval) -> Option<Box<dyn Kernel>> {
        let (plan, scale) = (Plan::of(self.kind, self.size), self.scale as f32);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| plan.run(args[0], out, scale)))
    }
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[size={} scale={}]", self.name(), self.size, self.scale)
    }
}

/// The transform of the last axis.
///
/// # Errors
/// If the dtype or the size of the axis is not that of the transform.
#[track_caller]
pub(crate) fn transform(x: &Tensor, kind: Fourier, size: usize, scale: f64) -> Result<Tensor> {
    bind1(&Transform { kind, size, scale }, [x.clone()])
}
