//! Writing a file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ::safetensors::tensor::TensorInfo;

use super::super::names::{Named, named};
use super::super::{little_endian, write_with};
use super::dtype::theirs;
use super::header::{METADATA, RESERVED, Written};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// How a tree is saved: with texts beside it.
///
/// The same tree and texts always give the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Save {
    metadata: BTreeMap<String, String>,
}

impl Save {
    /// Without texts.
    pub fn new() -> Save {
        Save::default()
    }

    /// Adds a text, such as the epoch or the configuration of a model.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, text: impl Into<String>) -> Save {
        self.metadata.insert(key.into(), text.into());
        self
    }

    /// Saves a tree as a file.
    ///
    /// # Errors
    /// As [`save`](super::save); if a text's name begins with `flaxen.`, which is for this library's own use.
    pub fn run(&self, path: impl AsRef<Path>, tree: &impl Tree) -> Result<()> {
        let path = path.as_ref();
        let (header, arrays) =
            self.prepare(tree).map_err(|message| Error::file(&path.display().to_string(), message))?;
        write_with(path, |file| {
            // Small tensors are written together, large ones past the buffer.
            let mut file = std::io::BufWriter::with_capacity(1 << 20, file);
            file.write_all(&header)?;
            arrays.iter().try_for_each(|array| file.write_all(&little_endian::bytes(array)))?;
            file.flush()
        })
    }

    /// Saves a tree as bytes, those of the file.
    ///
    /// # Errors
    /// As [`run`](Save::run).
    pub fn to_bytes(&self, tree: &impl Tree) -> Result<Vec<u8>> {
        let (mut bytes, arrays) = self.prepare(tree).map_err(|message| Error::file("(bytes)", message))?;
        arrays.iter().for_each(|array| bytes.extend_from_slice(&little_endian::bytes(array)));
        Ok(bytes)
    }

    /// The header, and the tensors in order.
    fn prepare<'a>(&self, tree: &'a impl Tree) -> Result<(Vec<u8>, Vec<&'a Array>), String> {
        if let Some(key) = self.metadata.keys().find(|key| key.starts_with(RESERVED)) {
            return Err(format!(
                "the metadata `{key}` begins with `{RESERVED}`, which is for the library: rename it"
            ));
        }
        let mut named: Vec<Named<'_>> = named(tree)?;
        if named.iter().any(|named| named.name == METADATA) {
            return Err(format!(
                "the name `{METADATA}` is that of the texts in this format: rename the tensor"
            ));
        }
        // Wide numbers first, so that all of them are aligned.
        named.sort_by(|a, b| {
            theirs(b.tensor.dtype()).cmp(&theirs(a.tensor.dtype())).then(a.name.cmp(&b.name))
        });
        let (mut arrays, mut tensors, mut keys, mut end) = (Vec::new(), Vec::new(), BTreeMap::new(), 0);
        for Named { name, keys: own, tensor } in &named {
            let array = tensor.array().map_err(|error| format!("`{name}`: {error}"))?;
            let len = array.bytes().len();
            let (dtype, shape) = (theirs(array.dtype()), array.shape().to_vec());
            tensors.push((name.as_str(), TensorInfo { dtype, shape, data_offsets: (end, end + len) }));
            end += len;
            arrays.push(array);
            if own.iter().any(|key| key.contains('/')) {
                keys.insert(name.as_str(), own.as_slice());
            }
        }
        let written = Written { metadata: &self.metadata, tensors: &tensors, keys: &keys };
        Ok((written.bytes()?, arrays))
    }
}
