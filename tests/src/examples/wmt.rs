//! `wmt`: a translator, whose tables of words may be one.

use std::sync::Arc;

use flaxen::nn::{
    Attend, Embed, MultiHeadDotProductAttention, combine_masks, make_attention_mask,
    make_attention_mask_with, make_causal_mask,
};
use flaxen::optim::Schedule;
use flaxen::prelude::*;
use flaxen::random::Key;

use super::beam_search::{beam_search, flat_batch_beam_expand};
use super::transformer::{
    AddPositionEmbs, Config, Metrics, Mode, create_learning_rate_schedule, shift_right, weighted_accuracy,
    weighted_cross_entropy,
};
use super::{Example, State, pmean, with_params};

fn dense(features: usize) -> Dense {
    Dense::new(features).dtype(DType::F32).kernel_init(init::xavier_uniform()).bias_init(init::normal(1e-6))
}

fn norm() -> LayerNorm {
    LayerNorm::new().dtype(DType::F32)
}

fn attention(config: &Config) -> MultiHeadDotProductAttention {
    MultiHeadDotProductAttention::new(config.num_heads)
        .dtype(DType::F32)
        .qkv_features(config.qkv_dim)
        .kernel_init(init::xavier_uniform())
        .bias_init(init::normal(1e-6))
        .use_bias(false)
        .broadcast_dropout(false)
        .dropout_rate(config.dropout_rate)
}

fn embed(config: &Config) -> Embed {
    Embed::new(config.vocab_size, config.emb_dim).embedding_init(init::normal(1.0))
}

fn masked(attend: Attend, mask: Option<&Tensor>) -> Attend {
    match mask {
        None => attend,
        Some(mask) => attend.mask(mask),
    }
}

#[module]
struct MlpBlock {
    config: Config,
}

impl Layer for MlpBlock {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let y = self.child(dense(config.mlp_dim)).call(x)?.relu();
        let y = Dropout::new(config.dropout_rate).call(&y, config.trains())?;
        let y = self.child(dense(x.shape()[2])).call(&y)?;
        Dropout::new(config.dropout_rate).call(&y, config.trains())
    }
}

#[module]
struct Encoder1DBlock {
    config: Config,
}

impl Encoder1DBlock {
    #[compact]
    fn call(&self, inputs: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let config = &self.config;
        let x = self.child(norm()).call(inputs)?;
        let attend = masked(Attend::new().train(config.trains()), mask);
        let x = self.child(attention(config)).call(&x, attend)?;
        let x = Dropout::new(config.dropout_rate).call(&x, config.trains())? + inputs;
        let y = self.child(norm()).call(&x)?;
        Ok(&x + MlpBlock::new(config.clone()).call(&y)?)
    }
}

#[module]
struct EncoderDecoder1DBlock {
    config: Config,
}

impl EncoderDecoder1DBlock {
    #[compact]
    fn call(
        &self,
        targets: &Tensor,
        encoded: &Tensor,
        decoder_mask: Option<&Tensor>,
        encoder_decoder_mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let config = &self.config;
        let x = self.child(norm()).call(targets)?;
        let attend = masked(Attend::new().train(config.trains()), decoder_mask);
        let x = self.child(attention(config).decode(config.decodes())).call(&x, attend)?;
        let x = Dropout::new(config.dropout_rate).call(&x, config.trains())? + targets;

        let y = self.child(norm()).call(&x)?;
        let attend = masked(Attend::new().train(config.trains()), encoder_decoder_mask);
        let y = self.child(attention(config)).call(&y, attend.keys(encoded))?;
        let y = Dropout::new(config.dropout_rate).call(&y, config.trains())? + x;

        let z = self.child(norm()).call(&y)?;
        Ok(&y + MlpBlock::new(config.clone()).call(&z)?)
    }
}

#[module]
struct Encoder {
    config: Config,
    #[submodule]
    shared_embedding: Option<Arc<Embed>>,
}

