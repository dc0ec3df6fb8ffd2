//! MoMo: momentum with a step size from a model of the loss.

use crate::core::Tensor;
use crate::core::domain::{DECAY, FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::moments::{
    in_dtype_of, moving_average, safe_increment, zero_count, zeros, zip, zip_moments,
};
use crate::optim::polyak::lowest_dtype;
use crate::optim::schedule::Schedule;
use crate::optim::settings::setters;
use crate::optim::tree_math::{norm_squared, vdot};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::Tree;
use crate::variables::Dict;

/// Momentum with a step size of its own; see [`momo`].
#[derive(Clone, Debug)]
pub struct Momo {
    learning_rate: Schedule,
    beta: Tensor,
    lower_bound: Tensor,
    weight_decay: Tensor,
    adapt_lower_bound: bool,
}

/// What MoMo remembers.
#[derive(Clone, Debug, Tree)]
pub struct MomoState<P = Dict> {
    /// The moving average of gradients.
    pub exp_avg: P,
    /// The moving average of losses.
    pub barf: Tensor,
    /// The moving average of inner products of gradients and parameters.
    pub gamma: Tensor,
    /// The lower bound of the loss.
    pub lb: Tensor,
    /// The number of updates so far, `I32`.
    pub count: Tensor,
}

/// `u = −τ·m` with `m` the moving average of gradients, and `τ` the step to where a model of the loss, made of averages, reaches its lower bound;
/// at most the learning rate, which is 1 by default.
///
/// It needs `value`, the loss, in [`update_with`](GradientTransformation::update_with).
///
/// Source: Schaipp et al., *MoMo: Momentum Models for Adaptive Learning Rates*, 2023.
pub fn momo() -> Momo {
    Momo {
        learning_rate: 1.0.into(),
        beta: bare(0.9),
        lower_bound: bare(0.0),
        weight_decay: bare(0.0),
        adapt_lower_bound: false,
    }
}

setters! { Momo {
    /// The longest step: a number or a schedule; 1 by default.
    learning_rate: Schedule,
    /// How much of the averages stays at each step: at least 0 and below 1; 0.9 by default.
    beta: Tensor,
    /// The lowest loss there is: finite; 0 by default.
    lower_bound: Tensor,
    /// Which part of parameters is taken off: at least 0, which is the default.
    weight_decay: Tensor,
    /// Whether the lower bound is estimated.
    adapt_lower_bound: bool,
} }

impl Momo {
    const OP: &'static str = "momo";

    fn check(&self) -> Result<()> {
        DECAY.check_number(Self::OP, "beta", &self.beta)?;
        FINITE.check_number(Self::OP, "lower_bound", &self.lower_bound)?;
        NOT_NEGATIVE.check_number(Self::OP, "weight_decay", &self.weight_decay)
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for Momo {
    type State = MomoState<P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        MomoState {
            exp_avg: zeros(params, None),
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
        let value = extra.need_value(Self::OP)?.try_cast(dtype)?;
        let alpha = self.learning_rate.at(&state.count)?;
        FINITE.check_number(Self::OP, "learning_rate", &alpha)?;
        // The first averages are the first values.
        let beta = state.count.try_eq(0)?.try_select(self.beta.like(0.0), &self.beta)?.cast(dtype);
        let barf = moving_average(&state.barf, &value, &beta);
        let [_, exp_avg] = zip_moments([updates, &state.exp_avg], 1, |[g, mean]| {
            Ok([g.clone(), moving_average(mean, g, &in_dtype_of(&beta, mean))])
        })?;
        let gamma = moving_average(&state.gamma, &vdot(updates, params)?.cast(dtype), &beta);
        let size = norm_squared(&exp_avg)?;
        let product = vdot(&exp_avg, params)?;
        let kept = &alpha * &self.weight_decay + 1.0;

        let bound = if self.adapt_lower_bound {
            let cap = &kept * (&barf - &gamma) + &product;
            let lower = (&cap / (&kept * 2.0)).try_maximum(&self.lower_bound)?;
            cap.try_lt(&kept * &state.lb)?.try_select(lower.cast(dtype), &state.lb)?
        } else {
            state.lb.clone()
        };
        let gap = (&kept * (&barf - &bound - &gamma) + &product).try_maximum(0.0)?;
        let tiny = size.try_le(f64::EPSILON)?;
        let step = gap.try_div(tiny.try_select(size.like(1.0), &size)?)?;
        let tau = tiny.try_select(step.like(0.0), &step)?.try_minimum(&alpha)?;
        let shrink = (&kept - 1.0) / &kept;
        let [steps] = zip([&exp_avg, params], |[mean, p]| {
            Ok([-(p * in_dtype_of(&shrink, p)) - mean * in_dtype_of(&tau, mean)])
        })?;
        let lb = if self.adapt_lower_bound {
            let reached = &barf + &product - &gamma - &tau * &size * 0.5;
            reached.try_maximum(&self.lower_bound)?.cast(dtype)
        } else {
            state.lb.clone()
        };
        let count = safe_increment(&state.count);
        Ok((steps, MomoState { exp_avg, barf: barf.cast(dtype), gamma: gamma.cast(dtype), lb, count }))
    }
}
