//! Yogi.

use super::GradientTransformation;
use super::adam::{ScaleByAdam, ScaleByAdamState, adam_setters, scale_by_adam};
use super::moments::{
    full_like, moving_average, safe_increment, second_moments_like, zero_count, zip_moments,
};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;

/// Updates in units of a deviation that changes by steps of one size; see [`scale_by_yogi`].
#[derive(Clone, Debug)]
pub struct ScaleByYogi {
    adam: ScaleByAdam,
    initial_accumulator_value: Tensor,
}

/// As [`scale_by_adam`], with `v ← v − (1 − b2)·sign(v − g²)·g²`; `eps` is 10⁻³, and both moments begin at 10⁻⁶.
///
/// Source: Zaheer et al., *Adaptive Methods for Nonconvex Optimization*, 2018.
pub fn scale_by_yogi() -> ScaleByYogi {
    ScaleByYogi { adam: scale_by_adam().eps(1e-3), initial_accumulator_value: bare(1e-6) }
}

adam_setters!(ScaleByYogi.adam);

setters! { ScaleByYogi {
    /// Where both moments begin: at least 0.
    initial_accumulator_value: Tensor,
} }

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByYogi {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> ScaleByAdamState<P> {
        let initial = &self.initial_accumulator_value;
        let (mu, nu) = (full_like(params, initial, None), second_moments_like(params, initial));
        ScaleByAdamState { count: zero_count(), mu, nu }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let (adam, count) = (&self.adam, safe_increment(&state.count));
        adam.check("scale_by_yogi")?;
        NOT_NEGATIVE.check_number(
            "scale_by_yogi",
            "initial_accumulator_value",
            &self.initial_accumulator_value,
        )?;
        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let square = g.square();
            let mu = moving_average(mu, g, &adam.b1);
            let change = &square * (1.0 - &adam.b2);
            // Not by the sign of the difference: of two squares beyond all numbers there is none.
            let fallen = square.try_lt(nu)?.try_select(nu - &change, nu)?;
            let nu = square.try_gt(nu)?.try_select(nu + change, fallen)?;
            Ok([adam.scaled(g, &mu, &count, &adam.deviation(&nu, &count))?, mu, nu])
        })?;
        Ok((updates, ScaleByAdamState { count, mu, nu }))
    }
}

/// Yogi; see [`yogi`].
#[derive(Clone, Debug)]
pub struct Yogi {
    learning_rate: Schedule,
    scale: ScaleByYogi,
}

/// Adam with a denominator that forgets slowly; see [`scale_by_yogi`].
///
/// Source: Zaheer et al., *Adaptive Methods for Nonconvex Optimization*, 2018.
pub fn yogi(learning_rate: impl Into<Schedule>) -> Yogi {
    Yogi { learning_rate: learning_rate.into(), scale: scale_by_yogi() }
}

setters! { Yogi.scale.adam {
    /// How much of the average of gradients stays at each step: at least 0 and below 1.
    b1: Tensor,
    /// How much of the second moment stays at each step: at least 0 and below 1.
    b2: Tensor,
    /// What is added to the denominator: at least 0.
    eps: Tensor,
} }

alias!(Yogi, (ScaleByAdamState<P>, ScheduleState), |this| (
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
