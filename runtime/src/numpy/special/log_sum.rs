//! The logarithm of a sum of exponentials, with weights.

use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::ops::axes::IntoAxes;
use crate::ops::promoted_inexact;

/// `log Σ b·eˣ` with weights and a sign, `jax.scipy.special.logsumexp`; without weights it is
/// [`Tensor::logsumexp`](crate::Tensor::logsumexp).
///
/// ```
/// use flaxen::Tensor;
/// use flaxen::special::LogSumExp;
///
/// let x = Tensor::from([[1000.0f32, 1000.0], [0.0, 0.0]]);
/// let (log, sign) = LogSumExp::of(&x).weights([1.0f32, -2.0]).axes(-1).signed()?;
/// assert_eq!(sign.to_vec::<f32>()?, [-1.0, -1.0]);
/// assert_eq!(log.to_vec::<f32>()?, [1000.0, 0.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogSumExp {
    x: Tensor,
    weights: Option<Tensor>,
    axes: Option<Vec<isize>>,
    keep: bool,
}

impl LogSumExp {
    /// Of all elements of `x`, which integers become `F32` for.
    ///
    /// # Panics
    /// If `x` are integers without a dtype that do not fit `I32`.
    #[track_caller]
    pub fn of(x: impl TensorLike) -> LogSumExp {
        LogSumExp { x: unwrap(x.operand()), weights: None, axes: None, keep: false }
    }

    /// The factors `b` of the exponentials, which broadcast to them; they may be negative.
    ///
    /// # Panics
    /// If they are integers without a dtype that do not fit `I32`.
    #[must_use]
    #[track_caller]
    pub fn weights(self, b: impl TensorLike) -> LogSumExp {
        LogSumExp { weights: Some(unwrap(b.operand())), ..self }
    }

    /// Along these axes only.
    #[must_use]
    pub fn axes(self, axes: impl IntoAxes) -> LogSumExp {
        LogSumExp { axes: Some(axes.axes().to_vec()), ..self }
    }

    /// The axes stay with size 1.
    #[must_use]
    pub fn keep(self) -> LogSumExp {
        LogSumExp { keep: true, ..self }
    }

    /// The logarithm, NaN where the sum is negative.
    ///
    /// # Errors
    /// If there are no such axes, or the weights do not broadcast to `x`.
    #[track_caller]
    pub fn value(&self) -> Result<Tensor> {
        let (log, sign) = self.signed()?;
        sign.try_lt(0)?.try_select(log.like(f64::NAN), &log)
    }

    /// The logarithm of the magnitude of the sum, and its sign: −1, 0, 1 or NaN.
    ///
    /// # Errors
    /// If there are no such axes, or the weights do not broadcast to `x`.
    #[track_caller]
    pub fn signed(&self) -> Result<(Tensor, Tensor)> {
        let (x, weights) = match &self.weights {
            Some(b) => {
                let [x, b] = promoted_inexact([self.x.clone(), b.clone()])?;
                let out = crate::ops::broadcast_shapes("logsumexp", &[x.shape(), b.shape()])?;
                let x = x.try_broadcast_to(&out)?;
                // What has no weight does not decide what is taken off either.
                (b.try_eq(0)?.try_select(x.like(f64::NEG_INFINITY), x)?, Some(b))
            }
            None => {
                let [x] = promoted_inexact([self.x.clone()])?;
                (x, None)
            }
        };
        let axes: Vec<isize> = self.axes.clone().unwrap_or_else(|| (0..x.rank() as isize).collect());
        let top = if x.size() == 0 { x.like(0.0) } else { x.try_max_keep(&axes[..])?.stop_gradient() };
        let top = top.try_is_finite()?.try_select(&top, 0.0)?;
        let mut terms = x.try_sub(&top)?.try_exp()?;
        if let Some(b) = weights {
            terms = terms.try_mul(b)?;
        }
        let sum = terms.try_sum_keep(&axes[..])?;
        let sign = sum.try_sign()?;
        let magnitude = sum.try_abs()?;
        let log = magnitude.try_log()?.try_add(top)?;
        if self.keep {
            return Ok((log, sign));
        }
        Ok((log.try_squeeze(&axes[..])?, sign.try_squeeze(&axes[..])?))
    }
}
