//! Finds speech in a WAV file with Silero VAD, prints its segments and draws them.
//!
//! Shown: weights of a PyTorch model from the package that people download, by their names, for either of two rates; a network whose memory a
//! compiled `scan` carries from window to window, and a loop of blocks from second to second, so that a sound of any length needs one
//! program; resampling as one convolution; a chart.
//!
//! ```sh
//! pip download --no-deps silero-vad==6.2.3
//! cargo run --release -p vad -- --weights silero_vad-6.2.3-py3-none-any.whl --picture speech.svg sound.wav
//! ```
//!
//! Without a file it hears a voice that it makes itself; without weights it has learned nothing, which `FLAXEN_QUICK` allows.

mod detector;
mod model;
mod picture;
#[cfg(test)]
mod reference;
mod segments;
mod sound;
mod weights;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Parser;
use clap::builder::BoolishValueParser;
use indicatif::{ProgressBar, ProgressStyle};

use model::{Rate, Vad};
use segments::{Rules, segments};

/// Characters of the line that shows where speech is.
const LINE: usize = 80;

/// Finds segments of speech in a sound.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Options {
    /// A WAV file; without it a voice is made
    sound: Option<PathBuf>,
    /// A wheel of silero-vad 6.2, or the file `silero_vad.jit` in it
    #[arg(long, env = "FLAXEN_SILERO_VAD")]
    weights: Option<PathBuf>,
    /// The rate of the network, 8000 or 16000 Hz, to which a sound is brought
    #[arg(long, default_value_t = 16000)]
    rate: u32,
    /// The probability from which on it is speech
    #[arg(long, default_value_t = 0.5)]
    threshold: f64,
    /// Shorter segments are left out, in milliseconds
    #[arg(long, default_value_t = 250.0)]
    min_speech: f64,
    /// Longer segments are cut, in seconds
    #[arg(long, default_value_t = f64::INFINITY)]
    max_speech: f64,
    /// Shorter pauses end nothing, in milliseconds
    #[arg(long, default_value_t = 100.0)]
    min_silence: f64,
    /// What is added at both sides of a segment, in milliseconds
    #[arg(long, default_value_t = 30.0)]
    pad: f64,
    /// Where to draw the sound and what was found, as SVG
    #[arg(long)]
    picture: Option<PathBuf>,
    /// A model without weights, to see whether everything works
    #[arg(long, env = "FLAXEN_QUICK", value_parser = BoolishValueParser::new())]
    quick: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let Some(rate) = Rate::of(options.rate) else {
        anyhow::bail!("there are networks for 8000 and 16000 Hz, none for {}", options.rate);
    };
    let rules = Rules {
        threshold: options.threshold,
        min_speech_ms: options.min_speech,
        max_speech_s: options.max_speech,
        min_silence_ms: options.min_silence,
        pad_ms: options.pad,
    };
    for number in
        [rules.threshold, rules.min_speech_ms, rules.max_speech_s, rules.min_silence_ms, rules.pad_ms]
    {
        ensure!(number >= 0.0, "numbers are at least 0, not {number}");
    }

    let model = Vad::new(rate);
    let variables = match &options.weights {
        Some(path) => weights::load(path, &model, rate)?,
        None => {
            ensure!(
                options.quick,
                "there are no weights: `--weights` names a wheel of silero-vad, or `--quick` goes without"
            );
            weights::random(&model, rate, 0)?
        }
    };
    let sound = match &options.sound {
        Some(path) => sound::resampled(&sound::read(path)?, rate.hertz())?,
        None => sound::voice(rate.hertz(), if options.quick { 2.0 } else { 8.0 }),
    };
    let hertz = f64::from(rate.hertz());
    let seconds = sound.samples.len() as f64 / hertz;

    let began = Instant::now();
    let bar = ProgressBar::new(sound.samples.len().div_ceil(rate.window()) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} windows  {eta} left")?);
    let progress = |count: usize| bar.set_position(count as u64);
    let likely = detector::probabilities(&model, &variables, rate, &sound.samples, progress)?;
    bar.finish_and_clear();
    let took = began.elapsed().as_secs_f64();

    let found = segments(&likely, rate, sound.samples.len(), &rules);
    println!("{}", picture::line(sound.samples.len(), &found, LINE));
    for &(start, end) in &found {
        println!("{:9.3} - {:9.3} s", start as f64 / hertz, end as f64 / hertz);
    }
    println!("{} segments in {seconds:.1} s of sound, in {took:.2} s", found.len());
    let svg = picture::draw(&sound, &found, &likely, rate.window())?;
    if let Some(path) = &options.picture {
        std::fs::write(path, svg)?;
        println!("drawn in {}", path.display());
    }
    Ok(())
}
