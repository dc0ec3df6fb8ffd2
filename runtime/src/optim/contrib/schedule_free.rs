//! Schedule-free optimization: averages of parameters instead of schedules.

use crate::array::DType;
use crate::core::domain::{FINITE, PROBABILITY};
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::optim::moments::{in_dtype_of, safe_increment, zip};
use crate::optim::polyak::lowest_dtype;
use crate::optim::rmsprop::{ScaleByRmsState, scale_by_rms};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::{Schedule, warmup_constant_schedule};
use crate::optim::settings::setters;
use crate::optim::sgd::{SgdState, sgd};
use crate::optim::update::apply_updates;
use crate::optim::weight_decay::add_decayed_weights;
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::{self, Tree};
use crate::variables::{Dict, Value};

/// An optimizer without schedule; see [`schedule_free`].
#[derive(Clone, Debug)]
pub struct ScheduleFree<T> {
    base_optimizer: T,
    learning_rate: Schedule,
    b1: Tensor,
    weight_lr_power: Tensor,
    state_dtype: Option<DType>,
}

/// What there is beside the parameters.
#[derive(Clone, Debug, Tree)]
pub struct ScheduleFreeState<S, P = Dict> {
    /// How much of the average the parameters are.
    pub b1: Tensor,
    /// The sum of weights so far.
    pub weight_sum: Tensor,
    /// The number of the next update, from 1, `I32`.
    pub step_count: Tensor,
    /// The largest learning rate so far.
    pub max_lr: Tensor,
    /// The state of the optimizer.
    pub base_optimizer_state: S,
    /// The parameters that the optimizer moves.
    pub z: P,
}

/// Moves parameters `z` by an optimizer, averages them, `x`, weighted by the learning rate's power, and makes `b1·x + (1 − b1)·z` the parameters
/// that gradients are taken at.
///
/// `learning_rate` is that of the optimizer, which has no momentum of its own. Evaluate the model at
/// [`schedule_free_eval_params`].
///
/// Source: Defazio et al., *The Road Less Scheduled*, 2024.
pub fn schedule_free<T>(base_optimizer: T, learning_rate: impl Into<Schedule>) -> ScheduleFree<T> {
    ScheduleFree {
        base_optimizer,
        learning_rate: learning_rate.into(),
        b1: bare(0.9),
        weight_lr_power: bare(2.0),
        state_dtype: None,
    }
}

impl<T> ScheduleFree<T> {
    /// How much of the average the parameters are: above 0 and at most 1; 0.9 by default.
    #[must_use]
    #[track_caller]
    pub fn b1(self, b1: impl TensorLike) -> Self {
        ScheduleFree { b1: unwrap(b1.operand()), ..self }
    }

    /// To which power of the largest learning rate parameters count: finite; 2 by default.
    #[must_use]
    #[track_caller]
    pub fn weight_lr_power(self, power: impl TensorLike) -> Self {
        ScheduleFree { weight_lr_power: unwrap(power.operand()), ..self }
    }

    /// The dtype of `z`; that of the parameters by default.
    #[must_use]
    pub fn state_dtype(self, dtype: DType) -> Self {
        ScheduleFree { state_dtype: Some(dtype), ..self }
    }

    fn check(&self) -> Result<()> {
        PROBABILITY.check_number("schedule_free", "b1", &self.b1)?;
        if crate::core::domain::concrete(&self.b1) == Some(0.0) {
            let message = "expects a number above 0 and at most 1 as `b1`, found 0".to_owned();
            return Err(Error::argument("schedule_free", message));
        }
        FINITE.check_number("schedule_free", "weight_lr_power", &self.weight_lr_power)
    }
}

/// The average: `(y − (1 − b1)·z) / b1`.
fn average(y: &Tensor, z: &Tensor, b1: &Tensor) -> Tensor {
    (y - z * (1.0 - b1)) / b1
}

