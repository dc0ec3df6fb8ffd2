//! MoMo-Adam: Adam with a step size from a model of the loss.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{DECAY, FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::moments::{
    bias, in_dtype_of, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments, zeros,
    zip, zip_moments,
};
use crate::optim::polyak::lowest_dtype;
use crate::optim::schedule::Schedule;
use crate::optim::settings::setters;
use crate::optim::tree_math::vdot;
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::Tree;
use crate::variables::Dict;

/// Adam with a step size of its own; see [`momo_adam`].
#[derive(Clone, Debug)]
pub struct MomoAdam {
    learning_rate: Schedule,
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    lower_bound: Tensor,
    weight_decay: Tensor,
    adapt_lower_bound: bool,
}

/// What MoMo-Adam remembers.
#[derive(Clone, Debug, Tree)]
pub struct MomoAdamState<P = Dict> {
    /// The moving average of gradients.
    pub exp_avg: P,
    /// The moving average of squares of gradients; `F32` for leaves of `F16`.
    pub exp_avg_sq: P,
    /// The moving average of losses.
    pub barf: Tensor,
    /// The moving average of inner products of gradients and parameters.
    pub gamma: Tensor,
    /// The lower bound of the loss.
    pub lb: Tensor,
    /// The number of updates so far, `I32`.
    pub count: Tensor,
}

/// `u = −τ·m / (√v̂ + eps)` with the averages of Adam, and `τ` the step to where a model of the loss, made of averages, reaches its lower
/// bound; at most the learning rate, which is 0.01 by default, without the bias of the averages.
///
/// It needs `value`, the loss, in [`update_with`](GradientTransformation::update_with).
///
/// Source: Schaipp et al., *MoMo: Momentum Models for Adaptive Learning Rates*, 2023.
pub fn momo_adam() -> MomoAdam {
    MomoAdam {
        learning_rate: 1e-2.into(),
        b1: bare(0.9),
        b2: bare(0.999),
        eps: bare(1e-8),
        lower_bound: bare(0.0),
        weight_decay: bare(0.0),
        adapt_lower_bound: false,
    }
}

setters! { MomoAdam {
    /// The longest step: a number or a schedule; 0.01 by default.
    learning_rate: Schedule,
    /// How much of the averages of gradients and losses stays at each step: at least 0 and below 1; 0.9 by default.
    b1: Tensor,
    /// How much of the average of squares stays at each step: at least 0 and below 1; 0.999 by default.
    b2: Tensor,
    /// What is added to the denominator: at least 0; 10⁻⁸ by default.
    eps: Tensor,
    /// The lowest loss there is: finite; 0 by default.
    lower_bound: Tensor,
    /// Which part of parameters is taken off: at least 0, which is the default.
    weight_decay: Tensor,
    /// Whether the lower bound is estimated.
    adapt_lower_bound: bool,
} }

impl MomoAdam {
    const OP: &'static str = "momo_adam";

    fn check(&self) -> Result<()> {
        DECAY.check_number(Self::OP, "b1", &self.b1)?;
        DECAY.check_number(Self::OP, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(Self::OP, "eps", &self.eps)?;
        FINITE.check_number(Self::OP, "lower_bound", &self.lower_bound)?;
        NOT_NEGATIVE.check_number(Self::OP, "weight_decay", &self.weight_decay)
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for MomoAdam {
    type State = MomoAdamState<P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        MomoAdamState {
            exp_avg: zeros(params, None),
            exp_avg_sq: zero_second_moments(params),
            barf: Tensor::zeros_of([], dtype),
            gamma: Tensor::zeros_of([], dtype),
            lb: self.lower_bound.cast(dtype),
            count: zero_count(),
        }
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
        self.check()?;
        let dtype = state.barf.dtype();
        let count = safe_increment(&state.count);
        let value = extra.need_value(Self::OP)?.try_cast(dtype)?;
        let alpha = self.learning_rate.at(&state.count)?;
        FINITE.check_number(Self::OP, "learning_rate", &alpha)?;
        let barf = moving_average(&state.barf, &value, &self.b1);
        let moments = [updates, &state.exp_avg, &state.exp_avg_sq];
        let [_, exp_avg, exp_avg_sq] = zip_moments(moments, 1, |[g, mean, square]| {
            let mean = moving_average(mean, g, &self.b1);
            Ok([g.clone(), mean, moving_average(square, &g.square(), &self.b2)])
        })?;
        let [bias1, bias2] = [&self.b1, &self.b2].map(|decay| bias(decay, &count, DType::F32).cast(dtype));
        // In units of the deviation; where there is none, there was no gradient either.
        let [scaled] = zip([&exp_avg, &exp_avg_sq], |[mean, square]| {
            let deviation = (square / in_dtype_of(&bias2, square)).try_sqrt()? + &self.eps;
            Ok([safe_divide(mean, &deviation, true)?.try_cast(mean.dtype())?])
        })?;
        let size = vdot(&exp_avg, &scaled)?.try_cast(dtype)?;
        let gamma = moving_average(&state.gamma, &vdot(updates, params)?.cast(dtype), &self.b1);
        let product = vdot(&exp_avg, params)?.try_cast(dtype)?;
        let kept = &alpha * &self.weight_decay + 1.0;

        let bound = if self.adapt_lower_bound {
            let cap = &kept * (&barf - &gamma) + &product;
            let lower = (&cap / (&kept * &bias1 * 2.0)).try_maximum(&self.lower_bound)?;
            cap.try_lt(&kept * &bias1 * &state.lb)?.try_select(lower.cast(dtype), &state.lb)?
        } else {
            state.lb.clone()
        };
        let gap = (&kept * (&barf - &bias1 * &bound - &gamma) + &product).try_maximum(0.0)?;
        let tiny = size.try_le(f64::from(f32::EPSILON))?;
        let step = gap.try_div(tiny.try_select(size.like(1.0), &size)?)?;
        let tau = tiny.try_select(step.like(0.0), &step)?.try_minimum(&alpha / &bias1)?;
        let shrink = (&kept - 1.0) / &kept;
        let [steps] = zip([&scaled, params], |[scaled, p]| {
            Ok([-(p * in_dtype_of(&shrink, p)) - scaled * in_dtype_of(&tau, scaled)])
        })?;
        let lb = if self.adapt_lower_bound {
            let reached = (&barf + &product - &gamma - &tau * &size * 0.5) / &bias1;
            reached.try_maximum(&self.lower_bound)?.cast(dtype)
        } else {
            state.lb.clone()
        };
        let (barf, gamma) = (barf.cast(dtype), gamma.cast(dtype));
        Ok((steps, MomoAdamState { exp_avg, exp_avg_sq, barf, gamma, lb, count }))
    }
}
