//! COCOB: steps by betting on coins, without a learning rate.

use crate::core::Tensor;
use crate::core::domain::{NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::GradientTransformation;
use crate::optim::moments::{full_like, safe_divide, zeros, zip_moments};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::{alias, setters};
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::tree::Tree;
use crate::variables::Dict;

/// Bets on gradients; see [`scale_by_cocob`].
#[derive(Clone, Debug)]
pub struct ScaleByCocob {
    alpha: Tensor,
    eps: Tensor,
}

/// What COCOB remembers.
#[derive(Clone, Debug, Tree)]
pub struct CocobState<P = Dict> {
    /// The first parameters.
    pub init_particles: P,
    /// The sum of gradients, turned around.
    pub cumulative_gradients: P,
    /// The largest magnitudes of gradients.
    pub scale: P,
    /// The sums of magnitudes of gradients.
    pub subgradients: P,
    /// What was won.
    pub reward: P,
}

/// Moves each parameter to where a bet on the sum of its gradients leads, from where it began.
///
/// Source: Orabona and Tommasi, *Training Deep Networks without Learning Rates Through Coin Betting*, 2017.
pub fn scale_by_cocob() -> ScaleByCocob {
    ScaleByCocob { alpha: bare(100.0), eps: bare(1e-8) }
}

macro_rules! cocob_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How careful the first bets are: above 0; 100 by default.
            alpha: Tensor,
            /// The first magnitude of gradients: at least 0, and 10⁻⁸ by default; with 0, what has no gradient yet does not move.
            eps: Tensor,
        } }
    };
}

cocob_setters!(ScaleByCocob);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByCocob {
    type State = CocobState<P>;

    fn init(&self, params: &P) -> Self::State {
        CocobState {
            init_particles: params.clone(),
            cumulative_gradients: zeros(params, None),
            scale: full_like(params, &self.eps, None),
            subgradients: zeros(params, None),
            reward: zeros(params, None),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        POSITIVE.check_number("scale_by_cocob", "alpha", &self.alpha)?;
        NOT_NEGATIVE.check_number("scale_by_cocob", "eps", &self.eps)?;
        let CocobState { init_particles, cumulative_gradients, scale, subgradients, reward } = state;
        let trees = [updates, init_particles, cumulative_gradients, scale, subgradients, reward, params];
        let [updates, init_particles, cumulative_gradients, scale, subgradients, reward] =
            zip_moments(trees, 1, |[g, first, sum, largest, sizes, reward, p]| {
                let largest = largest.try_maximum(g.try_abs()?)?;
                let sizes = sizes + g.try_abs()?;
                let reward = (reward - g * (p - first)).try_maximum(0.0)?;
                let sum = sum - g;
                let careful = (&sizes + &largest).try_maximum(&largest * &self.alpha)?;
                let bet = safe_divide(&sum, &(&largest * careful), true)?;
                let step = first + bet * (&largest + &reward) - p;
                Ok([step, first.clone(), sum, largest, sizes, reward])
            })?;
        let next = CocobState { init_particles, cumulative_gradients, scale, subgradients, reward };
        Ok((updates, next))
    }
}

/// COCOB; see [`cocob`].
#[derive(Clone, Debug)]
pub struct Cocob {
    learning_rate: Schedule,
    scale: ScaleByCocob,
    decay: AddDecayedWeights,
}

/// [`scale_by_cocob`] of gradients plus `weight_decay·p`, times a learning rate that is 1 by default; there is no weight decay unless asked
/// for.
///
/// Source: Orabona and Tommasi, *Training Deep Networks without Learning Rates Through Coin Betting*, 2017.
pub fn cocob() -> Cocob {
    Cocob { learning_rate: 1.0.into(), scale: scale_by_cocob(), decay: add_decayed_weights(0.0) }
}

setters! { Cocob {
    /// What gradients are multiplied by: a number or a schedule; 1 by default.
    learning_rate: Schedule,
} }

cocob_setters!(Cocob.scale);
decaying!(Cocob: weight_decay, mask);

alias!(Cocob, (ScheduleState, ScheduleState, CocobState<P>), |this| (
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate).flip_sign(false),
    this.scale.clone()
));
