//! Sampling from a population, with and without replacement.

use super::continuous::gumbel_samples;
use super::uniform::unit;
use super::{Key, try_permutation, try_randint};
use crate::array::{DType, Shape};
use crate::core::{Tensor, TensorLike};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::{axis_of, promoted_inexact, saturating_size};

/// Draws from a population, as `jax.random.choice`: with replacement and equal probabilities, unless said otherwise.
///
/// ```
/// use flaxen::Tensor;
/// use flaxen::random::{self, Choice};
///
/// let [first, second] = random::key(0).split();
/// let team = Choice::below(10).without_replacement().sample(&first, [3]);
/// assert_eq!(team.shape(), [3]);
///
/// let letters = Tensor::from([65u8, 66, 67]);
/// let drawn = Choice::of(&letters, 0).weights([0.0f32, 1.0, 0.0]).sample(&second, [2]);
/// assert_eq!(drawn.to_vec::<u8>()?, [66, 66]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Choice {
    population: Population,
    weights: Option<Tensor>,
    replace: bool,
}

#[derive(Clone, Debug)]
enum Population {
    Below(usize),
    Along(Tensor, isize),
}

impl Choice {
    /// Draws from the numbers 0, 1, …, `n − 1`: samples are `I32` of the shape asked for.
    pub fn below(n: usize) -> Choice {
        Choice { population: Population::Below(n), weights: None, replace: true }
    }

    /// Draws from what lies along an axis of `x`: in samples the shape asked for stands in place of that axis.
    ///
    /// # Panics
    /// If `x` are integers without a dtype that do not fit `I32`.
    #[track_caller]
    pub fn of(x: impl TensorLike, axis: impl Int) -> Choice {
        Choice {
            population: Population::Along(unwrap(x.operand()), axis.int()),
            weights: None,
            replace: true,
        }
    }

    /// Nothing is drawn twice.
    #[must_use]
    pub fn without_replacement(self) -> Choice {
        Choice { replace: false, ..self }
    }

    /// Probabilities, one for each member; those of draws with replacement need not sum to 1.
    #[must_use]
    pub fn weights(self, weights: impl TensorLike) -> Choice {
        Choice { weights: Some(unwrap(weights.operand())), ..self }
    }

    /// Draws a sample.
    ///
    /// # Panics
    /// Where [`try_sample`](Choice::try_sample) returns an error.
    #[track_caller]
    pub fn sample(&self, key: &Key, shape: impl AsRef<[usize]>) -> Tensor {
        unwrap(self.try_sample(key, shape))
    }

    /// As [`sample`](Choice::sample).
    ///
    /// # Errors
    /// If there is no such axis; if the population is empty, or, without replacement, smaller than the sample; if there is
    /// not one weight for each member; if there are many keys instead of one.
    #[track_caller]
    pub fn try_sample(&self, key: &Key, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        let shape = shape.as_ref();
        match &self.population {
            Population::Below(n) => self.indices(key, *n, shape),
            Population::Along(x, axis) => {
                let n = x.shape()[axis_of("choice", *axis, x.rank())?];
                x.try_take(self.indices(key, n, shape)?, *axis)
            }
        }
    }

    /// The indices of the members drawn.
    #[track_caller]
    fn indices(&self, key: &Key, n: usize, shape: &[usize]) -> Result<Tensor> {
        let draws = saturating_size(shape);
        if draws == 0 {
            return Ok(Tensor::zeros_of(shape, DType::I32));
        }
        if n == 0 {
            return Err(Error::argument("choice", "the population is empty"));
        }
        if i32::try_from(n).is_err() {
            return Err(Error::argument(
                "choice",
                format!("a population of {n}: use one that an i32 counts"),
            ));
        }
        if !self.replace && draws > n {
            let message = format!("a sample of {draws} without replacement from a population of {n}");
            return Err(Error::argument("choice", message));
        }
        match &self.weights {
            None if self.replace => try_randint(key, shape, 0, n as i32),
            // The beginning of a permutation is a sample without replacement.
            None => try_permutation(key, n)?.try_slice_axis(0, 0..draws)?.try_reshape(shape),
            Some(weights) => {
                let [weights] = promoted_inexact([weights.clone()])?;
                if weights.shape() != [n] {
                    let found = format!("weights of shape {:?} for a population of {n}", weights.shape());
                    return Err(Error::shape("choice", found, "one weight for each member"));
                }
                // Read rather than computed with, which `jit` would trace. Values of a transform have no elements to look at.
                let refused = |weight: &f64| weight.is_nan() || *weight < 0.0;
                if weights.to_vec::<f64>().is_ok_and(|weights| weights.iter().any(refused)) {
                    return Err(Error::argument(
                        "choice",
                        "expects weights of at least 0, found negative ones or NaN",
                    ));
                }
                if self.replace {
                    weighted(key, &weights, shape)
                } else {
                    distinct(key, &weights, shape, draws)
                }
            }
        }
    }
}

/// Inverse transform sampling: where a uniform number falls among the cumulative sums of the weights.
#[track_caller]
fn weighted(key: &Key, weights: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let sums = weights.try_cumsum(0)?;
    let total = sums.try_index_axis(0, -1)?;
    let u = unit(key, shape, weights.dtype())?;
    let flat: Shape = [u.size()].into_iter().collect();
    let at = total.try_mul(u.like(1.0).try_sub(u)?)?.try_reshape(flat)?;
    sums.try_searchsorted(at)?.try_reshape(shape)
}

/// The Gumbel-top-k trick (Kool et al., *Stochastic Beams and Where to Find Them*, 2019): those with the greatest logarithms of
/// weights plus Gumbel noise.
#[track_caller]
fn distinct(key: &Key, weights: &Tensor, shape: &[usize], draws: usize) -> Result<Tensor> {
    let noise = gumbel_samples(key, weights.shape(), weights.dtype())?;
    noise.try_add(weights.try_log()?)?.try_top_k(draws)?.1.try_reshape(shape)
}
