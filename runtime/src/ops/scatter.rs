//! Writing at indices that are values themselves: `index_set`, `index_add`, `index_mul`, `index_min`, `index_max`.
//!
//! Indices in `-n..0` count from the end of an axis of size `n`. What is to be written outside of `-n..n` is dropped, as
//! in JAX. Where several updates meet at an index, they are applied in their order: results do not depend on threads, and
//! the last one set stays. Sums of many are summed in parts, which sizes alone decide.

use bytemuck::Pod;
use smallvec::smallvec;

use super::gather::{gather, positions};
use crate::array::dtype::{dispatch_ring, dispatch_wide, dispatch_width};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::{GatherDimensions, Op, Outside, ScatterOp};
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::accumulate;
use crate::kernels::halves::{narrow_all, widen_all};
use crate::kernels::strided::{self, Strided};
use crate::kernels::threads;
use crate::ops::axes::Int;
use crate::ops::{
    axis_of, batch_all, convert, convert_wrapping, cotangent, create, in_i64, is_narrow, of_reals, only,
    promoted, unpack, zeros_of,
};
use crate::scalar::number::Number;

/// The first argument, updated in windows the second names with the third.
#[derive(Clone, PartialEq)]
struct Scatter {
    kind: ScatterOp,
    windows: GatherDimensions,
    /// No element is written twice.
    unique: bool,
}

/// Elements that are copied sooner than an array is made for them.
const COPIED: usize = 512;

impl Primitive for Scatter {
    fn name(&self) -> &'static str {
        match self.kind {
            ScatterOp::Set => "scatter_set",
            ScatterOp::Add => "scatter_add",
            ScatterOp::Mul => "scatter_mul",
            ScatterOp::Min => "scatter_min",
            ScatterOp::Max => "scatter_max",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (x, updates) = (args[0], args[2]);
        if self.kind != ScatterOp::Set {
            of_reals(self.name(), x.dtype)?;
        }
        if x.dtype != updates.dtype {
            let found = format!("{} and {}", x.dtype, updates.dtype);
            return Err(Error::dtype(self.name(), found, "updates of the operand's dtype"));
        }
        let shape = self.windows.values_shape(self.name(), x, args[1])?;
        if updates.shape != shape {
            let found = format!("{:?}", updates.shape);
            return Err(Error::shape(self.name(), found, format!("updates of shape {shape:?}")));
        }
        Ok(smallvec![Aval { weak: x.weak && updates.weak, ..x.clone() }])
    }

