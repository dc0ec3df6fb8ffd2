//! Distances between distributions.

use super::{alike, loss};

loss! {
    /// The Kullback-Leibler divergence `Σ t·(log t − log p)` over the last axis, of probabilities `t` and of logarithms of
    /// probabilities, `log_predictions`; a target of 0 adds nothing.
    ///
    /// Source: Kullback and Leibler, *On Information and Sufficiency*, 1951.
    kl_divergence try_kl_divergence(log_predictions: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        alike("kl_divergence", log_predictions, targets)?;
        let present = targets.try_gt(0.0)?;
        let log_targets = present.try_select(targets, 1.0)?.try_log()?;
        let terms = targets.try_mul(log_targets.try_sub(log_predictions)?)?;
        present.try_select(terms, 0.0)?.try_sum_axes(-1)
    }
}

loss! {
    /// As [`kl_divergence`], of logarithms of probabilities on both sides.
    kl_divergence_with_log_targets try_kl_divergence_with_log_targets(
        log_predictions: &crate::Tensor,
        log_targets: &crate::Tensor
    );
    "If the shapes differ, the predictions are no floats, or there is no axis.";
    {
        alike("kl_divergence_with_log_targets", log_predictions, log_targets)?;
        let terms = log_targets.try_exp()?.try_mul(log_targets.try_sub(log_predictions)?)?;
        terms.try_sum_axes(-1)
    }
}
