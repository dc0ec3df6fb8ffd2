//! The containers of `torch.save`: a zip archive since PyTorch 1.6, before that pickles one behind another.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Seek as _};

use zip::{CompressionMethod, ZipArchive};

use super::super::formats;
use super::super::pickle::{self, Id, Node, Pickle};
use super::super::source::Source;

/// A pickle, and where the bytes of its storages are.
pub(super) struct Archive {
    pub source: Source,
    pub pickle: Pickle,
    pub storages: BTreeMap<String, Storage>,
    pub big_endian: bool,
}

/// Bytes of a file that tensors lie in.
#[derive(Clone, Copy)]
pub(super) struct Storage {
    pub start: u64,
    pub len: u64,
}

/// What the first pickle of the old format is.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

impl Archive {
    pub fn open(source: Source) -> Result<Archive, String> {
        let mut first = Vec::new();
        let begin = source.reader(0).take(formats::LOOKED_AT as u64).read_to_end(&mut first);
        begin.map_err(|error| error.to_string())?;
        if first.starts_with(MAGIC) {
            return Archive::legacy(source);
        }
        match formats::foreign(&first) {
            Some(formats::TORCH | formats::ARCHIVE) => Archive::zip(source),
            Some(what) => Err(format!("not a file of `torch.save`: {what}")),
            None => Err("not a file of `torch.save`".to_owned()),
        }
    }

    fn zip(source: Source) -> Result<Archive, String> {
        let reader = BufReader::new(source.reader(0));
        let mut zip = ZipArchive::new(reader).map_err(not_zip)?;
        if zip.has_duplicate_names() || zip.has_overlapping_files().map_err(not_zip)? {
            return Err("its parts overlap, or a name is given twice".to_owned());
        }
        let mut parts = BTreeMap::new();
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(not_zip)?;
            let name = std::str::from_utf8(entry.name_raw())
                .map_err(|error| format!("a name is not UTF-8: {error}"))?;
            let start = entry.data_start().ok_or("a part has no place")?;
            let is_plain = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
            parts.insert(name.to_owned(), (Storage { start, len: entry.size() }, is_plain));
        }
        let (name, _) = parts
            .iter()
            .find(|(name, _)| is_main(name))
            .ok_or("not a file of `torch.save`: it is a zip archive without a `data.pkl`")?;
        let folder = name.strip_suffix(PICKLE).unwrap_or_default().to_owned();
        let plain = |name: &str| match parts.get(name) {
            Some(&(storage, true)) => Ok(storage),
            Some(_) => Err(format!(
                "`{name}` in it is compressed, as PyTorch never does: unpack it, and pack it with `zip -0`"
            )),
            None => Err(format!("it has no `{name}`")),
        };
        let main = plain(&format!("{folder}{PICKLE}"))?;
        let mut bytes = BufReader::new(source.reader(main.start)).take(main.len);
        let pickle = pickle::read(&mut bytes)?;
        let big_endian = match plain(&format!("{folder}byteorder")) {
            Ok(storage) => {
                let mut text = vec![0; usize::try_from(storage.len.min(6)).unwrap_or(0)];
                source.read(storage.start, &mut text).map_err(|error| error.to_string())?;
                text == b"big"
            }
            Err(_) => false,
        };
        let data = format!("{folder}data/");
        let storages = parts.keys().filter_map(|name| Some((name.strip_prefix(&data)?, plain(name))));
        // What is compressed spoils itself only.
        let storages = storages.filter_map(|(key, storage)| Some((key.to_owned(), storage.ok()?))).collect();
        Ok(Archive { source, pickle, storages, big_endian })
    }

    /// Pickles: a magic number, a version, facts about the machine, the object, and the keys of storages; then the bytes of each
    /// storage behind the number of its elements.
    fn legacy(source: Source) -> Result<Archive, String> {
        let len = source.len().map_err(|error| error.to_string())?;
        let mut reader = BufReader::new(source.reader(0));
        pickle::read(&mut reader)?;
        let version = pickle::read(&mut reader)?;
        if version.int(version.root) != Some(1001) {
            return Err("it has an unknown version of the format before PyTorch 1.6".to_owned());
        }
        let machine = pickle::read(&mut reader)?;
        let little = machine.get(machine.root, "little_endian").map(|id| machine.node(id).clone());
        let big_endian = little == Some(Node::Bool(false));
        let pickle = pickle::read(&mut reader)?;
        let keys = pickle::read(&mut reader)?;
        let mut at = reader.stream_position().map_err(|error| error.to_string())?;
        drop(reader);
        let sizes = element_sizes(&pickle);
        let mut storages = BTreeMap::new();
        for &key in keys.items(keys.root).ok_or("the list of its storages is missing")? {
            let key = keys.text(key).ok_or("the name of a storage is no text")?;
            let size =
                *sizes.get(key).ok_or_else(|| format!("nothing says what the storage `{key}` holds"))?;
            let mut count = [0; 8];
            source.read(at, &mut count).map_err(|_| truncated(key))?;
            let count = if big_endian { u64::from_be_bytes(count) } else { u64::from_le_bytes(count) };
            let bytes = count.checked_mul(size).filter(|&bytes| bytes <= len - at - 8);
            let storage = Storage { start: at + 8, len: bytes.ok_or_else(|| truncated(key))? };
            at = storage.start + storage.len;
            storages.insert(key.to_owned(), storage);
        }
        Ok(Archive { source, pickle, storages, big_endian })
    }
}

