//! Activation functions, composed from primitives.

use super::operators::Scalar;
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::axis_of;
use crate::ops::elementwise::inexact;

const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;
const SELU_SCALE: f64 = 1.0507009873554804934193349852946;

/// A number to compute with: of an open trace, and not a boolean.
fn number(op: &'static str, x: &Tensor) -> Result<()> {
    x.check_open()?;
    match x.dtype() {
        DType::Bool => Err(Error::dtype(op, DType::Bool, "numbers (cast the booleans first)")),
        _ => Ok(()),
    }
}

macro_rules! activations {
    ($($(#[$doc:meta])* $method:ident $try_method:ident |$x:ident $(, $parameter:ident)?| $value:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// # Panics
            /// If this is boolean, or a value of a transform that has returned.
            #[track_caller]
            pub fn $method(&self $(, $parameter: impl Scalar)?) -> Tensor {
                unwrap(self.$try_method($($parameter)?))
            }

            #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If this is boolean, or a value of a transform that has returned.
            #[track_caller]
            pub fn $try_method(&self $(, $parameter: impl Scalar)?) -> Result<Tensor> {
                number(stringify!($method), self)?;
                let $x = &inexact(self)?;
                Ok($value)
            })*
        }
    };
}

activations! {
    /// `min(max(x, 0), 6)`, with a gradient of 0 at 0 and 6.
    relu6 try_relu6 |x| x.clamp(x.like(0.0), x.like(6.0));
    /// `log(sigmoid(x))` without underflow: `-softplus(-x)`.
    log_sigmoid try_log_sigmoid |x| -(-x).softplus();
    /// `log(1 + eˣ)`.
    softplus try_softplus |x| x.logaddexp(x.like(0.0));
    /// `x / (|x| + 1)`.
    soft_sign try_soft_sign |x| x / (x.abs() + 1.0);
    /// `x · sigmoid(x)`, also called [`swish`](Tensor::swish).
    silu try_silu |x| x * x.logistic();
    /// `x · sigmoid(x)`, as [`silu`](Tensor::silu).
    swish try_swish |x| x.silu();
    /// `x` where that is not negative, else `slope · x`; the gradient at 0 is 1.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([-1.0f32, 2.0]);
    /// assert_eq!(x.leaky_relu(0.25).to_vec::<f32>()?, [-0.25, 2.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    leaky_relu try_leaky_relu |x, slope| x.ge(x.like(0.0)).select(x, x * slope);
    /// `relu6(x + 3) / 6`.
    hard_sigmoid try_hard_sigmoid |x| (x + 3.0).relu6() / 6.0;
    /// `x · hard_sigmoid(x)`, also called [`hard_swish`](Tensor::hard_swish).
    hard_silu try_hard_silu |x| x * x.hard_sigmoid();
    /// `x · hard_sigmoid(x)`, as [`hard_silu`](Tensor::hard_silu).
    hard_swish try_hard_swish |x| x.hard_silu();
    /// `x` kept between -1 and 1, with a gradient of 1 at both.
    hard_tanh try_hard_tanh |x| {
        let (low, high) = (x.like(-1.0), x.like(1.0));
        x.gt(&high).select(&high, x.lt(&low).select(&low, x))
    };
    /// `x` where that is positive, else `alpha · (eˣ - 1)`.
    elu try_elu |x, alpha| {
        let (zero, positive) = (x.like(0.0), x.gt(x.like(0.0)));
        // The exponential of a large number, although not chosen, would make the gradient NaN.
        positive.select(x, positive.select(zero, x).expm1() * alpha)
    };
    /// `max(x, 0) + alpha · (exp(min(x, 0) / alpha) - 1)`.
    celu try_celu |x, alpha| x.maximum(x.like(0.0)) + (x.minimum(x.like(0.0)) / alpha).expm1() * alpha;
    /// `1.0507 · elu(x, 1.6733)`, whose outputs have mean 0 and variance 1 where the inputs do.
    selu try_selu |x| x.elu(SELU_ALPHA) * SELU_SCALE;
    /// `x · Φ(x)`, approximated by `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    gelu try_gelu |x| {
        let inner = (x + x.powi(3) * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
        x * ((inner.tanh() + 1.0) * 0.5)
    };
    /// `x · Φ(x)` with the distribution function of the normal distribution, by [`erfc`](Tensor::erfc).
    gelu_exact try_gelu_exact |x| x * 0.5 * (x * -std::f64::consts::FRAC_1_SQRT_2).erfc();
}

/// The argument as floats, if it has the axis.
fn along(op: &'static str, x: &Tensor, axis: isize) -> Result<Tensor> {
    number(op, x)?;
    axis_of(op, axis, x.rank())?;
    inexact(x)
}

/// Whether there is nothing along an axis, of which nothing is the largest.
fn is_empty(x: &Tensor, axis: isize) -> bool {
    axis_of("softmax", axis, x.rank()).is_ok_and(|axis| x.shape()[axis] == 0)
}

