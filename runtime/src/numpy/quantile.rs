//! Quantiles: numbers that a given part of the elements is below.

use super::paired::methods;
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::ops::axes::{IntoAxes, meant, reduction_methods};
use crate::ops::convert;
use crate::ops::elementwise::inexact;
use crate::ops::shape::permuted;

/// What a quantile is that lies between two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum QuantileMethod {
    /// On the line between them.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The nearer one, or the lower one in the middle.
    Nearest,
    /// The middle between them.
    Midpoint,
    /// The first one that so great a part of all is not above: none is ever in between.
    InvertedCdf,
}

/// The elements of the axes along a new last one.
#[track_caller]
fn last(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let kept: Shape = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let front = kept.len();
    let order: Shape = kept.iter().chain(axes).copied().collect();
    permuted(x, order)?.try_flatten(front)
}

/// The numbers below and above a place in rows that are sorted, and how far it is from the lower one.
struct Neighbours {
    low: Tensor,
    high: Tensor,
    part: Tensor,
}

impl Neighbours {
    /// At `q` of the way from the first to the last of `count` elements: of all rows, or of a number for each.
    #[track_caller]
    fn places(q: &Tensor, count: &Tensor) -> Result<Neighbours> {
        let most = count.try_sub(count.like(1.0))?;
        let place = q.try_mul(&most)?;
        let floor = place.try_floor()?;
        let part = place.try_sub(&floor)?;
        let index = |at: Tensor| -> Result<Tensor> {
            at.try_minimum(&most)?.try_maximum(most.like(0.0))?.try_cast(DType::I32)
        };
        Ok(Neighbours { low: index(floor)?, high: index(place.try_ceil()?)?, part })
    }

    #[track_caller]
    fn between(self, method: QuantileMethod, dtype: DType) -> Result<Tensor> {
        let Neighbours { low, high, part } = self;
        let found = match method {
            QuantileMethod::Linear => {
                let wide = part.dtype();
                let rest = part.like(1.0).try_sub(&part)?;
                low.try_cast(wide)?.try_mul(rest)?.try_add(high.try_cast(wide)?.try_mul(part)?)?
            }
            QuantileMethod::Lower => low,
            QuantileMethod::Higher => high,
            QuantileMethod::Nearest => part.try_le(part.like(0.5))?.try_select(low, high)?,
            QuantileMethod::Midpoint => low.try_add(&high)?.try_mul(low.like(0.5))?,
            QuantileMethod::InvertedCdf => unreachable!("it has no neighbours"),
        };
        found.try_cast(dtype)
    }
}

/// As JAX computes it: the elements sorted, and two of them read; a NaN makes all of its row NaN, or is left out.
#[track_caller]
fn quantile(x: &Tensor, q: Tensor, axes: &[usize], method: QuantileMethod, skip_nan: bool) -> Result<Tensor> {
    const OP: &str = "quantile";
    if q.rank() > 1 {
        return Err(Error::shape(OP, format!("quantiles {:?}", q.shape()), "a number or a vector of them"));
    }
    if method == QuantileMethod::InvertedCdf {
        return weighted(x, q, axes, None, skip_nan);
    }
    let (x, dtype) = (inexact(x)?, x.dtype().to_inexact());
    let q = q.try_cast(if dtype == DType::F64 { DType::F64 } else { DType::F32 })?;
    let rows = last(&x, axes)?;
    let (front, size) = (rows.rank() - 1, rows.shape()[rows.rank() - 1]);
    if size == 0 {
        return Err(Error::shape(OP, format!("axes {axes:?} of {:?}", x.shape()), "at least one element"));
    }
    // Along the last axis there is then a place for each quantile.
    let (list, is_list) = (q.try_reshape([q.size()])?, q.rank() == 1);
    let Neighbours { low, high, part } = if skip_nan {
        // No gradient reaches a NaN, also where there is nothing else.
        let sorted = rows.try_is_nan()?.try_select(rows.like(f64::NAN), &rows)?.try_sort(-1)?;
        let count = rows.try_is_nan()?.try_logical_not()?.try_cast(list.dtype())?.try_sum_keep(-1)?;
        let at = Neighbours::places(&list, &count)?;
        let read = |places: &Tensor| sorted.try_take_along_axis(places, -1);
        Neighbours { low: read(&at.low)?, high: read(&at.high)?, part: at.part }
    } else {
        let nan = rows.try_is_nan()?.try_any_keep(-1)?;
        let sorted = nan.try_select(rows.like(f64::NAN), &rows)?.try_sort(-1)?;
        let at = Neighbours::places(&list, &list.like(size as f64))?;
        Neighbours { low: sorted.try_take(&at.low, -1)?, high: sorted.try_take(&at.high, -1)?, part: at.part }
    };
    let found = Neighbours { low, high, part }.between(method, dtype)?;
    if is_list { found.try_move_axis(front as isize, 0) } else { found.try_squeeze([front as isize]) }
}

