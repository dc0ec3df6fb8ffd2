//! Sorting, ranking and searching. The primitives work along the last axis.

use smallvec::smallvec;

use super::reduce::countable;
use super::rows::put;
use super::shape::{moved, permuted};
use super::slice;
use crate::array::dtype::dispatch;
use crate::array::{Array, Aval, DType};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, Pullback, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind, bind1};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::sort::{self, Bound, SortOrder};
use crate::ops::axes::Int;
use crate::ops::{axis_of, batch_all, cotangent, in_wider, of_reals, only, promoted, unpack};

/// The sorted values. Without a gradient the positions, which cost time, are not asked for.
#[derive(Clone, PartialEq)]
struct Sort(SortOrder);

/// The sorted values, and where each of them was.
#[derive(Clone, PartialEq)]
struct SortPairs(SortOrder);

/// Where each of the sorted values was.
#[derive(Clone, PartialEq)]
struct ArgSort(SortOrder);

fn check_rows(op: &'static str, x: &Aval) -> Result<()> {
    of_reals(op, x.dtype)?;
    match x.rank() {
        0 => Err(Error::shape(op, format!("{x}"), "at least one axis")),
        rank => countable(op, &x.shape, rank - 1),
    }
}

fn row_of(x: &Array) -> usize {
    x.shape().last().copied().unwrap_or(1)
}

impl Primitive for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        check_rows("sort", args[0])?;
        Ok(smallvec![args[0].clone()])
    }

    fn op(&self) -> Op<'_> {
        Op::Sort(self.0)
    }

    fn vjp_fwd(&self, args: Args, _needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let [values, positions] = pairs(self.0, args)?;
        let pullback = { move |cts: Cotangents| Ok(smallvec![Some(unsorted(&cotangent(cts), &positions)?)]) };
        Ok((smallvec![values], Box::new(pullback)))
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for Sort {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [mut x] = unpack(args);
        if x.dtype().is_short_integer() {
            return in_wider(DType::I32, &[&x], outs, &|args, outs| self.eval(args, outs));
        }
        let (out, row) = (only(outs), row_of(&x));
        Ok(smallvec![dispatch!(out.dtype, T => {
            if let Some(data) = x.unique::<T>() {
                sort::sort(data, row, self.0);
                x
            } else {
                Array::build(out, |out: &mut [T]| {
                    out.copy_from_slice(x.data());
                    sort::sort(out, row, self.0);
                })
            }
        })])
    }
}

impl Primitive for SortPairs {
    fn name(&self) -> &'static str {
        "sort_pairs"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        check_rows("sort", args[0])?;
        Ok(smallvec![args[0].clone(), args[0].with_dtype(DType::I32)])
    }

    fn op(&self) -> Op<'_> {
        Op::SortPairs(self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 0, outs: 0b10 }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let dx = cts[0].as_ref().map(|ct| unsorted(ct, residuals.out(1))).transpose()?;
        Ok(smallvec![dx])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((bind(self, args)?, smallvec![mapped[0]; 2]))
    }

    on_cpu!();
}

impl CpuRules for SortPairs {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        if x.dtype().is_short_integer() {
            return in_wider(DType::I32, &[&x], outs, &|args, outs| self.eval(args, outs));
        }
        Ok(dispatch!(x.dtype(), T => build_pair(outs, |values: &mut [T], positions| {
            sort::sort_with_positions(x.data(), row_of(&x), self.0, values, positions);
        })))
    }
}

impl Primitive for ArgSort {
    fn name(&self) -> &'static str {
        "argsort"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        check_rows("argsort", args[0])?;
        Ok(smallvec![args[0].with_dtype(DType::I32)])
    }

    fn op(&self) -> Op<'_> {
        Op::ArgSort(self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![None])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, args)?], mapped.into()))
    }

    on_cpu!();
}

impl CpuRules for ArgSort {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        if x.dtype().is_short_integer() {
            return in_wider(DType::I32, &[&x], outs, &|args, outs| self.eval(args, outs));
        }
        Ok(smallvec![dispatch!(x.dtype(), T => Array::build(only(outs), |out| {
            sort::argsort::<T>(x.data(), row_of(&x), self.0, out);
        }))])
    }
}

/// The greatest of each row, and where they are.
#[derive(Clone, PartialEq)]
struct TopK(usize);

