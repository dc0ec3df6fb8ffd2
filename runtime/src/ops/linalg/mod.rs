//! Dense linear algebra over leading axes, in `F32` and `F64`: factorisations, decompositions and triangular systems.

mod cholesky;
mod eigh;
pub(crate) mod lu;
mod qr;
pub(crate) mod svd;
pub(crate) mod triangular;

use super::create::iota;
use crate::array::{Aval, DType, Shape};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// Runs an expression with `$t` bound to the storage type of a dtype that matrices can be factorised in.
macro_rules! dispatch_real {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            _ => {
                type $t = f64;
                $body
            }
        }
    };
}

use dispatch_real;

/// The axes before the last two, rows and columns.
pub(crate) fn matrix<'a>(op: &'static str, x: &'a Aval) -> Result<(&'a [usize], usize, usize)> {
    if !matches!(x.dtype, DType::F32 | DType::F64) {
        return Err(Error::dtype(op, x.dtype, "`F32` or `F64` (cast it first)"));
    }
    match &x.shape[..] {
        [batch @ .., rows, columns] => Ok((batch, *rows, *columns)),
        shape => {
            Err(Error::shape(op, format!("{shape:?}"), "a matrix or a batch of them: at least two axes"))
        }
    }
}

/// As [`matrix`], of as many rows as columns.
pub(crate) fn square<'a>(op: &'static str, x: &'a Aval) -> Result<(&'a [usize], usize)> {
    match matrix(op, x)? {
        (batch, rows, columns) if rows == columns => Ok((batch, rows)),
        _ => Err(Error::shape(op, format!("{:?}", x.shape), "as many rows as columns")),
    }
}

pub(crate) fn with_matrix(batch: &[usize], rows: usize, columns: usize) -> Shape {
    batch.iter().copied().chain([rows, columns]).collect()
}

#[track_caller]
pub(crate) fn transposed(x: &Tensor) -> Result<Tensor> {
    x.try_swap_axes(-1, -2)
}

/// Booleans: whether an element is on or below the diagonal, or only below it.
#[track_caller]
fn below(x: &Tensor, strictly: bool) -> Result<Tensor> {
    let shape = &x.shape()[x.rank() - 2..];
    let (row, column) = (iota(shape, DType::I32, 0)?, iota(shape, DType::I32, 1)?);
    if strictly { row.try_gt(column) } else { row.try_ge(column) }
}

/// The lower triangle, with the diagonal or without; zeros above.
#[track_caller]
fn lower(x: &Tensor, strictly: bool) -> Result<Tensor> {
    below(x, strictly)?.try_select(x, x.like(0.0))
}

/// The upper triangle, with the diagonal or without; zeros below.
#[track_caller]
fn upper(x: &Tensor, strictly: bool) -> Result<Tensor> {
    below(x, !strictly)?.try_select(x.like(0.0), x)
}
