//! Means, variances, norms and the like: reductions made of others.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::ops::axes::{kept_shape, reduced_size, reduction_methods};
use crate::ops::{convert, reduce};

/// In the dtype that a mean is computed in: integers as `F32`, and halves too, whose sums would overflow and whose
/// quotients would be rounded twice.
#[track_caller]
pub(super) fn precise(x: &Tensor) -> Result<(Tensor, DType)> {
    let dtype = x.dtype().to_inexact();
    let wide = if dtype.size() == 8 { dtype } else { DType::F32 };
    Ok((convert(x, wide, x.aval().weak)?, dtype))
}

#[track_caller]
fn sum_kept(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduce::sum_axes(x, axes)?.try_reshape(kept_shape(x.shape(), axes))
}

#[track_caller]
fn mean(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let (wide, dtype) = precise(x)?;
    let count = wide.like(reduced_size(x.shape(), axes) as f64);
    convert(&reduce::sum_axes(&wide, axes)?.try_div(count)?, dtype, x.aval().weak)
}

/// Of magnitudes.
fn real(dtype: DType) -> DType {
    if dtype.is_complex() { DType::F32 } else { dtype }
}

#[track_caller]
fn var(x: &Tensor, axes: &[usize], ddof: usize) -> Result<Tensor> {
    let (wide, dtype) = precise(x)?;
    convert(&wide_var(&wide, axes, ddof)?, real(dtype), x.aval().weak)
}

#[track_caller]
fn std(x: &Tensor, axes: &[usize], ddof: usize) -> Result<Tensor> {
    let (wide, dtype) = precise(x)?;
    convert(&wide_var(&wide, axes, ddof)?.try_sqrt()?, real(dtype), x.aval().weak)
}

/// From the deviations, not from the mean of squares, which cancels.
#[track_caller]
fn wide_var(x: &Tensor, axes: &[usize], ddof: usize) -> Result<Tensor> {
    let count = reduced_size(x.shape(), axes);
    let mean = sum_kept(x, axes)?.try_div(x.like(count as f64))?;
    let deviation = x.try_sub(mean)?;
    let left = if count > ddof { (count - ddof) as f64 } else { f64::NAN };
    let sum = reduce::sum_axes(&squares(&deviation)?, axes)?;
    let left = sum.like(left);
    sum.try_div(left)
}

/// Squares of magnitudes.
#[track_caller]
pub(super) fn squares(x: &Tensor) -> Result<Tensor> {
    let square = x.try_mul(x.try_conj()?)?;
    if x.dtype().is_complex() { square.try_real() } else { Ok(square) }
}

#[track_caller]
fn logsumexp(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let x = convert(x, x.dtype().to_inexact(), x.aval().weak)?;
    if reduced_size(x.shape(), axes) == 0 {
        return reduce::sum_axes(&x, axes)?.try_log();
    }
    let largest = reduce::max_axes(&x, axes)?.stop_gradient();
    // Nothing is subtracted for infinities, whose differences are NaN.
    let offset = largest.try_is_finite()?.try_select(&largest, largest.like(0.0))?;
    let shifted = x.try_sub(offset.try_reshape(kept_shape(x.shape(), axes))?)?;
    reduce::sum_axes(&shifted.try_exp()?, axes)?.try_log()?.try_add(offset)
}

#[track_caller]
fn count_nonzero(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    reduce::sum_widened(&x.try_cast(DType::Bool)?, axes)
}

#[track_caller]
fn norm(x: &Tensor, axes: &[usize], order: f64) -> Result<Tensor> {
    let x = convert(x, x.dtype().to_inexact(), x.aval().weak)?;
    if order == 2.0 {
        return reduce::sum_axes(&squares(&x)?, axes)?.try_sqrt();
    }
    let size = x.try_abs()?;
    if order.is_infinite() && reduced_size(x.shape(), axes) == 0 {
        // The largest magnitude of none is 0, the smallest infinite.
        let zero = reduce::sum_axes(&size, axes)?;
        return if order > 0.0 { Ok(zero) } else { zero.try_sub(order) };
    }
    if order == f64::INFINITY {
        // A tie with 0, as JAX's initial value: half of the derivative where all are 0.
        reduce::max_axes(&size, axes)?.try_maximum(size.like(0.0))
    } else if order == f64::NEG_INFINITY {
        reduce::min_axes(&size, axes)
    } else if order == 1.0 {
        reduce::sum_axes(&size, axes)
    } else if order == 0.0 {
        convert(&count_nonzero(&x, axes)?, x.dtype(), x.aval().weak)
    } else {
        reduce::sum_axes(&size.try_pow(size.like(order))?, axes)?.try_pow(x.like(1.0 / order))
    }
}

reduction_methods! {
    => "Statistics";
    "The mean", "If this is a value of a transform that has returned.",
    /// Integers and booleans give `F32`; halves are computed in `F32`. The mean of nothing is NaN.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.mean().item::<f32>()?, 2.5);
    /// assert_eq!(x.mean_keep(-1).to_vec::<f32>()?, [1.5, 3.5]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    mean try_mean mean_axes try_mean_axes mean_keep try_mean_keep () = mean;

    "The variance", "If this is a value of a transform that has returned.",
    /// The mean of squared deviations, of which the methods with axes divide by the number of elements less `ddof`;
    /// NaN if that is not positive. Dtypes as for [`mean`](Tensor::mean).
    var try_var var_axes try_var_axes var_keep try_var_keep (ddof: usize = 0) = var;

    "The standard deviation", "If this is a value of a transform that has returned.",
    /// The square root of the [variance](Tensor::var); its derivative is not finite where that is 0.
    std try_std std_axes try_std_axes std_keep try_std_keep (ddof: usize = 0) = std;

    "The logarithm of the sum of exponentials", "If this is a value of a transform that has returned.",
    /// `log(sum(exp(x)))` without overflow; that of nothing is −∞. Integers and booleans give `F32`.
    logsumexp try_logsumexp logsumexp_axes try_logsumexp_axes logsumexp_keep try_logsumexp_keep () = logsumexp;

    "The number of elements that are not zero", "If this is a value of a transform that has returned.",
    /// As `I32`.
    count_nonzero try_count_nonzero count_nonzero_axes try_count_nonzero_axes
    count_nonzero_keep try_count_nonzero_keep () = count_nonzero;

    "The norm", "If the order is infinite and there are no elements.",
    /// Euclidean; the methods with axes take the order: `2.0`, `1.0` for the sum of magnitudes, `f64::INFINITY` and
    /// `f64::NEG_INFINITY` for the largest and the smallest one, `0.0` for the number of elements that are not zero,
    /// and any other `p` for `sum(|x|^p)^(1/p)`. Several axes are one long vector, never a matrix.
    norm try_norm norm_axes try_norm_axes norm_keep try_norm_keep (order: f64 = 2.0) = norm;
}