    fn op(&self) -> Op<'_> {
        Op::Scatter { op: self.kind, dimensions: &self.windows, unique: self.unique }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        match self.kind {
            ScatterOp::Set | ScatterOp::Add => ResidualMask::args([1]),
            ScatterOp::Mul | ScatterOp::Min | ScatterOp::Max => ResidualMask::ALL,
        }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let (ct, indices) = (cotangent(cts), residuals.arg(1));
        let read = |x: &Tensor| gather(x, indices, self.windows.transposed());
        let (dx, dupdates) = match self.kind {
            ScatterOp::Add => {
                let dupdates = needs_grad[2].then(|| read(&ct)).transpose()?;
                (needs_grad[0].then_some(ct), dupdates)
            }
            ScatterOp::Set => {
                let erased = || {
                    let nothing = zeros_of(&residuals.arg_aval(2).with_dtype(ct.dtype()))?;
                    bind1(self, [ct.clone(), indices.clone(), nothing])
                };
                let survived = || {
                    if self.unique {
                        return read(&ct);
                    }
                    self.last(residuals)?.try_select(read(&ct)?, ct.like(0.0))
                };
                (needs_grad[0].then(erased).transpose()?, needs_grad[2].then(survived).transpose()?)
            }
            ScatterOp::Mul => {
                let factors = || {
                    let ones = ct.like(1.0).try_broadcast_to(ct.shape())?;
                    bind1(self, [ones, indices.clone(), residuals.arg(2).clone()])
                };
                let dx = needs_grad[0].then(|| ct.try_mul(factors()?)).transpose()?;
                (dx, needs_grad[2].then(|| self.by_factors(residuals, &ct)).transpose()?)
            }
            ScatterOp::Min | ScatterOp::Max => {
                // Shared equally by all that have the extreme value, the operand's element among them; where that is NaN
                // nobody has it. What no update has touched stays the operand's, be it NaN.
                let (x, updates, out) = (residuals.arg(0), residuals.arg(2), residuals.out(0));
                let (one, zero) = (ct.like(1.0), ct.like(0.0));
                let add = |x: &Tensor, y: &Tensor| {
                    scatter(ScatterOp::Add, x, indices, y, self.windows.clone(), self.unique)
                };
                let won = updates.try_eq(read(out)?)?.try_select(&one, &zero)?;
                let touches =
                    add(&zero.try_broadcast_to(x.shape())?, &one.try_broadcast_to(updates.shape())?)?;
                let kept = x.try_eq(out)?.try_bitor(touches.try_eq(&zero)?)?.try_select(&one, &zero)?;
                let share = ct.try_div(add(&kept, &won)?.try_maximum(&one)?)?;
                let dupdates = needs_grad[2].then(|| read(&share)?.try_mul(&won)).transpose()?;
                (needs_grad[0].then(|| share.try_mul(&kept)).transpose()?, dupdates)
            }
        };
        Ok(smallvec![dx, None, dupdates])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let windows = self.windows.batched(axis.size, true, mapped[1]);
        let args = batch_all(axis.size, args, &[mapped[0], true, mapped[2]])?;
        Ok((smallvec![bind1(&Scatter { windows, ..self.clone() }, args)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Scatter {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x, indices, updates], out) = (unpack(args), only(outs));
        if updates.size() == 0 || out.size() == 0 {
            return Ok(smallvec![x.with_aval(out)]);
        }
        let is_rare = match self.kind {
            ScatterOp::Set => false,
            ScatterOp::Add | ScatterOp::Mul => out.dtype.size() == 1 || out.dtype.is_short_integer(),
            ScatterOp::Min | ScatterOp::Max => is_narrow(out.dtype),
        };
        if is_rare {
            return in_i64(&[&x, &updates], out, &|mut args, outs| {
                args.insert(1, indices.clone());
                self.eval(args, outs)
            });
        }
        if self.kind == ScatterOp::Add
            && out.dtype.size() > 2
            && let Some(axis) = self.windows.whole_rows(x.shape(), &indices)
        {
            let row = out.size() / x.shape()[0];
            return Ok(smallvec![dispatch_ring!(out.dtype, T => update(x, out, |out: &mut [T]| {
                accumulate::add_rows(row, indices.data(), axis, updates.data(), out);
            }))]);
        }
        let starts = self.windows.starts(x.shape(), &indices);
        let layout = self.windows.layout(x.shape(), indices.shape(), updates.shape());
        Ok(smallvec![match self.kind {
            ScatterOp::Set => dispatch_width!(out.dtype, T => update(x, out, |out: &mut [T]| {
                strided::scatter(&layout, updates.data::<T>(), &starts, out, strided::set);
            })),
            ScatterOp::Add =>
                dispatch_ring!(out.dtype, T => accumulate::<T>(x, &layout, updates.data(), &starts, out, Number::add)),
            ScatterOp::Mul =>
                dispatch_ring!(out.dtype, T => accumulate::<T>(x, &layout, updates.data(), &starts, out, Number::mul)),
            ScatterOp::Min => dispatch_wide!(out.dtype, T => update(x, out, |out: &mut [T]| {
                strided::scatter(&layout, updates.data::<T>(), &starts, out, |out, u| *out = Number::minimum(*out, u));
            })),
            ScatterOp::Max => dispatch_wide!(out.dtype, T => update(x, out, |out: &mut [T]| {
                strided::scatter(&layout, updates.data::<T>(), &starts, out, |out, u| *out = Number::maximum(*out, u));
            })),
        }])
    }

    /// Small sums: a large operand is better overwritten than copied.
    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        let is_sum = self.kind == ScatterOp::Add && out.dtype != DType::Bool && out.dtype.size() > 2;
        if !is_sum || !(1..=COPIED).contains(&out.size()) || args[2].size() == 0 {
            return None;
        }
        let starts = self.windows.prepared(&args[0].shape, &args[1].shape);
        let layout = self.windows.layout(&args[0].shape, &args[1].shape, &args[2].shape);
        let (dtype, index) = (out.dtype, args[1].dtype);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| {
            let starts = starts.of(args[1], index);
            dispatch_ring!(dtype, T => {
                let [x, updates]: [&[T]; 2] = [args[0], args[2]].map(bytemuck::cast_slice);
                let out: &mut [T] = bytemuck::cast_slice_mut(out);
                threads::split(out, 1, 1, |first, piece| piece.copy_from_slice(&x[first..][..piece.len()]));
                strided::scatter(&layout, updates, &starts, out, strided::add);
            });
        }))
    }
}

