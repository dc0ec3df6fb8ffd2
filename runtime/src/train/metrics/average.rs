//! Means, and what is one.

use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// A mean as its sum and the number of its values.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::train::metrics::Average;
///
/// // Of examples that fill a batch up, the mask leaves out the values.
/// let loss = Average::masked([1.0f32, 2.0, 9.0], [true, true, false])?;
/// assert_eq!(loss.value()?, 1.5);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, Tree)]
pub struct Average {
    /// The sum of all values, `F32[]`.
    pub total: Tensor,
    /// How many there are, `F32[]`.
    pub count: Tensor,
}

impl Average {
    /// Of the values of a tensor of any shape; booleans count as 0 and 1.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn of(values: impl TensorLike) -> Result<Average> {
        let values = values.operand()?;
        let count = Tensor::from(values.size() as f32);
        Ok(Average { total: values.try_cast(DType::F32)?.try_sum()?, count })
    }

    /// Of the values where `mask`, booleans of the same shape or of its first axes, is true.
    ///
    /// # Errors
    /// If the mask is none of this shape.
    pub fn masked(values: impl TensorLike, mask: impl TensorLike) -> Result<Average> {
        let (values, mask) = (values.operand()?, mask.operand()?);
        let Some(rest) = values.shape().strip_prefix(mask.shape()).filter(|_| mask.dtype() == DType::Bool)
        else {
            let found = format!("{} for values {}", mask.aval(), values.aval());
            return Err(Error::shape(
                "Average::masked",
                found,
                "booleans of the shape of the values or of its first axes",
            ));
        };
        let shape: Vec<usize> = mask.shape().iter().copied().chain(rest.iter().map(|_| 1)).collect();
        let mask = mask.try_reshape(shape)?.try_broadcast_to(values.shape())?;
        let values = values.try_cast(DType::F32)?;
        // Chosen, not multiplied: what is masked may be infinite or NaN.
        let total = mask.try_select(&values, values.like(0.0))?.try_sum()?;
        Ok(Average { total, count: mask.try_cast(DType::F32)?.try_sum()? })
    }

    /// The mean as a tensor, `F32[]`; NaN of no values.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn compute(&self) -> Result<Tensor> {
        self.total.try_div(&self.count)
    }

    /// The mean as a number.
    ///
    /// # Errors
    /// While a transform traces.
    pub fn value(&self) -> Result<f32> {
        self.compute()?.item()
    }
}

/// The part of examples whose largest logit, `[.., classes]`, is that of the label, integers `[..]`.
///
/// # Errors
/// If the shapes differ.
pub fn accuracy(logits: &Tensor, labels: &Tensor) -> Result<Average> {
    check(logits, labels, "accuracy")?;
    Average::of(logits.try_argmax(-1)?.try_cast(labels.dtype())?.try_eq(labels)?)
}

/// The part of examples whose label, an integer, is among the classes of the `k` largest logits, `[.., classes]`.
///
/// A class counts as one of them if fewer than `k` logits are larger than its own, so that equal logits are on the side of the model.
///
/// # Errors
/// If the shapes differ, or `k` is 0.
pub fn top_k_accuracy(logits: &Tensor, labels: &Tensor, k: usize) -> Result<Average> {
    check(logits, labels, "top_k_accuracy")?;
    if k == 0 {
        return Err(Error::argument("top_k_accuracy", "the best 0 classes: use 1 or more"));
    }
    let own = logits.try_take_along_axis(&labels.try_expand_dims(-1)?, -1)?;
    let larger = logits.try_gt(own)?.try_cast(DType::I32)?.try_sum_axes(-1)?;
    Average::of(larger.try_lt(k)?)
}

/// What a mean loss of tokens, in nats, is as perplexity: `exp(loss)`.
///
/// # Errors
/// While a transform traces.
pub fn perplexity(loss: &Average) -> Result<f32> {
    Ok(loss.value()?.exp())
}

fn check(logits: &Tensor, labels: &Tensor, op: &'static str) -> Result<()> {
    let fits = logits.shape().split_last().is_some_and(|(_, batch)| batch == labels.shape());
    if fits && labels.dtype().is_integer() {
        return Ok(());
    }
    let found = format!("{} and {}", logits.aval(), labels.aval());
    Err(Error::shape(op, found, "logits [.., classes] and integer labels [..]"))
}
