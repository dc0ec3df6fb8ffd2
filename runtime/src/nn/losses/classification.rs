//! Losses of classes.

use super::over::{only, possible};
use super::{Over, alike, float, loss};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE, PROBABILITY};
use crate::error::{Error, Result};

/// `y·log p`, and 0 where both are as small as can be: what is impossible and does not happen costs nothing.
#[track_caller]
pub(super) fn expected_log(labels: &Tensor, logs: &Tensor) -> Result<Tensor> {
    let ruled_out = labels.try_eq(0.0)?.try_bitand(logs.try_eq(f32::NEG_INFINITY)?)?;
    // Selected before the product, whose derivative at an infinity is none.
    ruled_out.try_select(logs.like(0.0), logs)?.try_mul(labels)
}

loss! {
    /// `−Σ y·log softmax(z)` over the last axis, of logits `z` and probabilities, or a one-hot class, `y`.
    ///
    /// Shapes broadcast: `[batch, classes]` for both gives `[batch]`. A class that is ruled out, with a logit of −∞ and a label
    /// of 0, adds nothing (optax's function of this name gives NaN then).
    ///
    /// Source: Goodfellow et al., *Deep Learning*, 2016.
    softmax_cross_entropy try_softmax_cross_entropy(logits: &crate::Tensor, labels: &crate::Tensor);
    "If the shapes do not broadcast, the logits are no floats, or there is no axis.";
    {
        try_softmax_cross_entropy_over(logits, labels, Over::default())
    }
}

loss! {
    /// [`softmax_cross_entropy`] over other axes, or of some classes only; the others are as if they had no label and a logit of
    /// −∞. Where there are none at all, the loss is 0.
    softmax_cross_entropy_over try_softmax_cross_entropy_over(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        over: impl Into<Over>
    );
    "If the shapes do not broadcast, the logits are no floats, there is no such axis, or the mask does not fit.";
    {
        float("softmax_cross_entropy", logits)?;
        let ([logits, labels], mask) = over.into().rows("softmax_cross_entropy", [logits, labels])?;
        let labels = only(mask.as_ref(), &labels, 0.0)?;
        let logs = possible(mask.as_ref(), &logits)?.try_log_softmax(-1)?;
        Ok(-expected_log(&labels, &logs)?.try_sum_axes(-1)?)
    }
}

loss! {
    /// [`softmax_cross_entropy`], which is safe here, by the name that optax has for it.
    safe_softmax_cross_entropy try_safe_softmax_cross_entropy(logits: &crate::Tensor, labels: &crate::Tensor);
    "If the shapes do not broadcast, the logits are no floats, or there is no axis.";
    {
        try_softmax_cross_entropy(logits, labels)
    }
}

loss! {
    /// `log Σ exp z − z[y]` over the last axis, of logits `z` and the number of a class, `y`.
    ///
    /// Logits `[batch, classes]` and integer labels `[batch]` give `[batch]`. A label beyond the last class gives NaN, also under
    /// [`jit`](crate::jit()); negative ones count from the end.
    ///
    /// Classes may be ruled out by a logit of −∞.
    ///
    /// Source: Goodfellow et al., *Deep Learning*, 2016.
    softmax_cross_entropy_with_integer_labels try_softmax_cross_entropy_with_integer_labels(
        logits: &crate::Tensor,
        labels: &crate::Tensor
    );
    "If the labels are no integers, or have another shape than the logits without their last axis; if the logits are no \
     floats.";
    {
        try_softmax_cross_entropy_with_integer_labels_over(logits, labels, Over::default())
    }
}

