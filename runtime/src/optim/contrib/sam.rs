//! Sharpness-aware minimization: gradients from where the loss is worst nearby.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::COUNT;
use crate::error::Result;
use crate::optim::finite::choose;
use crate::optim::moments::{in_dtype_of, safe_divide, zero_count, zip, zip_moments};

use crate::optim::update::{apply_updates, wide_norm};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::{self, Tree};
use crate::variables::Dict;

/// Updates of length 1; see [`normalize`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Normalize;

/// Updates over the norm of all leaves together; zeros stay zeros (optax makes NaN of them).
pub fn normalize() -> Normalize {
    Normalize
}

impl<P: Tree + Clone> GradientTransformation<P> for Normalize {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), _params: &P) -> Result<(P, ())> {
        let norm = wide_norm(updates)?;
        let [updates] = zip_moments([updates], 1, |[u]| Ok([safe_divide(u, &in_dtype_of(&norm, u), true)?]))?;
        Ok((updates, ()))
    }
}

/// Sharpness-aware minimization; see [`sam`].
#[derive(Clone, Debug)]
pub struct Sam<O, A> {
    optimizer: O,
    adv_optimizer: A,
    sync_period: i32,
    reset_state: bool,
    opaque_mode: bool,
}

/// The states of both optimizers.
#[derive(Clone, Debug, Tree)]
pub struct SamState<O, A, P = Dict> {
    /// How many steps away from the parameters there were, `I32`.
    pub steps_since_sync: Tensor,
    /// The state of the optimizer.
    pub opt_state: O,
    /// The state of its adversary.
    pub adv_state: A,
    /// The parameters that the steps began from; None in opaque mode.
    pub cache: Option<P>,
}

/// Every `sync_period`-th update is the optimizer's, with the gradient where the adversary's steps before it led, and from where they began.
///
/// Updates of the adversary are turned around: they raise the loss. Mostly it is `(normalize(), sgd(radius))`. In opaque mode each
/// update takes all of these steps, with the `grad_fn` that [`update_with`](GradientTransformation::update_with) is given: of parameters,
/// and the number of the step.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::contrib::{normalize, sam};
///
/// let tx = sam(optim::sgd(0.1), (normalize(), optim::sgd(0.05)));
/// let loss = |x: &Tensor| Ok(x.square().sum());
/// let mut params = Tensor::from([1.0f32, -1.0]);
/// let mut state = tx.init(&params);
/// for _ in 0..20 {
///     let updates;
///     (updates, state) = tx.update(&grad(loss)(&params)?, &state, &params)?;
///     params = optim::apply_updates(&params, &updates)?;
/// }
/// assert!(loss(&params)?.item::<f32>()? < 0.1);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Foret et al., *Sharpness-Aware Minimization for Efficiently Improving Generalization*, 2021.
pub fn sam<O, A>(optimizer: O, adv_optimizer: A) -> Sam<O, A> {
    Sam { optimizer, adv_optimizer, sync_period: 2, reset_state: true, opaque_mode: false }
}

impl<O, A> Sam<O, A> {
    /// How many steps there are with the optimizer's: at least 1; 2 by default.
    #[must_use]
    pub fn sync_period(self, sync_period: i32) -> Self {
        Sam { sync_period, ..self }
    }

    /// Whether the adversary begins anew each time, which is the default.
    #[must_use]
    pub fn reset_state(self, reset_state: bool) -> Self {
        Sam { reset_state, ..self }
    }

    /// Whether each update takes all steps.
    #[must_use]
    pub fn opaque_mode(self, opaque_mode: bool) -> Self {
        Sam { opaque_mode, ..self }
    }

    #[expect(clippy::type_complexity, reason = "what every update returns")]
    fn opaque<P: Tree + Clone>(
        &self,
        updates: &P,
        state: &SamState<O::State, A::State, P>,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, SamState<O::State, A::State, P>)>
    where
        O: GradientTransformation<P>,
        A: GradientTransformation<P>,
    {
        let grad_fn = extra.need_grad_fn("sam")?;
        let (mut gradients, mut there) = (updates.clone(), params.clone());
        let mut adv_state = state.adv_state.clone();
        for step in 0..self.sync_period - 1 {
            let away;
            (away, adv_state) = self.adv_optimizer.update(&gradients, &adv_state, &there)?;
            there = apply_updates(&there, &tree::map(&away, |u| Ok(-u))?)?;
            gradients = grad_fn(&there, step as usize)?;
        }
        if self.reset_state {
            adv_state = self.adv_optimizer.init(params);
        }
        let (updates, opt_state) = self.optimizer.update(&gradients, &state.opt_state, params)?;
        let steps_since_sync = Tensor::zeros_of([], DType::I32);
        Ok((updates, SamState { steps_since_sync, opt_state, adv_state, cache: None }))
    }
}

impl<P, O, A> GradientTransformation<P> for Sam<O, A>
where
    P: Tree + Clone,
    O: GradientTransformation<P>,
    A: GradientTransformation<P>,
{
    type State = SamState<O::State, A::State, P>;

    fn init(&self, params: &P) -> Self::State {
        SamState {
            steps_since_sync: zero_count(),
            opt_state: self.optimizer.init(params),
            adv_state: self.adv_optimizer.init(params),
            cache: (!self.opaque_mode).then(|| params.clone()),
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
        COUNT.check("sam", "sync_period", self.sync_period.into())?;
        let Some(cache) = &state.cache else { return self.opaque(updates, state, params, extra) };
        let first = state.steps_since_sync.try_eq(0)?;
        let last = state.steps_since_sync.try_eq(self.sync_period - 1)?;
        let (away, adv_state) = self.adv_optimizer.update(updates, &state.adv_state, params)?;
        let (towards, opt_state) = self.optimizer.update(updates, &state.opt_state, cache)?;
        let [updates] = zip([&away, &towards, cache, params], |[away, towards, began, here]| {
            Ok([last.try_select(began - here + towards, -away)?])
        })?;
        let anew = if self.reset_state { self.adv_optimizer.init(params) } else { state.adv_state.clone() };
        let next = SamState {
            steps_since_sync: (&state.steps_since_sync + 1) % self.sync_period,
            opt_state: choose(&last, &opt_state, &state.opt_state)?,
            adv_state: choose(&last, &anew, &adv_state)?,
            cache: Some(choose(&first, params, cache)?),
        };
        Ok((updates, next))
    }
}
