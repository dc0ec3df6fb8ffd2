//! Distances between distributions.

use super::{alike, loss};

loss! {
    /// The Kullback-Leibler divergence `Σ t·(log t − log p)` over the last axis, of probabilities `t` and of logarithms of
    /// probabilities, `log_predictions`; a target of 0 adds nothing, also where the prediction is impossible.
    ///
    /// Source: Kullback and Leibler, *On Information and Sufficiency*, 1951.
    kl_divergence try_kl_divergence(log_predictions: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        alike("kl_divergence", log_predictions, targets)?;
        let absent = targets.try_eq(0.0)?;
        let log_targets = absent.try_select(targets.like(1.0), targets)?.try_log()?;
        let excess = log_targets.try_sub(log_predictions)?;
        let ruled_out = absent.try_bitand(log_predictions.try_eq(f32::NEG_INFINITY)?)?;
        targets.try_mul(ruled_out.try_select(excess.like(0.0), excess)?)?.try_sum_axes(-1)
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
        alike("kl_divergence_with_log_targets", log_predictions, log_targets)?;
        let absent = log_targets.try_eq(f32::NEG_INFINITY)?;
        let excess = log_targets.try_sub(log_predictions)?;
        let excess = absent.try_select(excess.like(0.0), excess)?;
        log_targets.try_exp()?.try_mul(excess)?.try_sum_axes(-1)
    }
}
