//! Products of groups of rows with a matrix for each group, and the largest elements as accelerators approximate them.

use smallvec::smallvec;

use crate::core::op::DotDimensions;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::axes::Int;
use crate::ops::axis_of;
use crate::ops::create;

/// # Products of groups
impl Tensor {
    /// Groups of rows, each times a matrix of its own, as `jax.lax.ragged_dot`: `[rows, k]`, `[groups, k, columns]` and the number of rows
    /// of each group, integers `[groups]`, to `[rows, columns]`.
    ///
    /// Groups follow one another; rows behind the last are 0. The sizes may be values of a transform. It is one product over
    /// all groups of rows of which others are 0: a mixture of few experts, not of many.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32], [2.0], [3.0]]);
    /// let experts = Tensor::from([[[10.0f32]], [[100.0]]]);
    /// assert_eq!(x.ragged_dot(&experts, [1, 2]).to_vec::<f32>()?, [10.0, 200.0, 300.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, or the sizes are not integers.
    #[track_caller]
    pub fn ragged_dot(&self, matrices: &Tensor, sizes: impl TensorLike) -> Tensor {
        unwrap(self.try_ragged_dot(matrices, sizes))
    }

    /// As [`ragged_dot`](Tensor::ragged_dot).
    ///
    /// # Errors
    /// If the shapes do not fit, or the sizes are not integers.
    #[track_caller]
    pub fn try_ragged_dot(&self, matrices: &Tensor, sizes: impl TensorLike) -> Result<Tensor> {
        const OP: &str = "ragged_dot";
        let sizes = sizes.operand()?;
        let (&[rows, k], &[groups, inner, _]) = (self.shape(), matrices.shape()) else {
            let found = format!("{} and {}", self.aval(), matrices.aval());
            return Err(Error::shape(OP, found, "[rows, k] and [groups, k, columns]"));
        };
        if inner != k || sizes.shape() != [groups] || !sizes.dtype().is_integer() {
            let found = format!("{}, {} and {}", self.aval(), matrices.aval(), sizes.aval());
            return Err(Error::shape(OP, found, "[rows, k], [groups, k, columns] and integers [groups]"));
        }
        let ends = sizes.try_cumsum(0)?.try_reshape([groups, 1])?;
        let starts = ends.try_sub(sizes.try_reshape([groups, 1])?)?;
        let row = create::iota([1, rows], ends.dtype(), 1)?;
        let mine = row.try_ge(starts)?.try_bitand(row.try_lt(ends)?)?.try_reshape([groups, rows, 1])?;
        let apart = mine.try_select(self.try_reshape([1, rows, k])?, self.like(0.0))?;
        apart.try_dot_general(
            matrices,
            DotDimensions { contracting: (smallvec![0, 2], smallvec![0, 1]), ..DotDimensions::default() },
        )
    }

    /// The `k` largest elements along an axis, largest first, and where they are, as `jax.lax.approx_max_k`; exactly, as JAX has
    /// them on CPUs.
    ///
    /// # Panics
    /// If there is no such axis, or it has fewer than `k` elements.
    #[track_caller]
    pub fn approx_max_k(&self, k: usize, axis: impl Int) -> (Tensor, Tensor) {
        unwrap(self.try_approx_max_k(k, axis))
    }

    /// As [`approx_max_k`](Tensor::approx_max_k).
    ///
    /// # Errors
    /// If there is no such axis, or it has fewer than `k` elements.
    #[track_caller]
    pub fn try_approx_max_k(&self, k: usize, axis: impl Int) -> Result<(Tensor, Tensor)> {
        axis_of("approx_max_k", axis, self.rank())?;
        let (values, positions) = self.try_move_axis(axis, -1)?.try_top_k(k)?;
        Ok((values.try_move_axis(-1, axis)?, positions.try_move_axis(-1, axis)?))
    }

    /// The `k` smallest elements along an axis, smallest first, and where they are, as `jax.lax.approx_min_k`; exactly, as JAX
    /// has them on CPUs.
    ///
    /// # Panics
    /// If there is no such axis, or it has fewer than `k` elements.
    #[track_caller]
    pub fn approx_min_k(&self, k: usize, axis: impl Int) -> (Tensor, Tensor) {
        unwrap(self.try_approx_min_k(k, axis))
    }

    /// As [`approx_min_k`](Tensor::approx_min_k).
    ///
    /// # Errors
    /// If there is no such axis, or it has fewer than `k` elements.
    #[track_caller]
    pub fn try_approx_min_k(&self, k: usize, axis: impl Int) -> Result<(Tensor, Tensor)> {
        let (values, positions) = self.try_neg()?.try_approx_max_k(k, axis)?;
        Ok((values.try_neg()?, positions))
    }
}
