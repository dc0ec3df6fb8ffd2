//! Rprop: steps from signs alone, longer while they agree.

use super::GradientTransformation;
use super::moments::{full_like, zeros, zip_moments};
use super::scale::{Scale, scale};
use super::settings::{alias, setters};
use crate::core::domain::{NOT_NEGATIVE, POSITIVE};
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::tree::Tree;
use crate::variables::Dict;

/// Steps from signs; see [`scale_by_rprop`].
#[derive(Clone, Debug)]
pub struct ScaleByRprop {
    learning_rate: Tensor,
    eta_minus: Tensor,
    eta_plus: Tensor,
    min_step_size: Tensor,
    max_step_size: Tensor,
}

/// What Rprop remembers.
#[derive(Clone, Debug, Tree)]
pub struct ScaleByRpropState<P = Dict> {
    /// How long the next step of each element is.
    pub step_sizes: P,
    /// The last steps.
    pub prev_updates: P,
}

/// The sign of each gradient times a length of its own, which grows by `eta_plus` where the sign is the last one, shrinks by `eta_minus`
/// where it is another (then there is no step), and begins with `learning_rate`.
///
/// As in optax 0.2.8, each update is the step of the gradient before, so the first is 0.
///
/// Source: Riedmiller and Braun, *A direct adaptive method for faster backpropagation learning*, 1993.
pub fn scale_by_rprop(learning_rate: impl TensorLike) -> ScaleByRprop {
    ScaleByRprop {
        learning_rate: unwrap(learning_rate.operand()),
        eta_minus: bare(0.5),
        eta_plus: bare(1.2),
        min_step_size: bare(1e-6),
        max_step_size: bare(50.0),
    }
}

macro_rules! rprop_setters {
    ($type:ident $(. $inner:ident)*) => {
        setters! { $type $(. $inner)* {
            /// What lengths are multiplied by where the sign changes: above 0; ½ by default.
            eta_minus: Tensor,
            /// What lengths are multiplied by where the sign stays: above 0; 1.2 by default.
            eta_plus: Tensor,
            /// The shortest step: at least 0; 10⁻⁶ by default.
            min_step_size: Tensor,
            /// The longest step: at least 0; 50 by default.
            max_step_size: Tensor,
        } }
    };
}

rprop_setters!(ScaleByRprop);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByRprop {
    type State = ScaleByRpropState<P>;

    fn init(&self, params: &P) -> Self::State {
        let step_sizes = full_like(params, &self.learning_rate, None);
        ScaleByRpropState { step_sizes, prev_updates: zeros(params, None) }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_rprop";
        NOT_NEGATIVE.check_number(op, "learning_rate", &self.learning_rate)?;
        POSITIVE.check_number(op, "eta_minus", &self.eta_minus)?;
        POSITIVE.check_number(op, "eta_plus", &self.eta_plus)?;
        NOT_NEGATIVE.check_number(op, "min_step_size", &self.min_step_size)?;
        NOT_NEGATIVE.check_number(op, "max_step_size", &self.max_step_size)?;
        let trees = [updates, &state.step_sizes, &state.prev_updates];
        let [updates, step_sizes, prev_updates] = zip_moments(trees, 3, |[g, size, last]| {
            // Of signs, whose product does not vanish where that of tiny numbers does.
            let agree = g.try_sign()? * last.try_sign()?;
            let factor = agree.try_gt(0.0)?.try_select(&self.eta_plus, &self.eta_minus)?;
            let changed = (size * factor.cast(size.dtype()))
                .try_maximum(self.min_step_size.cast(size.dtype()))?
                .try_minimum(self.max_step_size.cast(size.dtype()))?;
            let size = agree.try_eq(0.0)?.try_select(size, changed)?;
            let turned = agree.try_lt(0.0)?;
            let step = turned.try_select(g.like(0.0), &size * g.try_sign()?)?;
            Ok([turned.try_select(last.like(0.0), last)?, size, step])
        })?;
        Ok((updates, ScaleByRpropState { step_sizes, prev_updates }))
    }
}

/// Rprop; see [`rprop`].
#[derive(Clone, Debug)]
pub struct Rprop {
    scale: ScaleByRprop,
}

/// The state of [`rprop`]: of the steps, and of their sign, which has none.
pub type RpropState<P = Dict> = (ScaleByRpropState<P>, ());

/// Steps against the signs of gradients; see [`scale_by_rprop`].
///
/// Source: Riedmiller and Braun, *A direct adaptive method for faster backpropagation learning*, 1993.
pub fn rprop(learning_rate: impl TensorLike) -> Rprop {
    Rprop { scale: scale_by_rprop(learning_rate) }
}

rprop_setters!(Rprop.scale);

fn against() -> Scale {
    scale(-1.0)
}

alias!(Rprop, RpropState<P>, |this| (this.scale.clone(), against()));
