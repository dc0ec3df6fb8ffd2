//! The [safetensors](https://huggingface.co/docs/safetensors) format: all dtypes, texts beside the tensors, and parts of a file
//! without the rest.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::io::safetensors::{self, File, Save};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("model.safetensors");
//! let variables = Dense::new(2).init(key(0)).call(&Tensor::ones([1, 3]))?;
//! Save::new().metadata("epoch", "7").run(&path, &variables)?;
//! assert_eq!(safetensors::load_variables(&path)?, variables);
//!
//! let file = File::open(&path)?; // reads the header only
//! assert_eq!(file.metadata()["epoch"], "7");
//! assert_eq!(file.names().collect::<Vec<_>>(), ["params/bias", "params/kernel"]);
//! assert_eq!(file.aval("params/kernel")?.to_string(), "f32[3,2]");
//! assert_eq!(file.tensor("params/bias")?.shape(), [2]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! Other programs read these files, and these functions read files of others, of dtypes that [`DType`](crate::DType) has; floats of 8 bits
//! become `BF16`, without loss. What has no tensors is not kept: empty dicts, `Static` data, the metadata of boxes. A template brings it back, and so do programs that
//! make their variables with `init`. Names that contain a `/` themselves (those of `WeightNorm` do) are noted under `flaxen.keys`
//! in the file's metadata, so that they stay one name.
//!
//! A tensor that a template has may be in a box in the file, as Flax's `to_state_dict` has it: `kernel/value` and nothing else below
//! `kernel`.
//!
//! # Two traps in Python
//! - `safetensors.numpy` 0.8.0 writes the memory of an array and not its values, without a word: what is transposed, in Fortran's order or
//!   sliced with a step (`x.T`, `x[:, ::2]`) has its numbers in the wrong places in the file, for every reader. So
//!   `save_file({name: numpy.ascontiguousarray(x) …})`; `safetensors.torch` refuses such tensors, and `safetensors.flax` writes them as
//!   they are.
//! - `safetensors.flax.load_file` gives JAX what it reads: without `jax_enable_x64` an `int64` of 2⁴⁰ + 1 is an `int32` of 1, and `float64`
//!   has 24 bits left. Here all 64 stay.

mod dtype;
mod file;
mod header;
mod save;

use std::path::Path;

pub use file::File;
pub(super) use header::spoiled;
pub use save::Save;

use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::{Dict, Variables};

/// Saves a tree's tensors under their names; [`Save`] has more options.
///
/// # Errors
/// If a name could not be read back, or a value has no elements because it is traced; if the file cannot be written. The file is
/// then as it was before.
pub fn save(path: impl AsRef<Path>, tree: &impl Tree) -> Result<()> {
    Save::new().run(path, tree)
}

/// Loads all tensors of a file as a dict, nested by their names.
///
/// # Errors
/// If the file cannot be read, is not valid, or has a dtype that no tensor has.
pub fn load(path: impl AsRef<Path>) -> Result<Dict> {
    File::open(path)?.dict()
}

/// Loads all tensors of a file as variables: the first part of each name is its collection.
///
/// # Errors
/// As [`load`]; if a tensor is in no collection.
pub fn load_variables(path: impl AsRef<Path>) -> Result<Variables> {
    let file = File::open(path)?;
    file.dict()?.try_into().map_err(|error: Error| Error::file(file.path(), error))
}

/// Loads a tree of the structure of a template, whose own values do not matter.
///
/// The template may be the state a program starts from, or the result of [`eval_shape`](crate::eval_shape). What is no tensor,
/// such as the optimizer in a [`TrainState`](crate::optim::TrainState), is the template's.
///
/// # Errors
/// As [`load`]; if names, shapes or dtypes differ, with a list of those.
pub fn restore<T: Tree>(path: impl AsRef<Path>, template: &T) -> Result<T> {
    File::open(path)?.restore(template)
}
