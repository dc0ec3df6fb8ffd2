//! Losses of rankings.

use super::classification::expected_log;
use super::over::{only, possible};
use super::{Reduction, float, loss};

loss! {
    /// `−Σ y·log softmax(z)` over the last axis, of the scores `z` and relevances `y` of the items of a list, and the mean of all lists.
    ///
    /// Shapes `[..., items]` of logits and labels. Items where `mask`, of that shape, is false are not in the list, and lists without
    /// items count for no mean; the loss without any is 0. `weights` multiply labels. [`Reduction::None`] keeps `[...]`.
    ///
    /// Source: Cao et al., *Learning to Rank: From Pairwise Approach to Listwise Approach*, 2007.
    ranking_softmax_loss try_ranking_softmax_loss(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        mask: Option<&crate::Tensor>,
        weights: Option<&crate::Tensor>,
        reduction: Reduction
    );
    "If the shapes do not broadcast, the logits are no floats, there is no axis, or the mask is not boolean.";
    {
        float("ranking_softmax_loss", logits)?;
        let labels = only(mask, &labels.try_cast(logits.dtype())?, 0.0)?;
        let labels = match weights {
            None => labels,
            Some(weights) => labels.try_mul(weights)?,
        };
        let logs = possible(mask, logits)?.try_log_softmax(-1)?;
        let losses = -expected_log(&labels, &logs)?.try_sum_axes(-1)?;
        let Some(mask) = mask else { return reduction.of(&losses, None) };
        let lists = mask.try_any_axes(-1)?;
        let losses = lists.try_select(&losses, losses.like(0.0))?;
        if reduction != Reduction::Mean {
            return reduction.of(&losses, None);
        }
        let count = lists.try_broadcast_to(losses.shape())?.try_sum()?.try_maximum(1)?;
        losses.try_sum()?.try_div(count.try_cast(losses.dtype())?)
    }
}
