//! Exponential moving averages of updates.

use super::GradientTransformation;
use super::moments::{bias_corrected, moving_average, safe_increment, zero_count, zeros, zip_moments};
use super::settings::setters;
use crate::array::DType;
use crate::core::domain::{DECAY, PROBABILITY};
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::tree::Tree;
use crate::variables::Dict;

/// A moving average; see [`ema`].
#[derive(Clone, Debug)]
pub struct Ema {
    decay: Tensor,
    debias: bool,
    accumulator_dtype: Option<DType>,
}

/// The average so far.
#[derive(Clone, Debug, Tree)]
pub struct EmaState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The moving average, with its bias towards 0.
    pub ema: P,
}

/// The moving average of updates, `e ← decay·e + (1 − decay)·u`, freed of its bias towards 0; `decay` is at least 0 and
/// below 1.
pub fn ema(decay: impl TensorLike) -> Ema {
    Ema { decay: unwrap(decay.operand()), debias: true, accumulator_dtype: None }
}

setters! { Ema {
    /// Whether the bias towards 0 is taken out, which is the default.
    debias: bool,
    /// The dtype of the average; that of the parameters by default.
    accumulator_dtype: DType => Some,
} }

impl<P: Tree + Clone> GradientTransformation<P> for Ema {
    type State = EmaState<P>;

    fn init(&self, params: &P) -> EmaState<P> {
        EmaState { count: zero_count(), ema: zeros(params, self.accumulator_dtype) }
    }

    fn update(&self, updates: &P, state: &EmaState<P>, _params: &P) -> Result<(P, EmaState<P>)> {
        // An average without bias is divided by what `decay` leaves.
        let decays = if self.debias { DECAY } else { PROBABILITY };
        decays.check_number("ema", "decay", &self.decay)?;
        let count = safe_increment(&state.count);
        let [updates, ema] = zip_moments([updates, &state.ema], 2, |[u, ema]| {
            let next = moving_average(ema, u, &self.decay);
            let update = if self.debias { bias_corrected(&next, &self.decay, &count) } else { next.clone() };
            Ok([update, next])
        })?;
        Ok((updates, EmaState { count, ema }))
    }
}
