//! Differences of neighbours, and numbers between them.

use super::paired::methods;
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::elementwise::inexact;
use crate::ops::{axis_of, promoted_inexact, slice};

/// What [`Tensor::interp_with`] gives beyond an end of the points.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Beyond {
    /// The value of the point at that end.
    #[default]
    Nearest,
    /// The straight line through the last two points.
    Extrapolate,
    /// This number.
    Value(f64),
}

/// Each element of an axis less the one before it; of booleans, whether they differ.
#[track_caller]
fn step(x: &Tensor, axis: usize) -> Result<Tensor> {
    let count = x.shape()[axis].saturating_sub(1);
    let (front, back) =
        (slice::part(x, axis, 0, count)?, slice::part(x, axis, x.shape()[axis] - count, count)?);
    if x.dtype() == DType::Bool { back.try_ne(front) } else { back.try_sub(front) }
}

/// What is put before or behind an axis: a number is one element everywhere.
#[track_caller]
fn end(x: &Tensor, axis: usize, more: &Tensor) -> Result<Tensor> {
    if more.rank() > 0 {
        return Ok(more.clone());
    }
    let mut shape: Shape = x.shape().into();
    shape[axis] = 1;
    more.try_broadcast_to(&shape)
}

methods! {
    => "Differences and integrals";
    /// Differences between neighbours along an axis, `n` times over, as `jnp.diff`; of booleans, whether they differ.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1i32, 2, 4, 8]);
    /// assert_eq!(x.diff(1, -1).to_vec::<i32>()?, [1, 2, 4]);
    /// assert_eq!(x.diff(2, -1).to_vec::<i32>()?, [1, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    diff try_diff(n: usize, axis: impl Int) -> Tensor, fails "If there is no such axis."
    |x| x.try_diff_with(n, axis, None, None);

    /// As [`diff`](Tensor::diff), with more elements before and behind the axis, which are cast to the dtype of the mixture.
    ///
    /// A number is one element everywhere.
    diff_with try_diff_with(n: usize, axis: impl Int, prepend: Option<Tensor>, append: Option<Tensor>) -> Tensor,
    fails "If there is no such axis, or what is put around it has other sizes."
    |x| {
        if n == 0 {
            return Ok(x.clone());
        }
        let at = axis_of("diff", axis, x.rank())?;
        let mut parts = vec![];
        parts.extend(prepend.map(|more| end(x, at, &more)).transpose()?);
        parts.push(x.clone());
        parts.extend(append.map(|more| end(x, at, &more)).transpose()?);
        let mut x = Tensor::try_concatenate(&parts, at as isize).map_err(|error| error.called("diff"))?;
        for _ in 0..n {
            x = step(&x, at)?;
        }
        Ok(x)
    };

    /// Differences between neighbours of all elements in their order, between two lists of others, as `jnp.ediff1d`.
    ///
    /// `before` and `after` are cast to this tensor's dtype.
    ediff1d try_ediff1d(before: Option<Tensor>, after: Option<Tensor>) -> Tensor, fails "If this is boolean."
    |x| {
        if x.dtype() == DType::Bool {
            return Err(Error::dtype("ediff1d", DType::Bool, "numbers (cast the booleans first)"));
        }
        let flat = |more: Tensor| more.try_cast(x.dtype())?.try_flatten(0);
        let mut parts = vec![];
        parts.extend(before.map(flat).transpose()?);
        parts.push(step(&x.try_flatten(0)?, 0)?);
        parts.extend(after.map(flat).transpose()?);
        Tensor::try_concatenate(&parts, 0)
    };

    /// Values at these places of the polygon through points with ascending `places` and `values`, as `jnp.interp`.
    ///
    /// Beyond the points it is constant. `places` and `values` are vectors of one size, and have gradients as this does.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([0.5f32, 1.5, 9.0]);
    /// assert_eq!(x.interp([0.0f32, 1.0, 2.0], [0.0f32, 10.0, 30.0]).to_vec::<f32>()?, [5.0, 20.0, 30.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    interp try_interp(places: impl TensorLike, values: impl TensorLike) -> Tensor,
    fails "If the places and values are not two vectors of one size that is not 0."
    |x| x.try_interp_with(places, values, Beyond::Nearest, Beyond::Nearest);

    /// As [`interp`](Tensor::interp), with another continuation to the left and to the right.
    interp_with try_interp_with(
        places: impl TensorLike,
        values: impl TensorLike,
        left: Beyond,
        right: Beyond,
    ) -> Tensor, fails "If the places and values are not two vectors of one size that is not 0."
    |x| {
        let (places, values) = points(places.operand()?, values.operand()?)?;
        let [x, places] = promoted_inexact([x.clone(), places])?;
        let size = places.size();
        let y = polygon(&x, &places, &values)?;
        let first = slice::part(&places, 0, 0, 1)?.try_reshape(())?;
        let last = slice::part(&places, 0, size - 1, 1)?.try_reshape(())?;
        let y = beyond(y, x.try_lt(first)?, left, slice::part(&values, 0, 0, 1)?.try_reshape(())?)?;
        beyond(y, x.try_gt(last)?, right, slice::part(&values, 0, size - 1, 1)?.try_reshape(())?)
    };

    /// As [`interp`](Tensor::interp) of points that return after every `period`; they need not be in order.
    interp_periodic try_interp_periodic(
        places: impl TensorLike,
        values: impl TensorLike,
        period: f64,
    ) -> Tensor, fails "If the places and values are not two vectors of one size that is not 0."
    |x| {
        let (places, values) = points(places.operand()?, values.operand()?)?;
        let [x, places] = promoted_inexact([x.clone(), places])?;
        let period = x.like(period.abs());
        let (x, places) = (x.try_remainder(&period)?, places.try_remainder(&period)?);
        let order = places.try_argsort(0)?;
        let (places, values) = (places.try_take(&order, 0)?, values.try_take(&order, 0)?);
        let around = |list: &Tensor, shift: bool| {
            let size = list.size();
            let (before, after) = (slice::part(list, 0, size - 1, 1)?, slice::part(list, 0, 0, 1)?);
            let (before, after) =
                if shift { (before.try_sub(&period)?, after.try_add(&period)?) } else { (before, after) };
            Tensor::try_concatenate(&[before, list.clone(), after], 0)
        };
        polygon(&x, &around(&places, true)?, &around(&values, false)?)
    };
}

