//! Adadelta.

use super::GradientTransformation;
use super::moments::{moving, zeros, zip};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::error::Result;
use crate::tensor::{Tensor, bare};
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
    /// The moving average of the squares of gradients.
    pub e_g: P,
    /// The moving average of the squares of updates.
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
        ScaleByAdadeltaState { e_g: zeros(params, None), e_x: zeros(params, None) }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let [updates, e_g, e_x] = zip([updates, &state.e_g, &state.e_x], |[g, e_g, e_x]| {
            let e_g = moving(e_g, &g.square(), &self.rho);
            let update = (e_x + &self.eps).sqrt() / (&e_g + &self.eps).sqrt() * g;
            let e_x = moving(e_x, &update.square(), &self.rho);
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
            /// How much of the averages stays at each step.
            rho: Tensor,
            /// What is added below the roots.
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
