//! What a file says beside its tensors.

use std::io::{BufReader, Read as _};

use super::super::source::{Reader, Source};

/// A value of a file's metadata, such as `general.architecture` or the words of a tokenizer.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Metadata {
    /// True or false.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A float of 32 or 64 bits.
    Float(f64),
    /// A text.
    Text(String),
    /// A list of booleans.
    Bools(Vec<bool>),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f64>),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of lists.
    Lists(Vec<Metadata>),
}

impl Metadata {
    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Metadata::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Metadata::Int(int) => Some(*int as f64),
            Metadata::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Metadata::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The type of a value, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Type(u32);

const BOOL: Type = Type(7);
const TEXT: Type = Type(8);
const LIST: Type = Type(9);
/// The type of `general.alignment`.
pub(super) const U32: Type = Type(4);

/// Lists within lists.
const DEPTH: usize = 8;
/// Bytes of a name.
const LONGEST_NAME: u64 = (1 << 16) - 1;

impl Type {
    /// The bytes of a number; None for texts, lists, and what there is not.
    fn size(self) -> Option<u64> {
        Some(match self.0 {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            _ => return None,
        })
    }

    fn is_float(self) -> bool {
        matches!(self.0, 6 | 12)
    }
}

/// Reads a header from front to end; lengths are believed only as far as there are bytes.
pub(super) struct Cursor<'a> {
    from: BufReader<Reader<'a>>,
    at: u64,
    len: u64,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a Source, at: u64, len: u64) -> Cursor<'a> {
        Cursor { from: BufReader::new(source.reader(at)), at, len }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    fn take(&mut self, bytes: u64) -> Result<(), String> {
        self.at =
            self.at.checked_add(bytes).filter(|&end| end <= self.len).ok_or("its header is truncated")?;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N as u64)?;
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        self.bytes().map(u64::from_le_bytes)
    }

    pub fn kind(&mut self) -> Result<Type, String> {
        self.u32().map(Type)
    }

    /// The name of a tensor or of a value.
    pub fn name(&mut self) -> Result<String, String> {
        self.text(LONGEST_NAME)
    }

    fn text(&mut self, longest: u64) -> Result<String, String> {
        let len = self.u64()?;
        if len > longest {
            return Err(format!("a name would have {len} bytes"));
        }
        self.take(len)?;
        let mut bytes = vec![0; usize::try_from(len).map_err(|error| error.to_string())?];
        self.from.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| format!("a text is not UTF-8: {error}"))
    }

    fn pass(&mut self, bytes: u64) -> Result<(), String> {
        self.take(bytes)?;
        let offset = i64::try_from(bytes).map_err(|error| error.to_string())?;
        self.from.seek_relative(offset).map_err(|error| error.to_string())
    }

    /// Passes over a value.
    pub fn skip(&mut self, kind: Type, depth: usize) -> Result<(), String> {
        if let Some(size) = kind.size() {
            return self.pass(size);
        }
        if kind == TEXT {
            let len = self.u64()?;
            return self.pass(len);
        }
        let (kind, len) = self.list(kind, depth)?;
        match kind.size() {
            Some(size) => self.pass(size.saturating_mul(len)),
            // Each takes some bytes, so that the file ends before a length that is not true.
            None => (0..len).try_for_each(|_| self.skip(kind, depth + 1)),
        }
    }

    /// The type of the values in a list, and how many there are.
    fn list(&mut self, kind: Type, depth: usize) -> Result<(Type, u64), String> {
        if kind != LIST {
            return Err(format!("a value is of the unknown type {}", kind.0));
        }
        if depth > DEPTH {
            return Err("its lists lie too deep in each other".to_owned());
        }
        Ok((self.kind()?, self.u64()?))
    }

    /// Reads a value that was passed over before, so that it is there.
    pub fn value(&mut self, kind: Type, depth: usize) -> Result<Metadata, String> {
        if kind == TEXT {
            return self.text(u64::MAX).map(Metadata::Text);
        }
        if kind == BOOL {
            return self.bool().map(Metadata::Bool);
        }
        if kind.size().is_some() {
            return if kind.is_float() {
                self.float(kind).map(Metadata::Float)
            } else {
                self.int(kind).map(Metadata::Int)
            };
        }
        let (kind, len) = self.list(kind, depth)?;
        if kind == TEXT {
            return (0..len).map(|_| self.text(u64::MAX)).collect::<Result<_, _>>().map(Metadata::Texts);
        }
        if kind == BOOL {
            return (0..len).map(|_| self.bool()).collect::<Result<_, _>>().map(Metadata::Bools);
        }
        if kind.size().is_none() {
            return (0..len)
                .map(|_| self.value(kind, depth + 1))
                .collect::<Result<_, _>>()
                .map(Metadata::Lists);
        }
        if kind.is_float() {
            return (0..len).map(|_| self.float(kind)).collect::<Result<_, _>>().map(Metadata::Floats);
        }
        (0..len).map(|_| self.int(kind)).collect::<Result<_, _>>().map(Metadata::Ints)
    }

    fn bool(&mut self) -> Result<bool, String> {
        match self.bytes()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("a boolean is stored as {other}, which is neither 0 nor 1")),
        }
    }

    fn float(&mut self, kind: Type) -> Result<f64, String> {
        if kind.size() == Some(4) {
            return self.bytes().map(|bytes| f32::from_le_bytes(bytes).into());
        }
        self.bytes().map(f64::from_le_bytes)
    }

    fn int(&mut self, kind: Type) -> Result<i64, String> {
        Ok(match kind.0 {
            0 => u8::from_le_bytes(self.bytes()?).into(),
            1 => i8::from_le_bytes(self.bytes()?).into(),
            2 => u16::from_le_bytes(self.bytes()?).into(),
            3 => i16::from_le_bytes(self.bytes()?).into(),
            4 => u32::from_le_bytes(self.bytes()?).into(),
            5 => i32::from_le_bytes(self.bytes()?).into(),
            10 => {
                let int = self.u64()?;
                i64::try_from(int).map_err(|_| format!("the integer {int} is too large"))?
            }
            _ => i64::from_le_bytes(self.bytes()?),
        })
    }
}
