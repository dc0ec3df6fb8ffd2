//! Parts of a tensor at positions known when the program is written: slice, reverse, roll.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::strided::{self, Strided};
use crate::ops::axes::{Int, IntoAxes, meant};
use crate::ops::range;
use crate::ops::shape::Transpose;
use crate::ops::{axis_of, cotangent, only, pad, unpack};

/// Per axis, `sizes` elements from `starts` on, every `strides`-th.
#[derive(Clone, PartialEq)]
struct Slice {
    starts: Shape,
    sizes: Shape,
    strides: Shape,
}

impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape = &args[0].shape;
        let inside = |axis: usize| {
            let (start, size, stride) = (self.starts[axis], self.sizes[axis], self.strides[axis]);
            let last = size.saturating_sub(1).checked_mul(stride).and_then(|span| span.checked_add(start));
            stride > 0 && last.is_some_and(|last| last < shape[axis] || (size == 0 && last <= shape[axis]))
        };
        let one_each = [&self.starts, &self.sizes, &self.strides].iter().all(|v| v.len() == shape.len());
        if !one_each || !(0..shape.len()).all(inside) {
            let found = format!("{self:?} of shape {shape:?}");
            return Err(Error::shape("slice", found, "a part of every axis, and strides of at least 1"));
        }
        Ok(smallvec![args[0].with_shape(self.sizes.clone())])
    }

    fn op(&self) -> Op<'_> {
        Op::Slice { starts: &self.starts, strides: &self.strides }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let shape = &residuals.arg_aval(0).shape;
        let around = (0..shape.len()).map(|axis| {
            let (start, size, stride) = (self.starts[axis], self.sizes[axis], self.strides[axis]);
            let span = if size == 0 { 0 } else { (size - 1) * stride + 1 };
            (start as isize, (shape[axis] - start - span) as isize, stride - 1)
        });
        let zero = ct.like(0.0);
        Ok(smallvec![Some(pad::pad_general(&ct, zero, around.collect())?)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let with = |front: usize, rest: &Shape| super::prepend(front, rest);
        let batched = Slice {
            starts: with(0, &self.starts),
            sizes: with(axis.size, &self.sizes),
            strides: with(1, &self.strides),
        };
        Ok((smallvec![bind1(&batched, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Slice {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        if x.shape() == &out.shape[..] {
            return Ok(smallvec![x]);
        }
        let strides = strides_of(x.shape());
        let start = self.starts.iter().zip(&strides).map(|(start, stride)| start * stride).sum();
        let steps = strides.iter().zip(&self.strides).map(|(stride, every)| [(stride * every) as isize]);
        Ok(smallvec![walked(&x, start, steps, out)])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        if args[0].aval().shape == self.sizes {
            return Some(Rewrite::Value(Operand::Arg(0)));
        }
        // Less is transposed, if only this part of it is read.
        if let Some(Transpose(axes)) = args[0].made_by::<Transpose>()
            && !args[0].is_shared()
        {
            let mut before = self.clone();
            for (i, &axis) in axes.iter().enumerate() {
                (before.starts[axis], before.sizes[axis], before.strides[axis]) =
                    (self.starts[i], self.sizes[i], self.strides[i]);
            }
            let slice: Arc<dyn Primitive> = Arc::new(before);
            let transpose: Arc<dyn Primitive> = Arc::new(Transpose(axes.clone()));
            return Some(Rewrite::Steps(vec![
                (slice, smallvec![Operand::Inner(0, 0)]),
                (transpose, smallvec![Operand::Step(0)]),
            ]));
        }
        let inner = args[0].made_by::<Slice>()?;
        // Elements that lie apart are gathered once for all parts.
        if args[0].is_shared() && inner.strides.iter().any(|&stride| stride != 1) {
            return None;
        }
        let axes = 0..self.starts.len();
        // Nothing at all may begin behind the end of the inner part, but not of the whole.
        let start = |i: usize| match self.sizes[i] {
            0 => 0,
            _ => inner.starts[i] + self.starts[i] * inner.strides[i],
        };
        let both = Slice {
            starts: axes.clone().map(start).collect(),
            sizes: self.sizes.clone(),
            strides: axes.map(|i| self.strides[i] * inner.strides[i]).collect(),
        };
        Some(Rewrite::Apply(Arc::new(both), smallvec![Operand::Inner(0, 0)]))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        args[0].splat()
    }

    fn with_batch_size(&self, count: usize) -> Option<Arc<dyn Primitive>> {
        let is_whole = *self.starts.first()? == 0 && self.strides[0] == 1;
        let mut slice = self.clone();
        slice.sizes[0] = count;
        is_whole.then(|| Arc::new(slice) as Arc<dyn Primitive>)
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "slice[starts={:?} sizes={:?}", self.starts, self.sizes)?;
        if self.strides.iter().any(|&stride| stride != 1) {
            write!(f, " strides={:?}", self.strides)?;
        }
        f.write_str("]")
    }
}

/// The elements in reverse order along these axes.
#[derive(Clone, PartialEq)]
struct Rev(Shape);

impl Primitive for Rev {
    fn name(&self) -> &'static str {
        "rev"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if self.0.iter().any(|&axis| axis >= args[0].rank()) {
            let found = format!("axes {:?} of shape {:?}", self.0, args[0].shape);
            return Err(Error::shape("rev", found, "axes of the shape"));
        }
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::Rev { axes: &self.0 }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(bind1(self, [cotangent(cts)])?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let axes = self.0.iter().map(|axis| axis + 1).collect();
        Ok((smallvec![bind1(&Rev(axes), args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Rev {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        if out.size() == 0 {
            return Ok(smallvec![x]);
        }
        let strides = strides_of(x.shape());
        let start = self.0.iter().map(|&axis| (x.shape()[axis] - 1) * strides[axis]).sum();
        let steps = strides.iter().enumerate().map(|(axis, &stride)| {
            let stride = stride as isize;
            [if self.0.contains(&axis) { -stride } else { stride }]
        });
        Ok(smallvec![walked(&x, start, steps, out)])
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        if self.0.iter().all(|&axis| args[0].aval().shape[axis] <= 1) {
            return Some(Rewrite::Value(Operand::Arg(0)));
        }
        (args[0].made_by::<Rev>()? == self).then_some(Rewrite::Value(Operand::Inner(0, 0)))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        args[0].splat()
    }
}

impl std::fmt::Debug for Rev {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rev[axes={:?}]", self.0)
    }
}

/// Row-major strides.
pub(crate) fn strides_of(shape: &[usize]) -> Shape {
    let mut strides = Shape::from_elem(1, shape.len());
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// What lies from `start` on along `steps`, one per axis of the output.
pub(crate) fn walked(
    x: &Array,
    start: usize,
    steps: impl DoubleEndedIterator<Item = [isize; 1]> + ExactSizeIterator,
    out: Aval,
) -> Array {
    if out.size() == 0 {
        return Array::scratch(out);
    }
    let layout = Strided::new(out.shape.iter().copied().zip(steps));
    dispatch_width!(out.dtype, T => {
        Array::build(out, |out: &mut [T]| strided::copy(&layout, x.data(), start, out))
    })
}

/// The operation that takes a contiguous part of one axis of an array of this shape, the others whole.
pub(crate) fn part_of(whole: &Aval, axis: usize, start: usize, size: usize) -> Arc<dyn Primitive> {
    let mut slice = Slice {
        starts: Shape::from_elem(0, whole.rank()),
        sizes: whole.shape.clone(),
        strides: Shape::from_elem(1, whole.rank()),
    };
    (slice.starts[axis], slice.sizes[axis]) = (start, size);
    Arc::new(slice)
}

/// A contiguous part of one axis, the others whole.
#[track_caller]
pub(crate) fn part(x: &Tensor, axis: usize, start: usize, size: usize) -> Result<Tensor> {
    every(x, axis, start, size, 1)
}

#[track_caller]
pub(crate) fn every(x: &Tensor, axis: usize, start: usize, size: usize, stride: usize) -> Result<Tensor> {
    if size == x.shape()[axis] && start == 0 {
        return Ok(x.clone());
    }
    let mut slice = Slice {
        starts: Shape::from_elem(0, x.rank()),
        sizes: x.shape().into(),
        strides: Shape::from_elem(1, x.rank()),
    };
    (slice.starts[axis], slice.sizes[axis], slice.strides[axis]) = (start, size, stride);
    bind1(&slice, [x.clone()])
}

/// Per axis the first position, the step, which may go backwards, and the number of positions.
pub(crate) type Parts = SmallVec<[(usize, isize, usize); 4]>;

/// The elements at these positions of every axis.
#[track_caller]
pub(crate) fn strided_parts(x: &Tensor, parts: &[(usize, isize, usize)]) -> Result<Tensor> {
    let least = |&(start, step, size): &(usize, isize, usize)| match step {
        _ if size == 0 => 0,
        1.. => start,
        _ => start - (size - 1) * step.unsigned_abs(),
    };
    let slice = Slice {
        starts: parts.iter().map(least).collect(),
        sizes: parts.iter().map(|part| part.2).collect(),
        strides: parts.iter().map(|part| part.1.unsigned_abs()).collect(),
    };
    let back: Shape = (0..parts.len()).filter(|&axis| parts[axis].1 < 0).collect();
    if slice.sizes[..] == *x.shape() {
        return reversed(x, &back);
    }
    reversed(&bind1(&slice, [x.clone()])?, &back)
}

/// The first position, the step and the number of positions of Python's `start:end:step` along an axis of a size.
///
/// Negative positions count from the end of the axis, positions beyond it mean the end, and None means all the way.
pub(crate) fn range_of(
    op: &'static str,
    start: Option<isize>,
    end: Option<isize>,
    step: isize,
    size: usize,
) -> Result<(usize, isize, usize)> {
    if step == 0 {
        return Err(Error::argument(op, "a step of 0: use 1 for every element"));
    }
    let size = size as isize;
    // Going backwards, the positions are 0..size − 1, and −1 is "before the first".
    let (lowest, highest) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let position = |given: Option<isize>, open: isize| match given {
        None => open,
        Some(at) if at < 0 => at.saturating_add(size).max(lowest),
        Some(at) => at.min(highest),
    };
    let (first, last) = if step > 0 { (lowest, highest) } else { (highest, lowest) };
    let (start, end) = (position(start, first), position(end, last));
    let span = if step > 0 { end - start } else { start - end };
    match usize::try_from(span).unwrap_or(0).div_ceil(step.unsigned_abs()) {
        0 => Ok((0, 1, 0)),
        // A step of one position leads nowhere.
        1 => Ok((start as usize, 1, 1)),
        count => Ok((start as usize, step, count)),
    }
}

#[track_caller]
pub(crate) fn reversed(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    bind1(&Rev(axes.into()), [x.clone()])
}

/// # Parts at fixed positions
impl Tensor {
    /// A part of every axis: from `starts` up to, without, `ends`, every `strides`-th element, as `lax.slice`.
    ///
    /// See [`slice_axis`](Tensor::slice_axis) for negative positions and one axis only.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::arange(0i32, 12, 1).reshape([3, 4]);
    /// assert_eq!(x.slice([1, 0], [3, 4], [1, 2]).to_vec::<i32>()?, [4, 6, 8, 10]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is not one number for every axis, a part is not inside its axis, or a stride is 0.
    #[track_caller]
    pub fn slice(
        &self,
        starts: impl AsRef<[usize]>,
        ends: impl AsRef<[usize]>,
        strides: impl AsRef<[usize]>,
    ) -> Tensor {
        unwrap(self.try_slice(starts, ends, strides))
    }

    /// As [`slice`](Tensor::slice).
    ///
    /// # Errors
    /// If there is not one number for every axis, a part is not inside its axis, or a stride is 0.
    #[track_caller]
    pub fn try_slice(
        &self,
        starts: impl AsRef<[usize]>,
        ends: impl AsRef<[usize]>,
        strides: impl AsRef<[usize]>,
    ) -> Result<Tensor> {
        let (starts, ends, strides) = (starts.as_ref(), ends.as_ref(), strides.as_ref());
        let rank = self.rank();
        let inside = |axis: usize| starts[axis] <= ends[axis] && ends[axis] <= self.shape()[axis];
        if [starts, ends, strides].iter().any(|given| given.len() != rank) || !(0..rank).all(inside) {
            let found = format!("{starts:?} to {ends:?} by {strides:?} of shape {:?}", self.shape());
            return Err(Error::shape("slice", found, "`start <= end <= size` and a stride for every axis"));
        }
        let sizes = (0..rank).map(|axis| (ends[axis] - starts[axis]).div_ceil(strides[axis].max(1)));
        bind1(
            &Slice { starts: starts.into(), sizes: sizes.collect(), strides: strides.into() },
            [self.clone()],
        )
    }

    /// The part of one axis from `start` up to, without, `end`, as Python's `x[start:end]`.
    ///
    /// Negative positions count from the end of the axis, positions beyond it mean the end, and None means all the way.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::arange(0i32, 5, 1);
    /// assert_eq!(x.slice_axis(0, 1..-1).to_vec::<i32>()?, [1, 2, 3]);
    /// assert_eq!(x.slice_axis(0, -2..).to_vec::<i32>()?, [3, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis.
    #[doc(alias = "narrow")]
    #[doc(alias = "slice_in_dim")]
    #[track_caller]
    pub fn slice_axis(&self, axis: impl Int, range: impl Into<range::Slice>) -> Tensor {
        unwrap(self.try_slice_axis(axis, range))
    }

    /// As [`slice_axis`](Tensor::slice_axis).
    ///
    /// # Errors
    /// If there is no such axis.
    #[track_caller]
    pub fn try_slice_axis(&self, axis: impl Int, range: impl Into<range::Slice>) -> Result<Tensor> {
        self.try_slice_axis_step(axis, range, 1)
    }

    /// Every `step`-th element of one axis, as Python's `x[start:end:step]`; a negative step goes backwards.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::arange(0i32, 6, 1);
    /// assert_eq!(x.slice_axis_step(0, .., -2).to_vec::<i32>()?, [5, 3, 1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, or the step is 0.
    #[track_caller]
    pub fn slice_axis_step(&self, axis: impl Int, range: impl Into<range::Slice>, step: isize) -> Tensor {
        unwrap(self.try_slice_axis_step(axis, range, step))
    }

    /// As [`slice_axis_step`](Tensor::slice_axis_step).
    ///
    /// # Errors
    /// If there is no such axis, or the step is 0.
    #[track_caller]
    pub fn try_slice_axis_step(
        &self,
        axis: impl Int,
        range: impl Into<range::Slice>,
        step: isize,
    ) -> Result<Tensor> {
        let axis = axis_of("slice_axis", axis, self.rank())?;
        let range = range::Slice { step, ..range.into() };
        let (start, step, count) = range.positions("slice_axis", self.shape()[axis])?;
        let mut parts: Parts = self.shape().iter().map(|&size| (0, 1, size)).collect();
        parts[axis] = (start, step, count);
        strided_parts(self, &parts)
    }

    /// Element `i` of one axis, which the result does not have; negative numbers count from the end.
    ///
    /// # Panics
    /// If there is no such axis or element.
    #[track_caller]
    pub fn index_axis(&self, axis: impl Int, i: impl Int) -> Tensor {
        unwrap(self.try_index_axis(axis, i))
    }

    /// As [`index_axis`](Tensor::index_axis).
    ///
    /// # Errors
    /// If there is no such axis or element.
    #[track_caller]
    pub fn try_index_axis(&self, axis: impl Int, i: impl Int) -> Result<Tensor> {
        let axis = axis_of("index_axis", axis, self.rank())?;
        let (size, i) = (self.shape()[axis], i.int());
        let at = if i < 0 { size.checked_add_signed(i) } else { Some(i as usize) };
        let Some(at) = at.filter(|&at| at < size) else {
            return Err(Error::argument("index_axis", format!("element {i} of an axis of size {size}")));
        };
        let mut shape: Shape = self.shape().into();
        shape.remove(axis);
        part(self, axis, at, 1)?.try_reshape(&shape)
    }

    /// Element `i` of the first axis, as `x[i]`; negative numbers count from the end.
    ///
    /// # Panics
    /// If there is no axis, or no such element.
    #[track_caller]
    pub fn get(&self, i: impl Int) -> Tensor {
        unwrap(self.try_get(i))
    }

    /// As [`get`](Tensor::get).
    ///
    /// # Errors
    /// If there is no axis, or no such element.
    #[track_caller]
    pub fn try_get(&self, i: impl Int) -> Result<Tensor> {
        self.try_index_axis(0, i).map_err(|error| error.called("get"))
    }

    /// The elements in reverse order along these axes.
    ///
    /// # Panics
    /// If there is no such axis, or one is named twice.
    #[track_caller]
    pub fn flip(&self, axes: impl IntoAxes) -> Tensor {
        unwrap(self.try_flip(axes))
    }

    /// As [`flip`](Tensor::flip).
    ///
    /// # Errors
    /// If there is no such axis, or one is named twice.
    #[track_caller]
    pub fn try_flip(&self, axes: impl IntoAxes) -> Result<Tensor> {
        reversed(self, &meant("flip", &axes, self)?)
    }

    /// The elements moved `shift` positions along an axis; those that leave at one end return at the other.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn roll(&self, shift: impl Int, axis: impl Int) -> Tensor {
        unwrap(self.try_roll(shift, axis))
    }

    /// As [`roll`](Tensor::roll).
    ///
    /// # Errors
    /// If there is no such axis.
    #[track_caller]
    pub fn try_roll(&self, shift: impl Int, axis: impl Int) -> Result<Tensor> {
        let at = axis_of("roll", axis, self.rank())?;
        let (size, shift) = (self.shape()[at], shift.int());
        let shift = if size == 0 { 0 } else { shift.rem_euclid(size as isize) as usize };
        if shift == 0 {
            return Ok(self.clone());
        }
        let (front, back) = (part(self, at, size - shift, shift)?, part(self, at, 0, size - shift)?);
        Tensor::try_concatenate(&[front, back], axis)
    }
}
