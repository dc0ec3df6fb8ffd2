//! Elements moved along an axis, put in and taken out: `roll_by`, `append`, `insert`, `delete`.

use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::kernels::arrays;
use crate::ops::axes::Int;
use crate::ops::{axis_of, convert, convert_wrapping, promoted};

/// The tensor and an axis of it; without an axis, its elements in row-major order.
fn along(op: &'static str, x: &Tensor, axis: Option<isize>) -> Result<(Tensor, usize)> {
    match axis {
        Some(axis) => Ok((x.clone(), axis_of(op, axis, x.rank())?)),
        None => Ok((x.try_reshape([x.size()])?, 0)),
    }
}

/// Positions that must be known, along an axis of a size; of a mask, those where it is true.
fn known(op: &'static str, positions: &Tensor, size: usize) -> Result<Vec<i64>> {
    if positions.dtype() == DType::Bool {
        if positions.shape() != [size] {
            let found = format!("a mask {}", positions.aval());
            return Err(Error::shape(op, found, format!("[{size}], the size of the axis")));
        }
        let mask = positions.array()?.data::<u8>();
        return Ok((0..).zip(mask).filter(|(_, set)| **set != 0).map(|(at, _)| at).collect());
    }
    if !positions.dtype().is_integer() {
        return Err(Error::dtype(op, positions.aval(), "integers, or booleans as a mask"));
    }
    // Not as a tensor, whose cast would be a step of a program that is traced.
    Ok(arrays::convert(positions.array()?, DType::I64, false).data::<i64>().to_vec())
}

/// # Elements put in and taken out
impl Tensor {
    /// As [`roll`](Tensor::roll), where the shift, a single integer, may be a value of a transform.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let rolled = jit(|(x, by): (Tensor, Tensor)| x.try_roll_by(by, 0));
    /// let y = rolled.call((Tensor::from([1, 2, 3]), Tensor::from(-4)))?;
    /// assert_eq!(y.to_vec::<i32>()?, [2, 3, 1]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, or the shift is not a single integer.
    #[track_caller]
    pub fn roll_by(&self, shift: impl TensorLike, axis: impl Int) -> Tensor {
        unwrap(self.try_roll_by(shift, axis))
    }

    /// As [`roll_by`](Tensor::roll_by).
    ///
    /// # Errors
    /// If there is no such axis, or the shift is not a single integer.
    #[track_caller]
    pub fn try_roll_by(&self, shift: impl TensorLike, axis: impl Int) -> Result<Tensor> {
        const OP: &str = "roll_by";
        let (shift, at) = (shift.operand()?, axis_of(OP, axis, self.rank())?);
        if !shift.dtype().is_integer() || shift.rank() > 0 {
            return Err(Error::dtype(OP, shift.aval(), "a single integer as the shift"));
        }
        let size = self.shape()[at] as i64;
        if size == 0 {
            return Ok(self.clone());
        }
        // In 64 bits, where unsigned shifts fit and negative ones have a remainder.
        let left = convert_wrapping(&shift, DType::I64, false)?.try_remainder(size)?;
        let start = left.like(size as f64).try_sub(left)?;
        Tensor::try_concatenate(&[self.clone(), self.clone()], axis)?.try_dynamic_slice_axis(
            axis,
            start,
            size as usize,
        )
    }

    /// Element `i` of one axis, which the result does not have, where `i`, a single integer, may be a value of a transform; as
    /// `lax.dynamic_index_in_dim` with `keepdims=False`.
    ///
    /// Negative numbers count from the end; those outside mean the first or the last. With the axis, of size 1, it is
    /// [`dynamic_slice_axis`](Tensor::dynamic_slice_axis).
    ///
    /// # Panics
    /// If there is no such axis, it has no elements, or `i` is not a single integer.
    #[doc(alias = "dynamic_index_in_dim")]
    #[track_caller]
    pub fn dynamic_index_axis(&self, axis: impl Int, i: impl TensorLike) -> Tensor {
        unwrap(self.try_dynamic_index_axis(axis, i))
    }

