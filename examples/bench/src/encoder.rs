//! R4: the sentence encoder all-MiniLM-L6-v2, with random weights: six blocks that normalise behind, of 384 features and 12 heads.

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention};
use flaxen::prelude::*;

/// Words of the vocabulary.
pub const WORDS: usize = 30522;
const FEATURES: usize = 384;
const EPSILON: f64 = 1e-12;

/// A block of BERT.
#[module]
pub struct EncoderBlock {}

impl EncoderBlock {
    #[compact]
    fn call(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let attended = MultiHeadDotProductAttention::new(12).call(x, Attend::new().mask(mask))?;
        let x = LayerNorm::new().epsilon(EPSILON).call(&(x + attended))?;
        let y = Dense::new(4 * FEATURES).call(&x)?.gelu_exact();
        let y = Dense::new(FEATURES).call(&y)?;
        LayerNorm::new().epsilon(EPSILON).call(&(x + y))
    }
}

/// Sentences to vectors of length 1: the mean over the tokens that are there.
#[module]
pub struct SentenceEncoder {}

impl SentenceEncoder {
    /// From ids `[batch, tokens]` and a mask of the same shape to `[batch, 384]`.
    #[compact]
    pub fn call(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let tokens = ids.shape()[1];
        let words = Embed::new(WORDS, FEATURES).call(ids)?;
        let positions = self.param("positions", init::normal(0.02), [512, FEATURES])?;
        let kind = self.param("kind", init::normal(0.02), [FEATURES])?;
        let x = words + positions.slice_axis(0, 0..tokens) + kind;
        let mut x = LayerNorm::new().epsilon(EPSILON).call(&x)?;
        let pairs = mask.expand_dims([1, 2]);
        for _ in 0..6 {
            x = EncoderBlock::new().call(&x, &pairs)?;
        }
        let mask = mask.cast(DType::F32).expand_dims([-1]);
        let mean = (x * &mask).sum_axes(1) / mask.sum_axes(1);
        let norm = mean.square().sum_axes(-1).expand_dims([-1]).sqrt();
        Ok(mean / norm)
    }
}
