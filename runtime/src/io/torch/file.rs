//! PyTorch's own files.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::names;
use super::super::source::Source;
use super::archive::Archive;
use super::names::named;
use super::stored::StoredTensor;
use crate::array::Aval;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// The name of a tensor that was saved alone.
pub(super) const ALONE: &str = "tensor";

/// A file of `torch.save` (`.pt`, `.pth`, `.bin`), or an archive of `torch.jit`, whose tensors are read when they are asked for.
///
/// Files since PyTorch 1.6 and older ones, of state dicts, of checkpoints with state dicts in them, of modules that were saved whole,
/// and of single tensors, which are called `tensor`. A name is the way to a tensor with dots: `model.layers.0.weight`,
/// `optimizer.state.0.exp_avg`.
///
/// Such a file is a Python pickle: a program that Python runs when it reads it. Here it is read as data. Nothing is called; what is no
/// tensor, dict, list or module is [`refused`](File::refused) by the name of what makes it, and spoils nothing else.
///
/// Tensors may share memory in the file, be transposed or a part of another one, and wait to be negated; each is read for itself. Floats
/// of 8 bits become `BF16`, without loss. What is `complex128`, quantised or sparse cannot be read, and says so.
///
/// ```no_run
/// use flaxen::io::torch;
///
/// let file = torch::File::open("checkpoint.pt")?;
/// for name in file.names() {
///     println!("{name}: {}", file.aval(name)?);
/// }
/// let kernel = file.tensor("model.head.weight")?;
/// # Ok::<(), flaxen::Error>(())
/// ```
pub struct File {
    path: String,
    archive: Archive,
    tensors: BTreeMap<String, Result<StoredTensor, String>>,
    refused: BTreeMap<String, String>,
}

impl File {
    /// Opens a file; tensors are read from it into memory of their own.
    ///
    /// # Errors
    /// If it cannot be read, or is not valid.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        File::new(path.as_ref().display().to_string(), Source::open(path.as_ref())?)
    }

    /// Maps a file into memory, of which only what is looked at is brought in.
    ///
    /// Nobody may write to the file or truncate it as long as this value lives; see
    /// [`safetensors::File::map`](crate::io::safetensors::File::map).
    ///
    /// # Errors
    /// As [`open`](File::open).
    pub fn map(path: impl AsRef<Path>) -> Result<File> {
        File::new(path.as_ref().display().to_string(), Source::map(path.as_ref())?)
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// If they are not valid.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<File> {
        File::new("(bytes)".to_owned(), Source::Memory(bytes.into()))
    }

    fn new(path: String, source: Source) -> Result<File> {
        let archive = Archive::open(source).map_err(|message| Error::file(&path, message))?;
        let found = named(&archive).map_err(|message| Error::file(&path, message))?;
        let file = File { path, archive, tensors: found.tensors, refused: found.refused };
        match file.refused.get("") {
            Some(class) if file.tensors.is_empty() => Err(file.wrong(format!(
                "it holds a `{class}`, which only Python makes: load it there, and save its `state_dict()`"
            ))),
            _ => Ok(file),
        }
    }

    /// The names of the tensors, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.tensors.keys().map(String::as_str)
    }

    /// Objects that are neither tensors nor hold any that can be known, by name, with the Python class or function that makes each.
    pub fn refused(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.refused.iter().map(|(name, class)| (name.as_str(), class.as_str()))
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
    /// As [`aval`](File::aval); if the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let read = self.stored(name)?.read(&self.archive);
        read.map_err(|message| self.wrong(format!("`{name}` cannot be read: {message}")))
    }

    /// What is wrong with a tensor, if what is said of it tells.
    pub(super) fn flaw(&self, name: &str) -> Option<&str> {
        self.tensors.get(name)?.as_ref().err().map(String::as_str)
    }

    /// What is known of a tensor that can be read.
    pub(super) fn readable(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)?.as_ref().ok()
    }

    fn stored(&self, name: &str) -> Result<&StoredTensor> {
        let missing = || {
            let all: Vec<String> = self.names().map(str::to_owned).collect();
            let there = if all.is_empty() { "nothing".to_owned() } else { names::list(&all) };
            let of = self.refused.get(name).map(|class| format!(", it is a `{class}`")).unwrap_or_default();
            self.wrong(format!("there is no tensor `{name}`{of}; there is {there}"))
        };
        match self.tensors.get(name).ok_or_else(missing)? {
            Ok(tensor) => Ok(tensor),
            Err(message) => Err(self.wrong(format!("`{name}` cannot be read: {message}"))),
        }
    }

    fn wrong(&self, message: String) -> Error {
        Error::file(&self.path, message)
    }
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
