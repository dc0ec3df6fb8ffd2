//! Losses of segmentations: how much of what is predicted and of what is there overlaps.

use super::{Reduction, float, loss};
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::error::{Error, Result, unwrap};
use crate::ops::axes::IntoAxes;

/// The settings of [`dice_loss`].
#[derive(Clone, Debug)]
pub struct DiceLoss {
    class_weights: Option<Tensor>,
    smooth: f64,
    alpha: f64,
    beta: f64,
    apply_softmax: bool,
    reduction: Reduction,
    ignore_background: bool,
    axes: Option<Vec<isize>>,
}

impl Default for DiceLoss {
    fn default() -> DiceLoss {
        DiceLoss {
            class_weights: None,
            smooth: 1.0,
            alpha: 0.5,
            beta: 0.5,
            apply_softmax: true,
            reduction: Reduction::Mean,
            ignore_background: false,
            axes: None,
        }
    }
}

impl DiceLoss {
    /// The settings of [`dice_loss`], as optax's defaults.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::losses::{DiceLoss, Reduction};
    ///
    /// let (logits, targets) = (Tensor::zeros([2, 4, 3]), Tensor::ones([2, 4, 3]));
    /// let loss = DiceLoss::new().alpha(0.3).beta(0.7).reduction(Reduction::None).call(&logits, &targets);
    /// assert_eq!(loss.shape(), [2, 3]);
    /// ```
    pub fn new() -> DiceLoss {
        DiceLoss::default()
    }

    /// What the losses of classes are multiplied by, `[classes]`; nothing by default.
    #[must_use]
    pub fn class_weights(self, weights: &Tensor) -> Self {
        DiceLoss { class_weights: Some(weights.clone()), ..self }
    }

    /// What is added to both sides of the ratio: at least 0; 1 by default.
    #[must_use]
    pub fn smooth(self, smooth: f64) -> Self {
        DiceLoss { smooth, ..self }
    }

    /// What false positives count: at least 0; ½ by default.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        DiceLoss { alpha, ..self }
    }

    /// What false negatives count: at least 0; ½ by default.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        DiceLoss { beta, ..self }
    }

    /// Whether predictions are logits, which is the default, or probabilities.
    #[must_use]
    pub fn apply_softmax(self, apply: bool) -> Self {
        DiceLoss { apply_softmax: apply, ..self }
    }

    /// What becomes of the losses of an example's classes; their mean by default.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        DiceLoss { reduction, ..self }
    }

    /// Whether the first of several classes does not count.
    #[must_use]
    pub fn ignore_background(self, ignore: bool) -> Self {
        DiceLoss { ignore_background: ignore, ..self }
    }

    /// The axes of an image; all but the first and the last by default.
    #[must_use]
    pub fn axes(self, axes: impl IntoAxes) -> Self {
        DiceLoss { axes: Some(axes.axes().to_vec()), ..self }
    }

    /// The loss; see [`dice_loss`].
    ///
    /// # Panics
    /// If the shapes differ, the predictions are no floats, or not probabilities that sum to 1 where they should be, there is no
    /// such axis, or a number is outside of its domain.
    #[track_caller]
    pub fn call(&self, predictions: &Tensor, targets: &Tensor) -> Tensor {
        unwrap(self.try_call(predictions, targets))
    }

    /// As [`call`](DiceLoss::call).
    ///
    /// # Errors
    /// If the shapes differ, the predictions are no floats, or not probabilities that sum to 1 where they should be, there is no
    /// such axis, or a number is outside of its domain.
    #[track_caller]
    pub fn try_call(&self, predictions: &Tensor, targets: &Tensor) -> Result<Tensor> {
        const OP: &str = "dice_loss";
        float(OP, predictions)?;
        NOT_NEGATIVE.check(OP, "smooth", self.smooth)?;
        NOT_NEGATIVE.check(OP, "alpha", self.alpha)?;
        NOT_NEGATIVE.check(OP, "beta", self.beta)?;
        let (predictions, targets) = with_classes(predictions, targets)?;
        let classes = predictions.shape().last().copied().unwrap_or_default();
        let p = self.probabilities(&predictions, classes)?;
        let axes = match &self.axes {
            Some(axes) => axes.clone(),
            None => (1..p.rank() as isize - 1).collect(),
        };
        let sum = |x: &Tensor| x.try_sum_axes(&axes);
        let both = sum(&p.try_mul(&targets)?)?;
        let only_predicted = sum(&p)?.try_sub(&both)?;
        let only_there = sum(&targets)?.try_cast(both.dtype())?.try_sub(&both)?;
        let all = both.try_add(only_predicted * self.alpha)?.try_add(only_there * self.beta)? + self.smooth;
        let mut losses = 1.0 - (both + self.smooth).try_div(all)?;
        if let Some(weights) = &self.class_weights {
            if weights.shape() != [classes] {
                let found = format!("weights of shape {:?}", weights.shape());
                return Err(Error::shape(OP, found, format!("one for each of {classes} classes")));
            }
            losses = losses.try_mul(weights)?;
        }
        if self.ignore_background && classes > 1 {
            losses = losses.try_slice_axis(-1, 1..)?;
        }
        self.reduction.of(&losses, Some(-1))
    }

    #[track_caller]
    fn probabilities(&self, predictions: &Tensor, classes: usize) -> Result<Tensor> {
        match (self.apply_softmax, classes) {
            (true, 1) => predictions.try_sigmoid(),
            (true, _) => predictions.try_softmax(-1),
            (false, 1) => Ok(predictions.clone()),
            (false, _) => {
                let sums = predictions.try_sum_axes(-1)?;
                let right = sums.try_is_close(1.0, 1e-5, 1e-8)?.try_all()?;
                // A value of a transform has no elements that could be looked at.
                if matches!(right.item::<bool>(), Ok(false)) {
                    let message = "without `apply_softmax`, expects predictions that are probabilities, whose \
                                   sum over the last axis is 1";
                    return Err(Error::argument("dice_loss", message.to_owned()));
                }
                Ok(predictions.clone())
            }
        }
    }
}

