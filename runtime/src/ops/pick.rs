//! Elements at places along axes that are known when a program is written.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::banded::banded;
use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::banded::Bands;
use crate::kernels::pick::{Picked, pick};
use crate::ops::{addressable, cotangent, only, unpack, zeros_of};

/// Each element along some axes is one of the argument's.
#[derive(Clone, PartialEq)]
struct Pick {
    /// In the order of axes.
    axes: Vec<(usize, Arc<[usize]>)>,
}

impl Pick {
    /// What is before each axis and its size, and what is behind the last one.
    fn sizes(&self, x: &Aval) -> (SmallVec<[[usize; 2]; 4]>, usize) {
        let mut end = 0;
        let sizes = self.axes.iter().map(|&(axis, _)| {
            let before = x.shape[end..axis].iter().product();
            end = axis + 1;
            [before, x.shape[axis]]
        });
        (sizes.collect(), x.shape[end..].iter().product())
    }

    fn run<T: bytemuck::Pod + Send + Sync>(
        &self,
        sizes: &[[usize; 2]],
        inner: usize,
        x: &[T],
        out: &mut [T],
    ) {
        let axes = sizes.iter().zip(&self.axes);
        let axes = axes.map(|(&[before, size], (_, places))| Picked { before, size, places });
        pick(&axes.collect::<SmallVec<[Picked<'_>; 4]>>(), inner, x, out);
    }
}

impl Primitive for Pick {
    fn name(&self) -> &'static str {
        "pick"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let x = args[0];
        let mut shape = x.shape.clone();
        for (axis, places) in &self.axes {
            let size = x.shape.get(*axis).copied().unwrap_or(0);
            if places.iter().any(|&place| place >= size) {
                let found = format!("{x} along axis {axis}");
                return Err(Error::shape("pick", found, "places within the axis"));
            }
            shape[*axis] = places.len();
        }
        Ok(smallvec![addressable("pick", x.with_shape(shape))?])
    }

    fn op(&self) -> Op<'_> {
        Op::Pick { axes: &self.axes }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    /// Axis by axis, the sums of what each element was taken to.
    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let aval = residuals.arg_aval(0);
        let mut ct = cotangent(cts);
        if ct.size() == 0 {
            return Ok(smallvec![Some(zeros_of(aval)?)]);
        }
        for (axis, places) in &self.axes {
            let rows = places.iter().map(|&place| (place, vec![1.0]));
            let bands = Bands::new(aval.shape[*axis], rows);
            ct = banded(&ct, *axis, Arc::new(bands.transposed()))?;
        }
        Ok(smallvec![Some(ct)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let moved =
            Pick { axes: self.axes.iter().map(|(axis, places)| (axis + 1, places.clone())).collect() };
        Ok((smallvec![bind1(&moved, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Pick {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        if out.size() == 0 {
            return Ok(smallvec![Array::scratch(out)]);
        }
        let (sizes, inner) = self.sizes(x.aval());
        Ok(smallvec![dispatch_width!(out.dtype, T => {
            Array::build(out, |out: &mut [T]| self.run(&sizes, inner, x.data(), out))
        })])
    }

    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        if out.size() == 0 {
            return None;
        }
        let ((sizes, inner), own, dtype) = (self.sizes(args[0]), self.clone(), out.dtype);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| {
            dispatch_width!(dtype, T => {
                own.run::<T>(&sizes, inner, bytemuck::cast_slice(args[0]), bytemuck::cast_slice_mut(out));
            });
        }))
    }
}

impl std::fmt::Debug for Pick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let axes: Vec<String> =
            self.axes.iter().map(|(axis, places)| format!("{axis}:{}", places.len())).collect();
        write!(f, "pick[{}]", axes.join(" "))
    }
}

/// The elements at places along axes, which are in their order; of any dtype.
#[track_caller]
pub(crate) fn picked(x: &Tensor, axes: Vec<(usize, Arc<[usize]>)>) -> Result<Tensor> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    bind1(&Pick { axes }, [x.clone()])
}
