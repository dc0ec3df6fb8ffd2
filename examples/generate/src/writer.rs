//! The loop: one program for any number of tokens of the prompt and of the model.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flaxen::prelude::*;
use transformer::model::Transformer;

use crate::sampler::Sampler;

/// So many tokens are one call of the program, and shown at once.
const CHUNK: usize = 8;

/// In place of a token of the prompt: the model chooses.
const FREE: i32 = -1;

/// Where the loop is.
#[derive(Clone, Tree)]
struct State {
    /// Keys and values of all tokens so far, for each layer.
    cache: Dict,
    /// The token that comes in next, `I32[1, 1]`.
    token: Tensor,
    key: random::Key,
}

/// How long it took.
pub struct Times {
    pub compiling: Duration,
    pub writing: Duration,
}

/// Continues a text by a number of tokens, and hands them on as they come.
///
/// A model has as many positions as its cache. When it is full, the second half of what it sees is read anew, from the first position on.
pub fn write(
    model: &Transformer,
    params: &Dict,
    sampler: Sampler,
    prompt: &[i32],
    length: usize,
    key: random::Key,
    mut emit: impl FnMut(&[i32]) -> Result<()>,
) -> Result<Times> {
    ensure!(!prompt.is_empty(), "there is nothing to continue");
    let (decoder, context) = (model.clone().decode(true), model.context);
    let chunk = CHUNK.min(context);

    // Each step takes a token and makes the next one, unless the prompt says it: reading and writing are the same loop.
    let step = jit(|(params, state, said): (Dict, State, Tensor)| {
        let steps = scan(|state: State, said: Tensor| {
            let variables = Variables::new().with("params", &params).with("cache", state.cache);
            let run = decoder.apply(&variables).mutable("cache");
            let (logits, seen) = run.run(|m| m.call(&state.token, false))?;
            let [key, draw] = state.key.split();
            let chosen = sampler.choose(&draw, &logits.squeeze([1]))?.squeeze([0]);
            let next = said.ge(0).select(&said, &chosen);
            let state = State { cache: seen.dict("cache")?.clone(), token: next.reshape([1, 1]), key };
            Ok((state, next))
        });
        steps.call(state, said)
    });

    let empty =
        decoder.init(key.fold_in(0)).run(|m| m.call(&Tensor::zeros_of([1, context], DType::I32), false))?;
    let cache = empty.dict("cache")?;
    let begin = |text: &[i32], key: random::Key| -> (State, Vec<i32>) {
        let seen = &text[text.len().saturating_sub(context.div_ceil(2))..];
        let token = Tensor::from(seen[0]).reshape([1, 1]);
        (State { cache: cache.clone(), token, key }, seen[1..].to_vec())
    };

    let began = Instant::now();
    let nothing = Tensor::full([chunk], FREE);
    drop(step.call((params.clone(), begin(prompt, key.clone()).0, nothing))?);
    let compiling = began.elapsed();

    let began = Instant::now();
    let mut text = prompt.to_vec();
    let (mut state, mut said) = begin(&text, key);
    let (mut filled, mut missing) = (0, length);
    while missing > 0 {
        if filled + chunk > context {
            (state, said) = begin(&text, state.key);
            filled = 0;
        }
        let read = said.len().min(chunk);
        let mut wanted: Vec<i32> = said.drain(..read).collect();
        wanted.resize(chunk, FREE);
        let tokens;
        (state, tokens) = step.call((params.clone(), state, Tensor::from(wanted)))?;
        filled += chunk;
        let written: Vec<i32> = tokens.to_vec::<i32>()?.into_iter().skip(read).take(missing).collect();
        missing -= written.len();
        emit(&written)?;
        text.extend(written);
    }
    Ok(Times { compiling, writing: began.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREEDY: Sampler = Sampler { temperature: 0.0, top_k: None, top_p: None };

    fn model(context: usize) -> (Transformer, Dict) {
        let model = Transformer::new(11, context).features(16).heads(2).layers(2);
        let tokens = Tensor::zeros_of([1, context], DType::I32);
        let params =
            model.init(key(1)).run(|m| m.call(&tokens, false)).unwrap().dict("params").unwrap().clone();
        // Larger than they begin, so that positions and tokens matter.
        let params = params.map(|x| Ok(x + random::normal(&key(2), x.shape()) * 0.3)).unwrap();
        (model, params)
    }

    fn written(model: &Transformer, params: &Dict, prompt: &[i32], length: usize) -> Vec<i32> {
        let mut text = Vec::new();
        let emit = |tokens: &[i32]| {
            text.extend(tokens);
            Ok(())
        };
        write(model, params, GREEDY, prompt, length, key(0), emit).unwrap();
        text
    }

    #[test]
    fn a_cache_writes_what_the_whole_text_gives() {
        let (model, params) = model(24);
        let variables = Variables::new().with("params", &params);
        for prompt in [&[3][..], &[1, 2, 3], &[5; 10]] {
            let mut text = prompt.to_vec();
            for _ in 0..24 - prompt.len() {
                let tokens = Tensor::from(&text[..]).reshape([1, text.len()]);
                let logits = model.apply(&variables).run(|m| m.call(&tokens, false)).unwrap();
                text.push(logits.argmax(-1).to_vec::<i32>().unwrap()[text.len() - 1]);
            }
            assert_eq!(written(&model, &params, prompt, 24 - prompt.len()), text[prompt.len()..]);
        }
    }

    #[test]
    fn a_text_may_be_longer_than_what_the_model_sees() {
        for context in [1, 2, 3, 8, 9, 24] {
            let (model, params) = model(context);
            let text = written(&model, &params, &[4; 50], 60);
            assert_eq!(text.len(), 60);
            assert_eq!(text, written(&model, &params, &[4; 30], 60), "only the end of a prompt is seen");
            assert!(text.iter().all(|token| (0..11).contains(token)));
        }
    }
}
