//! Tensors as sets: `unique`, `isin`.

use super::nonzero::index_dtype;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::axes::Int;
use crate::ops::{convert, convert_wrapping, create, promoted};

/// The different elements of a tensor, and where they are; from [`Tensor::unique_all`].
#[derive(Clone)]
pub struct Unique {
    /// The different elements, ascending: `[size]`.
    pub values: Tensor,
    /// Where in row-major order each of them is first: `[size]`.
    pub indices: Tensor,
    /// For each element of the tensor, which of the values it is, in the tensor's shape.
    pub inverse: Tensor,
    /// How often each of them occurs: `[size]`.
    pub counts: Tensor,
}

/// The elements in order, where each was, and where a new one begins.
struct Runs {
    sorted: Tensor,
    order: Tensor,
    begins: Tensor,
}

impl Runs {
    fn new(x: &Tensor) -> Result<Runs> {
        let flat = x.try_reshape([x.size()])?;
        let order = flat.try_argsort(0)?;
        let sorted = flat.try_take(&order, 0)?;
        let first = create::full(crate::Aval::unchecked([x.size().min(1)], DType::Bool), 1.0)?;
        let (before, after) = (sorted.try_slice_axis(0, ..-1)?, sorted.try_slice_axis(0, 1..)?);
        let mut differs = after.try_ne(&before)?;
        if x.dtype().is_float() {
            // All NaN are one.
            let both = after.try_ne(&after)?.try_bitand(before.try_ne(&before)?)?;
            differs = both.try_select(create::full(both.aval().clone(), 0.0)?, differs)?;
        }
        let begins = Tensor::try_concatenate(&[first, differs], 0)?;
        Ok(Runs { sorted, order, begins })
    }
}

/// For each row its place among the different rows in lexicographic order; all NaN are one.
fn rank_of_rows(rows: &Tensor) -> Result<Tensor> {
    let (count, width) = (rows.shape()[0], rows.shape()[1]);
    let columns = (0..width).rev().map(|i| rows.try_index_axis(1, i as isize)).collect::<Result<Vec<_>>>()?;
    let order = Tensor::try_lexsort(&columns, 0)?;
    let sorted = rows.try_take(&order, 0)?;
    let (before, after) = (sorted.try_slice_axis(0, ..-1)?, sorted.try_slice_axis(0, 1..)?);
    let mut differs = after.try_ne(&before)?;
    if rows.dtype().is_float() {
        let both = after.try_ne(&after)?.try_bitand(before.try_ne(&before)?)?;
        differs = differs.try_bitand(both.try_logical_not()?)?;
    }
    let steps = differs.try_any_axes(1)?.try_cast(DType::I32)?.try_cumsum(0)?;
    let first = create::full(crate::Aval::unchecked([1], DType::I32), 0.0)?;
    let ranks = Tensor::try_concatenate(&[first, steps], 0)?;
    let none = create::full(crate::Aval::unchecked([count], DType::I32), 0.0)?;
    none.at(&order).unique_indices().try_set(ranks)
}

/// # Sets
impl Tensor {
    /// The different elements, ascending, as `jnp.unique`; NaN is one of them.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[3, 1], [3, 2]]);
    /// assert_eq!(x.unique().to_vec::<i32>()?, [1, 2, 3]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// Of a value without numbers, as under `jit`: say how many there are to [`unique_all`](Tensor::unique_all).
    #[track_caller]
    pub fn unique(&self) -> Tensor {
        unwrap(self.try_unique())
    }

    /// As [`unique`](Tensor::unique).
    ///
    /// # Errors
    /// Of a value without numbers, as under `jit`: say how many there are to [`unique_all`](Tensor::unique_all).
    pub fn try_unique(&self) -> Result<Tensor> {
        Ok(self.try_unique_all(None, None)?.values)
    }

