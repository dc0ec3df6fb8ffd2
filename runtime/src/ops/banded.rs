//! Products with a known banded matrix along an axis.

use std::sync::Arc;

use smallvec::smallvec;

use crate::array::dtype::dispatch_float;
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::banded::{Bands, banded_product};
use crate::ops::{addressable, cotangent, only, unpack};

/// Each element along the axis becomes a weighted sum of a few neighbours.
#[derive(Clone, PartialEq)]
struct Banded {
    axis: usize,
    bands: Arc<Bands>,
}

impl Banded {
    /// What is before and behind the axis.
    fn around(&self, x: &Aval) -> [usize; 2] {
        [x.shape[..self.axis].iter().product(), x.shape[self.axis + 1..].iter().product()]
    }
}

impl Primitive for Banded {
    fn name(&self) -> &'static str {
        "banded"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let x = args[0];
        if !x.dtype.is_float() {
            return Err(Error::dtype("banded", x.dtype, "floats (cast it first)"));
        }
        if x.shape.get(self.axis) != Some(&self.bands.columns()) {
            let found = format!("{x} along axis {}", self.axis);
            return Err(Error::shape("banded", found, format!("{} elements", self.bands.columns())));
        }
        let mut shape = x.shape.clone();
        shape[self.axis] = self.bands.rows();
        Ok(smallvec![addressable("banded", x.with_shape(shape))?])
    }

    fn op(&self) -> Op<'_> {
        Op::Banded { axis: self.axis, bands: &self.bands }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let transposed = Banded { axis: self.axis, bands: Arc::new(self.bands.transposed()) };
        Ok(smallvec![Some(bind1(&transposed, [cotangent(cts)])?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let moved = Banded { axis: self.axis + 1, bands: self.bands.clone() };
        Ok((smallvec![bind1(&moved, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Banded {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        let around = self.around(x.aval());
        Ok(smallvec![dispatch_float!(out.dtype, T => {
            Array::build(out, |out| banded_product::<T>(&self.bands, around, x.data(), out))
        })])
    }

    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        let (around, bands, dtype) = (self.around(args[0]), self.bands.clone(), out.dtype);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| {
            dispatch_float!(dtype, T => {
                banded_product::<T>(&bands, around, bytemuck::cast_slice(args[0]), bytemuck::cast_slice_mut(out));
            });
        }))
    }
}

impl std::fmt::Debug for Banded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "banded[axis={} size={}]", self.axis, self.bands.rows())
    }
}

/// The product along an axis, of floats.
#[track_caller]
pub(crate) fn banded(x: &Tensor, axis: usize, bands: Arc<Bands>) -> Result<Tensor> {
    bind1(&Banded { axis, bands }, [x.clone()])
}
