//! Where elements are not zero: `nonzero`, `flatnonzero`, `argwhere`.

use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::slice::strides_of;
use crate::ops::{convert_wrapping, create};

/// Where elements are not zero, as booleans.
fn is_not_zero(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::Bool { Ok(x.clone()) } else { x.try_ne(x.like(0.0)) }
}

/// How many are not zero, which must be known.
fn count(op: &'static str, mask: &Tensor) -> Result<usize> {
    let known = mask.array().map(|array| array.data::<u8>().iter().filter(|&&set| set != 0).count());
    known.map_err(|_| {
        let message = format!(
            "{} has no values yet, so how many elements are not zero is not known: say how many with `{op}_of`",
            mask.aval()
        );
        Error::argument(op, message)
    })
}

/// The dtype of positions among so many elements.
pub(crate) fn index_dtype(size: usize) -> DType {
    if i32::try_from(size).is_ok() { DType::I32 } else { DType::I64 }
}

/// The positions along each axis of a mask with values.
pub(crate) fn positions(mask: &Tensor) -> Result<Vec<Tensor>> {
    first(mask, count("nonzero", mask)?, None)
}

/// Along each axis the positions of the first `size` elements that are true; if there are fewer, `fill`, or 0.
///
/// The `k`-th of them is the first one up to which `k` are true.
fn first(mask: &Tensor, size: usize, fill: Option<&Tensor>) -> Result<Vec<Tensor>> {
    const OP: &str = "nonzero";
    let shape = mask.shape();
    if shape.is_empty() {
        return Err(Error::shape(OP, "a single number", "at least one axis: reshape it to [1]"));
    }
    let dtype = index_dtype(mask.size());
    if mask.size() == 0 || size == 0 {
        return shape.iter().map(|_| create::full(crate::Aval::unchecked([size], dtype), 0.0)).collect();
    }
    let counts = mask.try_reshape([mask.size()])?.try_cast(dtype)?.try_cumsum(0)?;
    let ranks = create::iota([size], dtype, 0)?.try_add(1)?;
    let flat = convert_wrapping(&counts.try_searchsorted(&ranks)?, dtype, false)?;
    let found = ranks.try_le(counts.try_index_axis(0, -1)?)?;
    let fills = fill.map(|fill| convert_wrapping(fill, dtype, false)).transpose()?;
    let along = |(axis, &stride): (usize, &usize)| {
        let mut at = flat.clone();
        if stride > 1 {
            at = at.try_floor_divide(stride as i64)?;
        }
        if axis > 0 {
            at = at.try_remainder(shape[axis] as i64)?;
        }
        let fill = match &fills {
            None => at.like(0.0),
            Some(fill) if fill.rank() == 0 => fill.clone(),
            Some(fill) if fill.shape() == [shape.len()] => fill.try_index_axis(0, axis as isize)?,
            Some(fill) => {
                let expected = format!("one number, or {}, one for each axis", shape.len());
                return Err(Error::shape(OP, format!("fill {}", fill.aval()), expected));
            }
        };
        found.try_select(at, fill)
    };
    strides_of(shape).iter().enumerate().map(along).collect()
}

/// The positions of each element as a row.
fn rows(positions: Vec<Tensor>) -> Result<Tensor> {
    Tensor::try_stack(&positions, 1)
}

/// # Where elements are not zero
impl Tensor {
    /// The positions of the elements that are not zero, in row-major order: along each axis a vector, as `jnp.nonzero`.
    ///
    /// `x.index(x.nonzero())` are these elements.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[3, 0], [5, 7]]);
    /// let places = x.nonzero();
    /// assert_eq!(places[0].to_vec::<i32>()?, [0, 1, 1]);
    /// assert_eq!(places[1].to_vec::<i32>()?, [0, 0, 1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no axis; of a value without numbers, as under `jit`: see [`nonzero_of`](Tensor::nonzero_of).
    #[track_caller]
    pub fn nonzero(&self) -> Vec<Tensor> {
        unwrap(self.try_nonzero())
    }

    /// As [`nonzero`](Tensor::nonzero).
    ///
    /// # Errors
    /// If there is no axis; of a value without numbers, as under `jit`: see [`nonzero_of`](Tensor::nonzero_of).
    pub fn try_nonzero(&self) -> Result<Vec<Tensor>> {
        positions(&is_not_zero(self)?)
    }

    /// The positions of the first `size` elements that are not zero, as `jnp.nonzero(size=, fill_value=)`; of those that are
    /// missing, `fill`, an integer or one for each axis.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let places = jit(|x: Tensor| x.try_nonzero_of(3, -1));
    /// let found = places.call(Tensor::from([0.0f32, 2.0, 0.0, 1.0]))?;
    /// assert_eq!(found[0].to_vec::<i32>()?, [1, 3, -1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no axis, or the fill is neither one number nor one for each axis.
    #[track_caller]
    pub fn nonzero_of(&self, size: usize, fill: impl TensorLike) -> Vec<Tensor> {
        unwrap(self.try_nonzero_of(size, fill))
    }

