//! Views under another shape: reshape, transpose, broadcast.

use std::sync::Arc;

use smallvec::smallvec;

use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::{elementwise, transpose};
use crate::ops::axes::{Int, IntoAxes, IntoShape};
use crate::ops::pad::Pad;
use crate::ops::{addressable, axes_of, axis_of, broadcast_shapes, cotangent, only, prepend, sum_to, unpack};

#[derive(Clone, PartialEq)]
struct Broadcasted(Shape);

#[derive(Clone, PartialEq)]
pub(super) struct Reshape(pub(super) Shape);

/// Output axis `i` is input axis `.0[i]`.
#[derive(Clone, PartialEq)]
pub(crate) struct Transpose(pub(crate) Shape);

impl Primitive for Broadcasted {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape = &args[0].shape;
        if broadcast_shapes(self.name(), &[shape, &self.0]).ok().as_ref() != Some(&self.0) {
            let found = format!("{shape:?} to {:?}", self.0);
            return Err(Error::shape(
                self.name(),
                found,
                "a target whose last axes are equal, or larger where the size is 1",
            ));
        }
        Ok(smallvec![addressable(self.name(), args[0].with_shape(self.0.clone()))?])
    }

    fn op(&self) -> Op<'_> {
        Op::BroadcastTo
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(sum_to(cotangent(cts), &residuals.arg_aval(0).shape)?)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let shape = prepend(axis.size, &self.0);
        // The argument's rank may be lower than the target's: align behind the batch axis first.
        let mut inner = Shape::from_elem(1, shape.len());
        inner[0] = axis.size;
        let logical = args[0].rank() - 1;
        let rank = shape.len();
        inner[rank - logical..].copy_from_slice(&args[0].shape()[1..]);
        Ok((smallvec![args[0].try_reshape(&inner)?.try_broadcast_to(&shape)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Broadcasted {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        let layout = Broadcast::new(&out.shape, [x.shape()]);
        let out = dispatch_width!(out.dtype, T => {
            Array::build(out, |out: &mut [T]| elementwise::expand(&layout, x.data(), out))
        });
        Ok(smallvec![out])
    }

    fn with_batch_size(&self, count: usize) -> Option<Arc<dyn Primitive>> {
        let mut shape = self.0.clone();
        *shape.first_mut()? = count;
        Some(Arc::new(Broadcasted(shape)))
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        if args[0].aval().shape == self.0 {
            return Some(Rewrite::Value(Operand::Arg(0)));
        }
        args[0].made_by::<Broadcasted>()?;
        Some(Rewrite::Apply(std::sync::Arc::new(self.clone()), smallvec![Operand::Inner(0, 0)]))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        args[0].splat()
    }
}

impl Primitive for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let out = args[0].with_shape(self.0.clone());
        if out.checked_size() != Some(args[0].size()) {
            let found = format!("{:?} to {:?}", args[0].shape, self.0);
            return Err(Error::shape(self.name(), found, "as many elements as before"));
        }
        Ok(smallvec![out])
    }

    fn op(&self) -> Op<'_> {
        Op::Reshape
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(cotangent(cts).try_reshape(&residuals.arg_aval(0).shape)?)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(&Reshape(prepend(axis.size, &self.0)), args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Reshape {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        Ok(smallvec![x.with_aval(only(outs))])
    }

    fn with_batch_size(&self, count: usize) -> Option<Arc<dyn Primitive>> {
        let mut shape = self.0.clone();
        *shape.first_mut()? = count;
        Some(Arc::new(Reshape(shape)))
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        if args[0].aval().shape == self.0 {
            return Some(Rewrite::Value(Operand::Arg(0)));
        }
        args[0].made_by::<Reshape>()?;
        Some(Rewrite::Apply(std::sync::Arc::new(self.clone()), smallvec![Operand::Inner(0, 0)]))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        args[0].splat()
    }
}

impl Transpose {
    /// Whether it is a reshape: axes of size 1 do not matter to the numbers.
    fn moves_nothing(&self, shape: &[usize]) -> bool {
        self.0.iter().filter(|&&axis| shape[axis] != 1).is_sorted()
    }
}

impl Primitive for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let shape = &args[0].shape;
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..shape.len()) {
            let found = format!("axes {:?} of shape {shape:?}", self.0);
            return Err(Error::shape(self.name(), found, "each axis once"));
        }
        Ok(smallvec![args[0].with_shape(self.0.iter().map(|&axis| shape[axis]).collect::<Shape>())])
    }

    fn op(&self) -> Op<'_> {
        Op::Transpose { axes: &self.0 }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let mut inverse = Shape::from_elem(0, self.0.len());
        for (i, &axis) in self.0.iter().enumerate() {
            inverse[axis] = i;
        }
        Ok(smallvec![Some(permuted(&cotangent(cts), inverse)?)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let axes: Shape = std::iter::once(0).chain(self.0.iter().map(|axis| axis + 1)).collect();
        Ok((smallvec![bind1(&Transpose(axes), args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Transpose {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        if self.moves_nothing(x.shape()) {
            return Ok(smallvec![x.with_aval(out)]);
        }
        let out = dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            transpose::transpose(x.data::<T>(), x.shape(), &self.0, out);
        }));
        Ok(smallvec![out])
    }

    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        if self.moves_nothing(&args[0].shape) {
            return None;
        }
        let (shape, axes, dtype) = (args[0].shape.clone(), self.0.clone(), out.dtype);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| {
            dispatch_width!(dtype, T => {
                let out: &mut [T] = bytemuck::cast_slice_mut(out);
                transpose::transpose(bytemuck::cast_slice(args[0]), &shape, &axes, out);
            });
        }))
    }

    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        if self.0.iter().copied().eq(0..self.0.len()) {
            return Some(Rewrite::Value(Operand::Arg(0)));
        }
        let shape = &args[0].aval().shape;
        if self.moves_nothing(shape) {
            let shape = self.0.iter().map(|&axis| shape[axis]).collect();
            return Some(Rewrite::Apply(std::sync::Arc::new(Reshape(shape)), smallvec![Operand::Arg(0)]));
        }
        // Less is transposed without its padding.
        if let Some(Pad(around)) = args[0].made_by::<Pad>()
            && !args[0].is_shared()
            && args[0].inner()[0].aval().size() < args[0].aval().size()
        {
            let padding: Arc<dyn Primitive> =
                Arc::new(Pad(self.0.iter().map(|&axis| around[axis]).collect()));
            return Some(Rewrite::Steps(vec![
                (Arc::new(self.clone()), smallvec![Operand::Inner(0, 0)]),
                (padding, smallvec![Operand::Step(0), Operand::Inner(0, 1)]),
            ]));
        }
        let inner = args[0].made_by::<Transpose>()?;
        let both = Transpose(self.0.iter().map(|&axis| inner.0[axis]).collect());
        // Two that undo each other are nothing at all; else a cheap one behind a costly one would become a costly one.
        if args[0].is_shared() && !both.moves_nothing(&args[0].inner()[0].aval().shape) {
            return None;
        }
        Some(Rewrite::Apply(std::sync::Arc::new(both), smallvec![Operand::Inner(0, 0)]))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        args[0].splat()
    }
}

