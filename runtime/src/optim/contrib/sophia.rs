//! Sophia: steps over an estimate of the Hessian's diagonal.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{COUNT, DECAY, LIMIT, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::moments::{
    bias_corrected, in_dtype_of, moving_average, safe_divide, safe_increment, zero_count, zeros, zip_moments,
};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::tree_math::{mul, random_like};
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::random::{self, Key, key};
use crate::transform::{cond, grad, jvp};
use crate::tree::Tree;
use crate::variables::Dict;

/// An estimate of the Hessian's diagonal; see [`hutchinson_estimator_diag_hessian`].
#[derive(Clone, Debug)]
pub struct HutchinsonEstimator {
    key: Key,
}

/// What is drawn next.
#[derive(Clone, Debug, Tree)]
pub struct HutchinsonState {
    /// The key of the next signs.
    pub key: Key,
}

/// `s·(H·s)` with random signs `s`, whose mean is the diagonal of the Hessian `H` of the loss.
///
/// It needs `value_fn`, the loss as a function of the parameters, in [`update_with`](GradientTransformation::update_with) (optax's
/// `obj_fn`).
///
/// Source: Hutchinson, *A Stochastic Estimator of the Trace of the Influence Matrix for Laplacian Smoothing Splines*, 1990.
pub fn hutchinson_estimator_diag_hessian(key: &Key) -> HutchinsonEstimator {
    HutchinsonEstimator { key: key.clone() }
}

impl<P: Tree + Clone> GradientTransformation<P> for HutchinsonEstimator {
    type State = HutchinsonState;

    fn init(&self, _params: &P) -> HutchinsonState {
        HutchinsonState { key: self.key.clone() }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        _updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        let value_fn = extra.need_value_fn("hutchinson_estimator_diag_hessian")?;
        let [next, drawn] = state.key.try_split()?;
        let signs = random_like(&drawn, params, |key, shape, dtype| {
            random::try_rademacher(key, shape)?.try_cast(dtype)
        })?;
        let gradient = |params: &P| grad(|params: &P| value_fn(params))(params);
        let (_, product) = jvp(gradient, params, &signs)?;
        Ok((mul(&product, &signs)?, HutchinsonState { key: next }))
    }
}

/// Steps over the Hessian's diagonal; see [`scale_by_sophia`].
#[derive(Clone, Debug)]
pub struct ScaleBySophia<H = HutchinsonEstimator> {
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    gamma: Tensor,
    clip_threshold: Option<Tensor>,
    update_interval: i32,
    hessian_diagonal_fn: H,
    mu_dtype: Option<DType>,
}

/// What Sophia remembers.
#[derive(Clone, Debug, Tree)]
pub struct SophiaState<S = HutchinsonState, P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The moving average of gradients.
    pub mu: P,
    /// The moving average of the Hessian's diagonal.
    pub nu: P,
    /// The state of its estimate.
    pub hessian_fn_state: S,
}

/// `m̂ / max(gamma·h, eps)`, within ±`clip_threshold`, of the moving averages `m` of gradients and `h` of estimates of the Hessian's diagonal,
/// which are made at every `update_interval`-th step.
///
/// The estimate is [`hutchinson_estimator_diag_hessian`] of the key 0 unless another is given; see there for what it needs.
///
/// Source: Liu et al., *Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training*, 2023.
pub fn scale_by_sophia() -> ScaleBySophia {
    ScaleBySophia {
        b1: bare(0.965),
        b2: bare(0.99),
        eps: bare(1e-8),
        gamma: bare(0.01),
        clip_threshold: Some(bare(1.0)),
        update_interval: 10,
        hessian_diagonal_fn: hutchinson_estimator_diag_hessian(&key(0)),
        mu_dtype: None,
    }
}