    /// As [`nonzero_of`](Tensor::nonzero_of).
    ///
    /// # Errors
    /// If there is no axis, or the fill is neither one number nor one for each axis.
    pub fn try_nonzero_of(&self, size: usize, fill: impl TensorLike) -> Result<Vec<Tensor>> {
        first(&is_not_zero(self)?, size, Some(&fill.operand()?))
    }

    /// The positions of the elements that are not zero, in row-major order without axes, as `jnp.flatnonzero`.
    ///
    /// # Panics
    /// Of a value without numbers, as under `jit`: see [`flatnonzero_of`](Tensor::flatnonzero_of).
    #[track_caller]
    pub fn flatnonzero(&self) -> Tensor {
        unwrap(self.try_flatnonzero())
    }

    /// As [`flatnonzero`](Tensor::flatnonzero).
    ///
    /// # Errors
    /// Of a value without numbers, as under `jit`: see [`flatnonzero_of`](Tensor::flatnonzero_of).
    pub fn try_flatnonzero(&self) -> Result<Tensor> {
        let mask = is_not_zero(&self.try_reshape([self.size()])?)?;
        Ok(first(&mask, count("flatnonzero", &mask)?, None)?.remove(0))
    }

    /// As [`flatnonzero`](Tensor::flatnonzero), the first `size` of them; of those that are missing, `fill`, an integer.
    ///
    /// # Panics
    /// If the fill is not one number.
    #[track_caller]
    pub fn flatnonzero_of(&self, size: usize, fill: impl TensorLike) -> Tensor {
        unwrap(self.try_flatnonzero_of(size, fill))
    }

    /// As [`flatnonzero_of`](Tensor::flatnonzero_of).
    ///
    /// # Errors
    /// If the fill is not one number.
    pub fn try_flatnonzero_of(&self, size: usize, fill: impl TensorLike) -> Result<Tensor> {
        let flat = self.try_reshape([self.size()])?;
        Ok(flat.try_nonzero_of(size, fill)?.remove(0))
    }

    /// The position of each element that is not zero, as a row: `[elements, axes]`, as `jnp.argwhere`.
    ///
    /// # Panics
    /// If there is no axis; of a value without numbers, as under `jit`: see [`argwhere_of`](Tensor::argwhere_of).
    #[track_caller]
    pub fn argwhere(&self) -> Tensor {
        unwrap(self.try_argwhere())
    }

    /// As [`argwhere`](Tensor::argwhere).
    ///
    /// # Errors
    /// If there is no axis; of a value without numbers, as under `jit`: see [`argwhere_of`](Tensor::argwhere_of).
    pub fn try_argwhere(&self) -> Result<Tensor> {
        rows(self.try_nonzero()?)
    }

    /// As [`argwhere`](Tensor::argwhere), `size` rows; those that are missing are made of `fill`, an integer or one for each axis.
    ///
    /// # Panics
    /// If there is no axis, or the fill is neither one number nor one for each axis.
    #[track_caller]
    pub fn argwhere_of(&self, size: usize, fill: impl TensorLike) -> Tensor {
        unwrap(self.try_argwhere_of(size, fill))
    }

    /// As [`argwhere_of`](Tensor::argwhere_of).
    ///
    /// # Errors
    /// If there is no axis, or the fill is neither one number nor one for each axis.
    pub fn try_argwhere_of(&self, size: usize, fill: impl TensorLike) -> Result<Tensor> {
        rows(self.try_nonzero_of(size, fill)?)
    }

    /// The row and column numbers of the upper triangle of a matrix from its `k`-th diagonal on, as `jnp.triu_indices`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (rows, columns) = Tensor::triu_indices(3, 3, 1);
    /// assert_eq!(rows.to_vec::<i32>()?, [0, 0, 1]);
    /// assert_eq!(columns.to_vec::<i32>()?, [1, 2, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If a number does not fit `I32`.
    #[track_caller]
    pub fn triu_indices(rows: usize, columns: usize, k: isize) -> (Tensor, Tensor) {
        triangle(rows, columns, |row, column| column - row >= k)
    }

    /// The row and column numbers of the lower triangle of a matrix up to its `k`-th diagonal, as `jnp.tril_indices`.
    ///
    /// # Panics
    /// If a number does not fit `I32`.
    #[track_caller]
    pub fn tril_indices(rows: usize, columns: usize, k: isize) -> (Tensor, Tensor) {
        triangle(rows, columns, |row, column| column - row <= k)
    }
}

#[track_caller]
fn triangle(rows: usize, columns: usize, inside: impl Fn(isize, isize) -> bool) -> (Tensor, Tensor) {
    let row = |row: usize| (0..columns).map(move |column| (row as i64, column as i64));
    let (rows, columns): (Vec<i64>, Vec<i64>) =
        (0..rows).flat_map(row).filter(|&(row, column)| inside(row as isize, column as isize)).unzip();
    (Tensor::from(rows), Tensor::from(columns))
}

