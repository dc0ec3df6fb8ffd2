//! Distance over gradients, and over weighted gradients: learning rates by how far parameters went.

use crate::array::DType;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::optim::GradientTransformation;
use crate::optim::moments::{finite_or_zero, safe_divide};
use crate::optim::polyak::lowest_dtype;
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::{alias, setters};
use crate::optim::tree_math::{Norm, norm, norm_squared, scale, sub};
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::tree::Tree;
use crate::variables::Dict;

/// How `DoG` begins.
#[derive(Clone, Debug)]
pub enum DogInitStep {
    /// As if parameters had gone so far.
    Distance(Tensor),
    /// By this learning rate.
    LearningRate(Tensor),
    /// As if parameters had gone so far, times 1 and their norm.
    Heuristic(Tensor),
}

impl DogInitStep {
    /// As if parameters had gone so far.
    #[track_caller]
    pub fn distance(distance: impl TensorLike) -> DogInitStep {
        DogInitStep::Distance(unwrap(distance.operand()))
    }

    /// By this learning rate.
    #[track_caller]
    pub fn learning_rate(rate: impl TensorLike) -> DogInitStep {
        DogInitStep::LearningRate(unwrap(rate.operand()))
    }

    /// As if parameters had gone so far, times 1 and their norm.
    #[track_caller]
    pub fn heuristic(part: impl TensorLike) -> DogInitStep {
        DogInitStep::Heuristic(unwrap(part.operand()))
    }

    fn value(&self) -> &Tensor {
        let (DogInitStep::Distance(value) | DogInitStep::LearningRate(value) | DogInitStep::Heuristic(value)) =
            self;
        value
    }
}

/// Distance over gradients; see [`scale_by_dog`].
#[derive(Clone, Debug)]
pub struct ScaleByDog {
    init_step: DogInitStep,
    eps: Tensor,
}

/// What `DoG` remembers.
#[derive(Clone, Debug, Tree)]
pub struct DogState<P = Dict> {
    /// Whether there was no update yet; a boolean.
    pub is_init_step: Tensor,
    /// The first parameters.
    pub init_params: P,
    /// The farthest that parameters were from the first ones.
    pub max_dist: Tensor,
    /// The sum of squares of all gradients.
    pub sum_sq_norm_grads: Tensor,
}

/// `g·r / √(G + eps)` with `r` the farthest that parameters were from the first ones, and `G` the sum of squares of all gradients.
///
/// Source: Ivgi, Hinder and Carmon, *`DoG` is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule*, 2023.
pub fn scale_by_dog(init_step: DogInitStep) -> ScaleByDog {
    ScaleByDog { init_step, eps: bare(1e-8) }
}

setters! { ScaleByDog {
    /// What is added to the sum of squares: at least 0; 10⁻⁸ by default.
    eps: Tensor,
} }

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByDog {
    type State = DogState<P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        let first = match &self.init_step {
            DogInitStep::Distance(distance) => distance.cast(dtype),
            DogInitStep::LearningRate(_) => Tensor::zeros_of([], dtype),
            DogInitStep::Heuristic(part) => (part * (unwrap(norm(params, Norm::L2)) + 1.0)).cast(dtype),
        };
        DogState {
            is_init_step: Tensor::from(true),
            init_params: params.clone(),
            max_dist: first,
            sum_sq_norm_grads: Tensor::zeros_of([], dtype),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_dog";
        FINITE.check_number(op, "init_step", self.init_step.value())?;
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        let dtype = state.max_dist.dtype();
        let distance = norm(&sub(&state.init_params, params)?, Norm::L2)?.try_cast(dtype)?;
        let max_dist = state.max_dist.try_maximum(distance)?;
        let sum_sq_norm_grads = (&state.sum_sq_norm_grads + norm_squared(updates)?).try_cast(dtype)?;
        let denominator = (&sum_sq_norm_grads + &self.eps).try_sqrt()?;
        let mut rate = finite_or_zero(&safe_divide(&max_dist, &denominator, true)?)?;
        if let DogInitStep::LearningRate(first) = &self.init_step {
            rate = state.is_init_step.try_select(first.try_cast(rate.dtype())?, rate)?;
        }
        let next = DogState {
            is_init_step: Tensor::from(false),
            init_params: state.init_params.clone(),
            max_dist,
            sum_sq_norm_grads,
        };
        Ok((scale(rate, updates)?, next))
    }
}

/// `DoG`; see [`dog`].
#[derive(Clone, Debug)]
pub struct Dog {
    learning_rate: Schedule,
    decay: AddDecayedWeights,
    scale: ScaleByDog,
}

/// `u = −lr·d` with `d` the direction of [`scale_by_dog`]; the learning rate is 1, and the first distance 10⁻⁶ times 1 and the norm of the
/// parameters, unless told otherwise.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::contrib;
///
/// let tx = contrib::dog();
/// let params = Tensor::from([1.0f32, 2.0, 3.0]);
/// let (updates, _) = tx.update(&(&params * 2.0), &tx.init(&params), &params)?;
/// assert!(updates.abs().max().item::<f32>()? < 1e-5);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Ivgi, Hinder and Carmon, *`DoG` is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule*, 2023.
pub fn dog() -> Dog {
    let scale = scale_by_dog(DogInitStep::Heuristic(bare(1e-6)));
    Dog { learning_rate: 1.0.into(), decay: add_decayed_weights(0.0), scale }
}