macro_rules! debug {
    ($($type:ident $field:literal)*) => {
        $(impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}[{}={:?}]", self.name(), $field, self.0)
            }
        })*
    };
}

debug!(Broadcasted "shape" Reshape "shape" Transpose "axes");

#[track_caller]
pub(crate) fn permuted(x: &Tensor, axes: Shape) -> Result<Tensor> {
    if axes.iter().copied().eq(0..x.rank()) {
        return Ok(x.clone());
    }
    bind1(&Transpose(axes), [x.clone()])
}

/// The axes with one moved elsewhere, the others in their order.
pub(crate) fn moved(rank: usize, from: usize, to: usize) -> Shape {
    let mut axes: Shape = (0..rank).filter(|&axis| axis != from).collect();
    axes.insert(to, from);
    axes
}

#[track_caller]
fn reshaped(x: &Tensor, asked: &[isize]) -> Result<Tensor> {
    let wrong = || {
        let found = format!("{:?} to {asked:?}", x.shape());
        Error::shape("reshape", found, "as many elements as before, and −1 at most once")
    };
    let Some(open) = asked.iter().position(|&size| size < 0) else {
        let shape: Shape = asked.iter().map(|&size| size.unsigned_abs()).collect();
        return if x.shape() == &shape[..] { Ok(x.clone()) } else { bind1(&Reshape(shape), [x.clone()]) };
    };
    let others = || asked.iter().enumerate().filter(|&(axis, _)| axis != open).map(|(_, &size)| size);
    if asked[open] != -1 || others().any(|size| size < 0) {
        return Err(wrong());
    }
    let known = others().try_fold(1usize, |all, size| all.checked_mul(size.unsigned_abs()));
    let Some(known) = known.filter(|&known| known != 0 && x.size().is_multiple_of(known)) else {
        return Err(wrong());
    };
    let mut shape: Shape = asked.iter().map(|&size| size.unsigned_abs()).collect();
    shape[open] = x.size() / known;
    if x.shape() == &shape[..] { Ok(x.clone()) } else { bind1(&Reshape(shape), [x.clone()]) }
}

