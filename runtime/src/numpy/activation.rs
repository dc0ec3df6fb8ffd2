//! Activation functions, composed from primitives.

use super::operators::Scalar;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::axis_of;
use crate::ops::elementwise::inexact;

const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;
const SELU_SCALE: f64 = 1.0507009873554804934193349852946;

/// A number to compute with: of an open trace, and not a boolean.
pub(super) fn number(op: &'static str, x: &Tensor) -> Result<()> {
    x.check_open()?;
    match x.dtype() {
        DType::Bool => Err(Error::dtype(op, DType::Bool, "numbers (cast the booleans first)")),
        _ => Ok(()),
    }
}

macro_rules! activations {
    ($($(#[$doc:meta])* $method:ident $try_method:ident |$x:ident $(, $parameter:ident)?| $value:expr;)*) => {
        /// # Activations
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
    #[doc(alias = "hard_swish")]
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
    /// `x · tanh(softplus(x))`.
    mish try_mish |x| x * x.softplus().tanh();
    /// `(x + √(x² + b)) / 2`, a smooth [`relu`](Tensor::relu); JAX's default for `b` is 4.
    squareplus try_squareplus |x, b| (x + (x.square() + b).sqrt()) / 2.0;
    /// 0 up to -1, `x` from 1 on, and `(x + 1)² / 4` between.
    sparse_plus try_sparse_plus |x| {
        let middle = (x + 1.0).square() / 4.0;
        x.le(x.like(-1.0)).select(x.like(0.0), x.ge(x.like(1.0)).select(x, middle))
    };
    /// `(x + 1) / 2` kept between 0 and 1: the derivative of [`sparse_plus`](Tensor::sparse_plus).
    sparse_sigmoid try_sparse_sigmoid |x| (x + 1.0).clip(x.like(0.0), x.like(2.0)) * 0.5;
}

impl Tensor {
    /// The first half along an axis times the logistic function of the second half.
    ///
    /// # Panics
    /// If there is no such axis, its size is odd, or this is boolean.
    #[track_caller]
    pub fn glu(&self, axis: impl Int) -> Tensor {
        unwrap(self.try_glu(axis))
    }

    /// As [`glu`](Tensor::glu).
    ///
    /// # Errors
    /// If there is no such axis, its size is odd, or this is boolean.
    #[track_caller]
    pub fn try_glu(&self, axis: impl Int) -> Result<Tensor> {
        number("glu", self)?;
        let x = inexact(self)?;
        let size = x.shape()[axis_of("glu", axis, x.rank())?];
        if !size.is_multiple_of(2) {
            return Err(Error::shape("glu", format!("{size} along axis {axis}"), "an even size"));
        }
        let half = (size / 2) as isize;
        let (value, gate) = (x.try_slice_axis(axis, ..half)?, x.try_slice_axis(axis, half..)?);
        value.try_mul(gate.try_logistic()?)
    }
}
