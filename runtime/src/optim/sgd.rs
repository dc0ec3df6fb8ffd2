//! Stochastic gradient descent, with and without momentum.

use super::ema::{Ema, EmaState, ema};
use super::moments::{zeros, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::{GradientTransformation, scale_by_sign};
use crate::array::DType;
use crate::core::domain::FINITE;
use crate::core::{Tensor, TensorLike};
use crate::error::Result;
use crate::error::unwrap;
use crate::tree::Tree;
use crate::variables::Dict;

/// A decaying sum of gradients; see [`trace`].
#[derive(Clone, Debug)]
pub struct Trace {
    pub(super) decay: Tensor,
    pub(super) nesterov: bool,
    accumulator_dtype: Option<DType>,
}

/// What momentum remembers.
#[derive(Clone, Debug, Tree)]
pub struct TraceState<P = Dict> {
    /// The decaying sum of gradients.
    pub trace: P,
}

/// The decaying sum of updates: `t ← g + decay·t`, and with Nesterov's momentum `g + decay·t` of the new `t`.
pub fn trace(decay: impl TensorLike) -> Trace {
    Trace { decay: unwrap(decay.operand()), nesterov: false, accumulator_dtype: None }
}

setters! { Trace {
    /// Whether the sum is looked at one step ahead.
    nesterov: bool,
    /// The dtype of the sum; that of the parameters by default.
    accumulator_dtype: DType => Some,
} }

impl<P: Tree + Clone> GradientTransformation<P> for Trace {
    type State = TraceState<P>;

    fn init(&self, params: &P) -> TraceState<P> {
        TraceState { trace: zeros(params, self.accumulator_dtype) }
    }

    fn update(&self, updates: &P, state: &TraceState<P>, _params: &P) -> Result<(P, TraceState<P>)> {
        FINITE.check_number("trace", "decay", &self.decay)?;
        let [updates, trace] = zip_moments([updates, &state.trace], 2, |[g, t]| {
            let new = g + t * &self.decay;
            let update = if self.nesterov { g + &new * &self.decay } else { new.clone() };
            Ok([update, new])
        })?;
        Ok((updates, TraceState { trace }))
    }
}

/// Stochastic gradient descent; see [`sgd`].
#[derive(Clone, Debug)]
pub struct Sgd {
    learning_rate: Schedule,
    momentum: Option<Tensor>,
    nesterov: bool,
    accumulator_dtype: Option<DType>,
}

/// The state of [`sgd`]: that of the momentum, if there is any, and of the learning rate.
pub type SgdState<P = Dict> = (Option<TraceState<P>>, ScheduleState);

/// `u = −lr·g`, or with momentum `t ← g + momentum·t` and `u = −lr·t`.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::sgd(0.1).momentum(0.9).nesterov(true);
/// let params = Tensor::from(1.0f32);
/// let (updates, _) = tx.update(&Tensor::from(1.0f32), &tx.init(&params), &params)?;
/// assert_eq!(updates.item::<f32>()?, -0.19);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Sutskever et al., *On the importance of initialization and momentum in deep learning*, 2013.
pub fn sgd(learning_rate: impl Into<Schedule>) -> Sgd {
    Sgd { learning_rate: learning_rate.into(), momentum: None, nesterov: false, accumulator_dtype: None }
}

setters! { Sgd {
    /// How much of the sum of earlier gradients stays at each step; none by default.
    momentum: Tensor => Some,
    /// Whether the momentum is Nesterov's.
    nesterov: bool,
    /// The dtype of the sum; that of the parameters by default.
    accumulator_dtype: DType => Some,
} }

impl Sgd {
    fn trace(&self) -> Option<Trace> {
        let (nesterov, accumulator_dtype) = (self.nesterov, self.accumulator_dtype);
        self.momentum.clone().map(|decay| Trace { decay, nesterov, accumulator_dtype })
    }
}

alias!(Sgd, SgdState<P>, |this| (this.trace(), scale_by_learning_rate(&this.learning_rate)));

/// The sign of the gradient as a step; see [`sign_sgd`].
#[derive(Clone, Debug)]
pub struct SignSgd {
    learning_rate: Schedule,
}

/// `u = −lr·sign(g)`.
///
/// Source: Bernstein et al., *signSGD*, 2018.
pub fn sign_sgd(learning_rate: impl Into<Schedule>) -> SignSgd {
    SignSgd { learning_rate: learning_rate.into() }
}

alias!(SignSgd, ((), ScheduleState), |this| (scale_by_sign(), scale_by_learning_rate(&this.learning_rate)));

/// The sign of an average of gradients as a step; see [`signum`].
#[derive(Clone, Debug)]
pub struct Signum {
    learning_rate: Schedule,
    average: Ema,
}

/// `u = −lr·sign(m)` with `m` the moving average of gradients, of which `beta` stays at each step: at least 0 and below 1, 0.9 in optax by
/// default.
///
/// Source: Bernstein et al., *signSGD*, 2018.
pub fn signum(learning_rate: impl Into<Schedule>, beta: impl TensorLike) -> Signum {
    Signum { learning_rate: learning_rate.into(), average: ema(beta).debias(false) }
}

impl Signum {
    /// The dtype of the average; that of the parameters by default.
    #[must_use]
    pub fn accumulator_dtype(self, dtype: DType) -> Self {
        Signum { average: self.average.accumulator_dtype(dtype), ..self }
    }
}

alias!(Signum, (EmaState<P>, (), ScheduleState), |this| (
    this.average.clone(),
    scale_by_sign(),
    scale_by_learning_rate(&this.learning_rate)
));
