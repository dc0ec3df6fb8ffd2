//! Losses, as in optax: functions of predictions and targets, one number per example.
//!
//! Reduce them yourself, mostly by `.mean()`. They panic on arguments that do not fit, as arithmetic on tensors does; their
//! `try_` twins return an [`Error`].
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::losses::softmax_cross_entropy_with_integer_labels;
//!
//! let (logits, labels) = (Tensor::from([[2.0f32, 0.0], [0.0, 0.0]]), Tensor::from([0, 1]));
//! let losses = softmax_cross_entropy_with_integer_labels(&logits, &labels);
//! assert!(losses.all_close(Tensor::from([0.126928f32, 0.6931472]), 1e-5, 0.0)?);
//! # Ok::<(), flaxen::Error>(())
//! ```

mod classification;
mod divergence;
mod regression;

pub use classification::{
    hinge_loss, perceptron_loss, poly_loss_cross_entropy, safe_softmax_cross_entropy,
    sigmoid_binary_cross_entropy, sigmoid_focal_loss, smooth_labels, softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels, try_hinge_loss, try_perceptron_loss,
    try_poly_loss_cross_entropy, try_safe_softmax_cross_entropy, try_sigmoid_binary_cross_entropy,
    try_sigmoid_focal_loss, try_smooth_labels, try_softmax_cross_entropy,
    try_softmax_cross_entropy_with_integer_labels,
};
pub use divergence::{
    kl_divergence, kl_divergence_with_log_targets, try_kl_divergence, try_kl_divergence_with_log_targets,
};
pub use regression::{
    cosine_distance, cosine_similarity, huber_loss, l2_loss, log_cosh, squared_error, try_cosine_distance,
    try_cosine_similarity, try_huber_loss, try_l2_loss, try_log_cosh, try_squared_error,
};

use crate::core::Tensor;
use crate::error::{Error, Result};

/// A loss and its fallible twin: the documentation, the arguments, what is wrong with those it refuses, and the formula.
macro_rules! loss {
    (
        $(#[$doc:meta])*
        $name:ident $try_name:ident($($argument:ident: $type:ty),*); $wrong:literal;
        $body:block
    ) => {
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = $wrong]
        #[track_caller]
        pub fn $name($($argument: $type),*) -> crate::Tensor {
            crate::error::unwrap($try_name($($argument),*))
        }

        #[doc = concat!("As [`", stringify!($name), "`].")]
        ///
        /// # Errors
        #[doc = $wrong]
        #[track_caller]
        pub fn $try_name($($argument: $type),*) -> crate::Result<crate::Tensor> {
            $body
        }
    };
}

use loss;

/// Floats are as they are; integers and booleans have no derivative, which for predictions is a mistake.
fn float(op: &'static str, predictions: &Tensor) -> Result<()> {
    if predictions.dtype().is_float() {
        return Ok(());
    }
    Err(Error::dtype(op, predictions.dtype(), "predictions that are floats (cast them first)"))
}

/// Predictions and targets have one shape: broadcasting them is nearly always a mistake, and a silent one.
fn alike(op: &'static str, predictions: &Tensor, targets: &Tensor) -> Result<()> {
    float(op, predictions)?;
    if predictions.shape() == targets.shape() {
        return Ok(());
    }
    let found =
        format!("predictions of shape {:?} and targets of {:?}", predictions.shape(), targets.shape());
    Err(Error::shape(op, found, "one shape (reshape or broadcast one of the two first)"))
}
