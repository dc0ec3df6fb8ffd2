//! `seq2seq`: adds numbers that are written as characters, and decodes by samples of its own.

use flaxen::nn::{LstmCell, Rnn, Sequence};
use flaxen::prelude::*;
use flaxen::random::Key;

use super::{Example, ORTHOGONAL, State, with_params};

const EOS_ID: usize = 1;

type LstmCarry = (Tensor, Tensor);

/// A step of decoding: its state is that of an LSTM and the last prediction, as one-hot.
///
/// Flax's cell returns logits and prediction; as a [`Cell`] has one output, these stand side by side in it.
#[module(name = "DecoderLSTMCell")]
struct DecoderLstmCell {
    features: usize,
    teacher_force: bool,
    vocab_size: usize,
}

impl Cell for DecoderLstmCell {
    type Carry = (LstmCarry, Tensor);

    #[compact]
    fn call(
        &self,
        (lstm_state, last_prediction): (LstmCarry, Tensor),
        x: &Tensor,
    ) -> Result<((LstmCarry, Tensor), Tensor)> {
        let x = if self.teacher_force { x } else { &last_prediction };
        let (lstm_state, y) = LstmCell::new(self.features).call(lstm_state, x)?;
        let logits = Dense::new(self.vocab_size).call(&y)?;
        let predicted = random::try_categorical(&self.make_rng("lstm")?, &logits, -1)?;
        let prediction = predicted.one_hot(self.vocab_size);
        let outputs = Tensor::try_concatenate(&[logits, prediction.clone()], -1)?;
        Ok(((lstm_state, prediction), outputs))
    }

    fn initial_carry(&self, _key: &Key, _input: &[usize]) -> Result<(LstmCarry, Tensor)> {
        Err(Error::msg("the decoder begins with the state of the encoder"))
    }
}

#[module]
struct Seq2seq {
    teacher_force: bool,
    hidden_size: usize,
    vocab_size: usize,
}

impl Seq2seq {
    /// Logits and predictions `[batch, length - 1, vocab]` for one-hot inputs `[batch, length, vocab]`.
    #[compact]
    fn call(&self, encoder_inputs: &Tensor, decoder_inputs: &Tensor) -> Result<(Tensor, Tensor)> {
        let cell = self.child(LstmCell::new(self.hidden_size));
        let encoder = self.child_named("encoder", Rnn::new(cell));
        let features = decoder_inputs.shape()[2];
        let decoder = self.child(DecoderLstmCell::new(features, self.teacher_force, self.vocab_size));
        let decoder = Rnn::new(decoder).split_rngs([("params", false), ("lstm", true)]);
        let decoder = self.child_named("decoder", decoder);

        let lengths = Sequence::new().lengths(&seq_lengths(encoder_inputs));
        let (encoder_state, _) = encoder.with_carry(encoder_inputs, lengths)?;
        let first = Sequence::new().initial_carry((encoder_state, decoder_inputs.index_axis(1, 0)));
        let outputs = decoder.call_with(&decoder_inputs.slice_axis(1, ..-1), first)?;
        let parts = outputs.try_split(2, -1)?;
        Ok((parts[0].clone(), parts[1].clone()))
    }
}

/// The position of the first end, by which inputs are as long as what stands in front of it.
fn seq_lengths(inputs: &Tensor) -> Tensor {
    inputs.argmax(-1).eq(EOS_ID as i32).cast(DType::I32).argmax(-1)
}

/// The lengths of one-hot sequences with their ends; all of one that has none.
fn get_sequence_lengths(sequences: &Tensor) -> Result<Tensor> {
    let eos_row = sequences.index_axis(2, EOS_ID as isize);
    let eos_idx = eos_row.argmax(-1);
    let found = eos_row.try_take_along_axis(eos_idx.expand_dims([1]), 1)?.squeeze([1]).gt(0.0);
    found.try_select(eos_idx + 1, Tensor::from(sequences.shape()[1] as i32))
}