impl Encoder {
    #[compact]
    fn call(&self, inputs: &Tensor, positions: Option<&Tensor>, mask: Option<&Tensor>) -> Result<Tensor> {
        let config = &self.config;
        let ids = inputs.cast(DType::I32);
        let x = match &self.shared_embedding {
            None => self.child(embed(config)).call(&ids)?,
            Some(shared) => shared.call(&ids)?,
        };
        let embs = AddPositionEmbs::new(config.clone());
        let x = self.child_named("posembed_input", embs).call(&x, positions)?;
        let mut x = Dropout::new(config.dropout_rate).call(&x, config.trains())?;
        for layer in 0..config.num_layers {
            let block = Encoder1DBlock::new(config.clone());
            x = self.child_named(format!("encoderblock_{layer}"), block).call(&x, mask)?;
        }
        self.child_named("encoder_norm", norm()).call(&x)
    }
}

#[module]
struct Decoder {
    config: Config,
    #[submodule]
    shared_embedding: Option<Arc<Embed>>,
}

impl Decoder {
    #[compact]
    fn call(
        &self,
        encoded: &Tensor,
        targets: &Tensor,
        positions: Option<&Tensor>,
        decoder_mask: Option<&Tensor>,
        encoder_decoder_mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let config = &self.config;
        let table = match &self.shared_embedding {
            None => Arc::new(self.child(embed(config))),
            Some(shared) => shared.clone(),
        };
        let mut y = targets.cast(DType::I32);
        if !config.decodes() {
            y = shift_right(&y);
        }
        let y = table.call(&y)?;
        let embs = AddPositionEmbs::new(config.clone()).decode(config.decodes());
        let y = self.child_named("posembed_output", embs).call(&y, positions)?;
        let mut y = Dropout::new(config.dropout_rate).call(&y, config.trains())?;
        for layer in 0..config.num_layers {
            let block = EncoderDecoder1DBlock::new(config.clone());
            let block = self.child_named(format!("encoderdecoderblock_{layer}"), block);
            y = block.call(&y, encoded, decoder_mask, encoder_decoder_mask)?;
        }
        let y = self.child_named("encoderdecoder_norm", norm()).call(&y)?;
        if config.logits_via_embedding {
            Ok(table.attend(&y)? / (y.shape()[2] as f32).sqrt())
        } else {
            self.child_named("logitdense", dense(config.vocab_size)).call(&y)
        }
    }
}

/// Several sentences in a row: which one a token is of, and at which position.
#[derive(Tree, Clone)]
struct Packed {
    inputs_position: Tensor,
    targets_position: Tensor,
    inputs_segmentation: Tensor,
    targets_segmentation: Tensor,
}

#[module]
struct Transformer {
    config: Config,
    #[setup(self.config.share_embeddings.then(|| Arc::new(embed(&self.config))))]
    shared_embedding: Option<Arc<Embed>>,
    #[setup(Encoder::new(self.config.clone(), self.shared_embedding.clone()))]
    encoder: Encoder,
    #[setup(Decoder::new(self.config.clone(), self.shared_embedding.clone()))]
    decoder: Decoder,
}

fn positive(ids: &Tensor) -> Tensor {
    ids.gt(0).cast(DType::F32)
}

impl Transformer {
    #[compact]
    fn encode(&self, inputs: &Tensor, packed: Option<&Packed>) -> Result<Tensor> {
        let seen = positive(inputs);
        let mut mask = Some(make_attention_mask(&seen, &seen)?);
        if let Some(Packed { inputs_segmentation: segments, .. }) = packed {
            mask = combine_masks([mask.as_ref(), Some(&alike(segments, segments)?)])?;
        }
        self.encoder.call(inputs, packed.map(|packed| &packed.inputs_position), mask.as_ref())
    }

