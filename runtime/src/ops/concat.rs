//! Joining tensors along an axis, and taking them apart.

use smallvec::smallvec;

use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, Shape, promote};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::threads;
use crate::ops::axes::Int;
use crate::ops::{addressable, axis_of, batch_all, cotangent, only, slice, unpack, zeros_of};

/// The arguments one behind another along an axis.
#[derive(Clone, PartialEq)]
struct Concatenate(usize);

impl Primitive for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let Some(first) = args.first() else {
            return Err(Error::argument("concatenate", "no tensors: give at least one"));
        };
        if let Some(other) = args.iter().find(|aval| aval.dtype != first.dtype) {
            let found = format!("{} and {}", first.dtype, other.dtype);
            return Err(Error::dtype("concatenate", found, "arguments of one dtype"));
        }
        let alike = |aval: &&Aval| {
            aval.rank() == first.rank()
                && (0..first.rank()).all(|axis| axis == self.0 || aval.shape[axis] == first.shape[axis])
        };
        if self.0 >= first.rank() || !args.iter().all(alike) {
            let found = args.iter().map(|aval| format!("{:?}", aval.shape)).collect::<Vec<_>>().join(", ");
            let expected = format!("shapes that differ along axis {} only", self.0);
            return Err(Error::shape("concatenate", found, expected));
        }
        let mut shape = first.shape.clone();
        let size = args.iter().try_fold(0usize, |size, aval| size.checked_add(aval.shape[self.0]));
        shape[self.0] = size.unwrap_or(usize::MAX);
        let out = Aval { shape, dtype: first.dtype, weak: args.iter().all(|aval| aval.weak) };
        Ok(smallvec![addressable("concatenate", out)?])
    }

    fn op(&self) -> Op<'_> {
        Op::Concatenate { axis: self.0 }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let sizes: Shape = (0..residuals.arg_count()).map(|i| residuals.arg_aval(i).shape[self.0]).collect();
        if needs_grad.iter().filter(|&&needed| needed).count() == 1 {
            let mut at = 0;
            return sizes
                .iter()
                .zip(needs_grad)
                .map(|(&size, &needed)| {
                    at += size;
                    needed.then(|| slice::part(&ct, self.0, at - size, size)).transpose()
                })
                .collect();
        }
        let parts = parts(&ct, self.0, sizes)?;
        Ok(parts.into_iter().zip(needs_grad).map(|(part, &needed)| needed.then_some(part)).collect())
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let args = batch_all(axis.size, args, mapped)?;
        Ok((smallvec![bind1(&Concatenate(self.0 + 1), args)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Concatenate {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let out = only(outs);
        let block: usize = out.shape[self.0..].iter().product();
        Ok(smallvec![dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            let parts: Args<(&[T], usize)> = args
                .iter()
                .map(|x| (x.data::<T>(), x.shape()[self.0..].iter().product()))
                .filter(|(_, size)| *size > 0)
                .collect();
            if out.len() == block {
                // One block: every part is copied by all threads.
                let mut rest = out;
                for (x, size) in parts {
                    let (here, behind) = rest.split_at_mut(size);
                    threads::split(here, 1, 1, |first, piece| piece.copy_from_slice(&x[first..][..piece.len()]));
                    rest = behind;
                }
                return;
            }
            threads::split(out, block, block, |first, piece| {
                for (i, mut rest) in piece.chunks_exact_mut(block).enumerate() {
                    for &(x, size) in &parts {
                        let (here, behind) = rest.split_at_mut(size);
                        here.copy_from_slice(&x[(first + i) * size..][..size]);
                        rest = behind;
                    }
                }
            });
        }))])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        (args.len() == 1).then_some(Rewrite::Value(Operand::Arg(0)))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        let first = args.first()?.splat()?;
        let alike = |arg: &Match<'_>| arg.splat().map(f64::to_bits) == Some(first.to_bits());
        args.iter().all(alike).then_some(first)
    }
}

impl std::fmt::Debug for Concatenate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "concatenate[axis={}]", self.0)
    }
}

/// Parts of these sizes along an axis, all at once: their gradients are joined in one step.
#[derive(Clone, PartialEq)]
struct Split {
    axis: usize,
    sizes: Shape,
}