setters! { Dog {
    /// What steps are multiplied by: a number or a schedule; 1 by default.
    learning_rate: Schedule,
} }

setters! { Dog . scale {
    /// How it begins: by the heuristic, with 10⁻⁶, by default.
    init_step: DogInitStep,
    /// What is added to the sum of squares: at least 0; 10⁻⁸ by default.
    eps: Tensor,
} }

decaying!(Dog: weight_decay, mask);

alias!(Dog, (ScheduleState, DogState<P>, ScheduleState), |this| (
    this.decay.clone(),
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));

/// Distance over weighted gradients; see [`scale_by_dowg`].
#[derive(Clone, Debug)]
pub struct ScaleByDowg {
    init_estim_sq_dist: Option<Tensor>,
    eps: Tensor,
}

/// What `DoWG` remembers.
#[derive(Clone, Debug, Tree)]
pub struct DowgState<P = Dict> {
    /// The first parameters.
    pub init_params: P,
    /// The sum of squares of gradients, each times the square of the distance then.
    pub weighted_sq_norm_grads: Tensor,
    /// The square of the farthest that parameters were from the first ones.
    pub estim_sq_dist: Tensor,
}

/// `g·r² / (√G + eps)` with `r` the farthest that parameters were from the first ones, and `G` the sum of squares of gradients, each times
/// the `r²` of then.
///
/// Source: Khaled, Mishchenko and Jin, *`DoWG` Unleashed: An Efficient Universal Parameter-Free Gradient Descent Method*, 2023.
pub fn scale_by_dowg() -> ScaleByDowg {
    ScaleByDowg { init_estim_sq_dist: None, eps: bare(1e-4) }
}

macro_rules! dowg_setters {
    ($type:ident [$($inner:ident)*]) => {
        setters! { $type $(. $inner)* {
            /// The first square of a distance: at least 0; `eps` by default.
            init_estim_sq_dist: Tensor => Some,
            /// What is added to the denominator: at least 0; 10⁻⁴ by default.
            eps: Tensor,
        } }
    };
}

dowg_setters!(ScaleByDowg []);

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByDowg {
    type State = DowgState<P>;

    fn init(&self, params: &P) -> Self::State {
        let dtype = lowest_dtype(params);
        let first = self.init_estim_sq_dist.as_ref().unwrap_or(&self.eps);
        DowgState {
            init_params: params.clone(),
            weighted_sq_norm_grads: Tensor::zeros_of([], dtype),
            estim_sq_dist: first.cast(dtype),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        let op = "scale_by_dowg";
        NOT_NEGATIVE.check_number(op, "eps", &self.eps)?;
        if let Some(first) = &self.init_estim_sq_dist {
            NOT_NEGATIVE.check_number(op, "init_estim_sq_dist", first)?;
        }
        let dtype: DType = state.estim_sq_dist.dtype();
        let distance = norm_squared(&sub(&state.init_params, params)?)?.try_cast(dtype)?;
        let estim_sq_dist = state.estim_sq_dist.try_maximum(distance)?;
        let squares = norm_squared(updates)?.try_cast(dtype)?;
        // A distance of 0 weighs nothing, whatever it is multiplied by.
        let weighted = estim_sq_dist.try_eq(0.0)?.try_select(squares.like(0.0), &estim_sq_dist * &squares)?;
        let weighted = squares.try_eq(0.0)?.try_select(squares.like(0.0), weighted)?;
        let weighted_sq_norm_grads = weighted + &state.weighted_sq_norm_grads;
        let denominator = weighted_sq_norm_grads.try_sqrt()? + &self.eps;
        let rate = finite_or_zero(&safe_divide(&estim_sq_dist, &denominator, true)?)?;
        let init_params = state.init_params.clone();
        Ok((scale(rate, updates)?, DowgState { init_params, weighted_sq_norm_grads, estim_sq_dist }))
    }
}

/// `DoWG`; see [`dowg`].
#[derive(Clone, Debug)]
pub struct Dowg {
    learning_rate: Schedule,
    decay: AddDecayedWeights,
    scale: ScaleByDowg,
}

/// `u = −lr·d` with `d` the direction of [`scale_by_dowg`]; the learning rate is 1 unless told otherwise.
///
/// Source: Khaled, Mishchenko and Jin, *`DoWG` Unleashed: An Efficient Universal Parameter-Free Gradient Descent Method*, 2023.
pub fn dowg() -> Dowg {
    Dowg { learning_rate: 1.0.into(), decay: add_decayed_weights(0.0), scale: scale_by_dowg() }
}

setters! { Dowg {
    /// What steps are multiplied by: a number or a schedule; 1 by default.
    learning_rate: Schedule,
} }

dowg_setters!(Dowg[scale]);
decaying!(Dowg: weight_decay, mask);

alias!(Dowg, (ScheduleState, DowgState<P>, ScheduleState), |this| (
    this.decay.clone(),
    this.scale.clone(),
    scale_by_learning_rate(&this.learning_rate)
));
