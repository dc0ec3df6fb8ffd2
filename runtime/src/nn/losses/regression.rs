//! Regression losses.

use super::over::only;
use super::{Over, Targets, alike, float, loss};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::error::Result;

/// The predictions minus the targets, or themselves where there are none.
#[track_caller]
fn errors(op: &'static str, predictions: &Tensor, targets: &impl Targets) -> Result<Tensor> {
    match targets.targets() {
        None => float(op, predictions).map(|()| predictions.clone()),
        Some(targets) => {
            alike(op, predictions, targets)?;
            predictions.try_sub(targets)
        }
    }
}

/// Vectors along the last axis over their length, whose square counts as `epsilon` at least; `F16` as `F32`.
#[track_caller]
pub(super) fn unit(x: &Tensor, epsilon: f64) -> Result<Tensor> {
    let x = if x.dtype() == DType::F16 { x.try_cast(DType::F32)? } else { x.clone() };
    let square = x.try_mul(&x)?.try_sum_keep(-1)?;
    // Where the vector is short the root has no finite derivative, and is not looked at.
    let long = square.try_gt(epsilon)?;
    let root = long.try_select(&square, square.like(1.0))?.try_sqrt()?;
    x.try_div(long.try_select(&root, root.like(epsilon.sqrt()))?)
}

loss! {
    /// `(ŷ − y)²` of each element; without targets, which is `None`, of the predictions alone.
    squared_error try_squared_error(predictions: &crate::Tensor, targets: impl Targets);
    "If the shapes differ, or the predictions are no floats.";
    {
        errors("squared_error", predictions, &targets)?.try_square()
    }
}

loss! {
    /// `½·(ŷ − y)²` of each element, whose derivative is the difference.
    ///
    /// Source: Bishop, *Pattern Recognition and Machine Learning*, 2006.
    l2_loss try_l2_loss(predictions: &crate::Tensor, targets: impl Targets);
    "If the shapes differ, or the predictions are no floats.";
    {
        Ok(try_squared_error(predictions, targets)? * 0.5)
    }
}

loss! {
    /// `½·d²` for differences `d` up to `delta`, then `delta·(|d| − ½·delta)`, which is the line that continues it.
    ///
    /// `delta` is finite and at least 0; optax's is 1 by default.
    ///
    /// Source: Huber, *Robust Estimation of a Location Parameter*, 1964.
    huber_loss try_huber_loss(predictions: &crate::Tensor, targets: impl Targets, delta: f64);
    "If the shapes differ, the predictions are no floats, or `delta` is outside of its domain.";
    {
        let errors = errors("huber_loss", predictions, &targets)?;
        NOT_NEGATIVE.check("huber_loss", "delta", delta)?;
        let error = errors.try_abs()?;
        let quadratic = error.try_minimum(delta)?;
        // Of this the derivative is 0 within `delta`, so at 0 no derivative of the magnitude is asked for.
        let linear = error.try_sub(&quadratic)?;
        (quadratic.try_square()? * 0.5).try_add(linear * delta)
    }
}

loss! {
    /// `log(cosh(ŷ − y))` of each element: like [`l2_loss`] near 0, like the distance far away, and smooth.
    ///
    /// Source: Chen et al., *Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder*, 2019.
    log_cosh try_log_cosh(predictions: &crate::Tensor, targets: impl Targets);
    "If the shapes differ, or the predictions are no floats.";
    {
        let error = errors("log_cosh", predictions, &targets)?;
        // Nothing overflows: cosh itself is never computed.
        Ok(error.try_logaddexp(-&error)? - std::f64::consts::LN_2)
    }
}

loss! {
    /// The cosine of the angle between two vectors, `a·b / √(max(‖a‖², epsilon)·max(‖b‖², epsilon))`, over the last axis.
    ///
    /// `epsilon` is finite and at least 0; optax's is 0 by default, for which vectors of zeros have no angle: NaN. `F16` is
    /// computed in `F32`, as squares and small numbers are beyond its range.
    cosine_similarity try_cosine_similarity(
        predictions: &crate::Tensor,
        targets: &crate::Tensor,
        epsilon: f64
    );
    "If the shapes differ, the predictions are no floats, there is no axis, or `epsilon` is outside of its domain.";
    {
        try_cosine_similarity_over(predictions, targets, epsilon, Over::default())
    }
}

loss! {
    /// [`cosine_similarity`] over other axes, or of some elements only.
    cosine_similarity_over try_cosine_similarity_over(
        predictions: &crate::Tensor,
        targets: &crate::Tensor,
        epsilon: f64,
        over: impl Into<Over>
    );
    "If the shapes differ, the predictions are no floats, there is no such axis, the mask does not fit, or `epsilon` is outside of \
     its domain.";
    {
        alike("cosine_similarity", predictions, targets)?;
        float("cosine_similarity", targets)?;
        NOT_NEGATIVE.check("cosine_similarity", "epsilon", epsilon)?;
        let dtype = predictions.dtype().promote(targets.dtype());
        let ([a, b], mask) = over.into().rows("cosine_similarity", [predictions, targets])?;
        let unit = |x: &Tensor| unit(&only(mask.as_ref(), x, 0.0)?, epsilon);
        unit(&a)?.try_mul(unit(&b)?)?.try_sum_axes(-1)?.try_cast(dtype)
    }
}

loss! {
    /// 1 minus [`cosine_similarity`].
    cosine_distance try_cosine_distance(
        predictions: &crate::Tensor,
        targets: &crate::Tensor,
        epsilon: f64
    );
    "If the shapes differ, the predictions are no floats, there is no axis, or `epsilon` is outside of its domain.";
    {
        Ok(1.0 - try_cosine_similarity(predictions, targets, epsilon)?)
    }
}

loss! {
    /// 1 minus [`cosine_similarity_over`].
    cosine_distance_over try_cosine_distance_over(
        predictions: &crate::Tensor,
        targets: &crate::Tensor,
        epsilon: f64,
        over: impl Into<Over>
    );
    "If the shapes differ, the predictions are no floats, there is no such axis, the mask does not fit, or `epsilon` is outside of \
     its domain.";
    {
        Ok(1.0 - try_cosine_similarity_over(predictions, targets, epsilon, over)?)
    }
}
