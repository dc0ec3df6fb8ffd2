//! Diagonals of matrices, and matrices of diagonals.

use super::paired::methods;
use super::tile::numbers;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// A matrix with the vector on its `k`-th diagonal.
#[track_caller]
fn matrix_of(x: &Tensor, k: isize) -> Result<Tensor> {
    let (before, after) = (k.min(0).unsigned_abs(), k.max(0).unsigned_abs());
    let rows = x.try_pad([(before, after)], x.like(0.0)).map_err(|error| error.called("diag"))?;
    let size = rows.size();
    let (row, column) = numbers(size, size, k)?;
    row.try_eq(column)?.try_select(rows.try_expand_dims([1])?, x.like(0.0))
}

methods! {
    => "Diagonals";
    /// A matrix with this vector on its `k`-th diagonal and zeros elsewhere; or the `k`-th diagonal of this matrix.
    ///
    /// Diagonals are counted upwards from the main one.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let matrix = Tensor::from([1i32, 2]).diag(1);
    /// assert_eq!(matrix.to_vec::<i32>()?, [0, 1, 0, 0, 0, 2, 0, 0, 0]);
    /// assert_eq!(matrix.diag(1).to_vec::<i32>()?, [1, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    diag try_diag(k: isize) -> Tensor, fails "If this is neither a vector nor a matrix."
    |x| match x.rank() {
        1 => matrix_of(x, k),
        2 => x.try_diagonal_at(k, 0, 1),
        _ => Err(Error::shape("diag", format!("{:?}", x.shape()), "a vector or a matrix")),
    };

    /// A matrix with all elements, in their order, on its `k`-th diagonal.
    diagflat try_diagflat(k: isize) -> Tensor, fails "If the size overflows the address space."
    |x| matrix_of(&x.try_flatten(0)?, k);
}
