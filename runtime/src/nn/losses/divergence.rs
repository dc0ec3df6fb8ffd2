//! Distances between distributions.

use super::over::only;
use super::{Over, alike, loss};
use crate::core::Tensor;
use crate::error::Result;

/// `t·(log t − log p)`, and 0 where both are as small as can be: what is impossible and does not happen costs nothing.
#[track_caller]
fn excess(log_predictions: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let absent = targets.try_eq(0.0)?;
    // Of a target of 0 the logarithm counts as 0, so that the derivative for the target is that of `−t·log p`.
    let log_targets = absent.try_select(targets.like(1.0), targets)?.try_log()?;
    let excess = log_targets.try_sub(log_predictions)?;
    let ruled_out = absent.try_bitand(log_predictions.try_eq(f32::NEG_INFINITY)?)?;
    targets.try_mul(ruled_out.try_select(excess.like(0.0), excess)?)
}

loss! {
    /// The Kullback-Leibler divergence `Σ t·(log t − log p)` over the last axis, of probabilities `t` and of logarithms of
    /// probabilities, `log_predictions`; a target of 0 adds nothing, also where the prediction is impossible.
    ///
    /// Source: Kullback and Leibler, *On Information and Sufficiency*, 1951.
    kl_divergence try_kl_divergence(log_predictions: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        try_kl_divergence_over(log_predictions, targets, Over::default())
    }
}

loss! {
    /// [`kl_divergence`] over other axes, or of some classes only.
    kl_divergence_over try_kl_divergence_over(
        log_predictions: &crate::Tensor,
        targets: &crate::Tensor,
        over: impl Into<Over>
    );
    "If the shapes differ, the predictions are no floats, there is no such axis, or the mask does not fit.";
    {
        alike("kl_divergence", log_predictions, targets)?;
        let ([logs, targets], mask) = over.into().rows("kl_divergence", [log_predictions, targets])?;
        let (logs, targets) = (only(mask.as_ref(), &logs, 0.0)?, only(mask.as_ref(), &targets, 0.0)?);
        excess(&logs, &targets)?.try_sum_axes(-1)
    }
}

loss! {
    /// As [`kl_divergence`], of logarithms of probabilities on both sides; −∞ as a target adds nothing.
    kl_divergence_with_log_targets try_kl_divergence_with_log_targets(
        log_predictions: &crate::Tensor,
        log_targets: &crate::Tensor
    );
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        try_kl_divergence_with_log_targets_over(log_predictions, log_targets, Over::default())
    }
}

loss! {
    /// [`kl_divergence_with_log_targets`] over other axes, or of some classes only.
    kl_divergence_with_log_targets_over try_kl_divergence_with_log_targets_over(
        log_predictions: &crate::Tensor,
        log_targets: &crate::Tensor,
        over: impl Into<Over>
    );
    "If the shapes differ, the predictions are no floats, there is no such axis, or the mask does not fit.";
    {
        let op = "kl_divergence_with_log_targets";
        alike(op, log_predictions, log_targets)?;
        let ([logs, log_targets], mask) = over.into().rows(op, [log_predictions, log_targets])?;
        let (logs, log_targets) =
            (only(mask.as_ref(), &logs, 0.0)?, only(mask.as_ref(), &log_targets, f64::NEG_INFINITY)?);
        let absent = log_targets.try_eq(f32::NEG_INFINITY)?;
        let excess = log_targets.try_sub(logs)?;
        let excess = absent.try_select(excess.like(0.0), excess)?;
        log_targets.try_exp()?.try_mul(excess)?.try_sum_axes(-1)
    }
}

loss! {
    /// `Σ t·(log t − log p) + p − t` over the last axis, of logarithms of predictions and of targets that need not sum to 1: convex in
    /// both, 0 where they are the same, and [`kl_divergence`] of distributions.
    ///
    /// Source: Kullback and Leibler, *On Information and Sufficiency*, 1951.
    generalized_kl_divergence try_generalized_kl_divergence(
        log_predictions: &crate::Tensor,
        targets: &crate::Tensor
    );
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        try_generalized_kl_divergence_over(log_predictions, targets, Over::default())
    }
}

loss! {
    /// [`generalized_kl_divergence`] over other axes, or of some classes only.
    generalized_kl_divergence_over try_generalized_kl_divergence_over(
        log_predictions: &crate::Tensor,
        targets: &crate::Tensor,
        over: impl Into<Over>
    );
    "If the shapes differ, the predictions are no floats, there is no such axis, or the mask does not fit.";
    {
        let over = over.into();
        let divergence = try_kl_divergence_over(log_predictions, targets, over.clone())?;
        let ([logs, targets], mask) = over.rows("generalized_kl_divergence", [log_predictions, targets])?;
        let difference = only(mask.as_ref(), &logs, 0.0)?.try_exp()?.try_sub(targets)?;
        divergence.try_add(only(mask.as_ref(), &difference, 0.0)?.try_sum_axes(-1)?)
    }
}

loss! {
    /// [`generalized_kl_divergence`] by the name that it has in optax before 0.2.4.
    convex_kl_divergence try_convex_kl_divergence(log_predictions: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        try_generalized_kl_divergence(log_predictions, targets)
    }
}