impl Primitive for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape = &args[0].shape;
        let total = self.sizes.iter().try_fold(0usize, |total, &size| total.checked_add(size));
        if self.axis >= shape.len() || total != Some(shape[self.axis]) {
            let found = format!("{:?} for axis {} of shape {shape:?}", self.sizes, self.axis);
            return Err(Error::shape("split", found, "sizes that add up to that of the axis"));
        }
        let part = |&size: &usize| {
            let mut shape = shape.clone();
            shape[self.axis] = size;
            args[0].with_shape(shape)
        };
        Ok(self.sizes.iter().map(part).collect())
    }

    fn op(&self) -> Op<'_> {
        Op::Split { axis: self.axis, sizes: &self.sizes }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let cts = cts.into_iter().enumerate().map(|(i, ct)| match ct {
            Some(ct) => Ok(ct),
            None => zeros_of(residuals.out_aval(i)),
        });
        let cts: Args = cts.collect::<Result<_>>()?;
        Ok(smallvec![Some(bind1(&Concatenate(self.axis), cts)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, _mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let outs = bind(&Split { axis: self.axis + 1, sizes: self.sizes.clone() }, args)?;
        Ok((outs, smallvec![true; self.sizes.len()]))
    }

    on_cpu!();
}

impl CpuRules for Split {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        let strides = slice::strides_of(x.shape());
        let mut start = 0;
        let part = |out: Aval| {
            let from = start * strides[self.axis];
            start += out.shape[self.axis];
            slice::walked(&x, from, strides.iter().map(|&stride| [stride as isize]), out)
        };
        Ok(outs.into_iter().map(part).collect())
    }
}

impl std::fmt::Debug for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "split[axis={} sizes={:?}]", self.axis, self.sizes)
    }
}

#[track_caller]
fn parts(x: &Tensor, axis: usize, sizes: Shape) -> Result<Outs> {
    bind(&Split { axis, sizes }, smallvec![x.clone()])
}

/// All tensors cast to the dtype of their mixture.
fn alike(op: &'static str, tensors: &[Tensor]) -> Result<Args> {
    if tensors.is_empty() {
        return Err(Error::argument(op, "no tensors: give at least one"));
    }
    let (dtype, weak) = promote(tensors.iter().map(Tensor::aval));
    tensors.iter().map(|tensor| super::convert(tensor, dtype, weak)).collect()
}

/// # Joining and splitting
impl Tensor {
    /// The tensors one behind another along an axis; mixed dtypes are promoted.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (x, y) = (Tensor::zeros([2, 3]), Tensor::ones([2, 1]));
    /// assert_eq!(Tensor::concatenate(&[x, y], -1).shape(), [2, 4]);
    /// ```
    ///
    /// # Panics
    /// If there are none, there is no such axis, or other axes differ in size.
    #[doc(alias = "cat")]
    #[doc(alias = "concat")]
    #[track_caller]
    pub fn concatenate(tensors: &[Tensor], axis: impl Int) -> Tensor {
        unwrap(Tensor::try_concatenate(tensors, axis))
    }

    /// As [`concatenate`](Tensor::concatenate).
    ///
    /// # Errors
    /// If there are none, there is no such axis, or other axes differ in size.
    #[track_caller]
    pub fn try_concatenate(tensors: &[Tensor], axis: impl Int) -> Result<Tensor> {
        let args = alike("concatenate", tensors)?;
        let axis = axis_of("concatenate", axis, args[0].rank())?;
        if let [only] = &args[..] {
            return Ok(only.clone());
        }
        bind1(&Concatenate(axis), args)
    }

    /// The tensors, of one shape, along a new axis at this position of the result; mixed dtypes are promoted.
    ///
    /// # Panics
    /// If there are none, the position is out of range, or the shapes differ.
    #[track_caller]
    pub fn stack(tensors: &[Tensor], axis: impl Int) -> Tensor {
        unwrap(Tensor::try_stack(tensors, axis))
    }

