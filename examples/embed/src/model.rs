//! BERT (Devlin et al., arXiv:1810.04805) as a model of sentences: the mean of its tokens, of length 1, as Sentence-BERT has it
//! (Reimers and Gurevych, arXiv:1908.10084).

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention};
use flaxen::prelude::*;

/// The model: token ids `[sentences, tokens]` and what is real of them, 1 or 0, to embeddings `[sentences, hidden]`.
#[module]
pub struct SentenceBert {
    /// The features of a token, and of a sentence.
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    /// The features between the two layers of each block.
    pub intermediate: usize,
    /// Kinds of tokens.
    pub vocabulary: usize,
    /// Tokens of a sentence at most.
    pub positions: usize,
    pub epsilon: f64,
}

impl SentenceBert {
    #[compact]
    pub fn call(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let embed = |name: &str, count: usize| self.child_named(name, Embed::new(count, self.hidden));
        let positions = Tensor::arange(0, ids.shape()[1] as i32, 1);
        let x = embed("word", self.vocabulary).call(ids)?
            + embed("position", self.positions).call(&positions)?
            // A pair of sentences would have two types.
            + embed("token_type", 2).call(&Tensor::from([0i32]))?;
        let mut x = self.child_named("norm", LayerNorm::new().epsilon(self.epsilon)).call(&x)?;

        // [sentences, heads, queries, keys]
        let visible = mask.try_expand_dims([1, 2])?;
        for layer in 0..self.layers {
            let block = Block::new(self.heads, self.intermediate, self.epsilon);
            x = self.child_named(format!("layer_{layer}"), block).call(&x, &visible)?;
        }

        // The mean of the real tokens, of which padding in the batch may have none.
        let weights = mask.try_cast(x.dtype())?.try_expand_dims([2])?;
        let mean = (&x * &weights).sum_axes(1) / weights.sum_axes(1).maximum(1.0);
        let norm = mean.square().sum_axes(-1).sqrt().maximum(1e-12);
        Ok(&mean / norm.try_expand_dims([-1])?)
    }
}

/// Attention and two dense layers, each added to its input and normalised behind that.
#[module]
struct Block {
    heads: usize,
    intermediate: usize,
    epsilon: f64,
}

impl Block {
    #[compact]
    fn call(&self, x: &Tensor, visible: &Tensor) -> Result<Tensor> {
        let norm =
            |name: &str, x: &Tensor| self.child_named(name, LayerNorm::new().epsilon(self.epsilon)).call(x);
        let attention = self.child_named("attention", MultiHeadDotProductAttention::new(self.heads));
        let y = attention.call(x, Attend::new().mask(visible))?;
        let x = norm("attention_norm", &(x + y))?;
        let up = self.child_named("up", Dense::new(self.intermediate)).call(&x)?.gelu_exact();
        let down = self.child_named("down", Dense::new(x.shape()[2])).call(&up)?;
        norm("down_norm", &(x + down))
    }
}
