//! A training as a file, and back: parameters, the state of the optimizer, the scores of epochs, and the settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use flaxen::io::safetensors::{File, Save};
use flaxen::parallel::World;
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
pub fn load(path: &Path, asked: Asked, data: &Dataset, world: &World) -> Result<Trainer> {
    ensure!(path.is_file(), "there is no training to resume: no file `{}`", path.display());
    let file = File::open(path)?;
    let texts = file.metadata();
    let read = || -> Result<(String, Settings)> {
        let settings = Settings {
            batch_size: setting(texts, "batch_size")?,
            learning_rate: setting(texts, "learning_rate")?,
            seed: setting(texts, "seed")?,
        };
        Ok((setting(texts, "data")?, settings))
    };
    let (name, found) = read().with_context(|| format!("`{}`", path.display()))?;
    ensure!(
        name == data.name,
        "`{}` was trained on `{name}`, and the digits asked for are `{}`",
        path.display(),
        data.name
    );
    let seed = found.seed;
    ensure!(asked.seed == seed, "`{}` was trained with the seed {seed}: pass --seed {seed}", path.display());
    let settings = Settings {
        batch_size: asked.batch_size.unwrap_or(found.batch_size),
        learning_rate: asked.learning_rate.unwrap_or(found.learning_rate),
        seed,
    };

    let mut trainer = Trainer::new(settings, data, world)?;
    let history = file.tensor("history")?;
    let template = Checkpoint { state: trainer.state, history };
    let Checkpoint { state, history } = file.restore(&template)?;
    trainer.state = state;
    trainer.history = epochs_of(&history)?;
    Ok(trainer)
}

fn table(history: &[Epoch]) -> Tensor {
    let row = |epoch: &Epoch| [epoch.train.loss, epoch.train.accuracy, epoch.test.loss, epoch.test.accuracy];
    Tensor::from_vec(history.iter().flat_map(row).collect::<Vec<f32>>(), [history.len(), 4])
}

fn epochs_of(table: &Tensor) -> Result<Vec<Epoch>> {
    let numbers = table.to_vec::<f32>()?;
    let score = |row: &[f32]| Score { loss: row[0], accuracy: row[1] };
    Ok(numbers.chunks_exact(4).map(|row| Epoch { train: score(row), test: score(&row[2..]) }).collect())
}

/// A setting among the texts of a file.
fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    texts: &BTreeMap<String, String>,
    name: &str,
) -> Result<T> {
    let text =
        texts.get(name).with_context(|| format!("is no training of this program: it has no `{name}`"))?;
    text.parse().with_context(|| format!("has the {name} `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Split};

    const ASKED: Asked = Asked { batch_size: Some(40), learning_rate: None, seed: 3 };
    const NOTHING_BUT_THE_SEED: Asked = Asked { batch_size: None, learning_rate: None, seed: 3 };

    fn few_digits() -> Result<Dataset> {
        Ok(data::embedded(Split::Ordered, 0)?.beginning(100, 30))
    }

    fn numbers(trainer: &Trainer) -> Result<Vec<Vec<f32>>> {
        tree::leaves(&trainer.state)
            .into_iter()
            .map(|leaf| Ok(leaf.cast(DType::F32).to_vec::<f32>()?))
            .collect()
    }

    #[test]
    fn a_resumed_training_goes_on_as_one_that_never_ended() -> Result<()> {
        let data = few_digits()?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.safetensors");

        let mut whole = Trainer::new(ASKED.or_default(), &data, &World::single())?;
        whole.run_epoch(&data, |_, _| ())?;
        save(&path, &whole, &data)?;
        whole.run_epoch(&data, |_, _| ())?;

        let mut resumed = load(&path, NOTHING_BUT_THE_SEED, &data, &World::single())?;
        assert_eq!((resumed.settings, &resumed.history[..]), (whole.settings, &whole.history[..1]));
        resumed.run_epoch(&data, |_, _| ())?;
        assert_eq!(resumed.history, whole.history);
        assert_eq!(numbers(&resumed)?, numbers(&whole)?);
        Ok(())
    }

    /// The scores of epochs of a training on so many ranks, which may have been begun by others.
    fn history(
        ranks: usize,
        epochs: usize,
        resumed: Option<&Path>,
        saved: Option<&Path>,
    ) -> Result<Vec<Epoch>> {
        let data = few_digits()?;
        let train = |world: &World| -> Result<Vec<Epoch>> {
            let mut trainer = match resumed {
                Some(path) => load(path, NOTHING_BUT_THE_SEED, &data, world)?,
                None => Trainer::new(ASKED.or_default(), &data, world)?,
            };
            while trainer.history.len() < epochs {
                trainer.run_epoch(&data, |_, _| ())?;
            }
            if let Some(path) = saved.filter(|_| world.rank() == 0) {
                save(path, &trainer, &data)?;
            }
            Ok(trainer.history)
        };
        let train = |world: &World| train(world).map_err(|error| Error::msg(format!("{error:#}")));
        let mut all = World::threads(ranks).run(train)?;
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "all ranks have the same scores");
        Ok(all.swap_remove(0))
    }

    #[test]
    fn many_ranks_have_the_losses_of_one() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.safetensors");
        let expected = history(1, 2, None, None)?;
        // The last step of an epoch has 20 images: 7, 7 and 6 for three ranks.
        let three = history(3, 1, None, Some(&path))?;
        let resumed_by_two = history(2, 2, Some(&path), None)?;
        assert_eq!(three[0], resumed_by_two[0]);
        for (found, expected) in resumed_by_two.iter().zip(&expected) {
            for (found, expected) in [(found.train, expected.train), (found.test, expected.test)] {
                assert!((found.loss - expected.loss).abs() < 1e-5, "{found:?} {expected:?}");
                assert_eq!(found.accuracy, expected.accuracy);
            }
        }
        Ok(())
    }

    #[test]
    fn the_same_seed_trains_to_the_same_numbers() -> Result<()> {
        let data = few_digits()?;
        let trained = |seed: u64| -> Result<Vec<Vec<f32>>> {
            let mut trainer = Trainer::new(Asked { seed, ..ASKED }.or_default(), &data, &World::single())?;
            trainer.run_epoch(&data, |_, _| ())?;
            numbers(&trainer)
        };
        assert_eq!(trained(0)?, trained(0)?);
        assert_ne!(trained(0)?, trained(1)?);
        Ok(())
    }

    #[test]
    fn a_training_is_not_resumed_on_other_digits_or_with_another_seed() -> Result<()> {
        let data = few_digits()?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.safetensors");
        let message = |result: Result<Trainer>| format!("{:#}", result.err().expect("a mistake"));
        assert!(
            message(load(&path, ASKED, &data, &World::single()))
                .starts_with("there is no training to resume: no file")
        );

        save(&path, &Trainer::new(ASKED.or_default(), &data, &World::single())?, &data)?;
        let other = data::embedded(Split::Shuffled, 3)?.beginning(100, 30);
        assert!(
            message(load(&path, ASKED, &other, &World::single()))
                .contains("was trained on `UCI digits, ordered split")
        );
        let seed = Asked { seed: 4, ..ASKED };
        assert!(
            message(load(&path, seed, &data, &World::single()))
                .ends_with("was trained with the seed 3: pass --seed 3")
        );

        std::fs::write(&path, b"not a checkpoint")?;
        assert!(message(load(&path, ASKED, &data, &World::single())).contains("model.safetensors"));
        Ok(())
    }
}
