//! One step for several gradients.

use std::fmt;
use std::sync::Arc;

use super::GradientTransformation;
use super::finite::choose;
use super::moments::{incremented, no_steps, same_shapes, zeros, zip};
use crate::error::Result;
use crate::tensor::{DType, Tensor};
use crate::tree::{Tree, leaves};
use crate::variables::Dict;

/// A transformation of the mean of several gradients; see [`multi_steps`].
#[derive(Clone)]
pub struct MultiSteps<T> {
    inner: T,
    every_k: Arc<Every>,
    use_grad_mean: bool,
    skip_not_finite: bool,
}

type Every = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// The gradients so far.
#[derive(Clone, Debug, Tree)]
pub struct MultiStepsState<S, P = Dict> {
    /// How many gradients there are since the last step, `I32`.
    pub mini_step: Tensor,
    /// How many steps there were, `I32`.
    pub gradient_step: Tensor,
    /// The state of the transformation.
    pub inner_opt_state: S,
    /// The mean, or the sum, of the gradients since the last step.
    pub acc_grads: P,
    /// How many gradients were left out in all, `I32`; None if none ever are.
    pub skip_state: Option<Tensor>,
}

/// Takes one step for every `every_k` gradients, with their mean; updates are zeros in between.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::multi_steps(optim::sgd(1.0), 2);
/// let params = Tensor::from(0.0f32);
/// let mut state = tx.init(&params);
/// let mut steps = vec![];
/// for slope in [1.0f32, 3.0, 5.0, 7.0] {
///     let update;
///     (update, state) = tx.update(&slope.into(), &state, &params)?;
///     steps.push(update.item::<f32>()?);
/// }
/// assert_eq!(steps, [0.0, -2.0, 0.0, -6.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn multi_steps<T>(inner: T, every_k: i32) -> MultiSteps<T> {
    MultiSteps {
        inner,
        every_k: Arc::new(move |_| Ok(every_k.into())),
        use_grad_mean: true,
        skip_not_finite: false,
    }
}

impl<T> MultiSteps<T> {
    /// How many gradients make a step, as a function of the number of steps so far.
    #[must_use]
    pub fn every_k_schedule(
        self,
        every_k: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Self {
        MultiSteps { every_k: Arc::new(every_k), ..self }
    }

    /// Whether steps are made with the mean of gradients, which is the default, or with their sum.
    #[must_use]
    pub fn use_grad_mean(self, mean: bool) -> Self {
        MultiSteps { use_grad_mean: mean, ..self }
    }

    /// Leaves gradients with NaN or infinities out; they do not count.
    #[must_use]
    pub fn skip_not_finite(self) -> Self {
        MultiSteps { skip_not_finite: true, ..self }
    }
}

impl<T: fmt::Debug> fmt::Debug for MultiSteps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiSteps").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for MultiSteps<T> {
    type State = MultiStepsState<T::State, P>;

    fn init(&self, params: &P) -> Self::State {
        MultiStepsState {
            mini_step: no_steps(),
            gradient_step: no_steps(),
            inner_opt_state: self.inner.init(params),
            acc_grads: zeros(params, None),
            skip_state: self.skip_not_finite.then(no_steps),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        let k = (self.every_k)(&state.gradient_step)?.try_cast(DType::I32)?;
        let taken = (&state.mini_step + 1).cast(DType::F32);
        same_shapes("update", "a gradient", updates, &state.acc_grads)?;
        let [sum] = zip([&state.acc_grads, updates], |[sum, g]| {
            let new = if self.use_grad_mean { sum + (g - sum) / taken.cast(g.dtype()) } else { sum + g };
            Ok([new.try_cast(sum.dtype())?])
        })?;
        let last = state.mini_step.try_eq(&k - 1)?;
        let (full, inner) = self.inner.update(&sum, &state.inner_opt_state, params)?;
        let none = zeros(&full, None);
        let next = MultiStepsState {
            mini_step: (&state.mini_step + 1) % &k,
            gradient_step: last.try_select(incremented(&state.gradient_step), &state.gradient_step)?,
            inner_opt_state: choose(&last, &inner, &state.inner_opt_state)?,
            acc_grads: choose(&last, &zeros(&sum, None), &sum)?,
            skip_state: state.skip_state.clone(),
        };
        let full = choose(&last, &full, &none)?;
        let Some(skipped) = &state.skip_state else { return Ok((full, next)) };

        let finite = leaves(updates).into_iter().map(|u| u.try_is_finite()?.try_all());
        let finite = finite.reduce(|a, b| a?.try_bitand(b?)).unwrap_or_else(|| Ok(Tensor::full([], true)))?;
        let kept = choose(&finite, &next, state)?;
        let skip_state = Some(finite.try_select(skipped, incremented(skipped))?);
        Ok((choose(&finite, &full, &none)?, MultiStepsState { skip_state, ..kept }))
    }
}