impl Scatter {
    /// Which updates no later one has overwritten.
    fn last(&self, residuals: &Residuals) -> Result<Tensor> {
        let (indices, shape) = (residuals.arg(1), &residuals.arg_aval(2).shape);
        let size = residuals.arg_aval(2).size();
        let dtype = if i32::try_from(size).is_ok() { DType::I32 } else { DType::I64 };
        let numbers = create::iota([size], dtype, 0)?.try_reshape(shape)?;
        let blank = zeros_of(&residuals.arg_aval(0).with_dtype(dtype))?;
        let written = bind1(self, [blank, indices.clone(), numbers.clone()])?;
        gather(&written, indices, self.windows.transposed())?.try_eq(numbers)
    }

    /// The gradient of a product by its factors: the product of all others, without a division where one is 0.
    fn by_factors(&self, residuals: &Residuals, ct: &Tensor) -> Result<Tensor> {
        let (x, indices, factors) = (residuals.arg(0), residuals.arg(1), residuals.arg(2));
        let read = |x: &Tensor| gather(x, indices, self.windows.transposed());
        if self.unique {
            return read(&ct.try_mul(x)?);
        }
        let (one, zero) = (ct.like(1.0), ct.like(0.0));
        let is_zero = factors.try_eq(&zero)?;
        let count = is_zero.try_select(&one, &zero)?;
        let none = zero.try_broadcast_to(x.shape())?;
        let zeros = read(&scatter(ScatterOp::Add, &none, indices, &count, self.windows.clone(), false)?)?;
        let others = is_zero.try_select(&one, factors)?;
        let product = bind1(self, [x.clone(), indices.clone(), others.clone()])?;
        // Zeros among the other factors are all that are there, but for the factor itself.
        let without = read(&ct.try_mul(product)?)?.try_div(others)?;
        zeros.try_eq(count)?.try_select(without, zero)
    }
}

impl std::fmt::Debug for Scatter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name(), self.windows)
    }
}

/// Lets `write` change the numbers of `x`, of a copy if somebody else holds them.
pub(crate) fn update<T: Pod + Send + Sync>(x: Array, out: Aval, write: impl FnOnce(&mut [T])) -> Array {
    let mut out = match x.reuse(out) {
        Ok(out) => out,
        Err((x, mut copy)) => {
            if let Some(data) = copy.unique::<T>() {
                let x = x.data::<T>();
                threads::split(data, 1, 1, |first, piece| piece.copy_from_slice(&x[first..][..piece.len()]));
            }
            copy
        }
    };
    if let Some(data) = out.unique() {
        write(data);
    }
    out
}

/// Sums and products of `bf16` and `f16` are carried in `f32` and rounded once.
fn accumulate<T: Number>(
    x: Array,
    layout: &Strided<2>,
    updates: &[T],
    starts: &[usize],
    out: Aval,
    op: impl Fn(T::Acc, T::Acc) -> T::Acc + Sync,
) -> Array {
    if size_of::<T>() != size_of::<T::Acc>() {
        let mut wide = widen_all::<T>(x.data()).to_vec();
        strided::scatter(layout, updates, starts, &mut wide, |out, u: T| *out = op(*out, u.widen()));
        return Array::build(out, |out: &mut [T]| narrow_all(out, |to| to.copy_from_slice(&wide)));
    }
    update(x, out, |out: &mut [T]| {
        // The type is its own accumulator.
        strided::scatter(layout, updates, starts, out, |out, u| *out = T::narrow(op(out.widen(), u.widen())));
    })
}

#[track_caller]
pub(crate) fn scatter(
    kind: ScatterOp,
    x: &Tensor,
    indices: &Tensor,
    updates: &Tensor,
    windows: GatherDimensions,
    unique: bool,
) -> Result<Tensor> {
    if kind == ScatterOp::Add && x.dtype().is_complex() && updates.dtype().is_complex() {
        // Sums of complex numbers are sums of their parts.
        let part = |x: Tensor, updates: Tensor| scatter(kind, &x, indices, &updates, windows.clone(), unique);
        let re = part(x.try_real()?, updates.try_real()?)?;
        return Tensor::try_complex(re, part(x.try_imag()?, updates.try_imag()?)?);
    }
    bind1(&Scatter { kind, windows, unique }, [x.clone(), indices.clone(), updates.clone()])
}

