//! The header of a file: its metadata, and where its tensors are.

use std::collections::BTreeMap;

use super::super::source::Source;
use super::super::{formats, little_endian};
use super::blocks::{self, Kind};
use super::metadata::{Cursor, Type, U32};
use crate::array::{Aval, Shape};

/// What is in a file.
pub(super) struct Header {
    /// The types of the values, and where they are.
    pub metadata: BTreeMap<String, (Type, u64)>,
    pub tensors: BTreeMap<String, Entry>,
}

/// What is known of a tensor without its values.
pub(super) struct Entry {
    pub shape: Shape,
    /// Or the name of one that is not read.
    pub kind: Result<Kind, String>,
    /// From the beginning of the file.
    pub start: u64,
    /// In bytes; nothing where the kind is not known.
    pub len: u64,
}

const MAGIC: &[u8; 4] = b"GGUF";
const ALIGNMENT: u64 = 32;

impl Header {
    pub fn read(source: &Source) -> Result<Header, String> {
        let len = source.len().map_err(|error| error.to_string())?;
        let mut first = vec![0; len.min(formats::LOOKED_AT as u64) as usize];
        source.read(0, &mut first).map_err(|error| error.to_string())?;
        if !first.starts_with(MAGIC) {
            let what = formats::foreign(&first).map_or(String::new(), |what| format!(": {what}"));
            return Err(format!("not a GGUF file{what}"));
        }
        let mut from = Cursor::new(source, MAGIC.len() as u64, len);
        match from.u32()? {
            2 | 3 => {}
            version if version.swap_bytes() <= 3 => {
                return Err("its bytes are in the order of big-endian machines: convert it".to_owned());
            }
            version => return Err(format!("it has version {version} of the format; 2 and 3 are read")),
        }
        let (tensors, values) = (from.u64()?, from.u64()?);
        let mut metadata = BTreeMap::new();
        for _ in 0..values {
            let (key, kind) = (from.name()?, from.kind()?);
            let at = from.at();
            from.skip(kind, 0).map_err(|message| format!("`{key}`: {message}"))?;
            if metadata.insert(key.clone(), (kind, at)).is_some() {
                return Err(format!("the value `{key}` is given twice"));
            }
        }
        let mut found = BTreeMap::new();
        for _ in 0..tensors {
            let name = from.name()?;
            let entry = Entry::read(&mut from).map_err(|message| format!("`{name}`: {message}"))?;
            if found.insert(name.clone(), entry).is_some() {
                return Err(format!("the name `{name}` is given twice"));
            }
        }
        let end = from.at();
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(&(U32, at)) => Cursor::new(source, at, len).u32()?.into(),
            Some(_) => 0,
        };
        if !alignment.is_power_of_two() {
            return Err("its `general.alignment` is no power of two".to_owned());
        }
        let mut header = Header { metadata, tensors: found };
        header.place(end.next_multiple_of(alignment), len)?;
        Ok(header)
    }

    /// Every tensor has its own bytes, behind the header.
    fn place(&mut self, begin: u64, len: u64) -> Result<(), String> {
        let mut in_order = Vec::with_capacity(self.tensors.len());
        for (name, entry) in &mut self.tensors {
            let start = begin.checked_add(entry.start);
            let end = start.and_then(|start| start.checked_add(entry.len)).filter(|&end| end <= len);
            let (Some(start), Some(end)) = (start, end) else {
                return Err(format!(
                    "truncated: `{name}` has {} bytes from {} on, behind {begin} bytes of header, and the file has {len}",
                    entry.len, entry.start
                ));
            };
            entry.start = start;
            in_order.push((start, end, name));
        }
        in_order.sort_unstable();
        match in_order.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            Some(pair) => Err(format!("the values of `{}` overlap those of `{}`", pair[1].2, pair[0].2)),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// Sizes, with that of rows first; the kind; the offset from the end of the header.
    fn read(from: &mut Cursor<'_>) -> Result<Entry, String> {
        let rank = from.u32()? as usize;
        if rank > Aval::MAX_RANK {
            return Err(format!("it has {rank} axes, at most {} are allowed", Aval::MAX_RANK));
        }
        let mut shape = Shape::new();
        for _ in 0..rank {
            shape.push(usize::try_from(from.u64()?).map_err(|error| error.to_string())?);
        }
        shape.reverse();
        let kind = blocks::kind(from.u32()?);
        let start = from.u64()?;
        let len = match kind {
            Err(_) => 0,
            Ok(kind) => {
                let aval = Aval::unchecked(&shape, kind.dtype());
                little_endian::checked(&aval)?;
                if !shape.last().unwrap_or(&1).is_multiple_of(kind.numbers()) {
                    return Err(format!(
                        "rows of the shape {shape:?} are not of whole blocks of {} numbers, as {} has them",
                        kind.numbers(),
                        kind.name()
                    ));
                }
                (aval.size() / kind.numbers() * kind.bytes()) as u64
            }
        };
        Ok(Entry { shape, kind, start, len })
    }
}
