//! Gradient transformations, as in optax: optimizers, and the pieces they are made of.
//!
//! A [`GradientTransformation`] turns gradients and a state into updates and the next state. Optimizers are such
//! transformations; several in a row, as a tuple, are one again:
//!
//! ```
//! use flaxen::prelude::*;
//!
//! let tx = (optim::clip_by_global_norm(1.0), optim::adamw(optim::cosine_decay_schedule(0.1, 100)).weight_decay(0.01));
//! let mut params = Dict::new().with("w", Tensor::from([3.0f32, -2.0]));
//! let mut state = tx.init(&params);
//! let gradient = grad(|params: &Dict| Ok(params.tensor("w")?.square().sum()));
//! for _ in 0..100 {
//!     let updates;
//!     (updates, state) = tx.update(&gradient(&params)?, &state, &params)?;
//!     params = optim::apply_updates(&params, &updates)?;
//! }
//! assert!(params.tensor("w")?.abs().max().item::<f32>()? < 0.1);
//! // States are plain trees with public fields.
//! assert_eq!(state.1.0.mu.tensor("w")?.shape(), [2]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! Parameters may be any [`Tree`]: a [`Dict`](crate::Dict), a tensor, a struct of tensors. Names, arguments, defaults and
//! values are those of optax; arguments with a default are setters. All of it works under [`jit`](crate::jit()): counts
//! are `I32` tensors, and nothing depends on values but through tensors.
//!
//! A hyperparameter is a number or a tensor, so it may be a value of a transform; a learning rate may also be a
//! [`Schedule`]. Each has a domain, which its page states: outside of it, every [`update`](GradientTransformation::update) is
//! an error, and every [`Schedule::at`]. Values of a transform have no elements that could be looked at.
//!
//! # Numbers beyond all bounds
//! No transformation makes NaN of finite gradients, in no dtype, but for `adopt`, `cocob`, `muon`, `schedule_free_sgd` and
//! `simplified_ademamix` of [`contrib`] where squares or sums are beyond all numbers; more of optax's do. A denominator of 0, which without an `eps`
//! there is where all gradients were 0, makes an update of 0. The range of `F16` is too narrow for squares of gradients and for
//! most `eps`: its leaves are computed in `F32`, squares are remembered in `F32`, and what is beyond its range becomes its
//! largest number. In `BF16`, moments are remembered in `BF16` unless asked otherwise, as in optax; a decay of 0.999 is 1 there.
//! [`multi_steps`] accumulates in `F32` at least.

mod accumulate;
mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod adan;
mod amsgrad;
mod belief;
mod boxed;
mod chain;
mod clip;
pub mod contrib;
mod dynamic_scale;
mod early_stopping;
mod ema;
mod extra;
mod factored;
mod finite;
mod fromage;
mod functions;
mod inject;
mod layerwise;
mod lazy_rows;
mod lbfgs;
mod leafwise;
mod linesearch;
mod lion;
mod lookahead;
mod masked;
mod moments;
mod noise;
mod novograd;
mod optimistic;
mod optional;
mod partition;
mod per_example;
mod polyak;
pub mod projections;
mod radam;
mod regrouped;
mod rmsprop;
mod rprop;
mod scale;
mod schedule;
mod settings;
mod sgd;
mod sm3;
mod train_state;
mod tree_math;
mod trust_ratio;
mod update;
mod weight_decay;
mod yogi;

