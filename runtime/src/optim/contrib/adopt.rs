//! ADOPT: Adam that divides gradients by the deviation before them.

use std::fmt;
use std::sync::Arc;

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::{DECAY, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::Result;
use crate::optim::moments::{
    in_dtype_of, may_vanish, moving_average, safe_divide, safe_increment, zero_count, zero_second_moments,
    zeros, zip_moments,
};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::{alias, setters};
use crate::optim::{GradientTransformation, ScaleByAdamState};
use crate::tree::Tree;
use crate::variables::Dict;

type ClipValue = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// Updates in units of their deviation; see [`scale_by_adopt`].
#[derive(Clone)]
pub struct ScaleByAdopt {
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    mu_dtype: Option<DType>,
    nesterov: bool,
    use_clipping: bool,
    clip_value_fn: Arc<ClipValue>,
}

impl fmt::Debug for ScaleByAdopt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScaleByAdopt").field("b1", &self.b1).field("b2", &self.b2).finish_non_exhaustive()
    }
}

/// The moving average of `g / max(√v, eps)`, where `v` is the average of squares of the gradients before, and each ratio is kept within
/// ±`t^¼` at step `t`, from 0.
///
/// Source: Taniguchi et al., *ADOPT: Modified Adam Can Converge with Any β₂ with the Optimal Rate*, 2024.
pub fn scale_by_adopt() -> ScaleByAdopt {
    ScaleByAdopt {
        b1: bare(0.9),
        b2: bare(0.9999),
        eps: bare(1e-6),
        mu_dtype: None,
        nesterov: false,
        use_clipping: true,
        clip_value_fn: Arc::new(|count| count.try_cast(DType::F32)?.try_pow(0.25)),
    }
}

macro_rules! adopt_setters {
    ($type:ident [$($inner:ident)*]) => {
        setters! { $type $(. $inner)* {
            /// How much of the average of ratios stays at each step: at least 0 and below 1; 0.9 by default.
            b1: Tensor,
            /// How much of the average of squares stays at each step: at least 0 and below 1; 0.9999 by default.
            b2: Tensor,
            /// What a deviation counts as at least: at least 0, and 10⁻⁶ by default; where it is 0, the ratio is.
            eps: Tensor,
            /// The dtype of the average of ratios; that of the parameters by default.
            mu_dtype: DType => Some,
            /// Whether the average is looked at one step ahead.
            nesterov: bool,
            /// Whether ratios are clipped, which is the default.
            use_clipping: bool,
        } }

        impl $type {
            /// What ratios are clipped to, as a function of the number of updates so far; its power of ¼ by default.
            #[must_use]
            pub fn clip_value_fn(
                mut self,
                f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
            ) -> Self {
                self$(.$inner)*.clip_value_fn = Arc::new(f);
                self
            }
        }
    };
}

adopt_setters!(ScaleByAdopt []);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByAdopt {
    type State = ScaleByAdamState<P>;

    fn init(&self, params: &P) -> Self::State {
        let (mu, nu) = (zeros(params, self.mu_dtype), zero_second_moments(params));
        ScaleByAdamState { count: zero_count(), mu, nu }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_adopt";
        DECAY.check_number(op, "b1", &self.b1)?;
        DECAY.check_number(op, "b2", &self.b2)?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        let later = state.count.try_gt(0)?;
        // The first gradient only begins the average of squares.
        let b1 = later.try_select(self.b1.cast(DType::F32), 1.0f32)?;
        let b2 = later.try_select(self.b2.cast(DType::F32), 0.0f32)?;
        let limit = if self.use_clipping { Some((self.clip_value_fn)(&state.count)?) } else { None };
        let may_be_zero = may_vanish(&self.eps);
        let [updates, mu, nu] = zip_moments([updates, &state.mu, &state.nu], 2, |[g, mu, nu]| {
            let deviation = nu.try_sqrt()?.try_maximum(in_dtype_of(&self.eps, nu))?;
            let mut ratio = safe_divide(g, &deviation, may_be_zero)?;
            if let Some(limit) = &limit {
                let limit = in_dtype_of(limit, &ratio);
                ratio = ratio.try_maximum(-&limit)?.try_minimum(limit)?;
            }
            let (b1, b2) = (in_dtype_of(&b1, mu), in_dtype_of(&b2, nu));
            let mu = moving_average(mu, &ratio, &b1);
            let step = if self.nesterov { moving_average(&mu, &ratio, &b1) } else { mu.clone() };
            Ok([step, mu, moving_average(nu, &g.square(), &b2)])
        })?;
        Ok((updates, ScaleByAdamState { count: safe_increment(&state.count), mu, nu }))
    }
}

/// ADOPT; see [`adopt`].
#[derive(Clone, Debug)]
pub struct Adopt {
    learning_rate: Schedule,
    scale: ScaleByAdopt,
}

/// The state of [`adopt`]: of the moments, and of the learning rate.
pub type AdoptState<P = Dict> = (ScaleByAdamState<P>, ScheduleState);

/// `u = −lr·a` with `a` the direction of [`scale_by_adopt`].
///
/// Source: Taniguchi et al., *ADOPT: Modified Adam Can Converge with Any β₂ with the Optimal Rate*, 2024.
pub fn adopt(learning_rate: impl Into<Schedule>) -> Adopt {
    Adopt { learning_rate: learning_rate.into(), scale: scale_by_adopt() }
}

adopt_setters!(Adopt[scale]);

alias!(Adopt, AdoptState<P>, |this| (this.scale.clone(), scale_by_learning_rate(&this.learning_rate)));
