//! `AMSGrad`.

use super::GradientTransformation;
use super::adam::{ScaleByAdam, adam_options, adam_setters, scale_by_adam};
use super::moments::{
    bias_corrected, moving_average, safe_increment, zero_count, zero_second_moments, zeros, zip_moments,
};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::core::Tensor;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates in units of their largest deviation; see [`scale_by_amsgrad`].
#[derive(Clone, Debug)]
pub struct ScaleByAmsgrad {
    adam: ScaleByAdam,
}

/// What `AMSGrad` remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByAmsgradState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The moving average of gradients.
    pub mu: P,
    /// The moving average of their squares, `F32` for leaves of `F16`.
    pub nu: P,
    /// The largest `nu` there was.
    pub nu_max: P,
}

/// As [`scale_by_adam`], with the largest `v̂` there was.
///
/// Source: Reddi et al., *On the Convergence of Adam and Beyond*, 2018.
pub fn scale_by_amsgrad() -> ScaleByAmsgrad {
    ScaleByAmsgrad { adam: scale_by_adam() }
}

adam_setters!(ScaleByAmsgrad.adam);
adam_options!(ScaleByAmsgrad.adam);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAmsgrad {
    type State = ScaleByAmsgradState<P>;

    fn init(&self, params: &P) -> ScaleByAmsgradState<P> {
        let (mu, squares) = (zeros(params, self.adam.mu_dtype), || zero_second_moments(params));
        ScaleByAmsgradState { count: zero_count(), mu, nu: squares(), nu_max: squares() }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let (adam, count) = (&self.adam, safe_increment(&state.count));
        adam.check("scale_by_amsgrad")?;
        let trees = [updates, &state.mu, &state.nu, &state.nu_max];
        let [updates, mu, nu, nu_max] = zip_moments(trees, 2, |[g, mu, nu, nu_max]| {
            let (mu, nu) = (moving_average(mu, g, &adam.b1), moving_average(nu, &g.square(), &adam.b2));
            let nu_max = nu_max.try_maximum(bias_corrected(&nu, &adam.b2, &count))?;
            let deviation = (&nu_max + &adam.eps_root).sqrt() + &adam.eps;
            Ok([adam.scaled(g, &mu, &count, &deviation)?, mu, nu, nu_max])
        })?;
        Ok((updates, ScaleByAmsgradState { count, mu, nu, nu_max }))
    }
}

/// `AMSGrad`; see [`amsgrad`].
#[derive(Clone, Debug)]
pub struct Amsgrad {
    learning_rate: Schedule,
    scale: ScaleByAmsgrad,
}

/// The state of [`amsgrad`].
pub type AmsgradState<P = Dict> = (ScaleByAmsgradState<P>, ScheduleState);

/// Adam with steps that never grow again; see [`scale_by_amsgrad`].
///
/// Source: Reddi et al., *On the Convergence of Adam and Beyond*, 2018.
pub fn amsgrad(learning_rate: impl Into<Schedule>) -> Amsgrad {
    Amsgrad { learning_rate: learning_rate.into(), scale: scale_by_amsgrad() }
}

adam_setters!(Amsgrad.scale.adam);
adam_options!(Amsgrad.scale.adam);

alias!(Amsgrad, AmsgradState<P>, |this| (this.scale.clone(), scale_by_learning_rate(&this.learning_rate)));
