//! `nlp_seq`: a transformer that tags the words of sentences.

use flaxen::nn::{Attend, Embed, MultiHeadDotProductAttention};
use flaxen::optim::Schedule;
use flaxen::prelude::*;
use flaxen::random::Key;

use super::transformer::{Metrics, weighted_accuracy, weighted_cross_entropy};
use super::{Example, State, pmean, with_params};

#[derive(Clone, Debug, PartialEq)]
struct Config {
    vocab_size: usize,
    output_vocab_size: usize,
    emb_dim: usize,
    num_heads: usize,
    num_layers: usize,
    qkv_dim: usize,
    mlp_dim: usize,
    max_len: usize,
    dropout_rate: f64,
    posemb_init: Option<Initializer>,
}

fn dense(features: usize) -> Dense {
    Dense::new(features).kernel_init(init::xavier_uniform()).bias_init(init::normal(1e-6))
}

/// Sines and cosines of positions, in turns: `[1, max_len, features]`.
fn sinusoidal(max_len: usize, features: usize) -> Tensor {
    let mut table = vec![0.0f32; max_len * features];
    for (i, value) in table.iter_mut().enumerate() {
        let (position, feature) = (i / features, i % features);
        let rate = ((feature / 2 * 2) as f64 * -(10000.0f64.ln() / features as f64)).exp();
        let angle = position as f64 * rate;
        *value = if feature % 2 == 0 { angle.sin() } else { angle.cos() } as f32;
    }
    Tensor::from_vec(table, [1, max_len, features])
}

#[module]
struct AddPositionEmbs {
    config: Config,
}

impl Layer for AddPositionEmbs {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let (max_len, features) = (self.config.max_len, x.shape()[2]);
        let embedding = match &self.config.posemb_init {
            None => sinusoidal(max_len, features),
            Some(init) => self.param("pos_embedding", init, [1, max_len, features])?,
        };
        Ok(x + embedding.slice_axis(1, 0..x.shape()[1]))
    }
}

#[module]
struct MlpBlock {
    config: Config,
}

impl MlpBlock {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let config = &self.config;
        let y = self.child(dense(config.mlp_dim)).call(x)?.elu(1.0);
        let y = Dropout::new(config.dropout_rate).call(&y, train)?;
        let y = self.child(dense(x.shape()[2])).call(&y)?;
        Dropout::new(config.dropout_rate).call(&y, train)
    }
}

#[module]
struct Encoder1DBlock {
    config: Config,
}

impl Encoder1DBlock {
    #[compact]
    fn call(&self, inputs: &Tensor, train: bool) -> Result<Tensor> {
        let config = &self.config;
        let x = LayerNorm::new().dtype(DType::F32).call(inputs)?;
        let attention = MultiHeadDotProductAttention::new(config.num_heads)
            .dtype(DType::F32)
            .qkv_features(config.qkv_dim)
            .kernel_init(init::xavier_uniform())
            .bias_init(init::normal(1e-6))
            .use_bias(false)
            .broadcast_dropout(false)
            .dropout_rate(config.dropout_rate);
        let x = self.child(attention).call(&x, Attend::new().train(train))?;
        let x = Dropout::new(config.dropout_rate).call(&x, train)? + inputs;
        let y = LayerNorm::new().dtype(DType::F32).call(&x)?;
        Ok(&x + MlpBlock::new(config.clone()).call(&y, train)?)
    }
}

#[module]
struct Transformer {
    config: Config,
}

impl Transformer {
    #[compact]
    fn call(&self, inputs: &Tensor, train: bool) -> Result<Tensor> {
        let config = &self.config;
        let x = inputs.cast(DType::I32);
        let x = self.child_named("embed", Embed::new(config.vocab_size, config.emb_dim)).call(&x)?;
        let x = Dropout::new(config.dropout_rate).call(&x, train)?;
        let mut x = AddPositionEmbs::new(config.clone()).call(&x)?;
        for _ in 0..config.num_layers {
            x = Encoder1DBlock::new(config.clone()).call(&x, train)?;
        }
        let x = LayerNorm::new().dtype(DType::F32).call(&x)?;
        self.child(dense(config.output_vocab_size)).call(&x)
    }
}