/// The averaged parameters, which a model is evaluated at: of the state, and of the parameters that gradients are taken at.
///
/// # Errors
/// If structures or shapes differ.
pub fn schedule_free_eval_params<S, P: Tree>(state: &ScheduleFreeState<S, P>, params: &P) -> Result<P> {
    let [averaged] = zip([params, &state.z], |[y, z]| Ok([average(y, z, &in_dtype_of(&state.b1, y))]))?;
    Ok(averaged)
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for ScheduleFree<T> {
    type State = ScheduleFreeState<T::State, P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        let z = |leaf: &Tensor| leaf.try_cast(self.state_dtype.unwrap_or(leaf.dtype()));
        ScheduleFreeState {
            b1: self.b1.cast(dtype),
            weight_sum: Tensor::zeros_of([], dtype),
            step_count: Tensor::full_of([], 1, DType::I32),
            max_lr: Tensor::zeros_of([], dtype),
            base_optimizer_state: self.base_optimizer.init(params),
            z: unwrap(tree::map(params, z)),
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
        let dtype = state.max_lr.dtype();
        let rate = self.learning_rate.at(&state.step_count)?;
        FINITE.check_number("schedule_free", "learning_rate", &rate)?;
        let max_lr = state.max_lr.try_maximum(rate.try_cast(dtype)?)?;
        let weight = max_lr.try_pow(self.weight_lr_power.cast(dtype))?;
        let weight_sum = &state.weight_sum + &weight;
        // Before the first step of any length there is nothing to average.
        let nothing = weight_sum.try_eq(0.0)?;
        let share = weight.try_div(nothing.try_select(weight_sum.like(1.0), &weight_sum)?)?;
        let share = nothing.try_select(share.like(0.0), &share)?;

        let base = &state.base_optimizer_state;
        let (moves, base_optimizer_state) = self.base_optimizer.update_with(updates, base, params, extra)?;
        let z = apply_updates(&state.z, &moves)?;
        let [steps] = zip([params, &state.z, &z], |[y, before, z]| {
            let share = in_dtype_of(&share, y);
            let x = average(y, before, &self.b1) * (1.0 - &share) + z * &share;
            Ok([(x * &self.b1 + z * (1.0 - &self.b1) - y).try_cast(y.dtype())?])
        })?;
        let step_count = safe_increment(&state.step_count);
        let b1 = state.b1.clone();
        Ok((steps, ScheduleFreeState { b1, weight_sum, step_count, max_lr, base_optimizer_state, z }))
    }
}

/// The optimizers within those that are ready made.
#[derive(Clone, Debug)]
enum Base {
    Sgd { rate: Schedule, decay: Option<Schedule> },
    Rms { rate: Schedule, decay: Schedule, b2: Tensor, eps: Tensor },
}

type DecayedSgdState<P> = (ScheduleState, SgdState<P>);
type RmsState<P> = (ScaleByRmsState<P>, ScheduleState, ScheduleState);

/// Calls a transformation with its state as a value.
fn of_value<P: Tree, T: GradientTransformation<P>>(
    tx: &T,
    [updates, params]: [&P; 2],
    state: &Value,
) -> Result<(P, Value)> {
    let (updates, state) = tx.update(updates, &state.to::<T::State>()?, params)?;
    Ok((updates, Value::try_of(&state)?))
}

impl<P: Tree + Clone> GradientTransformation<P> for Base {
    type State = Value;

    fn init(&self, params: &P) -> Value {
        match self {
            Base::Sgd { rate, decay: None } => Value::of::<SgdState<P>>(&sgd(rate).init(params)),
            Base::Sgd { rate, decay: Some(decay) } => {
                Value::of::<DecayedSgdState<P>>(&(add_decayed_weights(decay), sgd(rate)).init(params))
            }
            Base::Rms { rate, decay, b2, eps } => {
                let scale = scale_by_rms().decay(b2).eps(eps).eps_in_sqrt(false).bias_correction(true);
                let tx = (scale, add_decayed_weights(decay), scale_by_learning_rate(rate));
                Value::of::<RmsState<P>>(&tx.init(params))
            }
        }
    }

    fn update(&self, updates: &P, state: &Value, params: &P) -> Result<(P, Value)> {
        let trees = [updates, params];
        match self {
            Base::Sgd { rate, decay: None } => of_value(&sgd(rate), trees, state),
            Base::Sgd { rate, decay: Some(decay) } => {
                of_value(&(add_decayed_weights(decay), sgd(rate)), trees, state)
            }
            Base::Rms { rate, decay, b2, eps } => {
                let scale = scale_by_rms().decay(b2).eps(eps).eps_in_sqrt(false).bias_correction(true);
                of_value(&(scale, add_decayed_weights(decay), scale_by_learning_rate(rate)), trees, state)
            }
        }
    }
}

macro_rules! ready_made {
    ($type:ident) => {
        setters! { $type {
            /// In how many steps the learning rate rises from 0; it does not by default.
            warmup_steps: i32 => Some,
            /// How much of the average the parameters are: above 0 and at most 1; 0.9 by default.
            b1: Tensor,
            /// To which power of the largest learning rate parameters count: finite; 2 by default.
            weight_lr_power: Tensor,
            /// The dtype of what is averaged; that of the parameters by default.
            state_dtype: DType => Some,
        } }

        impl $type {
            fn rate(&self) -> Schedule {
                match self.warmup_steps {
                    None => self.learning_rate.into(),
                    Some(steps) => warmup_constant_schedule(0.0, self.learning_rate, steps).into(),
                }
            }

            fn within(&self, base: Base) -> ScheduleFree<Base> {
                ScheduleFree {
                    base_optimizer: base,
                    learning_rate: self.rate(),
                    b1: self.b1.clone(),
                    weight_lr_power: self.weight_lr_power.clone(),
                    state_dtype: self.state_dtype,
                }
            }
        }

        impl<P: Tree + Clone> GradientTransformation<P> for $type {
            type State = ScheduleFreeState<Value, P>;

            fn init(&self, params: &P) -> Self::State {
                self.within(self.base()).init(params)
            }

            fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
                self.within(self.base()).update(updates, state, params)
            }
        }
    };
}

