//! Numbers in place of NaN and infinities, and reductions that leave NaN out.

use super::paired::methods;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::axes::{kept_shape, reduction_methods};
use crate::ops::{convert, reduce};

methods! {
    => "Reductions without NaN";
    /// Zeros in place of NaN, and the greatest and the least number of the dtype in place of infinities.
    ///
    /// Integers and booleans stay as they are.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([f32::NAN, f32::NEG_INFINITY, 1.0]);
    /// assert_eq!(x.nan_to_num().to_vec::<f32>()?, [0.0, f32::MIN, 1.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    nan_to_num try_nan_to_num() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| x.try_nan_to_num_with(0.0, None, None);

    /// Other numbers in place of NaN, of +∞ and of −∞; `None` is the greatest, or the least, number of the dtype.
    ///
    /// Integers and booleans stay as they are.
    nan_to_num_with try_nan_to_num_with(
        nan: impl TensorLike,
        positive: Option<f64>,
        negative: Option<f64>,
    ) -> Tensor, fails "If `nan` does not broadcast to this."
    |x| {
        let Some(info) = x.dtype().finfo() else { return Ok(x.clone()) };
        let (high, low) = (x.like(positive.unwrap_or(info.max)), x.like(negative.unwrap_or(info.min)));
        let number = x.try_is_nan()?.try_select(nan.operand()?.try_cast(x.dtype())?, x)?;
        let bounded = number.try_eq(number.like(f64::INFINITY))?.try_select(high, &number)?;
        bounded.try_eq(bounded.like(f64::NEG_INFINITY))?.try_select(low, &bounded)
    };
}

/// The tensor with another number in place of NaN.
#[track_caller]
fn without(x: &Tensor, number: f64) -> Result<Tensor> {
    if x.dtype().is_float() { x.try_is_nan()?.try_select(x.like(number), x) } else { Ok(x.clone()) }
}

#[track_caller]
fn numbers(x: &Tensor) -> Result<Tensor> {
    x.try_is_nan()?.try_logical_not()
}

#[track_caller]
fn sum(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduce::sum_widened(&without(x, 0.0)?, axes)
}

#[track_caller]
fn prod(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduce::prod_widened(&without(x, 1.0)?, axes)
}

/// NaN where there was nothing else.
#[track_caller]
fn or_nan(x: &Tensor, axes: &[usize], found: Tensor) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Ok(found);
    }
    reduce::all_true(&x.try_is_nan()?, axes)?.try_select(found.like(f64::NAN), found)
}

#[track_caller]
fn max(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    or_nan(x, axes, reduce::max_axes(&without(x, f64::NEG_INFINITY)?, axes)?)
}

#[track_caller]
fn min(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    or_nan(x, axes, reduce::min_axes(&without(x, f64::INFINITY)?, axes)?)
}

/// In the precision that [`mean`](Tensor::mean) has: wider than halves.
#[track_caller]
fn mean(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let x = convert(x, x.dtype().to_inexact(), x.aval().weak)?;
    let count = reduce::sum_axes(&numbers(&x)?.try_cast(x.dtype())?, axes)?;
    reduce::sum_axes(&without(&x, 0.0)?, axes)?.try_div(count)
}

#[track_caller]
fn wide_var(x: &Tensor, axes: &[usize], ddof: usize) -> Result<Tensor> {
    let center = mean(x, axes)?.try_reshape(kept_shape(x.shape(), axes))?;
    // Also in the gradient, NaN takes no part.
    let deviation = x.try_is_nan()?.try_select(x.like(0.0), x.try_sub(center)?)?;
    let spread = reduce::sum_axes(&deviation.try_square()?, axes)?;
    let left = reduce::sum_axes(&numbers(x)?.try_cast(x.dtype())?, axes)?.try_sub(x.like(ddof as f64))?;
    let none = left.try_le(left.like(0.0))?;
    let spread = none.try_select(spread.like(f64::NAN), &spread)?;
    spread.try_div(none.try_select(left.like(1.0), &left)?)
}

#[track_caller]
fn var(x: &Tensor, axes: &[usize], ddof: usize) -> Result<Tensor> {
    let dtype = x.dtype().to_inexact();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    convert(&wide_var(&convert(x, wide, false)?, axes, ddof)?, dtype, false)
}

#[track_caller]
fn std(x: &Tensor, axes: &[usize], ddof: usize) -> Result<Tensor> {
    var(x, axes, ddof)?.try_sqrt()
}

reduction_methods! {
    "The sum of what is not NaN", "If this is a value of a transform that has returned.",
    /// Dtypes as for [`sum`](Tensor::sum).
    nansum try_nansum nansum_axes try_nansum_axes nansum_keep try_nansum_keep () = sum;

    "The product of what is not NaN", "If this is a value of a transform that has returned.",
    /// Dtypes as for [`prod`](Tensor::prod).
    nanprod try_nanprod nanprod_axes try_nanprod_axes nanprod_keep try_nanprod_keep () = prod;

    "The maximum of what is not NaN", "If there are no elements.",
    /// NaN where there is nothing else.
    nanmax try_nanmax nanmax_axes try_nanmax_axes nanmax_keep try_nanmax_keep () = max;

    "The minimum of what is not NaN", "If there are no elements.",
    /// NaN where there is nothing else.
    nanmin try_nanmin nanmin_axes try_nanmin_axes nanmin_keep try_nanmin_keep () = min;

    "The mean of what is not NaN", "If this is a value of a transform that has returned.",
    /// Integers and booleans give `F32`. The mean of nothing is NaN.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, f32::NAN, 3.0]);
    /// assert_eq!(x.nanmean().item::<f32>()?, 2.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    nanmean try_nanmean nanmean_axes try_nanmean_axes nanmean_keep try_nanmean_keep () = mean;

    "The variance of what is not NaN", "If this is a value of a transform that has returned.",
    /// By the number of those elements less `ddof`; NaN if that is not positive.
    nanvar try_nanvar nanvar_axes try_nanvar_axes nanvar_keep try_nanvar_keep (ddof: usize = 0) = var;

    "The standard deviation of what is not NaN", "If this is a value of a transform that has returned.",
    /// The square root of the [variance](Tensor::nanvar).
    nanstd try_nanstd nanstd_axes try_nanstd_axes nanstd_keep try_nanstd_keep (ddof: usize = 0) = std;
}