/// What `clip_threshold` is, or that there is none.
macro_rules! sophia_setters {
    ($type:ident [$($inner:ident)*]) => {
        impl<H> $type<H> {
            /// How much of the average of gradients stays at each step: at least 0 and below 1; 0.965 by default.
            #[must_use]
            #[track_caller]
            pub fn b1(mut self, b1: impl crate::TensorLike) -> Self {
                self$(.$inner)*.b1 = crate::error::unwrap(b1.operand());
                self
            }

            /// How much of the average of estimates stays at each of them: at least 0 and below 1; 0.99 by default.
            #[must_use]
            #[track_caller]
            pub fn b2(mut self, b2: impl crate::TensorLike) -> Self {
                self$(.$inner)*.b2 = crate::error::unwrap(b2.operand());
                self
            }

            /// What denominators are at least: at least 0, and 10⁻⁸ by default; where one is 0, the step is.
            #[must_use]
            #[track_caller]
            pub fn eps(mut self, eps: impl crate::TensorLike) -> Self {
                self$(.$inner)*.eps = crate::error::unwrap(eps.operand());
                self
            }

            /// What the Hessian is multiplied by: at least 0; 0.01 by default.
            #[must_use]
            #[track_caller]
            pub fn gamma(mut self, gamma: impl crate::TensorLike) -> Self {
                self$(.$inner)*.gamma = crate::error::unwrap(gamma.operand());
                self
            }

            /// What steps are kept within: at least 0; 1 by default.
            #[must_use]
            #[track_caller]
            pub fn clip_threshold(mut self, threshold: impl crate::TensorLike) -> Self {
                self$(.$inner)*.clip_threshold = Some(crate::error::unwrap(threshold.operand()));
                self
            }

            /// Leaves steps as long as they are, as optax's `clip_threshold=None`.
            #[must_use]
            pub fn without_clipping(mut self) -> Self {
                self$(.$inner)*.clip_threshold = None;
                self
            }

            /// How many steps there are to an estimate: at least 1; 10 by default.
            #[must_use]
            pub fn update_interval(mut self, interval: i32) -> Self {
                self$(.$inner)*.update_interval = interval;
                self
            }

            /// The dtype of the average of gradients; that of the parameters by default.
            #[must_use]
            pub fn mu_dtype(mut self, dtype: DType) -> Self {
                self$(.$inner)*.mu_dtype = Some(dtype);
                self
            }
        }
    };
}

sophia_setters!(ScaleBySophia []);

impl<H> ScaleBySophia<H> {
    const OP: &'static str = "scale_by_sophia";

    /// Another estimate of the Hessian's diagonal, which is its update.
    #[must_use]
    pub fn hessian_diagonal_fn<G>(self, estimate: G) -> ScaleBySophia<G> {
        let ScaleBySophia { b1, b2, eps, gamma, clip_threshold, update_interval, mu_dtype, .. } = self;
        let hessian_diagonal_fn = estimate;
        ScaleBySophia { b1, b2, eps, gamma, clip_threshold, update_interval, hessian_diagonal_fn, mu_dtype }
    }

