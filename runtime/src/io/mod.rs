//! Saving and loading: [`safetensors`], [`npz`], Flax's own files with [`msgpack`], and numbered [`checkpoints`] of a training in a
//! folder. The weights that others publish: those of PyTorch models with [`torch`], of llama.cpp with [`gguf`], of ONNX with [`onnx`].
//!
//! Coming from Orbax? [A page of the guide](crate::guide::from_orbax) is about that.
//!
//! Whatever is a [`Tree`](trait@crate::Tree) can be saved: a [`Dict`](crate::Dict), [`Variables`](crate::Variables), a
//! [`TrainState`](crate::optim::TrainState), a tuple of parameters and an optimizer's state. Each tensor has a name, the way to
//! it joined by `/`: `params/Dense_0/kernel`, `opt_state/0/mu/Dense_0/kernel`. What is loaded without more is a `Dict`, in which
//! tuples are dicts with the names `0`, `1`, …; a *template* of the same structure, such as the state a program starts from,
//! gives everything its type back:
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::io::safetensors;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("state.safetensors");
//! let model = Dense::new(2);
//! let (params, _) = model.init(key(0)).call(&Tensor::ones([1, 3]))?.pop("params")?;
//! let state = TrainState::create(params, optim::adam(1e-3));
//! safetensors::save(&path, &state)?;
//!
//! let resumed = safetensors::restore(&path, &state)?;
//! assert_eq!(resumed.params, state.params);
//! // Some of it, as plain variables.
//! let params = safetensors::File::open(&path)?.subtree("params")?;
//! assert_eq!(params, state.params);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! Files say which dtype their tensors have, and loading changes none: `F64` stays `F64`, also where data from Rust would become
//! `F32` (see [Numbers](crate#numbers)), so that no bit is lost. NumPy writes `float64` unless told otherwise; a layer with
//! parameters of `F32` refuses such an input and says so, where `jnp.load` rounds it: `x.cast(DType::F32)` does that here.
//!
//! A file appears whole or not at all: it is written under a temporary name (`.flaxen-….tmp`) in the same folder, flushed to the
//! disk, and renamed; what a save that was killed left there, the next one in that folder removes. A file that is replaced keeps
//! its mode, its group and, as far as this process may give files away, its owner. A symbolic link stays one, and what it points
//! to is replaced; other hard links keep the old file. Only regular files are read or replaced: pipes, sockets, devices and folders
//! are an error, and so is a file that may not be written. [`write`](fn@write) does the same for files of other kinds.
//!
//! Files are not trusted: what is truncated, corrupt or contradictory is an [`Error::File`] that names the file and says what is
//! wrong, and no more memory is taken than the file is long (for compressed npz: than its contents are; for msgpack also some fifty
//! bytes for each of its values, of which a list of `None` has one in a byte, and for pickles of PyTorch some hundred for each object).
//! Tensors that share what is in the file, or are quantised there, take at most eight times as much.

mod atomic;
pub mod checkpoints;
mod encoding;
pub(crate) mod export;
mod formats;
pub mod gguf;
mod leftovers;
mod little_endian;
mod map;
pub mod msgpack;
mod names;
pub mod npz;
pub mod onnx;
mod pickle;
mod regular;
mod restore;
pub mod safetensors;
mod source;
mod strided;
pub mod torch;

use std::path::Path;

use crate::error::{Error, Result};

/// Writes bytes as a file that appears whole or not at all, as checkpoints do: a log, a picture or the settings beside them.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("settings.json");
/// flaxen::io::write(&path, br#"{"layers": 2}"#)?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"layers": 2}"#);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the file cannot be written; it is then as it was before.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    write_with(path.as_ref(), |file| std::io::Write::write_all(file, bytes.as_ref()))
}

fn write_with(path: &Path, contents: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> Result<()> {
    atomic::write(path, contents)
        .map_err(|error| Error::file(&path.display().to_string(), format_args!("cannot be written: {error}")))
}
