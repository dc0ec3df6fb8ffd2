//! Smaller steps where the loss does not go down any more.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{COUNT, NOT_NEGATIVE, PROBABILITY};
use crate::error::{Error, Result};
use crate::optim::moments::{safe_increment, zero_count, zip_moments};
use crate::optim::polyak::{highest_dtype, lowest_dtype};
use crate::optim::settings::setters;
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::Tree;

/// Smaller steps on plateaus; see [`reduce_on_plateau`].
#[derive(Clone, Copy, Debug)]
pub struct ReduceOnPlateau {
    factor: f64,
    patience: i32,
    rtol: f64,
    atol: f64,
    cooldown: i32,
    accumulation_size: i32,
    min_scale: f64,
}

/// How the loss went.
#[derive(Clone, Debug, Tree)]
pub struct ReduceOnPlateauState {
    /// What updates are multiplied by.
    pub scale: Tensor,
    /// The lowest mean of losses so far.
    pub best_value: Tensor,
    /// For how many means there was no lower one, `I32`.
    pub plateau_count: Tensor,
    /// For how many means none is counted, `I32`.
    pub cooldown_count: Tensor,
    /// How many losses the present mean is of, `I32`.
    pub count: Tensor,
    /// The present mean.
    pub avg_value: Tensor,
}

/// Updates times a scale that begins with 1, and is multiplied by `factor` whenever the loss did not go below
/// `(1 − rtol)·best − atol` for `patience` times.
///
/// It needs `value`, the loss, in [`update_with`](GradientTransformation::update_with).
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::{ExtraArgs, contrib::reduce_on_plateau};
///
/// let tx = (optim::sgd(1.0), reduce_on_plateau().patience(2).factor(0.5));
/// let params = Tensor::from(1.0f32);
/// let mut state = tx.init(&params);
/// for loss in [3.0, 3.0, 3.0] {
///     (_, state) = tx.update_with(&params, &state, &params, &ExtraArgs::new().value(loss))?;
/// }
/// assert_eq!(state.1.scale.item::<f32>()?, 0.5);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn reduce_on_plateau() -> ReduceOnPlateau {
    ReduceOnPlateau {
        factor: 0.1,
        patience: 10,
        rtol: 1e-4,
        atol: 0.0,
        cooldown: 0,
        accumulation_size: 1,
        min_scale: 0.0,
    }
}

setters! { ReduceOnPlateau {
    /// What the scale is multiplied by: above 0 and below 1; 0.1 by default.
    factor: f64,
    /// For how many means without progress nothing happens: at least 0; 10 by default.
    patience: i32,
    /// Which part of the best loss is progress: from 0 to 1; 10⁻⁴ by default.
    rtol: f64,
    /// How much less is progress: at least 0, which is the default; one of both is above 0.
    atol: f64,
    /// For how many means none is counted after a change: at least 0, which is the default.
    cooldown: i32,
    /// How many losses make a mean: at least 1, which is the default.
    accumulation_size: i32,
    /// The smallest scale: at least 0, which is the default.
    min_scale: f64,
} }

impl ReduceOnPlateau {
    const OP: &'static str = "reduce_on_plateau";

    fn check(&self) -> Result<()> {
        if !(self.factor > 0.0 && self.factor < 1.0) {
            let message = format!("expects a number above 0 and below 1 as `factor`, found {}", self.factor);
            return Err(Error::argument(Self::OP, message));
        }
        NOT_NEGATIVE.check(Self::OP, "patience", self.patience.into())?;
        PROBABILITY.check(Self::OP, "rtol", self.rtol)?;
        NOT_NEGATIVE.check(Self::OP, "atol", self.atol)?;
        NOT_NEGATIVE.check(Self::OP, "cooldown", self.cooldown.into())?;
        COUNT.check(Self::OP, "accumulation_size", self.accumulation_size.into())?;
        NOT_NEGATIVE.check(Self::OP, "min_scale", self.min_scale)?;
        if self.rtol == 0.0 && self.atol == 0.0 {
            let message = "`rtol` and `atol` are both 0: one of them has to be above".to_owned();
            return Err(Error::argument(Self::OP, message));
        }
        Ok(())
    }

    /// The state after a whole mean.
    fn judged(&self, state: &ReduceOnPlateauState) -> Result<ReduceOnPlateauState> {
        let goal = &state.best_value * (1.0 - self.rtol) - self.atol;
        let improved = state.avg_value.try_lt(goal)?;
        let best_value = improved.try_select(&state.avg_value, &state.best_value)?;
        let plateau = improved.try_select(0, safe_increment(&state.plateau_count))?;
        let cools = state.cooldown_count.try_gt(0)?;
        let reduces = plateau.try_eq(self.patience)?;
        let less = reduces.try_select(&state.scale * self.factor, &state.scale)?;
        let less = less.try_maximum(less.like(self.min_scale))?;
        let begins = reduces.try_select(self.cooldown, 0)?.try_cast(DType::I32)?;
        Ok(ReduceOnPlateauState {
            scale: cools.try_select(&state.scale, less)?,
            best_value,
            plateau_count: cools.try_bitor(&reduces)?.try_select(0, plateau)?.try_cast(DType::I32)?,
            cooldown_count: cools.try_select(&state.cooldown_count - 1, begins)?,
            count: zero_count(),
            avg_value: state.avg_value.like(0.0),
        })
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ReduceOnPlateau {
    type State = ReduceOnPlateauState;

    fn init(&self, params: &P) -> Self::State {
        let (lowest, highest) = (lowest_dtype(params), highest_dtype(params));
        ReduceOnPlateauState {
            scale: Tensor::full_of([], 1.0, lowest),
            best_value: Tensor::full_of([], f64::INFINITY, highest),
            plateau_count: zero_count(),
            cooldown_count: zero_count(),
            count: zero_count(),
            avg_value: Tensor::zeros_of([], highest),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        _params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        self.check()?;
        let dtype = state.avg_value.dtype();
        let value = extra.need_value(Self::OP)?.try_cast(dtype)?;
        let count = safe_increment(&state.count);
        let sum = state.count.try_cast(dtype)? * &state.avg_value + value;
        let counted = ReduceOnPlateauState {
            avg_value: sum.try_div(count.try_cast(dtype)?)?,
            count: count.clone(),
            ..state.clone()
        };
        let full = count.try_eq(self.accumulation_size)?;
        let next = crate::optim::finite::choose(&full, &self.judged(&counted)?, &counted)?;
        let [updates] = zip_moments([updates], 1, |[u]| Ok([u * &next.scale]))?;
        Ok((updates, next))
    }
}
