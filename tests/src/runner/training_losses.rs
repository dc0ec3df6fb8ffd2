//! What models are trained by.
//!
//! A manifest has no formula for its loss, but all its values: the loss of a case is the first of the usual ones that gives
//! the case's own first value. Everything after that, gradients and later values, has to follow from it.

use flaxen::Value;
use flaxen::prelude::*;
use flaxen::tree::leaves;

use super::Stop;
use super::models::Arguments;
use crate::golden::{Case, numbers_of};
use crate::loss::golden_loss;

/// The loss of an output.
pub type Loss = fn(&Value, &Batch) -> Result<Tensor>;

/// What every step trains on.
pub struct Batch {
    pub arguments: Arguments,
    pub labels: Option<Tensor>,
}

/// The usual losses: first those that have more parts.
const LOSSES: [(&str, Loss); 19] = [
    ("evidence lower bound", evidence),
    ("cross entropy and squares of the second output", classification_of_sequences),
    ("cross entropy", cross_entropy),
    ("cross entropy, summed", |out, batch| entropies(out, batch)?.try_sum()),
    ("cross entropy within lengths", cross_entropy_within_lengths),
    ("cross entropy of labels above 0", |out, batch| {
        weighted(&entropies(out, batch)?, &labels(batch)?.try_gt(0)?)
    }),
    ("cross entropy of labels from 0", |out, batch| {
        weighted(&entropies(out, batch)?, &labels(batch)?.try_ge(0)?)
    }),
    ("cross entropy of distributions", |out, batch| {
        losses::try_softmax_cross_entropy(&first(out)?, labels(batch)?)?.try_mean()
    }),
    ("mean squared error", |out, batch| errors(out, batch)?.try_square()?.try_mean()),
    ("half of the mean squared error", |out, batch| Ok(errors(out, batch)?.try_square()?.try_mean()? * 0.5)),
    ("sum of squared errors", |out, batch| errors(out, batch)?.try_square()?.try_sum()),
    (
        "half of the sum of squared errors",
        |out, batch| Ok(errors(out, batch)?.try_square()?.try_sum()? * 0.5),
    ),
    ("mean of sums of squared errors", |out, batch| per_example(&errors(out, batch)?.try_square()?)),
    ("mean absolute error", |out, batch| errors(out, batch)?.try_abs()?.try_mean()),
    ("binary cross entropy", |out, batch| binary_entropies(out, batch)?.try_mean()),
    ("mean of sums of binary cross entropies", |out, batch| per_example(&binary_entropies(out, batch)?)),
    ("mean of squares", |out, _| first(out)?.try_square()?.try_mean()),
    ("sum of squares", |out, _| first(out)?.try_square()?.try_sum()),
    ("the loss of layers", |out, _| golden_loss(&first(out)?)),
];

/// The loss of a case, of which this is the first output.
///
/// # Errors
/// If none of the usual ones is it.
pub fn of_case(case: &Case, out: &Value, batch: &Batch) -> Result<Loss, Stop> {
    let first = numbers_of(&case.array("losses")).first().copied();
    let first = first.ok_or_else(|| Stop::Failed("the case has no losses".to_owned()))?;
    let tolerance = case.tolerance();
    let is_it = |loss: &Loss| {
        // A loss that does not fit the output is not the one.
        let found = loss(out, batch).ok().filter(|found| found.shape().is_empty());
        found.is_some_and(|found| {
            let off = (numbers_of(&found)[0] - first).abs();
            off <= tolerance.absolute + tolerance.relative * first.abs()
        })
    };
    let found = LOSSES.iter().find(|(_, loss)| is_it(loss));
    let names: Vec<&str> = LOSSES.iter().map(|(name, _)| *name).collect();
    let unknown =
        || Stop::Unsupported(format!("a loss of {first} for the first output, which none is of {names:?}"));
    found.map(|(_, loss)| *loss).ok_or_else(unknown)
}

