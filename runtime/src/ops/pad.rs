//! Padding around and between elements.

use smallvec::{SmallVec, smallvec};

use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{Op, PadAxis};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::strided;
use crate::ops::{addressable, convert, cotangent, only, reduce, slice, unpack, zeros_of};

pub(super) type Around = SmallVec<[PadAxis; 4]>;

/// The second argument, a scalar, fills what the first leaves open.
#[derive(Clone, PartialEq)]
pub(super) struct Pad(pub(super) Around);

impl Primitive for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (x, value) = (args[0], args[1]);
        if x.dtype != value.dtype {
            return Err(Error::dtype("pad", format!("{} and {}", x.dtype, value.dtype), "one dtype"));
        }
        let wrong = || {
            let found = format!("{self:?} of {x} with {value}");
            Error::shape(
                "pad",
                found,
                "a scalar, and a triple for every axis that leaves it a size of 0 or more",
            )
        };
        if value.rank() != 0 || self.0.len() != x.rank() {
            return Err(wrong());
        }
        let padded = |(&size, &(low, high, between)): (&usize, &(isize, isize, usize))| {
            let spread = size.saturating_sub(1).checked_mul(between)?.checked_add(size)?;
            isize::try_from(spread).ok()?.checked_add(low)?.checked_add(high)?.try_into().ok()
        };
        let shape: Option<Shape> = x.shape.iter().zip(&self.0).map(padded).collect();
        let out = Aval { shape: shape.ok_or_else(wrong)?, dtype: x.dtype, weak: x.weak && value.weak };
        Ok(smallvec![addressable("pad", out)?])
    }

    fn op(&self) -> Op<'_> {
        Op::Pad(&self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let (ct, x) = (cotangent(cts), residuals.arg_aval(0));
        let dvalue = if needs_grad[1] {
            let inside = zeros_of(&x.with_dtype(DType::Bool))?;
            let padding = bind1(self, [inside, true.into()])?;
            let all: Shape = (0..ct.rank()).collect();
            Some(reduce::sum_axes(&padding.try_select(&ct, ct.like(0.0))?, &all)?)
        } else {
            None
        };
        let dx = if needs_grad[0] {
            let undone = self.0.iter().map(|&(low, high, _)| (-low, -high, 0)).collect();
            let zero = ct.like(0.0);
            let spread = pad_general(&ct, zero, undone)?;
            let strides: Shape = self.0.iter().map(|around| around.2 + 1).collect();
            Some(spread.try_slice(Shape::from_elem(0, x.rank()), spread.shape(), strides)?)
        } else {
            None
        };
        Ok(smallvec![dx, dvalue])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let [x, value] = unpack(args);
        let batched = |x: Tensor, value: Tensor| {
            let around = std::iter::once((0, 0, 0)).chain(self.0.iter().copied());
            pad_general(&x, value, around.collect())
        };
        if !mapped[1] {
            return Ok((smallvec![batched(x, value)?], smallvec![true]));
        }
        // Each example has its own value: it takes the place of the padding of a mask.
        let logical = &x.shape()[usize::from(mapped[0])..];
        let padding = bind1(self, [zeros_of(&Aval::unchecked(logical, DType::Bool))?, true.into()])?;
        let zero = x.like(0.0);
        let inside = if mapped[0] { batched(x, zero)? } else { pad_general(&x, zero, self.0.clone())? };
        let mut shape = Shape::from_elem(1, padding.rank() + 1);
        shape[0] = axis.size;
        Ok((smallvec![padding.try_select(value.try_reshape(&shape)?, inside)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Pad {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x, value], out) = (unpack(args), only(outs));
        let shape = out.shape.clone();
        let axes: SmallVec<[(usize, isize, usize); 4]> =
            x.shape().iter().zip(&self.0).map(|(&size, &(low, _, between))| (size, low, between)).collect();
        Ok(smallvec![dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            strided::pad(x.data(), &axes, &shape, value.data()[0], out);
        }))])
    }

    fn simplify(&self, _args: &[Match<'_>]) -> Option<Rewrite> {
        let plain = self.0.iter().all(|&around| around == (0, 0, 0));
        plain.then_some(Rewrite::Value(Operand::Arg(0)))
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        args[0].splat().filter(|&x| args[1].splat().map(f64::to_bits) == Some(x.to_bits()))
    }
}

impl std::fmt::Debug for Pad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pad{:?}", self.0)
    }
}

/// Padding of one axis or another with a value of the tensor's dtype.
#[track_caller]
pub(crate) fn pad_general(x: &Tensor, value: Tensor, around: Around) -> Result<Tensor> {
    if around.len() == x.rank() && around.iter().all(|&around| around == (0, 0, 0)) {
        return Ok(x.clone());
    }
    bind1(&Pad(around), [x.clone(), value])
}

/// Widths that only add.
fn around(op: &'static str, x: &Tensor, widths: &[(usize, usize)]) -> Result<Around> {
    let signed = |&(low, high): &(usize, usize)| Some((low.try_into().ok()?, high.try_into().ok()?, 0));
    widths.iter().map(signed).collect::<Option<_>>().ok_or_else(|| {
        let found = format!("{widths:?} of shape {:?}", x.shape());
        Error::shape(op, found, "widths that fit the address space (`pad_interior` takes away, too)")
    })
}

/// What [`Tensor::pad_mode`] puts around a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PadMode {
    /// Zeros.
    Constant,
    /// The outermost element.
    Edge,
    /// The elements mirrored at the outermost one, which is not repeated.
    Reflect,
    /// The elements from the other end.
    Wrap,
}

