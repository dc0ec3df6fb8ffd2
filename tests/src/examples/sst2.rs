//! `sst2`: a classifier of sentences, by scans in both directions and attention over their results.

use flaxen::lift;
use flaxen::nn::OptimizedLstmCell;
use flaxen::prelude::*;
use flaxen::random::Key;

use super::{Example, ORTHOGONAL, State, with_params};

/// True at the positions of each sequence: `[batch, max_length]`.
fn sequence_mask(lengths: &Tensor, max_length: usize) -> Tensor {
    Tensor::arange(0, max_length as i32, 1).expand_dims([0]).lt(lengths.expand_dims([1]))
}

/// Each sequence backwards, with its padding still behind it.
fn flip_sequences(inputs: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let one = |(inputs, length): (Tensor, Tensor)| {
        let max_length = inputs.shape()[0] as i32;
        // What a roll by `max_length - length` and a flip take.
        let rolled = (Tensor::arange(0, max_length, 1) + &length) % max_length;
        inputs.try_take(rolled.flip([0]), 0)
    };
    vmap(one).call((inputs.clone(), lengths.clone()))
}

/// Replaces ids by that of an unknown word.
#[module]
struct WordDropout {
    dropout_rate: f64,
    unk_idx: i32,
}

impl WordDropout {
    #[compact]
    fn call(&self, inputs: &Tensor, train: bool) -> Result<Tensor> {
        if !train || self.dropout_rate == 0.0 {
            return Ok(inputs.clone());
        }
        let mask = random::try_bernoulli(&self.make_rng("dropout")?, self.dropout_rate, inputs.shape())?;
        mask.try_select(Tensor::from(self.unk_idx), inputs)
    }
}

#[module]
struct Embedder {
    vocab_size: usize,
    embedding_size: usize,
    dropout_rate: f64,
    word_dropout_rate: f64,
    unk_idx: i32,
    #[setup(self.param("embedding", init::normal(0.1), [self.vocab_size, self.embedding_size]))]
    embedding: Tensor,
    #[setup(Dropout::new(self.dropout_rate))]
    dropout_layer: Dropout,
    #[setup(WordDropout::new(self.word_dropout_rate, self.unk_idx))]
    word_dropout_layer: WordDropout,
}

impl Embedder {
    #[compact]
    fn call(&self, inputs: &Tensor, train: bool) -> Result<Tensor> {
        let inputs = self.word_dropout_layer.call(inputs, train)?;
        self.dropout_layer.call(&self.embedding.try_take(&inputs, 0)?, train)
    }
}

type LstmCarry = (Tensor, Tensor);

#[module]
struct SimpleLstm {
    hidden_size: usize,
}

impl SimpleLstm {
    #[compact]
    fn call(&self, carry: LstmCarry, x: &Tensor) -> Result<(LstmCarry, Tensor)> {
        lift::scan(self, |m, carry: LstmCarry, x: Tensor| {
            m.child(OptimizedLstmCell::new(m.hidden_size)).call(carry, &x)
        })
        .share("params")
        .axes(1)
        .call(carry, x.clone())
    }

    fn initialize_carry(&self, input: &[usize]) -> Result<LstmCarry> {
        // The key is never read: states begin with zeros.
        OptimizedLstmCell::new(self.hidden_size).initial_carry(&random::key(0), input)
    }
}

#[module]
struct SimpleBiLstm {
    hidden_size: usize,
    #[setup(SimpleLstm::new(self.hidden_size))]
    forward_lstm: SimpleLstm,
    #[setup(SimpleLstm::new(self.hidden_size))]
    backward_lstm: SimpleLstm,
}

impl SimpleBiLstm {
    #[compact]
    fn call(&self, embedded_inputs: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let input = [embedded_inputs.shape()[0], embedded_inputs.shape()[2]];
        let initial_state = self.forward_lstm.initialize_carry(&input)?;
        let (_, forward_outputs) = self.forward_lstm.call(initial_state, embedded_inputs)?;

        let reversed_inputs = flip_sequences(embedded_inputs, lengths)?;
        let initial_state = self.backward_lstm.initialize_carry(&input)?;
        let (_, backward_outputs) = self.backward_lstm.call(initial_state, &reversed_inputs)?;
        let backward_outputs = flip_sequences(&backward_outputs, lengths)?;
        Tensor::try_concatenate(&[forward_outputs, backward_outputs], -1)
    }
}

#[module]
struct Mlp {
    hidden_size: usize,
    output_size: usize,
    dropout_rate: f64,
    #[setup(Dense::new(self.hidden_size))]
    intermediate_layer: Dense,
    #[setup(Dense::new(self.output_size).use_bias(false))]
    output_layer: Dense,
    #[setup(Dropout::new(self.dropout_rate))]
    dropout_layer: Dropout,
}

impl Mlp {
    #[compact]
    fn call(&self, inputs: &Tensor, train: bool) -> Result<Tensor> {
        let hidden = self.intermediate_layer.call(inputs)?.tanh();
        let hidden = self.dropout_layer.call(&hidden, train)?;
        self.output_layer.call(&hidden)
    }
}

#[module]
struct KeysOnlyMlpAttention {
    hidden_size: usize,
}

impl KeysOnlyMlpAttention {
    #[compact]
    fn call(&self, keys: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let dense = |features| Dense::new(features).use_bias(false);
        let energy = self.child_named("keys", dense(self.hidden_size)).call(keys)?.tanh();
        let scores = self.child_named("energy", dense(1)).call(&energy)?.squeeze([-1]);
        let scores = mask.try_select(&scores, Tensor::from(f32::NEG_INFINITY))?.softmax(-1);
        self.sow("intermediates", "attention", &scores)?;
        Ok(scores)
    }
}

