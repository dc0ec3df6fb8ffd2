//! NumPy's `.npz`: what `numpy.savez` and `numpy.savez_compressed` write, and `numpy.load` reads.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::io::npz;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("params.npz");
//! let params = Dict::new().with("Dense_0/kernel", Tensor::ones([3, 2]));
//! npz::save(&path, &params)?; // numpy.load(path)["Dense_0/kernel"]
//! assert_eq!(npz::load(&path)?, params);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! Names are joined by `/`, as in [`safetensors`](super::safetensors), but there is no place for names that contain a `/`
//! themselves, so saving those is an error. NumPy has no `bfloat16`: such numbers are written as `float32`, which has all of
//! them, and a template makes them `bfloat16` again. What JAX's own `bfloat16` arrays become in NumPy's files, `V2`, is read as such.
//! Arrays of any byte order and in Fortran's order are read; of dtypes that tensors do not have, they are an error, and
//! [`File`] reads the others.

mod file;
mod header;
mod read;
mod write;

use std::io::Cursor;
use std::path::Path;

pub use file::File;
use read::Archive;

use super::write_with;
use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::Dict;

/// Saves a tree's tensors under their names, as they are.
///
/// # Errors
/// If a name could not be read back, or a value has no elements because it is traced; if the file cannot be written. The file is
/// then as it was before.
pub fn save(path: impl AsRef<Path>, tree: &impl Tree) -> Result<()> {
    to_file(path.as_ref(), tree, false)
}

/// As [`save`], compressed, which takes longer and pays for values that repeat.
///
/// # Errors
/// As [`save`].
pub fn save_compressed(path: impl AsRef<Path>, tree: &impl Tree) -> Result<()> {
    to_file(path.as_ref(), tree, true)
}

/// The bytes of a file as [`save`] writes it.
///
/// # Errors
/// As [`save`].
pub fn to_bytes(tree: &impl Tree) -> Result<Vec<u8>> {
    let wrong = |message: &dyn std::fmt::Display| Error::file(BYTES, message);
    let entries = write::entries(tree).map_err(|message| wrong(&message))?;
    let mut bytes = Cursor::new(Vec::new());
    write::write(&mut bytes, &entries, false).map_err(|error| wrong(&error))?;
    Ok(bytes.into_inner())
}

/// Loads all arrays of a file as a dict, nested by their names.
///
/// # Errors
/// If the file cannot be read, is not valid, or has a dtype that no tensor has.
pub fn load(path: impl AsRef<Path>) -> Result<Dict> {
    File::open(path)?.dict()
}

/// As [`load`], from the bytes of a file.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(bytes: &[u8]) -> Result<Dict> {
    let archive = Archive::open(Box::new(Cursor::new(bytes)), bytes.len() as u64);
    file::dict(BYTES, &archive.map_err(|message| Error::file(BYTES, message))?)
}

/// Loads a tree of the structure of a template, whose own values do not matter; as
/// [`safetensors::restore`](super::safetensors::restore).
///
/// # Errors
/// As [`load`]; if names, shapes or dtypes differ, with a list of those.
pub fn restore<T: Tree>(path: impl AsRef<Path>, template: &T) -> Result<T> {
    File::open(path)?.restore(template)
}

/// Instead of a file's name, for messages.
const BYTES: &str = "(bytes)";

fn to_file(path: &Path, tree: &impl Tree, compressed: bool) -> Result<()> {
    let entries =
        write::entries(tree).map_err(|message| Error::file(&path.display().to_string(), message))?;
    write_with(path, |file| write::write(file, &entries, compressed))
}
