//! R2, R3 and R10: language models with large vocabularies.

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention, make_causal_mask};
use flaxen::prelude::*;

use crate::workload::{Workload, class_loss, indices, training};

const FEATURES: usize = 256;
const LAYERS: usize = 4;
const WORDS: usize = 4096;
const MANY_WORDS: usize = 32_000;
/// Positions of a sentence in training.
const LENGTH: usize = 128;
/// Positions of the cache, and tokens that are decoded before it is begun anew.
const CACHED: usize = 256;
const DECODED: usize = 200;

#[module]
struct GptBlock {
    decode: bool,
}

impl GptBlock {
    #[compact]
    fn call(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let features = x.shape()[2];
        let y = LayerNorm::new().call(x)?;
        let attention = self.child(MultiHeadDotProductAttention::new(8).decode(self.decode));
        let attended = match mask {
            Some(mask) => attention.call(&y, Attend::new().mask(mask))?,
            None => attention.call(&y, ())?,
        };
        let x = x + attended;
        let y = LayerNorm::new().call(&x)?;
        let y = Dense::new(4 * features).call(&y)?.gelu();
        Ok(x + Dense::new(features).call(&y)?)
    }
}

/// R2 and R3: four blocks between an embedding and its transpose.
#[module]
struct Gpt {
    decode: bool,
}

impl Gpt {
    #[compact]
    fn call(&self, ids: &Tensor) -> Result<Tensor> {
        let embed = self.child(Embed::new(WORDS, FEATURES));
        let mut x = embed.call(ids)?;
        let mask = if self.decode { None } else { Some(make_causal_mask(ids)?) };
        for _ in 0..LAYERS {
            x = GptBlock::new(self.decode).call(&x, mask.as_ref())?;
        }
        embed.attend(&LayerNorm::new().call(&x)?)
    }
}

/// R10: the mean of a few words, and a softmax over all words.
#[module]
struct BagOfWords {}

impl BagOfWords {
    #[compact]
    fn call(&self, ids: &Tensor) -> Result<Tensor> {
        let x = Embed::new(MANY_WORDS, FEATURES).call(ids)?.mean_axes([1]);
        Dense::new(MANY_WORDS).call(&x)
    }
}

/// R2 with a batch: training.
pub fn gpt(batch: usize) -> Result<Workload> {
    let model = Gpt::new(false);
    let ids = indices(WORDS, &[batch, LENGTH], 0);
    let next = indices(WORDS, &[batch, LENGTH], 1);
    let (params, _) = model.init(key(1)).run(|m| m.call(&ids))?.pop("params")?;
    Ok(training(params, (ids, next), move |params, (ids, next)| {
        let out = model.apply(Variables::new().with("params", params)).run(|m| m.call(ids))?;
        class_loss(&out, next)
    }))
}

/// R3 with a batch: a token after the other, with a cache.
pub fn decode(batch: usize) -> Result<Workload> {
    let model = Gpt::new(true);
    let all = indices(WORDS, &[batch, CACHED], 0);
    let (params, cache) = model.init(key(1)).run(|m| m.call(&all))?.pop("params")?;
    let token = indices(WORDS, &[batch, 1], 0);
    let step = move |cache: Variables, (params, token): (Dict, Tensor)| {
        let variables = cache.with("params", params);
        let (out, cache) = model.apply(variables).mutable("cache").run(|m| m.call(&token))?;
        Ok((cache, vec![out]))
    };
    Ok(Workload::stepping(cache, (params, token), Some(DECODED), step))
}

/// R10 with a batch: training.
pub fn bag_of_words(batch: usize) -> Result<Workload> {
    let model = BagOfWords::new();
    let (ids, labels) = (indices(MANY_WORDS, &[batch, 16], 0), indices(MANY_WORDS, &[batch], 0));
    let (params, _) = model.init(key(1)).run(|m| m.call(&ids))?.pop("params")?;
    Ok(training(params, (ids, labels), move |params, (ids, labels)| {
        let out = model.apply(Variables::new().with("params", params)).run(|m| m.call(ids))?;
        class_loss(&out, labels)
    }))
}
