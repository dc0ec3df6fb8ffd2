//! Triangular systems.

use smallvec::smallvec;

use super::{dispatch_real, lower, matrix, square, transposed, upper, with_matrix};
use crate::array::{Array, Aval};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::linalg::{self, Side, Triangle};
use crate::kernels::threads;
use crate::ops::{batch_all, broadcast_shapes, cotangent, only, promoted_inexact, unpack};

/// From `a` and `b` to the `x` with `op(a) · x = b` or `x · op(a) = b`.
#[derive(Clone, Copy, PartialEq)]
struct TriangularSolve {
    side: Side,
    triangle: Triangle,
}

impl Primitive for TriangularSolve {
    fn name(&self) -> &'static str {
        "triangular_solve"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (batch_a, n) = square("triangular_solve", args[0])?;
        let (batch_b, rows, columns) = matrix("triangular_solve", args[1])?;
        if args[0].dtype != args[1].dtype {
            let found = format!("{} and {}", args[0].dtype, args[1].dtype);
            return Err(Error::dtype("triangular_solve", found, "arguments of one dtype"));
        }
        let fits = n == if self.side == Side::Left { rows } else { columns };
        if batch_a != batch_b || !fits {
            let found = format!("{:?} and {:?}", args[0].shape, args[1].shape);
            let expected = match self.side {
                Side::Left => "a square matrix, and right-hand sides of as many rows",
                Side::Right => "a square matrix, and left-hand sides of as many columns",
            };
            return Err(Error::shape("triangular_solve", found, expected));
        }
        Ok(smallvec![Aval::new(&args[1].shape, args[1].dtype)])
    }

    fn op(&self) -> Op<'_> {
        Op::TriangularSolve { side: self.side, triangle: self.triangle }
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask { args: 1, outs: u32::from(needs_grad[0]) }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let triangle = Triangle { transpose: !self.triangle.transpose, ..self.triangle };
        let db = bind1(
            &TriangularSolve { side: self.side, triangle },
            [residuals.arg(0).clone(), cotangent(cts)],
        )?;
        let da = if needs_grad[0] {
            let x = residuals.out(0);
            // -db·xᵀ, or -xᵀ·db from the right; and the transpose of that where `op` is a transposition.
            let da = match (self.side, self.triangle.transpose) {
                (Side::Left, false) => db.try_matmul(&transposed(x)?)?,
                (Side::Left, true) => x.try_matmul(&transposed(&db)?)?,
                (Side::Right, false) => transposed(x)?.try_matmul(&db)?,
                (Side::Right, true) => transposed(&db)?.try_matmul(x)?,
            };
            let part = if self.triangle.lower { lower } else { upper };
            Some(-part(&da, self.triangle.unit_diagonal)?)
        } else {
            None
        };
        Ok(smallvec![da, needs_grad[1].then_some(db)])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Ok((smallvec![bind1(self, batch_all(axis.size, args, mapped)?)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for TriangularSolve {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([a, b], out) = (unpack(args), only(outs));
        let [.., rows, columns] = *b.shape() else { unreachable!("`infer` refuses fewer than two axes") };
        let n = if self.side == Side::Left { rows } else { columns };
        let size = rows * columns;
        Ok(smallvec![dispatch_real!(out.dtype, T => {
            let solve = |x: &mut [T]| {
                threads::split(x, size, size * n, |first, x| {
                    for (i, x) in x.chunks_exact_mut(size).enumerate() {
                        let a = &a.data::<T>()[(first + i) * n * n..][..n * n];
                        linalg::triangular_solve(a, x, rows, columns, self.side, self.triangle);
                    }
                });
            };
            let mut b = b;
            if let Some(x) = b.unique::<T>() {
                solve(x);
                b.with_aval(out)
            } else {
                Array::build(out, |x: &mut [T]| {
                    x.copy_from_slice(b.data());
                    solve(x);
                })
            }
        })])
    }
}

impl std::fmt::Debug for TriangularSolve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Triangle { lower, transpose, unit_diagonal } = self.triangle;
        write!(
            f,
            "triangular_solve[side={:?} lower={lower} transpose={transpose} unit={unit_diagonal}]",
            self.side
        )
    }
}

/// The solution of a triangular system whose shapes and dtypes fit already.
#[track_caller]
pub(crate) fn solve(a: &Tensor, b: &Tensor, side: Side, triangle: Triangle) -> Result<Tensor> {
    bind1(&TriangularSolve { side, triangle }, [a.clone(), b.clone()])
}

/// # Linear algebra: triangular systems
impl Tensor {
    /// Solves `op(self) · x = b`, or `x · op(self) = b`, where only one triangle of `self` is read.
    ///
    /// `self` is `[.., n, n]` and `b` is `[.., n, m]`, or `[.., m, n]` from the right; the leading axes broadcast.
    /// A zero on the diagonal gives infinities or NaN.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::{Side, Triangle};
    /// let a = Tensor::from([[2.0f32, 0.0], [1.0, 4.0]]);
    /// let b = Tensor::from([[2.0f32], [9.0]]);
    /// let lower = Triangle { lower: true, transpose: false, unit_diagonal: false };
    /// assert_eq!(a.triangular_solve(&b, Side::Left, lower).to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, or the dtype is neither `F32` nor `F64`.
    #[doc(alias = "solve_triangular")]
    #[track_caller]
    pub fn triangular_solve(&self, b: &Tensor, side: Side, triangle: Triangle) -> Tensor {
        unwrap(self.try_triangular_solve(b, side, triangle))
    }

    /// As [`triangular_solve`](Tensor::triangular_solve).
    ///
    /// # Errors
    /// If the shapes do not fit, or the dtype is neither `F32` nor `F64`.
    #[track_caller]
    pub fn try_triangular_solve(&self, b: &Tensor, side: Side, triangle: Triangle) -> Result<Tensor> {
        let [a, b] = promoted_inexact([self.clone(), b.clone()])?;
        let (batch_a, rows_a, columns_a) = matrix("triangular_solve", a.aval())?;
        let (batch_b, rows_b, columns_b) = matrix("triangular_solve", b.aval())?;
        let batch = broadcast_shapes("triangular_solve", &[batch_a, batch_b])?;
        let a = a.try_broadcast_to(with_matrix(&batch, rows_a, columns_a))?;
        let b = b.try_broadcast_to(with_matrix(&batch, rows_b, columns_b))?;
        solve(&a, &b, side, triangle)
    }
}