/// `constant * linear_warmup * rsqrt_decay`.
fn create_learning_rate_scheduler(base: f32, warmup_steps: f32) -> Schedule {
    Schedule::new(move |step| {
        let step = step.cast(DType::F32);
        let warmup = (&step / warmup_steps).minimum(1.0) * base;
        Ok(warmup / step.maximum(warmup_steps).sqrt())
    })
}

fn train_step(
    model: &Transformer,
    rate: &Schedule,
    state: &State,
    (inputs, targets): &(Tensor, Tensor),
    dropout: &Key,
) -> Result<(State, Metrics)> {
    let weights = targets.gt(0).cast(DType::F32);
    let dropout = dropout.try_fold_in(&state.step)?;
    let loss = |params: &Dict| {
        let run = model.apply(with_params(params)).rngs(Rngs::none().with("dropout", dropout.clone()));
        let logits = run.run(|m| m.call(inputs, true))?;
        let (loss, weight_sum) = weighted_cross_entropy(&logits, targets, &weights, 0.0)?;
        Ok((loss / weight_sum, logits))
    };
    let learning_rate = rate.at(&state.step)?;
    let ((_, logits), grads) = value_and_grad(loss)(&state.params)?;
    let next = state.apply_gradients(&pmean(&grads, "batch")?)?;
    let (loss, denominator) = weighted_cross_entropy(&logits, targets, &weights, 0.0)?;
    let accuracy = weighted_accuracy(&logits, targets, &weights);
    Ok((next, Metrics { loss, accuracy, denominator, learning_rate }))
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("nlp_seq");
    let config = Config {
        vocab_size: 9,
        output_vocab_size: 5,
        emb_dim: 8,
        num_heads: 2,
        num_layers: 2,
        qkv_dim: 8,
        mlp_dim: 6,
        max_len: 8,
        dropout_rate: 0.3,
        posemb_init: None,
    };
    let model = Transformer::new(config.clone());
    let (inputs, targets) = (example.array("in/inputs"), example.array("in/targets"));
    let [rng, init_key] = key(0).split();
    let variables = model.init(&init_key).run(|m| m.call(&Tensor::ones([8, 1]), false))?;
    let params = variables.dict("params")?;
    example.initial("init/params", params);
    example.near("out", &model.apply(&variables).run(|m| m.call(&inputs.get(0), false))?);
    let learned = Config { posemb_init: Some(init::normal(0.02)), num_layers: 1, ..config };
    let learned = Transformer::new(learned).init(&init_key).run(|m| m.call(&inputs.get(0), false))?;
    example.initial("learned/init", learned.dict("params/AddPositionEmbs_0")?);

    let rate = create_learning_rate_scheduler(0.05, 2.0);
    let rates: Vec<Tensor> = (0..5).map(|step| rate.at(step)).collect::<Result<_>>()?;
    example.near("schedule", &Tensor::stack(&rates, 0));
    let step = jit(|(state, batch, keys): (State, (Tensor, Tensor), Key)| {
        let shard = |(state, batch, key): (State, (Tensor, Tensor), Key)| {
            train_step(&model, &rate, &state, &batch, &key)
        };
        let shards = vmap(shard).axis_name("batch").in_axes((None, 0, 0)).out_axes((None, 0));
        shards.call((state, batch, keys))
    });
    let keys = rng.split_n(2);
    let tx = optim::adamw(&rate).b1(0.9).b2(0.98).eps(1e-9).weight_decay(0.1);
    example.train(params, tx, 2, |state, _| {
        step.call((state, (inputs.clone(), targets.clone()), keys.clone()))
    })?;
    example.finish();
    Ok(())
}
