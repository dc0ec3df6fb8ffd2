//! The tensors of a state dict, whichever way it was saved.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use super::super::{formats, regular, safetensors};
use super::File;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// Tensors by name, and what is wrong with those that cannot be read.
#[derive(Default)]
pub(super) struct Opened {
    pub tensors: BTreeMap<String, Tensor>,
    pub flawed: BTreeMap<String, String>,
}

impl Opened {
    /// Reads a safetensors file, a file of `torch.save`, or an index of several of them.
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
        if matches!(format, Some(formats::TORCH | formats::ARCHIVE)) {
            let file = File::open(path)?;
            self.add(file.names(), |name| file.flaw(name).map(str::to_owned), |name| file.tensor(name))
        } else {
            let file = safetensors::File::open(path)?;
            self.add(file.names(), |name| file.flaw(name), |name| file.tensor(name))
        }
    }

    fn add<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        flaw: impl Fn(&str) -> Option<String>,
        read: impl Fn(&str) -> Result<Tensor>,
    ) -> Result<()> {
        for name in names {
            match flaw(name) {
                Some(flaw) => drop(self.flawed.insert(name.to_owned(), flaw)),
                None => drop(self.tensors.insert(name.to_owned(), read(name)?)),
            }
        }
        Ok(())
    }
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
