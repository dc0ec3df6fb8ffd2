//! ACProp: Adam whose deviations are those of the steps before, around the average.

use crate::core::Tensor;
use crate::core::domain::{DECAY, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::moments::{
    bias_corrected, may_vanish, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments,
    zeros, zip_moments,
};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::{alias, setters};
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::optim::{GradientTransformation, ScaleByAdamState};
use crate::tree::Tree;

/// Updates in units of their deviation; see [`scale_by_acprop`].
#[derive(Clone, Debug)]
pub struct ScaleByAcprop {
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    eps_root: Tensor,
}

/// `g / (√v̂ + eps)` with `v` the moving average of squares of the distances of gradients from their moving average, that of the step before
/// (1 at the first); `eps_root` is added to it at each step.
///
/// Source: Zhuang et al., *Momentum Centering and Asynchronous Update for Adaptive Gradient Methods*, 2021.
pub fn scale_by_acprop() -> ScaleByAcprop {
    ScaleByAcprop { b1: bare(0.9), b2: bare(0.999), eps: bare(1e-16), eps_root: bare(1e-16) }
}

macro_rules! acprop_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the average of gradients stays at each step: at least 0 and below 1; 0.9 by default.
            b1: Tensor,
            /// How much of the average of squares stays at each step: at least 0 and below 1; 0.999 by default.
            b2: Tensor,
            /// What is added to the denominator: at least 0; where the denominator is 0, the update is.
            eps: Tensor,
            /// What is added to the average of squares: at least 0.
            eps_root: Tensor,
        } }
    };
}

acprop_setters!(ScaleByAcprop);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAcprop {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> Self::State {
        let (mu, nu) = (zeros(params, None), zero_second_moments(params));
        ScaleByAdamState { count: zero_count(), mu, nu }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_acprop";
        DECAY.check_number(op, "b1", &self.b1)?;
        DECAY.check_number(op, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(op, "eps_root", &self.eps_root)?;
        let (first, count) = (state.count.try_eq(0)?, safe_increment(&state.count));
        let before = first.try_select(&count, &state.count)?;
        let may_be_zero = may_vanish(&self.eps);
        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let deviation = bias_corrected(nu, &self.b2, &before);
            let deviation = first.try_select(deviation.like(1.0), &deviation)?.sqrt() + &self.eps;
            let next_nu = moving_average(nu, &(g - mu).square(), &self.b2) + &self.eps_root;
            let mu = moving_average(mu, g, &self.b1);
            Ok([safe_divide(g, &deviation, may_be_zero)?, mu, next_nu])
        })?;
        Ok((updates, ScaleByAdamState { count, mu, nu }))
    }
}

/// ACProp; see [`acprop`].
#[derive(Clone, Debug)]
pub struct Acprop {
    learning_rate: Schedule,
    scale: ScaleByAcprop,
    decay: AddDecayedWeights,
}

/// `u = −lr·(a + weight_decay·p)` with `a` the direction of [`scale_by_acprop`]; there is no weight decay unless asked for.
///
/// Source: Zhuang et al., *Momentum Centering and Asynchronous Update for Adaptive Gradient Methods*, 2021.
pub fn acprop(learning_rate: impl Into<Schedule>) -> Acprop {
    Acprop { learning_rate: learning_rate.into(), scale: scale_by_acprop(), decay: add_decayed_weights(0.0) }
}

acprop_setters!(Acprop.scale);
decaying!(Acprop: weight_decay, mask);

alias!(Acprop, (ScaleByAdamState<P>, ScheduleState, ScheduleState), |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
