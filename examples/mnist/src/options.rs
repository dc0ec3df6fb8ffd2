//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use flaxen::parallel::World;

use crate::data::{self, Dataset, Split};
use crate::train::Settings;

/// Trains a convolutional network on handwritten digits.
///
/// Without options: on 1437 digits that are part of this program, and tests on 360 others. After each epoch the parameters
/// and all else that the training needs to go on are written to model.safetensors, and at the end loss and accuracy are
/// drawn in curves.svg. The same seed gives the same values.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "\
Examples:
  mnist                                train for 40 epochs
  mnist --resume --epochs 60           and for 20 more
  mnist --split shuffled --seed 7      an easier test
  mnist --data ~/mnist --epochs 3      the 70,000 digits of MNIST
  mnist --world threads:2              on two ranks, each of which sees half of every step's images"
)]
pub struct Options {
    /// How many epochs there are to be in all, those of a resumed training included [default: 40, or 5 of --data]
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    epochs: Option<usize>,

    /// How many images a step sees [default: 64, or that of the resumed training]
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    batch_size: Option<usize>,

    /// Adam's learning rate at first, which halves every ten epochs [default: 0.004, or that of the resumed training]
    #[arg(long, value_parser = positive)]
    learning_rate: Option<f64>,

    /// What initial parameters, the order of images and a shuffled split depend on [default: 0]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    seed: u64,

    /// Which of the embedded digits to keep for testing
    #[arg(long, value_enum, default_value = "ordered", conflicts_with = "data")]
    split: Split,

    /// A folder with the four files of MNIST (train-images-idx3-ubyte and so on), plain or gzipped, to be used instead
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// The folder for what is written; it is made if it is not there
    #[arg(long, value_name = "FOLDER", default_value = "target/mnist")]
    pub out: PathBuf,

    /// Go on from the training in the folder --out
    #[arg(long)]
    pub resume: bool,

    /// The ranks that train together, each on its part of every step's images: `threads:N`, N threads of this process, or `mpi`, all
    /// processes that mpirun started [default: one rank, which has all threads]
    #[arg(long, value_name = "WORLD", value_parser = world)]
    world: Option<World>,

    /// Train for two epochs on a few of the images, to see whether everything works
    #[arg(long, env = "FLAXEN_QUICK", value_parser = BoolishValueParser::new())]
    quick: bool,
}

/// Settings as far as the command line has them.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub batch_size: Option<usize>,
    pub learning_rate: Option<f64>,
    pub seed: u64,
}

impl Asked {
    /// The settings of a new training.
    pub fn or_default(self) -> Settings {
        Settings {
            batch_size: self.batch_size.unwrap_or(64),
            learning_rate: self.learning_rate.unwrap_or(4e-3),
            seed: self.seed,
        }
    }
}

impl Options {
    pub fn epochs(&self) -> usize {
        self.epochs.unwrap_or(match (self.quick, &self.data) {
            (true, _) => 2,
            (false, Some(_)) => 5,
            (false, None) => 40,
        })
    }

    pub fn settings(&self) -> Asked {
        Asked { batch_size: self.batch_size, learning_rate: self.learning_rate, seed: self.seed }
    }

    /// The ranks asked for.
    pub fn world(&self) -> World {
        self.world.clone().unwrap_or_else(World::single)
    }

    pub fn model_file(&self) -> PathBuf {
        self.out.join("model.safetensors")
    }

    /// The digits asked for.
    pub fn data(&self) -> Result<Dataset> {
        let data = match &self.data {
            Some(folder) => data::mnist(folder)?,
            None => data::embedded(self.split, self.seed)?,
        };
        Ok(if self.quick { data.beginning(256, 100) } else { data })
    }
}

fn world(text: &str) -> Result<World, String> {
    match text.split_once(':') {
        Some(("threads", count)) => match count.parse() {
            Ok(count @ 1..=256) => Ok(World::threads(count)),
            _ => Err("expected a number of threads from 1 to 256".to_owned()),
        },
        None if text == "mpi" => processes(),
        _ => Err("expected `threads:N` or `mpi`".to_owned()),
    }
}

#[cfg(feature = "mpi")]
fn processes() -> Result<World, String> {
    World::mpi().map_err(|error| error.to_string())
}

#[cfg(not(feature = "mpi"))]
fn processes() -> Result<World, String> {
    Err("this program was built without MPI: build it with `--features mpi`".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("expected a positive number".to_owned()) }
}
