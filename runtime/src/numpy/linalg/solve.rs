//! Systems of linear equations.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::kernels::linalg::{Side, Triangle};
use crate::numpy::paired::methods;
use crate::ops::linalg::{lu, matrix, square, triangular, with_matrix};
use crate::ops::{broadcast_shapes, promoted_inexact};

/// A matrix and right-hand sides of one dtype and the same leading axes; and whether those were vectors.
#[track_caller]
fn system(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor, bool)> {
    let [a, b] = promoted_inexact([a.clone(), b.clone()])?;
    let is_vector = b.rank() == 1;
    let b = if is_vector { b.try_expand_dims([-1])? } else { b };
    let (batch_a, n) = square(op, a.aval())?;
    let (batch_b, rows, columns) = matrix(op, b.aval())?;
    if rows != n {
        let found = format!("{:?} and {:?}", a.shape(), b.shape());
        return Err(Error::shape(op, found, "right-hand sides of as many rows as the matrix"));
    }
    let batch = broadcast_shapes(op, &[batch_a, batch_b])?;
    let a = a.try_broadcast_to(with_matrix(&batch, n, n))?;
    Ok((a, b.try_broadcast_to(with_matrix(&batch, rows, columns))?, is_vector))
}

#[track_caller]
fn without_column(x: Tensor, is_vector: bool) -> Result<Tensor> {
    if is_vector { x.try_squeeze([-1]) } else { Ok(x) }
}

/// The order of `n` rows that exchanges make, one after the other.
#[track_caller]
fn order_of(pivots: &Tensor, n: usize) -> Result<Tensor> {
    let k = pivots.shape()[pivots.rank() - 1];
    let shape: Vec<usize> = pivots.shape()[..pivots.rank() - 1].iter().copied().chain([n]).collect();
    let places = crate::ops::create::iota(&shape[..], DType::I32, shape.len() - 1)?;
    let mut order = places.clone();
    for j in 0..k as isize {
        let at = pivots.try_slice_axis(-1, j..j + 1)?;
        let (mine, other) = (order.try_slice_axis(-1, j..j + 1)?, order.try_take_along_axis(&at, -1)?);
        let moved = places.try_eq(&at)?.try_select(mine, &order)?;
        order = places.try_eq(j as i32)?.try_select(other, moved)?;
    }
    Ok(order)
}

methods! {
    => "Linear algebra: systems";
    /// The `x` with `self · x = b`, by LU factorisation.
    ///
    /// `self` is `[.., n, n]`; `b` is a vector `[n]`, or `[.., n, m]`, whose leading axes broadcast with the matrix's. A singular matrix gives
    /// infinities or NaN. Integers give `F32`. The gradient is that of the solution itself, one more solution by the same factors.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let a = Tensor::from([[2.0f32, 1.0], [1.0, 3.0]]);
    /// let x = a.solve(&Tensor::from([3.0f32, 5.0]));
    /// assert!(x.all_close([0.8f32, 1.4], 1e-5, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    solve try_solve(b: &Tensor) -> Tensor, fails
    "If the matrices are not square, the shapes do not fit, or the dtype is `F16` or `BF16`."
    |a| {
        let (a, b, is_vector) = system("solve", a, b)?;
        without_column(lu::solved(&a, &b)?, is_vector)
    };

    /// The inverse of matrices `[.., n, n]`; infinities or NaN if they are singular. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[0.0f32, 2.0], [4.0, 0.0]]).inv();
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    inv try_inv() -> Tensor, fails "If the matrices are not square, or the dtype is `F16` or `BF16`." |a| {
        let a = super::strong(a)?;
        let (batch, n) = square("inv", a.aval())?;
        let eye = Tensor::eye_of(n, n, 0, a.dtype()).try_broadcast_to(with_matrix(batch, n, n))?;
        lu::solved(&a, &eye)
    };

    /// The `x` with `a · x = b`, where this is the factors of `a` that [`lu_factor`](Tensor::lu_factor) gave along with `pivots`; or with
    /// `aᵀ · x = b` if `transpose`. Shapes are those of [`solve`](Tensor::solve).
    lu_solve try_lu_solve(pivots: &Tensor, b: &Tensor, transpose: bool) -> Tensor, fails
    "If the matrices are not square, the shapes do not fit, or the dtype is `F16` or `BF16`."
    |factors| {
        let (lu, b, is_vector) = system("lu_solve", factors, b)?;
        let n = lu.shape()[lu.rank() - 1];
        if pivots.rank() == 0 || pivots.shape()[pivots.rank() - 1] != n || !pivots.dtype().is_integer() {
            return Err(Error::shape("lu_solve", format!("pivots {}", pivots.aval()), "a pivot for each row, integers"));
        }
        let batch: Vec<usize> = lu.shape()[..lu.rank() - 2].iter().copied().chain([n]).collect();
        let order = order_of(pivots, n)?.try_broadcast_to(batch)?;
        without_column(lu::substituted(&lu, &order, &b, transpose)?, is_vector)
    };

    /// The `x` with `a · x = b`, where this is the factor of a positive definite `a`: the lower one that [`cholesky`](Tensor::cholesky) gives,
    /// or the upper one, its transpose, if not `lower`. Shapes are those of [`solve`](Tensor::solve).
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let a = Tensor::from([[4.0f32, 2.0], [2.0, 10.0]]);
    /// let x = a.cholesky().cho_solve(&Tensor::from([6.0f32, 12.0]), true);
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 1.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    cho_solve try_cho_solve(b: &Tensor, lower: bool) -> Tensor, fails
    "If the matrices are not square, the shapes do not fit, or the dtype is `F16` or `BF16`."
    |factor| {
        let (c, b, is_vector) = system("cho_solve", factor, b)?;
        let first = Triangle { lower, transpose: !lower, unit_diagonal: false };
        let second = Triangle { transpose: lower, ..first };
        let x = triangular::solve(&c, &b, Side::Left, first)?;
        without_column(triangular::solve(&c, &x, Side::Left, second)?, is_vector)
    };
}