fn mask_sequences(sequences: &Tensor, lengths: &Tensor) -> Tensor {
    let positions = Tensor::arange(0, sequences.shape()[1] as i32, 1).expand_dims([0]);
    sequences * lengths.expand_dims([1]).gt(positions)
}

fn cross_entropy_loss(logits: &Tensor, labels: &Tensor, lengths: &Tensor) -> Tensor {
    let xe = (logits.log_softmax(-1) * labels).sum_axes([-1]);
    -mask_sequences(&xe, lengths).mean()
}

#[derive(Tree)]
struct Metrics {
    loss: Tensor,
    accuracy: Tensor,
}

fn compute_metrics(logits: &Tensor, labels: &Tensor) -> Result<Metrics> {
    let lengths = get_sequence_lengths(labels)?;
    let loss = cross_entropy_loss(logits, labels, &lengths);
    let right = logits.argmax(-1).eq(labels.argmax(-1)).cast(DType::I32);
    let all_right = mask_sequences(&right, &lengths).sum_axes([-1]).eq(lengths);
    Ok(Metrics { loss, accuracy: all_right.cast(DType::F32).mean() })
}

fn train_step(
    model: &Seq2seq,
    state: &State,
    (query, answer): &(Tensor, Tensor),
    lstm_key: &Key,
) -> Result<(State, Metrics)> {
    let labels = answer.slice_axis(1, 1..);
    let lstm_key = lstm_key.try_fold_in(&state.step)?;
    let loss = |params: &Dict| {
        let run = model.apply(with_params(params)).rngs(Rngs::none().with("lstm", lstm_key.clone()));
        let (logits, _) = run.run(|m| m.call(query, answer))?;
        Ok((cross_entropy_loss(&logits, &labels, &get_sequence_lengths(&labels)?), logits))
    };
    let ((_, logits), grads) = value_and_grad(loss)(&state.params)?;
    Ok((state.apply_gradients(&grads)?, compute_metrics(&logits, &labels)?))
}

/// Answers to questions, from the token `=` on.
fn decode(model: &Seq2seq, params: &Dict, inputs: &Tensor, key: &Key) -> Result<Tensor> {
    const EQUALS: i32 = 14;
    let init = Tensor::from([EQUALS]).one_hot(model.vocab_size);
    let init = init.expand_dims([1]).try_tile([inputs.shape()[0], 5, 1])?;
    let run = model.apply(with_params(params)).rngs(Rngs::none().with("lstm", key.clone()));
    Ok(run.run(|m| m.call(inputs, &init))?.1)
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("seq2seq");
    let batch = (example.array("in/query"), example.array("in/answer"));
    let model = Seq2seq::new(false, 6, 15);
    let [params_key, lstm_key] = key(0).split();
    let rngs = Rngs::new(params_key).with("lstm", lstm_key);
    let ones = |length| Tensor::ones([1, length, 15]);
    let variables = model.init(rngs).run(|m| m.call(&ones(6), &ones(5)))?;
    let params = variables.dict("params")?;
    example.within(ORTHOGONAL, "init/params", params);

    let teacher = Seq2seq::new(true, 6, 15);
    let rngs = || Rngs::none().with("lstm", key(1));
    example.near("out", &teacher.apply(&variables).rngs(rngs()).run(|m| m.call(&batch.0, &batch.1))?);

    let step = jit(|(state, batch): (State, (Tensor, Tensor))| train_step(&model, &state, &batch, &key(0)));
    let state = example.train(params, optim::adam(0.003), 2, |state, _| step.call((state, batch.clone())))?;
    let decoding = jit(|(params, query, key): (Dict, Tensor, Key)| decode(&model, &params, &query, &key));
    let decoded = decoding.call((state.params, batch.0.clone(), key(0).fold_in(2)))?;
    example.same("decoded", &decoded);

    let forced = State::create(params.clone(), optim::adam(0.003).boxed());
    let (forced, measured) = train_step(&teacher, &forced, &batch, &key(0))?;
    example.near("forced/loss", &measured.loss);
    example.near("forced/accuracy", &measured.accuracy);
    example.near("forced/params", &forced.params);
    example.finish();
    Ok(())
}