loss! {
    /// [`softmax_cross_entropy_with_integer_labels`] over other axes, or of some classes only.
    ///
    /// Labels have the shape of the logits without the axes that are summed over; several axes count as one, in the order they are
    /// written. The other classes are as if they had a logit of −∞ among the normalized, and where there are none at all, the loss
    /// is 0.
    softmax_cross_entropy_with_integer_labels_over try_softmax_cross_entropy_with_integer_labels_over(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        over: impl Into<Over>
    );
    "If the labels are no integers, or have another shape than the logits without these axes; if the logits are no floats, there \
     is no such axis, or the mask does not fit.";
    {
        let op = "softmax_cross_entropy_with_integer_labels";
        float(op, logits)?;
        if !labels.dtype().is_integer() {
            let expected = "labels that are integers (for probabilities there is `softmax_cross_entropy`)";
            return Err(Error::dtype(op, labels.dtype(), expected));
        }
        if logits.rank() == 0 {
            return Err(Error::shape(op, "logits without axes", "one axis of classes at least"));
        }
        let ([rows], mask) = over.into().rows(op, [logits])?;
        let batch = &rows.shape()[..rows.rank() - 1];
        if labels.shape() != batch {
            let found = format!("logits of shape {:?} and labels of {:?}", logits.shape(), labels.shape());
            return Err(Error::shape(op, found, format!("labels of shape {batch:?}")));
        }
        let chosen = rows.try_take_along_axis(labels.try_expand_dims([-1])?, -1)?.try_squeeze([-1])?;
        let loss = possible(mask.as_ref(), &rows)?.try_logsumexp_axes(-1)?.try_sub(chosen)?;
        match &mask {
            None => Ok(loss),
            Some(mask) => mask.try_any_axes(-1)?.try_select(&loss, loss.like(0.0)),
        }
    }
}

loss! {
    /// `−y·log σ(z) − (1 − y)·log(1 − σ(z))` of each logit `z` and label `y`, which is 0, 1 or a probability.
    ///
    /// Certain predictions, of infinite logits, cost 0 where they are right and ∞ where they are wrong.
    ///
    /// Source: Goodfellow et al., *Deep Learning*, 2016.
    sigmoid_binary_cross_entropy try_sigmoid_binary_cross_entropy(
        logits: &crate::Tensor,
        labels: &crate::Tensor
    );
    "If the shapes do not broadcast, or the logits are no floats.";
    {
        float("sigmoid_binary_cross_entropy", logits)?;
        let labels = labels.try_cast(logits.dtype())?;
        let yes = expected_log(&labels, &logits.try_log_sigmoid()?)?;
        let no = expected_log(&(1.0 - &labels), &(-logits).try_log_sigmoid()?)?;
        Ok(-yes.try_add(no)?)
    }
}

loss! {
    /// [`sigmoid_binary_cross_entropy`] times `(1 − p)^gamma`, with `p` the probability of the right answer, so that what is
    /// known already counts less; optax's `gamma` is 2 by default.
    ///
    /// `gamma` is at least 0. With `alpha`, from 0 to 1, ones count `alpha` and zeros `1 − alpha`. The weight is a power of
    /// logarithms: its derivative is finite where `p` is 1, also for a `gamma` below 1.
    ///
    /// Source: Lin et al., *Focal Loss for Dense Object Detection*, 2017.
    sigmoid_focal_loss try_sigmoid_focal_loss(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        alpha: Option<f64>,
        gamma: f64
    );
    "If the shapes do not broadcast, the logits are no floats, or a number is outside of its domain.";
    {
        NOT_NEGATIVE.check("sigmoid_focal_loss", "gamma", gamma)?;
        PROBABILITY.check("sigmoid_focal_loss", "alpha", alpha.unwrap_or_default())?;
        let entropy = try_sigmoid_binary_cross_entropy(logits, labels)?;
        let labels = labels.try_cast(logits.dtype())?;
        let focused = if gamma == 0.0 {
            entropy
        } else {
            entropy.try_mul((log_of_wrong(logits, &labels)? * gamma).try_exp()?)?
        };
        match alpha {
            None => Ok(focused),
            Some(alpha) => focused.try_mul(&labels * alpha + (1.0 - &labels) * (1.0 - alpha)),
        }
    }
}

