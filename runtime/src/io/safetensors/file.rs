//! Reading a file, or parts of it.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayViewD, IxDyn};

use super::super::encoding::Encoding;
use super::super::little_endian;
use super::super::names;
use super::super::restore::{Stored, restore};
use super::super::source::Source;
use super::dtype::ours;
use super::header::{Header, TensorEntry, spoiled};
use crate::array::{Aval, Element};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::Dict;

/// A safetensors file of which the header has been read and checked; its tensors are read when they are asked for.
pub struct File {
    path: String,
    header: Header,
    source: Source,
}

impl File {
    /// Opens a file; tensors are read from it into memory of their own.
    ///
    /// # Errors
    /// If it cannot be read, or is not valid.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        File::new(path.as_ref().display().to_string(), Source::open(path.as_ref())?)
    }

    /// Maps a file into memory, of which only what is looked at is brought in; [`view`](File::view) copies nothing.
    ///
    /// Nobody may write to the file or truncate it as long as this value lives: that would change values under a view, or end the
    /// program. Replacing the file by another one of its name, as [`save`](super::save) does, is no problem. Where this cannot
    /// be known, [`open`](File::open) is as fast for tensors that are read whole.
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
        let header = Header::read(&source).map_err(|message| Error::file(&path, message))?;
        Ok(File { path, header, source })
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The names of the tensors, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.header.entries.keys().map(String::as_str)
    }

    /// The texts beside the tensors.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.header.metadata
    }

    /// Shape and dtype of a tensor, without its values: `BF16` for floats of 8 bits, which become that when they are read.
    ///
    /// # Errors
    /// If there is no such tensor, or it is of a dtype that tensors do not have.
    pub fn aval(&self, name: &str) -> Result<Aval> {
        self.entry(name)?.aval(name).map_err(|message| self.wrong(message))
    }

    /// Reads one tensor.
    ///
    /// # Errors
    /// As [`aval`](File::aval); if the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.read_entry(name, self.entry(name)?).map_err(|message| self.wrong(message))
    }

    /// The values of a tensor where they are: nothing is read or copied.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::safetensors::{File, save};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("large.safetensors");
    /// save(&path, &Dict::from([("embedding", Tensor::ones([1000, 8]))]))?;
    /// let file = File::map(&path)?;
    /// assert_eq!(file.view::<f32>("embedding")?[[7, 3]], 1.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file was opened by [`open`](File::open), so that nothing of it is in memory; if there is no such tensor, or
    /// `T` is not its dtype's type, also for `bool`; if the values are not aligned, as in some files of other programs.
    pub fn view<T: Element<Storage = T> + bytemuck::Pod>(&self, name: &str) -> Result<ArrayViewD<'_, T>> {
        let entry = self.entry(name)?;
        let aval = entry.aval(name).map_err(|message| self.wrong(message))?;
        if aval.dtype != T::DTYPE {
            return Err(Error::ElementType { found: aval.dtype.name(), asked: T::DTYPE.name() });
        }
        let bytes = self.source.slice(entry.start, entry.len);
        let bytes = bytes
            .ok_or_else(|| self.wrong(format!("`{name}` is not in memory: open the file with `map`")))?;
        let is_plain =
            matches!(ours(entry.dtype), Some(Encoding::Plain(_))) && cfg!(target_endian = "little");
        let numbers = bytemuck::try_cast_slice(bytes).ok().filter(|_| is_plain);
        let numbers = numbers.ok_or_else(|| {
            self.wrong(format!("`{name}` is not stored as in memory: read it with `tensor`"))
        })?;
        ArrayViewD::from_shape(IxDyn(&entry.shape), numbers).map_err(|error| self.wrong(error.to_string()))
    }

    /// Reads all tensors as a dict, nested by their names.
    ///
    /// # Errors
    /// If one is of a dtype that tensors do not have, with a list of those, or cannot be read; others can be read by their
    /// [`names`](File::names) even so.
    pub fn dict(&self) -> Result<Dict> {
        self.read_all(self.header.entries.iter().map(|(name, entry)| (name, entry, 0)))
    }

    /// Reads the tensors below a path as a dict: `params/Dense_0` has `kernel` and `bias`.
    ///
    /// # Errors
    /// If there is nothing below that path; as [`dict`](File::dict).
    pub fn subtree(&self, path: &str) -> Result<Dict> {
        let below = self.header.entries.iter().filter_map(|(name, entry)| {
            let depth =
                (1..entry.keys.len()).find(|&depth| crate::variables::join(&entry.keys[..depth]) == path)?;
            Some((name, entry, depth))
        });
        let dict = self.read_all(below)?;
        if dict.is_empty() { Err(self.missing(path)) } else { Ok(dict) }
    }

    /// Reads a tree of the structure of a template; see [`restore`](super::restore).
    ///
    /// # Errors
    /// If names, shapes or dtypes differ, with a list of those; as [`dict`](File::dict).
    pub fn restore<T: Tree>(&self, template: &T) -> Result<T> {
        restore(self, "", template).map_err(|message| self.wrong(message))
    }

    /// As [`restore`](File::restore), of what is below a path only: `params` of a training state, for instance.
    ///
    /// # Errors
    /// As [`restore`](File::restore).
    pub fn restore_part<T: Tree>(&self, path: &str, template: &T) -> Result<T> {
        restore(self, path, template).map_err(|message| self.wrong(message))
    }

    fn read_all<'a>(
        &self,
        entries: impl Iterator<Item = (&'a String, &'a TensorEntry, usize)>,
    ) -> Result<Dict> {
        let entries: Vec<_> = entries.collect();
        let flaws = Header::flaws(entries.iter().map(|&(name, entry, _)| (name, entry)));
        if !flaws.is_empty() {
            let others =
                "convert them before saving, or read all others by name: `File::open(path)?.tensor(name)`";
            return Err(self.wrong(spoiled(&flaws, others)));
        }
        let read = |(name, entry, depth): (&'a String, &'a TensorEntry, usize)| {
            let tensor = self.read_entry(name, entry).map_err(|message| self.wrong(message))?;
            Ok((entry.keys[depth..].to_vec(), tensor))
        };
        names::nested(entries.into_iter().map(read).collect::<Result<Vec<_>>>()?)
    }

    fn read_entry(&self, name: &str, entry: &TensorEntry) -> Result<Tensor, String> {
        let read = |bytes: &mut [u8]| self.source.read(entry.start, bytes).map_err(|error| error.to_string());
        let fill = |bytes: &mut [u8]| match ours(entry.dtype) {
            Some(encoding @ Encoding::Eight(_)) => {
                let mut stored = vec![0; entry.len];
                read(&mut stored)?;
                encoding.decode(&stored, bytes);
                Ok(())
            }
            _ => read(bytes),
        };
        little_endian::tensor(entry.aval(name)?, fill)
            .map_err(|message| format!("`{name}` cannot be read: {message}"))
    }

    /// What is wrong with a tensor, if its shape and dtype tell.
    pub(crate) fn flaw(&self, name: &str) -> Option<String> {
        Header::flaws(self.header.entries.get_key_value(name).into_iter()).pop()
    }

    fn entry(&self, name: &str) -> Result<&TensorEntry> {
        self.header.entries.get(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        let all: Vec<String> = self.names().map(str::to_owned).collect();
        let there = if all.is_empty() { "nothing".to_owned() } else { names::list(&all) };
        self.wrong(format!("there is no `{name}`; there is {there}"))
    }

    fn wrong(&self, message: String) -> Error {
        Error::file(&self.path, message)
    }
}

impl Stored for File {
    fn names(&self) -> Vec<String> {
        self.header.entries.keys().cloned().collect()
    }

    fn aval(&self, name: &str) -> Result<Option<Aval>, String> {
        self.header.entries.get(name).map(|entry| entry.aval(name)).transpose()
    }

    fn read(&self, name: &str, _aval: &Aval) -> Result<Tensor, String> {
        match self.header.entries.get(name) {
            Some(entry) => self.read_entry(name, entry),
            None => Err(format!("there is no `{name}`")),
        }
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensors = self.header.entries.iter().map(|(name, entry)| (name, (entry.dtype, &entry.shape)));
        write!(f, "File({}) ", self.path)?;
        f.debug_map().entries(tensors).finish()
    }
}
