//! The tensors of a state dict, whichever way it was saved.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;

use super::super::{formats, gguf, npz, onnx, regular, safetensors};
use super::File;
use super::stored::StoredTensor;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// Tensors by name, and what is wrong with those that cannot be read.
#[derive(Default)]
pub(super) struct Opened {
    pub tensors: BTreeMap<String, Tensor>,
    pub flawed: BTreeMap<String, String>,
}

impl Opened {
    /// Reads a file of weights, or an index of several of them.
    pub fn read(path: &Path) -> Result<Opened> {
        let mut opened = Opened::default();
        let format = formats::foreign(&beginning(path)?);
        if format == Some(formats::SHARDS) {
            for shard in shards(path)? {
                let shard = path.with_file_name(shard);
                opened.extend(&shard, formats::foreign(&beginning(&shard)?))?;
            }
        } else {
            opened.extend(path, format)?;
        }
        Ok(opened)
    }

    fn extend(&mut self, path: &Path, format: Option<&'static str>) -> Result<()> {
        match format {
            Some(formats::TORCH | formats::ARCHIVE) => self.extend_torch(path),
            Some(formats::GGUF) => {
                let file = gguf::File::open(path)?;
                self.add(path, file.names(), |name| file.flaw(name), |name| file.tensor(name))
            }
            Some(formats::ONNX) => {
                let file = onnx::File::open(path)?;
                let total = file.names().filter_map(|name| file.aval(name).ok());
                check_total(path, total.map(|aval| aval.bytes() as u64), file.external_len())?;
                let flaw = |name: &str| Some(format!("`{name}` cannot be read: {}", file.flaw(name)?));
                self.add(path, file.names(), flaw, |name| file.tensor(name))
            }
            Some(formats::NPZ) => {
                let file = npz::File::open(path)?;
                let flaw = |name: &str| file.aval(name).err().map(|error| error.to_string());
                self.add(path, file.names(), flaw, |name| file.tensor(name))
            }
            _ => {
                let file = safetensors::File::open(path)?;
                self.add(path, file.names(), |name| file.flaw(name), |name| file.tensor(name))
            }
        }
    }

    /// Tensors of one storage are read once where they are the same, as those of tied weights are.
    fn extend_torch(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path)?;
        let mut read: HashMap<&StoredTensor, Option<Tensor>> = HashMap::new();
        for name in file.names() {
            read.extend(file.readable(name).map(|stored| (stored, None)));
        }
        check_total(path, read.keys().map(|stored| stored.aval.bytes() as u64), 0)?;
        let flaw = |name: &str| Some(format!("`{name}` cannot be read: {}", file.flaw(name)?));
        self.add(path, file.names(), flaw, |name| {
            match file.readable(name).and_then(|key| read.get_mut(key)) {
                Some(Some(tensor)) => Ok(tensor.clone()),
                Some(place) => file.tensor(name).inspect(|tensor| *place = Some(tensor.clone())),
                None => file.tensor(name),
            }
        })
    }

    fn add<'a>(
        &mut self,
        path: &Path,
        names: impl Iterator<Item = &'a str>,
        flaw: impl Fn(&str) -> Option<String>,
        mut read: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        for name in names {
            let known = match flaw(name) {
                Some(flaw) => self.flawed.insert(name.to_owned(), flaw).is_some(),
                None => self.tensors.insert(name.to_owned(), read(name)?).is_some(),
            };
            if known {
                let path = path.display().to_string();
                return Err(Error::file(
                    &path,
                    format_args!("another file of the model has a `{name}`, too"),
                ));
            }
        }
        Ok(())
    }
}

/// Tensors may share what is in a file: a small file must not ask for much memory by meaning all of it many times.
fn check_total(path: &Path, bytes: impl Iterator<Item = u64>, beside: u64) -> Result<()> {
    const TIMES: u64 = 8;
    const ALWAYS: u64 = 1 << 20;
    let total = bytes.fold(0u64, u64::saturating_add);
    let len = std::fs::metadata(path).map_or(0, |metadata| metadata.len()).saturating_add(beside);
    if total <= len.saturating_mul(TIMES).saturating_add(ALWAYS) {
        return Ok(());
    }
    let message = format!(
        "its tensors have {total} bytes together, and the file {len}: they are parts of each other; save copies, `tensor.clone()`"
    );
    Err(Error::file(&path.display().to_string(), message))
}

fn beginning(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = regular::open(path)
        .and_then(|(file, _)| file.take(formats::LOOKED_AT as u64).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Error::file(&path.display().to_string(), format_args!("cannot be read: {error}"))),
    }
}

/// The files that an index names, each once; they lie beside it.
fn shards(path: &Path) -> Result<Vec<String>> {
    /// Bytes of an index; that of a model with 100,000 tensors has ten million.
    const LONGEST: u64 = 1 << 26;
    let name = path.display().to_string();
    let wrong = |message: &str| {
        Error::file(&name, format_args!("not an index of a model in several files: {message}"))
    };
    let (file, len) =
        regular::open(path).map_err(|error| Error::file(&name, format_args!("cannot be read: {error}")))?;
    if len > LONGEST {
        return Err(wrong("it is too long"));
    }
    let index: serde_json::Value =
        serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| wrong(&error.to_string()))?;
    let map = index
        .get("weight_map")
        .and_then(|map| map.as_object())
        .ok_or_else(|| wrong("it has no `weight_map`"))?;
    let mut shards: Vec<String> = Vec::new();
    for (tensor, shard) in map {
        let shard = shard.as_str().ok_or_else(|| wrong(&format!("the file of `{tensor}` has no name")))?;
        // A name only, so that an index reads nothing but its neighbours.
        if Path::new(shard).file_name() != Some(shard.as_ref()) {
            return Err(wrong(&format!("`{shard}` is no name of a file beside it")));
        }
        shards.push(shard.to_owned());
    }
    shards.sort_unstable();
    shards.dedup();
    Ok(shards)
}
