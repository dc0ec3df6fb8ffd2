//! `Dropout`: zeros at random.

use std::fmt::Debug;

use super::arguments::AxisList;
use super::support::merge_param;
use crate::array::Shape;
use crate::core::Tensor;
use crate::core::domain::PROBABILITY;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::random::{self, Key};
use crate::{compact, module};

/// Sets elements to 0 at random while training, and scales the others so that the mean stays.
///
/// Of each element, `y = x / (1 − rate)` with probability `1 − rate`, else 0; `y = x` when not training. The shape is that
/// of the input, whatever it is.
///
/// There are no parameters. Training draws a key from the stream `rng_collection`, or from `params` if there is none.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (dropout, x) = (Dropout::new(0.5), Tensor::ones([1000]));
/// let rngs = Rngs::none().with("dropout", key(1));
/// let y = dropout.apply(Variables::new()).rngs(rngs).run(|m| m.call(&x, true))?;
/// let zeros = y.to_vec::<f32>()?.into_iter().filter(|&y| y == 0.0).count();
/// assert!((400..600).contains(&zeros));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// As a [`Layer`], in [`sequential!`](crate::sequential) for instance, it has no argument that says whether it trains:
/// [`deterministic`](Dropout::deterministic) says it then.
///
/// Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014; as `flax.linen.Dropout`,
/// whose `deterministic` is `!train`.
#[module]
pub struct Dropout {
    /// The probability of 0, from 0 to 1.
    #[module(into)]
    pub rate: f64,
    /// Axes along which all elements share one draw.
    #[module(into, default = AxisList(Vec::new()))]
    pub broadcast_dims: AxisList,
    /// Whether the input is returned as it is, for calls that do not say; none by default.
    #[module(default)]
    pub deterministic: Option<bool>,
    /// The random stream that keys are drawn from.
    #[module(default = "dropout")]
    pub rng_collection: String,
}

impl Dropout {
    /// **`train` is the opposite of Flax's `deterministic`.** The input with elements dropped if `train` is true, as it is if that is false, and as
    /// [`deterministic`](Dropout::deterministic) says if it is None.
    ///
    /// # Errors
    /// If the rate is no probability, there is no random stream, or the constructor was given `deterministic`, too.
    #[compact]
    pub fn call(&self, x: &Tensor, train: impl Into<Option<bool>> + Debug) -> Result<Tensor> {
        self.drop(x, train.into(), None)
    }

    /// As [`call`](Dropout::call) while training, with a key of one's own.
    ///
    /// # Errors
    /// As [`call`](Dropout::call).
    #[compact]
    pub fn call_with_key(&self, x: &Tensor, key: &Key) -> Result<Tensor> {
        self.drop(x, Some(true), Some(key))
    }

    fn drop(&self, x: &Tensor, train: Option<bool>, key: Option<&Key>) -> Result<Tensor> {
        let deterministic = merge_param("deterministic", self.deterministic, train.map(|train| !train))?;
        PROBABILITY.check(Self::NAME, "rate", self.rate)?;
        if self.rate == 0.0 || deterministic {
            return Ok(x.clone());
        }
        if self.rate == 1.0 {
            return Ok(x.zeros_like());
        }
        let keep = 1.0 - self.rate;
        let shared = self.broadcast_dims.ascending("Dropout", x.rank())?;
        let sizes = x.shape().iter().enumerate();
        let shape: Shape = sizes.map(|(axis, &n)| if shared.contains(&axis) { 1 } else { n }).collect();
        let key = key.map_or_else(|| self.make_rng(&self.rng_collection), |key| Ok(key.clone()))?;
        let kept = random::try_bernoulli(&key, keep as f32, shape)?;
        let scaled = x.try_div(keep)?;
        kept.try_select(&scaled, scaled.like(0.0))
    }
}

impl Layer for Dropout {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.drop(x, None, None)
    }
}
