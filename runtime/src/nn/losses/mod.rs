//! Losses, as in optax: functions of predictions and targets, one number per example.
//!
//! Those that sum over the last axis have a twin whose name ends with `_over`, which is told [`Over`] which axes, and which elements of
//! them, it sums: optax's arguments `axis` and `where`. Where optax's `targets` may be None, `None` does for them here, too. Arguments
//! that have a default in optax are given here; each page says the default.
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
mod ctc;
mod divergence;
mod multiclass;
mod over;
mod ranking;
mod regression;
mod segmentation;
mod self_supervised;

pub use classification::{
    hinge_loss, perceptron_loss, poly_loss_cross_entropy, poly_loss_cross_entropy_over,
    safe_softmax_cross_entropy, sigmoid_binary_cross_entropy, sigmoid_focal_loss, smooth_labels,
    smooth_labels_over, softmax_cross_entropy, softmax_cross_entropy_over,
    softmax_cross_entropy_with_integer_labels, softmax_cross_entropy_with_integer_labels_over,
    try_hinge_loss, try_perceptron_loss, try_poly_loss_cross_entropy, try_poly_loss_cross_entropy_over,
    try_safe_softmax_cross_entropy, try_sigmoid_binary_cross_entropy, try_sigmoid_focal_loss,
    try_smooth_labels, try_smooth_labels_over, try_softmax_cross_entropy, try_softmax_cross_entropy_over,
    try_softmax_cross_entropy_with_integer_labels, try_softmax_cross_entropy_with_integer_labels_over,
};
pub use ctc::{ctc_loss, try_ctc_loss, try_ctc_loss_with_forward_probs};
pub use divergence::{
    convex_kl_divergence, generalized_kl_divergence, generalized_kl_divergence_over, kl_divergence,
    kl_divergence_over, kl_divergence_with_log_targets, kl_divergence_with_log_targets_over,
    try_convex_kl_divergence, try_generalized_kl_divergence, try_generalized_kl_divergence_over,
    try_kl_divergence, try_kl_divergence_over, try_kl_divergence_with_log_targets,
    try_kl_divergence_with_log_targets_over,
};
pub(crate) use multiclass::project_onto_simplex;
pub use multiclass::{
    make_fenchel_young_loss, multiclass_hinge_loss, multiclass_perceptron_loss, multiclass_sparsemax_loss,
    sparsemax_loss, try_multiclass_hinge_loss, try_multiclass_perceptron_loss, try_multiclass_sparsemax_loss,
    try_sparsemax_loss,
};
pub use over::Over;
pub use ranking::{ranking_softmax_loss, try_ranking_softmax_loss};
pub use regression::{
    cosine_distance, cosine_distance_over, cosine_similarity, cosine_similarity_over, huber_loss, l2_loss,
    log_cosh, squared_error, try_cosine_distance, try_cosine_distance_over, try_cosine_similarity,
    try_cosine_similarity_over, try_huber_loss, try_l2_loss, try_log_cosh, try_squared_error,
};
pub use segmentation::{
    DiceLoss, binary_dice_loss, dice_loss, multiclass_generalized_dice_loss, try_binary_dice_loss,
    try_dice_loss, try_multiclass_generalized_dice_loss,
};
pub use self_supervised::{ntxent, triplet_margin_loss, try_ntxent, try_triplet_margin_loss};

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

/// Targets, or `None` where predictions are errors themselves.
pub trait Targets {
    /// The targets, if there are any.
    fn targets(&self) -> Option<&Tensor>;
}

impl Targets for &Tensor {
    fn targets(&self) -> Option<&Tensor> {
        Some(self)
    }
}

impl Targets for Option<&Tensor> {
    fn targets(&self) -> Option<&Tensor> {
        *self
    }
}

/// What becomes of several losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They stay as they are.
    None,
}

impl Reduction {
    /// Of losses along an axis, or of all.
    #[track_caller]
    fn of(self, losses: &Tensor, axis: Option<isize>) -> Result<Tensor> {
        match (self, axis) {
            (Reduction::None, _) => Ok(losses.clone()),
            (Reduction::Mean, None) => losses.try_mean(),
            (Reduction::Mean, Some(axis)) => losses.try_mean_axes(axis),
            (Reduction::Sum, None) => losses.try_sum(),
            (Reduction::Sum, Some(axis)) => losses.try_sum_axes(axis),
        }
    }
}
