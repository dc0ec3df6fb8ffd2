//! Adadelta.

use super::GradientTransformation;
use super::moments::{may_vanish, moving_average, safe_divide, zero_second_moments, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::core::Tensor;
use crate::core::domain::{NOT_NEGATIVE, PROBABILITY};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates in units of earlier updates; see [`scale_by_adadelta`].
#[derive(Clone, Debug)]
pub struct ScaleByAdadelta {
    rho: Tensor,
    eps: Tensor,
}

/// What Adadelta remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByAdadeltaState<P = Dict> {
    /// The moving average of the squares of gradients, `F32` for leaves of `F16`.
    pub e_g: P,
    /// The moving average of the squares of updates, `F32` for leaves of `F16`.
    pub e_x: P,
}

/// `g·√(e_x + eps) / √(e_g + eps)` with `e_g` and `e_x` the moving averages of the squares of gradients and updates.
///
/// Source: Zeiler, *ADADELTA*, 2012.
pub fn scale_by_adadelta() -> ScaleByAdadelta {
    ScaleByAdadelta { rho: bare(0.9), eps: bare(1e-6) }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAdadelta {
    type State = ScaleByAdadeltaState<P>;

    fn init(&self, params: &P) -> ScaleByAdadeltaState<P> {
        ScaleByAdadeltaState { e_g: zero_second_moments(params), e_x: zero_second_moments(params) }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        PROBABILITY.check_number("scale_by_adadelta", "rho", &self.rho)?;
        NOT_NEGATIVE.check_number("scale_by_adadelta", "eps", &self.eps)?;
        let [updates, e_g, e_x] = zip_moments([updates, &state.e_g, &state.e_x], 1, |[g, e_g, e_x]| {
            let e_g = moving_average(e_g, &g.square(), &self.rho);
            let (root, deviation) = ((e_x + &self.eps).sqrt(), (&e_g + &self.eps).sqrt());
            let update = safe_divide(&root, &deviation, may_vanish(&self.eps))? * g;
            let e_x = moving_average(e_x, &update.square(), &self.rho);
            Ok([update, e_g, e_x])
        })?;
        Ok((updates, ScaleByAdadeltaState { e_g, e_x }))
    }
}

/// Adadelta; see [`adadelta`].
#[derive(Clone, Debug)]
pub struct Adadelta {
    learning_rate: Schedule,
    scale: ScaleByAdadelta,
    decay: AddDecayedWeights,
}

/// The state of [`adadelta`]: of the weight decay, of the averages, and of the learning rate.
pub type AdadeltaState<P = Dict> = (ScheduleState, ScaleByAdadeltaState<P>, ScheduleState);

/// `u = −lr·g·√(e_x + eps) / √(e_g + eps)`, see [`scale_by_adadelta`]; `rho` is 0.9, `eps` 10⁻⁶, and there is no weight
/// decay unless asked for.
///
/// Source: Zeiler, *ADADELTA*, 2012.
pub fn adadelta(learning_rate: impl Into<Schedule>) -> Adadelta {
    Adadelta {
        learning_rate: learning_rate.into(),
        scale: scale_by_adadelta(),
        decay: add_decayed_weights(0.0),
    }
}

macro_rules! options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the averages stays at each step, from 0 to 1; 0.9 by default.
            rho: Tensor,
            /// What is added below the roots: at least 0; 10⁻⁶ by default.
            eps: Tensor,
        } }
    };
}

options!(ScaleByAdadelta);
options!(Adadelta.scale);
decaying!(Adadelta: weight_decay, weight_decay_mask);

alias!(Adadelta, AdadeltaState<P>, |this| (
    this.decay.clone(),
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
