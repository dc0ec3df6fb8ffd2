//! Norms of matrices, and their condition.

use super::super::statistics::squares;
use super::strong;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::numpy::paired::methods;
use crate::ops::axes::{IntoAxes, kept_shape};
use crate::ops::{axis_of, reduce};

/// Which norm of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MatrixNorm {
    /// The root of the sum of squares: NumPy's `'fro'`.
    #[default]
    Frobenius,
    /// The sum of the singular values: `'nuc'`.
    Nuclear,
    /// The largest singular value: `2`.
    Spectral,
    /// The smallest singular value: `-2`.
    SmallestSingularValue,
    /// The largest sum of magnitudes of a column: `1`.
    One,
    /// The smallest sum of magnitudes of a column: `-1`.
    SmallestColumn,
    /// The largest sum of magnitudes of a row: `inf`.
    Infinity,
    /// The smallest sum of magnitudes of a row: `-inf`.
    SmallestRow,
}

/// The norm over two axes, which the result is without.
#[track_caller]
fn norm(x: &Tensor, [row, column]: [usize; 2], order: MatrixNorm) -> Result<Tensor> {
    let x = crate::ops::convert(x, x.dtype().to_inexact(), x.aval().weak)?;
    // The axis `other` once `gone` is.
    let left = |other: usize, gone: usize| [other - usize::from(other > gone)];
    let sums = |along: usize| reduce::sum_axes(&x.try_abs()?, &[along]);
    let largest = |sums: Tensor, axes: [usize; 1]| -> Result<Tensor> {
        if sums.shape()[axes[0]] == 0 {
            // The largest magnitude of none.
            return reduce::sum_axes(&sums, &axes);
        }
        reduce::max_axes(&sums, &axes)?.try_maximum(sums.like(0.0))
    };
    match order {
        MatrixNorm::Frobenius => {
            let mut axes = [row, column];
            axes.sort_unstable();
            reduce::sum_axes(&squares(&x)?, &axes)?.try_sqrt()
        }
        MatrixNorm::One => largest(sums(row)?, left(column, row)),
        MatrixNorm::SmallestColumn => reduce::min_axes(&sums(row)?, &left(column, row)),
        MatrixNorm::Infinity => largest(sums(column)?, left(row, column)),
        MatrixNorm::SmallestRow => reduce::min_axes(&sums(column)?, &left(row, column)),
        MatrixNorm::Nuclear | MatrixNorm::Spectral | MatrixNorm::SmallestSingularValue => {
            let others = (0..x.rank()).filter(|&axis| axis != row && axis != column);
            let x = crate::ops::shape::permuted(&x, others.chain([row, column]).collect())?;
            let s = x.try_svdvals()?;
            let axes = [s.rank() - 1];
            match order {
                MatrixNorm::Nuclear => reduce::sum_axes(&s, &axes),
                MatrixNorm::Spectral => largest(s, axes),
                _ => reduce::min_axes(&s, &axes),
            }
        }
    }
}

#[track_caller]
fn pair(axes: &impl IntoAxes, x: &Tensor) -> Result<[usize; 2]> {
    match *axes.axes() {
        [row, column] => {
            let axis = |axis: isize| axis_of("matrix_norm", axis, x.rank());
            let (row, column) = (axis(row)?, axis(column)?);
            if row == column {
                let message = format!("axes {:?} name one axis twice", axes.axes());
                return Err(Error::argument("matrix_norm", message));
            }
            Ok([row, column])
        }
        ref axes => {
            Err(Error::argument("matrix_norm", format!("axes {axes:?}: give those of rows and of columns")))
        }
    }
}

methods! {
    => "Linear algebra: norms";
    /// A norm of matrices `[.., m, n]`, `[..]`; for norms of vectors, or of all elements, see [`norm`](Tensor::norm).
    ///
    /// Integers give `F32`. Those that need singular values are there in `F32` and `F64` only.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::MatrixNorm;
    /// let x = Tensor::from([[1.0f32, -2.0], [3.0, 4.0]]);
    /// assert_eq!(x.matrix_norm(MatrixNorm::One).item::<f32>()?, 6.0);
    /// assert_eq!(x.matrix_norm(MatrixNorm::Infinity).item::<f32>()?, 7.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    matrix_norm try_matrix_norm(order: MatrixNorm) -> Tensor, fails
    "If there are fewer than two axes, the smallest of nothing is asked for, or singular values of halves."
    |x| {
        x.try_matrix_norm_axes([-2, -1], order)
    };

    /// A norm of matrices whose rows and columns go along any two axes, which the result is without; as
    /// [`matrix_norm`](Tensor::matrix_norm).
    matrix_norm_axes try_matrix_norm_axes(axes: impl IntoAxes, order: MatrixNorm) -> Tensor, fails
    "If there are not two axes, the smallest of nothing is asked for, or singular values of halves."
    |x| {
        norm(x, pair(&axes, x)?, order)
    };

    /// A norm of matrices whose rows and columns go along any two axes, which stay in the result with size 1; as
    /// [`matrix_norm`](Tensor::matrix_norm).
    matrix_norm_keep try_matrix_norm_keep(axes: impl IntoAxes, order: MatrixNorm) -> Tensor, fails
    "If there are not two axes, the smallest of nothing is asked for, or singular values of halves."
    |x| {
        let axes = pair(&axes, x)?;
        norm(x, axes, order)?.try_reshape(kept_shape(x.shape(), &axes))
    };

    /// How much errors of a right-hand side grow in a solution: a norm of matrices `[.., n, n]` times that of their inverse.
    ///
    /// For [`Spectral`](MatrixNorm::Spectral), which is NumPy's default, that is the largest singular value over the smallest one, of
    /// matrices of any size. Infinite for singular matrices.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::MatrixNorm;
    /// let x = Tensor::from([[2.0f32, 0.0], [0.0, 0.5]]);
    /// assert_eq!(x.cond(MatrixNorm::Spectral).item::<f32>()?, 4.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    cond try_cond(order: MatrixNorm) -> Tensor, fails
    "If there are no rows or columns, or others than as many as columns where an inverse is needed; or the dtype is `F16` or `BF16`."
    |x| {
        let x = strong(x)?;
        let (_, rows, columns) = crate::ops::linalg::matrix("cond", x.aval())?;
        if rows == 0 || columns == 0 {
            return Err(Error::shape("cond", format!("{:?}", x.shape()), "at least one row and one column"));
        }
        let ratio = match order {
            MatrixNorm::Spectral | MatrixNorm::SmallestSingularValue => {
                let s = x.try_svdvals()?;
                let (largest, smallest) = (s.try_index_axis(-1, 0)?, s.try_index_axis(-1, -1)?);
                if order == MatrixNorm::Spectral {
                    return largest.try_div(smallest);
                }
                smallest.try_div(largest)?
            }
            _ => {
                let inverse = x.try_inv().map_err(|error| error.called("cond"))?;
                x.try_matrix_norm(order)?.try_mul(inverse.try_matrix_norm(order)?)?
            }
        };
        // NaN where there was none before means that there is no inverse.
        let is_new = ratio.try_is_nan()?.try_bitand(x.try_is_nan()?.try_any_axes([-1, -2])?.try_logical_not()?)?;
        is_new.try_select(ratio.like(f64::INFINITY), ratio)
    };
}
