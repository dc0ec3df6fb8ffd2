//! The training.

use anyhow::Result;
use flaxen::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

use crate::model::Transformer;
use crate::text::{Text, pieces};

/// So many pieces of the end of the story are tested.
const TESTED: usize = 4;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// How many steps.
    pub steps: i32,
    /// Pieces of the story in a step.
    pub batch_size: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// What initial parameters, dropout and batches depend on.
    pub seed: u64,
}

/// Trains on pieces from random positions of the story, but for its end.
///
/// # Errors
/// If the story is shorter than a piece, or a number is out of its range.
pub fn train(model: &Transformer, story: &Text, training: Training) -> Result<Dict> {
    let Training { steps, batch_size, learning_rate, seed } = training;
    let [initial, batches, dropout, tests, _] = key(seed).split();
    let (train, test) = story.parts();
    let variables =
        model.init(initial).run(|m| m.call(&Tensor::zeros_of([1, model.context], DType::I32), false))?;
    let (mut params, _) = variables.pop("params")?;
    let count: usize = tree::leaves(&params).iter().map(|leaf| leaf.size()).sum();
    println!("{} characters to train on, {count} parameters", train.size());

    let rate = optim::warmup_cosine_decay_schedule(0.0, learning_rate, steps / 10 + 1, steps.max(2));
    let tx = (optim::clip_by_global_norm(1.0), optim::adamw(rate).weight_decay(0.01));
    let mut state = tx.init(&params);
    let step = jit(|(params, state, dropout, pieces)| {
        let (loss, grads) =
            value_and_grad(|params: &Dict| loss(model, params, &pieces, Some(&dropout)))(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, state, loss))
    });
    let test_loss = jit(|(params, pieces): (Dict, Tensor)| loss(model, &params, &pieces, None));
    let tested = pieces(&test, &tests, TESTED, model.context + 1);

    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}  {eta} left")?);
    for count in 0..steps {
        let batch = pieces(&train, &batches.fold_in(count), batch_size, model.context + 1);
        let loss;
        (params, state, loss) = step.call((params, state, dropout.fold_in(count), batch))?;
        bar.inc(1);
        bar.set_message(format!("loss {:.3}", loss.item::<f32>()?));
        if (count + 1) % 100 == 0 || count + 1 == steps {
            let test = test_loss.call((params.clone(), tested.clone()))?.item::<f32>()?;
            let line = format!(
                "step {:>4}: loss {:.3}, on the end of the story {test:.3}",
                count + 1,
                loss.item::<f32>()?
            );
            bar.suspend(|| println!("{line}"));
        }
    }
    bar.finish_and_clear();
    Ok(params)
}

/// The mean loss of a character, in nats; with a key for dropout while training.
fn loss(
    model: &Transformer,
    params: &Dict,
    pieces: &Tensor,
    dropout: Option<&random::Key>,
) -> flaxen::Result<Tensor> {
    let (tokens, next) = (pieces.slice_axis(1, ..-1), pieces.slice_axis(1, 1..));
    let rngs = dropout.map_or_else(Rngs::none, |key| Rngs::none().with("dropout", key.clone()));
    let run = model.apply(Variables::new().with("params", params)).rngs(rngs);
    let logits = run.run(|m| m.call(&tokens, dropout.is_some()))?;
    Ok(softmax_cross_entropy_with_integer_labels(&logits, &next).mean())
}