/// The least elements up to which there is a part `q` of all weights; as JAX's method `inverted_cdf`.
///
/// A weight that is negative or NaN makes the row NaN, and so does a NaN, unless those are left out.
#[track_caller]
fn weighted(
    x: &Tensor,
    q: Tensor,
    axes: &[usize],
    weights: Option<&Tensor>,
    skip_nan: bool,
) -> Result<Tensor> {
    const OP: &str = "quantile";
    let x = inexact(x)?;
    let mut both = [x.clone(), weights.map_or_else(|| Ok(x.ones_like()), inexact)?];
    both = crate::ops::promoted(both)?;
    let [x, weights] = both;
    let weights = if weights.shape() == x.shape() {
        weights
    } else {
        let sizes: Vec<usize> = axes.iter().map(|&axis| x.shape()[axis]).collect();
        if weights.shape() != &sizes[..] {
            let expected = format!("{:?}, or the sizes of the axes, {sizes:?}", x.shape());
            return Err(Error::shape(OP, format!("weights {:?}", weights.shape()), expected));
        }
        let mut spread = vec![1; x.rank()];
        axes.iter().for_each(|&axis| spread[axis] = x.shape()[axis]);
        weights.try_reshape(spread)?.try_broadcast_to(x.shape())?
    };
    let (rows, weights) = (last(&x, axes)?, last(&weights, axes)?);
    let (front, size) = (rows.rank() - 1, rows.shape()[rows.rank() - 1]);
    if size == 0 {
        return Err(Error::shape(OP, format!("axes {axes:?} of {:?}", x.shape()), "at least one element"));
    }
    let order = rows.try_argsort(-1)?;
    let (sorted, weights) = (rows.try_take_along_axis(&order, -1)?, weights.try_take_along_axis(&order, -1)?);
    let (bad, nan) = (weights.try_lt(0.0)?.try_bitor(weights.try_is_nan()?)?, sorted.try_is_nan()?);
    let counted = bad.try_bitor(&nan)?.try_select(weights.like(0.0), &weights)?.try_cumsum(-1)?;
    let total = counted.try_slice_axis(-1, -1..)?;
    let valid = nan.try_logical_not()?.try_cast(DType::I32)?.try_sum_keep(-1)?;

    // For each quantile, the first place up to which there is enough.
    let q = q.try_cast(counted.dtype())?;
    let (list, is_list) = (q.try_reshape([q.size()])?, q.rank() == 1);
    let wanted = list.try_mul(&total)?.try_expand_dims([-1])?;
    let less = counted.try_expand_dims([-2])?.try_lt(wanted)?.try_cast(DType::I32)?.try_sum_axes(-1)?;
    let most = if skip_nan { valid.try_sub(1)? } else { valid.like((size - 1) as f64) };
    let at = less.try_minimum(most)?.try_maximum(less.like(0.0))?;
    let found = sorted.try_take_along_axis(at, -1)?;
    let spoilt = bad.try_any_keep(-1)?;
    let spoilt = if skip_nan {
        spoilt.try_bitor(valid.try_eq(0)?)?
    } else {
        spoilt.try_bitor(nan.try_any_keep(-1)?)?
    };
    let found = spoilt.try_select(found.like(f64::NAN), &found)?;
    if is_list { found.try_move_axis(front as isize, 0) } else { found.try_squeeze([front as isize]) }
}

/// A hundredth, in the precision of the quantiles.
fn percent(q: impl TensorLike) -> Result<Tensor> {
    let q = inexact(&q.operand()?)?;
    let q = convert(&q, q.dtype().untyped(), false)?;
    q.try_div(q.like(100.0))
}

