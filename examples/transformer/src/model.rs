//! The network.

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention, make_causal_mask};
use flaxen::prelude::*;

/// What one position of a text learns from those before it, then what it makes of that by itself.
#[module]
struct Block {
    heads: usize,
    dropout: f64,
    decode: bool,
}

impl Block {
    #[compact]
    fn call(&self, x: &Tensor, mask: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let features = x.shape()[2];
        let call = mask.map_or_else(Attend::new, |mask| Attend::new().mask(mask));
        let y = LayerNorm::new().call(x)?;
        let y = MultiHeadDotProductAttention::new(self.heads).decode(self.decode).call(&y, call)?;
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
/// To `decode`, each call has one character, and keys and values of those before it are in the collection `cache`, which `init` makes
/// of the length of its input.
///
/// Radford et al., *Language models are unsupervised multitask learners*, 2019.
#[module]
pub struct Transformer {
    /// How many characters there are.
    pub vocabulary: usize,
    /// The longest text it sees.
    pub context: usize,
    /// The size of what it knows of a position.
    #[module(default = 64)]
    pub features: usize,
    /// The number of heads of attention.
    #[module(default = 4)]
    pub heads: usize,
    /// The number of layers.
    #[module(default = 2)]
    pub layers: usize,
    /// The part of features that is left out while training.
    #[module(default = 0.1)]
    pub dropout: f64,
    /// Whether it sees one character at a time, and remembers those before it.
    #[module(default = false)]
    pub decode: bool,
}

impl Transformer {
    /// The logits, while it trains or not.
    ///
    /// # Errors
    /// If the text is longer than the context.
    #[compact]
    pub fn call(&self, tokens: &Tensor, train: bool) -> Result<Tensor> {
        let positions = self.param("positions", init::normal(0.02), [self.context, self.features])?;
        let embed = self.child(Embed::new(self.vocabulary, self.features));
        let length = tokens.shape()[1];
        // Where the text begins: behind what is in the cache.
        let begin = if self.decode { self.next_position(length)? } else { Tensor::from(0) };
        let mut x = embed.call(tokens)? + positions.try_dynamic_slice_axis(0, begin, length)?;
        // A cache hides what is behind the last character by itself.
        let mask = if self.decode { None } else { Some(make_causal_mask(tokens)?) };
        for _ in 0..self.layers {
            x = Block::new(self.heads, self.dropout, self.decode).call(&x, mask.as_ref(), train)?;
        }
        let x = LayerNorm::new().call(&x)?;
        // The same table that made numbers of characters makes characters of numbers.
        embed.attend(&x)
    }

    /// How many characters there were before, to which those of this call are added, but for the call that makes the cache.
    fn next_position(&self, length: usize) -> Result<Tensor> {
        let is_there = self.has_variable("cache", "position");
        let position = self.variable("cache", "position", || Ok(Tensor::from(0)))?;
        let begin = position.try_get()?;
        if is_there {
            position.set(&begin + length as i32)?;
        }
        Ok(begin)
    }
}
