//! Adagrad.

use super::GradientTransformation;
use super::moments::{second_moments_like, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates over the root of the sum of their squares; see [`scale_by_rss`].
#[derive(Clone, Debug)]
pub struct ScaleByRss {
    initial_accumulator_value: Tensor,
    eps: Tensor,
}

/// What Adagrad remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByRssState<P = Dict> {
    /// The sum of the squares of all gradients, `F32` for leaves of `F16`.
    pub sum_of_squares: P,
}

/// `g / √(s + eps)` with `s` the sum of all squares, which begins at 0.1; 0 where `s` is 0.
///
/// Source: Duchi et al., *Adaptive Subgradient Methods*, 2011.
pub fn scale_by_rss() -> ScaleByRss {
    ScaleByRss { initial_accumulator_value: bare(0.1), eps: bare(1e-7) }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByRss {
    type State = ScaleByRssState<P>;

    fn init(&self, params: &P) -> ScaleByRssState<P> {
        ScaleByRssState { sum_of_squares: second_moments_like(params, &self.initial_accumulator_value) }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_rss";
        NOT_NEGATIVE.check_number(op, "initial_accumulator_value", &self.initial_accumulator_value)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        let [updates, sum_of_squares] = zip_moments([updates, &state.sum_of_squares], 1, |[g, sum]| {
            let sum = sum + g.square();
            Ok([g * sum.gt(0.0).try_select((&sum + &self.eps).rsqrt(), 0.0)?, sum])
        })?;
        Ok((updates, ScaleByRssState { sum_of_squares }))
    }
}

/// Adagrad; see [`adagrad`].
#[derive(Clone, Debug)]
pub struct Adagrad {
    learning_rate: Schedule,
    scale: ScaleByRss,
}

/// The state of [`adagrad`].
pub type AdagradState<P = Dict> = (ScaleByRssState<P>, ScheduleState);

/// `u = −lr·g / √(s + eps)` with `s` the sum of all squares, which begins at 0.1; `eps` is 10⁻⁷.
///
/// Source: Duchi et al., *Adaptive Subgradient Methods*, 2011.
pub fn adagrad(learning_rate: impl Into<Schedule>) -> Adagrad {
    Adagrad { learning_rate: learning_rate.into(), scale: scale_by_rss() }
}

macro_rules! options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// Where the sum begins: at least 0; 0.1 by default.
            initial_accumulator_value: Tensor,
            /// What is added below the root: at least 0; 10⁻⁷ by default.
            eps: Tensor,
        } }
    };
}

options!(ScaleByRss);
options!(Adagrad.scale);

alias!(Adagrad, AdagradState<P>, |this| (this.scale.clone(), scale_by_learning_rate(&this.learning_rate)));
