//! Creation as primitives without arguments: under `jit` a full-size constant is a step, not a captured array.

use std::sync::Arc;

use smallvec::smallvec;

use crate::array::dtype::{dispatch, dispatch_width};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::rewrite::Match;
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::{arrays, threads};
use crate::ops::{addressable, only, scalar_array};
use crate::scalar::number::Number;
use crate::scalar::op::ScalarOp;

#[derive(Clone)]
struct Full {
    aval: Aval,
    value: f64,
}

/// NaN is itself here: equal steps are merged.
impl PartialEq for Full {
    fn eq(&self, other: &Full) -> bool {
        self.aval == other.aval && self.value.to_bits() == other.value.to_bits()
    }
}

impl Primitive for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![addressable("full", self.aval.clone())?])
    }

    fn op(&self) -> Op<'_> {
        Op::Full(self.value)
    }

    fn batch(&self, _axis: &Axis, args: Args, _mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], smallvec![false]))
    }

    on_cpu!();
}

impl CpuRules for Full {
    fn eval(&self, _args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let out = only(outs);
        if self.value == 0.0 && self.value.is_sign_positive() {
            return Ok(smallvec![Array::zeros(out)]);
        }
        let one = scalar_array(self.value, out.dtype, false);
        Ok(smallvec![dispatch_width!(out.dtype, T => {
            let value = one.data::<T>()[0];
            Array::build(out, |out: &mut [T]| threads::split(out, 1, 1, |_, piece| piece.fill(value)))
        })])
    }

    fn specialize(&self, _args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        let one = scalar_array(self.value, out.dtype, false);
        Some(dispatch_width!(out.dtype, T => {
            let value = one.data::<T>()[0];
            Box::new(move |_: &[&[u8]], out: &mut [u8]| {
                let out: &mut [T] = bytemuck::cast_slice_mut(out);
                threads::split(out, 1, 1, |_, piece| piece.fill(value));
            })
        }))
    }

    fn with_batch_size(&self, count: usize) -> Option<Arc<dyn Primitive>> {
        let mut full = self.clone();
        *full.aval.shape.first_mut()? = count;
        Some(Arc::new(full))
    }

    fn splat(&self, _args: &[Match<'_>]) -> Option<f64> {
        Some(self.value)
    }
}

impl std::fmt::Debug for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "full[{:?}]", self.value)
    }
}

/// 0, 1, 2, … along one axis.
#[derive(Clone, PartialEq)]
struct Iota {
    aval: Aval,
    axis: usize,
}

impl Primitive for Iota {
    fn name(&self) -> &'static str {
        "iota"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        if self.axis >= self.aval.rank() {
            return Err(Error::shape(
                "iota",
                format!("axis {} of {}", self.axis, self.aval),
                "an axis of the shape",
            ));
        }
        if self.aval.dtype == DType::Bool || self.aval.dtype.is_complex() {
            return Err(Error::dtype("iota", self.aval.dtype, "a type of real numbers"));
        }
        Ok(smallvec![addressable("iota", self.aval.clone())?])
    }

    fn op(&self) -> Op<'_> {
        Op::Iota { axis: self.axis }
    }

    fn batch(&self, _axis: &Axis, args: Args, _mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], smallvec![false]))
    }

    on_cpu!();
}

impl CpuRules for Iota {
    fn eval(&self, _args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let out = only(outs);
        if out.dtype.is_short_integer() {
            let wide = self.eval(Args::new(), smallvec![out.with_dtype(DType::I32)])?;
            return Ok(smallvec![arrays::elementwise(ScalarOp::Cast, [only(wide)], out)]);
        }
        let (size, inner) = (out.shape[self.axis], out.shape[self.axis + 1..].iter().product::<usize>());
        Ok(smallvec![dispatch!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            threads::split(out, inner.max(1), inner, |first, piece| {
                for (row, out) in piece.chunks_mut(inner.max(1)).enumerate() {
                    out.fill(<T as Number>::from_f64(((first + row) % size) as f64));
                }
            });
        }))])
    }
}

impl std::fmt::Debug for Iota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "iota[axis={}]", self.axis)
    }
}

#[track_caller]
pub(crate) fn full(aval: Aval, value: f64) -> Result<Tensor> {
    bind1(&Full { aval, value }, [])
}

#[track_caller]
pub(crate) fn iota(shape: impl AsRef<[usize]>, dtype: DType, axis: usize) -> Result<Tensor> {
    bind1(&Iota { aval: Aval::unchecked(shape, dtype), axis }, [])
}
