//! `RotaryEmbedding`: queries and keys turned by their positions.

use std::f64::consts::PI;

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::POSITIVE;
use crate::error::{Error, Result};

const OP: &str = "RotaryEmbedding";

/// Turns pairs of features by angles that grow with the position, so that products of queries and keys depend on how far they are apart.
///
/// Pair `i` of `d` features is turned by `position · base^(−2i/d)`. The pairs are the features `i` and `i + d/2`, as in models of
/// transformers (Llama, Mistral, Qwen, Gemma, GPT-NeoX), or with [`interleaved`](Self::interleaved) the features `2i` and `2i + 1`, as in
/// the paper (GPT-J, Cohere, and Llama's own weights).
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::RotaryEmbedding;
///
/// let rotary = RotaryEmbedding::new().base(500_000.0);
/// let (q, k) = (random::normal(&key(0), [1, 1, 1, 8]), random::normal(&key(1), [1, 1, 1, 8]));
/// let at = |x, position: i32| rotary.apply(x, &Tensor::from([position]));
/// let product = |q: Tensor, k: Tensor| (q * k).sum();
/// let (here, far) = (product(at(&q, 3)?, at(&k, 1)?), product(at(&q, 102)?, at(&k, 100)?));
/// assert!(here.all_close(&far, 1e-4, 1e-4)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Su et al., arXiv:2104.09864.
#[derive(Clone, Debug, PartialEq)]
pub struct RotaryEmbedding {
    base: f64,
    features: Option<usize>,
    interleaved: bool,
    scaling: Option<RotaryScaling>,
}

/// How a [`RotaryEmbedding`] is stretched for more positions than a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RotaryScaling {
    /// All positions closer together: position interpolation (Chen et al., arXiv:2306.15595).
    Linear {
        /// How many times as many positions.
        factor: f64,
    },
    /// A larger base, `base · factor^(d / (d − 2))`: slow pairs are slowed down, fast ones are not.
    ///
    /// `dynamic` of transformers for `n` positions and a model trained on `m` is that of the factor `factor · n / m − (factor − 1)`.
    Ntk {
        /// How many times as many positions.
        factor: f64,
    },
    /// Slow pairs by the factor, fast ones not, and between them a mixture: `llama3` of transformers.
    Llama3 {
        /// How many times slower slow pairs are.
        factor: f64,
        /// Pairs that turn fewer times over the original length are slow.
        low_freq_factor: f64,
        /// Pairs that turn more often over the original length are fast.
        high_freq_factor: f64,
        /// How many positions the model was trained on.
        original_length: f64,
    },
    /// As `Llama3`, with a mixture that is linear in the pairs, and all products larger (Peng et al., arXiv:2309.00071): `yarn` of
    /// transformers with `beta_fast` 32 and `beta_slow` 1.
    Yarn {
        /// How many times slower slow pairs are.
        factor: f64,
        /// How many positions the model was trained on.
        original_length: f64,
    },
}

impl Default for RotaryEmbedding {
    fn default() -> RotaryEmbedding {
        RotaryEmbedding::new()
    }
}

impl RotaryEmbedding {
    /// Of all features in halves, with base 10000.
    pub fn new() -> RotaryEmbedding {
        RotaryEmbedding { base: 10_000.0, features: None, interleaved: false, scaling: None }
    }

    /// Sets the base of the angles, above 0 (`rope_theta` of transformers); 10000 by default.
    #[must_use]
    pub fn base(self, base: f64) -> RotaryEmbedding {
        RotaryEmbedding { base, ..self }
    }

    /// Sets how many features are turned, the first ones of a head: an even number; all by default.
    #[must_use]
    pub fn features(self, features: usize) -> RotaryEmbedding {
        RotaryEmbedding { features: Some(features), ..self }
    }

    /// Sets whether neighbouring features are pairs, rather than those of two halves; false by default.
    #[must_use]
    pub fn interleaved(self, interleaved: bool) -> RotaryEmbedding {
        RotaryEmbedding { interleaved, ..self }
    }

    /// Stretches the angles for more positions; not by default.
    #[must_use]
    pub fn scaling(self, scaling: impl Into<Option<RotaryScaling>>) -> RotaryEmbedding {
        RotaryEmbedding { scaling: scaling.into(), ..self }
    }

