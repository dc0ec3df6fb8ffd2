//! `lm1b`: a language model whose initial values say the names of their axes.

use std::collections::BTreeMap;

use flaxen::nn::{
    Attend, Embed, MultiHeadDotProductAttention, combine_masks, make_attention_mask,
    make_attention_mask_with, make_causal_mask,
};
use flaxen::optim::Schedule;
use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::variables::{
    LogicalAxisRules, LogicallyPartitioned, PartitionSpec, PartitionSpecs, logical_to_mesh, partition_spec,
    unbox,
};

use super::transformer::{
    AddPositionEmbs, Config, Metrics, Mode, create_learning_rate_schedule, shift_right, weighted_accuracy,
    weighted_cross_entropy,
};
use super::{Example, FUSED, State, with_params};

/// An initializer whose values say the names of their axes.
fn logical<const N: usize>(init: Initializer, names: [&str; N]) -> Initializer {
    init.boxed(LogicallyPartitioned::new(names))
}

fn norm() -> LayerNorm {
    LayerNorm::new()
        .dtype(DType::F32)
        .bias_init(logical(init::zeros(), ["embed"]))
        .scale_init(logical(init::ones(), ["embed"]))
}

fn dense(features: usize, from: &str, to: &str) -> Dense {
    Dense::new(features)
        .dtype(DType::F32)
        .kernel_init(logical(init::xavier_uniform(), [from, to]))
        .bias_init(logical(init::normal(1e-6), [to]))
}

/// The input one position to the right; the first token of each packed sentence is 0.
fn shift_inputs(x: &Tensor, segments: Option<&Tensor>) -> Tensor {
    let shifted = shift_right(x);
    match segments {
        None => shifted,
        Some(segments) => shifted * segments.eq(shift_right(segments)).cast(DType::I32),
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
        let y = self.child(dense(config.mlp_dim, "embed", "mlp")).call(x)?.relu();
        let y = Dropout::new(config.dropout_rate).call(&y, config.trains())?;
        let y = self.child(dense(x.shape()[2], "mlp", "embed")).call(&y)?;
        Dropout::new(config.dropout_rate).call(&y, config.trains())
    }
}

#[module]
struct EncoderDecoder1DBlock {
    config: Config,
}

impl EncoderDecoder1DBlock {
    #[compact]
    fn call(&self, inputs: &Tensor, decoder_mask: Option<&Tensor>) -> Result<Tensor> {
        let config = &self.config;
        let x = self.child(norm()).call(inputs)?;
        let attention = MultiHeadDotProductAttention::new(config.num_heads)
            .dtype(DType::F32)
            .qkv_features(config.qkv_dim)
            .kernel_init(logical(init::xavier_uniform(), ["embed", "kv"]))
            .bias_init(logical(init::normal(1e-6), ["embed"]))
            .use_bias(false)
            .broadcast_dropout(false)
            .dropout_rate(config.dropout_rate)
            .decode(config.decodes());
        let mut attend = Attend::new().train(config.trains());
        if let Some(mask) = decoder_mask {
            attend = attend.mask(mask);
        }
        let x = self.child(attention).call(&x, attend)?;
        let x = Dropout::new(config.dropout_rate).call(&x, config.trains())? + inputs;
        let z = self.child(norm()).call(&x)?;
        Ok(&x + MlpBlock::new(config.clone()).call(&z)?)
    }
}

#[module]
struct Decoder {
    config: Config,
}

impl Decoder {
    #[compact]
    fn call(&self, inputs: &Tensor, packed: Option<&Packed>, mask: Option<&Tensor>) -> Result<Tensor> {
        let config = &self.config;
        let table = logical(init::normal(1.0), ["vocab", "embed"]);
        let embed = self.child(Embed::new(config.vocab_size, config.emb_dim).embedding_init(table));
        let mut y = inputs.cast(DType::I32);
        if !config.decodes() {
            y = shift_inputs(&y, packed.map(|packed| &packed.segments));
        }
        let y = embed.call(&y)?;
        let positions = AddPositionEmbs::new(config.clone()).decode(config.decodes());
        let y = self
            .child_named("posembed_output", positions)
            .call(&y, packed.map(|packed| &packed.positions))?;
        let mut y = Dropout::new(config.dropout_rate).call(&y, config.trains())?;
        for layer in 0..config.num_layers {
            let block = EncoderDecoder1DBlock::new(config.clone());
            y = self.child_named(format!("encoderdecoderblock_{layer}"), block).call(&y, mask)?;
        }
        let y = self.child_named("encoderdecoder_norm", norm()).call(&y)?;
        if config.logits_via_embedding {
            Ok(embed.attend(&y)? / (y.shape()[2] as f32).sqrt())
        } else {
            self.child_named("logitdense", dense(config.vocab_size, "embed", "vocab")).call(&y)
        }
    }
}

