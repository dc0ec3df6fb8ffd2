//! Elements at distinct positions along the last axis, and back: what sorting differentiates into.

use smallvec::smallvec;

use super::{batch_all, cotangent, only, unpack};
use crate::array::dtype::dispatch_width;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::rows;

/// From rows and positions to the elements there.
#[derive(Clone, PartialEq, Debug)]
struct TakeRows;

/// From elements and positions to rows of a size, zero elsewhere. The positions of a row differ.
#[derive(Clone, PartialEq)]
struct PutRows(usize);

fn infer_rows(op: &'static str, x: &Aval, positions: &Aval, size: usize) -> Result<Aval> {
    let rows = |aval: &Aval| aval.shape.split_last().map(|(_, rows)| Shape::from(rows));
    let Some(mut shape) = rows(x).filter(|shape| rows(positions).as_ref() == Some(shape)) else {
        return Err(Error::shape(
            op,
            format!("{x} and {positions}"),
            "as many rows of elements as of positions",
        ));
    };
    if positions.dtype != DType::I32 {
        return Err(Error::dtype(op, positions.dtype, "positions of `I32`"));
    }
    shape.push(size);
    Ok(x.with_shape(shape))
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

impl Primitive for TakeRows {
    fn name(&self) -> &'static str {
        "take_rows"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(smallvec![infer_rows("take_rows", args[0], args[1], last(&args[1].shape))?])
    }

    fn op(&self) -> Op<'_> {
        Op::TakeRows
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args([1])
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(put(&cotangent(cts), residuals.arg(1), last(&residuals.arg_aval(0).shape))?), None])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, batch_all(axis.size, args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for TakeRows {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x, positions], out) = (unpack(args), only(outs));
        let (row, per_row) = (last(x.shape()), last(positions.shape()));
        Ok(smallvec![dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            rows::take(x.data(), row, positions.data(), per_row, out);
        }))])
    }
}

impl Primitive for PutRows {
    fn name(&self) -> &'static str {
        "put_rows"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if args[0].shape != args[1].shape {
            let found = format!("{} and {}", args[0], args[1]);
            return Err(Error::shape("put_rows", found, "a position for each element"));
        }
        Ok(smallvec![infer_rows("put_rows", args[0], args[1], self.0)?])
    }

    fn op(&self) -> Op<'_> {
        Op::PutRows { size: self.0 }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args([1])
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        Ok(smallvec![Some(take(&cotangent(cts), residuals.arg(1))?), None])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, batch_all(axis.size, args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for PutRows {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([x, positions], out) = (unpack(args), only(outs));
        let per_row = last(positions.shape());
        Ok(smallvec![dispatch_width!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            rows::put(x.data(), self.0, positions.data(), per_row, out);
        }))])
    }
}

impl std::fmt::Debug for PutRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "put_rows[size={}]", self.0)
    }
}

/// The elements of each row at its positions.
#[track_caller]
pub(super) fn take(x: &Tensor, positions: &Tensor) -> Result<Tensor> {
    bind1(&TakeRows, [x.clone(), positions.clone()])
}

/// Rows of `size` with the elements at their positions, which differ within a row.
#[track_caller]
pub(super) fn put(x: &Tensor, positions: &Tensor, size: usize) -> Result<Tensor> {
    bind1(&PutRows(size), [x.clone(), positions.clone()])
}
