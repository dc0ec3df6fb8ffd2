//! `RMSProp`.

use super::GradientTransformation;
use super::moments::{
    bias, in_dtype_of, may_vanish, moving_average, safe_divide, safe_increment, second_moments_like,
    zero_count, zeros, zip_moments,
};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use super::sgd::{Trace, TraceState, trace};
use crate::core::Tensor;
use crate::core::domain::{DECAY, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::tree::{Builder, Donation, NodeKind, Token, Tree};
use crate::variables::Dict;

/// Updates over their root mean square or deviation; see [`scale_by_rms`] and [`scale_by_stddev`].
#[derive(Clone, Debug)]
pub struct ScaleByRms {
    decay: Tensor,
    eps: Tensor,
    initial_scale: Tensor,
    eps_in_sqrt: bool,
    bias_correction: bool,
    centered: bool,
}

/// What `RMSProp` remembers.
#[derive(Clone, Debug)]
pub struct ScaleByRmsState<P = Dict> {
    /// The number of updates so far, `I32`, if averages are corrected by it.
    pub count: Option<Tensor>,
    /// The moving average of gradients, if deviations are from it.
    pub mu: Option<P>,
    /// The moving average of their squares, `F32` for leaves of `F16`.
    pub nu: P,
}

/// Of the fields those that are there: in Optax these are states of different types.
impl<P: Tree> Tree for ScaleByRmsState<P> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        let fields = 1 + usize::from(self.count.is_some()) + usize::from(self.mu.is_some());
        visit(Token::Node(NodeKind::Struct("ScaleByRmsState"), fields));
        if let Some(count) = &self.count {
            visit(Token::Key("count"));
            count.walk(visit);
        }
        if let Some(mu) = &self.mu {
            visit(Token::Key("mu"));
            mu.walk(visit);
        }
        visit(Token::Key("nu"));
        self.nu.walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.extend(self.count);
        self.mu.into_leaves(leaves);
        self.nu.into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        self.count.donate(donation);
        self.mu.donate(donation);
        self.nu.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        let (mut count, mut mu) = (None, None);
        for _ in 1..from.node()?.1 {
            match from.key()? {
                "count" => count = Some(from.leaf()?),
                _ => mu = Some(P::build(from)?),
            }
        }
        from.key()?;
        Ok(ScaleByRmsState { count, mu, nu: P::build(from)? })
    }
}

/// `g / √(v + eps)` with `v` the moving average of squares.
///
/// Source: Tieleman and Hinton, *Lecture 6.5*, 2012.
pub fn scale_by_rms() -> ScaleByRms {
    ScaleByRms {
        decay: bare(0.9),
        eps: bare(1e-8),
        initial_scale: bare(0.0),
        eps_in_sqrt: true,
        bias_correction: false,
        centered: false,
    }
}

/// `g / √(v − m² + eps)` with `m` and `v` the moving averages of gradients and of squares.
#[doc(alias = "ScaleByRStdDevState")]
pub fn scale_by_stddev() -> ScaleByRms {
    ScaleByRms { centered: true, ..scale_by_rms() }
}