/// The output, or the first of several.
fn first(out: &Value) -> Result<Tensor> {
    leaves(out).first().map(|leaf| (*leaf).clone()).ok_or_else(|| Error::msg("no output"))
}

fn labels(batch: &Batch) -> Result<&Tensor> {
    batch.labels.as_ref().ok_or_else(|| Error::msg("the case has no `in/labels`"))
}

/// Labels, or the input where there are none.
fn target(batch: &Batch) -> Result<&Tensor> {
    batch.labels.as_ref().map_or_else(|| batch.arguments.x(), Ok)
}

/// Of outputs and targets of one shape, or of outputs with an axis of one more.
fn errors(out: &Value, batch: &Batch) -> Result<Tensor> {
    let (out, target) = (first(out)?, target(batch)?);
    let out = if out.rank() == target.rank() + 1 && out.shape().last() == Some(&1) {
        out.try_squeeze([-1])?
    } else {
        out
    };
    same_shape(&out, target)?;
    out.try_sub(target)
}

fn same_shape(a: &Tensor, b: &Tensor) -> Result<()> {
    if a.shape() == b.shape() && b.dtype().is_float() { Ok(()) } else { Err(Error::msg("other shapes")) }
}

fn binary_entropies(out: &Value, batch: &Batch) -> Result<Tensor> {
    let (out, target) = (first(out)?, target(batch)?);
    let target = &target.try_cast(DType::F32)?;
    let out = if out.shape() == target.shape() { out } else { out.try_squeeze([-1])? };
    same_shape(&out, target)?;
    losses::try_sigmoid_binary_cross_entropy(&out, target)
}

/// The mean over examples of the sums over all else.
fn per_example(x: &Tensor) -> Result<Tensor> {
    x.try_sum_axes((1..x.rank() as isize).collect::<Vec<_>>())?.try_mean()
}

/// The cross entropies of logits and the indices of their classes.
fn entropies(out: &Value, batch: &Batch) -> Result<Tensor> {
    losses::try_softmax_cross_entropy_with_integer_labels(&first(out)?, labels(batch)?)
}

fn cross_entropy(out: &Value, batch: &Batch) -> Result<Tensor> {
    entropies(out, batch)?.try_mean()
}

/// The mean where weights are true.
fn weighted(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let weights = weights.try_cast(x.dtype())?.try_broadcast_to(x.shape())?;
    x.try_mul(&weights)?.try_sum()?.try_div(weights.try_sum()?)
}

/// Of `[batch, time]` and lengths, the second argument.
fn cross_entropy_within_lengths(out: &Value, batch: &Batch) -> Result<Tensor> {
    let entropies = entropies(out, batch)?;
    let lengths = batch.arguments.array("seq_lengths").map_or_else(|| batch.arguments.tensor(1), Ok)?;
    let steps = Tensor::arange(0i32, entropies.shape().get(1).copied().unwrap_or(0) as i32, 1);
    weighted(&entropies, &steps.try_lt(lengths.try_expand_dims([-1])?)?)
}

/// The mean cross entropy of the classes, and a hundredth of the squares of all other outputs.
fn classification_of_sequences(out: &Value, batch: &Batch) -> Result<Tensor> {
    let (logits, y): (Tensor, Tensor) = out.to()?;
    cross_entropy(&logits.into(), batch)?.try_add(y.try_square()?.try_sum()? * 0.01)
}

/// The negative evidence lower bound: the cross entropy of decoded logits and examples, and the divergence of what was drawn
/// from the standard normal distribution.
fn evidence(out: &Value, batch: &Batch) -> Result<Tensor> {
    let (logits, mean, logvar): (Tensor, Tensor, Tensor) = out.to()?;
    let entropy = losses::try_sigmoid_binary_cross_entropy(&logits, batch.arguments.x()?)?;
    let divergence = (1.0 + &logvar - mean.square() - logvar.exp()).sum_axes([-1]) * -0.5;
    entropy.try_sum_axes([-1])?.try_mean()?.try_add(divergence.mean())
}
