//! Exported programs as files: the text that other tools read as it is.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::atomic;
use crate::Jit;
use crate::error::{Error, Result};
use crate::transform::export::Exported;
use crate::tree::Tree;

/// Writes the program that an argument leads to into a file, which appears whole or not at all; `step.mlir` is a usual name.
///
/// ```
/// use flaxen::export;
/// use flaxen::prelude::*;
///
/// let f = jit(|x: Tensor| Ok(x.tanh()));
/// let path = std::env::temp_dir().join("flaxen-doc-tanh.mlir");
/// export::save(&path, &f, &Tensor::ones([2, 3]))?;
/// let exported = export::load(&path)?;
/// assert_eq!(exported.inputs()[0].shape[..], [2, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// As [`stablehlo`](crate::export::stablehlo); if the file cannot be written.
pub fn save<F, I, O>(path: impl AsRef<Path>, function: &Jit<F, I, O>, args: &I) -> Result<()>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    Exported::of(function, args)?.save(path)
}

/// Reads a file that [`save`] wrote.
///
/// # Errors
/// If it cannot be read; if it has no function `main` as an exported program has it.
pub fn load(path: impl AsRef<Path>) -> Result<Exported> {
    let path = path.as_ref();
    let wrong = |message: String| Error::file(&path.display().to_string(), message);
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Exported::parse(text).map_err(|error| wrong(error.to_string()))
}

impl Exported {
    /// Writes the text into a file, which appears whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        atomic::write(path, |file| file.write_all(self.text().as_bytes()))
            .map_err(|error| Error::file(&path.display().to_string(), error))
    }
}
