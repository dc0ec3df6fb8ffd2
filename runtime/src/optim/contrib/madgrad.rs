//! MADGRAD: dual averaging with momentum.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::GradientTransformation;
use crate::optim::ScheduleState;
use crate::optim::moments::{
    in_dtype_of, safe_divide, safe_increment, zero_count, zero_second_moments, zeros, zip, zip_moments,
};
use crate::optim::schedule::Schedule;
use crate::optim::settings::{alias, setters};
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights};
use crate::tree::Tree;
use crate::variables::Dict;

/// Dual averaging; see [`scale_by_madgrad`].
#[derive(Clone, Debug)]
pub struct ScaleByMadgrad {
    learning_rate: Schedule,
    momentum: Tensor,
    eps: Tensor,
}

/// What MADGRAD remembers.
#[derive(Clone, Debug, Tree)]
pub struct MadgradState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The weighted sum of squares of gradients; `F32` for leaves of `F16`.
    pub grad_sum_sq: P,
    /// The weighted sum of gradients.
    pub s: P,
    /// The first parameters.
    pub x0: P,
}

/// The step to `momentum·p + (1 − momentum)·(p₀ − s / (∛q + eps))`, with `s` and `q` the sums of gradients and of their squares, each times
/// `(lr + eps)·√(t + 1)` at step `t`, from 0.
///
/// Source: Defazio and Jelassi, *Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged Gradient Method for Stochastic
/// Optimization*, 2021.
pub fn scale_by_madgrad(learning_rate: impl Into<Schedule>) -> ScaleByMadgrad {
    ScaleByMadgrad { learning_rate: learning_rate.into(), momentum: bare(0.9), eps: bare(1e-6) }
}

macro_rules! madgrad_setters {
    ($type:ident [$($inner:ident)*]) => {
        setters! { $type $(. $inner)* {
            /// How much of the parameters stays at each step: finite; 0.9 by default.
            momentum: Tensor,
            /// What is added to the learning rate and to the denominator: at least 0; 10⁻⁶ by default.
            eps: Tensor,
        } }
    };
}

madgrad_setters!(ScaleByMadgrad []);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByMadgrad {
    type State = MadgradState<P>;

    fn init(&self, params: &P) -> Self::State {
        MadgradState {
            count: zero_count(),
            grad_sum_sq: zero_second_moments(params),
            s: zeros(params, None),
            x0: params.clone(),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_madgrad";
        FINITE.check_number(op, "momentum", &self.momentum)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        let rate = self.learning_rate.at(&state.count)?;
        FINITE.check_number(op, "learning_rate", &rate)?;
        let weight = (rate + &self.eps) * (&state.count + 1).try_cast(DType::F32)?.try_sqrt()?;
        let sums = [updates, &state.grad_sum_sq, &state.s];
        let [_, grad_sum_sq, s] = zip_moments(sums, 1, |[g, squares, sum]| {
            let weight = in_dtype_of(&weight, g);
            Ok([g.clone(), squares + g.square() * &weight, sum + g * &weight])
        })?;
        let [steps] = zip([params, &state.x0, &grad_sum_sq, &s], |[p, first, squares, sum]| {
            let denominator = squares.try_cbrt()? + &self.eps;
            // Where all gradients were 0 nothing is to be divided.
            let away = safe_divide(sum, &denominator, true)?.try_cast(p.dtype())?;
            Ok([(first - away - p) * (1.0 - &self.momentum)])
        })?;
        Ok((
            steps,
            MadgradState { count: safe_increment(&state.count), grad_sum_sq, s, x0: state.x0.clone() },
        ))
    }
}

/// MADGRAD; see [`madgrad`].
#[derive(Clone, Debug)]
pub struct Madgrad {
    decay: AddDecayedWeights,
    scale: ScaleByMadgrad,
}

/// [`scale_by_madgrad`] of gradients to which a part of the parameters is added, `weight_decay`, 0 by default.
pub fn madgrad(learning_rate: impl Into<Schedule>) -> Madgrad {
    Madgrad { decay: add_decayed_weights(0.0), scale: scale_by_madgrad(learning_rate) }
}

madgrad_setters!(Madgrad[scale]);

impl Madgrad {
    /// Which part of parameters is added to gradients: a finite number or a schedule; 0 by default.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: impl Into<Schedule>) -> Madgrad {
        self.decay = add_decayed_weights(weight_decay);
        self
    }
}

alias!(Madgrad, (ScheduleState, MadgradState<P>), |this| (this.decay.clone(), this.scale.clone()));
