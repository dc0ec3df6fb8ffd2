//! Reductions over axes: sums, products, extremes and where they are, any and all.

use smallvec::smallvec;

use super::axes::{kept_shape, reduced_size, reduction_methods};
use crate::array::dtype::{dispatch_ring, dispatch_wide};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::Match;
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::{arrays, reduce};
use crate::ops::axes::Int;
use crate::ops::complex::of_parts;
use crate::ops::{axis_of, cotangent, in_i64, is_narrow, of_reals, only, unpack};
use crate::scalar::reduce::ReduceOp;

/// Over ascending axes, which the output is without.
#[derive(Clone, PartialEq)]
struct Reduce {
    kind: Kind,
    axes: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Prod,
    Max,
    Min,
    Any,
    All,
}

impl Primitive for Reduce {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "sum",
            Kind::Prod => "prod",
            Kind::Max => "max",
            Kind::Min => "min",
            Kind::Any => "any",
            Kind::All => "all",
        }
    }

    fn flops(&self, args: &[&Aval], outs: &[&Aval]) -> u64 {
        args[0].size().saturating_sub(outs[0].size()) as u64
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let Aval { shape, dtype, .. } = args[0];
        if self.axes.last().is_some_and(|&axis| axis >= shape.len()) || !self.axes.is_sorted_by(|a, b| a < b)
        {
            let found = format!("axes {:?} of shape {shape:?}", self.axes);
            return Err(Error::shape(self.name(), found, "axes of the shape in ascending order"));
        }
        match self.kind {
            Kind::Sum | Kind::Prod if *dtype == DType::Bool => {
                return Err(Error::dtype(self.name(), dtype, "numbers (cast the booleans first)"));
            }
            Kind::Any | Kind::All if *dtype != DType::Bool => {
                return Err(Error::dtype(self.name(), dtype, "booleans"));
            }
            Kind::Max | Kind::Min => {
                of_reals(self.name(), *dtype)?;
                not_empty(self.name(), shape, &self.axes)?;
            }
            Kind::Prod => of_reals(self.name(), *dtype)?,
            _ => {}
        }
        let kept = (0..shape.len()).filter(|axis| !self.axes.contains(axis)).map(|axis| shape[axis]);
        Ok(smallvec![args[0].with_shape(kept.collect::<Shape>())])
    }

    fn op(&self) -> Op<'_> {
        match self.kind {
            Kind::Sum => Op::Reduce(ReduceOp::Sum, &self.axes),
            Kind::Prod => Op::Reduce(ReduceOp::Prod, &self.axes),
            Kind::Max => Op::Reduce(ReduceOp::Max, &self.axes),
            Kind::Min => Op::Reduce(ReduceOp::Min, &self.axes),
            Kind::Any => Op::Any(&self.axes),
            Kind::All => Op::All(&self.axes),
        }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        match self.kind {
            Kind::Prod => ResidualMask::ARGS,
            Kind::Max | Kind::Min => ResidualMask::ALL,
            Kind::Sum | Kind::Any | Kind::All => ResidualMask::NONE,
        }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let shape = &residuals.arg_aval(0).shape;
        let kept = kept_shape(shape, &self.axes);
        let ct = cotangent(cts).try_reshape(&kept)?;
        let dx = match self.kind {
            Kind::Sum => ct.try_broadcast_to(shape)?,
            Kind::Prod => ct.try_mul(product_of_others(residuals.arg(0), &self.axes)?)?,
            // Shared equally by all that have the extreme value.
            Kind::Max | Kind::Min => {
                let won =
                    residuals.arg(0).try_eq(residuals.out(0).try_reshape(&kept)?)?.try_cast(ct.dtype())?;
                let winners = sum_axes(&won, &self.axes)?.try_reshape(&kept)?;
                ct.try_div(winners)?.try_mul(won)?
            }
            Kind::Any | Kind::All => return Ok(smallvec![None]),
        };
        Ok(smallvec![Some(dx)])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let axes = self.axes.iter().map(|axis| axis + 1).collect();
        Ok((smallvec![bind1(&Reduce { kind: self.kind, axes }, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Reduce {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        if self.axes.iter().all(|&axis| x.shape()[axis] == 1) {
            return Ok(smallvec![x.with_aval(out)]);
        }
        let (shape, axes) = (x.shape(), &self.axes);
        let is_rare = match self.kind {
            Kind::Sum => out.dtype.is_integer() && out.dtype.size() < 4,
            Kind::Prod | Kind::Max | Kind::Min => is_narrow(out.dtype),
            Kind::Any | Kind::All => false,
        };
        if out.dtype.is_complex() {
            return of_parts(x, out, |x, out| self.eval(smallvec![x], smallvec![out]));
        }
        if is_rare {
            return in_i64(&[&x], out, &|args, outs| self.eval(args, outs));
        }
        Ok(smallvec![match self.kind {
            Kind::Any => Array::build(out, |out| reduce::any(x.data(), shape, axes, out)),
            Kind::All => Array::build(out, |out| reduce::all(x.data(), shape, axes, out)),
            Kind::Sum => dispatch_ring!(out.dtype, T => {
                Array::build(out, |out| reduce::sum::<T>(x.data(), shape, axes, out))
            }),
            Kind::Prod => dispatch_wide!(out.dtype, T => {
                Array::build(out, |out| reduce::prod::<T>(x.data(), shape, axes, out))
            }),
            kind => dispatch_wide!(out.dtype, T => Array::build(out, |out| match kind {
                Kind::Max => reduce::max::<T>(x.data(), shape, axes, out),
                _ => reduce::min::<T>(x.data(), shape, axes, out),
            })),
        }])
    }

    fn splat(&self, args: &[Match<'_>]) -> Option<f64> {
        let value = args[0].splat()?;
        match self.kind {
            Kind::Sum => (value == 0.0).then_some(0.0),
            Kind::Prod => (value == 1.0).then_some(value),
            Kind::Max | Kind::Min => Some(value),
            Kind::Any | Kind::All => (reduced_size(&args[0].aval().shape, &self.axes) > 0).then_some(value),
        }
    }
}

impl std::fmt::Debug for Reduce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[axes={:?}]", self.name(), self.axes)
    }
}

fn not_empty(op: &'static str, shape: &[usize], axes: &[usize]) -> Result<()> {
    if reduced_size(shape, axes) == 0 {
        let found = format!("axes {axes:?} of shape {shape:?}");
        return Err(Error::shape(op, found, "at least one element to choose from"));
    }
    Ok(())
}

/// For each element the product of all that are reduced with it but itself: right for zeros, where a quotient is not.
#[track_caller]
fn product_of_others(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let kept = (0..x.rank()).filter(|axis| !axes.contains(axis));
    let order: Shape = kept.chain(axes.iter().copied()).collect();
    let mut back = Shape::from_elem(0, x.rank());
    for (at, &axis) in order.iter().enumerate() {
        back[axis] = at;
    }
    let moved = super::shape::permuted(x, order)?;
    let mut rows: Shape = moved.shape()[..x.rank() - axes.len()].into();
    rows.push(reduced_size(x.shape(), axes));
    let others = super::cumulative::product_of_others(&moved.try_reshape(&rows)?)?;
    super::shape::permuted(&others.try_reshape(moved.shape())?, back)
}

/// Where along an axis the first extreme is.
#[derive(Clone, PartialEq)]
struct ArgExtreme {
    largest: bool,
    axis: usize,
}

impl Primitive for ArgExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "argmax" } else { "argmin" }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let mut shape = args[0].shape.clone();
        if self.axis >= shape.len() {
            let found = format!("axis {} of shape {shape:?}", self.axis);
            return Err(Error::shape(self.name(), found, "an axis of the shape"));
        }
        of_reals(self.name(), args[0].dtype)?;
        not_empty(self.name(), &shape, &[self.axis])?;
        countable(self.name(), &shape, self.axis)?;
        shape.remove(self.axis);
        Ok(smallvec![Aval::unchecked(shape, DType::I32)])
    }

    fn op(&self) -> Op<'_> {
        Op::ArgReduce { largest: self.largest, axis: self.axis }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![None])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let inner = ArgExtreme { axis: self.axis + 1, ..*self };
        Ok((smallvec![bind1(&inner, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for ArgExtreme {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x], out) = (unpack(args), only(outs));
        let x = if is_narrow(x.dtype()) { arrays::convert(&x, DType::I64, false) } else { x };
        Ok(smallvec![Array::build(out, |out| dispatch_wide!(x.dtype(), T => if self.largest {
            reduce::arg_max::<T>(x.data(), x.shape(), self.axis, out);
        } else {
            reduce::arg_min::<T>(x.data(), x.shape(), self.axis, out);
        }))])
    }
}

impl std::fmt::Debug for ArgExtreme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[axis={}]", self.name(), self.axis)
    }
}