    /// As [`dynamic_index_axis`](Tensor::dynamic_index_axis).
    ///
    /// # Errors
    /// If there is no such axis, it has no elements, or `i` is not a single integer.
    #[track_caller]
    pub fn try_dynamic_index_axis(&self, axis: impl Int, i: impl TensorLike) -> Result<Tensor> {
        let at = axis_of("dynamic_index_axis", axis, self.rank())?;
        let mut shape: Shape = self.shape().into();
        shape.remove(at);
        self.try_dynamic_slice_axis(axis, i, 1)?.try_reshape(&shape)
    }

    /// A copy with `update` as element `i` of one axis, where `i`, a single integer, may be a value of a transform; as
    /// `lax.dynamic_update_index_in_dim`.
    ///
    /// The update has the shape of [`dynamic_index_axis`](Tensor::dynamic_index_axis), or the axis with a size of 1 as well.
    ///
    /// # Panics
    /// If there is no such axis, the update does not fit, or `i` is not a single integer.
    #[doc(alias = "dynamic_update_index_in_dim")]
    #[track_caller]
    pub fn dynamic_update_index_axis(
        &self,
        axis: impl Int,
        i: impl TensorLike,
        update: impl TensorLike,
    ) -> Tensor {
        unwrap(self.try_dynamic_update_index_axis(axis, i, update))
    }

    /// As [`dynamic_update_index_axis`](Tensor::dynamic_update_index_axis).
    ///
    /// # Errors
    /// If there is no such axis, the update does not fit, or `i` is not a single integer.
    #[track_caller]
    pub fn try_dynamic_update_index_axis(
        &self,
        axis: impl Int,
        i: impl TensorLike,
        update: impl TensorLike,
    ) -> Result<Tensor> {
        let (at, mut update) = (axis_of("dynamic_update_index_axis", axis, self.rank())?, update.operand()?);
        if update.rank() + 1 == self.rank() {
            update = update.try_expand_dims([at as isize])?;
        }
        self.try_dynamic_update_axis(axis, i, update)
    }

    /// The elements, and behind them `values`, along an axis or, without one, in row-major order; as `jnp.append`.
    ///
    /// # Panics
    /// If there is no such axis, or other axes differ in size.
    #[track_caller]
    pub fn append(&self, values: impl TensorLike, axis: impl Into<Option<isize>>) -> Tensor {
        unwrap(self.try_append(values, axis))
    }

    /// As [`append`](Tensor::append).
    ///
    /// # Errors
    /// If there is no such axis, or other axes differ in size.
    #[track_caller]
    pub fn try_append(&self, values: impl TensorLike, axis: impl Into<Option<isize>>) -> Result<Tensor> {
        let axis = axis.into();
        let [x, values] = promoted([self.clone(), values.operand()?])?;
        let ((x, at), (values, _)) = (along("append", &x, axis)?, along("append", &values, axis)?);
        Tensor::try_concatenate(&[x, values], at as isize)
    }

    /// The elements without those at some positions of an axis or, without one, in row-major order; as `jnp.delete`.
    ///
    /// The positions are integers, which may repeat and count from the end if negative, or a mask of booleans. How many are left is
    /// part of the shape, so they must be known; a single one need not be.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1, 2, 3], [4, 5, 6]]);
    /// assert_eq!(x.delete([0, -1], 1).to_vec::<i32>()?, [2, 5]);
    /// assert_eq!(x.delete(4, None).to_vec::<i32>()?, [1, 2, 3, 4, 6]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis or position, or positions are several and not known.
    #[track_caller]
    pub fn delete(&self, positions: impl TensorLike, axis: impl Into<Option<isize>>) -> Tensor {
        unwrap(self.try_delete(positions, axis))
    }