    #[compact]
    fn decode(
        &self,
        encoded: &Tensor,
        inputs: &Tensor,
        targets: &Tensor,
        packed: Option<&Packed>,
    ) -> Result<Tensor> {
        let (mut decoder_mask, mut encoder_decoder_mask);
        if self.config.decodes() {
            decoder_mask = None;
            encoder_decoder_mask =
                Some(make_attention_mask(&positive(&targets.ones_like()), &positive(inputs))?);
        } else {
            let seen = positive(targets);
            let (padding, causal) = (make_attention_mask(&seen, &seen)?, make_causal_mask(targets)?);
            decoder_mask = combine_masks([Some(&padding), Some(&causal)])?;
            encoder_decoder_mask = Some(make_attention_mask(&seen, &positive(inputs))?);
        }
        if let Some(Packed { inputs_segmentation: sources, targets_segmentation: segments, .. }) = packed {
            decoder_mask = combine_masks([decoder_mask.as_ref(), Some(&alike(segments, segments)?)])?;
            let both = alike(segments, sources)?;
            encoder_decoder_mask = combine_masks([encoder_decoder_mask.as_ref(), Some(&both)])?;
        }
        let positions = packed.map(|packed| &packed.targets_position);
        self.decoder.call(encoded, targets, positions, decoder_mask.as_ref(), encoder_decoder_mask.as_ref())
    }

    #[compact]
    fn call(&self, inputs: &Tensor, targets: &Tensor, packed: Option<&Packed>) -> Result<Tensor> {
        let encoded = self.encode(inputs, packed)?;
        self.decode(&encoded, inputs, targets, packed)
    }
}

fn alike(queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
    make_attention_mask_with(queries, keys, |query, key| query.try_eq(key), 0, DType::F32)
}

type Batch = (Tensor, Tensor, Option<Packed>);

fn train_step(
    config: &Config,
    rate: &Schedule,
    state: &State,
    (inputs, targets, packed): &Batch,
    dropout: &Key,
) -> Result<(State, Metrics)> {
    let weights = positive(targets);
    let dropout = dropout.try_fold_in(&state.step)?;
    let model = Transformer::new(config.clone());
    let loss = |params: &Dict| {
        let run = model.apply(with_params(params)).rngs(Rngs::none().with("dropout", dropout.clone()));
        let logits = run.run(|m| m.call(inputs, targets, packed.as_ref()))?;
        let (loss, weight_sum) = weighted_cross_entropy(&logits, targets, &weights, 0.1)?;
        Ok((loss / weight_sum, logits))
    };
    let ((_, logits), grads) = value_and_grad(loss)(&state.params)?;
    let next = state.apply_gradients(&pmean(&grads, "batch")?)?;
    let (loss, denominator) = weighted_cross_entropy(&logits, targets, &weights, 0.0)?;
    let metrics = Metrics {
        loss: loss.psum("batch")?,
        accuracy: weighted_accuracy(&logits, targets, &weights).psum("batch")?,
        denominator: denominator.psum("batch")?,
        learning_rate: rate.at(&state.step)?,
    };
    Ok((next, metrics))
}

/// The cache of a decoder for `max_decode_len` positions.
fn initialize_cache(config: &Config, inputs: &Tensor, max_decode_len: usize) -> Result<Dict> {
    let target = Tensor::ones([inputs.shape()[0], max_decode_len]);
    let inputs = Tensor::ones(inputs.shape());
    let variables = Transformer::new(config.clone()).init(key(0)).run(|m| m.call(&inputs, &target, None))?;
    Ok(variables.dict("cache")?.clone())
}

