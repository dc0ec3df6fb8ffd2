//! Reading a file, or parts of it.

use std::io::{BufReader, Cursor};
use std::path::Path;

use super::super::restore::restore;
use super::super::{names, regular};
use super::read::{Archive, ReadSeek};
use crate::array::Aval;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::Dict;

/// An npz file of which the names have been read; its arrays are read when they are asked for.
///
/// One that is of a dtype that tensors do not have, an array of Python objects for instance, spoils only itself:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::io::npz;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("arrays.npz");
/// npz::save(&path, &Dict::new().with("x", Tensor::ones([3])).with("y", 7i32))?;
/// let file = npz::File::open(&path)?;
/// assert_eq!(file.names().collect::<Vec<_>>(), ["x", "y"]);
/// assert_eq!(file.aval("x")?.to_string(), "f32[3]");
/// let readable: Dict = file.names().filter_map(|name| Some((name, file.tensor(name).ok()?))).collect();
/// assert_eq!(readable, file.dict()?);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub struct File {
    path: String,
    archive: Archive<'static>,
}

impl File {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no archive.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref().display().to_string();
        let (file, len) = regular::open(path.as_ref())
            .map_err(|error| Error::file(&path, format_args!("cannot be read: {error}")))?;
        File::new(path, Box::new(BufReader::new(file)), len)
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// If they are no archive.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<File> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        File::new(super::BYTES.to_owned(), Box::new(Cursor::new(bytes)), len)
    }

    fn new(path: String, bytes: Box<dyn ReadSeek>, len: u64) -> Result<File> {
        let archive = Archive::open(bytes, len).map_err(|message| Error::file(&path, message))?;
        Ok(File { path, archive })
    }

    /// The names of the arrays, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.archive.names()
    }

    /// Shape and dtype of an array, without its values.
    ///
    /// # Errors
    /// If there is no such array, or it is of a dtype that tensors do not have.
    pub fn aval(&self, name: &str) -> Result<Aval> {
        self.found(name, self.archive.aval(name))
    }

    /// Reads one array.
    ///
    /// # Errors
    /// As [`aval`](File::aval); if the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.found(name, self.archive.tensor(name))
    }

    /// Reads all arrays as a dict, nested by their names.
    ///
    /// # Errors
    /// If one is of a dtype that tensors do not have, with a list of those, or cannot be read; others can be read by their
    /// [`names`](File::names) even so.
    pub fn dict(&self) -> Result<Dict> {
        dict(&self.path, &self.archive)
    }

    /// Reads a tree of the structure of a template; see [`restore`](super::restore).
    ///
    /// # Errors
    /// If names, shapes or dtypes differ, with a list of those; as [`dict`](File::dict).
    pub fn restore<T: Tree>(&self, template: &T) -> Result<T> {
        restore(&self.archive, "", template).map_err(|message| self.wrong(message))
    }

    fn found<T>(&self, name: &str, found: Result<Option<T>, String>) -> Result<T> {
        found.map_err(|message| self.wrong(message))?.ok_or_else(|| {
            let all: Vec<String> = self.names().map(str::to_owned).collect();
            let there = if all.is_empty() { "nothing".to_owned() } else { names::list(&all) };
            self.wrong(format!("there is no `{name}`; there is {there}"))
        })
    }

    fn wrong(&self, message: String) -> Error {
        Error::file(&self.path, message)
    }
}

pub(super) fn dict(path: &str, archive: &Archive<'_>) -> Result<Dict> {
    let wrong = |message: String| Error::file(path, message);
    let tensors = archive.tensors().map_err(wrong)?.into_iter();
    let tensors = tensors.map(|(name, tensor)| (name.split('/').map(str::to_owned).collect(), tensor));
    let tensors: Vec<(Vec<String>, _)> = tensors.collect();
    names::check_paths(tensors.iter().map(|(path, _)| path.as_slice())).map_err(wrong)?;
    names::nested(tensors)
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({}) ", self.path)?;
        f.debug_set().entries(self.names()).finish()
    }
}