/// # Shapes and axes
impl Tensor {
    /// The same elements, row-major, under another shape, in which one size may be −1: whatever is left.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::zeros([2, 3, 4]);
    /// assert_eq!(x.reshape([6, 4]).shape(), [6, 4]);
    /// assert_eq!(x.reshape([2, -1]).shape(), [2, 12]);
    /// // Numbers of several types are a tuple.
    /// let batch: usize = x.shape()[0];
    /// assert_eq!(x.reshape((batch, -1)).shape(), [2, 12]);
    /// ```
    ///
    /// # Panics
    /// If the number of elements differs, or two sizes are open.
    #[doc(alias = "view")]
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> Tensor {
        unwrap(self.try_reshape(shape))
    }

    /// As [`reshape`](Tensor::reshape).
    ///
    /// # Errors
    /// If the number of elements differs, or two sizes are open.
    #[track_caller]
    pub fn try_reshape(&self, shape: impl IntoShape) -> Result<Tensor> {
        reshaped(self, &shape.sizes())
    }

    /// The axes in another order: axis `i` of the result is axis `axes[i]`; negative ones count from the end, and `..` reverses them all.
    ///
    /// # Panics
    /// If `axes` does not name each axis once.
    #[doc(alias = "permute")]
    #[doc(alias = "permute_dims")]
    #[track_caller]
    pub fn transpose(&self, axes: impl IntoAxes) -> Tensor {
        unwrap(self.try_transpose(axes))
    }

    /// As [`transpose`](Tensor::transpose).
    ///
    /// # Errors
    /// If `axes` does not name each axis once.
    #[track_caller]
    pub fn try_transpose(&self, axes: impl IntoAxes) -> Result<Tensor> {
        if axes.is_every() {
            return permuted(self, (0..self.rank()).rev().collect());
        }
        let at = |&axis: &isize| axis_of("transpose", axis, self.rank());
        permuted(self, axes.axes().iter().map(at).collect::<Result<_>>()?)
    }

    /// The axes in reverse order: of a matrix, its transpose.
    ///
    /// # Panics
    /// If this is a value of a transform that has returned.
    #[doc(alias = "T")]
    #[doc(alias = "mT")]
    #[track_caller]
    pub fn t(&self) -> Tensor {
        unwrap(permuted(self, (0..self.rank()).rev().collect()))
    }

    /// Two axes exchanged.
    ///
    /// # Panics
    /// If there is no such axis.
    #[doc(alias = "swapaxes")]
    #[doc(alias = "swapdims")]
    #[track_caller]
    pub fn swap_axes(&self, a: impl Int, b: impl Int) -> Tensor {
        unwrap(self.try_swap_axes(a, b))
    }

    /// As [`swap_axes`](Tensor::swap_axes).
    ///
    /// # Errors
    /// If there is no such axis.
    #[track_caller]
    pub fn try_swap_axes(&self, a: impl Int, b: impl Int) -> Result<Tensor> {
        let mut axes: Shape = (0..self.rank()).collect();
        axes.swap(axis_of("swap_axes", a, self.rank())?, axis_of("swap_axes", b, self.rank())?);
        permuted(self, axes)
    }

    /// One axis moved, the others in their order.
    ///
    /// # Panics
    /// If there is no such axis.
    #[doc(alias = "moveaxis")]
    #[doc(alias = "movedim")]
    #[track_caller]
    pub fn move_axis(&self, from: impl Int, to: impl Int) -> Tensor {
        unwrap(self.try_move_axis(from, to))
    }