impl Tensor {
    /// Positive numbers with a sum of 1 along an axis, in proportion to `eˣ`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[0.0f32, 0.0], [1000.0, 0.0]]);
    /// assert_eq!(x.softmax(-1).to_vec::<f32>()?, [0.5, 0.5, 1.0, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such axis, or this is boolean.
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        unwrap(self.try_softmax(axis))
    }

    /// As [`softmax`](Tensor::softmax).
    ///
    /// # Errors
    /// If there is no such axis, or this is boolean.
    #[track_caller]
    pub fn try_softmax(&self, axis: isize) -> Result<Tensor> {
        let x = along("softmax", self, axis)?;
        if is_empty(&x, axis) {
            return Ok(x);
        }
        let top = x.try_max_keep(axis)?.stop_gradient();
        let weights = (x - top).exp();
        let total = weights.try_sum_keep(axis)?;
        Ok(weights / total)
    }

    /// [`softmax`](Tensor::softmax) of the numbers where `mask` is true, and 0 elsewhere.
    ///
    /// The mask broadcasts. Where it is false all along the axis, the result and the gradient are 0.
    ///
    /// # Panics
    /// If there is no such axis, the mask is not boolean or does not broadcast, or this is boolean.
    #[track_caller]
    pub fn softmax_where(&self, axis: isize, mask: impl TensorLike) -> Tensor {
        unwrap(self.try_softmax_where(axis, mask))
    }

    /// As [`softmax_where`](Tensor::softmax_where).
    ///
    /// # Errors
    /// If there is no such axis, the mask is not boolean or does not broadcast, or this is boolean.
    #[track_caller]
    pub fn try_softmax_where(&self, axis: isize, mask: impl TensorLike) -> Result<Tensor> {
        let (x, mask) = (along("softmax_where", self, axis)?, mask.operand()?);
        let shown = mask.try_select(&x, x.like(f64::NEG_INFINITY))?;
        if is_empty(&shown, axis) {
            return Ok(shown);
        }
        let top = shown.try_max_keep(axis)?.stop_gradient();
        // What the mask hides takes no part, not even as an infinity times 0 in the gradient.
        let shifted = mask.try_select(&x - top, x.like(0.0))?;
        let weights = mask.try_select(shifted.exp(), x.like(0.0))?;
        let total = weights.try_sum_keep(axis)?;
        let total = total.eq(total.like(0.0)).select(total.like(1.0), &total);
        mask.try_select(weights / total, x.like(0.0))
    }

    /// `log(softmax(x))` along an axis, without underflow.
    ///
    /// # Panics
    /// If there is no such axis, or this is boolean.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        unwrap(self.try_log_softmax(axis))
    }

    /// As [`log_softmax`](Tensor::log_softmax).
    ///
    /// # Errors
    /// If there is no such axis, or this is boolean.
    #[track_caller]
    pub fn try_log_softmax(&self, axis: isize) -> Result<Tensor> {
        let x = along("log_softmax", self, axis)?;
        if is_empty(&x, axis) {
            return Ok(x);
        }
        let shifted = &x - x.try_max_keep(axis)?.stop_gradient();
        let total = shifted.exp().try_sum_keep(axis)?.log();
        Ok(shifted - total)
    }

    /// `(x - mean) / √(variance + epsilon)` along an axis, where the variance is `mean(x²) - mean²`.
    ///
    /// # Panics
    /// If there is no such axis, or this is boolean.
    #[track_caller]
    pub fn standardize(&self, axis: isize, epsilon: impl Scalar) -> Tensor {
        unwrap(self.try_standardize(axis, epsilon))
    }

    /// As [`standardize`](Tensor::standardize).
    ///
    /// # Errors
    /// If there is no such axis, or this is boolean.
    #[track_caller]
    pub fn try_standardize(&self, axis: isize, epsilon: impl Scalar) -> Result<Tensor> {
        let x = along("standardize", self, axis)?;
        let center = x.try_mean_keep(axis)?;
        // The difference of two large numbers may come out below zero.
        let variance = (x.square().try_mean_keep(axis)? - center.square()).maximum(x.like(0.0));
        Ok((x - center) * (variance + epsilon).rsqrt())
    }

    /// The first half along an axis times the logistic function of the second half.
    ///
    /// # Panics
    /// If there is no such axis, its size is odd, or this is boolean.
    #[track_caller]
    pub fn glu(&self, axis: isize) -> Tensor {
        unwrap(self.try_glu(axis))
    }

    /// As [`glu`](Tensor::glu).
    ///
    /// # Errors
    /// If there is no such axis, its size is odd, or this is boolean.
    #[track_caller]
    pub fn try_glu(&self, axis: isize) -> Result<Tensor> {
        let x = along("glu", self, axis)?;
        let size = x.shape()[axis_of("glu", axis, x.rank())?];
        if !size.is_multiple_of(2) {
            return Err(Error::shape("glu", format!("{size} along axis {axis}"), "an even size"));
        }
        let half = (size / 2) as isize;
        let (value, gate) = (x.try_slice_axis(axis, None, half)?, x.try_slice_axis(axis, half, None)?);
        value.try_mul(gate.try_logistic()?)
    }
}
