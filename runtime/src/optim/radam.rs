//! Rectified Adam.

use super::GradientTransformation;
use super::adam::{ScaleByAdam, ScaleByAdamState, adam_setters, nesterov, scale_by_adam};
use super::moments::{in_dtype_of, moving_average, safe_increment, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::FINITE;
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;

/// Updates in units of their deviation, once that is known well enough; see [`scale_by_radam`].
#[derive(Clone, Debug)]
pub struct ScaleByRadam {
    adam: ScaleByAdam,
    threshold: Tensor,
}

/// As [`scale_by_adam`], times a factor for the uncertainty of `v`; while that is too large, below `threshold` (5), the
/// update is `m̂` alone.
///
/// Source: Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, 2020.
pub fn scale_by_radam() -> ScaleByRadam {
    ScaleByRadam { adam: scale_by_adam(), threshold: bare(5.0) }
}

adam_setters!(ScaleByRadam.adam);
nesterov!(ScaleByRadam.adam);

setters! { ScaleByRadam {
    /// From which length of the average on the deviation is used; 5 by default.
    threshold: Tensor,
} }

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByRadam {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> ScaleByAdamState<P> {
        self.adam.initial(params)
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let (adam, count) = (&self.adam, safe_increment(&state.count));
        adam.check("scale_by_radam")?;
        FINITE.check_number("scale_by_radam", "threshold", &self.threshold)?;
        // The length of the average that an exponential one amounts to, now and at last.
        let last = 2.0 / (1.0 - &adam.b2) - 1.0;
        let steps = count.cast(DType::F32);
        let left = adam.b2.cast(DType::F32).pow(&steps);
        let now = &last - steps * 2.0 * &left / (1.0 - &left);
        let ratio = (&now - 4.0) * (&now - 2.0) * &last / ((&last - 4.0) * (&last - 2.0) * &now);
        // A threshold below 4 lets lengths pass for which there is no factor: its square is negative.
        let certain = now.try_ge(&self.threshold)?.try_bitand(ratio.try_ge(0.0)?)?;
        let factor = certain.try_select(ratio, 1.0)?.sqrt();

        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let (mu, nu) = (moving_average(mu, g, &adam.b1), moving_average(nu, &g.square(), &adam.b2));
            let scaled = adam.scaled(g, &mu, &count, &adam.deviation(&nu, &count))?;
            let scaled = &scaled * in_dtype_of(&factor, &scaled);
            Ok([certain.try_select(scaled, adam.direction(g, &mu, &count))?, mu, nu])
        })?;
        Ok((updates, ScaleByAdamState { count, mu, nu }))
    }
}

/// Rectified Adam; see [`radam`].
#[derive(Clone, Debug)]
pub struct Radam {
    learning_rate: Schedule,
    scale: ScaleByRadam,
}

/// Adam that needs no warm-up; see [`scale_by_radam`].
///
/// Source: Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, 2020.
pub fn radam(learning_rate: impl Into<Schedule>) -> Radam {
    Radam { learning_rate: learning_rate.into(), scale: scale_by_radam() }
}

adam_setters!(Radam.scale.adam);
nesterov!(Radam.scale.adam);

setters! { Radam.scale {
    /// From which length of the average on the deviation is used; 5 by default.
    threshold: Tensor,
} }

alias!(Radam, (ScaleByAdamState<P>, ScheduleState), |this| (
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
