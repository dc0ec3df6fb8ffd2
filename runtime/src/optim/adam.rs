//! Adam and its relatives with decoupled weight decay and Nesterov's momentum.

use super::GradientTransformation;
use super::moments::{
    bias_corrected, may_vanish, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments,
    zeros, zip_moments,
};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{DECAY, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates in units of their deviation; see [`scale_by_adam`].
#[derive(Clone, Debug)]
pub struct ScaleByAdam {
    pub(super) b1: Tensor,
    pub(super) b2: Tensor,
    pub(super) eps: Tensor,
    pub(super) eps_root: Tensor,
    pub(super) mu_dtype: Option<DType>,
    pub(super) nesterov: bool,
}

/// What Adam remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByAdamState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The moving average of gradients.
    pub mu: P,
    /// The moving average of their squares, `F32` for leaves of `F16`.
    pub nu: P,
}

/// `m̂ / (√(v̂ + eps_root) + eps)` of the moving averages `m` of gradients and `v` of their squares, without their bias.
///
/// Source: Kingma and Ba, *Adam*, 2014.
pub fn scale_by_adam() -> ScaleByAdam {
    ScaleByAdam {
        b1: bare(0.9),
        b2: bare(0.999),
        eps: bare(1e-8),
        eps_root: bare(0.0),
        mu_dtype: None,
        nesterov: false,
    }
}

impl ScaleByAdam {
    /// The direction of the first moment, of its new average and the gradient.
    pub(super) fn direction(&self, g: &Tensor, mu: &Tensor, count: &Tensor) -> Tensor {
        if self.nesterov {
            self.half_nesterov(g, mu, count) * 2.0
        } else {
            bias_corrected(mu, &self.b1, count)
        }
    }

    /// Half of the direction with Nesterov's momentum: the whole may be larger than any number.
    fn half_nesterov(&self, g: &Tensor, mu: &Tensor, count: &Tensor) -> Tensor {
        let ahead = bias_corrected(mu, &self.b1, &safe_increment(count)) * &self.b1;
        ahead * 0.5 + bias_corrected(&(g * (1.0 - &self.b1)), &self.b1, count) * 0.5
    }

    /// The direction over a deviation.
    pub(super) fn scaled(
        &self,
        g: &Tensor,
        mu: &Tensor,
        count: &Tensor,
        deviation: &Tensor,
    ) -> Result<Tensor> {
        let may_be_zero = may_vanish(&self.eps) && may_vanish(&self.eps_root);
        if self.nesterov {
            safe_divide(&self.half_nesterov(g, mu, count), &(deviation * 0.5), may_be_zero)
        } else {
            safe_divide(&bias_corrected(mu, &self.b1, count), deviation, may_be_zero)
        }
    }

    /// The second moment without its bias.
    pub(super) fn deviation(&self, nu: &Tensor, count: &Tensor) -> Tensor {
        (bias_corrected(nu, &self.b2, count) + &self.eps_root).sqrt() + &self.eps
    }

    pub(super) fn initial<P: Tree>(&self, params: &P) -> ScaleByAdamState<P> {
        ScaleByAdamState {
            count: zero_count(),
            mu: zeros(params, self.mu_dtype),
            nu: zero_second_moments(params),
        }
    }

    /// # Errors
    /// If a setting is outside of its domain.
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        DECAY.check_number(op, "b1", &self.b1)?;
        DECAY.check_number(op, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(op, "eps_root", &self.eps_root)
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAdam {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> ScaleByAdamState<P> {
        self.initial(params)
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        self.check("scale_by_adam")?;
        let count = safe_increment(&state.count);
        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let (mu, nu) = (moving_average(mu, g, &self.b1), moving_average(nu, &g.square(), &self.b2));
            Ok([self.scaled(g, &mu, &count, &self.deviation(&nu, &count))?, mu, nu])
        })?;
        Ok((updates, ScaleByAdamState { count, mu, nu }))
    }
}

/// The setters of everything that holds a [`ScaleByAdam`].
macro_rules! adam_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the average of gradients stays at each step: at least 0 and below 1.
            b1: Tensor,
            /// How much of the average of squares stays at each step: at least 0 and below 1.
            b2: Tensor,
            /// What is added to the denominator: at least 0; where the denominator is 0, the update is.
            eps: Tensor,
            /// What is added below the root: at least 0.
            eps_root: Tensor,
        } }
    };
}