/// # Padding
impl Tensor {
    /// A value around the elements: per axis, how many before and after.
    ///
    /// The value takes on this tensor's dtype.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 2.0]).pad([(1, 2)], 0.5);
    /// assert_eq!(x.to_vec::<f32>()?, [0.5, 1.0, 2.0, 0.5, 0.5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is not one pair for every axis, a width is too large to address, or the value is not a scalar.
    #[track_caller]
    pub fn pad(&self, widths: impl AsRef<[(usize, usize)]>, value: impl TensorLike) -> Tensor {
        unwrap(self.try_pad(widths, value))
    }

    /// As [`pad`](Tensor::pad).
    ///
    /// # Errors
    /// If there is not one pair for every axis, a width is too large to address, or the value is not a scalar.
    #[track_caller]
    pub fn try_pad(&self, widths: impl AsRef<[(usize, usize)]>, value: impl TensorLike) -> Result<Tensor> {
        let around = around("pad", self, widths.as_ref())?;
        pad_general(self, convert(&value.operand()?, self.dtype(), self.aval().weak)?, around)
    }

    /// A value before, after and between the elements of each axis, as `lax.pad`; negative padding at the ends takes
    /// elements away.
    ///
    /// # Panics
    /// If there is not one triple for every axis, more is taken away than there is, or the value is not a scalar.
    #[track_caller]
    pub fn pad_interior(
        &self,
        around: impl AsRef<[(isize, isize, usize)]>,
        value: impl TensorLike,
    ) -> Tensor {
        unwrap(self.try_pad_interior(around, value))
    }

    /// As [`pad_interior`](Tensor::pad_interior).
    ///
    /// # Errors
    /// If there is not one triple for every axis, more is taken away than there is, or the value is not a scalar.
    #[track_caller]
    pub fn try_pad_interior(
        &self,
        around: impl AsRef<[(isize, isize, usize)]>,
        value: impl TensorLike,
    ) -> Result<Tensor> {
        let value = convert(&value.operand()?, self.dtype(), self.aval().weak)?;
        pad_general(self, value, around.as_ref().into()).map_err(|error| error.called("pad_interior"))
    }

    /// Elements of the tensor itself, or zeros, around it: per axis, how many before and after.
    ///
    /// ```
    /// use flaxen::PadMode;
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1i32, 2, 3]);
    /// assert_eq!(x.pad_mode([(2, 1)], PadMode::Reflect).to_vec::<i32>()?, [3, 2, 1, 2, 3, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is not one pair for every axis, a width is too large to address, or an axis without elements is to be
    /// continued.
    #[track_caller]
    pub fn pad_mode(&self, widths: impl AsRef<[(usize, usize)]>, mode: PadMode) -> Tensor {
        unwrap(self.try_pad_mode(widths, mode))
    }

    /// As [`pad_mode`](Tensor::pad_mode).
    ///
    /// # Errors
    /// If there is not one pair for every axis, a width is too large to address, or an axis without elements is to be
    /// continued.
    #[track_caller]
    pub fn try_pad_mode(&self, widths: impl AsRef<[(usize, usize)]>, mode: PadMode) -> Result<Tensor> {
        let widths = widths.as_ref();
        if mode == PadMode::Constant || widths.len() != self.rank() {
            return self.try_pad(widths, self.like(0.0)).map_err(|error| error.called("pad_mode"));
        }
        let far = |(&size, &(low, high, _)): (&usize, &(isize, isize, usize))| {
            size.saturating_add(low.unsigned_abs()).saturating_add(high.unsigned_abs())
        };
        let padded: Shape = self.shape().iter().zip(&around("pad_mode", self, widths)?).map(far).collect();
        addressable("pad_mode", self.aval().with_shape(padded))?;
        let mut x = self.clone();
        for (axis, &(low, high)) in widths.iter().enumerate().filter(|(_, width)| **width != (0, 0)) {
            if x.shape()[axis] == 0 {
                let found = format!("axis {axis} of shape {:?}", x.shape());
                return Err(Error::shape("pad_mode", found, "at least one element to continue from"));
            }
            let mut parts = continued(&x, axis, low, mode, true)?;
            parts.reverse();
            parts.push(x.clone());
            parts.extend(continued(&x, axis, high, mode, false)?);
            x = Tensor::try_concatenate(&parts, axis as isize)?;
        }
        Ok(x)
    }
}

/// `count` elements that continue an axis at its front or back, as parts from the tensor outwards.
#[track_caller]
fn continued(x: &Tensor, axis: usize, count: usize, mode: PadMode, front: bool) -> Result<Vec<Tensor>> {
    let size = x.shape()[axis];
    let mut parts = Vec::new();
    if count == 0 {
        return Ok(parts);
    }
    if mode == PadMode::Edge || (mode == PadMode::Reflect && size == 1) {
        let edge = slice::part(x, axis, if front { 0 } else { size - 1 }, 1)?;
        let mut shape: Shape = x.shape().into();
        shape[axis] = count;
        parts.push(edge.try_broadcast_to(&shape)?);
        return Ok(parts);
    }
    let (period, mut mirrored, mut left) = match mode {
        PadMode::Reflect => (size - 1, true, count),
        _ => (size, false, count),
    };
    while left > 0 {
        let take = left.min(period);
        // Mirrored, the end that is continued is read first; otherwise the opposite one. A mirror is not repeated.
        let start = if mirrored == front { size - period } else { period - take };
        let part = slice::part(x, axis, start, take)?;
        parts.push(if mirrored { slice::reversed(&part, &[axis])? } else { part });
        mirrored = mode == PadMode::Reflect && !mirrored;
        left -= take;
    }
    Ok(parts)
}
