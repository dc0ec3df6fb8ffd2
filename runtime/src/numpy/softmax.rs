//! Normalization over axes: softmax and its logarithm, means of exponentials, and standardization.

use super::activation::number;
use super::operators::Scalar;
use super::paired::methods;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::ops::axes::{IntoAxes, meant, reduced_size};
use crate::ops::elementwise::inexact;

/// The argument as floats, and the axes.
fn over(op: &'static str, x: &Tensor, axes: &impl IntoAxes) -> Result<(Tensor, Vec<isize>)> {
    number(op, x)?;
    let axes = meant(op, axes, x)?;
    Ok((inexact(x)?, axes.iter().map(|&axis| axis as isize).collect()))
}

/// Whether there is nothing along the axes, of which nothing is the largest.
fn is_empty(x: &Tensor, axes: &[isize]) -> bool {
    let axes: Vec<usize> = axes.iter().map(|axis| axis.unsigned_abs()).collect();
    reduced_size(x.shape(), &axes) == 0
}

methods! {
    => "Softmax";
    /// Positive numbers with a sum of 1 over an axis, several, or all (`..`), in proportion to `eˣ`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[0.0f32, 0.0], [1000.0, 0.0]]);
    /// assert_eq!(x.softmax(-1).to_vec::<f32>()?, [0.5, 0.5, 1.0, 0.0]);
    /// assert_eq!(x.softmax([0, 1]).to_vec::<f32>()?, [0.0, 0.0, 1.0, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    softmax try_softmax(axes: impl IntoAxes) -> Tensor, fails "If there is no such axis, or this is boolean."
    |x| {
        let (x, axes) = over("softmax", x, &axes)?;
        if is_empty(&x, &axes) {
            return Ok(x);
        }
        let top = x.try_max_keep(&axes)?.stop_gradient();
        let weights = (x - top).exp();
        let total = weights.try_sum_keep(&axes)?;
        Ok(weights / total)
    };

    /// [`softmax`](Tensor::softmax) of the numbers where `mask` is true, and 0 elsewhere.
    ///
    /// The mask broadcasts. Where it is false all along the axes, the result and the gradient are 0.
    softmax_where try_softmax_where(axes: impl IntoAxes, mask: impl TensorLike) -> Tensor,
    fails "If there is no such axis, the mask is not boolean or does not broadcast, or this is boolean."
    |x| {
        let ((x, axes), mask) = (over("softmax_where", x, &axes)?, mask.operand()?);
        let shown = mask.try_select(&x, x.like(f64::NEG_INFINITY))?;
        if is_empty(&shown, &axes) {
            return Ok(shown);
        }
        let top = shown.try_max_keep(&axes)?.stop_gradient();
        // What the mask hides takes no part, not even as an infinity times 0 in the gradient.
        let shifted = mask.try_select(&x - top, x.like(0.0))?;
        let weights = mask.try_select(shifted.exp(), x.like(0.0))?;
        let total = weights.try_sum_keep(&axes)?;
        let total = total.eq(total.like(0.0)).select(total.like(1.0), &total);
        mask.try_select(weights / total, x.like(0.0))
    };

    /// `log(softmax(x))` over an axis, several, or all (`..`), without underflow.
    log_softmax try_log_softmax(axes: impl IntoAxes) -> Tensor, fails "If there is no such axis, or this is boolean."
    |x| {
        let (x, axes) = over("log_softmax", x, &axes)?;
        if is_empty(&x, &axes) {
            return Ok(x);
        }
        let shifted = &x - x.try_max_keep(&axes)?.stop_gradient();
        let total = shifted.exp().try_sum_keep(&axes)?.log();
        Ok(shifted - total)
    };

    /// [`log_softmax`](Tensor::log_softmax) of the numbers where `mask` is true, and −∞ elsewhere.
    log_softmax_where try_log_softmax_where(axes: impl IntoAxes, mask: impl TensorLike) -> Tensor,
    fails "If there is no such axis, the mask is not boolean or does not broadcast, or this is boolean."
    |x| {
        let ((x, axes), mask) = (over("log_softmax_where", x, &axes)?, mask.operand()?);
        let shown = mask.try_select(&x, x.like(f64::NEG_INFINITY))?;
        if is_empty(&shown, &axes) {
            return Ok(shown);
        }
        let top = shown.try_max_keep(&axes)?.stop_gradient();
        let shifted = mask.try_select(&x - top, x.like(0.0))?;
        let total = mask.try_select(shifted.exp(), x.like(0.0))?.try_sum_keep(&axes)?;
        let total = total.eq(total.like(0.0)).select(total.like(1.0), &total);
        mask.try_select(shifted - total.log(), x.like(f64::NEG_INFINITY))
    };

    /// `(x - mean) / √(variance + epsilon)` over an axis, several, or all (`..`), where the variance is `mean(x²) - mean²`.
    standardize try_standardize(axes: impl IntoAxes, epsilon: impl Scalar) -> Tensor,
    fails "If there is no such axis, or this is boolean."
    |x| {
        let (x, axes) = over("standardize", x, &axes)?;
        let center = x.try_mean_keep(&axes)?;
        // The difference of two large numbers may come out below zero.
        let variance = (x.square().try_mean_keep(&axes)? - center.square()).maximum(x.like(0.0));
        Ok((x - center) * (variance + epsilon).rsqrt())
    };

    /// [`standardize`](Tensor::standardize) by mean and variance of the numbers where `mask` is true, which broadcasts.
    standardize_where try_standardize_where(
        axes: impl IntoAxes,
        epsilon: impl Scalar,
        mask: impl TensorLike,
    ) -> Tensor, fails "If there is no such axis, the mask is not boolean or does not broadcast, or this is boolean."
    |x| {
        let ((x, axes), mask) = (over("standardize_where", x, &axes)?, mask.operand()?);
        let center = x.try_mean_where_keep(&axes, &mask)?;
        let variance = (x.square().try_mean_where_keep(&axes, &mask)? - center.square()).maximum(x.like(0.0));
        Ok((x - center) * (variance + epsilon).rsqrt())
    };

    /// `log(mean(exp(x)))` over an axis, several, or all (`..`), without overflow.
    logmeanexp try_logmeanexp(axes: impl IntoAxes) -> Tensor, fails "If there is no such axis, or this is boolean."
    |x| {
        let (x, axes) = over("logmeanexp", x, &axes)?;
        let count = axes.iter().map(|axis| x.shape()[axis.unsigned_abs()]).product::<usize>();
        let total = x.try_logsumexp_axes(&axes)?;
        total.try_sub(total.like(count as f64).try_log()?)
    };
}