impl Tensor {
    /// The positions along the axes of a shape of these positions in row-major order, as `jnp.unravel_index`.
    ///
    /// Negative positions count from the end; those outside mean the first or the last element.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let at = Tensor::from([1, 5]).unravel_index([2, 3]);
    /// assert_eq!(at[0].to_vec::<i32>()?, [0, 1]);
    /// assert_eq!(at[1].to_vec::<i32>()?, [1, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If this is not of integers.
    #[track_caller]
    pub fn unravel_index(&self, shape: impl AsRef<[usize]>) -> Vec<Tensor> {
        unwrap(self.try_unravel_index(shape))
    }

    /// As [`unravel_index`](Tensor::unravel_index).
    ///
    /// # Errors
    /// If this is not of integers.
    pub fn try_unravel_index(&self, shape: impl AsRef<[usize]>) -> Result<Vec<Tensor>> {
        if !self.dtype().is_integer() {
            return Err(Error::dtype("unravel_index", self.dtype(), "integers as positions"));
        }
        let shape = shape.as_ref();
        let (mut rest, mut along) = (self.clone(), Vec::new());
        for &size in shape.iter().rev() {
            along.push(rest.try_remainder(size as i64)?);
            rest = rest.try_floor_divide(size as i64)?;
        }
        let (above, below) = (rest.try_gt(0)?, rest.try_lt(rest.like(0.0).try_sub(1)?)?);
        let unsigned = self.dtype().is_unsigned();
        let clipped = |(at, &size): (Tensor, &usize)| {
            let at = if unsigned { at } else { below.try_select(at.like(0.0), at)? };
            above.try_select(at.like(0.0).try_add(size as i64 - 1)?, at)
        };
        along.into_iter().rev().zip(shape).map(clipped).collect()
    }

    /// The positions in row-major order of positions along the axes of a shape, as `jnp.ravel_multi_index`.
    ///
    /// `along` has one tensor of integers for each axis; they broadcast together.
    ///
    /// ```
    /// use flaxen::{RavelMode, prelude::*};
    /// let along = [Tensor::from([0, 1, 1]), Tensor::from([1, 2, 7])];
    /// let flat = Tensor::ravel_multi_index(&along, [2, 3], RavelMode::Clip);
    /// assert_eq!(flat.to_vec::<i32>()?, [1, 5, 5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is not one tensor of integers for each axis, or with [`RavelMode::Raise`], one is outside or not known.
    #[track_caller]
    pub fn ravel_multi_index(along: &[Tensor], shape: impl AsRef<[usize]>, mode: RavelMode) -> Tensor {
        unwrap(Tensor::try_ravel_multi_index(along, shape, mode))
    }

    /// As [`ravel_multi_index`](Tensor::ravel_multi_index).
    ///
    /// # Errors
    /// If there is not one tensor of integers for each axis, or with [`RavelMode::Raise`], one is outside or not known.
    pub fn try_ravel_multi_index(
        along: &[Tensor],
        shape: impl AsRef<[usize]>,
        mode: RavelMode,
    ) -> Result<Tensor> {
        const OP: &str = "ravel_multi_index";
        let shape: Shape = shape.as_ref().into();
        if along.len() != shape.len() || !along.iter().all(|at| at.dtype().is_integer()) {
            let found = along.iter().map(|at| at.aval().to_string()).collect::<Vec<_>>().join(", ");
            return Err(Error::shape(
                OP,
                format!("[{found}]"),
                format!("integers for each axis of {shape:?}"),
            ));
        }
        let mut flat = create::full(crate::Aval::unchecked([], index_dtype(shape.iter().product())), 0.0)?;
        for ((at, &size), &stride) in along.iter().zip(&shape).zip(&strides_of(&shape)) {
            let at = match mode {
                RavelMode::Clip => at.try_clip(0, size as i64 - 1)?,
                RavelMode::Wrap => at.try_remainder(size as i64)?,
                RavelMode::Raise => {
                    let outside = at.try_lt(0)?.try_bitor(at.try_ge(size as i64)?)?;
                    let outside = outside.array()?.data::<u8>().contains(&1);
                    if outside {
                        return Err(Error::argument(
                            OP,
                            format!("a position outside of an axis of size {size}"),
                        ));
                    }
                    at.clone()
                }
            };
            flat = flat.try_add(at.try_mul(stride as i64)?)?;
        }
        Ok(flat)
    }
}

/// What [`Tensor::ravel_multi_index`] makes of positions outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RavelMode {
    /// An error, which takes positions that are known.
    Raise,
    /// They begin anew after the last.
    Wrap,
    /// They mean the first or the last.
    Clip,
}
