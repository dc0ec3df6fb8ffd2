//! Adan: Nesterov's momentum from differences of gradients.

use super::GradientTransformation;
use super::moments::{
    bias_corrected, may_vanish, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments,
    zeros, zip_moments,
};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::core::Tensor;
use crate::core::domain::{DECAY, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::Tree;
use crate::variables::Dict;

/// Updates in units of their deviation; see [`scale_by_adan`].
#[derive(Clone, Debug)]
pub struct ScaleByAdan {
    b1: Tensor,
    b2: Tensor,
    b3: Tensor,
    eps: Tensor,
    eps_root: Tensor,
}

/// What Adan remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByAdanState<P = Dict> {
    /// The moving average of gradients.
    pub m: P,
    /// The moving average of differences of gradients.
    pub v: P,
    /// The moving average of squares of gradients that are looked at one step ahead, `F32` for leaves of `F16`.
    pub n: P,
    /// The last gradients.
    pub g: P,
    /// The number of updates so far, `I32`.
    pub t: Tensor,
}

/// `(m̂ + (1 − b2)·v̂) / (√(n̂ + eps_root) + eps)` of the moving averages `m` of gradients, `v` of their differences `d`, and `n` of
/// `(g + (1 − b2)·d)²`, without their bias.
///
/// Source: Xie et al., *Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models*, 2022.
pub fn scale_by_adan() -> ScaleByAdan {
    ScaleByAdan { b1: bare(0.98), b2: bare(0.92), b3: bare(0.99), eps: bare(1e-8), eps_root: bare(0.0) }
}

macro_rules! adan_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the average of gradients stays at each step: at least 0 and below 1; 0.98 by default.
            b1: Tensor,
            /// How much of the average of differences stays at each step: at least 0 and below 1; 0.92 by default.
            b2: Tensor,
            /// How much of the average of squares stays at each step: at least 0 and below 1; 0.99 by default.
            b3: Tensor,
            /// What is added to the denominator: at least 0; where the denominator is 0, the update is.
            eps: Tensor,
            /// What is added below the root: at least 0.
            eps_root: Tensor,
        } }
    };
}

adan_setters!(ScaleByAdan);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAdan {
    type State = ScaleByAdanState<P>;

    fn init(&self, params: &P) -> Self::State {
        let zeros = || zeros(params, None);
        ScaleByAdanState {
            m: zeros(),
            v: zeros(),
            n: zero_second_moments(params),
            g: zeros(),
            t: zero_count(),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_adan";
        for (name, decay) in [("b1", &self.b1), ("b2", &self.b2), ("b3", &self.b3)] {
            DECAY.check_number(op, name, decay)?;
        }
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(op, "eps_root", &self.eps_root)?;
        let (first, t) = (state.t.try_eq(0)?, safe_increment(&state.t));
        let may_be_zero = may_vanish(&self.eps) && may_vanish(&self.eps_root);
        let ahead = 1.0 - &self.b2;
        let trees = [updates, &state.m, &state.v, &state.n, &state.g];
        let [updates, m, v, n, g] = zip_moments(trees, 3, |[g, m, v, n, last]| {
            let difference = first.try_select(g.like(0.0), g - last)?;
            let (m, v) = (moving_average(m, g, &self.b1), moving_average(v, &difference, &self.b2));
            let n = moving_average(n, &(g + &difference * &ahead).square(), &self.b3);
            let step = bias_corrected(&m, &self.b1, &t) + bias_corrected(&v, &self.b2, &t) * &ahead;
            let deviation = (bias_corrected(&n, &self.b3, &t) + &self.eps_root).sqrt() + &self.eps;
            Ok([safe_divide(&step, &deviation, may_be_zero)?, m, v, n, g.clone()])
        })?;
        Ok((updates, ScaleByAdanState { m, v, n, g, t }))
    }
}

/// Adan; see [`adan`].
#[derive(Clone, Debug)]
pub struct Adan {
    learning_rate: Schedule,
    scale: ScaleByAdan,
    decay: AddDecayedWeights,
}

/// The state of [`adan`]: of the moments, of the weight decay, and of the learning rate.
pub type AdanState<P = Dict> = (ScaleByAdanState<P>, ScheduleState, ScheduleState);

/// `u = −lr·(a + weight_decay·p)` with `a` the direction of [`scale_by_adan`], whose `eps_root` is 10⁻⁸ here; there is no weight decay
/// unless asked for.
///
/// Source: Xie et al., *Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models*, 2022.
pub fn adan(learning_rate: impl Into<Schedule>) -> Adan {
    Adan {
        learning_rate: learning_rate.into(),
        scale: scale_by_adan().eps_root(1e-8),
        decay: add_decayed_weights(0.0),
    }
}

adan_setters!(Adan.scale);
decaying!(Adan: weight_decay, mask);

alias!(Adan, AdanState<P>, |this| (
    this.scale.clone(),
    this.decay.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
