//! From sentences to embeddings: batches of sentences of about one length, padded to a few lengths that are compiled once each.

use anyhow::Result;
use flaxen::prelude::*;
use flaxen::{Lengths, jit};
use tokenizers::Tokenizer;

use crate::package::Package;

/// Sentences of a batch.
const BATCH: usize = 32;
/// Lengths are multiples of it.
const STEP: usize = 16;

/// Embeds sentences, `[sentences, hidden]`, and says after each batch how many it had.
pub fn embed(package: &Package, sentences: &[String], done: &dyn Fn(usize)) -> Result<Tensor> {
    let model = &package.model;
    let encode = jit(|((variables, ids, mask), _): ((Variables, Tensor, Tensor), Lengths)| {
        model.apply(&variables).run(|model| model.call(&ids, &mask))
    });
    // Padding is 0 in ids and mask, so that the model knows it.
    let encode = encode.buckets("tokens", (None, 1, 1)).multiples_of(STEP).buckets("sentences", (None, 0, 0));

    let ids = tokenize(&package.tokenizer, sentences)?;
    // Sentences of one length lie together, so that few tokens are padding.
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&sentence| std::cmp::Reverse(ids[sentence].len()));
    let mut rows: Vec<Option<Tensor>> = vec![None; ids.len()];
    for batch in order.chunks(BATCH) {
        let length = batch.iter().map(|&sentence| ids[sentence].len()).max().unwrap_or(0);
        let (mut tokens, mut real) = (Vec::new(), Vec::new());
        for &sentence in batch {
            let ids = &ids[sentence];
            tokens.extend(ids.iter().copied().chain(std::iter::repeat(0)).take(length));
            real.extend((0..length).map(|token| i32::from(token < ids.len())));
        }
        let tensor = |numbers: Vec<i32>| Tensor::from(numbers).try_reshape([batch.len(), length]);
        let embeddings = encode.call((package.variables.clone(), tensor(tokens)?, tensor(real)?))?;
        for (row, &sentence) in batch.iter().enumerate() {
            rows[sentence] = Some(embeddings.try_index_axis(0, row as isize)?);
        }
        done(batch.len());
    }
    Ok(Tensor::try_stack(&rows.into_iter().flatten().collect::<Vec<_>>(), 0)?)
}

/// The ids of each sentence's tokens, between `[CLS]` and `[SEP]`.
fn tokenize(tokenizer: &Tokenizer, sentences: &[String]) -> Result<Vec<Vec<i32>>> {
    let encodings = tokenizer.encode_batch(sentences.to_vec(), true).map_err(anyhow::Error::from_boxed)?;
    Ok(encodings.iter().map(|encoding| encoding.get_ids().iter().map(|&id| id as i32).collect()).collect())
}
