//! Gradients that say little about any one example.

use crate::core::domain::NOT_NEGATIVE;
use crate::core::{Tensor, TensorLike};
use crate::error::{Result, unwrap};
use crate::optim::GradientTransformation;
use crate::optim::moments::{in_dtype_of, zip_uneven_moments};
use crate::optim::per_example::per_example_global_norm_clip;
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::setters;
use crate::optim::sgd::{Trace, TraceState, trace};
use crate::random::{self, Key};
use crate::tree::{Tree, leaves};
use crate::variables::Dict;

/// Clipped gradients with noise; see [`differentially_private_aggregate`].
#[derive(Clone, Debug)]
pub struct DifferentiallyPrivateAggregate {
    l2_norm_clip: Tensor,
    noise_multiplier: Tensor,
    key: Key,
}

/// What is drawn next.
#[derive(Clone, Debug, Tree)]
pub struct DifferentiallyPrivateAggregateState {
    /// The key of the next noise.
    pub rng_key: Key,
}

/// The mean of the gradients of examples, each clipped to the norm `l2_norm_clip`, with noise of the deviation
/// `l2_norm_clip·noise_multiplier` added to their sum.
///
/// Unlike all other transformations, **it expects gradients with an axis of examples in front**; what it returns is without. Both numbers
/// are at least 0. The noise is that which optax draws from the same key.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::contrib::differentially_private_aggregate;
///
/// let tx = differentially_private_aggregate(1.0, 0.0, &key(0));
/// let gradients = Tensor::from([[3.0f32, 4.0], [0.0, 0.5]]);
/// let params = Tensor::zeros([2]);
/// let (mean, _) = tx.update(&gradients, &tx.init(&params), &params)?;
/// assert!(mean.all_close(Tensor::from([0.3f32, 0.65]), 1e-6, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Abadi et al., *Deep Learning with Differential Privacy*, 2016.
pub fn differentially_private_aggregate(
    l2_norm_clip: impl TensorLike,
    noise_multiplier: impl TensorLike,
    key: &Key,
) -> DifferentiallyPrivateAggregate {
    DifferentiallyPrivateAggregate {
        l2_norm_clip: unwrap(l2_norm_clip.operand()),
        noise_multiplier: unwrap(noise_multiplier.operand()),
        key: key.clone(),
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for DifferentiallyPrivateAggregate {
    type State = DifferentiallyPrivateAggregateState;

    fn init(&self, _params: &P) -> Self::State {
        DifferentiallyPrivateAggregateState { rng_key: self.key.clone() }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        let op = "differentially_private_aggregate";
        NOT_NEGATIVE.check_number(op, "l2_norm_clip", &self.l2_norm_clip)?;
        NOT_NEGATIVE.check_number(op, "noise_multiplier", &self.noise_multiplier)?;
        let examples = leaves(updates).first().and_then(|leaf| leaf.shape().first()).copied().unwrap_or(1);
        let (clipped, _) = per_example_global_norm_clip(updates, &self.l2_norm_clip)?;
        let deviation = &self.l2_norm_clip * &self.noise_multiplier;
        let keys = state.rng_key.try_split_n(leaves(updates).len() + 1)?;
        let mut leaf = 0;
        let [noisy] = zip_uneven_moments([&clipped], 1, |[g]| {
            leaf += 1;
            let noise = random::try_normal_of(&keys.try_at(leaf)?, g.shape(), g.dtype())?;
            Ok([(g + noise * in_dtype_of(&deviation, g)) / examples as f64])
        })?;
        Ok((noisy, DifferentiallyPrivateAggregateState { rng_key: keys.try_at(0)? }))
    }
}

/// Private gradient descent; see [`dpsgd`].
#[derive(Clone, Debug)]
pub struct Dpsgd {
    learning_rate: Schedule,
    aggregate: DifferentiallyPrivateAggregate,
    momentum: Option<Tensor>,
    nesterov: bool,
}

/// The state of [`dpsgd`]: of the noise, of the momentum, if there is any, and of the learning rate.
pub type DpsgdState<P = Dict> = (DifferentiallyPrivateAggregateState, Option<TraceState<P>>, ScheduleState);

/// [`sgd`](crate::optim::sgd) with the gradients of [`differentially_private_aggregate`], which are those of each example.
///
/// Optax's `seed` is `key(seed)`.
///
/// Source: Abadi et al., *Deep Learning with Differential Privacy*, 2016.
pub fn dpsgd(
    learning_rate: impl Into<Schedule>,
    l2_norm_clip: impl TensorLike,
    noise_multiplier: impl TensorLike,
    key: &Key,
) -> Dpsgd {
    Dpsgd {
        learning_rate: learning_rate.into(),
        aggregate: differentially_private_aggregate(l2_norm_clip, noise_multiplier, key),
        momentum: None,
        nesterov: false,
    }
}

setters! { Dpsgd {
    /// How much of the sum of earlier gradients stays at each step; none by default.
    momentum: Tensor => Some,
    /// Whether the momentum is Nesterov's.
    nesterov: bool,
} }

impl<P: Tree + Clone> GradientTransformation<P> for Dpsgd {
    type State = DpsgdState<P>;

    fn init(&self, params: &P) -> Self::State {
        self.chain().init(params)
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.chain().update(updates, state, params)
    }
}

impl Dpsgd {
    fn chain(&self) -> (DifferentiallyPrivateAggregate, Option<Trace>, crate::optim::ScaleByLearningRate) {
        let momentum = self.momentum.as_ref().map(|decay| trace(decay).nesterov(self.nesterov));
        (self.aggregate.clone(), momentum, scale_by_learning_rate(&self.learning_rate))
    }
}