/// Checked, and the values as floats.
#[track_caller]
fn points(places: Tensor, values: Tensor) -> Result<(Tensor, Tensor)> {
    if places.rank() != 1 || places.shape() != values.shape() || places.size() == 0 {
        let found = format!("places {} and values {}", places.aval(), values.aval());
        return Err(Error::shape("interp", found, "two vectors of one size that is not 0"));
    }
    Ok((places, inexact(&values)?))
}

/// The line through the two points around each place, or the first two, or the last two; that of two places that coincide is
/// level, so that no gradient is NaN.
#[track_caller]
fn polygon(x: &Tensor, places: &Tensor, values: &Tensor) -> Result<Tensor> {
    let size = places.size();
    let right = places.try_searchsorted_right(x)?;
    // Where there is a single point, both are that.
    let right = right.try_minimum(size.saturating_sub(1) as i32)?.try_maximum(usize::from(size > 1) as i32)?;
    let left = right.try_sub(1)?.try_maximum(0)?;
    let (near, far) = (places.try_take(&left, 0)?, places.try_take(&right, 0)?);
    let (low, high) = (values.try_take(&left, 0)?, values.try_take(&right, 0)?);
    let width = far.try_sub(&near)?;
    let least = width.dtype().finfo().map_or(0.0, |limits| (limits.eps * limits.eps).max(limits.tiny));
    let level = width.try_abs()?.try_le(width.like(least))?;
    let part = x.try_sub(near)?.try_div(level.try_select(width.like(1.0), &width)?)?;
    level.try_select(&low, low.try_add(part.try_mul(high.try_sub(&low)?)?)?)
}

#[track_caller]
fn beyond(y: Tensor, is_beyond: Tensor, what: Beyond, nearest: Tensor) -> Result<Tensor> {
    match what {
        Beyond::Extrapolate => Ok(y),
        Beyond::Nearest => is_beyond.try_select(nearest, y),
        Beyond::Value(value) => is_beyond.try_select(y.like(value), y),
    }
}