/// Several sentences in a row: which one a token is of, and at which position.
#[derive(Tree, Clone)]
struct Packed {
    positions: Tensor,
    segments: Tensor,
}

#[module]
struct TransformerLm {
    config: Config,
}

impl TransformerLm {
    #[compact]
    fn call(&self, inputs: &Tensor, packed: Option<&Packed>) -> Result<Tensor> {
        let mut mask = None;
        if !self.config.decodes() {
            let seen = inputs.gt(0).cast(DType::F32);
            let (padding, causal) = (make_attention_mask(&seen, &seen)?, make_causal_mask(inputs)?);
            mask = combine_masks([Some(&padding), Some(&causal)])?;
        }
        if let Some(Packed { segments, .. }) = packed {
            let equal = |a: &Tensor, b: &Tensor| a.try_eq(b);
            let alike = make_attention_mask_with(segments, segments, equal, 0, DType::F32)?;
            mask = combine_masks([mask.as_ref(), Some(&alike)])?;
        }
        self.child_named("decoder", Decoder::new(self.config.clone())).call(inputs, packed, mask.as_ref())
    }
}

fn train_step(
    config: &Config,
    rate: &Schedule,
    state: &State,
    (inputs, packed): &(Tensor, Option<Packed>),
    dropout: &Key,
) -> Result<(State, Metrics)> {
    let weights = inputs.gt(0).cast(DType::F32);
    let dropout = dropout.try_fold_in(&state.step)?;
    let model = TransformerLm::new(config.clone());
    let loss = |params: &Dict| {
        let run = model.apply(with_params(params)).rngs(Rngs::none().with("dropout", dropout.clone()));
        let logits = run.run(|m| m.call(inputs, packed.as_ref()))?;
        let (loss, weight_sum) = weighted_cross_entropy(&logits, inputs, &weights, 0.0)?;
        Ok((loss / weight_sum, logits))
    };
    let ((_, logits), grads) = value_and_grad(loss)(&state.params)?;
    let next = state.apply_gradients(&grads)?;
    let (loss, denominator) = weighted_cross_entropy(&logits, inputs, &weights, 0.0)?;
    let accuracy = weighted_accuracy(&logits, inputs, &weights);
    Ok((next, Metrics { loss, accuracy, denominator, learning_rate: rate.at(&state.step)? }))
}

/// What is left of the loop of sampling: position, sequences, cache, tokens, which sequences have ended, and a key.
type Sampling = (Tensor, Tensor, Dict, Tensor, Tensor, Key);

/// Draws token after token behind prompts `[1, length]`, which have zeros where nothing is said.
fn temperature_sample(
    prompt_inputs: &Tensor,
    init_cache: &Dict,
    tokens_to_logits: impl Fn(&Tensor, &Dict) -> Result<(Tensor, Dict)>,
    key: &Key,
    temperature: f32,
    topk: usize,
    eos_token: i32,
) -> Result<Tensor> {
    let [batch_size, max_decode_len] = prompt_inputs.shape()[..] else { unreachable!("[batch, length]") };
    let token0 = Tensor::zeros_of([batch_size, 1], DType::I32);
    let ended0 = Tensor::zeros_of([batch_size, 1], DType::Bool);
    let init: Sampling =
        (Tensor::from(-1), prompt_inputs.clone(), init_cache.clone(), token0, ended0, key.clone());

    let goes_on = |(i, _, _, _, ended, _): &Sampling| {
        let not_at_end = i.lt(max_decode_len as i32 - 1);
        Ok(not_at_end & !ended.all())
    };
    let body = |(i, sequences, cache, cur_token, ended, rng): Sampling| {
        let [rng1, rng2] = rng.try_split()?;
        let (logits, new_cache) = tokens_to_logits(&cur_token, &cache)?;
        let next_token = if topk > 0 {
            let (topk_logits, topk_idxs) = logits.try_top_k(topk)?;
            let topk_token = random::try_categorical(&rng1, topk_logits / temperature, -1)?.expand_dims([-1]);
            topk_idxs.try_take_along_axis(topk_token, -1)?.squeeze([-1])
        } else {
            random::try_categorical(&rng1, logits / temperature, -1)?
        };
        // Only sampled where the prompt has ended.
        let at = &i + 1;
        let given = sequences.try_dynamic_slice_axis(1, &at, 1)?.squeeze([1]);
        let out_of_prompt = given.eq(0);
        let next_token = next_token * &out_of_prompt + given * !out_of_prompt;
        let next_token = next_token.expand_dims([0]) * !&ended;
        let ended = ended | next_token.eq(eos_token);
        let sequences = sequences.try_dynamic_update_axis(1, &at, &next_token)?;
        Ok((at, sequences, new_cache, next_token, ended, rng2))
    };
    let (_, sequences, ..) = while_loop(goes_on, body)(init)?;
    Ok(sequences)
}

