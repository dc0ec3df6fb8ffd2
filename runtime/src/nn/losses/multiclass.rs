//! Losses of classes by the largest score, and by the nearest point of a simplex.

use super::{float, loss};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::broadcast_shapes;
use crate::transform::vmap;

/// Scores with their classes as the last axis, and integer labels without it, as one-hot vectors.
#[track_caller]
fn one_hot(op: &'static str, scores: &Tensor, labels: &Tensor) -> Result<Tensor> {
    float(op, scores)?;
    if !labels.dtype().is_integer() {
        return Err(Error::dtype(op, labels.dtype(), "labels that are integers"));
    }
    let Some((&classes, batch)) = scores.shape().split_last() else {
        return Err(Error::shape(op, "scores without axes", "one axis of classes at least"));
    };
    if labels.shape() != batch {
        let found = format!("scores of shape {:?} and labels of {:?}", scores.shape(), labels.shape());
        return Err(Error::shape(op, found, format!("labels of shape {batch:?}")));
    }
    labels.try_one_hot(classes, -1, scores.dtype())
}

loss! {
    /// `max(s + 1 − onehot(y)) − s[y]` over the last axis, of scores `s` and the number of a class, `y`.
    ///
    /// Scores `[..., classes]` and integer labels `[...]` give `[...]`. A label that is no class counts as no class.
    ///
    /// Source: Crammer and Singer, *On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines*, 2001.
    multiclass_hinge_loss try_multiclass_hinge_loss(scores: &crate::Tensor, labels: &crate::Tensor);
    "If the labels are no integers, or have another shape than the scores without their last axis; if the scores are no floats.";
    {
        let label = one_hot("multiclass_hinge_loss", scores, labels)?;
        let margins = scores.try_add(1.0)?.try_sub(&label)?.try_max_axes(-1)?;
        margins.try_sub(scores.try_mul(label)?.try_sum_axes(-1)?)
    }
}

loss! {
    /// `max(s) − s[y]` over the last axis, of scores `s` and the number of a class, `y`.
    ///
    /// Scores `[..., classes]` and integer labels `[...]` give `[...]`. A label that is no class counts as no class.
    ///
    /// Source: Collins, *Discriminative Training Methods for Hidden Markov Models*, 2002.
    multiclass_perceptron_loss try_multiclass_perceptron_loss(scores: &crate::Tensor, labels: &crate::Tensor);
    "If the labels are no integers, or have another shape than the scores without their last axis; if the scores are no floats.";
    {
        let label = one_hot("multiclass_perceptron_loss", scores, labels)?;
        scores.try_max_axes(-1)?.try_sub(scores.try_mul(label)?.try_sum_axes(-1)?)
    }
}

loss! {
    /// `p·(s − s[y]) + ½·(1 − p·p)` over the last axis, where `p` is the point of the simplex that is nearest to the scores `s`,
    /// and `y` the number of a class.
    ///
    /// Scores `[..., classes]` and integer labels `[...]` give `[...]`. The gradient is `p − onehot(y)`.
    ///
    /// Source: Martins and Astudillo, *From Softmax to Sparsemax*, 2016.
    multiclass_sparsemax_loss try_multiclass_sparsemax_loss(scores: &crate::Tensor, labels: &crate::Tensor);
    "If the labels are no integers, or have another shape than the scores without their last axis; if the scores are no floats.";
    {
        let label = one_hot("multiclass_sparsemax_loss", scores, labels)?;
        let p = project_onto_simplex(scores)?;
        let ahead = scores.try_sub(scores.try_mul(&label)?.try_sum_keep(-1)?)?;
        let ahead = p.try_eq(0.0)?.try_bitor(label.try_ne(0.0)?)?.try_select(scores.like(0.0), ahead)?;
        let gap = 1.0 - p.try_square()?.try_sum_axes(-1)?;
        p.try_mul(ahead)?.try_sum_axes(-1)?.try_add(gap * 0.5)
    }
}

