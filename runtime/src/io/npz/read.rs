//! Reading an archive.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use zip::{CompressionMethod, ZipArchive};

use super::super::restore::Stored;
use super::super::{names, numbers};
use super::header::Header;
use crate::tensor::{Aval, DType, Tensor};

/// Deflated bytes become at most so many times as many.
const INFLATION: u64 = 1032;

/// The arrays of a file.
pub(super) struct Contents(pub(super) BTreeMap<String, Tensor>);

/// Reads all arrays of a file of a certain length.
pub(super) fn read(file: impl Read + Seek, len: u64) -> Result<Contents, String> {
    let not_zip = |error: zip::result::ZipError| format!("truncated, or not an npz file: {error}");
    let mut archive = ZipArchive::new(file).map_err(not_zip)?;
    if archive.has_duplicate_names() {
        return Err("a name is given twice".to_owned());
    }
    if archive.has_overlapping_files().map_err(not_zip)? {
        return Err("its arrays overlap".to_owned());
    }
    let mut tensors = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(not_zip)?;
        let name =
            std::str::from_utf8(entry.name_raw()).map_err(|error| format!("a name is not UTF-8: {error}"))?;
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
            return Err(format!("{name:?} is no array: its name does not end in `.npy`"));
        };
        names::check(&name)?;
        let inflation = match entry.compression() {
            CompressionMethod::Stored => 1,
            CompressionMethod::Deflated => INFLATION,
            other => return Err(format!("`{name}` is compressed by {other}, which NumPy does not write")),
        };
        // More than that cannot come of it, so nobody needs to be believed.
        let most = entry.compressed_size().min(len).saturating_mul(inflation);
        let size = entry.size();
        let tensor =
            array(&mut entry, size.min(most), size).map_err(|message| format!("`{name}`: {message}"))?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(format!("the name `{name}` is given twice"));
        }
    }
    Ok(Contents(tensors))
}

/// Reads an array which should have `size` bytes with its header, and has at most `most`.
fn array(from: &mut impl Read, most: u64, size: u64) -> Result<Tensor, String> {
    let (Header { mut aval, big_endian, fortran }, begin) = Header::read(from)?;
    let bytes = numbers::checked(&aval)?;
    if size.checked_sub(begin as u64) != Some(bytes as u64) || size > most {
        let found = most.saturating_sub(begin as u64);
        return Err(format!("an array {aval} needs {bytes} bytes, there are {found}"));
    }
    let dtype = aval.dtype;
    if fortran {
        aval.shape.reverse();
    }
    let tensor = numbers::tensor(aval, |bytes| {
        from.read_exact(bytes).map_err(|error| format!("its numbers cannot be read: {error}"))?;
        // The check sum is compared at the end.
        match from.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => return Err("more numbers follow than its shape says".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        if big_endian {
            numbers::reverse(dtype.size(), bytes);
        }
        Ok(())
    })?;
    let axes: Vec<isize> = (0..tensor.rank() as isize).rev().collect();
    if fortran { tensor.try_transpose(axes).map_err(|error| error.to_string()) } else { Ok(tensor) }
}

impl Stored for Contents {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn aval(&self, name: &str) -> Result<Option<Aval>, String> {
        Ok(self.0.get(name).map(|tensor| tensor.aval().clone()))
    }

    fn read(&self, name: &str, aval: &Aval) -> Result<Tensor, String> {
        let tensor = self.0.get(name).ok_or_else(|| format!("there is no `{name}`"))?;
        tensor.try_cast(aval.dtype).map_err(|error| error.to_string())
    }

    /// `bfloat16` is stored as `float32`.
    fn fits(&self, found: &Aval, expected: &Aval) -> bool {
        let widened = (found.dtype, expected.dtype) == (DType::F32, DType::BF16);
        found.shape == expected.shape && (found.dtype == expected.dtype || widened)
    }
}
