//! `AdaBelief`.

use super::GradientTransformation;
use super::adam::{ScaleByAdam, ScaleByAdamState, adam_setters, nesterov, scale_by_adam};
use super::moments::{moving_average, safe_increment, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::error::Result;
use crate::tree::Tree;

/// Updates in units of how far gradients are from what was expected; see [`scale_by_belief`].
#[derive(Clone, Debug)]
pub struct ScaleByBelief {
    adam: ScaleByAdam,
}

/// As [`scale_by_adam`], with `v` the moving average of the squared distance between the gradient and `m`; both small
/// values are 10⁻¹⁶.
///
/// Source: Zhuang et al., *`AdaBelief` Optimizer*, 2020.
pub fn scale_by_belief() -> ScaleByBelief {
    ScaleByBelief { adam: scale_by_adam().eps(1e-16).eps_root(1e-16) }
}

adam_setters!(ScaleByBelief.adam);
nesterov!(ScaleByBelief.adam);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByBelief {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> ScaleByAdamState<P> {
        self.adam.initial(params)
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let (adam, count) = (&self.adam, safe_increment(&state.count));
        adam.check("scale_by_belief")?;
        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let mu = moving_average(mu, g, &adam.b1);
            let nu = moving_average(nu, &(g - &mu).square(), &adam.b2);
            Ok([adam.scaled(g, &mu, &count, &adam.deviation(&nu, &count))?, mu, nu])
        })?;
        Ok((updates, ScaleByAdamState { count, mu, nu }))
    }
}

/// `AdaBelief`; see [`adabelief`].
#[derive(Clone, Debug)]
pub struct Adabelief {
    learning_rate: Schedule,
    scale: ScaleByBelief,
}

/// Adam with steps that are larger where gradients are as expected; see [`scale_by_belief`].
///
/// Source: Zhuang et al., *`AdaBelief` Optimizer*, 2020.
pub fn adabelief(learning_rate: impl Into<Schedule>) -> Adabelief {
    Adabelief { learning_rate: learning_rate.into(), scale: scale_by_belief() }
}

adam_setters!(Adabelief.scale.adam);
nesterov!(Adabelief.scale.adam);

alias!(Adabelief, (ScaleByAdamState<P>, ScheduleState), |this| (
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