/// The nearest point with elements of at least 0 and a sum of 1, along the last axis.
///
/// Elements above a threshold stay, all less by one number. Of it the derivative is that of the mean of those elements.
///
/// Source: Duchi et al., *Efficient Projections onto the ℓ1-Ball for Learning in High Dimensions*, 2008.
#[track_caller]
pub(crate) fn project_onto_simplex(x: &Tensor) -> Result<Tensor> {
    let fixed = x.stop_gradient();
    let sorted = fixed.try_sort_descending(-1)?;
    let sums = sorted.try_cumsum(-1)?;
    let n = x.shape().last().copied().unwrap_or_default();
    let ranks = Tensor::try_arange_of(1i32, n as i32 + 1, 1, x.dtype())?;
    let stays = (1.0 / &ranks).try_add(sorted.try_sub(sums.try_div(ranks)?)?)?.try_gt(0.0)?;
    let count = stays.try_sum_keep(-1)?;
    // At least the largest stays; of NaN nothing does.
    let last = (&count - 1).try_maximum(0)?;
    let count = count.try_cast(x.dtype())?;
    let threshold = sums.try_take_along_axis(last, -1)?.try_sub(1.0)?.try_div(&count)?;
    let kept = fixed.try_gt(threshold)?;
    let sum = kept.try_select(x, x.like(0.0))?.try_sum_keep(-1)?;
    let kept_count = kept.try_sum_keep(-1)?.try_cast(x.dtype())?;
    kept.try_select(x.try_sub(sum.try_sub(1.0)?.try_div(kept_count)?)?, x.like(0.0))
}

loss! {
    /// The binary loss of sparsemax: 0 for margins below −1, the margin itself above 1, and `¼·(m + 1)²` in between, where the margin
    /// `m` is `z` for a label of 0 and `−z` for others, with `z` the logit.
    ///
    /// Source: Blondel et al., *Learning with Fenchel-Young Losses*, 2019.
    sparsemax_loss try_sparsemax_loss(logits: &crate::Tensor, labels: &crate::Tensor);
    "If the shapes do not broadcast, or the logits are no floats.";
    {
        float("sparsemax_loss", logits)?;
        let yes = if labels.dtype() == DType::Bool { labels.clone() } else { labels.try_ne(0)? };
        let margin = yes.try_select(-logits, logits)?;
        let curve = margin.try_add(1.0)?.try_square()?.try_div(4.0)?;
        let line = margin.try_ge(1.0)?.try_select(&margin, curve)?;
        margin.try_le(-1.0)?.try_select(margin.like(0.0), line)
    }
}

/// The Fenchel-Young loss of a function `max_fun` from a vector of scores to the largest value of a regularized prediction:
/// `max_fun(s) − y·s` over the last axis, of scores `s` and targets `y`.
///
/// `max_fun` is given a vector, and returns a scalar. With `logsumexp` it makes the loss of the softmax:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::losses::make_fenchel_young_loss;
///
/// let loss = make_fenchel_young_loss(|scores: &Tensor| scores.try_logsumexp());
/// let (scores, targets) = (Tensor::from([[1.0f32, 2.0], [0.0, 0.0]]), Tensor::from([[0.0f32, 1.0], [1.0, 0.0]]));
/// assert!(loss(&scores, &targets)?.all_close(softmax_cross_entropy(&scores, &targets), 1e-6, 1e-6)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// The returned function returns what `max_fun` does; an error if the shapes do not broadcast, the scores are no floats, or there is
/// no axis.
///
/// Source: Blondel et al., *Learning with Fenchel-Young Losses*, 2019.
pub fn make_fenchel_young_loss(
    max_fun: impl Fn(&Tensor) -> Result<Tensor>,
) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor> {
    move |scores: &Tensor, targets: &Tensor| {
        const OP: &str = "fenchel_young_loss";
        float(OP, scores)?;
        let Some((&n, batch)) = scores.shape().split_last() else {
            return Err(Error::shape(OP, "scores without axes", "one axis of scores at least"));
        };
        let rows = scores.try_reshape([batch.iter().product(), n])?;
        let largest = vmap(|row: Tensor| max_fun(&row)).call(rows)?.try_reshape(batch)?;
        broadcast_shapes(OP, &[scores.shape(), targets.shape()])?;
        largest.try_sub(targets.try_mul(scores)?.try_sum_axes(-1)?)
    }
}