    /// Turns queries or keys `[batch.., length, heads, depth]` by their positions, `[length]` or `[batch.., length]`, which any number
    /// may be added to: what is in a cache has been turned already.
    ///
    /// Angles and products are computed in `F32` (`F64` of `F64`), and the result has the dtype of `x`.
    ///
    /// # Errors
    /// If `x` has fewer than three axes, the positions do not broadcast to `[batch.., length]`, or the number of features to turn is odd or
    /// larger than the depth; if the base or a factor is not above 0.
    #[track_caller]
    pub fn apply(&self, x: &Tensor, positions: &Tensor) -> Result<Tensor> {
        let [outer @ .., _, depth] = x.shape() else { return Err(shape_error(x, positions)) };
        let depth = *depth;
        let features = self.features.unwrap_or(depth);
        let is_broadcast = positions.rank() <= outer.len()
            && positions.shape().iter().rev().zip(outer.iter().rev()).all(|(&n, &m)| n == m || n == 1);
        if outer.is_empty() || positions.rank() == 0 || !is_broadcast {
            return Err(shape_error(x, positions));
        }
        if !features.is_multiple_of(2) || features > depth {
            let message =
                format!("expects an even number of features, at most {depth}, to turn, found {features}");
            return Err(Error::argument(OP, message));
        }
        let wide = x.dtype().promote(DType::F32);
        let (frequencies, size) = self.frequencies(features)?;
        let frequencies = Tensor::from(frequencies).try_cast(wide)?;
        // `[.., length, 1, pairs]`, alike for all heads.
        let angles = positions.try_cast(wide)?.try_expand_dims([-1, -2])?.try_mul(frequencies)?;
        let (cos, sin) = (angles.try_cos()?, angles.try_sin()?);
        let (cos, sin) = (cos.try_mul(cos.like(size))?, sin.try_mul(sin.like(size))?);

        let pairs = features / 2;
        let turned = x.try_slice_axis(-1, 0..features)?.try_cast(wide)?;
        let split =
            |shape: [usize; 2]| turned.try_reshape([outer, &[x.shape()[outer.len()]], &shape].concat());
        // The two of a pair are along the axis before the last one, or along the last one.
        let (axis, halves) =
            if self.interleaved { (-1, split([pairs, 2])?) } else { (-2, split([2, pairs])?) };
        let (a, b) = (halves.try_index_axis(axis, 0)?, halves.try_index_axis(axis, 1)?);
        let first = a.try_mul(&cos)?.try_sub(b.try_mul(&sin)?)?;
        let second = b.try_mul(&cos)?.try_add(a.try_mul(&sin)?)?;
        let turned =
            Tensor::try_stack(&[first, second], axis)?.try_reshape(turned.shape())?.try_cast(x.dtype())?;
        if features == depth {
            return Ok(turned);
        }
        Tensor::try_concatenate(&[turned, x.try_slice_axis(-1, features..)?], -1)
    }

    /// By which angle each pair is turned from a position to the next one, and what the turned features are multiplied by.
    fn frequencies(&self, features: usize) -> Result<(Vec<f32>, f64)> {
        POSITIVE.check(OP, "base", self.base)?;
        let size = features as f64;
        let powers = |base: f64| -> Vec<f64> {
            (0..features / 2).map(|i| base.powf(-2.0 * i as f64 / size)).collect()
        };
        let plain = powers(self.base);
        let (frequencies, scale) = match self.scaling {
            None => (plain, 1.0),
            Some(RotaryScaling::Linear { factor }) => {
                POSITIVE.check(OP, "factor", factor)?;
                (plain.iter().map(|x| x / factor).collect(), 1.0)
            }
            Some(RotaryScaling::Ntk { factor }) => {
                POSITIVE.check(OP, "factor", factor)?;
                let power = if features > 2 { size / (size - 2.0) } else { 1.0 };
                (powers(self.base * factor.powf(power)), 1.0)
            }
            Some(RotaryScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_length,
            }) => {
                POSITIVE.check(OP, "factor", factor)?;
                POSITIVE.check(OP, "original_length", original_length)?;
                POSITIVE.check(OP, "high_freq_factor - low_freq_factor", high - low)?;
                let mixed = |x: &f64| {
                    let turns = original_length * x / (2.0 * PI);
                    let fast = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    x * (fast + (1.0 - fast) / factor)
                };
                (plain.iter().map(mixed).collect(), 1.0)
            }
            Some(RotaryScaling::Yarn { factor, original_length }) => {
                POSITIVE.check(OP, "factor", factor)?;
                POSITIVE.check(OP, "original_length", original_length)?;
                // The pair that turns so many times over the original length.
                let pair =
                    |turns: f64| size * (original_length / (turns * 2.0 * PI)).ln() / (2.0 * self.base.ln());
                let first = pair(32.0).floor().max(0.0);
                let last = pair(1.0).ceil().min(size - 1.0);
                let width = if first == last { 0.001 } else { last - first };
                let mixed = |(i, x): (usize, &f64)| {
                    let slow = ((i as f64 - first) / width).clamp(0.0, 1.0);
                    x * (1.0 - slow + slow / factor)
                };
                let scale = if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
                (plain.iter().enumerate().map(mixed).collect(), scale)
            }
        };
        Ok((frequencies.into_iter().map(|x| x as f32).collect(), scale))
    }
}

fn shape_error(x: &Tensor, positions: &Tensor) -> Error {
    let found = format!("{} at positions {}", x.aval(), positions.aval());
    Error::shape(
        OP,
        found,
        "`[batch.., length, heads, depth]` at positions `[length]` or `[batch.., length]`",
    )
}
