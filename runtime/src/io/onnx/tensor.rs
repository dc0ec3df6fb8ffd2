//! A `TensorProto`: what is said of a tensor, and its values.

use std::path::{Component, Path};

use super::super::encoding::{Eight, Encoding};
use super::super::source::Source;
use super::super::{little_endian, strided};
use super::wire::{Fields, Span, Value, Wire};
use crate::array::{Aval, DType};
use crate::core::Tensor;

/// A tensor that has not been read.
pub(super) struct StoredTensor {
    pub aval: Aval,
    encoding: Encoding,
    values: Values,
}

/// Where values are.
enum Values {
    /// Little-endian bytes.
    Bytes(Span),
    /// Numbers in so many places of a message.
    List { message: Span, list: List },
    /// A file of their own.
    External { file: String, offset: u64, len: Option<u64> },
}

/// The field of a message that has the values.
#[derive(Clone, Copy)]
enum List {
    /// `float_data` or `double_data`, of numbers of four or of eight bytes.
    Fixed { field: u64, size: u64 },
    /// `int32_data`, `int64_data` or `uint64_data`, of which the lower bytes count: also halves are in them.
    Varint { field: u64 },
}

/// What a message says.
#[derive(Default)]
struct Said {
    shape: Vec<usize>,
    dtype: u64,
    name: Option<Span>,
    raw: Option<Span>,
    segment: bool,
    is_external: bool,
    external: Vec<(String, String)>,
}

impl StoredTensor {
    /// The name of a tensor, and what is known of it, or what is wrong with it alone.
    pub fn read(
        wire: &mut Wire<'_>,
        message: Span,
    ) -> Result<(String, Result<StoredTensor, String>), String> {
        let said = Said::read(wire, message)?;
        let name = said.name.map(|name| wire.text(name)).transpose()?.unwrap_or_default();
        let tensor = said.tensor(wire, message);
        Ok((name, tensor))
    }

    /// Reads its values; external files lie in a folder.
    pub fn load(&self, source: &Source, folder: Option<&Path>, mapped: bool) -> Result<Tensor, String> {
        match &self.values {
            Values::Bytes(span) => self.bytes(source, span.start),
            Values::External { file, offset, len } => {
                let folder =
                    folder.ok_or("its values are in a file beside the model: open it by its path")?;
                let path = folder.join(beside(file)?);
                let opened = if mapped { Source::map(&path) } else { Source::open(&path) };
                let source = opened.map_err(|error| error.to_string())?;
                let all = source.len().map_err(|error| error.to_string())?;
                let needed = (self.aval.size() * self.encoding.size()) as u64;
                if len.is_some_and(|len| len != needed) {
                    return Err(format!(
                        "{} needs {needed} bytes, its file is said to have {len:?}",
                        self.aval
                    ));
                }
                if offset.checked_add(needed).is_none_or(|end| end > all) {
                    return Err(format!(
                        "truncated: {} needs {needed} bytes from {offset} on, `{file}` has {all}",
                        self.aval
                    ));
                }
                self.bytes(&source, *offset)
            }
            &Values::List { message, list } => {
                let mut wire = Wire::new(source);
                little_endian::tensor(self.aval.clone(), |bytes| {
                    let mut into = Into { encoding: self.encoding, rest: bytes };
                    list.each(&mut wire, message, &mut |number| into.push(number))?;
                    if into.rest.is_empty() { Ok(()) } else { Err("there are too few numbers".to_owned()) }
                })
            }
        }
    }

    fn bytes(&self, source: &Source, start: u64) -> Result<Tensor, String> {
        let size = self.encoding.size();
        let mut read = |from: usize, bytes: &mut [u8]| {
            source.read(start + (from * size) as u64, bytes).map_err(|error| error.to_string())
        };
        little_endian::tensor(self.aval.clone(), |bytes| match self.encoding {
            Encoding::Plain(_) => read(0, bytes),
            Encoding::Eight(_) => strided::read(self.encoding, &[self.aval.size()], &[1], bytes, &mut read),
        })
    }

    /// The file that its values are in, if it is not the model itself.
    pub fn external(&self) -> Option<&str> {
        match &self.values {
            Values::External { file, .. } => Some(file),
            _ => None,
        }
    }
}

