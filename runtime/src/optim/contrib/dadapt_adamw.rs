//! D-Adaptation: `AdamW` that finds its learning rate.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{DECAY, FINITE, NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::GradientTransformation;
use crate::optim::moments::{
    in_dtype_of, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments, zeros, zip,
    zip_moments,
};
use crate::optim::polyak::lowest_dtype;
use crate::optim::schedule::Schedule;
use crate::optim::settings::setters;
use crate::optim::tree_math::{Norm, norm, vdot};
use crate::tree::Tree;
use crate::variables::Dict;

/// `AdamW` that finds its learning rate; see [`dadapt_adamw`].
#[derive(Clone, Debug)]
pub struct DadaptAdamw {
    learning_rate: Schedule,
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    estim_lr0: Tensor,
    weight_decay: Tensor,
}

/// What it remembers.
#[derive(Clone, Debug, Tree)]
pub struct DadaptAdamwState<P = Dict> {
    /// The moving average of gradients, times learning rates.
    pub exp_avg: P,
    /// The moving average of squares of gradients; `F32` for leaves of `F16`.
    pub exp_avg_sq: P,
    /// The moving average of gradients, times learning rates, that the estimate is made of.
    pub grad_sum: P,
    /// The estimate of the learning rate.
    pub estim_lr: Tensor,
    /// What the estimate is made of, beside the sum of gradients.
    pub numerator_weighted: Tensor,
    /// The number of updates so far, `I32`.
    pub count: Tensor,
}

/// `AdamW` whose steps are multiplied by an estimate of the distance to the solution, so that a learning rate of 1, which is the default, or a
/// schedule around 1, does.
///
/// Source: Defazio and Mishchenko, *Learning-Rate-Free Learning by D-Adaptation*, 2023.
pub fn dadapt_adamw() -> DadaptAdamw {
    DadaptAdamw {
        learning_rate: 1.0.into(),
        b1: bare(0.9),
        b2: bare(0.999),
        eps: bare(1e-8),
        estim_lr0: bare(1e-6),
        weight_decay: bare(0.0),
    }
}

setters! { DadaptAdamw {
    /// What the estimate is multiplied by: a number or a schedule; 1 by default.
    learning_rate: Schedule,
    /// How much of the average of gradients stays at each step, the first of optax's `betas`: at least 0 and below 1; 0.9 by default.
    b1: Tensor,
    /// How much of the average of squares stays at each step, the second of optax's `betas`: at least 0 and below 1; 0.999 by
    /// default.
    b2: Tensor,
    /// What is added to the denominator: at least 0; 10⁻⁸ by default.
    eps: Tensor,
    /// The first estimate, below what is right: above 0; 10⁻⁶ by default.
    estim_lr0: Tensor,
    /// Which part of parameters is taken off: finite; 0 by default.
    weight_decay: Tensor,
} }

impl DadaptAdamw {
    const OP: &'static str = "dadapt_adamw";

    fn check(&self) -> Result<()> {
        DECAY.check_number(Self::OP, "b1", &self.b1)?;
        DECAY.check_number(Self::OP, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(Self::OP, "eps", &self.eps)?;
        POSITIVE.check_number(Self::OP, "estim_lr0", &self.estim_lr0)?;
        FINITE.check_number(Self::OP, "weight_decay", &self.weight_decay)
    }

    /// `x / (√v + eps)`, and 0 where nothing is to be divided.
    fn scaled(&self, x: &Tensor, square: &Tensor) -> Result<Tensor> {
        safe_divide(x, &(square.try_sqrt()? + &self.eps), true)?.try_cast(x.dtype())
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for DadaptAdamw {
    type State = DadaptAdamwState<P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        DadaptAdamwState {
            exp_avg: zeros(params, None),
            exp_avg_sq: zero_second_moments(params),
            grad_sum: zeros(params, None),
            estim_lr: self.estim_lr0.cast(dtype),
            numerator_weighted: Tensor::zeros_of([], dtype),
            count: zero_count(),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.check()?;
        let (count, dtype) = (safe_increment(&state.count), state.estim_lr.dtype());
        let rate = self.learning_rate.at(&state.count)?;
        FINITE.check_number(Self::OP, "learning_rate", &rate)?;
        let step = count.cast(DType::F32);
        let left = |decay: &Tensor| 1.0 - decay.cast(DType::F32).pow(&step);
        let correction = left(&self.b2).sqrt() / left(&self.b1);
        let dlr = (&state.estim_lr * rate * correction).try_cast(dtype)?;
        let root = self.b2.cast(DType::F32).sqrt();

        // The sum of gradients so far, in units of the deviation so far.
        let [weighted] =
            zip([&state.grad_sum, &state.exp_avg_sq], |[sum, square]| Ok([self.scaled(sum, square)?]))?;
        let towards = vdot(updates, &weighted)?.try_cast(dtype)?;
        let moments = [updates, &state.exp_avg, &state.exp_avg_sq, &state.grad_sum];
        let [_, exp_avg, exp_avg_sq, grad_sum] = zip_moments(moments, 1, |[g, mean, square, sum]| {
            let step = g * in_dtype_of(&dlr, g);
            let mean = moving_average(mean, &step, &self.b1);
            let square = moving_average(square, &g.square(), &self.b2);
            let sum = moving_average(sum, &step, &in_dtype_of(&root, sum));
            Ok([g.clone(), mean, square, sum])
        })?;
        let root = root.cast(dtype);
        let numerator_weighted =
            moving_average(&state.numerator_weighted, &(&dlr * towards), &root).try_cast(dtype)?;
        let denominator = norm(&grad_sum, Norm::L1)?.try_cast(dtype)? * (1.0 - &root);
        let estimate = safe_divide(&numerator_weighted, &denominator, true)?.try_cast(dtype)?;
        let estim_lr = state.estim_lr.try_maximum(estimate)?;

        let [steps] = zip([&exp_avg, &exp_avg_sq, params], |[mean, square, p]| {
            let decayed = p * in_dtype_of(&dlr, p) * &self.weight_decay;
            Ok([(-decayed - self.scaled(mean, square)?).try_cast(mean.dtype())?])
        })?;
        let next = DadaptAdamwState { exp_avg, exp_avg_sq, grad_sum, estim_lr, numerator_weighted, count };
        Ok((steps, next))
    }
}
