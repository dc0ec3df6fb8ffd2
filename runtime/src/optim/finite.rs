//! Skipping steps whose gradients are not finite, as optax's `apply_if_finite`.

use super::moments::{safe_increment, zero_count, zeros};
use super::{ExtraArgs, GradientTransformation};
use crate::core::Tensor;
use crate::core::domain::NOT_NEGATIVE;
use crate::error::Result;
use crate::tree::{Tree, leaves, zip_map};

/// A transformation that skips what is not finite; see [`apply_if_finite`].
#[derive(Clone, Debug)]
pub struct ApplyIfFinite<T> {
    inner: T,
    max_consecutive_errors: i32,
}

/// How often updates were not finite.
#[derive(Clone, Debug, Tree)]
pub struct ApplyIfFiniteState<S> {
    /// The number of such updates since the last finite one, `I32`.
    pub notfinite_count: Tensor,
    /// Whether the last one was finite, boolean.
    pub last_finite: Tensor,
    /// The number of such updates in all, `I32`.
    pub total_notfinite: Tensor,
    /// The state of the transformation.
    pub inner_state: S,
}

/// Leaves a step out, with zeros for updates and the state as it was, where a gradient has NaN or infinities; after more than
/// `max_consecutive_errors`, which is at least 0, of these in a row it takes them.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::apply_if_finite(optim::sgd(0.1), 5);
/// let params = Tensor::from([1.0f32, 2.0]);
/// let (updates, state) = tx.update(&Tensor::from([f32::NAN, 1.0]), &tx.init(&params), &params)?;
/// assert_eq!(updates.to_vec::<f32>()?, [0.0, 0.0]);
/// assert_eq!(state.total_notfinite.item::<i32>()?, 1);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn apply_if_finite<T>(inner: T, max_consecutive_errors: i32) -> ApplyIfFinite<T> {
    ApplyIfFinite { inner, max_consecutive_errors }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for ApplyIfFinite<T> {
    type State = ApplyIfFiniteState<T::State>;

    fn init(&self, params: &P) -> Self::State {
        ApplyIfFiniteState {
            notfinite_count: zero_count(),
            last_finite: Tensor::full([], true),
            total_notfinite: zero_count(),
            inner_state: self.inner.init(params),
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
        let errors = f64::from(self.max_consecutive_errors);
        NOT_NEGATIVE.check("apply_if_finite", "max_consecutive_errors", errors)?;
        let finite = leaves(updates).into_iter().map(|u| u.try_is_finite()?.try_all());
        let finite = finite.reduce(|a, b| a?.try_bitand(b?)).unwrap_or_else(|| Ok(Tensor::full([], true)))?;
        let notfinite_count = finite.try_select(0, safe_increment(&state.notfinite_count))?;
        let take = finite.try_bitor(notfinite_count.try_gt(self.max_consecutive_errors)?)?;

        let (taken, inner_state) = self.inner.update_with(updates, &state.inner_state, params, extra)?;
        let next = ApplyIfFiniteState {
            notfinite_count,
            total_notfinite: finite
                .try_select(&state.total_notfinite, safe_increment(&state.total_notfinite))?,
            last_finite: finite,
            inner_state: choose(&take, &inner_state, &state.inner_state)?,
        };
        Ok((choose(&take, &taken, &zeros(&taken, None))?, next))
    }
}

/// One of two trees.
pub(super) fn choose<T: Tree>(first: &Tensor, a: &T, b: &T) -> Result<T> {
    zip_map(a, b, |a, b| first.try_select(a, b))
}
