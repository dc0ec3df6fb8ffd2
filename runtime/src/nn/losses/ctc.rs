//! Connectionist temporal classification: the loss of sequences whose alignment with their labels is not known.

use super::{float, loss};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::FINITE;
use crate::error::{Error, Result};
use crate::transform::scan;

loss! {
    /// `−log P(labels | logits)` of each sequence: over all alignments of the labels with the steps, with blanks in between and labels
    /// that last for several steps.
    ///
    /// Logits `[batch, steps, classes]`, their paddings `[batch, steps]`, labels `[batch, length]`, which are integers, and their paddings
    /// `[batch, length]` give `[batch]`. Paddings are 1 where there is nothing, otherwise 0, and follow what there is. `blank_id` is the class
    /// of blanks, and `log_epsilon` stands for the logarithm of 0; in optax they are 0 and −10⁵ by default. It is computed in `F32`
    /// at least.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// // Of two steps the first or the second or both may say the label: 3 of 4 equally likely paths.
    /// let logits = Tensor::zeros([1, 2, 2]);
    /// let (labels, none) = (Tensor::from([[1]]), Tensor::zeros([1, 1]));
    /// let loss = losses::ctc_loss(&logits, &Tensor::zeros([1, 2]), &labels, &none, 0, -1e5);
    /// assert!(loss.all_close((4f32 / 3.0).ln(), 1e-5, 0.0)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// Source: Graves et al., *Connectionist Temporal Classification*, 2006.
    ctc_loss try_ctc_loss(
        logits: &crate::Tensor,
        logit_paddings: &crate::Tensor,
        labels: &crate::Tensor,
        label_paddings: &crate::Tensor,
        blank_id: usize,
        log_epsilon: f64
    );
    "If the shapes do not fit, the logits are no floats, the labels no integers, `blank_id` is no class, or `log_epsilon` is not \
     finite.";
    {
        let (loss, ..) = try_ctc_loss_with_forward_probs(
            logits, logit_paddings, labels, label_paddings, blank_id, log_epsilon,
        )?;
        Ok(loss)
    }
}

/// [`ctc_loss`], and the logarithms of the forward probabilities it is made of.
///
/// The second result, `[steps, batch, length + 1]`, is about paths that are at a blank before the label of that number, and the third,
/// `[steps, batch, length]`, about those at that label: the logarithm of the probability of all of them up to that step.
///
/// # Errors
/// If the shapes do not fit, the logits are no floats, the labels no integers, `blank_id` is no class, or `log_epsilon` is not
/// finite.
#[track_caller]
pub fn try_ctc_loss_with_forward_probs(
    logits: &Tensor,
    logit_paddings: &Tensor,
    labels: &Tensor,
    label_paddings: &Tensor,
    blank_id: usize,
    log_epsilon: f64,
) -> Result<(Tensor, Tensor, Tensor)> {
    let (batch, length) = check([logits, logit_paddings, labels, label_paddings], blank_id, log_epsilon)?;
    let logs = logits.try_log_softmax(-1)?;
    let dtype = if logs.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let logs = logs.try_cast(dtype)?;
    let lengths = -(label_paddings.try_cast(dtype)?.try_sum_axes(1)? - length as f64).try_cast(DType::I32)?;

    // Where a label is that of the position before, paths have to go through a blank.
    let same = labels.try_slice_axis(1, ..-1)?;
    let same = same.try_eq(labels.try_slice_axis(1, 1..)?)?.try_cast(dtype)?;
    let repeat = same.try_pad([(0, 0), (0, length.min(1))], 0.0)?;

    let blank = logs.try_index_axis(2, blank_id as isize)?.try_expand_dims([-1])?.try_transpose([1, 0, 2])?;
    let emitted = emissions(&logs, labels)?.try_transpose([1, 0, 2])?;
    let paddings = logit_paddings.try_cast(dtype)?.try_transpose([1, 0])?.try_expand_dims([-1])?;
    let impossible = |columns: usize| Tensor::full_of([batch, columns], log_epsilon, dtype);
    let start = Tensor::try_concatenate(&[Tensor::zeros_of([batch, 1], dtype), impossible(length)], 1)?;

    let step = |(phi, emit): (Tensor, Tensor), (emitted, blank, pad): (Tensor, Tensor, Tensor)| {
        let ahead = entered(&phi, &(&emit + &repeat * log_epsilon))?;
        let next_emit = (ahead.try_slice_axis(1, ..-1)? + &emitted).try_logaddexp(&(&emit + &emitted))?;
        let through = &emit + &blank + (1.0 - &repeat) * log_epsilon;
        let next_phi = entered(&(&ahead + &blank), &through)?;
        let stays = 1.0 - &pad;
        let emit = &pad * emit + &stays * next_emit;
        let phi = &pad * phi + &stays * next_phi;
        Ok(((phi.clone(), emit.clone()), (phi, emit)))
    };
    let ((last_phi, last_emit), (phi, emit)) =
        scan(step).call((start, impossible(length)), (emitted, blank, paddings))?;

    let last_phi = entered(&last_phi, &last_emit)?;
    let before = phi.try_slice_axis(0, ..-1)?;
    let phi = Tensor::try_concatenate(&[before, last_phi.try_expand_dims([0])?], 0)?;
    let at_the_end = lengths.try_one_hot(length + 1, -1, dtype)?;
    Ok((-last_phi.try_mul(at_the_end)?.try_sum_axes(-1)?, phi, emit))
}

