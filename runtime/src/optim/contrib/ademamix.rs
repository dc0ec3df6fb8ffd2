//! AdEMAMix: Adam with a second, slow average of gradients.

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{DECAY, FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::GradientTransformation;
use crate::optim::moments::{
    bias_corrected, may_vanish, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments,
    zeros, zip_moments,
};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::{alias, setters};
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates in units of their deviation; see [`scale_by_ademamix`].
#[derive(Clone, Debug)]
pub struct ScaleByAdemamix {
    b1: Tensor,
    b2: Tensor,
    b3: Schedule,
    alpha: Schedule,
    eps: Tensor,
    eps_root: Tensor,
    mu_dtype: Option<DType>,
}

/// What AdEMAMix remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByAdemamixState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The number of updates of the slow average so far, `I32`.
    pub count_m2: Tensor,
    /// The fast moving average of gradients.
    pub m1: P,
    /// The slow moving average of gradients.
    pub m2: P,
    /// The moving average of their squares, `F32` for leaves of `F16`.
    pub nu: P,
}

/// `(m̂₁ + alpha·m₂) / (√(v̂ + eps_root) + eps)` of a fast and a slow moving average of gradients, `m₁` and `m₂`, and one of their squares,
/// `v`; the slow one keeps its bias. `alpha` is 6 by default.
///
/// Source: Pagliardini et al., *The AdEMAMix Optimizer: Better, Faster, Older*, 2024.
pub fn scale_by_ademamix() -> ScaleByAdemamix {
    ScaleByAdemamix {
        b1: bare(0.9),
        b2: bare(0.999),
        b3: 0.9999.into(),
        alpha: 6.0.into(),
        eps: bare(1e-8),
        eps_root: bare(0.0),
        mu_dtype: None,
    }
}

macro_rules! ademamix_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the fast average stays at each step: at least 0 and below 1; 0.9 by default.
            b1: Tensor,
            /// How much of the average of squares stays at each step: at least 0 and below 1; 0.999 by default.
            b2: Tensor,
            /// How much of the slow average stays at each step: at least 0 and below 1, or a schedule; 0.9999 by default.
            b3: Schedule,
            /// What the slow average is multiplied by: finite, or a schedule.
            alpha: Schedule,
            /// What is added to the denominator: at least 0; where the denominator is 0, the update is.
            eps: Tensor,
            /// What is added below the root: at least 0.
            eps_root: Tensor,
            /// The dtype of the averages; that of the parameters by default.
            mu_dtype: DType => Some,
        } }
    };
}

ademamix_setters!(ScaleByAdemamix);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAdemamix {
    type State = ScaleByAdemamixState<P>;

    fn init(&self, params: &P) -> Self::State {
        let zeros = || zeros(params, self.mu_dtype);
        ScaleByAdemamixState {
            count: zero_count(),
            count_m2: zero_count(),
            m1: zeros(),
            m2: zeros(),
            nu: if self.mu_dtype.is_some() { zeros() } else { zero_second_moments(params) },
        }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_ademamix";
        let (b3, alpha) = (self.b3.at(&state.count_m2)?, self.alpha.at(&state.count_m2)?);
        DECAY.check_number(op, "b1", &self.b1)?;
        DECAY.check_number(op, "b2", &self.b2)?;
        DECAY.check_number(op, "b3", &b3)?;
        FINITE.check_number(op, "alpha", &alpha)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(op, "eps_root", &self.eps_root)?;
        let count = safe_increment(&state.count);
        let may_be_zero = may_vanish(&self.eps) && may_vanish(&self.eps_root);
        let trees = [updates, &state.m1, &state.m2, &state.nu];
        let [updates, m1, m2, nu] = zip_moments(trees, 3, |[g, m1, m2, nu]| {
            let (m1, m2) = (moving_average(m1, g, &self.b1), moving_average(m2, g, &b3));
            let nu = moving_average(nu, &g.square(), &self.b2);
            let step = bias_corrected(&m1, &self.b1, &count) + &m2 * &alpha;
            let deviation = (bias_corrected(&nu, &self.b2, &count) + &self.eps_root).sqrt() + &self.eps;
            Ok([safe_divide(&step, &deviation, may_be_zero)?, m1, m2, nu])
        })?;
        let count_m2 = safe_increment(&state.count_m2);
        Ok((updates, ScaleByAdemamixState { count, count_m2, m1, m2, nu }))
    }
}

/// AdEMAMix; see [`ademamix`].
#[derive(Clone, Debug)]
pub struct Ademamix {
    learning_rate: Schedule,
    scale: ScaleByAdemamix,
    decay: AddDecayedWeights,
}

/// The state of [`ademamix`]: of the moments, of the weight decay, and of the learning rate.
pub type AdemamixState<P = Dict> = (ScaleByAdemamixState<P>, ScheduleState, ScheduleState);

