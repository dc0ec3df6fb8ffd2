//! Prodigy: Adam that finds its learning rate by itself.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{DECAY, FINITE, NOT_NEGATIVE, POSITIVE, concrete};
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
use crate::optim::tree_math::{Norm, norm, sub, vdot};
use crate::tree::Tree;
use crate::variables::Dict;

/// Adam that finds its learning rate; see [`prodigy`].
#[derive(Clone, Debug)]
pub struct Prodigy {
    learning_rate: Schedule,
    b1: Tensor,
    b2: Tensor,
    beta3: Option<Tensor>,
    eps: Tensor,
    estim_lr0: Tensor,
    estim_lr_coef: Tensor,
    weight_decay: Tensor,
    safeguard_warmup: bool,
}

/// What Prodigy remembers.
#[derive(Clone, Debug, Tree)]
pub struct ProdigyState<P = Dict> {
    /// The moving average of gradients, times the estimates.
    pub exp_avg: P,
    /// The moving average of squares of gradients, times those of the estimates; `F32` for leaves of `F16`.
    pub exp_avg_sq: P,
    /// The weighted sum of gradients.
    pub grad_sum: P,
    /// The first parameters.
    pub params0: P,
    /// The estimate of the distance to the solution.
    pub estim_lr: Tensor,
    /// What the estimate is made of, beside the sum of gradients.
    pub numerator_weighted: Tensor,
    /// The number of updates so far, `I32`.
    pub count: Tensor,
}

/// Adam whose steps are multiplied by an estimate of the distance to the solution, so that a learning rate of 1, which is the default, or a
/// schedule around 1, does.
///
/// Source: Mishchenko and Defazio, *Prodigy: An Expeditiously Adaptive Parameter-Free Learner*, 2023.
pub fn prodigy() -> Prodigy {
    Prodigy {
        learning_rate: 1.0.into(),
        b1: bare(0.9),
        b2: bare(0.999),
        beta3: None,
        eps: bare(1e-8),
        estim_lr0: bare(1e-6),
        estim_lr_coef: bare(1.0),
        weight_decay: bare(0.0),
        safeguard_warmup: false,
    }
}

setters! { Prodigy {
    /// What the estimate is multiplied by: a number or a schedule; 1 by default.
    learning_rate: Schedule,
    /// How much of the average of gradients stays at each step, the first of optax's `betas`: at least 0 and below 1; 0.9 by default.
    b1: Tensor,
    /// How much of the average of squares stays at each step, the second of optax's `betas`: at least 0 and below 1; 0.999 by
    /// default.
    b2: Tensor,
    /// How much of what the estimate is made of stays at each step: at least 0 and below 1; the root of `b2` by default.
    beta3: Tensor => Some,
    /// What is added to the denominator, times the estimate: at least 0; 10⁻⁸ by default.
    eps: Tensor,
    /// The first estimate: above 0; 10⁻⁶ by default.
    estim_lr0: Tensor,
    /// What estimates are multiplied by: finite; 1 by default.
    estim_lr_coef: Tensor,
    /// Which part of parameters is taken off: finite; 0 by default.
    weight_decay: Tensor,
    /// Whether learning rates do not count for the estimate, for schedules that begin with a rise.
    safeguard_warmup: bool,
} }

impl Prodigy {
    const OP: &'static str = "prodigy";

    fn check(&self) -> Result<()> {
        DECAY.check_number(Self::OP, "b1", &self.b1)?;
        DECAY.check_number(Self::OP, "b2", &self.b2)?;
        DECAY.check_number(Self::OP, "beta3", &self.third_decay())?;
        NOT_NEGATIVE.check_number(Self::OP, "eps", &self.eps)?;
        POSITIVE.check_number(Self::OP, "estim_lr0", &self.estim_lr0)?;
        FINITE.check_number(Self::OP, "estim_lr_coef", &self.estim_lr_coef)?;
        FINITE.check_number(Self::OP, "weight_decay", &self.weight_decay)
    }

    fn third_decay(&self) -> Tensor {
        match (&self.beta3, concrete(&self.b2)) {
            (Some(beta3), _) => beta3.clone(),
            (None, Some(b2)) => bare(b2.sqrt()),
            (None, None) => self.b2.sqrt(),
        }
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for Prodigy {
    type State = ProdigyState<P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        ProdigyState {
            exp_avg: zeros(params, None),
            exp_avg_sq: zero_second_moments(params),
            grad_sum: zeros(params, None),
            params0: params.clone(),
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
        let beta3 = self.third_decay();
        let step = count.cast(DType::F32);
        let left = |decay: &Tensor| 1.0 - decay.cast(DType::F32).pow(&step);
        let correction = left(&self.b2).sqrt() / left(&self.b1);
        let last = &state.estim_lr;
        let dlr = (last * rate * correction).try_cast(dtype)?;
        let first = self.estim_lr0.cast(dtype);
        let weight = if self.safeguard_warmup { last / &first } else { &dlr / &first };

        let moments = [updates, &state.exp_avg, &state.exp_avg_sq, &state.grad_sum];
        let [_, exp_avg, exp_avg_sq, grad_sum] = zip_moments(moments, 1, |[g, mean, square, sum]| {
            let g = g * in_dtype_of(last, g);
            let mean = moving_average(mean, &g, &self.b1);
            let square = moving_average(square, &g.square(), &self.b2);
            let sum = sum * &beta3 + &g * in_dtype_of(&weight, &g);
            Ok([g, mean, square, sum])
        })?;
        let towards = vdot(updates, &sub(&state.params0, params)?)?;
        let numerator = &state.numerator_weighted * &beta3 + last / &first * &dlr * towards.cast(dtype);
        let denominator = norm(&grad_sum, Norm::L1)?.cast(dtype);
        let estimate = safe_divide(&(&numerator * &self.estim_lr_coef), &denominator, true)?.cast(dtype);
        let estim_lr = last.try_maximum(estimate)?;

        let scale = [&exp_avg, &exp_avg_sq, params];
        let [updates] = zip(scale, |[mean, square, p]| {
            let (dlr, eps) = (in_dtype_of(&dlr, square), in_dtype_of(&estim_lr, square) * &self.eps);
            let step = safe_divide(&(mean * &dlr), &(square.sqrt() + eps), true)?;
            let p = p.cast(step.dtype());
            Ok([(-(p * &dlr * &self.weight_decay) - step).try_cast(mean.dtype())?])
        })?;
        let params0 = state.params0.clone();
        let numerator_weighted = numerator.cast(dtype);
        let next =
            ProdigyState { exp_avg, exp_avg_sq, grad_sum, params0, estim_lr, numerator_weighted, count };
        Ok((updates, next))
    }
}
