//! Gradients with noise.

use super::GradientTransformation;
use super::moments::{in_dtype_of, safe_increment, zero_count, zip_moments};
use super::scale::{ScheduleState, scale_by_learning_rate};
use super::schedule::Schedule;
use super::settings::{alias, setters};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::TensorLike;
use crate::core::domain::{FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::error::{Result, unwrap};
use crate::random::{self, Key};
use crate::tree::{Tree, count};

/// Noise that fades; see [`add_noise`].
#[derive(Clone, Debug)]
pub struct AddNoise {
    eta: Tensor,
    gamma: Tensor,
    key: Key,
}

/// What is drawn next.
#[derive(Clone, Debug, Tree)]
pub struct AddNoiseState {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The key of the next noise.
    pub rng_key: Key,
}

/// Updates plus noise of the variance `eta / t^gamma` at step `t`, from 1; `eta` is at least 0, and `gamma` finite.
///
/// The numbers are those that optax draws from the same key.
///
/// Source: Neelakantan et al., *Adding Gradient Noise Improves Learning for Very Deep Networks*, 2015.
pub fn add_noise(eta: impl TensorLike, gamma: impl TensorLike, key: &Key) -> AddNoise {
    AddNoise { eta: unwrap(eta.operand()), gamma: unwrap(gamma.operand()), key: key.clone() }
}

impl<P: Tree + Clone> GradientTransformation<P> for AddNoise {
    type State = AddNoiseState;

    fn init(&self, _params: &P) -> AddNoiseState {
        AddNoiseState { count: zero_count(), rng_key: self.key.clone() }
    }

    fn update(&self, updates: &P, state: &AddNoiseState, _params: &P) -> Result<(P, AddNoiseState)> {
        NOT_NEGATIVE.check_number("add_noise", "eta", &self.eta)?;
        FINITE.check_number("add_noise", "gamma", &self.gamma)?;
        let next = safe_increment(&state.count);
        let deviation = (&self.eta / next.cast(DType::F32).try_pow(&self.gamma)?).try_sqrt()?;
        let [rng_key, key] = state.rng_key.try_split()?;
        let keys = key.try_split_n(count(updates))?;
        let mut leaf = 0;
        let [updates] = zip_moments([updates], 1, |[u]| {
            let noise = random::try_normal_of(&keys.try_at(leaf)?, u.shape(), u.dtype())?;
            leaf += 1;
            Ok([u + noise * in_dtype_of(&deviation, u)])
        })?;
        Ok((updates, AddNoiseState { count: next, rng_key }))
    }
}

/// Gradient descent with noise; see [`noisy_sgd`].
#[derive(Clone, Debug)]
pub struct NoisySgd {
    learning_rate: Schedule,
    eta: Tensor,
    gamma: Tensor,
    key: Key,
}

/// `u = −lr·(g + noise)`, where the variance of the noise is `eta / t^gamma`, with `eta` 0.01 and `gamma` 0.55; see [`add_noise`].
///
/// Source: Neelakantan et al., *Adding Gradient Noise Improves Learning for Very Deep Networks*, 2015.
pub fn noisy_sgd(learning_rate: impl Into<Schedule>, key: &Key) -> NoisySgd {
    NoisySgd { learning_rate: learning_rate.into(), eta: bare(0.01), gamma: bare(0.55), key: key.clone() }
}

setters! { NoisySgd {
    /// The variance of the first noise: at least 0; 0.01 by default.
    eta: Tensor,
    /// How fast it fades: finite; 0.55 by default.
    gamma: Tensor,
} }

alias!(NoisySgd, (AddNoiseState, ScheduleState), |this| (
    add_noise(&this.eta, &this.gamma, &this.key),
    scale_by_learning_rate(&this.learning_rate)
));
