//! Numbered steps in a folder, as `flax.training.checkpoints` keeps them.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::io::checkpoints::Checkpoints;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path().join("run");
//! # let (params, _) = Dense::new(2).init(key(0)).call(&Tensor::ones([1, 3]))?.pop("params")?;
//! // The last three, and one of every thousand steps.
//! let checkpoints = Checkpoints::new(&folder).keep(3).keep_every(1000);
//! let start = TrainState::create(params, optim::sgd(0.1));
//! // Goes on where a run that was stopped has been, and begins where none was.
//! let mut state = checkpoints.restore(&start)?.unwrap_or(start);
//! for step in state.step.item::<i32>()? + 1..=4 {
//!     state = state.apply_gradients(&state.params)?;
//!     checkpoints.save(step as u64, &state)?;
//! }
//! assert_eq!(checkpoints.steps()?, [1, 2, 3, 4]); // 1 is the first of its thousand
//! assert_eq!(checkpoints.latest()?, Some(4));
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! A checkpoint is one file, `checkpoint_4`, and of other [formats](Format) `checkpoint_4.safetensors` or `checkpoint_4.npz`. By
//! default it is the file that `flax.training.checkpoints.save_checkpoint` writes, byte for byte, and Flax's own can be restored
//! from; so a run can move between the two. (Flax has to be told not to write folders of Orbax:
//! `flax.config.update("flax_use_orbax_checkpointing", False)`; [coming from Orbax](crate::guide::from_orbax) is about those.)
//!
//! Files appear whole or not at all, and older ones are removed only after that: a run that is killed leaves its last checkpoint as
//! it was. What a killed save left behind has another name and is never read; the next save removes it. (So is Flax's
//! `checkpoint_tmp`, which stays.) Other files in the folder are left alone.

mod entry;

use std::path::{Path, PathBuf};

use entry::Entry;

use super::{msgpack, npz, safetensors};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// What a checkpoint is a file of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// Flax's own: [`msgpack`], without an ending.
    #[default]
    Msgpack,
    /// [`safetensors`].
    Safetensors,
    /// [`npz`].
    Npz,
}

impl Format {
    const ALL: [Format; 3] = [Format::Msgpack, Format::Safetensors, Format::Npz];

    /// What follows the number of the step.
    fn ending(self) -> &'static str {
        match self {
            Format::Msgpack => "",
            Format::Safetensors => ".safetensors",
            Format::Npz => ".npz",
        }
    }
}

/// A folder of checkpoints, and which of them are kept.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    prefix: String,
    format: Format,
    keep: usize,
    keep_every: Option<u64>,
    overwrite: bool,
}

impl Checkpoints {
    /// A folder, which the first [`save`](Checkpoints::save) makes: the last checkpoint is kept.
    pub fn new(folder: impl AsRef<Path>) -> Checkpoints {
        Checkpoints {
            folder: folder.as_ref().to_owned(),
            prefix: "checkpoint_".to_owned(),
            format: Format::default(),
            keep: 1,
            keep_every: None,
            overwrite: false,
        }
    }

