//! Losses of embeddings that are compared with each other.

use super::regression::unit;
use super::{alike, float, loss};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE, POSITIVE};
use crate::error::{Error, Result};
use crate::ops::axes::Int;

/// The distance from 1 to the next number of a dtype.
fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => half::f16::EPSILON.to_f64(),
        DType::BF16 => half::bf16::EPSILON.to_f64(),
        _ => f64::from(f32::EPSILON),
    }
}

loss! {
    /// The cross-entropy of picking, for each pair of embeddings with one label, the second among it and all embeddings with other labels,
    /// by cosine similarities over `temperature`; the mean of all pairs.
    ///
    /// Embeddings `[batch, features]` and labels `[batch]` give a scalar; without pairs it is 0, where optax has NaN. `temperature`
    /// is above 0; in optax, 0.07 by default.
    ///
    /// Source: Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, 2020.
    ntxent try_ntxent(embeddings: &crate::Tensor, labels: &crate::Tensor, temperature: f64);
    "If the shapes do not fit, the embeddings are no floats, or `temperature` is outside of its domain.";
    {
        float("ntxent", embeddings)?;
        POSITIVE.check("ntxent", "temperature", temperature)?;
        let (&[batch, _], &[examples]) = (embeddings.shape(), labels.shape()) else {
            let found =
                format!("embeddings of shape {:?} and labels of {:?}", embeddings.shape(), labels.shape());
            return Err(Error::shape("ntxent", found, "the axes [batch, features] and [batch]"));
        };
        if batch != examples {
            let found = format!("{batch} embeddings and {examples} labels");
            return Err(Error::shape("ntxent", found, "as many of one as of the other"));
        }
        let direction = unit(embeddings, epsilon(embeddings.dtype()))?;
        let similar = direction.try_matmul(&direction.try_transpose([1, 0])?)? / temperature;
        let one_label = labels.try_expand_dims([1])?.try_eq(labels.try_expand_dims([0])?)?;
        let itself = Tensor::eye_of(batch, batch, 0, DType::Bool);
        let pairs = one_label.try_bitand(itself.try_logical_not()?)?;

        let others = itself.try_select(similar.like(f64::NEG_INFINITY), &similar)?;
        let largest = others.try_max_keep(-1)?.stop_gradient();
        // What is not looked at is 0, so that no infinity comes into a gradient.
        let shifted = itself.try_select(similar.like(0.0), similar.try_sub(largest)?)?;
        let of_others = one_label.try_select(shifted.like(0.0), shifted.try_exp()?)?.try_sum_keep(-1)?;
        let total = of_others.try_add(shifted.try_exp()?)?;
        let logs = shifted.try_sub(total.try_log()?)?;
        let count = pairs.try_sum()?.try_maximum(1)?.try_cast(logs.dtype())?;
        (-pairs.try_select(&logs, logs.like(0.0))?.try_sum()?).try_div(count)?.try_cast(embeddings.dtype())
    }
}

loss! {
    /// `max(0, d(a, p) − d(a, n) + margin)` of anchors `a`, positives `p` and negatives `n`, where the distance is
    /// `(Σ (x − y)^norm_degree + eps)^(1/norm_degree)` over an axis.
    ///
    /// The three have one shape, and the result is without the axis. In optax, the axis is −1 by default, `norm_degree` 2, `margin` 1
    /// and `eps` 10⁻⁶. `norm_degree` is above 0 (powers are of differences, and not of their magnitudes), `margin` finite, and `eps`
    /// at least 0.
    ///
    /// Source: Vassileios Balntas et al., *Learning local feature descriptors with triplets and shallow convolutional neural
    /// networks*, 2016.
    triplet_margin_loss try_triplet_margin_loss(
        anchors: &crate::Tensor,
        positives: &crate::Tensor,
        negatives: &crate::Tensor,
        axis: impl Int,
        norm_degree: f64,
        margin: f64,
        eps: f64
    );
    "If the shapes differ, the anchors are no floats, there is no such axis, or a number is outside of its domain.";
    {
        const OP: &str = "triplet_margin_loss";
        alike(OP, anchors, positives)?;
        alike(OP, anchors, negatives)?;
        POSITIVE.check(OP, "norm_degree", norm_degree)?;
        FINITE.check(OP, "margin", margin)?;
        NOT_NEGATIVE.check(OP, "eps", eps)?;
        let power = |x: &Tensor| -> Result<Tensor> {
            match norm_degree as i32 {
                whole if f64::from(whole) == norm_degree => x.try_powi(whole),
                _ => x.try_pow(norm_degree),
            }
        };
        let distance = |other: &Tensor| -> Result<Tensor> {
            let sum = power(&anchors.try_sub(other)?)?.try_sum_axes(axis)?.try_add(eps)?;
            let root = |x: &Tensor| if norm_degree == 2.0 { x.try_sqrt() } else { x.try_pow(1.0 / norm_degree) };
            // Without `eps`, a root of 0 has no derivative; it is not asked for.
            let near = sum.try_eq(0.0)?;
            near.try_select(sum.like(0.0), root(&near.try_select(sum.like(1.0), &sum)?)?)
        };
        distance(positives)?.try_sub(distance(negatives)?)?.try_add(margin)?.try_maximum(0.0)
    }
}
