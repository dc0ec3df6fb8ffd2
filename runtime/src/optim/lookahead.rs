//! Lookahead: fast steps, and slow ones towards where they led.

use super::finite::choose;
use super::moments::{zero_count, zip};
use super::{ExtraArgs, GradientTransformation};
use crate::core::domain::{COUNT, FINITE};
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::tree::Tree;
use crate::variables::Dict;

/// Fast and slow parameters: gradients are taken at the fast ones, and the model that is kept is the slow one.
#[derive(Clone, Debug, Tree)]
pub struct LookaheadParams<P = Dict> {
    /// The parameters that every step moves.
    pub fast: P,
    /// The parameters that follow them.
    pub slow: P,
}

impl<P: Clone> LookaheadParams<P> {
    /// Both the same.
    pub fn init_synced(params: &P) -> LookaheadParams<P> {
        LookaheadParams { fast: params.clone(), slow: params.clone() }
    }
}

/// A pair of parameters whose fast ones an optimizer moves; see [`lookahead`].
#[derive(Clone, Debug)]
pub struct Lookahead<T> {
    fast_optimizer: T,
    sync_period: i32,
    slow_step_size: Tensor,
    reset_state: bool,
}

/// The state of the fast optimizer.
#[derive(Clone, Debug, Tree)]
pub struct LookaheadState<S> {
    /// The state of the fast optimizer.
    pub fast_state: S,
    /// How many steps there were since the slow parameters moved, `I32`.
    pub steps_since_sync: Tensor,
}

/// Moves fast parameters by an optimizer, and at every `sync_period`-th step, which is at least 1, the slow ones by `slow_step_size` of the way to
/// them, from where both go on.
///
/// Gradients are those of the fast parameters; the slow ones have none, as of a loss that does not look at them.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::LookaheadParams;
///
/// let tx = optim::lookahead(optim::sgd(0.5), 2, 0.5);
/// let loss = |params: &LookaheadParams<Tensor>| Ok(params.fast.square().sum() * 0.5);
/// let mut params = LookaheadParams::init_synced(&Tensor::from(8.0f32));
/// let mut state = tx.init(&params);
/// for _ in 0..2 {
///     let updates;
///     (updates, state) = tx.update(&grad(loss)(&params)?, &state, &params)?;
///     params = optim::apply_updates(&params, &updates)?;
/// }
/// assert_eq!((params.fast.item::<f32>()?, params.slow.item::<f32>()?), (5.0, 5.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Zhang et al., *Lookahead Optimizer: k steps forward, 1 step back*, 2019.
pub fn lookahead<T>(fast_optimizer: T, sync_period: i32, slow_step_size: impl TensorLike) -> Lookahead<T> {
    let slow_step_size = unwrap(slow_step_size.operand());
    Lookahead { fast_optimizer, sync_period, slow_step_size, reset_state: false }
}

impl<T> Lookahead<T> {
    /// Whether the fast optimizer begins anew where the slow parameters moved.
    #[must_use]
    pub fn reset_state(self, reset_state: bool) -> Self {
        Lookahead { reset_state, ..self }
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<LookaheadParams<P>>
    for Lookahead<T>
{
    type State = LookaheadState<T::State>;

    fn init(&self, params: &LookaheadParams<P>) -> Self::State {
        let fast_state = self.fast_optimizer.init(&params.fast);
        LookaheadState { fast_state, steps_since_sync: zero_count() }
    }

    fn update(
        &self,
        updates: &LookaheadParams<P>,
        state: &Self::State,
        params: &LookaheadParams<P>,
    ) -> Result<(LookaheadParams<P>, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &LookaheadParams<P>,
        state: &Self::State,
        params: &LookaheadParams<P>,
        extra: &ExtraArgs<'_, LookaheadParams<P>>,
    ) -> Result<(LookaheadParams<P>, Self::State)> {
        COUNT.check("lookahead", "sync_period", self.sync_period.into())?;
        FINITE.check_number("lookahead", "slow_step_size", &self.slow_step_size)?;
        let to = |params: &LookaheadParams<P>| Ok(params.fast.clone());
        let from = |fast: &P| Ok(LookaheadParams { fast: fast.clone(), slow: params.slow.clone() });
        let (steps, fast_state) = extra.mapped(&to, &from, |extra| {
            self.fast_optimizer.update_with(&updates.fast, &state.fast_state, &params.fast, extra)
        })?;
        let syncs = state.steps_since_sync.try_eq(self.sync_period - 1)?;
        let [fast, slow] = zip([&steps, &params.fast, &params.slow], |[step, fast, slow]| {
            let way = fast + step - slow;
            let back = syncs.try_select(step - &way * (1.0 - &self.slow_step_size), step)?;
            Ok([back, syncs.try_select(&way * &self.slow_step_size, way.like(0.0))?])
        })?;
        let fast_state = if self.reset_state {
            choose(&syncs, &self.fast_optimizer.init(&params.fast), &fast_state)?
        } else {
            fast_state
        };
        let steps_since_sync = (&state.steps_since_sync + 1) % self.sync_period;
        Ok((LookaheadParams { fast, slow }, LookaheadState { fast_state, steps_since_sync }))
    }
}
