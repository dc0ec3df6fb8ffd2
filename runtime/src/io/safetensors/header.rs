//! The header of a file: what is in it, and where.

use std::collections::BTreeMap;
use std::fmt;

use ::safetensors::Dtype;
use ::safetensors::tensor::TensorInfo;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::super::restore::some;
use super::super::source::Source;
use super::super::{formats, names};
use super::dtype::ours;
use crate::array::{Aval, DType};
use crate::variables::join;

/// As in the reference implementation.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The bytes in front of the header, which are its length.
pub(super) const PREFIX: u64 = 8;
/// The name of the texts beside the tensors.
pub(super) const METADATA: &str = "__metadata__";
/// Where names that contain a `/` are noted.
const KEYS: &str = "flaxen.keys";
/// What is ours in the metadata.
pub(super) const RESERVED: &str = "flaxen.";

/// What is in a file.
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) entries: BTreeMap<String, TensorEntry>,
}

/// What is known of a tensor without its values.
pub(super) struct TensorEntry {
    pub(super) keys: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    /// The offset in the file, and the length in bytes.
    pub(super) start: u64,
    pub(super) len: usize,
}

impl TensorEntry {
    /// Shape and dtype, if tensors have that.
    pub(super) fn aval(&self, name: &str) -> Result<Aval, String> {
        match ours(self.dtype) {
            Some(encoding) => Ok(Aval::unchecked(&self.shape, encoding.dtype())),
            None => Err(spoiled(&[self.flaw(name)], "convert it before saving")),
        }
    }

    fn flaw(&self, name: &str) -> String {
        format!("`{name}` is of dtype {:?}", self.dtype)
    }
}

/// What is wrong with tensors of dtypes that tensors do not have, and what to do.
pub(crate) fn spoiled(flaws: &[String], what_to_do: &str) -> String {
    let known = DType::ALL.map(DType::name).join(", ");
    format!("{}; tensors are of {known}: {what_to_do}", some(flaws))
}

impl Header {
    /// Which of some tensors are of dtypes that tensors do not have.
    pub(super) fn flaws<'a>(entries: impl Iterator<Item = (&'a String, &'a TensorEntry)>) -> Vec<String> {
        entries
            .filter(|(_, entry)| ours(entry.dtype).is_none())
            .map(|(name, entry)| entry.flaw(name))
            .collect()
    }
}

impl Header {
    /// Reads and checks the header of a whole file.
    pub(super) fn read(source: &Source) -> Result<Header, String> {
        let text = |error: std::io::Error| error.to_string();
        let size = source.len().map_err(text)?;
        let mut first = vec![0; size.min(formats::LOOKED_AT as u64) as usize];
        source.read(0, &mut first).map_err(text)?;
        Header::read_of(source, size).map_err(|message| match formats::foreign(&first) {
            Some(what) if what != formats::SAFETENSORS => format!("not a safetensors file: {what}"),
            _ => message,
        })
    }

    fn read_of(source: &Source, size: u64) -> Result<Header, String> {
        let text = |error: std::io::Error| error.to_string();
        if size < PREFIX {
            return Err(format!(
                "not a safetensors file: it has {size} bytes, the length of the header alone {PREFIX}"
            ));
        }
        let mut prefix = [0; PREFIX as usize];
        source.read(0, &mut prefix).map_err(text)?;
        let len = u64::from_le_bytes(prefix);
        if len > MAX_HEADER_BYTES {
            return Err(format!(
                "not a safetensors file: its header would have {len} bytes, at most {MAX_HEADER_BYTES} are allowed"
            ));
        }
        if len > size - PREFIX {
            return Err(format!(
                "truncated, or not a safetensors file: its header should have {len} bytes, but only {} follow",
                size - PREFIX
            ));
        }
        let mut json = vec![0; len as usize];
        source.read(PREFIX, &mut json).map_err(text)?;
        let json = std::str::from_utf8(&json).map_err(|error| format!("its header is not UTF-8: {error}"))?;
        let raw: Raw =
            serde_json::from_str(json).map_err(|error| format!("its header is not valid: {error}"))?;
        raw.check(PREFIX + len, size)
    }
}

/// A header as it is written; JSON's own maps would take the last of two equal names.
#[derive(Default)]
struct Raw {
    metadata: Texts,
    tensors: BTreeMap<String, TensorInfo>,
}

#[derive(Default)]
struct Texts(BTreeMap<String, String>);