macro_rules! adam_options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// The dtype of the average of gradients; that of the parameters by default.
            mu_dtype: DType => Some,
        } }
    };
}

macro_rules! nesterov {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// Whether the average of gradients is looked at one step ahead.
            nesterov: bool,
        } }
    };
}

pub(super) use {adam_options, adam_setters, nesterov};

adam_setters!(ScaleByAdam);
adam_options!(ScaleByAdam);
nesterov!(ScaleByAdam);

/// Adam; see [`adam`].
#[derive(Clone, Debug)]
pub struct Adam {
    learning_rate: Schedule,
    scale: ScaleByAdam,
}

/// The state of [`adam`]: `state.0.mu` and `state.0.nu` are the moments.
pub type AdamState<P = Dict> = (ScaleByAdamState<P>, ScheduleState);

/// `u = −lr·m̂ / (√(v̂ + eps_root) + eps)`, with `b1` 0.9, `b2` 0.999, `eps` 10⁻⁸ and `eps_root` 0.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::adam(0.1).b2(0.99);
/// let params = Dict::new().with("w", Tensor::from([1.0f32, -1.0]));
/// let mut state: AdamState = tx.init(&params);
/// let (updates, next) = tx.update(&params, &state, &params)?;
/// assert!(updates.tensor("w")?.all_close(Tensor::from([-0.1f32, 0.1]), 1e-6, 0.0)?);
/// // States are open to surgery.
/// state = next;
/// state.0.mu = state.0.mu.map(|mu| Ok(mu * 0.0))?;
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Kingma and Ba, *Adam*, 2014.
pub fn adam(learning_rate: impl Into<Schedule>) -> Adam {
    Adam { learning_rate: learning_rate.into(), scale: scale_by_adam() }
}

/// Adam with Nesterov's momentum.
///
/// Source: Dozat, *Incorporating Nesterov Momentum into Adam*, 2016.
pub fn nadam(learning_rate: impl Into<Schedule>) -> Adam {
    adam(learning_rate).nesterov(true)
}

adam_setters!(Adam.scale);
adam_options!(Adam.scale);
nesterov!(Adam.scale);

alias!(Adam, AdamState<P>, |this| (this.scale.clone(), scale_by_learning_rate(&this.learning_rate)));

/// Adam with decoupled weight decay; see [`adamw`].
#[derive(Clone, Debug)]
pub struct AdamW {
    learning_rate: Schedule,
    scale: ScaleByAdam,
    decay: AddDecayedWeights,
}

/// The state of [`adamw`]: of the moments, of the weight decay, and of the learning rate.
pub type AdamWState<P = Dict> = (ScaleByAdamState<P>, ScheduleState, ScheduleState);

/// `u = −lr·(m̂ / (√(v̂ + eps_root) + eps) + weight_decay·p)`: [`adam`] with a decay that its denominator does not scale,
/// 10⁻⁴ by default.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::adamw(1e-3).weight_decay(0.05).mask(|path, _| !path.ends_with("bias"));
/// # let params = Tensor::from(1.0f32);
/// # let _ = tx.init(&params);
/// ```
///
/// Source: Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019.
pub fn adamw(learning_rate: impl Into<Schedule>) -> AdamW {
    AdamW { learning_rate: learning_rate.into(), scale: scale_by_adam(), decay: add_decayed_weights(1e-4) }
}

/// [`adamw`] with Nesterov's momentum.
pub fn nadamw(learning_rate: impl Into<Schedule>) -> AdamW {
    adamw(learning_rate).nesterov(true)
}

impl AdamW {
    /// Another learning rate.
    pub(super) fn learning_rate(self, learning_rate: impl Into<Schedule>) -> AdamW {
        AdamW { learning_rate: learning_rate.into(), ..self }
    }
}

adam_setters!(AdamW.scale);
adam_options!(AdamW.scale);
nesterov!(AdamW.scale);
decaying!(AdamW: weight_decay, mask);

alias!(AdamW, AdamWState<P>, |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