/// Both with an axis of classes; the one that is without gets one of size 1.
#[track_caller]
fn with_classes(predictions: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let (mut predictions, mut targets) = (predictions.clone(), targets.clone());
    if predictions.rank() + 1 == targets.rank() {
        predictions = predictions.try_expand_dims([-1])?;
    }
    if targets.rank() + 1 == predictions.rank() {
        targets = targets.try_expand_dims([-1])?;
    }
    if predictions.shape() != targets.shape() || predictions.rank() == 0 {
        let found =
            format!("predictions of shape {:?} and targets of {:?}", predictions.shape(), targets.shape());
        return Err(Error::shape("dice_loss", found, "one shape, [batch, ..., classes]"));
    }
    Ok((predictions, targets))
}

loss! {
    /// 1 minus the overlap `(Σ p·t + smooth) / (Σ p·t + alpha·Σ p·(1 − t) + beta·Σ (1 − p)·t + smooth)` of what is predicted and what
    /// is there, over the axes of each image: the mean of its classes.
    ///
    /// Logits and targets `[batch, ..., classes]` give `[batch]`; one of both may be without the axis of a single class. Probabilities are
    /// a softmax of the logits, or the logistic function of a single one. With ½ for `alpha` and `beta`, it is that of Dice; others
    /// make that of Tversky. [`DiceLoss`] has all settings.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let targets = Tensor::from([[[1.0f32, 0.0], [0.0, 1.0]]]);
    /// let right = losses::dice_loss(&(&targets * 100.0), &targets);
    /// assert!(right.all_close(0.0f32, 0.0, 1e-6)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// Source: Milletari et al., *V-Net*, 2016.
    dice_loss try_dice_loss(predictions: &crate::Tensor, targets: &crate::Tensor);
    "If the shapes differ, or the predictions are no floats.";
    {
        DiceLoss::new().try_call(predictions, targets)
    }
}

loss! {
    /// [`dice_loss`] of a single class: logits and targets `[batch, ...]`, with or without a last axis of size 1, give `[batch]`.
    ///
    /// `smooth` is at least 0, and 1 by default in optax, as `apply_sigmoid` is true; without, predictions are probabilities (which in optax must
    /// then all be 1).
    binary_dice_loss try_binary_dice_loss(
        predictions: &crate::Tensor,
        targets: &crate::Tensor,
        smooth: f64,
        apply_sigmoid: bool
    );
    "If the shapes differ, the predictions are no floats, or `smooth` is outside of its domain.";
    {
        let settings = DiceLoss::new().smooth(smooth).apply_softmax(apply_sigmoid);
        if predictions.rank() == targets.rank() && predictions.shape().last() != Some(&1) {
            let wider = |x: &Tensor| x.try_expand_dims([-1]);
            return settings.try_call(&wider(predictions)?, &wider(targets)?);
        }
        settings.try_call(predictions, targets)
    }
}

loss! {
    /// The mean of [`dice_loss`] of all images and classes, which are weighted by `1 / (n² + 10⁻⁷)`, where `n` is how much of the class
    /// there is; the mean of the weights is 1.
    ///
    /// Logits and targets `[batch, ..., classes]` give a scalar. In optax, `smooth` is 1 by default, `apply_softmax` true, and
    /// `ignore_background` false.
    ///
    /// Source: Sudre et al., *Generalised Dice overlap as a deep learning loss function for highly unbalanced segmentations*, 2017.
    multiclass_generalized_dice_loss try_multiclass_generalized_dice_loss(
        predictions: &crate::Tensor,
        targets: &crate::Tensor,
        smooth: f64,
        apply_softmax: bool,
        ignore_background: bool
    );
    "If the shapes differ, the predictions are no floats, or `smooth` is outside of its domain.";
    {
        super::alike("multiclass_generalized_dice_loss", predictions, targets)?;
        FINITE.check("multiclass_generalized_dice_loss", "smooth", smooth)?;
        let images: Vec<isize> = (0..targets.rank() as isize - 1).collect();
        let frequencies = targets.try_sum_axes(images)?;
        let weights = 1.0 / (frequencies.try_square()?.try_cast(predictions.dtype())? + 1e-7);
        let mean = weights.try_mean()?;
        DiceLoss::new()
            .class_weights(&weights.try_div(mean)?)
            .smooth(smooth)
            .apply_softmax(apply_softmax)
            .ignore_background(ignore_background)
            .reduction(Reduction::None)
            .try_call(predictions, targets)?
            .try_mean()
    }
}