methods! {
    => "Quantiles";
    /// The numbers that the parts `q` of the elements are below, over an axis, several, or all (`..`), as `jnp.quantile`.
    ///
    /// `q` is a number between 0 and 1, or a vector of them, along which the first axis of the result then is. Between two
    /// elements it is on the line between them; [`quantile_by`](Tensor::quantile_by) has other ways. A NaN makes the result NaN.
    /// Integers and booleans give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0, 3.0], [7.0, 5.0, 6.0]]);
    /// assert_eq!(x.quantile(0.5, 1).to_vec::<f32>()?, [2.0, 6.0]);
    /// assert_eq!(x.quantile([0.25, 1.0], 1).to_vec::<f32>()?, [1.5, 5.5, 3.0, 7.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    quantile try_quantile(q: impl TensorLike, axes: impl IntoAxes) -> Tensor,
    fails "If there is no such axis, there are no elements, or `q` has several axes."
    |x| x.try_quantile_by(q, axes, QuantileMethod::Linear);

    /// As [`quantile`](Tensor::quantile), with a choice of what is between two elements.
    quantile_by try_quantile_by(q: impl TensorLike, axes: impl IntoAxes, method: QuantileMethod) -> Tensor,
    fails "If there is no such axis, there are no elements, or `q` has several axes."
    |x| quantile(x, q.operand()?, &meant("quantile", &axes, x)?, method, false);

    /// The least elements up to which there is a part `q` of all weights, as `jnp.quantile` with `weights` and the method `inverted_cdf`.
    ///
    /// Weights have the shape of the tensor, or that of the axes; they are not negative.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([3.0f32, 1.0, 2.0]);
    /// assert_eq!(x.quantile_weighted(0.5, 0, [0.7f32, 0.1, 0.2]).item::<f32>()?, 3.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    quantile_weighted try_quantile_weighted(q: impl TensorLike, axes: impl IntoAxes, weights: impl TensorLike) -> Tensor,
    fails "If there is no such axis, there are no elements, `q` has several axes, or the weights do not fit."
    |x| weighted(x, q.operand()?, &meant("quantile", &axes, x)?, Some(&weights.operand()?), false);

    /// As [`quantile_weighted`](Tensor::quantile_weighted), of the elements that are not NaN; NaN where there are none.
    nanquantile_weighted try_nanquantile_weighted(q: impl TensorLike, axes: impl IntoAxes, weights: impl TensorLike) -> Tensor,
    fails "If there is no such axis, there are no elements, `q` has several axes, or the weights do not fit."
    |x| weighted(x, q.operand()?, &meant("nanquantile", &axes, x)?, Some(&weights.operand()?), true);

    /// As [`quantile_by`](Tensor::quantile_by), of the elements that are not NaN; NaN where there are none.
    nanquantile try_nanquantile(q: impl TensorLike, axes: impl IntoAxes, method: QuantileMethod) -> Tensor,
    fails "If there is no such axis, there are no elements, or `q` has several axes."
    |x| quantile(x, q.operand()?, &meant("nanquantile", &axes, x)?, method, true);

    /// As [`quantile_by`](Tensor::quantile_by), of hundredths.
    percentile try_percentile(q: impl TensorLike, axes: impl IntoAxes, method: QuantileMethod) -> Tensor,
    fails "If there is no such axis, there are no elements, or `q` has several axes."
    |x| quantile(x, percent(q)?, &meant("percentile", &axes, x)?, method, false);

    /// As [`nanquantile`](Tensor::nanquantile), of hundredths.
    nanpercentile try_nanpercentile(q: impl TensorLike, axes: impl IntoAxes, method: QuantileMethod) -> Tensor,
    fails "If there is no such axis, there are no elements, or `q` has several axes."
    |x| quantile(x, percent(q)?, &meant("nanpercentile", &axes, x)?, method, true);
}

#[track_caller]
fn median(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    quantile(x, Tensor::from(0.5f32), axes, QuantileMethod::Midpoint, false)
}

#[track_caller]
fn nanmedian(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    quantile(x, Tensor::from(0.5f32), axes, QuantileMethod::Midpoint, true)
}

reduction_methods! {
    "The median", "If there are no elements.",
    /// The middle one of the sorted elements, or the mean of the two in the middle. A NaN makes it NaN; integers and booleans
    /// give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::from([3.0f32, 1.0, 2.0, 10.0]).median().item::<f32>()?, 2.5);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    median try_median median_axes try_median_axes median_keep try_median_keep () = median;

    "The median of what is not NaN", "If there are no elements.",
    /// NaN where there is nothing else.
    nanmedian try_nanmedian nanmedian_axes try_nanmedian_axes nanmedian_keep try_nanmedian_keep () = nanmedian;
}