/// `u = −lr·(a + weight_decay·p)` with `a` the direction of [`scale_by_ademamix`], whose `alpha` is 5 here; there is no weight decay unless
/// asked for.
///
/// Source: Pagliardini et al., *The AdEMAMix Optimizer: Better, Faster, Older*, 2024.
pub fn ademamix(learning_rate: impl Into<Schedule>) -> Ademamix {
    Ademamix {
        learning_rate: learning_rate.into(),
        scale: scale_by_ademamix().alpha(5.0),
        decay: add_decayed_weights(0.0),
    }
}

ademamix_setters!(Ademamix.scale);
decaying!(Ademamix: weight_decay, mask);

alias!(Ademamix, AdemamixState<P>, |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate)
));

/// Updates in units of their deviation; see [`scale_by_simplified_ademamix`].
#[derive(Clone, Debug)]
pub struct ScaleBySimplifiedAdemamix {
    b1: Tensor,
    b2: Tensor,
    alpha: Schedule,
    eps: Tensor,
    eps_root: Tensor,
}

/// What simplified AdEMAMix remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleBySimplifiedAdemamixState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub t: Tensor,
    /// The decaying sum of gradients.
    pub m: P,
    /// The moving average of their squares, `F32` for leaves of `F16`.
    pub n: P,
}

/// `(m + alpha·g) / (√(n̂ + eps_root) + eps)` of a decaying sum of gradients, `m`, and a moving average of their squares, `n`.
///
/// Source: Morwani et al., *Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD Variants*, 2025.
pub fn scale_by_simplified_ademamix() -> ScaleBySimplifiedAdemamix {
    ScaleBySimplifiedAdemamix {
        b1: bare(0.99),
        b2: bare(0.95),
        alpha: 0.0.into(),
        eps: bare(1e-8),
        eps_root: bare(0.0),
    }
}

macro_rules! simplified_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the sum of gradients stays at each step: at least 0 and below 1; 0.99 by default.
            b1: Tensor,
            /// How much of the average of squares stays at each step: at least 0 and below 1; 0.95 by default.
            b2: Tensor,
            /// What the gradient is multiplied by: finite, or a schedule; 0 by default.
            alpha: Schedule,
            /// What is added to the denominator: at least 0; where the denominator is 0, the update is.
            eps: Tensor,
            /// What is added below the root: at least 0.
            eps_root: Tensor,
        } }
    };
}

simplified_setters!(ScaleBySimplifiedAdemamix);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleBySimplifiedAdemamix {
    type State = ScaleBySimplifiedAdemamixState<P>;

    fn init(&self, params: &P) -> Self::State {
        let (m, n) = (zeros(params, None), zero_second_moments(params));
        ScaleBySimplifiedAdemamixState { t: zero_count(), m, n }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_simplified_ademamix";
        let alpha = self.alpha.at(&state.t)?;
        DECAY.check_number(op, "b1", &self.b1)?;
        DECAY.check_number(op, "b2", &self.b2)?;
        FINITE.check_number(op, "alpha", &alpha)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(op, "eps_root", &self.eps_root)?;
        let t = safe_increment(&state.t);
        let may_be_zero = may_vanish(&self.eps) && may_vanish(&self.eps_root);
        let [updates, m, n] = zip_moments([updates, &state.m, &state.n], 2, |[g, m, n]| {
            let m = g + m * &self.b1;
            let n = moving_average(n, &g.square(), &self.b2);
            let deviation = (bias_corrected(&n, &self.b2, &t) + &self.eps_root).sqrt() + &self.eps;
            Ok([safe_divide(&(&m + g * &alpha), &deviation, may_be_zero)?, m, n])
        })?;
        Ok((updates, ScaleBySimplifiedAdemamixState { t, m, n }))
    }
}

/// Simplified AdEMAMix; see [`simplified_ademamix`].
#[derive(Clone, Debug)]
pub struct SimplifiedAdemamix {
    learning_rate: Schedule,
    scale: ScaleBySimplifiedAdemamix,
    decay: AddDecayedWeights,
}

/// The state of [`simplified_ademamix`]: of the moments, of the weight decay, and of the learning rate.
pub type SimplifiedAdemamixState<P = Dict> =
    (ScaleBySimplifiedAdemamixState<P>, ScheduleState, ScheduleState);

/// `u = −lr·(a + weight_decay·p)` with `a` the direction of [`scale_by_simplified_ademamix`]; there is no weight decay unless asked for.
///
/// Source: Morwani et al., *Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD Variants*, 2025.
pub fn simplified_ademamix(learning_rate: impl Into<Schedule>) -> SimplifiedAdemamix {
    SimplifiedAdemamix {
        learning_rate: learning_rate.into(),
        scale: scale_by_simplified_ademamix(),
        decay: add_decayed_weights(0.0),
    }
}

simplified_setters!(SimplifiedAdemamix.scale);
decaying!(SimplifiedAdemamix: weight_decay, mask);

alias!(SimplifiedAdemamix, SimplifiedAdemamixState<P>, |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