/// The best sequences for sentences, by beam search: all beams in ascending order, and their scores.
fn predict_step(
    config: &Config,
    inputs: &Tensor,
    params: &Dict,
    cache: &Dict,
    eos: i32,
    max_decode_len: usize,
    beam_size: usize,
) -> Result<(Tensor, Tensor)> {
    let model = Transformer::new(config.clone());
    let encoded = model.apply(with_params(params)).run(|m| m.encode(inputs, None))?;
    let encoded = flat_batch_beam_expand(&encoded, beam_size)?;
    let raw_inputs = flat_batch_beam_expand(inputs, beam_size)?;
    let tokens_to_logits = |ids: &Tensor, cache: &Dict| {
        let variables = with_params(params).with("cache", cache);
        let run = model.apply(variables).mutable("cache");
        let (logits, updates) = run.run(|m| m.decode(&encoded, &raw_inputs, ids, None))?;
        Ok((logits.squeeze([1]), updates.dict("cache")?.clone()))
    };
    beam_search(inputs, cache, tokens_to_logits, beam_size, 0.6, eos, max_decode_len)
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("wmt");
    let config = Config { share_embeddings: true, logits_via_embedding: true, ..Config::small() };
    let model = Transformer::new(config.clone());
    let (inputs, targets) = (example.array("in/inputs"), example.array("in/targets"));
    let [rng, init_key] = key(0).split();
    let ones = Tensor::ones([2, 8]);
    let variables = model.init(&init_key).run(|m| m.call(&ones, &ones, None))?;
    let params = variables.dict("params")?;
    example.initial("init/params", params);
    let first = (inputs.get(0), targets.get(0));
    example.near("out", &model.apply(&variables).run(|m| m.call(&first.0, &first.1, None))?);
    let untied = Config { num_layers: 1, ..Config::small() };
    let untied = Transformer::new(untied);
    let variables = untied.init(&init_key).run(|m| m.call(&ones, &ones, None))?;
    example.initial("untied/init", variables.dict("params")?);
    example.near("untied/out", &untied.apply(&variables).run(|m| m.call(&first.0, &first.1, None))?);

    let rate = create_learning_rate_schedule(0.002, 2);
    let training = Config { mode: Mode::Train, ..config.clone() };
    let step = jit(|(state, batch, keys): (State, Batch, Key)| {
        let shard =
            |(state, batch, key): (State, Batch, Key)| train_step(&training, &rate, &state, &batch, &key);
        vmap(shard).axis_name("batch").in_axes((None, 0, 0)).out_axes(None).call((state, batch, keys))
    });
    let alone = |name: &str| example.array(&format!("in/packed/{name}")).expand_dims([1]);
    let packed = Packed {
        inputs_position: alone("inputs_position"),
        targets_position: alone("targets_position"),
        inputs_segmentation: alone("inputs_segmentation"),
        targets_segmentation: alone("targets_segmentation"),
    };
    let batches = [(inputs.clone(), targets, None), (alone("inputs"), alone("targets"), Some(packed))];
    let keys = rng.split_n(2);
    let tx = optim::adamw(&rate).b1(0.9).b2(0.98).eps(1e-9).weight_decay(0.0);
    let state =
        example.train(params, tx, 2, |state, i| step.call((state, batches[i].clone(), keys.clone())))?;

    let predicting = Config { mode: Mode::Decode, ..config };
    for (name, eos, source) in [("first", 9, inputs.get(0)), ("second", 4, inputs.get(1))] {
        let cache = initialize_cache(&predicting, &source, 8)?;
        if name == "first" {
            example.same("cache", &cache);
        }
        let predict = jit(|(inputs, params, cache): (Tensor, Dict, Dict)| {
            predict_step(&predicting, &inputs, &params, &cache, eos, 8, 3)
        });
        let (sequences, scores) = predict.call((source, state.params.clone(), cache))?;
        // The step of the example returns the best beam without its first token, which is nothing.
        let best = sequences.index_axis(1, -1).slice_axis(1, 1..);
        example.same(&format!("beams/{name}/best"), &best);
        example.same(&format!("beams/{name}/all/0"), &sequences);
        example.near(&format!("beams/{name}/all/1"), &scores);
    }
    example.finish();
    Ok(())
}
