//! Trains a convolutional network on handwritten digits: what a whole program with Flaxen looks like.
//!
//! - `model`: the network, a struct and one method.
//! - `train`: one compiled step, and epochs of it, on one rank or on many.
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
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use flaxen::parallel::World;
use flaxen::prelude::*;
use flaxen::train::Progress;

use data::{Dataset, Digits};
use options::Options;
use report::percent;
use train::{Epoch, Score, Trainer};

fn main() -> ExitCode {
    let options = Options::parse();
    let world = options.world();
    // On all ranks alike; an error on one of them ends all.
    let ended = world.run(|world| run(&options, world).map_err(|error| Error::msg(format!("{error:#}"))));
    match ended {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) if world.size() == 1 => failed(error.root()),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

fn run(options: &Options, world: &World) -> Result<()> {
    let start = Instant::now();
    let data = options.data()?;
    let mut trainer = start_training(options, &data, world)?;
    let epochs = options.epochs();
    // One rank writes what all of them have found.
    let writes = world.rank() == 0;
    if writes {
        begin(options, &data, &trainer)?;
    }
    while trainer.history.len() < epochs {
        let epoch = run_epoch(&mut trainer, &data, epochs)?;
        if writes {
            println!("epoch {:>3}/{epochs}   {}", trainer.history.len(), line(&epoch));
            checkpoint::save(&options.model_file(), &trainer, &data)?;
        }
    }
    if writes { report(options, &data, &trainer, start) } else { Ok(()) }
}

fn begin(options: &Options, data: &Dataset, trainer: &Trainer) -> Result<()> {
    println!("{}: {} to train on, {} to test on", data.name, describe(&data.train), data.test.len());
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make the folder `{}`", options.out.display()))?;
    let done = trainer.history.len();
    if options.resume {
        println!("resumed after {done} epochs");
    } else {
        let count: usize = tree::leaves(&trainer.state.params).iter().map(|leaf| leaf.size()).sum();
        println!("{count} parameters, {:?}", trainer.settings);
    }
    if done >= options.epochs() {
        println!("nothing to train: there are {done} epochs already; ask for more by --epochs");
    }
    Ok(())
}

/// What has come of a training: tables, and a file of curves.
fn report(options: &Options, data: &Dataset, trainer: &Trainer, start: Instant) -> Result<()> {
    let (score, found) = trainer.classify(&data.test)?;
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
fn start_training(options: &Options, data: &Dataset, world: &World) -> Result<Trainer> {
    if options.resume {
        checkpoint::load(&options.model_file(), options.settings(), data, world)
    } else {
        Ok(Trainer::new(options.settings().or_default(), data, world)?)
    }
}

fn run_epoch(trainer: &mut Trainer, data: &Dataset, epochs: usize) -> Result<Epoch> {
    let steps = data.train.len().div_ceil(trainer.settings.batch_size);
    let name = format!("epoch {:>3}/{epochs}", trainer.history.len() + 1);
    let mut progress = Progress::new(name, steps).unit("images").hidden(trainer.world.rank() != 0);
    let epoch = trainer.run_epoch(data, |images, score| progress.step(images, text(score)));
    progress.clear();
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