    /// As [`delete`](Tensor::delete).
    ///
    /// # Errors
    /// If there is no such axis or position, or positions are several and not known.
    #[track_caller]
    pub fn try_delete(&self, positions: impl TensorLike, axis: impl Into<Option<isize>>) -> Result<Tensor> {
        const OP: &str = "delete";
        let positions = positions.operand()?;
        let (x, at) = along(OP, self, axis.into())?;
        let size = x.shape()[at];
        if positions.rank() == 0 && positions.dtype().is_integer() && positions.array().is_err() && size > 0 {
            // What is behind it moves forward by one.
            let count = positions.like(size as f64);
            let wrapped = positions.try_lt(0)?.try_select(positions.try_add(count)?, &positions)?;
            let kept = crate::ops::create::iota([size - 1], positions.dtype(), 0)?;
            let behind = kept.try_ge(wrapped)?.try_select(kept.try_add(1)?, &kept)?;
            return x.try_take(behind, at as isize);
        }
        let mut kept = vec![true; size];
        for position in known(OP, &positions, size)? {
            let index = if position < 0 { position + size as i64 } else { position };
            match usize::try_from(index).ok().and_then(|index| kept.get_mut(index)) {
                Some(kept) => *kept = false,
                None => {
                    return Err(Error::argument(
                        OP,
                        format!("position {position} of an axis of size {size}"),
                    ));
                }
            }
        }
        let kept: Vec<i64> = (0..size).filter(|&index| kept[index]).map(|index| index as i64).collect();
        x.try_take(Tensor::from(kept), at as isize)
    }

    /// The elements with others before some positions of an axis or, without one, in row-major order; as `jnp.insert`.
    ///
    /// `positions` are integers: a single one, before which all values go, or one for each, counted from the end if negative and
    /// moved inside. `values` have this tensor's dtype in the end, and broadcast along the other axes.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1, 2, 3]);
    /// assert_eq!(x.insert([0, 2], [8, 9], None).to_vec::<i32>()?, [8, 1, 2, 9, 3]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, the positions are not integers, or the values do not fit.
    #[track_caller]
    pub fn insert(
        &self,
        positions: impl TensorLike,
        values: impl TensorLike,
        axis: impl Into<Option<isize>>,
    ) -> Tensor {
        unwrap(self.try_insert(positions, values, axis))
    }

    /// As [`insert`](Tensor::insert).
    ///
    /// # Errors
    /// If there is no such axis, the positions are not integers, or the values do not fit.
    #[track_caller]
    pub fn try_insert(
        &self,
        positions: impl TensorLike,
        values: impl TensorLike,
        axis: impl Into<Option<isize>>,
    ) -> Result<Tensor> {
        const OP: &str = "insert";
        let (mut positions, values) = (positions.operand()?, values.operand()?);
        let (x, at) = along(OP, self, axis.into())?;
        if !positions.dtype().is_integer() || positions.rank() > 1 {
            return Err(Error::dtype(OP, positions.aval(), "one integer, or a vector of them"));
        }
        // As many axes as the tensor has; what goes before a single position has its own axis in front.
        let mut shape = Shape::from_elem(1, x.rank().saturating_sub(values.rank()));
        shape.extend_from_slice(values.shape());
        let mut values = convert(&values, x.dtype(), false)?.try_reshape(&shape)?;
        if positions.rank() == 0 {
            values = values.try_move_axis(0, at as isize)?;
        }
        let (size, given) = (x.shape()[at], values.shape().get(at).copied().unwrap_or(1));
        positions = convert_wrapping(&positions, DType::I64, false)?;
        if positions.size() == 1 {
            positions = positions.try_reshape([1])?.try_broadcast_to([given])?;
        }
        let count = positions.size();
        let end = positions.like(size as f64);
        let wrapped = positions.try_lt(0)?.try_select(positions.try_add(&end)?, &positions)?;
        let inside = wrapped.try_maximum(positions.like(0.0))?.try_minimum(end)?;
        // Each is moved by those that come before it, which of equal ones are the earlier.
        let order = inside.try_argsort(0)?;
        let rank = crate::ops::create::iota([count], DType::I64, 0)?;
        let places = inside.at(&order).unique_indices().try_add(rank)?;
        let mask = Tensor::ones_of([size + count], DType::Bool);
        let kept = mask.at(&places).try_set(false)?.try_flatnonzero_of(size, 0)?;
        let mut whole: Shape = x.shape().into();
        whole[at] += count;
        let out = Tensor::zeros_of(&whole, x.dtype());
        let index = |places: &Tensor| {
            let mut indices = vec![crate::Index::Slice(crate::Slice::ALL); at];
            indices.push(crate::Index::Tensor(places.clone()));
            indices
        };
        out.at(index(&places)).unique_indices().try_set(values)?.at(index(&kept)).unique_indices().try_set(x)
    }
}
