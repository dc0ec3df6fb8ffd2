//! A small language model of characters: a transformer that trains on a story and continues it.
//!
//! Attention sees only what came before, by a mask; dropout has a random stream; each step is compiled once; and sampling is
//! a loop around a compiled function of a fixed shape. The story is so short that the model soon knows it by heart, which
//! the loss on the part it never saw shows.

mod model;
mod text;

use std::io::Write;

use anyhow::{Result, ensure};
use clap::Parser;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use flaxen::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

use model::Transformer;
use text::{Text, pieces};

const CONTEXT: usize = 64;
/// So many pieces of the end of the story are tested.
const TESTED: usize = 4;

/// Trains a transformer on a short story, character by character, and lets it continue a prompt.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Options {
    /// Steps of training [default: 600]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    steps: Option<i32>,
    /// Pieces of the story in a step [default: 16]
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    batch_size: Option<usize>,
    /// The highest learning rate
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// What initial parameters, batches and samples depend on
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What is to be continued
    #[arg(long, default_value = "In the evening ")]
    prompt: String,
    /// How many characters to write [default: 400]
    #[arg(long)]
    length: Option<u32>,
    /// Less is more of the same, more is less of it
    #[arg(long, default_value_t = 0.6)]
    temperature: f32,
    /// A few steps and characters, to see whether everything works
    #[arg(long, env = "FLAXEN_QUICK", value_parser = BoolishValueParser::new())]
    quick: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.temperature > 0.0, "a temperature is above 0, not {}", options.temperature);
    let (steps, length) = if options.quick { (4, 10) } else { (600, 400) };
    let story = Text::story();
    let prompt = story.encode(&options.prompt);
    ensure!(!prompt.is_empty(), "the prompt has no character of the story");

    let model = Transformer::new(story.vocabulary(), CONTEXT);
    let params = train(&model, &story, &options, options.steps.unwrap_or(steps))?;
    write(&model, &params, &story, prompt, &options, options.length.unwrap_or(length))
}

/// Trains on pieces from random positions of the story, but for its end.
fn train(model: &Transformer, story: &Text, options: &Options, steps: i32) -> Result<Dict> {
    let batch_size = options.batch_size.unwrap_or(if options.quick { 2 } else { 16 });
    let [initial, batches, dropout, tests, _] = key(options.seed).split();
    let (train, test) = story.parts();
    let variables =
        model.init(initial).run(|m| m.call(&Tensor::zeros_of([1, CONTEXT], DType::I32), false))?;
    let (mut params, _) = variables.pop("params")?;
    let count: usize = tree::leaves(&params).iter().map(|leaf| leaf.size()).sum();
    println!("{} characters to train on, {count} parameters", train.size());

    let rate = optim::warmup_cosine_decay_schedule(0.0, options.learning_rate, steps / 10 + 1, steps.max(2));
    let tx = (optim::clip_by_global_norm(1.0), optim::adamw(rate).weight_decay(0.01));
    let mut state = tx.init(&params);
    let step = jit(|(params, state, dropout, pieces)| {
        let (loss, grads) =
            value_and_grad(|params: &Dict| loss(model, params, &pieces, Some(&dropout)))(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates), state, loss))
    });
    let test_loss = jit(|(params, pieces): (Dict, Tensor)| loss(model, &params, &pieces, None));
    let tested = pieces(&test, &tests, TESTED, CONTEXT + 1);

    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}  {eta} left")?);
    for count in 0..steps {
        let batch = pieces(&train, &batches.fold_in(count), batch_size, CONTEXT + 1);
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
    let (tokens, next) = (pieces.slice_axis(1, 0, -1), pieces.slice_axis(1, 1, None));
    let rngs = dropout.map_or_else(Rngs::none, |key| Rngs::none().with("dropout", key.clone()));
    let run = model.apply(Variables::new().with("params", params)).rngs(rngs);
    let logits = run.run(|m| m.call(&tokens, dropout.is_some()))?;
    Ok(softmax_cross_entropy_with_integer_labels(&logits, &next).mean())
}

/// Continues a prompt, a character at a time.
fn write(
    model: &Transformer,
    params: &Dict,
    story: &Text,
    mut tokens: Vec<i32>,
    options: &Options,
    length: u32,
) -> Result<()> {
    let variables = Variables::new().with("params", params);
    // Always of one shape, so compiled once: what is behind the last character is hidden by the mask.
    let next = jit(|(window, last, key): (Tensor, Tensor, random::Key)| {
        let logits = model.apply(&variables).run(|m| m.call(&window, false))?;
        let logits = logits.squeeze([0]).dynamic_slice_axis(0, last, 1).squeeze([0]);
        Ok(random::categorical(&key, logits / options.temperature, -1))
    });
    let [_, _, _, _, draws] = key(options.seed).split();
    println!();
    print!("{}", story.decode(&tokens));
    for count in 0..length {
        let mut window = tokens[tokens.len().saturating_sub(CONTEXT)..].to_vec();
        let last = window.len() as i32 - 1;
        window.resize(CONTEXT, 0);
        let window = Tensor::from_vec(window, [1, CONTEXT]);
        let token = next.call((window, Tensor::from(last), draws.fold_in(count)))?.item::<i32>()?;
        tokens.push(token);
        print!("{}", story.decode(&[token]));
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}