/// The scores of blanks once paths that were at the labels before them have entered.
#[track_caller]
fn entered(phi: &Tensor, added: &Tensor) -> Result<Tensor> {
    let first = phi.try_slice_axis(1, 0..1)?;
    Tensor::try_concatenate(&[first, phi.try_slice_axis(1, 1..)?.try_logaddexp(added)?], 1)
}

/// The logarithm that each step has for each label: 0 for one that is no class, as padding may be.
#[track_caller]
fn emissions(logs: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (steps, classes) = (logs.shape()[1], logs.shape()[2] as i32);
    let [batch, length] = [labels.shape()[0], labels.shape()[1]];
    let known = labels.try_ge(0)?.try_bitand(labels.try_lt(classes)?)?.try_expand_dims([1])?;
    let at = labels.try_clamp(labels.like(0.0), labels.like(f64::from(classes - 1)))?.try_expand_dims([1])?;
    let found = logs.try_take_along_axis(at.try_broadcast_to([batch, steps, length])?, -1)?;
    known.try_select(&found, found.like(0.0))
}

/// The number of sequences, and the most labels of one.
fn check(tensors: [&Tensor; 4], blank_id: usize, log_epsilon: f64) -> Result<(usize, usize)> {
    const OP: &str = "ctc_loss";
    let [logits, logit_paddings, labels, label_paddings] = tensors;
    float(OP, logits)?;
    FINITE.check(OP, "log_epsilon", log_epsilon)?;
    if !labels.dtype().is_integer() {
        return Err(Error::dtype(OP, labels.dtype(), "labels that are integers"));
    }
    let &[batch, steps, classes] = logits.shape() else {
        let found = format!("logits of shape {:?}", logits.shape());
        return Err(Error::shape(OP, found, "the axes [batch, steps, classes]"));
    };
    let &[examples, length] = labels.shape() else {
        let found = format!("labels of shape {:?}", labels.shape());
        return Err(Error::shape(OP, found, "the axes [batch, length]"));
    };
    if logit_paddings.shape() != [batch, steps] {
        let found = format!("paddings of logits of shape {:?}", logit_paddings.shape());
        return Err(Error::shape(OP, found, format!("{:?}, as the logits", [batch, steps])));
    }
    if label_paddings.shape() != labels.shape() {
        let found = format!("paddings of labels of shape {:?}", label_paddings.shape());
        return Err(Error::shape(OP, found, format!("{:?}, as the labels", labels.shape())));
    }
    if examples != batch || steps == 0 {
        let found = format!("labels of {examples} sequences, and logits of {batch} of {steps} steps");
        return Err(Error::shape(OP, found, "as many sequences, of one step at least"));
    }
    if blank_id >= classes {
        let message = format!("`blank_id` is {blank_id}, and there are {classes} classes");
        return Err(Error::argument(OP, message));
    }
    Ok((batch, length))
}
