//! The network.

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention, make_causal_mask};
use flaxen::prelude::*;

/// What one position of a text learns from those before it, then what it makes of that by itself.
#[module]
struct Block {
    heads: usize,
    dropout: f64,
}

impl Block {
    #[compact]
    fn call(&self, x: &Tensor, mask: &Tensor, train: bool) -> Result<Tensor> {
        let features = x.shape()[2];
        let y = LayerNorm::new().call(x)?;
        let y = MultiHeadDotProductAttention::new(self.heads).call(&y, Attend::new().mask(mask))?;
        let x = x + Dropout::new(self.dropout).call(&y, train)?;
        let y = LayerNorm::new().call(&x)?;
        let y = Dense::new(4 * features).call(&y)?.gelu();
        let y = Dense::new(features).call(&y)?;
        Ok(x + Dropout::new(self.dropout).call(&y, train)?)
    }
}

/// A decoder: from the numbers of characters, `I32[batch, length]`, to the logits of the character after each,
/// `[batch, length, vocabulary]`. A length is at most `context`.
///
/// Radford et al., *Language models are unsupervised multitask learners*, 2019.
#[module]
pub struct Transformer {
    pub vocabulary: usize,
    pub context: usize,
    #[module(default = 64)]
    pub features: usize,
    #[module(default = 4)]
    pub heads: usize,
    #[module(default = 2)]
    pub layers: usize,
    #[module(default = 0.1)]
    pub dropout: f64,
}

impl Transformer {
    #[compact]
    pub fn call(&self, tokens: &Tensor, train: bool) -> Result<Tensor> {
        let positions = self.param("positions", init::normal(0.02), [self.context, self.features])?;
        let embed = self.child(Embed::new(self.vocabulary, self.features));
        let mut x = embed.call(tokens)? + positions.slice_axis(0, 0, tokens.shape()[1] as isize);
        let mask = make_causal_mask(tokens)?;
        for _ in 0..self.layers {
            x = Block::new(self.heads, self.dropout).call(&x, &mask, train)?;
        }
        let x = LayerNorm::new().call(&x)?;
        // The same table that made numbers of characters makes characters of numbers.
        embed.attend(&x)
    }
}