/// Schedule-free gradient descent; see [`schedule_free_sgd`].
#[derive(Clone, Debug)]
pub struct ScheduleFreeSgd {
    learning_rate: f64,
    warmup_steps: Option<i32>,
    b1: Tensor,
    weight_decay: Option<Schedule>,
    weight_lr_power: Tensor,
    state_dtype: Option<DType>,
}

/// [`schedule_free`] of [`sgd`](crate::optim::sgd), without weight decay unless asked for.
///
/// Source: Defazio et al., *The Road Less Scheduled*, 2024.
pub fn schedule_free_sgd(learning_rate: f64) -> ScheduleFreeSgd {
    ScheduleFreeSgd {
        learning_rate,
        warmup_steps: None,
        b1: bare(0.9),
        weight_decay: None,
        weight_lr_power: bare(2.0),
        state_dtype: None,
    }
}

ready_made!(ScheduleFreeSgd);

setters! { ScheduleFreeSgd {
    /// Which part of the parameters is added to gradients: a number or a schedule; none by default.
    weight_decay: Schedule => Some,
} }

impl ScheduleFreeSgd {
    fn base(&self) -> Base {
        Base::Sgd { rate: self.rate(), decay: self.weight_decay.clone() }
    }
}

/// Schedule-free Adam; see [`schedule_free_adamw`].
#[derive(Clone, Debug)]
pub struct ScheduleFreeAdamw {
    learning_rate: f64,
    warmup_steps: Option<i32>,
    b1: Tensor,
    b2: Tensor,
    eps: Tensor,
    weight_decay: Schedule,
    weight_lr_power: Tensor,
    state_dtype: Option<DType>,
}

/// [`schedule_free`] of Adam without momentum, `g / (√v̂ + eps)`, and decoupled weight decay; optax's learning rate is 0.0025 by default.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::contrib::{schedule_free_adamw, schedule_free_eval_params};
///
/// let tx = schedule_free_adamw(0.1);
/// let loss = |x: &Tensor| Ok((x - 1.0).square().sum());
/// let mut params = Tensor::from([3.0f32, -2.0]);
/// let mut state = tx.init(&params);
/// for _ in 0..100 {
///     let updates;
///     (updates, state) = tx.update(&grad(loss)(&params)?, &state, &params)?;
///     params = optim::apply_updates(&params, &updates)?;
/// }
/// assert!(loss(&schedule_free_eval_params(&state, &params)?)?.item::<f32>()? < 0.1);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Defazio et al., *The Road Less Scheduled*, 2024.
pub fn schedule_free_adamw(learning_rate: f64) -> ScheduleFreeAdamw {
    ScheduleFreeAdamw {
        learning_rate,
        warmup_steps: None,
        b1: bare(0.9),
        b2: bare(0.999),
        eps: bare(1e-8),
        weight_decay: 0.0.into(),
        weight_lr_power: bare(2.0),
        state_dtype: None,
    }
}

ready_made!(ScheduleFreeAdamw);

setters! { ScheduleFreeAdamw {
    /// How much of the average of squares stays at each step: at least 0 and below 1; 0.999 by default.
    b2: Tensor,
    /// What is added to the denominator: at least 0; 10⁻⁸ by default.
    eps: Tensor,
    /// Which part of the parameters is taken off: a number or a schedule; 0 by default.
    weight_decay: Schedule,
} }

impl ScheduleFreeAdamw {
    fn base(&self) -> Base {
        let (decay, b2, eps) = (self.weight_decay.clone(), self.b2.clone(), self.eps.clone());
        Base::Rms { rate: self.rate(), decay, b2, eps }
    }
}
