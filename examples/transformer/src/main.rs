//! A small language model of characters: a transformer that trains on a story and continues it.
//!
//! Attention sees only what came before, by a mask; dropout has a random stream; each step is compiled once; and sampling is
//! a loop around a compiled function of a fixed shape. The story is so short that the model soon knows it by heart, which
//! the loss on the part it never saw shows. `--save` keeps it for the program `generate`, which writes faster, by a cache.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use flaxen::prelude::*;
use transformer::model::Transformer;
use transformer::saved;
use transformer::text::Text;
use transformer::train::{Training, train};

const CONTEXT: usize = 64;

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
    /// Where to keep the model, for `generate`
    #[arg(long)]
    save: Option<PathBuf>,
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
    let training = Training {
        steps: options.steps.unwrap_or(steps),
        batch_size: options.batch_size.unwrap_or(if options.quick { 2 } else { 16 }),
        learning_rate: options.learning_rate,
        seed: options.seed,
    };
    let params = train(&model, &story, training)?;
    if let Some(path) = &options.save {
        saved::save(path, &model, &story, &params)?;
        println!("kept as {}", path.display());
    }
    write(&model, &params, &story, prompt, &options, options.length.unwrap_or(length))
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
