//! Backtracking: shorter and shorter steps until the loss decreases enough.

use super::{StoredGradient, value_dtype, without_nan};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{COUNT, LIMIT, NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::lbfgs::scaled;
use crate::optim::moments::zeros;
use crate::optim::settings::setters;
use crate::optim::tree_math::{add_scale, cast_like, vdot};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::transform::{grad, while_loop};
use crate::tree::Tree;
use crate::variables::Dict;

/// A line search that goes back; see [`scale_by_backtracking_linesearch`].
#[derive(Clone, Debug)]
pub struct ScaleByBacktrackingLinesearch {
    max_backtracking_steps: i32,
    slope_rtol: Tensor,
    decrease_factor: Tensor,
    increase_factor: Tensor,
    max_learning_rate: Tensor,
    atol: Tensor,
    rtol: Tensor,
    store_grad: bool,
}

/// How the search went.
#[derive(Clone, Debug, Tree)]
pub struct BacktrackingLinesearchInfo {
    /// How many steps were tried, `I32`.
    pub num_linesearch_steps: Tensor,
    /// By how much the loss misses what it should have decreased to; 0 if it does not.
    pub decrease_error: Tensor,
}

/// Where the search ended.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByBacktrackingLinesearchState<P = Dict> {
    /// The step that was found.
    pub learning_rate: Tensor,
    /// The loss there.
    pub value: Tensor,
    /// The gradient there, if it is stored.
    pub grad: Option<P>,
    /// How the search went.
    pub info: BacktrackingLinesearchInfo,
}

impl<P> StoredGradient<P> for ScaleByBacktrackingLinesearchState<P> {
    fn value(&self) -> &Tensor {
        &self.value
    }

    fn grad(&self) -> Option<&P> {
        self.grad.as_ref()
    }
}

/// Updates times a step, which is the last one times `increase_factor`, and times `decrease_factor` until Armijo's condition holds:
/// `f(p + η·u) ≤ (1 + rtol)·f(p) + slope_rtol·η·(u·∇f(p)) + atol`.
///
/// `max_backtracking_steps`, which is at least 1, is how often it goes back. Where no step has a loss that is a number, the step is 0. It needs
/// `value`, `grad` and `value_fn` in [`update_with`](GradientTransformation::update_with). There is no argument `verbose`: the state says how
/// the search went.
///
/// Source: Nocedal and Wright, *Numerical Optimization*, 2006, algorithm 3.1.
pub fn scale_by_backtracking_linesearch(max_backtracking_steps: i32) -> ScaleByBacktrackingLinesearch {
    ScaleByBacktrackingLinesearch {
        max_backtracking_steps,
        slope_rtol: bare(1e-4),
        decrease_factor: bare(0.8),
        increase_factor: bare(1.5),
        max_learning_rate: bare(1.0),
        atol: bare(0.0),
        rtol: bare(0.0),
        store_grad: false,
    }
}

setters! { ScaleByBacktrackingLinesearch {
    /// Which part of the slope the loss has to follow: at least 0; 10⁻⁴ by default.
    slope_rtol: Tensor,
    /// What a step that fails is multiplied by: above 0; 0.8 by default.
    decrease_factor: Tensor,
    /// What the last step is multiplied by at first: above 0, and ∞ for `max_learning_rate`; 1.5 by default.
    increase_factor: Tensor,
    /// The longest step: at least 0; 1 by default.
    max_learning_rate: Tensor,
    /// By how much the condition may fail: at least 0, which is the default.
    atol: Tensor,
    /// By which part of the loss the condition may fail: at least 0, which is the default.
    rtol: Tensor,
    /// Whether the gradient where the search ends is stored, for
    /// [`value_and_grad_from_state`](crate::optim::value_and_grad_from_state).
    store_grad: bool,
} }

/// The step, the loss there, by how much it fails, and how many there were.
type Search = (Tensor, Tensor, Tensor, Tensor);

impl ScaleByBacktrackingLinesearch {
    const OP: &'static str = "scale_by_backtracking_linesearch";

    fn check(&self) -> Result<()> {
        COUNT.check(Self::OP, "max_backtracking_steps", self.max_backtracking_steps.into())?;
        NOT_NEGATIVE.check_number(Self::OP, "slope_rtol", &self.slope_rtol)?;
        POSITIVE.check_number(Self::OP, "decrease_factor", &self.decrease_factor)?;
        LIMIT.check_number(Self::OP, "increase_factor", &self.increase_factor)?;
        LIMIT.check_number(Self::OP, "max_learning_rate", &self.max_learning_rate)?;
        NOT_NEGATIVE.check_number(Self::OP, "atol", &self.atol)?;
        NOT_NEGATIVE.check_number(Self::OP, "rtol", &self.rtol)
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByBacktrackingLinesearch {
    type State = ScaleByBacktrackingLinesearchState<P>;

    fn init(&self, params: &P) -> Self::State {
        let of = |value: f64| Tensor::full_of([], value, value_dtype(params));
        ScaleByBacktrackingLinesearchState {
            learning_rate: of(1.0),
            value: of(f64::INFINITY),
            grad: self.store_grad.then(|| zeros(params, None)),
            info: BacktrackingLinesearchInfo {
                num_linesearch_steps: Tensor::zeros_of([], DType::I32),
                decrease_error: of(f64::INFINITY),
            },
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
        let dtype = state.value.dtype();
        let number = |x: &Tensor| x.try_cast(dtype);
        let value = number(extra.need_value(Self::OP)?)?;
        let value_fn = extra.need_value_fn(Self::OP)?;
        let slope = number(&vdot(updates, extra.need_grad(Self::OP)?)?)?;
        let (atol, most) = (number(&self.atol)?, self.max_backtracking_steps);
        let allowed = &value * (1.0 + number(&self.rtol)?);

        let unfinished = |(_, _, error, tried): &Search| {
            error.try_le(&atol)?.try_logical_not()?.try_bitand(tried.try_le(most)?)
        };
        let search = while_loop(unfinished, |(step, _, _, tried): Search| {
            let shorter = &step * number(&self.decrease_factor)?;
            let step = tried.try_gt(0)?.try_select(shorter, step)?;
            let found = number(&value_fn(&cast_like(&add_scale(params, &step, updates)?, params)?)?)?;
            let error = &found - &allowed - &step * number(&self.slope_rtol)? * &slope;
            let error = without_nan(&error)?.try_maximum(0.0)?;
            Ok((step, found, error, tried + 1))
        });
        let longer = &state.learning_rate * number(&self.increase_factor)?;
        let first = longer.try_minimum(number(&self.max_learning_rate)?)?;
        let begin = (first, value.clone(), value.like(f64::INFINITY), Tensor::zeros_of([], DType::I32));
        let (tried_step, found, error, tried) = search(begin)?;

        let grad = match &state.grad {
            Some(stored) if self.store_grad => {
                let at = cast_like(&add_scale(params, &tried_step, updates)?, params)?;
                Some(cast_like(&grad(|params: &P| value_fn(params))(&at)?, stored)?)
            }
            _ => None,
        };
        let step = error.try_is_inf()?.try_select(error.like(0.0), &tried_step)?;
        let info = BacktrackingLinesearchInfo { num_linesearch_steps: tried, decrease_error: error };
        let scaled = scaled(updates, &step)?;
        Ok((scaled, ScaleByBacktrackingLinesearchState { learning_rate: step, value: found, grad, info }))
    }
}