    /// The different elements, ascending, where each is first, which of them each element is, and how often each occurs; as
    /// `jnp.unique` with all that it may return.
    ///
    /// `size` is how many there are, which must be said where the numbers are not known, as under `jit`: if there are more, the
    /// greatest are left out; if fewer, `fill` follows them, the least of them unless told.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let found = jit(|x: Tensor| Ok(x.try_unique_all(3, None)?.counts));
    /// assert_eq!(found.call(Tensor::from([7, 5, 7]))?.to_vec::<i32>()?, [1, 2, 0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `size` is not given and the numbers are not known; of no elements, with a size but without a fill.
    #[track_caller]
    pub fn unique_all(&self, size: impl Into<Option<usize>>, fill: impl Into<Option<Tensor>>) -> Unique {
        unwrap(self.try_unique_all(size, fill))
    }

    /// As [`unique_all`](Tensor::unique_all).
    ///
    /// # Errors
    /// If `size` is not given and the numbers are not known; of no elements, with a size but without a fill.
    pub fn try_unique_all(
        &self,
        size: impl Into<Option<usize>>,
        fill: impl Into<Option<Tensor>>,
    ) -> Result<Unique> {
        const OP: &str = "unique";
        let (size, fill): (Option<usize>, Option<Tensor>) = (size.into(), fill.into());
        let Runs { sorted, order, begins } = Runs::new(self)?;
        let size = match size {
            Some(size) => size,
            None => begins.array().map(|begins| begins.data::<u8>().iter().filter(|&&x| x != 0).count()).map_err(
                |_| {
                    let message = "the numbers are not known yet: say how many there are, as in `unique_all(size, None)`";
                    Error::argument(OP, message)
                },
            )?,
        };
        let dtype = index_dtype(self.size());
        let count = self.size();
        if count == 0 {
            let fill = match (size, fill) {
                (0, _) => sorted.like(0.0),
                (_, Some(fill)) => convert(&fill, self.dtype(), false)?,
                (_, None) => {
                    return Err(Error::argument(OP, "no elements: with a size, say what to fill with"));
                }
            };
            let none = create::full(crate::Aval::unchecked([size], dtype), 0.0)?;
            return Ok(Unique {
                values: fill.try_broadcast_to([size])?,
                indices: none.clone(),
                inverse: create::full(crate::Aval::unchecked(self.shape(), dtype), 0.0)?,
                counts: none,
            });
        }
        // Where each begins, and the next; behind the last, the end.
        let ends = begins.try_flatnonzero_of(size + 1, count as i64)?;
        let (starts, next) = (ends.try_slice_axis(0, ..-1)?, ends.try_slice_axis(0, 1..)?);
        let found = starts.try_lt(count as i64)?;
        let at = found.try_select(&starts, starts.like(0.0))?;
        let mut values = sorted.try_take_clip(&at, 0)?;
        if let Some(fill) = fill {
            values = found.try_select(values, convert(&fill, self.dtype(), false)?)?;
        }
        let which = begins.try_cast(dtype)?.try_cumsum(0)?.try_sub(1)?;
        let order = convert_wrapping(&order, dtype, false)?;
        Ok(Unique {
            values,
            indices: order.try_take_clip(&at, 0)?,
            inverse: which
                .zeros_like()
                .at(&order)
                .unique_indices()
                .try_set(which)?
                .try_reshape(self.shape())?,
            counts: next.try_sub(starts)?,
        })
    }

    /// The different slices along an axis, in the order of their first elements, then of their second ones and so on: `jnp.unique` with
    /// `axis`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[3, 1], [0, 2], [3, 1]]);
    /// assert_eq!(x.unique_along(0).to_vec::<i32>()?, [0, 2, 3, 1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis; of a value without numbers, as under `jit`: say how many there are to
    /// [`unique_all_along`](Tensor::unique_all_along).
    #[track_caller]
    pub fn unique_along(&self, axis: impl Int) -> Tensor {
        unwrap(self.try_unique_along(axis))
    }

