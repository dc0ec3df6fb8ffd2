//! Repetition, and the triangles of matrices.

use crate::array::{Aval, DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::{axis_of, create};

/// # Repetition and triangles
impl Tensor {
    /// The tensor laid out `counts` times along each axis, as `jnp.tile`; a shorter list is for the last axes, a longer one
    /// adds axes in front.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([1i32, 2]).tile([2, 2]).to_vec::<i32>()?, [1, 2, 1, 2, 1, 2, 1, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[doc(alias = "repeat")]
    #[track_caller]
    pub fn tile(&self, counts: impl AsRef<[usize]>) -> Tensor {
        unwrap(self.try_tile(counts))
    }

    /// As [`tile`](Tensor::tile).
    ///
    /// # Errors
    /// If the size overflows the address space.
    #[track_caller]
    pub fn try_tile(&self, counts: impl AsRef<[usize]>) -> Result<Tensor> {
        let counts = counts.as_ref();
        let rank = self.rank().max(counts.len());
        let (mut apart, mut repeated, mut out) = (Shape::new(), Shape::new(), Shape::new());
        for axis in 0..rank {
            let size = (axis + self.rank()).checked_sub(rank).map_or(1, |axis| self.shape()[axis]);
            let count = (axis + counts.len()).checked_sub(rank).map_or(1, |axis| counts[axis]);
            apart.extend([1, size]);
            repeated.extend([count, size]);
            out.push(count.saturating_mul(size));
        }
        let repeated =
            self.try_reshape(&apart)?.try_broadcast_to(&repeated).map_err(|error| error.called("tile"))?;
        repeated.try_reshape(&out)
    }

    /// Every element of an axis `count` times in a row, as `jnp.repeat`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([1i32, 2]).repeat(2, 0).to_vec::<i32>()?, [1, 1, 2, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, or the size overflows the address space.
    #[doc(alias = "repeat_interleave")]
    #[track_caller]
    pub fn repeat(&self, count: usize, axis: impl Int) -> Tensor {
        unwrap(self.try_repeat(count, axis))
    }

    /// As [`repeat`](Tensor::repeat).
    ///
    /// # Errors
    /// If there is no such axis, or the size overflows the address space.
    #[track_caller]
    pub fn try_repeat(&self, count: usize, axis: impl Int) -> Result<Tensor> {
        let axis = axis_of("repeat", axis, self.rank())?;
        let (mut apart, mut out): (Shape, Shape) = (self.shape().into(), self.shape().into());
        apart.insert(axis + 1, 1);
        let mut repeated = apart.clone();
        repeated[axis + 1] = count;
        out[axis] = out[axis].saturating_mul(count);
        self.try_reshape(&apart)?.try_broadcast_to(&repeated)?.try_reshape(&out)
    }

    /// Every element of an axis as many times in a row as its entry of `counts` says, `total` in all, as `jnp.repeat` with
    /// `total_repeat_length`.
    ///
    /// `counts` are integers, one for each element. `total` is the size of the result's axis, which must be known where
    /// counts are values of a transform: what is beyond it is left out, and what is missing is the last element.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([10i32, 20, 30]);
    /// assert_eq!(x.repeat_each([2i32, 0, 1], 0, 3).to_vec::<i32>()?, [10, 10, 30]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, it has no elements but `total` is not 0, or `counts` are not one integer for each of its
    /// elements.
    #[track_caller]
    pub fn repeat_each(&self, counts: impl TensorLike, axis: impl Int, total: usize) -> Tensor {
        unwrap(self.try_repeat_each(counts, axis, total))
    }

    /// As [`repeat_each`](Tensor::repeat_each).
    ///
    /// # Errors
    /// If there is no such axis, it has no elements but `total` is not 0, or `counts` are not one integer for each of its
    /// elements.
    #[track_caller]
    pub fn try_repeat_each(&self, counts: impl TensorLike, axis: impl Int, total: usize) -> Result<Tensor> {
        const OP: &str = "repeat_each";
        let (counts, at) = (counts.operand()?, axis_of(OP, axis, self.rank())?);
        let size = self.shape()[at];
        if !counts.dtype().is_integer() {
            return Err(Error::dtype(OP, counts.dtype(), "integers as counts"));
        }
        if counts.shape() != [size] {
            let found = format!("counts {}", counts.aval());
            return Err(Error::shape(OP, found, format!("[{size}], one for each element of axis {at}")));
        }
        // A position belongs to the first element whose end lies behind it.
        let ends = counts.try_cumsum(0)?;
        let positions = create::iota([total], ends.dtype(), 0)?;
        let found = ends.try_searchsorted_right(&positions)?;
        self.try_take(found.try_minimum(found.like(size.saturating_sub(1) as f64))?, axis)
    }

    /// Zeros above the `k`-th diagonal of the last two axes, the elements elsewhere; `k` counts upwards from the main
    /// diagonal.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(&self, k: isize) -> Tensor {
        unwrap(self.try_tril(k))
    }

    /// As [`tril`](Tensor::tril).
    ///
    /// # Errors
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn try_tril(&self, k: isize) -> Result<Tensor> {
        let (rows, columns) = matrix("tril", self)?;
        lower(rows, columns, k)?.try_select(self, self.like(0.0))
    }

    /// Zeros below the `k`-th diagonal of the last two axes, the elements elsewhere; `k` counts upwards from the main
    /// diagonal.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn triu(&self, k: isize) -> Tensor {
        unwrap(self.try_triu(k))
    }

    /// As [`triu`](Tensor::triu).
    ///
    /// # Errors
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn try_triu(&self, k: isize) -> Result<Tensor> {
        let (rows, columns) = matrix("triu", self)?;
        lower(rows, columns, k.saturating_sub(1))?.try_select(self.like(0.0), self)
    }

    /// A matrix of ones up to the `k`-th diagonal and zeros above it; of `Bool`, the mask of causal attention.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let mask = Tensor::tri(2, 3, 0, DType::Bool);
    /// assert_eq!(mask.to_vec::<bool>()?, [true, false, false, true, true, false]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[track_caller]
    pub fn tri(rows: usize, columns: usize, k: isize, dtype: DType) -> Tensor {
        unwrap(lower(rows, columns, k)).cast(dtype)
    }
}

fn matrix(op: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    match *x.shape() {
        [.., rows, columns] => Ok((rows, columns)),
        _ => Err(Error::shape(op, format!("{:?}", x.shape()), "at least two axes")),
    }
}

/// Row and column numbers of a matrix, the rows moved up by `k`.
#[track_caller]
pub(super) fn numbers(rows: usize, columns: usize, k: isize) -> Result<(Tensor, Tensor)> {
    Aval::unchecked([rows, columns], DType::Bool).check_size("eye")?;
    let rows = create::iota([rows, 1], DType::I64, 0)?.try_add(k as i64)?;
    Ok((rows, create::iota([1, columns], DType::I64, 1)?))
}

/// True up to the `k`-th diagonal.
#[track_caller]
fn lower(rows: usize, columns: usize, k: isize) -> Result<Tensor> {
    let (rows, columns) = numbers(rows, columns, k)?;
    rows.try_ge(columns)
}