#[track_caller]
fn along(
    (op, kind): (&'static str, ScatterOp),
    x: &Tensor,
    axis: impl Int,
    indices: &Tensor,
    values: &Tensor,
) -> Result<Tensor> {
    let axis = axis_of(op, axis, x.rank())?;
    let shape: Shape = [&x.shape()[..axis], indices.shape(), &x.shape()[axis + 1..]].concat().into();
    let [wide, values] = promoted([x.clone(), values.clone()])?;
    let values = values.try_broadcast_to(&shape)?;
    // Nothing is written, or all of it outside.
    if indices.size() == 0 || x.shape()[axis] == 0 {
        return Ok(x.clone());
    }
    let windows = GatherDimensions::along(x.shape(), axis, indices.rank(), Outside::Invalid);
    let out = scatter(kind, &wide, &positions(indices)?, &values, windows, indices.size() == 1)?;
    convert_wrapping(&out, x.dtype(), x.aval().weak)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $try_method:ident $kind:ident;)*) => {
        /// # Writing at indices
        impl Tensor {
            $($(#[$doc])*
            ///
            /// `values` are broadcast to the shape that `take(indices, axis)` has. Where they have another dtype than this
            /// tensor, both are promoted, and the result has this tensor's dtype.
            /// Negative indices count from the end; updates outside are dropped.
            ///
            /// # Panics
            /// If there is no such axis, the values do not fit, or the indices are not integers.
            #[track_caller]
            pub fn $method(
                &self,
                axis: impl Int,
                indices: impl TensorLike,
                values: impl TensorLike,
            ) -> Tensor {
                unwrap(self.$try_method(axis, indices, values))
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If there is no such axis, the values do not fit, or the indices are not integers.
            #[track_caller]
            pub fn $try_method(
                &self,
                axis: impl Int,
                indices: impl TensorLike,
                values: impl TensorLike,
            ) -> Result<Tensor> {
                along((stringify!($method), ScatterOp::$kind), self, axis, &indices.operand()?, &values.operand()?)
            })*
        }
    };
}

methods! {
    /// A copy with other values at these indices of one axis, as `x.at[indices].set(values)`; of several for one index,
    /// the last stays.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::zeros([3, 2]).index_set(0, [2i32, 0], [[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.to_vec::<f32>()?, [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[doc(alias = "ScatterDimensionNumbers")]
    index_set try_index_set Set;
    /// A copy with values added at these indices of one axis, as `x.at[indices].add(values)`: all of them, where several
    /// meet.
    index_add try_index_add Add;
    /// A copy with elements multiplied by values at these indices of one axis: by all of them, where several meet.
    index_mul try_index_mul Mul;
    /// A copy with the smaller of the element and the values at these indices of one axis.
    index_min try_index_min Min;
    /// A copy with the larger of the element and the values at these indices of one axis.
    index_max try_index_max Max;
}

impl Tensor {
    /// A copy with other values at the indices [`take_along_axis`](Tensor::take_along_axis) would read.
    ///
    /// `values` are cast to this tensor's dtype and broadcast to the shape read.
    ///
    /// # Panics
    /// If there is no such axis, the shapes do not fit, or the indices are not integers.
    #[doc(alias = "scatter")]
    #[track_caller]
    pub fn put_along_axis(
        &self,
        indices: impl TensorLike,
        values: impl TensorLike,
        axis: impl Int,
    ) -> Tensor {
        unwrap(self.try_put_along_axis(indices, values, axis))
    }

    /// As [`put_along_axis`](Tensor::put_along_axis).
    ///
    /// # Errors
    /// If there is no such axis, the shapes do not fit, or the indices are not integers.
    #[track_caller]
    pub fn try_put_along_axis(
        &self,
        indices: impl TensorLike,
        values: impl TensorLike,
        axis: impl Int,
    ) -> Result<Tensor> {
        const OP: &str = "put_along_axis";
        let indices = indices.operand()?;
        let axis = axis_of(OP, axis, self.rank())?;
        let (windows, positions) = GatherDimensions::batching_along(OP, self.shape(), axis, indices.shape())?;
        if self.shape()[axis] == 0 && indices.dtype().is_integer() {
            // Every index is outside.
            return Ok(self.clone());
        }
        let indices = indices.try_reshape(&positions)?;
        let shape = windows.values_shape(OP, self.aval(), indices.aval())?;
        let values = convert(&values.operand()?, self.dtype(), self.aval().weak)?.try_broadcast_to(&shape)?;
        scatter(ScatterOp::Set, self, &indices, &values, windows, false)
    }
}
