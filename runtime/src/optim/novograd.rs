//! `NovoGrad`.

use super::GradientTransformation;
use super::moments::{
    may_vanish, moving_average, safe_divide, safe_increment, second_moment_dtype, zero_count, zeros,
    zip_uneven_moments,
};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{FINITE, NOT_NEGATIVE, PROBABILITY};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::{self, Tree};
use crate::variables::Dict;

/// Updates over the norms of their leaves; see [`scale_by_novograd`].
#[derive(Clone, Debug)]
pub struct ScaleByNovograd {
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    eps_root: Tensor,
    weight_decay: Tensor,
    mu_dtype: Option<DType>,
}

/// What `NovoGrad` remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByNovogradState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The decaying sum of scaled gradients.
    pub mu: P,
    /// The moving average of squared norms: a scalar for each leaf, `F32` for those of `F16`.
    pub nu: P,
}

/// `m ← b1·m + g/(√(v + eps_root) + eps) + weight_decay·p`, with `v` the moving average of the squared norm of each leaf,
/// which begins with the first gradient.
///
/// Source: Ginsburg et al., *Stochastic Gradient Methods with Layer-wise Adaptive Moments*, 2019.
pub fn scale_by_novograd() -> ScaleByNovograd {
    ScaleByNovograd {
        b1: bare(0.9),
        b2: bare(0.25),
        eps: bare(1e-8),
        eps_root: bare(0.0),
        weight_decay: bare(0.0),
        mu_dtype: None,
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByNovograd {
    type State = ScaleByNovogradState<P>;

    fn init(&self, params: &P) -> ScaleByNovogradState<P> {
        let scalars = tree::map(params, |leaf| Ok(Tensor::zeros_of([], second_moment_dtype(leaf.dtype()))));
        let (mu, nu) = (zeros(params, self.mu_dtype), crate::error::unwrap(scalars));
        ScaleByNovogradState { count: zero_count(), mu, nu }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        let first = state.count.try_eq(0)?;
        let op = "scale_by_novograd";
        PROBABILITY.check_number(op, "b1", &self.b1)?;
        PROBABILITY.check_number(op, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        NOT_NEGATIVE.check_number(op, "eps_root", &self.eps_root)?;
        FINITE.check_number(op, "weight_decay", &self.weight_decay)?;
        let may_be_zero = may_vanish(&self.eps) && may_vanish(&self.eps_root);
        let trees = [updates, &state.mu, &state.nu, params];
        let [updates, mu, nu] = zip_uneven_moments(trees, 2, |[g, mu, nu, p]| {
            let square = g.try_mul(g)?.try_sum()?;
            let nu = first.try_select(&square, moving_average(nu, &square, &self.b2))?;
            let deviation = (&nu + &self.eps_root).sqrt() + &self.eps;
            let step = safe_divide(g, &deviation, may_be_zero)? + p * &self.weight_decay;
            let mu = first.try_select(&step, mu.try_mul(&self.b1)?.try_add(&step)?)?;
            Ok([mu.clone(), mu, nu])
        })?;
        Ok((updates, ScaleByNovogradState { count: safe_increment(&state.count), mu, nu }))
    }
}

/// `NovoGrad`; see [`novograd`].
#[derive(Clone, Debug)]
pub struct Novograd {
    learning_rate: Schedule,
    scale: ScaleByNovograd,
}

/// The state of [`novograd`].
pub type NovogradState<P = Dict> = (ScaleByNovogradState<P>, ScheduleState);

/// Momentum of gradients over the norms of their leaves; see [`scale_by_novograd`]. `eps` is 10⁻⁶.
///
/// Source: Ginsburg et al., *Stochastic Gradient Methods with Layer-wise Adaptive Moments*, 2019.
pub fn novograd(learning_rate: impl Into<Schedule>) -> Novograd {
    Novograd { learning_rate: learning_rate.into(), scale: scale_by_novograd().eps(1e-6) }
}

macro_rules! options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the sum stays at each step, from 0 to 1; 0.9 by default.
            b1: Tensor,
            /// How much of the average of norms stays at each step, from 0 to 1; 0.25 by default.
            b2: Tensor,
            /// What is added to the norm: at least 0; where the sum is 0, the step is.
            eps: Tensor,
            /// What is added below the root: at least 0.
            eps_root: Tensor,
            /// Which part of each parameter is added to the gradient; 0 by default.
            weight_decay: Tensor,
        } }
    };
}

options!(ScaleByNovograd);
options!(Novograd.scale);

setters! { ScaleByNovograd {
    /// The dtype of the sum; that of the parameters by default.
    mu_dtype: DType => Some,
} }

alias!(Novograd, NovogradState<P>, |this| (this.scale.clone(), scale_by_learning_rate(&this.learning_rate)));
