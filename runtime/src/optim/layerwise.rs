//! LAMB and LARS: optimizers whose steps are in proportion to the parameters, for large batches.

use super::adam::{ScaleByAdam, ScaleByAdamState, adam_setters, scale_by_adam};
use super::masked::{Mask, MaskedState};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::sgd::{Trace, TraceState, trace};
use super::trust_ratio::{ScaleByTrustRatio, scale_by_trust_ratio};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use super::{ExtraArgs, GradientTransformation};
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::tree::Tree;
use crate::variables::Dict;

/// LAMB; see [`lamb`].
#[derive(Clone, Debug)]
pub struct Lamb {
    learning_rate: Schedule,
    scale: ScaleByAdam,
    decay: AddDecayedWeights,
}

/// The state of [`lamb`]: of the moments, of the weight decay, of the trust ratio, which has none, and of the learning rate.
pub type LambState<P = Dict> = (ScaleByAdamState<P>, ScheduleState, (), ScheduleState);

/// `u = −lr·r·‖p‖/‖r‖` for each leaf, where `r` is the direction of [`adam`](super::adam()) plus `weight_decay·p`; `eps` is
/// 10⁻⁶, and there is no weight decay unless asked for.
///
/// Source: You et al., *Large Batch Optimization for Deep Learning*, 2020.
pub fn lamb(learning_rate: impl Into<Schedule>) -> Lamb {
    Lamb {
        learning_rate: learning_rate.into(),
        scale: scale_by_adam().eps(1e-6),
        decay: add_decayed_weights(0.0),
    }
}

adam_setters!(Lamb.scale);
decaying!(Lamb: weight_decay, mask);

alias!(Lamb, LambState<P>, |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_trust_ratio(),
    scale_by_learning_rate(&this.learning_rate)
));

/// LARS; see [`lars`].
#[derive(Clone, Debug)]
pub struct Lars {
    learning_rate: Schedule,
    decay: AddDecayedWeights,
    ratio: ScaleByTrustRatio,
    momentum: Trace,
}

/// The state of [`lars`]: of the weight decay, of the trust ratio, which has none, of the learning rate, and of the momentum.
pub type LarsState<P = Dict> = (ScheduleState, MaskedState<()>, ScheduleState, TraceState<P>);

/// Momentum of `−lr·r·trust_coefficient·‖p‖ / (‖r‖ + eps)` with `r` the gradient plus `weight_decay·p`; the trust
/// coefficient is 10⁻³, `eps` 0, the momentum 0.9, and there is no weight decay unless asked for.
///
/// Source: You et al., *Large Batch Training of Convolutional Networks*, 2017.
pub fn lars(learning_rate: impl Into<Schedule>) -> Lars {
    Lars {
        learning_rate: learning_rate.into(),
        // In Optax, of all leaves if nothing else is said.
        decay: add_decayed_weights(0.0).mask(|_, _| true),
        ratio: scale_by_trust_ratio().trust_coefficient(1e-3),
        momentum: trace(0.9),
    }
}

decaying!(Lars: weight_decay, weight_decay_mask);

setters! { Lars.ratio {
    /// The factor of all ratios; 10⁻³ by default.
    trust_coefficient: Tensor,
    /// What is added to the norm of the update; 0 by default.
    eps: Tensor,
} }

setters! { Lars.momentum {
    /// Whether the momentum is Nesterov's.
    nesterov: bool,
} }

impl Lars {
    /// How much of the sum of earlier updates stays at each step; 0.9 by default.
    #[must_use]
    pub fn momentum(mut self, momentum: impl TensorLike) -> Lars {
        self.momentum.decay = unwrap(momentum.operand());
        self
    }

    /// Which updates are scaled by their parameters, by the path and the parameter; all by default.
    #[must_use]
    pub fn trust_ratio_mask(mut self, mask: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static) -> Lars {
        self.ratio.mask = Mask::new(mask);
        self
    }
}

/// What chooses leaves by itself, with the state of [`masked`](super::masked()), as in Optax.
struct Choosing<T>(T);

impl<P: Tree, T: GradientTransformation<P>> GradientTransformation<P> for Choosing<T> {
    type State = MaskedState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        MaskedState { inner_state: self.0.init(params) }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        let (updates, inner_state) = self.0.update_with(updates, &state.inner_state, params, extra)?;
        Ok((updates, MaskedState { inner_state }))
    }
}

alias!(Lars, LarsState<P>, |this| (
    this.decay.clone(),
    Choosing(this.ratio.clone()),
    scale_by_learning_rate(&this.learning_rate),
    this.momentum.clone()
));
