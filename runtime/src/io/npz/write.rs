//! Writing an archive.

use std::io::{BufWriter, Result, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::little_endian;
use super::super::names::named;
use super::header::NpyHeader;
use crate::array::DType;
use crate::core::Tensor;
use crate::tree::Tree;

/// An array about to be written.
pub(super) struct ArrayToWrite {
    name: String,
    header: Vec<u8>,
    tensor: Tensor,
}

/// The arrays of a tree.
pub(super) fn entries(tree: &impl Tree) -> std::result::Result<Vec<ArrayToWrite>, String> {
    let mut entries = Vec::new();
    for named in named(tree)? {
        let at = |message: &dyn std::fmt::Display| format!("`{}`: {message}", named.name);
        if let Some(key) = named.keys.iter().find(|key| key.contains('/')) {
            return Err(at(&format_args!(
                "the name {key:?} contains a `/`, which cannot be told from two names in this format: use safetensors"
            )));
        }
        let array = named.tensor.array().map_err(|error| at(&error))?;
        let mut tensor = Tensor::from(array.clone());
        if tensor.dtype() == DType::BF16 {
            tensor = tensor.try_cast(DType::F32).map_err(|error| at(&error))?;
        }
        let header = NpyHeader::write(tensor.aval()).map_err(|message| at(&message))?;
        entries.push(ArrayToWrite { name: named.name, header, tensor });
    }
    Ok(entries)
}

pub(super) fn write(file: impl Write + Seek, entries: &[ArrayToWrite], compressed: bool) -> Result<()> {
    let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let mut archive = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
    for ArrayToWrite { name, header, tensor } in entries {
        let array = tensor.array().map_err(std::io::Error::other)?;
        let bytes = little_endian::bytes(array);
        // As NumPy does it: sizes beyond 32 bits need to be announced.
        let large = (bytes.len() + header.len()) as u64 >= u64::from(u32::MAX);
        let options = SimpleFileOptions::default().compression_method(method).large_file(large);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(header)?;
        archive.write_all(&bytes)?;
    }
    archive.finish()?.flush()
}
