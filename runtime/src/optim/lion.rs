//! Lion.

use super::GradientTransformation;
use super::moments::{moving_average, safe_increment, zero_count, zeros, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::PROBABILITY;
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// The sign of a mixture of gradient and momentum; see [`scale_by_lion`].
#[derive(Clone, Debug)]
pub struct ScaleByLion {
    b1: Tensor,
    b2: Tensor,
    mu_dtype: Option<DType>,
}

/// What Lion remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByLionState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The moving average of gradients.
    pub mu: P,
}

/// `sign(b1·m + (1 − b1)·g)`, then `m ← b2·m + (1 − b2)·g`.
///
/// Source: Chen et al., *Symbolic Discovery of Optimization Algorithms*, 2023.
pub fn scale_by_lion() -> ScaleByLion {
    ScaleByLion { b1: bare(0.9), b2: bare(0.99), mu_dtype: None }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByLion {
    type State = ScaleByLionState<P>;

    fn init(&self, params: &P) -> ScaleByLionState<P> {
        ScaleByLionState { count: zero_count(), mu: zeros(params, self.mu_dtype) }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        PROBABILITY.check_number("scale_by_lion", "b1", &self.b1)?;
        PROBABILITY.check_number("scale_by_lion", "b2", &self.b2)?;
        let [updates, mu] = zip_moments([updates, &state.mu], 2, |[g, mu]| {
            Ok([moving_average(mu, g, &self.b1).try_sign()?, moving_average(mu, g, &self.b2)])
        })?;
        Ok((updates, ScaleByLionState { count: safe_increment(&state.count), mu }))
    }
}

/// Lion; see [`lion`].
#[derive(Clone, Debug)]
pub struct Lion {
    learning_rate: Schedule,
    scale: ScaleByLion,
    decay: AddDecayedWeights,
}

/// The state of [`lion`]: of the momentum, of the weight decay, and of the learning rate.
pub type LionState<P = Dict> = (ScaleByLionState<P>, ScheduleState, ScheduleState);

/// `u = −lr·(sign(b1·m + (1 − b1)·g) + weight_decay·p)`, with `b1` 0.9, `b2` 0.99 and a weight decay of 10⁻³.
///
/// It wants a learning rate some ten times smaller than Adam's.
///
/// Source: Chen et al., *Symbolic Discovery of Optimization Algorithms*, 2023.
pub fn lion(learning_rate: impl Into<Schedule>) -> Lion {
    Lion { learning_rate: learning_rate.into(), scale: scale_by_lion(), decay: add_decayed_weights(1e-3) }
}

macro_rules! options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the update is momentum, from 0 to 1; 0.9 by default.
            b1: Tensor,
            /// How much of the momentum stays at each step, from 0 to 1; 0.99 by default.
            b2: Tensor,
            /// The dtype of the momentum; that of the parameters by default.
            mu_dtype: DType => Some,
        } }
    };
}

options!(ScaleByLion);
options!(Lion.scale);
decaying!(Lion: weight_decay, mask);

alias!(Lion, LionState<P>, |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
