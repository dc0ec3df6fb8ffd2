//! Sums over axes.

use smallvec::smallvec;

use super::{only, unpack};
use crate::error::Result;
use crate::kernels::number::Number;
use crate::primitive::{Args, Keeps, Outs, Primitive, Saved};
use crate::tensor::dtype::dispatch;
use crate::tensor::{Array, Aval, Shape, Tensor};
use crate::trace::{Axis, bind1};

#[derive(Clone, PartialEq)]
struct Sum(Shape, Kind);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sum,
    Max,
    Min,
}

impl Primitive for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let kept = args[0].shape.iter().enumerate().filter(|(i, _)| !self.0.contains(i)).map(|(_, &s)| s);
        Ok(smallvec![args[0].with_shape(kept.collect::<Shape>())])
    }

    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        let mut stride = 1;
        let mut axes: Vec<(usize, usize)> = Vec::new();
        for (i, &size) in x.shape().iter().enumerate().rev() {
            let reduced = self.0.contains(&i);
            axes.push((size, if reduced { 0 } else { stride }));
            stride *= if reduced { 1 } else { size };
        }
        Ok(smallvec![dispatch!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            out.fill(match self.1 { Kind::Sum => T::ZERO, Kind::Max => T::LOWEST, Kind::Min => T::HIGHEST });
            for (flat, &value) in x.data::<T>().iter().enumerate() {
                let (mut rest, mut at) = (flat, 0);
                for &(size, stride) in &axes {
                    at += rest % size * stride;
                    rest /= size;
                }
                out[at] = match self.1 { Kind::Sum => out[at].plus(value), Kind::Max => out[at].larger(value), Kind::Min => out[at].smaller(value) };
            }
        }))])
    }

    fn keeps(&self, _wants: &[bool]) -> Keeps {
        Keeps::NONE
    }

    fn vjp(&self, saved: &Saved, cts: Outs<Option<Tensor>>, _wants: &[bool]) -> Result<Args<Option<Tensor>>> {
        let shape = &saved.arg_aval(0).shape;
        let kept: Shape =
            shape.iter().enumerate().map(|(i, &size)| if self.0.contains(&i) { 1 } else { size }).collect();
        Ok(smallvec![Some(super::cotangent(cts).try_reshape(&kept)?.try_broadcast_to(shape)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((
            smallvec![bind1(&Sum(self.0.iter().map(|axis| axis + 1).collect(), self.1), args)?],
            mapped.into(),
        ))
    }
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sum[axes={:?}]", self.0)
    }
}

pub(crate) fn sum_axes(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    bind1(&Sum(axes.into(), Kind::Sum), [x.clone()])
}

impl Tensor {
    #[allow(missing_docs)]
    pub fn try_max(&self, axes: impl AsRef<[isize]>) -> Result<Tensor> {
        bind1(&Sum(super::axes_of("max", axes.as_ref(), self.rank())?, Kind::Max), [self.clone()])
    }
    #[allow(missing_docs)]
    pub fn try_min(&self, axes: impl AsRef<[isize]>) -> Result<Tensor> {
        bind1(&Sum(super::axes_of("min", axes.as_ref(), self.rank())?, Kind::Min), [self.clone()])
    }
    #[allow(missing_docs)]
    pub fn try_sum(&self, axes: impl AsRef<[isize]>) -> Result<Tensor> {
        sum_axes(self, &super::axes_of("sum", axes.as_ref(), self.rank())?)
    }
    #[allow(missing_docs)]
    pub fn sum(&self, axes: impl AsRef<[isize]>) -> Tensor {
        super::unwrap(self.try_sum(axes))
    }
}