pub use accumulate::{MultiSteps, MultiStepsState, multi_steps, skip_large_updates, skip_not_finite};
pub use adadelta::{
    Adadelta, AdadeltaState, ScaleByAdadelta, ScaleByAdadeltaState, adadelta, scale_by_adadelta,
};
pub use adafactor::{Adafactor, AdafactorState, adafactor};
pub use adagrad::{Adagrad, AdagradState, ScaleByRss, ScaleByRssState, adagrad, scale_by_rss};
pub use adam::{
    Adam, AdamState, AdamW, AdamWState, ScaleByAdam, ScaleByAdamState, adam, adamw, nadam, nadamw,
    scale_by_adam,
};
pub use adamax::{Adamax, AdamaxState, ScaleByAdamax, adamax, adamaxw, scale_by_adamax};
pub use adan::{Adan, AdanState, ScaleByAdan, ScaleByAdanState, adan, scale_by_adan};
pub use amsgrad::{Amsgrad, AmsgradState, ScaleByAmsgrad, ScaleByAmsgradState, amsgrad, scale_by_amsgrad};
pub use belief::{Adabelief, ScaleByBelief, adabelief, scale_by_belief};
pub use boxed::DynTransformation;
pub use chain::{Chain, Identity, chain, identity};
pub use clip::{
    AdaptiveGradClip, Clip, ClipByBlockRms, ClipByGlobalNorm, adaptive_grad_clip, clip, clip_by_block_rms,
    clip_by_global_norm,
};
pub use dynamic_scale::{DynamicScale, ScaledGradients};
pub use early_stopping::EarlyStopping;
pub use ema::{Ema, EmaState, ema};
pub use extra::ExtraArgs;
pub use factored::{FactoredState, ScaleByFactoredRms, scale_by_factored_rms};
pub use finite::{ApplyIfFinite, ApplyIfFiniteState, apply_if_finite};
pub use fromage::{Fromage, FromageState, fromage};
pub use functions::{
    ApplyEvery, ApplyEveryState, Conditionally, ConditionallyMask, ConditionallyMaskState,
    ConditionallyTransformState, Flatten, NamedChain, NormalizeByUpdateNorm, Stateless, StatelessWithTreeMap,
    apply_every, conditionally_mask, conditionally_transform, flatten, named_chain, normalize_by_update_norm,
    scale_gradient, stateless, stateless_with_tree_map,
};
pub use inject::{InjectHyperparams, InjectHyperparamsState, inject_hyperparams};
pub use layerwise::{Lamb, LambState, Lars, LarsState, lamb, lars};
pub use lazy_rows::{LazyRows, lazy_rows};
pub use lbfgs::{Lbfgs, LbfgsState, ScaleByLbfgs, ScaleByLbfgsState, lbfgs, scale_by_lbfgs};
pub use leafwise::{
    Centralize, KeepParamsNonnegative, ScaleByParamBlock, ScaleBySign, SetToZero, ZeroNans, ZeroNansState,
    centralize, keep_params_nonnegative, scale_by_param_block_norm, scale_by_param_block_rms, scale_by_sign,
    set_to_zero, zero_nans,
};
pub use linesearch::{
    BacktrackingLinesearchInfo, InitialGuess, ScaleByBacktrackingLinesearch,
    ScaleByBacktrackingLinesearchState, ScaleByZoomLinesearch, ScaleByZoomLinesearchState, StoredGradient,
    ZoomLinesearchInfo, scale_by_backtracking_linesearch, scale_by_zoom_linesearch,
    value_and_grad_from_state,
};
pub use lion::{Lion, LionState, ScaleByLion, ScaleByLionState, lion, scale_by_lion};
pub use lookahead::{Lookahead, LookaheadParams, LookaheadState, lookahead};
pub use masked::{Freeze, MaskedState, MaskedTransformation, freeze, masked};
pub use noise::{AddNoise, AddNoiseState, NoisySgd, add_noise, noisy_sgd};
pub use novograd::{
    Novograd, NovogradState, ScaleByNovograd, ScaleByNovogradState, novograd, scale_by_novograd,
};
pub use optimistic::{
    OptimisticAdam, OptimisticAdamState, OptimisticGradientDescent, ScaleByOptimisticGradient,
    ScaleByOptimisticGradientState, optimistic_adam, optimistic_adam_v2, optimistic_gradient_descent,
    scale_by_optimistic_gradient,
};
pub use optional::OptionalState;
pub use partition::{MultiTransform, MultiTransformState, multi_transform, partition};
pub use per_example::{per_example_global_norm_clip, per_example_layer_norm_clip};
pub use polyak::{PolyakSgd, PolyakVariant, ScaleByPolyak, polyak_sgd, scale_by_polyak};
pub use radam::{Radam, ScaleByRadam, radam, scale_by_radam};
pub use regrouped::{Masked, Regrouped};
pub use rmsprop::{
    Rmsprop, RmspropState, ScaleByRms, ScaleByRmsState, rmsprop, scale_by_rms, scale_by_stddev,
};
pub use rprop::{Rprop, RpropState, ScaleByRprop, ScaleByRpropState, rprop, scale_by_rprop};
pub use scale::{
    Scale, ScaleByLearningRate, ScaleBySchedule, ScaleByScheduleState, ScheduleState, scale,
    scale_by_learning_rate, scale_by_schedule,
};
pub use schedule::{
    CosineDecay, ExponentialDecay, Interpolation, Onecycle, Polynomial, Schedule, WarmupCosineDecay,
    WarmupExponentialDecay, constant_schedule, cosine_decay_schedule, cosine_onecycle_schedule,
    exponential_decay, join_schedules, linear_onecycle_schedule, linear_schedule,
    piecewise_constant_schedule, piecewise_interpolate_schedule, polynomial_schedule, sgdr_schedule,
    warmup_constant_schedule, warmup_cosine_decay_schedule, warmup_exponential_decay_schedule,
};
pub use sgd::{Sgd, SgdState, SignSgd, Signum, Trace, TraceState, sgd, sign_sgd, signum, trace};
pub use sm3::{ScaleBySm3, ScaleBySm3State, Sm3, Sm3State, scale_by_sm3, sm3};
pub use train_state::{Shared, TrainState};
pub use trust_ratio::{ScaleByTrustRatio, scale_by_trust_ratio};
pub use update::{apply_updates, global_norm, incremental_update, periodic_update};
pub use weight_decay::{AddDecayedWeights, add_decayed_weights};
pub use yogi::{ScaleByYogi, Yogi, scale_by_yogi, yogi};

