//! Adamax.

use super::GradientTransformation;
use super::adam::{ScaleByAdam, ScaleByAdamState, scale_by_adam};
use super::moments::{bias_corrected, may_vanish, moving_average, safe_divide, safe_increment, zip_moments};
use super::optional::{Appended, OptionalState};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates in units of the largest gradient; see [`scale_by_adamax`].
#[derive(Clone, Debug)]
pub struct ScaleByAdamax {
    adam: ScaleByAdam,
}

/// `m̂ / v` with `v ← max(|g| + eps, b2·v)`.
///
/// Source: Kingma and Ba, *Adam*, 2014.
pub fn scale_by_adamax() -> ScaleByAdamax {
    ScaleByAdamax { adam: scale_by_adam() }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAdamax {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> ScaleByAdamState<P> {
        self.adam.initial(params)
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let (adam, count) = (&self.adam, safe_increment(&state.count));
        adam.check("scale_by_adamax")?;
        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let mu = moving_average(mu, g, &adam.b1);
            let nu = (g.abs() + &adam.eps).try_maximum(nu * &adam.b2)?;
            Ok([safe_divide(&bias_corrected(&mu, &adam.b1, &count), &nu, may_vanish(&adam.eps))?, mu, nu])
        })?;
        Ok((updates, ScaleByAdamState { count, mu, nu }))
    }
}

/// Adamax; see [`adamax`] and [`adamaxw`].
#[derive(Clone, Debug)]
pub struct Adamax {
    learning_rate: Schedule,
    scale: ScaleByAdamax,
    decay: AddDecayedWeights,
    decays: bool,
}

/// The state of [`adamax`] and [`adamaxw`]: of the moments, of the weight decay, if there is any, and of the learning rate.
pub type AdamaxState<P = Dict> = (ScaleByAdamState<P>, OptionalState<ScheduleState>, ScheduleState);

/// Adam with the largest gradient in the denominator; see [`scale_by_adamax`].
///
/// Source: Kingma and Ba, *Adam*, 2014.
pub fn adamax(learning_rate: impl Into<Schedule>) -> Adamax {
    Adamax {
        learning_rate: learning_rate.into(),
        scale: scale_by_adamax(),
        decay: add_decayed_weights(1e-4),
        decays: false,
    }
}

/// [`adamax`] with decoupled weight decay, 10⁻⁴ by default.
pub fn adamaxw(learning_rate: impl Into<Schedule>) -> Adamax {
    Adamax { decays: true, ..adamax(learning_rate) }
}

macro_rules! options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the average of gradients stays at each step: at least 0 and below 1.
            b1: Tensor,
            /// How much of the largest gradient stays at each step: at least 0 and below 1.
            b2: Tensor,
            /// What is added to the size of each gradient: at least 0.
            eps: Tensor,
        } }
    };
}

options!(ScaleByAdamax.adam);
options!(Adamax.scale.adam);
decaying!(Adamax: weight_decay, mask);

alias!(Adamax, AdamaxState<P>, |this| (
    this.scale.clone(),
    Appended(this.decays.then(|| this.decay.clone())),
    scale_by_learning_rate(&this.learning_rate)
));