/// Refuses an axis whose positions an `I32` does not hold.
pub(crate) fn countable(op: &'static str, shape: &[usize], axis: usize) -> Result<()> {
    match i32::try_from(shape[axis]) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::shape(
            op,
            format!("axis {axis} of shape {shape:?}"),
            "an axis whose positions fit `I32`",
        )),
    }
}

#[track_caller]
fn reduced(kind: Kind, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    bind1(&Reduce { kind, axes: axes.into() }, [x.clone()])
}

/// The sum over ascending axes, in the dtype of its argument.
#[track_caller]
pub(crate) fn sum_axes(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduced(Kind::Sum, x, axes)
}

/// The maximum over ascending axes.
#[track_caller]
pub(crate) fn max_axes(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduced(Kind::Max, x, axes)
}

/// The minimum over ascending axes.
#[track_caller]
pub(crate) fn min_axes(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduced(Kind::Min, x, axes)
}

/// Small integers are summed in 32 bits, as by `jax.numpy`.
#[track_caller]
fn widened(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::U8 | DType::U16 => x.try_cast(DType::U32),
        DType::Bool | DType::I8 | DType::I16 => x.try_cast(DType::I32),
        _ => Ok(x.clone()),
    }
}

#[track_caller]
pub(crate) fn sum_widened(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    sum_axes(&widened(x)?, axes)
}