    /// What is in front of the number of the step, `checkpoint_` by default; several kinds of checkpoints can be in one folder.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Checkpoints {
        Checkpoints { prefix: prefix.into(), ..self }
    }

    /// What is written. Checkpoints of all formats are read.
    #[must_use]
    pub fn format(self, format: Format) -> Checkpoints {
        Checkpoints { format, ..self }
    }

    /// How many of the last checkpoints are kept, at least one; one by default.
    #[must_use]
    pub fn keep(self, count: usize) -> Checkpoints {
        Checkpoints { keep: count, ..self }
    }

    /// Keeps older checkpoints, too, whose steps are at least so many apart: the first, and each that is far enough from the one
    /// before it that is kept. (As in Flax, the step 0 is never kept for this.)
    #[must_use]
    pub fn keep_every(self, steps: u64) -> Checkpoints {
        Checkpoints { keep_every: (steps > 0).then_some(steps), ..self }
    }

    /// Whether a step that is there already, or is older than one that is there, may be saved: it is replaced then, and all
    /// checkpoints of later steps are removed. Not allowed by default.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Checkpoints {
        Checkpoints { overwrite, ..self }
    }

    /// Saves the checkpoint of a step, then removes those that are not to be kept; returns the new file's path.
    ///
    /// # Errors
    /// If there is one of this step or a later one already, unless [`overwrite`](Checkpoints::overwrite) is allowed; if the tree
    /// cannot be written in the format, or the folder not be written to. Nothing has been removed then.
    pub fn save(&self, step: u64, tree: &impl Tree) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}{step}{}", self.prefix, self.format.ending()));
        self.check(step)?;
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| self.wrong(format_args!("cannot be made: {error}")))?;
        match self.format {
            Format::Msgpack => msgpack::save(&path, tree)?,
            Format::Safetensors => safetensors::save(&path, tree)?,
            Format::Npz => npz::save(&path, tree)?,
        }
        for entry in self.superseded(step, &path)? {
            std::fs::remove_file(&entry.path).map_err(|error| {
                let at = path.display();
                self.wrong(format_args!(
                    "`{at}` has been saved, but the step {} cannot be removed: {error}",
                    entry.step
                ))
            })?;
        }
        Ok(path)
    }

    /// Restores the latest checkpoint in the structure of a template, whose own values do not matter; None where there is none.
    ///
    /// # Errors
    /// If it cannot be read; if names, shapes or dtypes are not those of the template, with a list.
    pub fn restore<T: Tree>(&self, template: &T) -> Result<Option<T>> {
        self.entries()?.last().map(|entry| entry.restore(template)).transpose()
    }

    /// Restores the checkpoint of a step.
    ///
    /// # Errors
    /// As [`restore`](Checkpoints::restore); if there is none of this step.
    pub fn restore_step<T: Tree>(&self, step: u64, template: &T) -> Result<T> {
        self.entry(step)?.restore(template)
    }

    /// The steps of which there is a checkpoint, in order.
    ///
    /// # Errors
    /// If the folder cannot be read; one that is not there has no steps.
    pub fn steps(&self) -> Result<Vec<u64>> {
        let mut steps: Vec<u64> = self.entries()?.into_iter().map(|entry| entry.step).collect();
        steps.dedup();
        Ok(steps)
    }

    /// The latest step of which there is a checkpoint.
    ///
    /// # Errors
    /// As [`steps`](Checkpoints::steps).
    pub fn latest(&self) -> Result<Option<u64>> {
        Ok(self.entries()?.last().map(|entry| entry.step))
    }

    /// Where the checkpoint of a step is, to load it without a template, or some of it.
    ///
    /// # Errors
    /// If there is none; as [`steps`](Checkpoints::steps).
    pub fn path(&self, step: u64) -> Result<PathBuf> {
        self.entry(step).map(|entry| entry.path)
    }

    /// What there is, in the order of the steps.
    fn entries(&self) -> Result<Vec<Entry>> {
        let entries = entry::all(&self.folder, &self.prefix);
        let mut entries = entries.map_err(|error| self.wrong(format_args!("cannot be read: {error}")))?;
        // Of two files of a step, the one that is written now comes last.
        entries.sort_by_key(|entry| (entry.step, entry.format == Some(self.format)));
        Ok(entries)
    }

    fn entry(&self, step: u64) -> Result<Entry> {
        let entries = self.entries()?;
        let steps: Vec<String> = entries.iter().map(|entry| entry.step.to_string()).collect();
        let found = entries.into_iter().rev().find(|entry| entry.step == step);
        found.ok_or_else(|| {
            let there = if steps.is_empty() { "nothing".to_owned() } else { steps.join(", ") };
            self.wrong(format_args!("there is no checkpoint of the step {step}; there is {there}"))
        })
    }

    /// Whether a step may be saved.
    fn check(&self, step: u64) -> Result<()> {
        if self.keep == 0 {
            return Err(Error::argument(
                "Checkpoints::keep",
                "the last checkpoint is always kept: keep at least 1",
            ));
        }
        if self.prefix.contains(std::path::is_separator) {
            let message = format!("the prefix {:?} is a path: give the folder to `new`", self.prefix);
            return Err(Error::argument("Checkpoints::prefix", message));
        }
        for entry in self.entries()?.iter().filter(|entry| entry.step >= step).rev() {
            if entry.format.is_none() {
                return Err(entry.is_folder());
            }
            if !self.overwrite {
                return Err(self.wrong(format_args!(
                    "the step {step} is to be saved, but there is a checkpoint of the step {} already: save a later step, or \
                     allow to replace it, and to remove all later ones, with `.overwrite(true)`",
                    entry.step
                )));
            }
        }
        Ok(())
    }

    /// What is not to be kept after a step has been saved as a file.
    fn superseded(&self, step: u64, path: &Path) -> Result<Vec<Entry>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.format.is_some());
        // Later steps, and the same one in another format, are of a run that is being replaced.
        let is_replaced = |entry: &Entry| entry.step > step || (entry.step == step && entry.path != path);
        let (mut superseded, kept): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_replaced);
        let old = kept.len().saturating_sub(self.keep);
        let mut last_kept = None;
        for entry in kept.into_iter().take(old) {
            let is_far = |every: u64| last_kept.is_none_or(|last| entry.step - last >= every);
            if self.keep_every.is_some_and(|every| entry.step > 0 && is_far(every)) {
                last_kept = Some(entry.step);
            } else {
                superseded.push(entry);
            }
        }
        Ok(superseded)
    }

    fn wrong(&self, message: impl std::fmt::Display) -> Error {
        Error::file(&self.folder.display().to_string(), message)
    }
}