    /// As [`unique_along`](Tensor::unique_along).
    ///
    /// # Errors
    /// If there is no such axis; of a value without numbers, as under `jit`: say how many there are to
    /// [`unique_all_along`](Tensor::unique_all_along).
    pub fn try_unique_along(&self, axis: impl Int) -> Result<Tensor> {
        Ok(self.try_unique_all_along(axis, None, None)?.values)
    }

    /// As [`unique_all`](Tensor::unique_all), of the slices along an axis: indices, inverse and counts are of places on that axis.
    ///
    /// # Panics
    /// As [`unique_all`](Tensor::unique_all); if there is no such axis.
    #[track_caller]
    pub fn unique_all_along(
        &self,
        axis: impl Int,
        size: impl Into<Option<usize>>,
        fill: impl Into<Option<Tensor>>,
    ) -> Unique {
        unwrap(self.try_unique_all_along(axis, size, fill))
    }

    /// As [`unique_all_along`](Tensor::unique_all_along).
    ///
    /// # Errors
    /// As [`try_unique_all`](Tensor::try_unique_all); if there is no such axis.
    pub fn try_unique_all_along(
        &self,
        axis: impl Int,
        size: impl Into<Option<usize>>,
        fill: impl Into<Option<Tensor>>,
    ) -> Result<Unique> {
        let (size, fill): (Option<usize>, Option<Tensor>) = (size.into(), fill.into());
        let front = self.try_move_axis(axis, 0)?;
        let (count, rest) = (front.shape()[0], &front.shape()[1..]);
        let width: usize = rest.iter().product();
        let rows = front.try_reshape([count, width])?;
        // Rows are told apart by which of all different rows they are: one number for each, in their order.
        let rank = if count == 0 || width == 0 {
            create::full(crate::Aval::unchecked([count], DType::I32), 0.0)?
        } else {
            rank_of_rows(&rows)?
        };
        if count == 0 && size.unwrap_or(0) > 0 && fill.is_none() {
            return Err(Error::argument("unique", "no elements: with a size, say what to fill with"));
        }
        let found = rank.try_unique_all(size, (count == 0).then(|| rank.like(0.0)))?;
        let most = found.values.size();
        let mut values = if count == 0 {
            create::full(crate::Aval::unchecked([most, width], self.dtype()), 0.0)?
        } else {
            rows.try_take_clip(&found.indices, 0)?
        };
        if let Some(fill) = fill {
            let there = found.counts.try_gt(0)?.try_reshape([most, 1])?;
            values = there.try_select(values, convert(&fill, self.dtype(), false)?)?;
        }
        let shape: Vec<usize> = std::iter::once(most).chain(rest.iter().copied()).collect();
        Ok(Unique { values: values.try_reshape(shape)?.try_move_axis(0, axis)?, ..found })
    }

    /// For each element whether it is among those of `test`, as `jnp.isin`; NaN is among none.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1, 2], [3, 4]]);
    /// assert_eq!(x.isin([4, 2, 9]).to_vec::<bool>()?, [false, true, false, true]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If an integer does not fit the other's dtype.
    #[track_caller]
    pub fn isin(&self, test: impl TensorLike) -> Tensor {
        unwrap(self.try_isin(test))
    }

    /// As [`isin`](Tensor::isin).
    ///
    /// # Errors
    /// If an integer does not fit the other's dtype.
    pub fn try_isin(&self, test: impl TensorLike) -> Result<Tensor> {
        let [x, test] = promoted([self.clone(), test.operand()?])?;
        if x.size() == 0 || test.size() == 0 {
            return create::full(crate::Aval::unchecked(x.shape(), DType::Bool), 0.0);
        }
        let sorted = test.try_reshape([test.size()])?.try_sort(0)?;
        let nearest = sorted.try_take_clip(sorted.try_searchsorted(&x)?, 0)?;
        nearest.try_eq(x)
    }
}
