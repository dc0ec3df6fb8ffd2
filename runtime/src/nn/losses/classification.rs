//! Losses of classes.

use super::{alike, float, loss};
use crate::error::Error;

loss! {
    /// `−Σ y·log softmax(z)` over the last axis, of logits `z` and probabilities, or a one-hot class, `y`.
    ///
    /// Shapes broadcast: `[batch, classes]` for both gives `[batch]`.
    ///
    /// Source: Goodfellow et al., *Deep Learning*, 2016.
    softmax_cross_entropy try_softmax_cross_entropy(logits: &crate::Tensor, labels: &crate::Tensor);
    "If the shapes do not broadcast, the logits are no floats, or there is no axis.";
    {
        float("softmax_cross_entropy", logits)?;
        Ok(-logits.try_log_softmax(-1)?.try_mul(labels)?.try_sum_axes(-1)?)
    }
}

loss! {
    /// `log Σ exp z − z[y]` over the last axis, of logits `z` and the number of a class, `y`.
    ///
    /// Logits `[batch, classes]` and integer labels `[batch]` give `[batch]`. A label beyond the last class gives NaN, also under
    /// [`jit`](crate::jit()); negative ones count from the end.
    ///
    /// Source: Goodfellow et al., *Deep Learning*, 2016.
    softmax_cross_entropy_with_integer_labels try_softmax_cross_entropy_with_integer_labels(
        logits: &crate::Tensor,
        labels: &crate::Tensor
    );
    "If the labels are no integers, or have another shape than the logits without their last axis; if the logits are no \
     floats.";
    {
        let op = "softmax_cross_entropy_with_integer_labels";
        float(op, logits)?;
        if !labels.dtype().is_integer() {
            let expected = "labels that are integers (for probabilities there is `softmax_cross_entropy`)";
            return Err(Error::dtype(op, labels.dtype(), expected));
        }
        let Some((_, batch)) = logits.shape().split_last() else {
            return Err(Error::shape(op, "logits without axes", "one axis of classes at least"));
        };
        if labels.shape() != batch {
            let found = format!("logits of shape {:?} and labels of {:?}", logits.shape(), labels.shape());
            return Err(Error::shape(op, found, format!("labels of shape {batch:?}")));
        }
        let chosen = logits.try_take_along_axis(labels.try_expand_dims([-1])?, -1)?.try_squeeze([-1])?;
        logits.try_logsumexp_axes(-1)?.try_sub(chosen)
    }
}

loss! {
    /// `−y·log σ(z) − (1 − y)·log(1 − σ(z))` of each logit `z` and label `y`, which is 0, 1 or a probability.
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
        let yes = logits.try_log_sigmoid()?.try_mul(&labels)?;
        let no = (-logits).try_log_sigmoid()?.try_mul(1.0 - &labels)?;
        Ok(-yes.try_add(no)?)
    }
}

loss! {
    /// [`sigmoid_binary_cross_entropy`] times `(1 − p)^gamma`, with `p` the probability of the right answer, so that what is
    /// known already counts less; optax's `gamma` is 2 by default.
    ///
    /// With `alpha`, ones count `alpha` and zeros `1 − alpha`.
    ///
    /// Source: Lin et al., *Focal Loss for Dense Object Detection*, 2017.
    sigmoid_focal_loss try_sigmoid_focal_loss(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        alpha: Option<f64>,
        gamma: f64
    );
    "If the shapes do not broadcast, or the logits are no floats.";
    {
        let entropy = try_sigmoid_binary_cross_entropy(logits, labels)?;
        let (p, labels) = (logits.try_sigmoid()?, labels.try_cast(logits.dtype())?);
        let right = p.try_mul(&labels)?.try_add((1.0 - &p).try_mul(1.0 - &labels)?)?;
        let focused = entropy.try_mul((1.0 - right).try_pow(gamma)?)?;
        match alpha {
            None => Ok(focused),
            Some(alpha) => focused.try_mul(&labels * alpha + (1.0 - &labels) * (1.0 - alpha)),
        }
    }
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
    /// [`softmax_cross_entropy`] plus `epsilon·(1 − Σ y·softmax(z))`; optax's `epsilon` is 2 by default.
    ///
    /// Source: Leng et al., *Poly Loss*, 2022.
    poly_loss_cross_entropy try_poly_loss_cross_entropy(
        logits: &crate::Tensor,
        labels: &crate::Tensor,
        epsilon: f64
    );
    "If the shapes do not broadcast, the logits are no floats, or there is no axis.";
    {
        let right = logits.try_softmax(-1)?.try_mul(labels)?.try_sum_axes(-1)?;
        try_softmax_cross_entropy(logits, labels)?.try_add((1.0 - right) * epsilon)
    }
}

loss! {
    /// `(1 − alpha)·y + alpha/classes`: a one-hot class, along the last axis, of which a part is given to all classes.
    ///
    /// Source: Müller et al., *When does label smoothing help?*, 2019.
    smooth_labels try_smooth_labels(labels: &crate::Tensor, alpha: f64);
    "If the labels are no floats, or have no axis.";
    {
        float("smooth_labels", labels)?;
        let Some(&classes) = labels.shape().last() else {
            return Err(Error::shape("smooth_labels", "labels without axes", "one axis of classes at least"));
        };
        labels.try_mul(1.0 - alpha)?.try_add(alpha / classes as f64)
    }
}