    /// As [`stack`](Tensor::stack).
    ///
    /// # Errors
    /// If there are none, the position is out of range, or the shapes differ.
    #[track_caller]
    pub fn try_stack(tensors: &[Tensor], axis: impl Int) -> Result<Tensor> {
        let args = alike("stack", tensors)?;
        if let Some(other) = args.iter().find(|arg| arg.shape() != args[0].shape()) {
            let found = format!("{:?} and {:?}", args[0].shape(), other.shape());
            return Err(Error::shape("stack", found, "tensors of one shape"));
        }
        let axis = axis_of("stack", axis, args[0].rank() + 1)? as isize;
        let mut rows = Vec::with_capacity(args.len());
        for arg in &args {
            rows.push(arg.try_expand_dims([axis])?);
        }
        Tensor::try_concatenate(&rows, axis)
    }

    /// Equal parts along an axis.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let parts = Tensor::zeros([2, 6]).split(3, 1);
    /// assert_eq!((parts.len(), parts[0].shape()), (3, &[2, 2][..]));
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, or its size is no multiple of `count`.
    #[track_caller]
    pub fn split(&self, count: usize, axis: impl Int) -> Vec<Tensor> {
        unwrap(self.try_split(count, axis))
    }

    /// As [`split`](Tensor::split).
    ///
    /// # Errors
    /// If there is no such axis, or its size is no multiple of `count`.
    #[track_caller]
    pub fn try_split(&self, count: usize, axis: impl Int) -> Result<Vec<Tensor>> {
        let axis = axis_of("split", axis, self.rank())?;
        let size = self.shape()[axis];
        if count == 0 || !size.is_multiple_of(count) {
            let found = format!("{count} parts of axis {axis} of shape {:?}", self.shape());
            return Err(Error::shape("split", found, "a number of parts that divides the axis"));
        }
        Ok(parts(self, axis, Shape::from_elem(size / count, count))?.into_vec())
    }

    /// Parts along an axis that begin at 0 and at each of these indices, as `jnp.split`.
    ///
    /// # Panics
    /// If there is no such axis, or the indices are not in ascending order inside of it.
    #[track_caller]
    pub fn split_at(&self, indices: impl AsRef<[usize]>, axis: impl Int) -> Vec<Tensor> {
        unwrap(self.try_split_at(indices, axis))
    }

    /// As [`split_at`](Tensor::split_at).
    ///
    /// # Errors
    /// If there is no such axis, or the indices are not in ascending order inside of it.
    #[track_caller]
    pub fn try_split_at(&self, indices: impl AsRef<[usize]>, axis: impl Int) -> Result<Vec<Tensor>> {
        let axis = axis_of("split_at", axis, self.rank())?;
        let size = self.shape()[axis];
        let mut last = 0;
        let mut sizes = Shape::new();
        for &index in indices.as_ref().iter().chain([&size]) {
            let Some(part) = index.checked_sub(last).filter(|_| index <= size) else {
                let message =
                    format!("indices {:?} of an axis of size {size}: use ascending ones", indices.as_ref());
                return Err(Error::argument("split_at", message));
            };
            sizes.push(part);
            last = index;
        }
        Ok(parts(self, axis, sizes)?.into_vec())
    }

    /// Every element of an axis by itself, without that axis: the inverse of [`stack`](Tensor::stack).
    ///
    /// # Panics
    /// If there is no such axis.
    #[doc(alias = "unbind")]
    #[track_caller]
    pub fn unstack(&self, axis: impl Int) -> Vec<Tensor> {
        unwrap(self.try_unstack(axis))
    }

    /// As [`unstack`](Tensor::unstack).
    ///
    /// # Errors
    /// If there is no such axis.
    #[track_caller]
    pub fn try_unstack(&self, axis: impl Int) -> Result<Vec<Tensor>> {
        let axis = axis_of("unstack", axis, self.rank())?;
        let mut shape: Shape = self.shape().into();
        let size = shape.remove(axis);
        if size == 0 {
            return Ok(Vec::new());
        }
        let mut parts = parts(self, axis, Shape::from_elem(1, size))?;
        for part in &mut parts {
            *part = part.try_reshape(&shape)?;
        }
        Ok(parts.into_vec())
    }
}
