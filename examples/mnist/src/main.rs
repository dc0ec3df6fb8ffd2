//! Trains a convolutional network on handwritten digits: what a whole program with Flaxen looks like.
//!
//! - `model`: the network, a struct and one method.
//! - `train`: one compiled step, and epochs of it.
//! - `checkpoint`: a training as a file, and back.
//! - `data`, `idx`: digits that are part of the program, and those of MNIST's files.
//! - `report`: tables and curves.

mod checkpoint;
mod data;
mod idx;
mod model;
mod options;
mod report;
mod train;

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use flaxen::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

use data::{Dataset, Digits};
use options::Options;
use report::percent;
use train::{Epoch, Score, Trainer};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let data = options.data()?;
    println!("{}: {} to train on, {} to test on", data.name, describe(&data.train), data.test.len());
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make the folder `{}`", options.out.display()))?;

    let mut trainer = start_training(options, &data)?;
    let epochs = options.epochs();
    if trainer.history.len() >= epochs {
        println!(
            "nothing to train: there are {} epochs already; ask for more by --epochs",
            trainer.history.len()
        );
    }
    while trainer.history.len() < epochs {
        let epoch = run_epoch(&mut trainer, &data, epochs)?;
        println!("epoch {:>3}/{epochs}   {}", trainer.history.len(), line(&epoch));
        checkpoint::save(&options.model_file(), &trainer, &data)?;
    }

    let (score, found) = trainer.test(&data.test)?;
    let labels = data.test.labels.to_vec::<i32>()?;
    println!(
        "\nWhat the network takes each digit of the test set for:\n{}",
        report::confusion(&labels, &found)
    );
    if let Some(mistakes) = report::mistakes(&data.test, &labels, &found)? {
        println!("\nSome of its mistakes:\n{mistakes}");
    }
    let curves =
        report::curves(&format!("{}, {} epochs", data.name, trainer.history.len()), &trainer.history)?;
    let curves_file = options.out.join("curves.svg");
    flaxen::io::write(&curves_file, curves)?;

    println!(
        "\ntest accuracy {}, loss {:.4}, after {:.1} s",
        percent(score.accuracy),
        score.loss,
        start.elapsed().as_secs_f64()
    );
    println!("parameters and the state of training: {}", options.model_file().display());
    println!("curves:                               {}", curves_file.display());
    Ok(())
}

/// From the beginning, or from the file of an earlier training.
fn start_training(options: &Options, data: &Dataset) -> Result<Trainer> {
    if options.resume {
        let trainer = checkpoint::load(&options.model_file(), options.settings(), data)?;
        println!("resumed after {} epochs", trainer.history.len());
        return Ok(trainer);
    }
    let trainer = Trainer::new(options.settings().or_default(), data)?;
    let count: usize = tree::leaves(&trainer.state.params).iter().map(|leaf| leaf.size()).sum();
    println!("{count} parameters, {:?}", trainer.settings);
    Ok(trainer)
}

fn run_epoch(trainer: &mut Trainer, data: &Dataset, epochs: usize) -> Result<Epoch> {
    let steps = data.train.len().div_ceil(trainer.settings.batch_size);
    let bar = ProgressBar::new(steps as u64)
        .with_prefix(format!("epoch {:>3}/{epochs}", trainer.history.len() + 1));
    bar.set_style(ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}  {msg}  {eta} left")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let epoch = trainer.run_epoch(data, |score| {
        bar.set_message(text(score));
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(epoch?)
}

fn line(epoch: &Epoch) -> String {
    format!("training: {}   test: {}", text(epoch.train), text(epoch.test))
}

fn text(score: Score) -> String {
    format!("loss {:.4}, accuracy {:>7}", score.loss, percent(score.accuracy))
}

fn describe(digits: &Digits) -> String {
    let shape = digits.images.shape();
    format!("{} images of {} × {} pixels", shape[0], shape[1], shape[2])
}
