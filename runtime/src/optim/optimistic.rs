//! Optimistic steps, which look ahead by the last change of gradients: for games.

use super::GradientTransformation;
use super::adam::{ScaleByAdam, ScaleByAdamState, adam_options, adam_setters, nesterov, scale_by_adam};
use super::moments::{zeros, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::core::domain::FINITE;
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::tree::Tree;
use crate::variables::Dict;

/// Steps that look ahead; see [`scale_by_optimistic_gradient`].
#[derive(Clone, Debug)]
pub struct ScaleByOptimisticGradient {
    alpha: Tensor,
    beta: Tensor,
}

/// The last gradients.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByOptimisticGradientState<P = Dict> {
    /// Whether there are none yet, boolean.
    pub is_initial_step: Tensor,
    /// The last gradients.
    pub previous_gradient: P,
}

/// `(alpha + beta)·g − beta·g'` with `g'` the gradient before, which at the first step is `g`; `alpha` and `beta` are finite, and 1 by
/// default.
///
/// Source: Mokhtari et al., *A Unified Analysis of Extra-gradient and Optimistic Gradient Methods*, 2019.
pub fn scale_by_optimistic_gradient() -> ScaleByOptimisticGradient {
    ScaleByOptimisticGradient { alpha: bare(1.0), beta: bare(1.0) }
}

macro_rules! optimistic_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much the gradient counts: finite; 1 by default.
            alpha: Tensor,
            /// How much its change counts: finite; 1 by default.
            beta: Tensor,
        } }
    };
}

optimistic_setters!(ScaleByOptimisticGradient);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByOptimisticGradient {
    type State = ScaleByOptimisticGradientState<P>;

    fn init(&self, params: &P) -> Self::State {
        let previous_gradient = zeros(params, None);
        ScaleByOptimisticGradientState { is_initial_step: Tensor::full([], true), previous_gradient }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        FINITE.check_number("scale_by_optimistic_gradient", "alpha", &self.alpha)?;
        FINITE.check_number("scale_by_optimistic_gradient", "beta", &self.beta)?;
        let first = &state.is_initial_step;
        let both = &self.alpha + &self.beta;
        let [updates, previous_gradient] =
            zip_moments([updates, &state.previous_gradient], 2, |[g, last]| {
                let last = first.try_select(g, last)?;
                Ok([g * &both - last * &self.beta, g.clone()])
            })?;
        let is_initial_step = Tensor::full([], false);
        Ok((updates, ScaleByOptimisticGradientState { is_initial_step, previous_gradient }))
    }
}

/// Optimistic gradient descent; see [`optimistic_gradient_descent`].
#[derive(Clone, Debug)]
pub struct OptimisticGradientDescent {
    learning_rate: Schedule,
    scale: ScaleByOptimisticGradient,
}

/// `u = −lr·((alpha + beta)·g − beta·g')` with `g'` the gradient before.
///
/// Source: Mokhtari et al., *A Unified Analysis of Extra-gradient and Optimistic Gradient Methods*, 2019.
pub fn optimistic_gradient_descent(learning_rate: impl Into<Schedule>) -> OptimisticGradientDescent {
    OptimisticGradientDescent { learning_rate: learning_rate.into(), scale: scale_by_optimistic_gradient() }
}

optimistic_setters!(OptimisticGradientDescent.scale);

alias!(OptimisticGradientDescent, (ScaleByOptimisticGradientState<P>, ScheduleState), |this| (
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));

/// Optimistic Adam; see [`optimistic_adam_v2`].
#[derive(Clone, Debug)]
pub struct OptimisticAdam {
    learning_rate: Schedule,
    scale: ScaleByAdam,
    optimistic: ScaleByOptimisticGradient,
}

/// The state of [`optimistic_adam_v2`]: of the moments, of the last direction, and of the learning rate.
pub type OptimisticAdamState<P = Dict> =
    (ScaleByAdamState<P>, ScaleByOptimisticGradientState<P>, ScheduleState);

/// The direction of [`adam`](super::adam()), with Nesterov's momentum unless asked otherwise, and optimistic steps along it.
///
/// Source: Daskalakis et al., *Training GANs with Optimism*, 2017.
pub fn optimistic_adam_v2(learning_rate: impl Into<Schedule>) -> OptimisticAdam {
    OptimisticAdam {
        learning_rate: learning_rate.into(),
        scale: scale_by_adam().nesterov(true),
        optimistic: scale_by_optimistic_gradient(),
    }
}

/// As [`optimistic_adam_v2`] with a learning rate of 1, `alpha` the learning rate that is given, and `beta` the optimism, which is the
/// learning rate by default; optax deprecates it.
///
/// Source: Daskalakis et al., *Training GANs with Optimism*, 2017.
pub fn optimistic_adam(learning_rate: impl TensorLike) -> OptimisticAdam {
    let rate = unwrap(learning_rate.operand());
    optimistic_adam_v2(1.0).alpha(&rate).beta(&rate)
}

adam_setters!(OptimisticAdam.scale);
adam_options!(OptimisticAdam.scale);
nesterov!(OptimisticAdam.scale);
optimistic_setters!(OptimisticAdam.optimistic);

alias!(OptimisticAdam, OptimisticAdamState<P>, |this| (
    this.scale.clone(),
    this.optimistic.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