/// `log((1 − y)·σ(z) + y·σ(−z))`, the logarithm of the probability of the wrong answer.
fn log_of_wrong(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (log_p, log_q) = (logits.try_log_sigmoid()?, (-logits).try_log_sigmoid()?);
    let (yes, no) = (labels.try_eq(1.0)?, labels.try_eq(0.0)?);
    // Labels between the two only: logarithms of 0 have no gradient.
    let between = yes.try_bitor(&no)?.try_select(labels.like(0.5), labels)?;
    let mixed = (&log_p + (1.0 - &between).try_log()?).try_logaddexp(&log_q + between.try_log()?)?;
    yes.try_select(log_q, no.try_select(log_p, mixed)?)
}

loss! {
    /// `max(0, 1 − ŷ·y)` of each score `ŷ` and target `y`, which is −1 or 1.
    ///
    /// Source: Cortes and Vapnik, *Support-vector networks*, 1995.
    hinge_loss try_hinge_loss(scores: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, or the scores are no floats.";
    {
        alike("hinge_loss", scores, targets)?;
        (1.0 - scores.try_mul(targets)?).try_maximum(0.0)
    }
}

loss! {
    /// `max(0, −ŷ·y)` of each score `ŷ` and target `y`, which is −1 or 1.
    ///
    /// Source: Rosenblatt, *The Perceptron*, 1958.
    perceptron_loss try_perceptron_loss(scores: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, or the scores are no floats.";
    {
        alike("perceptron_loss", scores, targets)?;
        (-scores.try_mul(targets)?).try_maximum(0.0)
    }
}

loss! {
    /// [`softmax_cross_entropy`] plus `epsilon·Σ y·(1 − softmax(z))`; `epsilon` is finite, optax's is 2 by default.
    ///
    /// Source: Leng et al., *Poly Loss*, 2022.
    poly_loss_cross_entropy try_poly_loss_cross_entropy(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        epsilon: f64
    );
    "If the shapes do not broadcast, the logits are no floats, there is no axis, or `epsilon` is not finite.";
    {
        try_poly_loss_cross_entropy_over(logits, labels, epsilon, Over::default())
    }
}

loss! {
    /// [`poly_loss_cross_entropy`] over other axes, or of some classes only, as [`softmax_cross_entropy_over`].
    poly_loss_cross_entropy_over try_poly_loss_cross_entropy_over(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        epsilon: f64,
        over: impl Into<Over>
    );
    "If the shapes do not broadcast, the logits are no floats, there is no such axis, the mask does not fit, or `epsilon` is not \
     finite.";
    {
        FINITE.check("poly_loss_cross_entropy", "epsilon", epsilon)?;
        let over = over.into();
        let entropy = try_softmax_cross_entropy_over(logits, labels, over.clone())?;
        let ([logits, labels], mask) = over.rows("poly_loss_cross_entropy", [logits, labels])?;
        let labels = only(mask.as_ref(), &labels, 0.0)?;
        let right = possible(mask.as_ref(), &logits)?.try_softmax(-1)?;
        let wrong = (1.0 - right).try_mul(labels)?.try_sum_axes(-1)?;
        entropy.try_add(wrong * epsilon)
    }
}

loss! {
    /// `(1 − alpha)·y + alpha/classes`: a one-hot class, along the last axis, of which a part, from 0 to 1, is given to all
    /// classes.
    ///
    /// Source: Müller et al., *When does label smoothing help?*, 2019.
    smooth_labels try_smooth_labels(labels: &crate::Tensor, alpha: f64);
    "If the labels are no floats, or have no axis; if `alpha` is not from 0 to 1.";
    {
        try_smooth_labels_over(labels, alpha, Over::default())
    }
}

loss! {
    /// [`smooth_labels`] of classes along other axes, or of some classes only, whose number `alpha` is divided by.
    smooth_labels_over try_smooth_labels_over(labels: &crate::Tensor, alpha: f64, over: impl Into<Over>);
    "If the labels are no floats, there is no such axis, or the mask does not fit; if `alpha` is not from 0 to 1.";
    {
        PROBABILITY.check("smooth_labels", "alpha", alpha)?;
        float("smooth_labels", labels)?;
        let classes = over.into().count("smooth_labels", labels)?;
        labels.try_mul(1.0 - alpha)?.try_add(classes.like(alpha).try_div(classes)?)
    }
}