/// Little-endian elements that are filled in one by one, of words of up to eight bytes.
struct Into<'a> {
    encoding: Encoding,
    rest: &'a mut [u8],
}

impl Into<'_> {
    fn push(&mut self, word: [u8; 8]) -> Result<(), String> {
        let (from, into) = match self.encoding {
            Encoding::Plain(dtype) => (dtype.word(), dtype.word()),
            Encoding::Eight(_) => (1, 2),
        };
        let rest = std::mem::take(&mut self.rest);
        let (element, rest) = rest.split_at_mut_checked(into).ok_or("there are too many numbers")?;
        self.encoding.decode(&word[..from], element);
        self.rest = rest;
        Ok(())
    }
}

impl List {
    /// All numbers, in order, as words of eight little-endian bytes.
    fn each(
        self,
        wire: &mut Wire<'_>,
        message: Span,
        f: &mut dyn FnMut([u8; 8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next(wire)? {
            match (self, value) {
                (List::Varint { field }, Value::Varint(word)) if number == field => f(word.to_le_bytes())?,
                (List::Varint { field }, Value::Bytes(span)) if number == field => {
                    let mut at = span.start;
                    wire.go(at)?;
                    while at < span.end {
                        f(wire.varint(span.end)?.to_le_bytes())?;
                        at = wire.at();
                    }
                }
                (List::Fixed { field, size }, Value::Fixed(span) | Value::Bytes(span)) if number == field => {
                    if span.len() % size != 0 {
                        return Err("its numbers do not end with its bytes".to_owned());
                    }
                    for start in (span.start..span.end).step_by(size as usize) {
                        let mut word = [0; 8];
                        wire.read(start, &mut word[..size as usize])?;
                        f(word)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many numbers there are.
    fn count(self, wire: &mut Wire<'_>, message: Span) -> Result<u64, String> {
        let (mut count, mut fields) = (0, Fields::of(message));
        while let Some((number, value)) = fields.next(wire)? {
            count += match (self, value) {
                (List::Varint { field }, Value::Varint(_)) if number == field => 1,
                (List::Varint { field }, Value::Bytes(span)) if number == field => wire.varints(span)?,
                (List::Fixed { field, size }, Value::Fixed(span) | Value::Bytes(span)) if number == field => {
                    span.len() / size
                }
                _ => 0,
            };
        }
        Ok(count)
    }
}

impl Said {
    fn read(wire: &mut Wire<'_>, message: Span) -> Result<Said, String> {
        let (mut said, mut fields) = (Said::default(), Fields::of(message));
        while let Some((number, value)) = fields.next(wire)? {
            match (number, value) {
                (1, Value::Varint(size)) => said.axis(size)?,
                (1, Value::Bytes(packed)) => {
                    wire.go(packed.start)?;
                    while wire.at() < packed.end {
                        let size = wire.varint(packed.end)?;
                        said.axis(size)?;
                    }
                }
                (2, Value::Varint(dtype)) => said.dtype = dtype,
                (3, Value::Bytes(_)) => said.segment = true,
                (8, Value::Bytes(span)) => said.name = Some(span),
                (9, Value::Bytes(span)) => said.raw = Some(span),
                (13, Value::Bytes(entry)) => {
                    let entry = entry_of(wire, entry)?;
                    if said.external.len() < 16 {
                        said.external.push(entry);
                    }
                }
                (14, Value::Varint(place)) => said.is_external = place == 1,
                _ => {}
            }
        }
        Ok(said)
    }

    fn axis(&mut self, size: u64) -> Result<(), String> {
        if self.shape.len() == Aval::MAX_RANK {
            return Err(format!("a tensor has more than {} axes", Aval::MAX_RANK));
        }
        // A negative size is larger than any.
        self.shape.push(usize::try_from(size).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn tensor(&self, wire: &mut Wire<'_>, message: Span) -> Result<StoredTensor, String> {
        let (encoding, list) = encoding(self.dtype)
            .map_err(|name| format!("it is of ONNX's dtype {name}, which no tensor has here"))?;
        if self.segment {
            return Err("it is a part of a larger tensor".to_owned());
        }
        let aval = Aval::unchecked(&self.shape, encoding.dtype());
        little_endian::checked(&aval)?;
        let needed = (aval.size() * encoding.size()) as u64;
        let values = if self.is_external {
            self.file()?
        } else if let Some(raw) = self.raw {
            if raw.len() != needed {
                return Err(format!("{aval} needs {needed} bytes, there are {}", raw.len()));
            }
            Values::Bytes(raw)
        } else {
            // A complex number is two.
            let needed = (aval.size() * (encoding.size() / encoding.word())) as u64;
            let count = list.count(wire, message)?;
            if count != needed {
                return Err(format!("{aval} needs {needed} numbers, there are {count}"));
            }
            Values::List { message, list }
        };
        Ok(StoredTensor { aval, encoding, values })
    }

    /// What is said of a file of its own.
    fn file(&self) -> Result<Values, String> {
        let find = |key: &str| self.external.iter().find(|(found, _)| found == key).map(|(_, value)| value);
        let number = |key: &str| {
            let number = find(key).map(|value| value.parse::<u64>());
            number.transpose().map_err(|_| format!("the {key} of its values in another file is no number"))
        };
        let file = find("location").ok_or("its values are in another file without a name")?.clone();
        beside(&file)?;
        Ok(Values::External { file, offset: number("offset")?.unwrap_or(0), len: number("length")? })
    }
}

/// A `StringStringEntryProto`.
fn entry_of(wire: &mut Wire<'_>, entry: Span) -> Result<(String, String), String> {
    let (mut found, mut fields) = ((String::new(), String::new()), Fields::of(entry));
    while let Some((number, value)) = fields.next(wire)? {
        match (number, value) {
            (1, Value::Bytes(span)) => found.0 = wire.text(span)?,
            (2, Value::Bytes(span)) => found.1 = wire.text(span)?,
            _ => {}
        }
    }
    Ok(found)
}

/// A path within the folder of a model, so that a model reads nothing else.
fn beside(file: &str) -> Result<&Path, String> {
    let path = Path::new(file);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if file.is_empty() || !inside {
        return Err(format!(
            "its values are said to be in {file:?}, which is no path within the folder of the model"
        ));
    }
    Ok(path)
}

/// How a dtype is stored, by its number, and which list has its numbers; or its name.
fn encoding(dtype: u64) -> Result<(Encoding, List), String> {
    const FLOATS: List = List::Fixed { field: 4, size: 4 };
    const INTS: List = List::Varint { field: 5 };
    const UNSIGNED: List = List::Varint { field: 11 };
    let (dtype, list) = match dtype {
        1 => (DType::F32, FLOATS),
        2 => (DType::U8, INTS),
        3 => (DType::I8, INTS),
        4 => (DType::U16, INTS),
        5 => (DType::I16, INTS),
        6 => (DType::I32, INTS),
        7 => (DType::I64, List::Varint { field: 7 }),
        9 => (DType::Bool, INTS),
        10 => (DType::F16, INTS),
        11 => (DType::F64, List::Fixed { field: 10, size: 8 }),
        12 => (DType::U32, UNSIGNED),
        14 => (DType::C64, FLOATS),
        16 => (DType::BF16, INTS),
        17 => return Ok((Encoding::Eight(Eight::E4M3), INTS)),
        18 => return Ok((Encoding::Eight(Eight::E4M3Fnuz), INTS)),
        19 => return Ok((Encoding::Eight(Eight::E5M2), INTS)),
        20 => return Ok((Encoding::Eight(Eight::E5M2Fnuz), INTS)),
        24 => return Ok((Encoding::Eight(Eight::E8M0), INTS)),
        8 => return Err("STRING".to_owned()),
        13 => return Err("UINT64".to_owned()),
        15 => return Err("COMPLEX128".to_owned()),
        21 => return Err("UINT4".to_owned()),
        22 => return Err("INT4".to_owned()),
        23 => return Err("FLOAT4E2M1".to_owned()),
        other => return Err(format!("number {other}")),
    };
    Ok((Encoding::Plain(dtype), list))
}