#[module]
struct AttentionClassifier {
    hidden_size: usize,
    output_size: usize,
    dropout_rate: f64,
    #[setup(Dropout::new(self.dropout_rate))]
    dropout_layer: Dropout,
    #[setup(KeysOnlyMlpAttention::new(self.hidden_size))]
    keys_only_mlp_attention: KeysOnlyMlpAttention,
    #[setup(Mlp::new(self.hidden_size, self.output_size, self.dropout_rate))]
    mlp: Mlp,
}

impl AttentionClassifier {
    #[compact]
    fn call(&self, encoded_inputs: &Tensor, lengths: &Tensor, train: bool) -> Result<Tensor> {
        let encoded_inputs = self.dropout_layer.call(encoded_inputs, train)?;
        let mask = sequence_mask(lengths, encoded_inputs.shape()[1]);
        let attention = self.keys_only_mlp_attention.call(&encoded_inputs, &mask)?;
        let context = attention.expand_dims([1]).try_matmul(&encoded_inputs)?.squeeze([1]);
        let context = self.dropout_layer.call(&context, train)?;
        self.mlp.call(&context, train)
    }
}

#[module]
struct TextClassifier {
    embedding_size: usize,
    hidden_size: usize,
    vocab_size: usize,
    output_size: usize,
    dropout_rate: f64,
    word_dropout_rate: f64,
    #[module(default = 1)]
    unk_idx: i32,
    #[setup(Embedder::new(
        self.vocab_size, self.embedding_size, self.dropout_rate, self.word_dropout_rate, self.unk_idx
    ))]
    embedder: Embedder,
    #[setup(SimpleBiLstm::new(self.hidden_size))]
    encoder: SimpleBiLstm,
    #[setup(AttentionClassifier::new(self.hidden_size, self.output_size, self.dropout_rate))]
    classifier: AttentionClassifier,
}

impl TextClassifier {
    #[compact]
    fn embed_token_ids(&self, token_ids: &Tensor, train: bool) -> Result<Tensor> {
        self.embedder.call(token_ids, train)
    }

    #[compact]
    fn logits_from_embedded_inputs(
        &self,
        embedded: &Tensor,
        lengths: &Tensor,
        train: bool,
    ) -> Result<Tensor> {
        let encoded_inputs = self.encoder.call(embedded, lengths)?;
        self.classifier.call(&encoded_inputs, lengths, train)
    }

    #[compact]
    fn call(&self, token_ids: &Tensor, lengths: &Tensor, train: bool) -> Result<Tensor> {
        let embedded = self.embed_token_ids(token_ids, train)?;
        self.logits_from_embedded_inputs(&embedded, lengths, train)
    }
}

fn sigmoid_cross_entropy_with_logits(labels: &Tensor, logits: &Tensor) -> Result<Tensor> {
    let positive = logits.ge(0.0);
    let relu_logits = positive.try_select(logits, logits.zeros_like())?;
    let neg_abs_logits = positive.try_select(-logits, logits)?;
    Ok(relu_logits - logits * labels + neg_abs_logits.exp().log1p())
}

#[derive(Tree)]
struct Metrics {
    loss: Tensor,
    accuracy: Tensor,
}

/// Token ids `[batch, length]`, lengths and labels `[batch]`.
type Batch = (Tensor, Tensor, Tensor);

fn train_step(
    model: &TextClassifier,
    state: &State,
    (token_ids, lengths, labels): &Batch,
    dropout: &Key,
) -> Result<(State, Metrics)> {
    let dropout = dropout.try_fold_in(&state.step)?;
    let labels = labels.expand_dims([1]);
    let loss = |params: &Dict| {
        let run = model.apply(with_params(params)).rngs(Rngs::none().with("dropout", dropout.clone()));
        let logits = run.run(|m| m.call(token_ids, lengths, true))?;
        Ok((sigmoid_cross_entropy_with_logits(&labels, &logits)?.mean(), logits))
    };
    let ((_, logits), grads) = value_and_grad(loss)(&state.params)?;
    let loss = sigmoid_cross_entropy_with_logits(&labels, &logits)?.sum();
    let accuracy = logits.ge(0.0).cast(DType::F32).eq(&labels).cast(DType::I32).sum();
    Ok((state.apply_gradients(&grads)?, Metrics { loss, accuracy }))
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("sst2");
    let [ids, lengths, labels] = ["in/ids", "in/lengths", "in/labels"].map(|key| example.array(key));
    let model = TextClassifier::new(5, 4, 12, 1, 0.5, 0.1);
    let (ones, length) = (Tensor::ones([2, 3]).cast(DType::I32), Tensor::ones([2]).cast(DType::I32));
    let variables = model.init(key(0)).run(|m| m.call(&ones, &length, false))?;
    let params = variables.dict("params")?;
    example.within(ORTHOGONAL, "init/params", params);

    let run = model.apply(with_params(params)).mutable("intermediates");
    let (out, stored) = run.run(|m| m.call(&ids.get(0), &lengths.get(0), false))?;
    example.near("out", &out);
    let attention = stored.at("intermediates/classifier/keys_only_mlp_attention/attention")?;
    example.near("attention", &attention.tuple()?[0]);

    let step =
        jit(|(state, batch, dropout): (State, Batch, Key)| train_step(&model, &state, &batch, &dropout));
    let batch = |i: usize| {
        let i = i as isize;
        (ids.get(i), lengths.get(i), labels.get(i))
    };
    let tx = (optim::sgd(0.1).momentum(0.9), optim::add_decayed_weights(3e-6));
    example.train(params, tx, 2, |state, i| step.call((state, batch(i), key(3))))?;
    example.finish();
    Ok(())
}