impl ScaleByRms {
    /// `v − m²`, which rounding makes negative where gradients hardly change: there its size, which is that of the rounding,
    /// takes its place. Squares that are larger than any number have no difference: there it is as large as they are.
    fn centered_variance(&self, mu: &Tensor, nu: &Tensor) -> Result<Tensor> {
        let difference = nu - mu.square();
        let least = if self.eps_in_sqrt { &difference + &self.eps } else { difference.clone() };
        let variance = least.try_lt(0.0)?.try_select(difference.abs(), difference)?;
        nu.try_is_inf()?.try_select(nu, variance)
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByRms {
    type State = ScaleByRmsState<P>;

    fn init(&self, params: &P) -> ScaleByRmsState<P> {
        ScaleByRmsState {
            count: self.bias_correction.then(zero_count),
            mu: self.centered.then(|| zeros(params, None)),
            nu: second_moments_like(params, &self.initial_scale),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        DECAY.check_number("scale_by_rms", "decay", &self.decay)?;
        NOT_NEGATIVE.check_number("scale_by_rms", "eps", &self.eps)?;
        NOT_NEGATIVE.check_number("scale_by_rms", "initial_scale", &self.initial_scale)?;
        let count = state.count.as_ref().map(safe_increment);
        // Divided, not multiplied by the reciprocal: of centred averages the difference counts, which is 0 at first.
        let unbiased = |x: &Tensor| match &count {
            None => x.clone(),
            Some(count) => x / in_dtype_of(&bias(&self.decay, count, x.dtype()), x),
        };
        let may_be_zero = may_vanish(&self.eps);
        let over_root = |g: &Tensor, variance: &Tensor| -> Result<Tensor> {
            if !self.eps_in_sqrt {
                return safe_divide(g, &(variance.sqrt() + &self.eps), may_be_zero);
            }
            let square = variance + &self.eps;
            let scaled = g * square.rsqrt();
            if may_be_zero { square.try_eq(0.0)?.try_select(0.0, scaled) } else { Ok(scaled) }
        };
        let Some(mu) = &state.mu else {
            let [updates, nu] = zip_moments([updates, &state.nu], 1, |[g, nu]| {
                let nu = moving_average(nu, &g.square(), &self.decay);
                Ok([over_root(g, &unbiased(&nu))?, nu])
            })?;
            return Ok((updates, ScaleByRmsState { count, mu: None, nu }));
        };
        let [updates, mu, nu] = zip_moments([updates, mu, &state.nu], 2, |[g, mu, nu]| {
            let (mu, nu) = (moving_average(mu, g, &self.decay), moving_average(nu, &g.square(), &self.decay));
            let variance = self.centered_variance(&unbiased(&mu), &unbiased(&nu))?;
            Ok([over_root(g, &variance)?, mu, nu])
        })?;
        Ok((updates, ScaleByRmsState { count, mu: Some(mu), nu }))
    }
}

/// `RMSProp`; see [`rmsprop`].
#[derive(Clone, Debug)]
pub struct Rmsprop {
    learning_rate: Schedule,
    scale: ScaleByRms,
    momentum: Option<Tensor>,
    nesterov: bool,
}

/// The state of [`rmsprop`]: of the averages, of the learning rate, and of the momentum, if there is any.
pub type RmspropState<P = Dict> = (ScaleByRmsState<P>, ScheduleState, Option<TraceState<P>>);

/// `u = −lr·g / √(v + eps)` with `v` the moving average of squares; `decay` is 0.9 and `eps` 10⁻⁸. A momentum sums these.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::rmsprop(1e-3).centered(true).momentum(0.9);
/// # let params = Tensor::from(1.0f32);
/// # let _ = tx.init(&params);
/// ```
///
/// Source: Tieleman and Hinton, *Lecture 6.5*, 2012; centered: Graves, *Generating Sequences*, 2013.
pub fn rmsprop(learning_rate: impl Into<Schedule>) -> Rmsprop {
    Rmsprop { learning_rate: learning_rate.into(), scale: scale_by_rms(), momentum: None, nesterov: false }
}

macro_rules! options {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// How much of the averages stays at each step: at least 0 and below 1; 0.9 by default.
            decay: Tensor,
            /// What keeps the denominator above 0: at least 0; 10⁻⁸ by default. Where the denominator is 0, the update is.
            eps: Tensor,
            /// Where the average of squares begins: at least 0, which is the default.
            initial_scale: Tensor,
            /// Whether `eps` is added below the root, which is the default, or outside.
            eps_in_sqrt: bool,
            /// Whether averages are freed of their bias towards their beginning.
            bias_correction: bool,
        } }
    };
}

options!(ScaleByRms);
options!(Rmsprop.scale);

setters! { Rmsprop.scale {
    /// Whether deviations are from the average of gradients rather than from 0.
    ///
    /// Not together with `bias_correction`, unless `eps` is large: after the first step the corrected variance is 0 but for rounding, and
    /// the first update thousands of learning rates long. So it is in Optax.
    centered: bool,
} }

setters! { Rmsprop {
    /// How much of the sum of earlier updates stays at each step; none by default.
    momentum: Tensor => Some,
    /// Whether the momentum is Nesterov's.
    nesterov: bool,
} }

impl Rmsprop {
    fn trace(&self) -> Option<Trace> {
        self.momentum.as_ref().map(|momentum| trace(momentum).nesterov(self.nesterov))
    }
}

alias!(Rmsprop, RmspropState<P>, |this| (
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate),
    this.trace()
));
