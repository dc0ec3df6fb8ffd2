//! Reading a file, or parts of it.

use std::path::Path;

use super::super::little_endian;
use super::super::names;
use super::super::source::Source;
use super::blocks::Kind;
use super::header::{Entry, Header};
use super::metadata::{Cursor, Metadata};
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// A GGUF file of which the header has been read and checked; its tensors are read, and dequantised, when they are asked for.
pub struct File {
    path: String,
    source: Source,
    header: Header,
}

impl File {
    /// Opens a file; tensors are read from it into memory of their own.
    ///
    /// # Errors
    /// If it cannot be read, or is not valid.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        File::new(path.as_ref().display().to_string(), Source::open(path.as_ref())?)
    }

    /// Maps a file into memory, of which only what is looked at is brought in.
    ///
    /// Nobody may write to the file or truncate it as long as this value lives; see
    /// [`safetensors::File::map`](crate::io::safetensors::File::map).
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
        Ok(File { path, source, header })
    }

    /// The names of the tensors, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.header.tensors.keys().map(String::as_str)
    }

    /// The names of the metadata, in order.
    pub fn metadata_names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.header.metadata.keys().map(String::as_str)
    }

    /// A value of the metadata, if it is there: `general.architecture`, `llama.block_count`, `tokenizer.ggml.tokens`, ….
    ///
    /// # Errors
    /// If the file cannot be read; if it is a text that is not UTF-8, or an integer that no `i64` is.
    pub fn metadata(&self, name: &str) -> Result<Option<Metadata>> {
        let Some(&(kind, at)) = self.header.metadata.get(name) else { return Ok(None) };
        let len = self.source.len().map_err(|error| self.wrong(error.to_string()))?;
        let value = Cursor::new(&self.source, at, len).value(kind, 0);
        value.map(Some).map_err(|message| self.wrong(format!("`{name}` cannot be read: {message}")))
    }

    /// How a tensor is stored: `F16`, `Q4_K`, …; also a kind that is not read.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn kind(&self, name: &str) -> Result<&str> {
        let entry = self.entry(name)?;
        Ok(entry.kind.as_ref().map_or_else(String::as_str, |kind| kind.name()))
    }

    /// Shape and dtype of a tensor, without its values; the dtype of one that is quantised is `F32`.
    ///
    /// # Errors
    /// If there is no such tensor, or it is of a kind that is not read.
    pub fn aval(&self, name: &str) -> Result<Aval> {
        let entry = self.entry(name)?;
        Ok(Aval::unchecked(&entry.shape, self.known(name, entry)?.dtype()))
    }

    /// Reads one tensor; one that is quantised becomes `F32`.
    ///
    /// # Errors
    /// As [`aval`](File::aval); if the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let dtype = self.known(name, entry)?.dtype();
        self.read(name, entry, dtype)
    }

    /// Reads one tensor of floats, quantised or not, as `F32` or `BF16`.
    ///
    /// A little at a time: beside the tensor itself hardly any memory is taken.
    ///
    /// # Errors
    /// As [`tensor`](File::tensor); if another dtype is asked for, or the tensor is of other numbers.
    pub fn tensor_as(&self, name: &str, dtype: DType) -> Result<Tensor> {
        self.read(name, self.entry(name)?, dtype)
    }

    /// What is wrong with a tensor, if its kind tells.
    pub(in super::super) fn flaw(&self, name: &str) -> Option<String> {
        let kind = self.header.tensors.get(name)?.kind.as_ref().err()?;
        Some(format!("`{name}` is of GGUF's kind {kind}"))
    }

    fn read(&self, name: &str, entry: &Entry, dtype: DType) -> Result<Tensor> {
        let kind = self.known(name, entry)?;
        let floats =
            !matches!(kind, Kind::Plain(dtype) if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16));
        if kind != Kind::Plain(dtype) && !(floats && matches!(dtype, DType::F32 | DType::BF16)) {
            return Err(self.wrong(format!(
                "`{name}` is stored as {}, and was asked for as {dtype}: floats are read as float32 or bfloat16, other numbers as \
                 they are: cast it afterwards",
                kind.name()
            )));
        }
        let read =
            |start: u64, bytes: &mut [u8]| self.source.read(start, bytes).map_err(|error| error.to_string());
        let tensor = little_endian::tensor(Aval::unchecked(&entry.shape, dtype), |bytes| {
            if kind == Kind::Plain(dtype) {
                read(entry.start, bytes)
            } else {
                dequantise(kind, dtype, entry.start, bytes, read)
            }
        });
        tensor.map_err(|message| self.wrong(format!("`{name}` cannot be read: {message}")))
    }

    fn known(&self, name: &str, entry: &Entry) -> Result<Kind> {
        let known = entry.kind.as_ref().copied();
        known.map_err(|kind| {
            self.wrong(format!(
                "`{name}` is of GGUF's kind {kind}, which is not read: take a file with another quantisation"
            ))
        })
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.header.tensors.get(name).ok_or_else(|| {
            let all: Vec<String> = self.names().map(str::to_owned).collect();
            let there = if all.is_empty() { "nothing".to_owned() } else { names::list(&all) };
            self.wrong(format!("there is no tensor `{name}`; there is {there}"))
        })
    }

    fn wrong(&self, message: String) -> Error {
        Error::file(&self.path, message)
    }
}

/// Fills `into` with the little-endian floats of whole blocks, a few at a time.
fn dequantise(
    kind: Kind,
    dtype: DType,
    start: u64,
    into: &mut [u8],
    read: impl Fn(u64, &mut [u8]) -> Result<(), String>,
) -> Result<(), String> {
    /// A multiple of the numbers of every block.
    const NUMBERS: usize = 1 << 13;
    let mut numbers = vec![0f32; NUMBERS];
    let mut blocks = vec![0; NUMBERS / kind.numbers() * kind.bytes()];
    for (i, into) in into.chunks_mut(NUMBERS * dtype.size()).enumerate() {
        let numbers = &mut numbers[..into.len() / dtype.size()];
        let start = start + (i * blocks.len()) as u64;
        let blocks = &mut blocks[..numbers.len() / kind.numbers() * kind.bytes()];
        read(start, blocks)?;
        kind.dequantise(blocks, numbers);
        if dtype == DType::BF16 {
            let halves = into.as_chunks_mut().0.iter_mut().zip(&*numbers);
            halves.for_each(|(into, &number)| *into = half::bf16::from_f32(number).to_le_bytes());
        } else {
            into.as_chunks_mut()
                .0
                .iter_mut()
                .zip(&*numbers)
                .for_each(|(into, number)| *into = number.to_le_bytes());
        }
    }
    Ok(())
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({}) ", self.path)?;
        let kind =
            |entry: &Entry| entry.kind.as_ref().map_or_else(Clone::clone, |kind| kind.name().to_owned());
        let tensors = self.header.tensors.iter().map(|(name, entry)| (name, (kind(entry), &entry.shape)));
        f.debug_map().entries(tensors).finish()
    }
}