/// Arithmetic of whole trees, as `optax.tree`.
pub mod tree {
    pub use super::tree_math::*;
}

use crate::error::Result;
use crate::tree::Tree;

/// A function from gradients to updates, with a state.
///
/// Implemented for parameters of every type of tree by all of [`optim`](crate::optim), by references to transformations,
/// and by tuples and `Vec`s of them, which apply one after the other.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::sgd(0.5).momentum(0.9);
/// let params = Tensor::from([1.0f32, 2.0]);
/// let state = tx.init(&params);
/// let (updates, state) = tx.update(&Tensor::from([2.0f32, 0.0]), &state, &params)?;
/// assert_eq!(updates.to_vec::<f32>()?, [-1.0, 0.0]);
/// let trace = state.0.expect("there is momentum").trace;
/// assert_eq!(trace.to_vec::<f32>()?, [2.0, 0.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub trait GradientTransformation<P: Tree> {
    /// What is remembered between updates.
    type State: Tree + Clone;

    /// The state before the first update.
    fn init(&self, params: &P) -> Self::State;

    /// The updates, which are to be added to the parameters, and the next state.
    ///
    /// `updates` are gradients, or what an earlier transformation made of them.
    ///
    /// # Errors
    /// If structures or shapes of the three differ, or a setting is outside of its domain.
    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)>;

    /// As [`update`](GradientTransformation::update), with what some transformations need beside gradients; the others do without.
    ///
    /// A transformation that is made of others hands them all of it.
    ///
    /// # Errors
    /// As [`update`](GradientTransformation::update), and if something is needed that is not there.
    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        let _ = extra;
        self.update(updates, state, params)
    }

    /// This transformation behind a pointer, to be stored beside others of other types; its state is then a
    /// [`Value`](crate::Value).
    fn boxed(self) -> DynTransformation<P>
    where
        Self: Sized + Send + Sync + 'static,
    {
        DynTransformation::new(self)
    }
}

impl<P: Tree, T: GradientTransformation<P>> GradientTransformation<P> for &T {
    type State = T::State;

    fn init(&self, params: &P) -> T::State {
        (**self).init(params)
    }

    fn update(&self, updates: &P, state: &T::State, params: &P) -> Result<(P, T::State)> {
        (**self).update(updates, state, params)
    }

    fn update_with(
        &self,
        updates: &P,
        state: &T::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, T::State)> {
        (**self).update_with(updates, state, params, extra)
    }
}
