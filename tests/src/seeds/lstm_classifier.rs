//! A classifier of sequences: embeddings, two recurrent layers, and the last state.

use flaxen::nn::{Embed, LstmCell, OptimizedLstmCell, Rnn, Sequence};
use flaxen::prelude::*;

/// Layers of one list that are of different types, called `rnns_0` and `rnns_1`.
type Rnns = (Rnn<LstmCell>, Rnn<OptimizedLstmCell>);

/// Classes of sequences of tokens.
#[module]
pub struct LstmClassifier {
    /// How many tokens there are.
    pub vocab: usize,
    /// The features of an embedding.
    pub dim: usize,
    /// The features of a state.
    pub hidden: usize,
    /// How many classes there are.
    pub classes: usize,
    #[setup(Embed::new(self.vocab, self.dim))]
    embed: Embed,
    #[setup((Rnn::new(LstmCell::new(self.hidden)), Rnn::new(OptimizedLstmCell::new(self.hidden))))]
    rnns: Rnns,
    #[setup(Dense::new(self.classes))]
    head: Dense,
}

impl LstmClassifier {
    /// The logits of the classes, and the outputs of all steps.
    #[compact]
    pub fn call(&self, ids: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.embed.call(ids)?;
        let x = self.rnns.0.call_with(&x, Sequence::new().lengths(lengths))?;
        let ((_, h), y) = self.rnns.1.with_carry(&x, Sequence::new().lengths(lengths))?;
        Ok((self.head.call(&h)?, y))
    }
}