    fn check(&self) -> Result<()> {
        DECAY.check_number(Self::OP, "b1", &self.b1)?;
        DECAY.check_number(Self::OP, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(Self::OP, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(Self::OP, "gamma", &self.gamma)?;
        if let Some(threshold) = &self.clip_threshold {
            LIMIT.check_number(Self::OP, "clip_threshold", threshold)?;
        }
        COUNT.check(Self::OP, "update_interval", self.update_interval.into())
    }
}

impl<P: Tree + Clone, H: GradientTransformation<P>> GradientTransformation<P> for ScaleBySophia<H> {
    type State = SophiaState<H::State, P>;

    fn init(&self, params: &P) -> Self::State {
        SophiaState {
            count: zero_count(),
            mu: zeros(params, self.mu_dtype),
            nu: zeros(params, None),
            hessian_fn_state: self.hessian_diagonal_fn.init(params),
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
        let count = safe_increment(&state.count);
        let [steps, mu] = zip_moments([updates, &state.mu], 2, |[g, mu]| {
            let mu = moving_average(mu, g, &self.b1);
            Ok([bias_corrected(&mu, &self.b1, &count), mu])
        })?;
        let [steps, _] = zip_moments([&steps, &state.nu], 2, |[m, h]| {
            let curvature = (h * &self.gamma).try_maximum(in_dtype_of(&self.eps, h))?;
            let mut step = safe_divide(m, &curvature, true)?;
            if let Some(threshold) = &self.clip_threshold {
                let threshold = in_dtype_of(threshold, &step);
                step = step.try_maximum(-&threshold)?.try_minimum(threshold)?;
            }
            Ok([step, h.clone()])
        })?;

        let due = (&state.count % self.update_interval).try_eq(0)?;
        let estimate = |(hessian_state, nu): (H::State, P)| {
            let (found, next) =
                self.hessian_diagonal_fn.update_with(updates, &hessian_state, params, extra)?;
            let [_, nu] = zip_moments([&found, &nu], 1, |[found, nu]| {
                Ok([found.clone(), moving_average(nu, found, &self.b2)])
            })?;
            Ok((next, nu))
        };
        let kept = (state.hessian_fn_state.clone(), state.nu.clone());
        let (hessian_fn_state, nu) = cond(&due, estimate, |kept: (H::State, P)| Ok(kept))(kept)?;
        Ok((steps, SophiaState { count, mu, nu, hessian_fn_state }))
    }
}

/// Sophia; see [`sophia`].
#[derive(Clone, Debug)]
pub struct Sophia<H = HutchinsonEstimator> {
    learning_rate: Schedule,
    scale: ScaleBySophia<H>,
    decay: AddDecayedWeights,
}

/// `u = −lr·(s + weight_decay·p)` with `s` the steps of [`scale_by_sophia`]; the weight decay is 10⁻⁴ by default.
///
/// It needs `value_fn`, the loss as a function of the parameters, in [`update_with`](GradientTransformation::update_with).
///
/// Source: Liu et al., *Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training*, 2023.
pub fn sophia(learning_rate: impl Into<Schedule>) -> Sophia {
    let (scale, decay) = (scale_by_sophia(), add_decayed_weights(1e-4));
    Sophia { learning_rate: learning_rate.into(), scale, decay }
}

sophia_setters!(Sophia[scale]);

impl<H> Sophia<H> {
    /// Another estimate of the Hessian's diagonal, which is its update.
    #[must_use]
    pub fn hessian_diagonal_fn<G>(self, estimate: G) -> Sophia<G> {
        let Sophia { learning_rate, scale, decay } = self;
        Sophia { learning_rate, scale: scale.hessian_diagonal_fn(estimate), decay }
    }

    /// Which part of each parameter is taken off at each step: a number or a schedule.
    #[must_use]
    pub fn weight_decay(mut self, decay: impl Into<Schedule>) -> Self {
        self.decay.weight_decay = decay.into();
        self
    }

    /// Which parameters decay, by their path and themselves; all by default.
    #[must_use]
    pub fn weight_decay_mask(mut self, mask: impl Fn(&str, &Tensor) -> bool + Send + Sync + 'static) -> Self {
        self.decay = self.decay.mask(mask);
        self
    }

    fn chain(&self) -> (&ScaleBySophia<H>, &AddDecayedWeights, crate::optim::ScaleByLearningRate) {
        (&self.scale, &self.decay, scale_by_learning_rate(&self.learning_rate))
    }
}

impl<P: Tree + Clone, H: GradientTransformation<P>> GradientTransformation<P> for Sophia<H> {
    type State = (SophiaState<H::State, P>, ScheduleState, ScheduleState);

    fn init(&self, params: &P) -> Self::State {
        self.chain().init(params)
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
        self.chain().update_with(updates, state, params, extra)
    }
}