    /// As [`move_axis`](Tensor::move_axis).
    ///
    /// # Errors
    /// If there is no such axis.
    #[track_caller]
    pub fn try_move_axis(&self, from: impl Int, to: impl Int) -> Result<Tensor> {
        let axis = |axis: isize| axis_of("move_axis", axis, self.rank());
        permuted(self, moved(self.rank(), axis(from.int())?, axis(to.int())?))
    }

    /// The elements repeated along axes of size 1 and new axes in front.
    ///
    /// # Panics
    /// If the shape does not broadcast to the target.
    #[doc(alias = "broadcast")]
    #[doc(alias = "expand")]
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Tensor {
        unwrap(self.try_broadcast_to(shape))
    }

    /// As [`broadcast_to`](Tensor::broadcast_to).
    ///
    /// # Errors
    /// If the shape does not broadcast to the target.
    #[track_caller]
    pub fn try_broadcast_to(&self, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        if self.shape() == shape.as_ref() {
            return Ok(self.clone());
        }
        bind1(&Broadcasted(shape.as_ref().into()), [self.clone()])
    }

    /// New axes of size 1 at these positions of the result.
    ///
    /// # Panics
    /// If a position is out of range or named twice.
    #[doc(alias = "unsqueeze")]
    #[track_caller]
    pub fn expand_dims(&self, axes: impl IntoAxes) -> Tensor {
        unwrap(self.try_expand_dims(axes))
    }

    /// As [`expand_dims`](Tensor::expand_dims).
    ///
    /// # Errors
    /// If a position is out of range or named twice.
    #[track_caller]
    pub fn try_expand_dims(&self, axes: impl IntoAxes) -> Result<Tensor> {
        if axes.is_every() {
            return Err(Error::argument(
                "expand_dims",
                "`..` for the new axes: name their positions in the result",
            ));
        }
        let axes = axes.axes();
        let axes = axes_of("expand_dims", &axes, self.rank() + axes.len())?;
        let mut shape: Shape = self.shape().into();
        for &axis in &axes {
            shape.insert(axis, 1);
        }
        self.try_reshape(&shape)
    }

    /// Without these axes, which must have size 1; `..` are all that have it.
    ///
    /// # Panics
    /// If an axis has another size.
    #[track_caller]
    pub fn squeeze(&self, axes: impl IntoAxes) -> Tensor {
        unwrap(self.try_squeeze(axes))
    }

    /// As [`squeeze`](Tensor::squeeze).
    ///
    /// # Errors
    /// If an axis has another size.
    #[track_caller]
    pub fn try_squeeze(&self, axes: impl IntoAxes) -> Result<Tensor> {
        let all = axes.is_every();
        let axes = axes_of("squeeze", &axes.axes(), self.rank())?;
        if let Some(&axis) = axes.iter().find(|&&axis| self.shape()[axis] != 1) {
            return Err(Error::shape(
                "squeeze",
                format!("axis {axis} of shape {:?}", self.shape()),
                "axes of size 1",
            ));
        }
        let dropped = |axis: usize| if all { self.shape()[axis] == 1 } else { axes.contains(&axis) };
        let shape: Shape =
            (0..self.rank()).filter(|&axis| !dropped(axis)).map(|axis| self.shape()[axis]).collect();
        self.try_reshape(&shape)
    }

    /// All axes from `start` on merged into one.
    ///
    /// # Panics
    /// If `start` is larger than the rank.
    #[doc(alias = "ravel")]
    #[doc(alias = "view")]
    #[track_caller]
    pub fn flatten(&self, start: usize) -> Tensor {
        unwrap(self.try_flatten(start))
    }

    /// As [`flatten`](Tensor::flatten).
    ///
    /// # Errors
    /// If `start` is larger than the rank.
    #[track_caller]
    pub fn try_flatten(&self, start: usize) -> Result<Tensor> {
        if start > self.rank() {
            return Err(Error::argument(
                "flatten",
                format!("start {start} of a tensor with {} axes", self.rank()),
            ));
        }
        let mut shape: Shape = self.shape()[..start].into();
        shape.push(self.shape()[start..].iter().product());
        self.try_reshape(&shape)
    }
}
