//! Parts of a tensor whose sizes are known and whose positions are values of a program.
//!
//! Negative starts count from the end; then a part that is not inside of the tensor is moved inside, as in JAX.

use smallvec::smallvec;

use super::gather::gather;
use super::scatter;
use super::slice::{strides_of, walked};
use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{GatherDimensions, Op, Outside, ScatterOp};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::strided::{self, Strided};
use crate::ops::axes::Int;
use crate::ops::{axis_of, batch_all, cotangent, only, prepend, zeros_of};

/// A part of these sizes; the arguments behind the tensor are its starts, one per axis.
#[derive(Clone, PartialEq)]
struct DynamicSlice(Shape);

impl Primitive for DynamicSlice {
    fn name(&self) -> &'static str {
        "dynamic_slice"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        check(self.name(), args[0], &self.0, &args[1..])?;
        Ok(smallvec![args[0].with_shape(self.0.clone())])
    }

    fn op(&self) -> Op<'_> {
        Op::DynamicSlice { sizes: &self.0 }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args(1..=self.0.len())
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let mut grads = smallvec![None; needs_grad.len()];
        if needs_grad[0] {
            let starts = (1..=self.0.len()).map(|i| residuals.arg(i).clone());
            let args = [zeros_of(residuals.arg_aval(0))?, cotangent(cts)].into_iter().chain(starts);
            grads[0] = Some(bind1(&DynamicUpdateSlice, args)?);
        }
        Ok(grads)
    }

    fn batch(&self, axis: &Axis, mut args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        if mapped[1..].contains(&true) {
            let positions = positions(axis.size, &args[1..], &mapped[1..])?;
            let windows = windows(&self.0).batched(axis.size, mapped[0], true);
            return Ok((smallvec![gather(&args[0], &positions, windows)?], smallvec![true]));
        }
        args.insert(1, 0i32.into());
        Ok((smallvec![bind1(&DynamicSlice(prepend(axis.size, &self.0)), args)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for DynamicSlice {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let (x, out) = (&args[0], only(outs));
        let start = start(x.shape(), &self.0, &args[1..]);
        let strides = strides_of(x.shape());
        Ok(smallvec![walked(x, start, strides.iter().map(|&stride| [stride as isize]), out)])
    }
}

impl std::fmt::Debug for DynamicSlice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "dynamic_slice[sizes={:?}]", self.0)
    }
}

/// The first argument with the second in its place; the others are its starts, one per axis.
#[derive(Clone, PartialEq, Debug)]
struct DynamicUpdateSlice;