impl Raw {
    /// The header if every tensor has its own bytes, and every byte belongs to one.
    fn check(self, begin: u64, size: u64) -> Result<Header, String> {
        let mut metadata = self.metadata.0;
        let mut keys: BTreeMap<String, Vec<String>> = match metadata.remove(KEYS) {
            None => BTreeMap::new(),
            Some(json) => {
                serde_json::from_str(&json).map_err(|error| format!("its `{KEYS}` are not valid: {error}"))?
            }
        };
        // In order of their bytes, each tensor begins where the one before ends: no gaps, no overlaps, nothing behind the last.
        let mut in_order: Vec<_> =
            self.tensors.iter().map(|(name, info)| (info.data_offsets, name)).collect();
        in_order.sort_unstable();
        let mut end = 0;
        for ((from, to), name) in in_order {
            if from < end {
                return Err(format!("the values of `{name}` overlap those of another tensor"));
            }
            if from > end || to < from {
                return Err(format!(
                    "the values of `{name}` are said to be at {from}..{to}, expected {end}.. there"
                ));
            }
            end = to;
        }
        if begin.checked_add(end as u64) != Some(size) {
            let found = size - begin;
            let what = if (end as u64) > found { "truncated" } else { "longer than its header says" };
            return Err(format!("{what}: its tensors have {end} bytes, the file has {found} for them"));
        }
        let mut entries = BTreeMap::new();
        for (name, info) in self.tensors {
            names::check(&name)?;
            let len = info.data_offsets.1 - info.data_offsets.0;
            // Names with a `/` in them cannot be split: the metadata say what such a path is made of.
            let keys = match keys.remove(&name) {
                Some(keys) if join(&keys) == name && !keys.iter().any(String::is_empty) => keys,
                Some(keys) => return Err(format!("its `{KEYS}` say that `{name}` is made of {keys:?}")),
                None => name.split('/').map(str::to_owned).collect(),
            };
            check_len(&name, &info, len)?;
            let start = begin + info.data_offsets.0 as u64;
            entries.insert(name, TensorEntry { keys, shape: info.shape, dtype: info.dtype, start, len });
        }
        names::check_paths(entries.values().map(|entry| entry.keys.as_slice()))?;
        Ok(Header { metadata, entries })
    }
}

/// Whether shape and dtype need as many bytes as there are.
fn check_len(name: &str, info: &TensorInfo, len: usize) -> Result<(), String> {
    let wrong =
        || format!("`{name}` is {:?} of shape {:?}, which cannot have {len} bytes", info.dtype, info.shape);
    if info.shape.len() > Aval::MAX_RANK {
        return Err(format!(
            "`{name}` has {} axes, at most {} are allowed",
            info.shape.len(),
            Aval::MAX_RANK
        ));
    }
    // Also without its axes of size zero, as nothing computes with sizes that cannot be counted.
    let bits = |least: usize| {
        let mut sizes = info.shape.iter().map(|&size| size.max(least));
        sizes.try_fold(info.dtype.bitsize(), usize::checked_mul).filter(|&bits| isize::try_from(bits).is_ok())
    };
    bits(1).ok_or_else(wrong)?;
    let found = bits(0).ok_or_else(wrong)?;
    if found.is_multiple_of(8) && found / 8 == len { Ok(()) } else { Err(wrong()) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names to `dtype`, `shape` and `data_offsets`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let (mut raw, mut metadata) = (Raw::default(), None);
        while let Some(name) = map.next_key::<String>()? {
            let twice = if name == METADATA {
                metadata.replace(map.next_value()?).is_some()
            } else {
                let info =
                    map.next_value().map_err(|error| A::Error::custom(format!("`{name}`: {error}")))?;
                raw.tensors.insert(name.clone(), info).is_some()
            };
            if twice {
                return Err(A::Error::custom(format!("the name `{name}` is given twice")));
            }
        }
        raw.metadata = metadata.unwrap_or_default();
        Ok(raw)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from texts to texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = Texts::default();
        while let Some((key, text)) = map.next_entry::<String, String>()? {
            if texts.0.insert(key.clone(), text).is_some() {
                return Err(A::Error::custom(format!("the metadata has `{key}` twice")));
            }
        }
        Ok(texts)
    }
}

/// What a header is written from: metadata, and tensors in the order of their values.
pub(super) struct Written<'a> {
    pub(super) metadata: &'a BTreeMap<String, String>,
    pub(super) tensors: &'a [(&'a str, TensorInfo)],
    /// The keys of names that contain a `/` themselves.
    pub(super) keys: &'a BTreeMap<&'a str, &'a [String]>,
}

impl Written<'_> {
    /// Length and header, padded so that the values begin at a multiple of eight.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut header = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() as u64 > MAX_HEADER_BYTES {
            return Err(format!(
                "the header would have {} bytes, at most {MAX_HEADER_BYTES} are allowed",
                header.len()
            ));
        }
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.append(&mut header);
        Ok(bytes)
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut metadata = self.metadata.clone();
        if !self.keys.is_empty() {
            metadata.insert(
                KEYS.to_owned(),
                serde_json::to_string(self.keys).map_err(serde::ser::Error::custom)?,
            );
        }
        if !metadata.is_empty() {
            map.serialize_entry(METADATA, &metadata)?;
        }
        for (name, info) in self.tensors {
            map.serialize_entry(name, info)?;
        }
        map.end()
    }
}
