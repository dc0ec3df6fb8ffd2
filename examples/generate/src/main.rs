//! Writes text with the model that the program `transformer` trains, as fast as it can: a token at a time, by a cache.
//!
//! Shown: a decoder whose keys and values are kept in the collection `cache`, which a compiled `scan` carries from token to token; the
//! prompt is read by the same loop; the likeliest token, or one of the likeliest by temperature, `top-k` and `top-p`; and text that
//! appears while it is written. Without weights it trains a model itself first.
//!
//! ```sh
//! cargo run --release -p transformer -- --save story.safetensors
//! cargo run --release -p generate -- --weights story.safetensors --top-k 5
//! ```

mod sampler;
mod writer;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use flaxen::prelude::*;
use transformer::model::Transformer;
use transformer::saved;
use transformer::text::Text;
use transformer::train::{Training, train};

use sampler::Sampler;

/// The context of a model that is trained here.
const CONTEXT: usize = 64;

/// Continues a prompt with a decoder and its cache.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Options {
    /// A model of `transformer --save`; without it one is trained first
    #[arg(long, env = "FLAXEN_GENERATE_WEIGHTS")]
    weights: Option<PathBuf>,
    /// What is to be continued
    #[arg(long, default_value = "In the evening ")]
    prompt: String,
    /// How many characters to write [default: 400]
    #[arg(long)]
    length: Option<usize>,
    /// Less is more of the same, more is less of it; 0 always writes the likeliest character
    #[arg(long, default_value_t = 0.6)]
    temperature: f32,
    /// Choose from so many of the likeliest characters only
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    top_k: Option<usize>,
    /// Choose from the likeliest characters only, of which the probability is at least this together, from 0 to 1
    #[arg(long)]
    top_p: Option<f32>,
    /// What choices, and a training, depend on
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Steps of a training [default: 600]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    steps: Option<i32>,
    /// A few steps and characters, to see whether everything works
    #[arg(long, env = "FLAXEN_QUICK", value_parser = BoolishValueParser::new())]
    quick: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let Options { temperature, top_k, top_p, .. } = options;
    ensure!(temperature >= 0.0 && temperature.is_finite(), "a temperature is at least 0, not {temperature}");
    ensure!(
        top_p.is_none_or(|p| p > 0.0 && p <= 1.0),
        "a probability is above 0 and at most 1, not {top_p:?}"
    );
    let sampler = Sampler { temperature, top_k, top_p };

    let (model, text, params) = match &options.weights {
        Some(path) => saved::load(path)?,
        None => trained(&options)?,
    };
    let prompt = text.encode(&options.prompt);
    ensure!(!prompt.is_empty(), "the prompt has no character that the model knows");

    let mut out = std::io::stdout();
    write!(out, "\n{}", text.decode(&prompt))?;
    out.flush()?;
    let length = options.length.unwrap_or(if options.quick { 24 } else { 400 });
    let emit = |tokens: &[i32]| -> Result<()> {
        write!(out, "{}", text.decode(tokens))?;
        out.flush().context("the terminal")
    };
    let times = writer::write(&model, &params, sampler, &prompt, length, key(options.seed), emit)?;
    let seconds = times.writing.as_secs_f64();
    println!(
        "\n\n{length} tokens in {seconds:.3} s, {:.0} a second; compiled in {:.3} s before",
        length as f64 / seconds,
        times.compiling.as_secs_f64()
    );
    Ok(())
}

/// A model that is trained now, its characters and parameters.
fn trained(options: &Options) -> Result<(Transformer, Text, Dict)> {
    let story = Text::story();
    let model = Transformer::new(story.vocabulary(), CONTEXT);
    let steps = options.steps.unwrap_or(if options.quick { 4 } else { 600 });
    let batch_size = if options.quick { 2 } else { 16 };
    let training = Training { steps, batch_size, learning_rate: 3e-3, seed: options.seed };
    let params = train(&model, &story, training)?;
    Ok((model, story, params))
}