impl Primitive for DynamicUpdateSlice {
    fn name(&self) -> &'static str {
        "dynamic_update_slice"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (x, update) = (args[0], args[1]);
        if x.dtype != update.dtype {
            let found = format!("{} and {}", x.dtype, update.dtype);
            return Err(Error::dtype(self.name(), found, "an update of the tensor's dtype"));
        }
        check(self.name(), x, &update.shape, &args[2..])?;
        Ok(smallvec![Aval { weak: x.weak && update.weak, ..x.clone() }])
    }

    fn op(&self) -> Op<'_> {
        Op::DynamicUpdateSlice
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args(2..needs_grad.len())
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let (ct, update) = (cotangent(cts), residuals.arg_aval(1));
        let starts = || (2..residuals.arg_count()).map(|i| residuals.arg(i).clone());
        let mut grads: Grads = smallvec![None; needs_grad.len()];
        if needs_grad[1] {
            let slice = DynamicSlice(update.shape.clone());
            grads[1] = Some(bind1(&slice, std::iter::once(ct.clone()).chain(starts()))?);
        }
        if needs_grad[0] {
            grads[0] = Some(bind1(self, [ct, zeros_of(update)?].into_iter().chain(starts()))?);
        }
        Ok(grads)
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let starts = &args[2..];
        let whole = batch_all(axis.size, args[..2].into(), &mapped[..2])?;
        let out = if mapped[2..].contains(&true) {
            let positions = positions(axis.size, starts, &mapped[2..])?;
            let windows = windows(&whole[1].shape()[1..]).batched(axis.size, true, true);
            scatter::scatter(ScatterOp::Set, &whole[0], &positions, &whole[1], windows, true)?
        } else {
            let starts = std::iter::once(0i32.into()).chain(starts.iter().cloned());
            bind1(self, whole.into_iter().chain(starts))?
        };
        Ok((smallvec![out], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for DynamicUpdateSlice {
    fn eval(&self, mut args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let (x, out) = (args.remove(0), only(outs));
        let part = &args[0];
        if part.size() == 0 {
            return Ok(smallvec![x.with_aval(out)]);
        }
        let start = start(x.shape(), part.shape(), &args[1..]);
        let strides = strides_of(x.shape());
        let dims = part.shape().iter().zip(&strides).map(|(&size, &stride)| (size, [0, stride as isize]));
        let layout = Strided::new(dims);
        Ok(smallvec![dispatch_width!(out.dtype, T => scatter::update(x, out, |out: &mut [T]| {
            strided::scatter(&layout, part.data::<T>(), &[start], out, strided::set);
        }))])
    }
}

fn check(op: &'static str, x: &Aval, sizes: &[usize], starts: &[&Aval]) -> Result<()> {
    if let Some(start) = starts.iter().find(|start| !start.dtype.is_integer() || start.rank() != 0) {
        return Err(Error::dtype(op, start, "starts that are integer scalars"));
    }
    let fits = sizes.len() == x.rank() && sizes.iter().zip(&x.shape).all(|(part, size)| part <= size);
    if !fits || starts.len() != x.rank() {
        let found = format!("{} starts and sizes {sizes:?} for shape {:?}", starts.len(), x.shape);
        return Err(Error::shape(op, found, "a start and a size for every axis, no larger than the axis"));
    }
    Ok(())
}

/// Where the part starts in the row-major numbers.
fn start(shape: &[usize], sizes: &[usize], starts: &[Array]) -> usize {
    let position = |(axis, start): (usize, &Array)| {
        let start = match start.dtype() {
            DType::U8 => i64::from(start.data::<u8>()[0]),
            DType::U16 => i64::from(start.data::<u16>()[0]),
            DType::I8 => i64::from(start.data::<i8>()[0]),
            DType::I16 => i64::from(start.data::<i16>()[0]),
            DType::U32 => i64::from(start.data::<u32>()[0]),
            DType::I32 => i64::from(start.data::<i32>()[0]),
            DType::I64 => start.data::<i64>()[0],
            other => unreachable!("`infer` refuses starts of {other}"),
        };
        let start = if start < 0 { start + shape[axis] as i64 } else { start };
        start.clamp(0, (shape[axis] - sizes[axis]) as i64) as usize
    };
    starts.iter().enumerate().map(position).zip(strides_of(shape)).map(|(at, stride)| at * stride).sum()
}

/// The same part as a window of a gather.
fn windows(sizes: &[usize]) -> GatherDimensions {
    GatherDimensions {
        offset_dims: (0..sizes.len()).collect(),
        collapsed_slice_dims: Shape::new(),
        start_index_map: (0..sizes.len()).collect(),
        operand_batching_dims: Shape::new(),
        start_indices_batching_dims: Shape::new(),
        slice_sizes: sizes.into(),
        wrap: true,
        outside: Outside::Clip,
    }
}

/// The starts of every example as one position.
fn positions(size: usize, starts: &[Tensor], mapped: &[bool]) -> Result<Tensor> {
    Tensor::try_stack(&batch_all(size, starts.into(), mapped)?, 1)
}

/// # Parts at positions that are values
impl Tensor {
    /// The part of these sizes that begins at `starts`, integer scalars that may be traced: one per axis.
    ///
    /// Negative starts count from the end; a part that reaches beyond the end is moved inside.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::arange(0i32, 6, 1);
    /// let part = jit(|i: Tensor| Ok(Tensor::arange(0i32, 6, 1).dynamic_slice([i], [2])));
    /// assert_eq!(part.call(Tensor::from(3i32))?.to_vec::<i32>()?, [3, 4]);
    /// assert_eq!(x.dynamic_slice([9i32.into()], [2]).to_vec::<i32>()?, [4, 5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is not one start and one size for every axis, or a size is larger than its axis.
    #[track_caller]
    pub fn dynamic_slice(&self, starts: impl AsRef<[Tensor]>, sizes: impl AsRef<[usize]>) -> Tensor {
        unwrap(self.try_dynamic_slice(starts, sizes))
    }

    /// As [`dynamic_slice`](Tensor::dynamic_slice).
    ///
    /// # Errors
    /// If there is not one start and one size for every axis, or a size is larger than its axis.
    #[track_caller]
    pub fn try_dynamic_slice(
        &self,
        starts: impl AsRef<[Tensor]>,
        sizes: impl AsRef<[usize]>,
    ) -> Result<Tensor> {
        let args = std::iter::once(self.clone()).chain(starts.as_ref().iter().cloned());
        bind1(&DynamicSlice(sizes.as_ref().into()), args)
    }

    /// A copy with `update` as the part that begins at `starts`, integer scalars that may be traced: one per axis.
    ///
    /// The update is cast to this tensor's dtype. Negative starts count from the end; a part that reaches beyond the end
    /// is moved inside. Nothing is copied if nobody else holds this tensor.
    ///
    /// # Panics
    /// If there is not one start for every axis, or the update is larger than the tensor along one.
    #[track_caller]
    pub fn dynamic_update_slice(&self, update: impl TensorLike, starts: impl AsRef<[Tensor]>) -> Tensor {
        unwrap(self.try_dynamic_update_slice(update, starts))
    }

    /// As [`dynamic_update_slice`](Tensor::dynamic_update_slice).
    ///
    /// # Errors
    /// If there is not one start for every axis, or the update is larger than the tensor along one.
    #[track_caller]
    pub fn try_dynamic_update_slice(
        &self,
        update: impl TensorLike,
        starts: impl AsRef<[Tensor]>,
    ) -> Result<Tensor> {
        let update = super::convert(&update.operand()?, self.dtype(), self.aval().weak)?;
        let args = [self.clone(), update].into_iter().chain(starts.as_ref().iter().cloned());
        bind1(&DynamicUpdateSlice, args)
    }

    /// As [`dynamic_slice`](Tensor::dynamic_slice) along one axis, the others whole.
    ///
    /// # Panics
    /// If there is no such axis, or the size is larger than it.
    #[doc(alias = "dynamic_slice_in_dim")]
    #[track_caller]
    pub fn dynamic_slice_axis(&self, axis: impl Int, start: impl TensorLike, size: usize) -> Tensor {
        unwrap(self.try_dynamic_slice_axis(axis, start, size))
    }

    /// As [`dynamic_slice_axis`](Tensor::dynamic_slice_axis).
    ///
    /// # Errors
    /// If there is no such axis, or the size is larger than it.
    #[track_caller]
    pub fn try_dynamic_slice_axis(
        &self,
        axis: impl Int,
        start: impl TensorLike,
        size: usize,
    ) -> Result<Tensor> {
        let axis = axis_of("dynamic_slice_axis", axis, self.rank())?;
        let mut sizes: Shape = self.shape().into();
        sizes[axis] = size;
        self.try_dynamic_slice(starts_along(self.rank(), axis, start.operand()?), sizes)
    }

    /// As [`dynamic_update_slice`](Tensor::dynamic_update_slice) along one axis, from the front of the others.
    ///
    /// # Panics
    /// If there is no such axis, or the update does not fit.
    #[doc(alias = "dynamic_update_slice_in_dim")]
    #[track_caller]
    pub fn dynamic_update_axis(
        &self,
        axis: impl Int,
        start: impl TensorLike,
        update: impl TensorLike,
    ) -> Tensor {
        unwrap(self.try_dynamic_update_axis(axis, start, update))
    }

    /// As [`dynamic_update_axis`](Tensor::dynamic_update_axis).
    ///
    /// # Errors
    /// If there is no such axis, or the update does not fit.
    #[track_caller]
    pub fn try_dynamic_update_axis(
        &self,
        axis: impl Int,
        start: impl TensorLike,
        update: impl TensorLike,
    ) -> Result<Tensor> {
        let axis = axis_of("dynamic_update_axis", axis, self.rank())?;
        self.try_dynamic_update_slice(update, starts_along(self.rank(), axis, start.operand()?))
    }
}

fn starts_along(rank: usize, axis: usize, start: Tensor) -> Vec<Tensor> {
    let mut starts = vec![Tensor::from(0i32); rank];
    starts[axis] = start;
    starts
}