fn predict_step(
    config: &Config,
    inputs: &Tensor,
    params: &Dict,
    key: &Key,
    temperature: f32,
    topk: usize,
) -> Result<Tensor> {
    let model = TransformerLm::new(config.clone());
    let target = Tensor::ones([inputs.shape()[0], 8]);
    let initial = model.init(random::key(0)).run(|m| m.call(&target, None))?;
    let tokens_to_logits = |ids: &Tensor, cache: &Dict| {
        let variables = with_params(params).with("cache", cache);
        let (logits, updates) = model.apply(variables).mutable("cache").run(|m| m.call(ids, None))?;
        Ok((logits.squeeze([1]), updates.dict("cache")?.clone()))
    };
    temperature_sample(inputs, initial.dict("cache")?, tokens_to_logits, key, temperature, topk, 2)
}

/// The names of the axes of each boxed value, and the axes of the mesh that these go along by the example's rules, are those
/// that Flax has.
fn check_boxes(example: &Example, params: &Dict) -> Result<()> {
    let names = |specs: &PartitionSpecs| -> BTreeMap<String, Vec<String>> {
        let names =
            |spec: &PartitionSpec| spec.names().map(|name| name.unwrap_or_default().to_owned()).collect();
        specs.iter().filter_map(|(path, spec)| Some((path.join("/"), names(spec?)))).collect()
    };
    let expected = |key: &str| -> BTreeMap<String, Vec<String>> {
        serde_json::from_value(example.0.expect()[key].clone()).expect("names by paths")
    };
    let logical = partition_spec(params);
    assert_eq!(names(&logical), expected("boxes"));
    let rules = LogicalAxisRules::new()
        .rule("mlp", "tensor")
        .rule("vocab", "tensor")
        .rule("embed", "fsdp")
        .rule("heads", "tensor");
    assert_eq!(names(&logical_to_mesh(&logical, &rules)?), expected("mesh"));
    Ok(())
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("lm1b");
    let config = Config::small();
    let model = TransformerLm::new(config.clone());
    let inputs = example.array("in/inputs");
    let packed = Packed {
        positions: example.array("in/packed/inputs_position"),
        segments: example.array("in/packed/inputs_segmentation"),
    };
    let packed_inputs = example.array("in/packed/inputs");

    let [rng, init_key] = key(0).split();
    let [rng, inference_key] = rng.split();
    let variables = model.init(init_key).run(|m| m.call(&Tensor::ones([2, 8]), None))?;
    check_boxes(&example, variables.dict("params")?)?;
    let params = &unbox(variables.dict("params")?)?;
    example.within(FUSED, "init/params", params);
    let apply = |config: &Config, params: &Dict, inputs: &Tensor, packed: Option<&Packed>| {
        TransformerLm::new(config.clone()).apply(with_params(params)).run(|m| m.call(inputs, packed))
    };
    example.near("out", &apply(&config, params, &inputs.get(0), None)?);
    example.near("out_packed", &apply(&config, params, &packed_inputs, Some(&packed))?);
    let tied = Config { logits_via_embedding: true, ..config.clone() };
    let (_, without) = params.pop("decoder/logitdense")?;
    example.near("out_tied", &apply(&tied, &without, &inputs.get(0), None)?);

    let rate = create_learning_rate_schedule(0.0016, 3);
    let rates: Vec<Tensor> = (0..6).map(|step| rate.at(step)).collect::<Result<_>>()?;
    example.near("schedule", &Tensor::stack(&rates, 0));
    let training = Config { mode: Mode::Train, ..config.clone() };
    let step = jit(|(state, batch, dropout): (State, (Tensor, Option<Packed>), Key)| {
        train_step(&training, &rate, &state, &batch, &dropout)
    });
    let batches = [(inputs.get(0), None), (packed_inputs, Some(packed))];
    let tx = optim::adamw(&rate).b1(0.9).b2(0.98).eps(1e-9).weight_decay(0.1);
    let state =
        example.train(params, tx, 2, |state, i| step.call((state, batches[i].clone(), rng.clone())))?;

    // Each device has a prompt of its own, of another length.
    let predicting = Config { mode: Mode::Decode, ..config };
    let prompts = example.array("in/prompts");
    let keys = inference_key.split_n(prompts.shape()[0]);
    for (name, temperature, topk) in [("top_k", 0.6, 4), ("all", 1.0, 0)] {
        let predict = jit(|(prompts, params, keys): (Tensor, Dict, Key)| {
            let one = |(inputs, params, key): (Tensor, Dict, Key)| {
                predict_step(&predicting, &inputs, &params, &key, temperature, topk)
            };
            vmap(one).in_axes((0, None, 0)).call((prompts, params, keys))
        });
        let sampled = predict.call((prompts.clone(), state.params.clone(), keys.clone()))?;
        example.same(&format!("sampled/{name}"), &sampled);
    }
    example.finish();
    Ok(())
}