impl Primitive for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        check_rows("top_k", args[0])?;
        let mut shape = args[0].shape.clone();
        match shape.last_mut() {
            Some(last) if self.0 <= *last => *last = self.0,
            _ => {
                let found = format!("{} of shape {shape:?}", self.0);
                return Err(Error::shape("top_k", found, "at most as many as the last axis has"));
            }
        }
        let values = args[0].with_shape(shape);
        let positions = values.with_dtype(DType::I32);
        Ok(smallvec![values, positions])
    }

    fn op(&self) -> Op<'_> {
        Op::TopK(self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 0, outs: 0b10 }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let size = residuals.arg_aval(0).shape.last().copied().unwrap_or(1);
        let dx = cts[0].as_ref().map(|ct| put(ct, residuals.out(1), size)).transpose()?;
        Ok(smallvec![dx])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((bind(self, args)?, smallvec![mapped[0]; 2]))
    }

    on_cpu!();
}

impl CpuRules for TopK {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [x] = unpack(args);
        if x.dtype().is_short_integer() {
            return in_wider(DType::I32, &[&x], outs, &|args, outs| self.eval(args, outs));
        }
        Ok(dispatch!(x.dtype(), T => build_pair(outs, |values: &mut [T], positions| {
            sort::top_k(x.data(), row_of(&x), self.0, values, positions);
        })))
    }
}

/// From ascending rows `[L.., n]` and queries `[L.., Q..]` to the positions where the queries belong.
#[derive(Clone, PartialEq)]
struct SearchSorted(Bound);

