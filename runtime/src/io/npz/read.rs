//! Reading an archive.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::sync::{Mutex, PoisonError};

use zip::{CompressionMethod, ZipArchive};

use super::super::restore::{Stored, some};
use super::super::{formats, little_endian, names};
use super::header::NpyHeader;
use crate::array::{Aval, DType};
use crate::core::Tensor;

/// Deflated bytes become at most so many times as many.
const INFLATION: u64 = 1032;

/// A file, or the bytes of one.
pub(super) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// The arrays of a file, which are read when they are asked for.
pub(super) struct Archive<'a> {
    zip: Mutex<ZipArchive<Box<dyn ReadSeek + 'a>>>,
    /// The length of the file.
    len: u64,
    /// The number of each array in the archive.
    indices: BTreeMap<String, usize>,
}

/// What a file that is no archive of arrays is.
fn foreign(file: &mut (impl Read + Seek)) -> std::io::Result<Option<&'static str>> {
    let mut first = Vec::new();
    file.by_ref().take(formats::LOOKED_AT as u64).read_to_end(&mut first)?;
    file.rewind()?;
    Ok(formats::foreign(&first).filter(|what| ![formats::NPZ, formats::ARCHIVE].contains(what)))
}

impl<'a> Archive<'a> {
    /// Reads the names in a file of a certain length.
    pub(super) fn open(mut file: Box<dyn ReadSeek + 'a>, len: u64) -> Result<Archive<'a>, String> {
        if let Some(what) = foreign(&mut file).map_err(|error| error.to_string())? {
            return Err(format!("not an npz file: {what}"));
        }
        let mut zip = ZipArchive::new(file).map_err(not_zip)?;
        if zip.has_duplicate_names() {
            return Err("a name is given twice".to_owned());
        }
        if zip.has_overlapping_files().map_err(not_zip)? {
            return Err("its arrays overlap".to_owned());
        }
        let mut indices = BTreeMap::new();
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(not_zip)?;
            let name = std::str::from_utf8(entry.name_raw())
                .map_err(|error| format!("a name is not UTF-8: {error}"))?;
            let name = name.strip_suffix(ENDING).unwrap_or(name).to_owned();
            names::check(&name)?;
            if indices.insert(name.clone(), index).is_some() {
                return Err(format!("the name `{name}` is given twice"));
            }
        }
        Ok(Archive { zip: Mutex::new(zip), len, indices })
    }

    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.indices.keys().map(String::as_str)
    }

    /// An array, or None if there is none of this name.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor>, String> {
        self.inflates(name)?;
        self.with(name, array)
    }

    /// Whether an array that would become much longer than the file does: memory for it is taken afterwards.
    fn inflates(&self, name: &str) -> Result<(), String> {
        let much = self.len.saturating_add(self.len / 10);
        let checked = self.with(name, |from, most, size| {
            if size <= much || size > most {
                return Ok(());
            }
            // One more, so that the check sum is compared at the end.
            let found = std::io::copy(&mut from.take(size.saturating_add(1)), &mut std::io::sink());
            match found.map_err(|error| format!("its values cannot be read: {error}"))? {
                found if found == size => Ok(()),
                found => Err(format!("it should become {size} bytes, and becomes {found}")),
            }
        });
        checked.map(|_| ())
    }

    /// Shape and dtype of an array.
    pub(super) fn aval(&self, name: &str) -> Result<Option<Aval>, String> {
        self.with(name, |from, _, _| Ok(NpyHeader::read(from)?.0.aval))
    }

    /// All arrays.
    pub(super) fn tensors(&self) -> Result<BTreeMap<String, Tensor>, String> {
        let wrong = self.names().filter_map(|name| self.aval(name).err()).collect::<Vec<_>>();
        if !wrong.is_empty() {
            let others = "all others can be read by name: `npz::File::open(path)?.tensor(name)`";
            return Err(format!("{}; {others}", some(&wrong)));
        }
        let tensors = self.names().filter_map(|name| {
            let tensor = self.tensor(name).transpose()?;
            Some(tensor.map(|tensor| (name.to_owned(), tensor)))
        });
        // One by one: collecting them would sort them, as their names are already.
        let mut all = BTreeMap::new();
        for tensor in tensors {
            let (name, tensor) = tensor?;
            all.insert(name, tensor);
        }
        Ok(all)
    }

    /// Reads something of an array: `f` is given its bytes, how many there are at most, and how many there should be.
    fn with<T>(
        &self,
        name: &str,
        f: impl FnOnce(&mut dyn Read, u64, u64) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(&index) = self.indices.get(name) else { return Ok(None) };
        let at = |message: String| format!("`{name}`: {message}");
        // Whoever panicked while holding the archive left no state behind: every array is looked up first.
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = zip.by_index(index).map_err(|error| at(not_zip(error)))?;
        if !entry.name_raw().ends_with(ENDING.as_bytes()) {
            return Err(at("it is no array: its name does not end in `.npy`".to_owned()));
        }
        let inflation = match entry.compression() {
            CompressionMethod::Stored => 1,
            CompressionMethod::Deflated => INFLATION,
            other => return Err(at(format!("it is compressed by {other}, which NumPy does not write"))),
        };
        // More than that cannot come of it, so nobody needs to be believed.
        let most = entry.compressed_size().min(self.len).saturating_mul(inflation);
        let size = entry.size();
        f(&mut entry, size.min(most), size).map(Some).map_err(at)
    }
}

const ENDING: &str = ".npy";

fn not_zip(error: zip::result::ZipError) -> String {
    format!("truncated, or not an npz file: {error}")
}

/// Reads an array which has at most `most` bytes with its header, and should have `size`.
fn array(from: &mut dyn Read, most: u64, size: u64) -> Result<Tensor, String> {
    let (NpyHeader { mut aval, big_endian, fortran }, begin) = NpyHeader::read(from)?;
    let bytes = little_endian::checked(&aval)?;
    if size.checked_sub(begin as u64) != Some(bytes as u64) || size > most {
        let found = most.saturating_sub(begin as u64);
        return Err(format!("an array {aval} needs {bytes} bytes, there are {found}"));
    }
    let dtype = aval.dtype;
    if fortran {
        aval.shape.reverse();
    }
    let tensor = little_endian::tensor(aval, |bytes| {
        from.read_exact(bytes).map_err(|error| format!("its values cannot be read: {error}"))?;
        // The check sum is compared at the end.
        match from.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => return Err("more values follow than its shape says".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        if big_endian {
            little_endian::reverse(dtype.word(), bytes);
        }
        Ok(())
    })?;
    let axes: Vec<isize> = (0..tensor.rank() as isize).rev().collect();
    if fortran { tensor.try_transpose(axes).map_err(|error| error.to_string()) } else { Ok(tensor) }
}

impl Stored for Archive<'_> {
    fn names(&self) -> Vec<String> {
        self.indices.keys().cloned().collect()
    }

    fn aval(&self, name: &str) -> Result<Option<Aval>, String> {
        self.aval(name)
    }

    fn read(&self, name: &str, aval: &Aval) -> Result<Tensor, String> {
        let tensor = self.tensor(name)?.ok_or_else(|| format!("there is no `{name}`"))?;
        tensor.try_cast(aval.dtype).map_err(|error| error.to_string())
    }

    /// `bfloat16` is stored as `float32`.
    fn fits(&self, found: &Aval, expected: &Aval) -> bool {
        let widened = (found.dtype, expected.dtype) == (DType::F32, DType::BF16);
        found.shape == expected.shape && (found.dtype == expected.dtype || widened)
    }
}
