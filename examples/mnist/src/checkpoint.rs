//! A training as a file, and back: parameters, the state of the optimizer, the scores of epochs, and the settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use flaxen::io::safetensors::{File, Save};
use flaxen::prelude::*;

use crate::data::Dataset;
use crate::options::Asked;
use crate::train::{Epoch, Score, Settings, State, Trainer};

/// What is in the file.
#[derive(Clone, Debug, Tree)]
struct Checkpoint {
    state: State,
    /// `F32[epochs, 4]`.
    history: Tensor,
}

/// Writes a training to a file, which is replaced by the whole new one or stays as it is.
pub fn save(path: &Path, trainer: &Trainer, data: &Dataset) -> Result<()> {
    let Settings { batch_size, learning_rate, seed } = trainer.settings;
    let checkpoint = Checkpoint { state: trainer.state.clone(), history: table(&trainer.history) };
    Save::new()
        .metadata("data", &data.name)
        .metadata("batch_size", batch_size.to_string())
        .metadata("learning_rate", learning_rate.to_string())
        .metadata("seed", seed.to_string())
        .run(path, &checkpoint)?;
    Ok(())
}

/// Reads a training from a file: one that goes on as if it had never ended.
///
/// What the command line does not say is as it was; data and seed have to be the same, because digits to test on would be
/// among those it was trained on otherwise.
pub fn load(path: &Path, asked: Asked, data: &Dataset) -> Result<Trainer> {
    ensure!(path.is_file(), "there is no training to resume: no file `{}`", path.display());
    let file = File::open(path)?;
    let texts = file.metadata();
    let of = |name| text(texts, name).with_context(|| format!("`{}`", path.display()));
    ensure!(
        of("data")? == data.name,
        "`{}` was trained on `{}`, and the digits asked for are `{}`",
        path.display(),
        of("data")?,
        data.name
    );
    let number = |name: &str| of(name).and_then(|text| parsed(name, text));
    let seed: u64 = of("seed").and_then(|text| parsed("seed", text))?;
    ensure!(asked.seed == seed, "`{}` was trained with the seed {seed}: pass --seed {seed}", path.display());
    let settings = Settings {
        batch_size: asked.batch_size.map_or_else(|| number("batch_size"), Ok)?,
        learning_rate: asked.learning_rate.map_or_else(|| of("learning_rate").and_then(|text| parsed("learning_rate", text)), Ok)?,
        seed,
    };

    let mut trainer = Trainer::new(settings, data)?;
    let epochs = file.aval("history")?.shape()[0];
    let template = Checkpoint { state: trainer.state, history: Tensor::zeros([epochs, 4]) };
    let Checkpoint { state, history } = file.restore(&template)?;
    trainer.state = state;
    trainer.history = epochs_of(&history)?;
    Ok(trainer)
}