impl Primitive for SearchSorted {
    fn name(&self) -> &'static str {
        "searchsorted"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (sorted, queries) = (args[0], args[1]);
        check_rows("searchsorted", sorted)?;
        if !queries.shape.starts_with(&sorted.shape[..sorted.rank() - 1]) {
            let found = format!("{queries} in {sorted}");
            return Err(Error::shape(
                "searchsorted",
                found,
                "queries that begin with the axes before the last",
            ));
        }
        if sorted.dtype != queries.dtype {
            return Err(Error::dtype("searchsorted", format!("{queries} in {sorted}"), "one dtype"));
        }
        Ok(smallvec![queries.with_dtype(DType::I32)])
    }

    fn op(&self) -> Op<'_> {
        Op::SearchSorted(self.0)
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::NONE
    }

    fn vjp(&self, _residuals: &Residuals, _cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![None, None])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        // One row serves the queries of all examples.
        let shared = !mapped[0] && args[0].rank() == 1;
        let args = if shared { args } else { batch_all(axis.size, args, mapped)? };
        Ok((smallvec![bind1(self, args)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for SearchSorted {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let [sorted, queries] = unpack(args);
        if sorted.dtype().is_short_integer() {
            return in_wider(DType::I32, &[&sorted, &queries], outs, &|args, outs| self.eval(args, outs));
        }
        let out = only(outs);
        let per_row = queries.shape()[sorted.shape().len() - 1..].iter().product();
        Ok(smallvec![dispatch!(sorted.dtype(), T => Array::build(out, |out| {
            sort::search_sorted::<T>(sorted.data(), row_of(&sorted), queries.data(), per_row, self.0, out);
        }))])
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

debug!(Sort "order" SortPairs "order" ArgSort "order" TopK "k" SearchSorted "side");

fn build_pair<T: bytemuck::Pod>(outs: Outs<Aval>, fill: impl FnOnce(&mut [T], &mut [i32])) -> Outs<Array> {
    let mut arrays: Outs<Array> = outs.into_iter().map(Array::scratch).collect();
    if let [values, positions] = &mut arrays[..]
        && let (Some(values), Some(positions)) = (values.unique(), positions.unique())
    {
        fill(values, positions);
    }
    arrays
}

#[track_caller]
fn pairs(order: SortOrder, args: Args) -> Result<[Tensor; 2]> {
    Ok(unpack(bind(&SortPairs(order), args)?.into_iter().collect()))
}

/// The gradient of sorted rows: to where each came from.
fn unsorted(ct: &Tensor, positions: &Tensor) -> Result<Tensor> {
    put(ct, positions, ct.shape().last().copied().unwrap_or(1))
}

/// Applies something that works along the last axis to another one.
#[track_caller]
fn along(op: &'static str, primitive: &dyn Primitive, x: &Tensor, axis: impl Int) -> Result<Tensor> {
    let (axis, rank) = (axis_of(op, axis, x.rank())?, x.rank());
    let sorted = bind1(primitive, [permuted(x, moved(rank, axis, rank - 1))?])?;
    permuted(&sorted, moved(rank, rank - 1, axis))
}

macro_rules! methods {
    ($($(#[$doc:meta])* $plain:ident $try_plain:ident $type:ident $order:ident;)*) => {
        /// # Sorting and searching
        impl Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If there is no such axis.
            #[track_caller]
            pub fn $plain(&self, axis: impl Int) -> Tensor {
                unwrap(self.$try_plain(axis))
            }

            #[doc = concat!("As [`", stringify!($plain), "`](Tensor::", stringify!($plain), ").")]
            ///
            /// # Errors
            /// If there is no such axis.
            #[track_caller]
            pub fn $try_plain(&self, axis: impl Int) -> Result<Tensor> {
                along(stringify!($plain), &$type(SortOrder::$order), self, axis)
            }
        )* }
    };
}

methods! {
    /// The elements along an axis from the least to the greatest; NaN come last.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([3.0f32, 1.0, 2.0]);
    /// assert_eq!(x.sort(0).to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// assert_eq!(x.argsort(0).to_vec::<i32>()?, [1, 2, 0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    sort try_sort Sort Ascending;
    /// Where along an axis the elements of the [sorted](Tensor::sort) tensor are, as `I32`; equal elements keep their
    /// order.
    argsort try_argsort ArgSort Ascending;
    /// Where along an axis the elements of the tensor [sorted descending](Tensor::sort_descending) are, as `I32`; equal
    /// elements keep their order.
    argsort_descending try_argsort_descending ArgSort Descending;
}

impl Tensor {
    /// The elements along an axis from the greatest to the least; NaN come first.
    ///
    /// It is the [sorted](Tensor::sort) tensor from its end, so that of equal elements the last comes first, and has the
    /// first gradient; in [`argsort_descending`](Tensor::argsort_descending) they keep their order.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn sort_descending(&self, axis: impl Int) -> Tensor {
        unwrap(self.try_sort_descending(axis))
    }

    /// As [`sort_descending`](Tensor::sort_descending).
    ///
    /// # Errors
    /// If there is no such axis.
    #[track_caller]
    pub fn try_sort_descending(&self, axis: impl Int) -> Result<Tensor> {
        let at = axis_of("sort_descending", axis, self.rank())?;
        slice::reversed(&self.try_sort(axis)?, &[at])
    }

    /// The `k` greatest elements along the last axis, greatest first, and where they are, as `I32`.
    ///
    /// Of equal elements the first comes first.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (values, positions) = Tensor::from([1.0f32, 4.0, 2.0]).top_k(2);
    /// assert_eq!(values.to_vec::<f32>()?, [4.0, 2.0]);
    /// assert_eq!(positions.to_vec::<i32>()?, [1, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the last axis has fewer than `k` elements.
    #[doc(alias = "topk")]
    #[track_caller]
    pub fn top_k(&self, k: usize) -> (Tensor, Tensor) {
        unwrap(self.try_top_k(k))
    }

    /// As [`top_k`](Tensor::top_k).
    ///
    /// # Errors
    /// If the last axis has fewer than `k` elements.
    #[track_caller]
    pub fn try_top_k(&self, k: usize) -> Result<(Tensor, Tensor)> {
        let outs = bind(&TopK(k), smallvec![self.clone()])?;
        let [values, positions] = unpack(outs.into_iter().collect());
        Ok((values, positions))
    }

    /// Where in this ascending vector each query belongs, before its equals, as `I32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let edges = Tensor::from([1.0f32, 2.0, 2.0, 3.0]);
    /// assert_eq!(edges.searchsorted(2.0).item::<i32>()?, 1);
    /// assert_eq!(edges.searchsorted_right(2.0).item::<i32>()?, 3);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If this is not a vector.
    #[track_caller]
    pub fn searchsorted(&self, queries: impl TensorLike) -> Tensor {
        unwrap(self.try_searchsorted(queries))
    }

    /// As [`searchsorted`](Tensor::searchsorted).
    ///
    /// # Errors
    /// If this is not a vector.
    #[track_caller]
    pub fn try_searchsorted(&self, queries: impl TensorLike) -> Result<Tensor> {
        search(self, queries.operand()?, Bound::Left)
    }

    /// Where in this ascending vector each query belongs, after its equals, as `I32`.
    ///
    /// # Panics
    /// If this is not a vector.
    #[track_caller]
    pub fn searchsorted_right(&self, queries: impl TensorLike) -> Tensor {
        unwrap(self.try_searchsorted_right(queries))
    }

    /// As [`searchsorted_right`](Tensor::searchsorted_right).
    ///
    /// # Errors
    /// If this is not a vector.
    #[track_caller]
    pub fn try_searchsorted_right(&self, queries: impl TensorLike) -> Result<Tensor> {
        search(self, queries.operand()?, Bound::Right).map_err(|error| error.called("searchsorted_right"))
    }
}

#[track_caller]
fn search(sorted: &Tensor, queries: Tensor, bound: Bound) -> Result<Tensor> {
    if sorted.rank() != 1 {
        return Err(Error::shape("searchsorted", format!("{}", sorted.aval()), "a vector to search in"));
    }
    bind1(&SearchSorted(bound), promoted([sorted.clone(), queries])?)
}
