//! A decoder that predicts the next token, with one table for tokens that come in and those that go out.

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention, make_causal_mask};
use flaxen::prelude::*;

#[module]
struct TransformerBlock {
    num_heads: usize,
    mlp_dim: usize,
    dropout: f64,
}

impl TransformerBlock {
    #[compact]
    fn call(&self, x: &Tensor, mask: &Tensor, train: bool) -> Result<Tensor> {
        let y = LayerNorm::new().call(x)?;
        let y = MultiHeadDotProductAttention::new(self.num_heads)
            .dropout_rate(self.dropout)
            .call(&y, Attend::new().mask(mask).train(train))?;
        let y = Dropout::new(self.dropout).call(&y, train)?;
        let x = x + y;
        let y = LayerNorm::new().call(&x)?;
        let y = Dense::new(self.mlp_dim).call(&y)?.gelu();
        let y = Dense::new(x.shape()[x.rank() - 1]).call(&y)?;
        let y = Dropout::new(self.dropout).call(&y, train)?;
        Ok(x + y)
    }
}

/// Blocks over embeddings of tokens and positions.
#[module]
pub struct TinyLm {
    /// How many tokens there are.
    pub vocab: usize,
    /// The size of an embedding.
    pub dim: usize,
    /// The number of blocks.
    pub layers: usize,
    /// The heads of each block.
    pub heads: usize,
    /// How many positions there are at most.
    pub max_len: usize,
    /// The probability that a number is dropped.
    pub dropout: f64,
}

impl TinyLm {
    /// The logits of each position's next token, `[batch, length, vocab]`, from ids `[batch, length]`.
    #[compact]
    pub fn call(&self, ids: &Tensor, train: bool) -> Result<Tensor> {
        let embed = self.child(Embed::new(self.vocab, self.dim));
        let positions = self.param("pos", init::normal(0.02), [self.max_len, self.dim])?;
        let mut x = embed.call(ids)? + positions.try_slice_axis(0, 0..ids.shape()[1])?;
        let mask = make_causal_mask(ids)?;
        for i in 0..self.layers {
            let block = TransformerBlock::new(self.heads, self.dim * 2, self.dropout);
            x = self.child_named(format!("block_{i}"), block).call(&x, &mask, train)?;
        }
        let x = self.child_named("final_norm", LayerNorm::new()).call(&x)?;
        embed.attend(&x)
    }
}
