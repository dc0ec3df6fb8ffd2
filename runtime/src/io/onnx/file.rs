//! Reading a file, or parts of it.

use std::path::{Path, PathBuf};

use super::super::source::Source;
use super::super::{formats, names};
use super::graph::{Tensors, tensors};
use super::tensor::StoredTensor;
use super::wire::{Span, Wire};
use crate::array::Aval;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// An ONNX model of which the places of all tensors have been found; each is read when it is asked for.
pub struct File {
    path: String,
    /// Where files of values lie.
    folder: Option<PathBuf>,
    source: Source,
    tensors: Tensors,
}

impl File {
    /// Opens a file; tensors are read from it, and from files beside it, into memory of their own.
    ///
    /// # Errors
    /// If it cannot be read, or is not valid.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        File::new(path.display().to_string(), Some(folder(path)), Source::open(path)?)
    }

    /// Maps a file into memory, and files beside it, of which only what is looked at is brought in.
    ///
    /// Nobody may write to them or truncate them as long as this value lives; see
    /// [`safetensors::File::map`](crate::io::safetensors::File::map).
    ///
    /// # Errors
    /// As [`open`](File::open).
    pub fn map(path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        File::new(path.display().to_string(), Some(folder(path)), Source::map(path)?)
    }

    /// Takes the bytes of a file; tensors whose values are in another one cannot be read.
    ///
    /// # Errors
    /// If they are not valid.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<File> {
        File::new("(bytes)".to_owned(), None, Source::Memory(bytes.into()))
    }

    fn new(path: String, folder: Option<PathBuf>, source: Source) -> Result<File> {
        match read(&source) {
            Ok(tensors) => Ok(File { path, folder, source, tensors }),
            Err(message) => Err(Error::file(&path, message)),
        }
    }

    /// The names of the tensors, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape and dtype of a tensor, without its values.
    ///
    /// # Errors
    /// If there is no such tensor, or one that cannot be read.
    pub fn aval(&self, name: &str) -> Result<Aval> {
        Ok(self.stored(name)?.aval.clone())
    }

    /// Reads one tensor.
    ///
    /// # Errors
    /// As [`aval`](File::aval); if the file, or one beside it, cannot be read or is too short.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let mapped = matches!(self.source, Source::Map(_));
        let read = self.stored(name)?.load(&self.source, self.folder.as_deref(), mapped);
        read.map_err(|message| self.wrong(format!("`{name}` cannot be read: {message}")))
    }

    /// What is wrong with a tensor, if what is said of it tells.
    pub(in super::super) fn flaw(&self, name: &str) -> Option<&str> {
        self.tensors.get(name)?.as_ref().err().map(String::as_str)
    }

    /// Bytes of the files beside it that it names.
    pub(in super::super) fn external_len(&self) -> u64 {
        let Some(folder) = &self.folder else { return 0 };
        let files = self.tensors.values().filter_map(|tensor| tensor.as_ref().ok()?.external());
        let files: std::collections::BTreeSet<&str> = files.collect();
        let len = |file: &str| std::fs::metadata(folder.join(file)).map_or(0, |metadata| metadata.len());
        files.into_iter().map(len).sum()
    }

    fn stored(&self, name: &str) -> Result<&StoredTensor> {
        match self.tensors.get(name) {
            Some(Ok(tensor)) => Ok(tensor),
            Some(Err(message)) => Err(self.wrong(format!("`{name}` cannot be read: {message}"))),
            None => {
                let all: Vec<String> = self.names().map(str::to_owned).collect();
                let there = if all.is_empty() { "nothing".to_owned() } else { names::list(&all) };
                Err(self.wrong(format!("there is no tensor `{name}`; there is {there}")))
            }
        }
    }

    fn wrong(&self, message: String) -> Error {
        Error::file(&self.path, message)
    }
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

fn read(source: &Source) -> Result<Tensors, String> {
    let text = |error: std::io::Error| error.to_string();
    let len = source.len().map_err(text)?;
    let mut first = vec![0; len.min(formats::LOOKED_AT as u64) as usize];
    source.read(0, &mut first).map_err(text)?;
    tensors(&mut Wire::new(source), Span { start: 0, end: len }).map_err(|message| {
        match formats::foreign(&first) {
            Some(what) if what != formats::ONNX => format!("not an ONNX model: {what}"),
            _ => message,
        }
    })
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({}) ", self.path)?;
        let text = |stored: &Result<StoredTensor, String>| match stored {
            Ok(stored) => stored.aval.to_string(),
            Err(message) => message.clone(),
        };
        f.debug_map().entries(self.tensors.iter().map(|(name, stored)| (name, text(stored)))).finish()
    }
}
