//! Adafactor.

use super::clip::{ClipByBlockRms, clip_by_block_rms};
use super::ema::{EmaState, ema};
use super::factored::{FactoredState, ScaleByFactoredRms, scale_by_factored_rms};
use super::leafwise::{ScaleByParamBlock, scale_by_param_block_rms};
use super::optional::{Appended, OptionalState};
use super::scale::{ScaleByLearningRate, ScheduleState, scale, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights};
use crate::array::DType;
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::variables::Dict;

/// Adafactor; see [`adafactor`].
#[derive(Clone, Debug)]
pub struct Adafactor {
    learning_rate: Option<Schedule>,
    scale: ScaleByFactoredRms,
    multiply_by_parameter_scale: bool,
    clipping_threshold: Option<Tensor>,
    momentum: Option<Tensor>,
    dtype_momentum: DType,
    decay: Option<AddDecayedWeights>,
}

/// The state of [`adafactor`]: of the mean squares, of clipping, of the learning rate, of the parameters' scale, of the
/// momentum, of the weight decay and of the sign; what is not asked for is None.
pub type AdafactorState<P = Dict> = (
    FactoredState<P>,
    OptionalState<()>,
    OptionalState<ScheduleState>,
    OptionalState<()>,
    OptionalState<EmaState<P>>,
    OptionalState<ScheduleState>,
    (),
);

/// `u = −lr·rms(p)·g/√v` with a second moment that needs memory for rows and columns only.
///
/// Updates of a leaf are clipped to a root mean square of 1 first.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::adafactor(1e-2).momentum(0.9);
/// let state = tx.init(&Tensor::zeros([256, 128]));
/// assert_eq!(state.0.v_row.shape(), [128]);
/// assert_eq!(state.0.v_col.shape(), [256]);
/// ```
///
/// Source: Shazeer and Stern, *Adafactor*, 2018.
pub fn adafactor(learning_rate: impl Into<Schedule>) -> Adafactor {
    Adafactor {
        learning_rate: Some(learning_rate.into()),
        scale: scale_by_factored_rms(),
        multiply_by_parameter_scale: true,
        clipping_threshold: Some(bare(1.0)),
        momentum: None,
        dtype_momentum: DType::F32,
        decay: None,
    }
}

setters! { Adafactor.scale {
    /// How long the two longest axes of a leaf must be to be kept by rows and columns; 128 by default.
    min_dim_size_to_factor: usize,
    /// How fast the decay approaches 1: above 0; 0.8 by default.
    decay_rate: Tensor,
    /// Whether any leaf is kept by rows and columns, which is the default.
    factored: bool,
} }

setters! { Adafactor {
    /// Whether steps are in proportion to the root mean square of the parameter, which is the default.
    multiply_by_parameter_scale: bool,
    /// The largest root mean square of an update, above 0, 1 by default; None for any.
    clipping_threshold: Option<Tensor>,
    /// How much of the average of updates stays at each step, from 0 to 1; none by default.
    momentum: Tensor => Some,
    /// The dtype of that average; `F32` by default.
    dtype_momentum: DType,
} }

impl Adafactor {
    /// From which update on the decay counts; 0 by default. Earlier ones are as the first.
    #[must_use]
    pub fn decay_offset(mut self, offset: i32) -> Adafactor {
        self.scale = self.scale.step_offset(offset);
        self
    }

    /// What is added to squares: at least 0; 10⁻³⁰ by default.
    #[must_use]
    pub fn eps(mut self, eps: impl TensorLike) -> Adafactor {
        self.scale = self.scale.epsilon(eps);
        self
    }

    /// Leaves the learning rate out: steps are as large as the parameters say.
    #[must_use]
    pub fn without_learning_rate(mut self) -> Adafactor {
        self.learning_rate = None;
        self
    }

    /// Which part of each parameter is taken off at each step, not scaled by the learning rate; none by default.
    #[must_use]
    pub fn weight_decay_rate(mut self, rate: impl Into<Schedule>) -> Adafactor {
        let mask = self.decay.map(|decay| decay.mask).unwrap_or_default();
        self.decay = Some(AddDecayedWeights { mask, ..add_decayed_weights(rate) });
        self
    }

    /// Which parameters decay, by their path and themselves, once there is a weight decay; all by default.
    #[must_use]
    pub fn weight_decay_mask(
        mut self,
        mask: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static,
    ) -> Adafactor {
        self.decay = self.decay.map(|decay| decay.mask(mask));
        self
    }

    fn clipping(&self) -> Option<ClipByBlockRms> {
        self.clipping_threshold.clone().map(clip_by_block_rms)
    }

    fn rate(&self) -> Option<ScaleByLearningRate> {
        self.learning_rate.clone().map(|rate| scale_by_learning_rate(rate).flip_sign(false))
    }

    fn parameter_scale(&self) -> Option<ScaleByParamBlock> {
        self.multiply_by_parameter_scale.then(|| scale_by_param_block_rms(1e-3))
    }
}

alias!(Adafactor, AdafactorState<P>, |this| (
    this.scale.clone(),
    Appended(this.clipping()),
    Appended(this.rate()),
    Appended(this.parameter_scale()),
    Appended(
        this.momentum.clone().map(|decay| ema(decay).debias(false).accumulator_dtype(this.dtype_momentum))
    ),
    Appended(this.decay.clone()),
    scale(-1.0)
));