const PICKLE: &str = "data.pkl";

/// `model/data.pkl`, whatever the folder is called.
fn is_main(name: &str) -> bool {
    name.strip_suffix(PICKLE).is_some_and(|folder| folder.ends_with('/') && folder.matches('/').count() == 1)
}

fn not_zip(error: zip::result::ZipError) -> String {
    format!("truncated, or no zip archive: {error}")
}

fn truncated(key: &str) -> String {
    format!("truncated: the storage `{key}` is not whole")
}

/// Bytes of an element of each storage, by its key.
fn element_sizes(pickle: &Pickle) -> BTreeMap<String, u64> {
    let ids = pickle.ids().filter_map(|id| match pickle.node(id) {
        Node::Persistent(id) => storage_of(pickle, *id),
        _ => None,
    });
    ids.filter_map(|storage| Some((storage.key, element_size(storage.kind)?))).collect()
}

/// What a pickle says of a storage.
pub(super) struct StorageId<'a> {
    /// `torch.FloatStorage`, …
    pub kind: &'a str,
    pub key: String,
    /// In elements: a storage of the old format may be a part of another one.
    pub view: Option<(u64, u64)>,
}

/// Reads `("storage", type, key, location, count)`, and in the old format a view behind that.
pub(super) fn storage_of(pickle: &Pickle, id: Id) -> Option<StorageId<'_>> {
    let (&[tag, kind, key, _, _], rest) = pickle.items(id)?.split_first_chunk()?;
    if pickle.text(tag) != Some("storage") {
        return None;
    }
    let count = |id: Id| pickle.int(id).and_then(|count| u64::try_from(count).ok());
    let view = match rest.first().and_then(|&view| pickle.items(view)) {
        Some(&[_key, offset, len]) => Some((count(offset)?, count(len)?)),
        _ => None,
    };
    let key = match pickle.text(key) {
        // Those of PyTorch are numbers.
        Some(text) if text.len() > 256 => return None,
        Some(text) => text.to_owned(),
        None => pickle.int(key)?.to_string(),
    };
    Some(StorageId { kind: pickle.global(kind)?, key, view })
}

/// Bytes of an element of a kind of storage.
pub(super) fn element_size(kind: &str) -> Option<u64> {
    let name = kind.rsplit('.').next()?.strip_suffix("Storage")?;
    Some(match name {
        "Byte" | "Char" | "Bool" | "Untyped" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" => 1,
        "Short" | "Half" | "BFloat16" => 2,
        "Int" | "Float" | "QInt32" => 4,
        "Long" | "Double" | "ComplexFloat" => 8,
        "ComplexDouble" => 16,
        _ => return None,
    })
}