#[track_caller]
pub(crate) fn prod_widened(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if x.dtype().is_complex() {
        return super::complex::product(x, axes);
    }
    reduced(Kind::Prod, &widened(x)?, axes)
}

#[track_caller]
pub(crate) fn any_true(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduced(Kind::Any, &x.try_cast(DType::Bool)?, axes)
}

#[track_caller]
pub(crate) fn all_true(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduced(Kind::All, &x.try_cast(DType::Bool)?, axes)
}

reduction_methods! {
    => "Reductions";
    "The sum", "If this is a value of a transform that has returned.",
    /// Floats are summed pairwise, halves in `F32`. Booleans give `I32` (their count), `U8` and `U16` give `U32`, `I8`
    /// and `I16` give `I32`; other integers wrap around. The sum of nothing is 0.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum().item::<f32>()?, 10.0);
    /// assert_eq!(x.sum_axes(0).to_vec::<f32>()?, [4.0, 6.0]);
    /// assert_eq!(x.sum_keep([-1]).shape(), [2, 1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    sum try_sum sum_axes try_sum_axes sum_keep try_sum_keep () = sum_widened;

    "The product", "If this is a value of a transform that has returned.",
    /// Integers become as wide as those of [`sum`](Tensor::sum). The product of nothing is 1. Gradients are right for zeros, too.
    prod try_prod prod_axes try_prod_axes prod_keep try_prod_keep () = prod_widened;

    "The maximum", "If there is nothing to choose from.",
    /// NaN if there is one. The gradient is shared equally by all elements that are the maximum.
    max try_max max_axes try_max_axes max_keep try_max_keep () = max_axes;

    "The minimum", "If there is nothing to choose from.",
    /// NaN if there is one. The gradient is shared equally by all elements that are the minimum.
    min try_min min_axes try_min_axes min_keep try_min_keep () = min_axes;

    "Whether any is true", "If this is a value of a transform that has returned.",
    /// A number is true if it is not zero. None of nothing is true.
    any try_any any_axes try_any_axes any_keep try_any_keep () = any_true;

    "Whether all are true", "If this is a value of a transform that has returned.",
    /// A number is true if it is not zero. All of nothing are true.
    all try_all all_axes try_all_axes all_keep try_all_keep () = all_true;
}

macro_rules! position_methods {
    ($($what:literal $largest:literal $plain:ident $try_plain:ident $keep:ident $try_keep:ident;)*) => {
        /// # Positions of extremes
        impl Tensor { $(
            #[doc = concat!("Where along an axis the first ", $what, " is, as `I32`; the first NaN counts as one.")]
            ///
            /// The result is without the axis.
            ///
            /// # Panics
            /// If there is no such axis, or its size is 0.
            #[track_caller]
            pub fn $plain(&self, axis: impl Int) -> Tensor {
                unwrap(self.$try_plain(axis))
            }

            #[doc = concat!("As [`", stringify!($plain), "`](Tensor::", stringify!($plain), ").")]
            ///
            /// # Errors
            /// If there is no such axis, or its size is 0.
            #[track_caller]
            pub fn $try_plain(&self, axis: impl Int) -> Result<Tensor> {
                let axis = axis_of(stringify!($plain), axis, self.rank())?;
                bind1(&ArgExtreme { largest: $largest, axis }, [self.clone()])
            }

            #[doc = concat!("As [`", stringify!($plain), "`](Tensor::", stringify!($plain), "), \
                             and the axis stays with size 1.")]
            ///
            /// # Panics
            /// If there is no such axis, or its size is 0.
            #[track_caller]
            pub fn $keep(&self, axis: impl Int) -> Tensor {
                unwrap(self.$try_keep(axis))
            }

            #[doc = concat!("As [`", stringify!($keep), "`](Tensor::", stringify!($keep), ").")]
            ///
            /// # Errors
            /// If there is no such axis, or its size is 0.
            #[track_caller]
            pub fn $try_keep(&self, axis: impl Int) -> Result<Tensor> {
                let at = axis_of(stringify!($keep), axis, self.rank())?;
                self.$try_plain(axis)?.try_reshape(&kept_shape(self.shape(), &[at]))
            }
        )* }
    };
}

position_methods! {
    "maximum" true argmax try_argmax argmax_keep try_argmax_keep;
    "minimum" false argmin try_argmin argmin_keep try_argmin_keep;
}
