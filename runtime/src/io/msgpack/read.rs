//! From bytes to a [`State`]: <https://github.com/msgpack/msgpack/blob/master/spec.md>.
//!
//! Lengths in the bytes are believed only as far as there are bytes: lists grow as they are read.

use std::collections::BTreeSet;

use rmp::Marker;

use super::array::{ARRAY, COMPLEX, SCALAR, unpack};
use super::chunks;
use super::input::Input;
use super::state::{Foreign, State};
use crate::variables::{Dict, join};

/// Reads all there is, or says what is wrong and where.
pub(super) fn state(input: Input<'_>) -> Result<State, String> {
    let mut from = Reader(input);
    check(&mut from)?;
    from.0.back_to(0);
    let mut path = Vec::new();
    let read = from.state(&mut path, false).and_then(|state| from.end().map(|()| state));
    read.map_err(|message| match &path[..] {
        [] => message,
        path => format!("at `{}`: {message}", join(path)),
    })
}

/// Whether the values lie in each other as they should, up to the end: many small ones take much more memory than their bytes, which
/// is not to be taken for a file that is damaged further on.
fn check(from: &mut Reader<'_>) -> Result<(), String> {
    // From the inside out.
    let mut path = Vec::new();
    let passed = from.pass(0, &mut path).and_then(|()| from.end());
    path.reverse();
    passed.map_err(|message| match &path[..] {
        [] => message,
        path => format!("at `{}`: {message}", join(path)),
    })
}

/// Values that are taken from the front.
pub(super) struct Reader<'a>(pub(super) Input<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(Input::memory(bytes))
    }

    pub(super) fn end(&self) -> Result<(), String> {
        match self.0.left() {
            0 => Ok(()),
            more => Err(format!("{more} bytes are left at the end")),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.0.array()
    }

    fn marker(&mut self) -> Result<Marker, String> {
        self.bytes::<1>().map(|[byte]| Marker::from_u8(byte))
    }

    /// A length of one, two or four bytes.
    fn len(&mut self, bytes: usize) -> Result<usize, String> {
        let mut len = 0;
        for _ in 0..bytes {
            let [byte] = self.bytes()?;
            len = len << 8 | usize::from(byte);
        }
        Ok(len)
    }

    /// The length of the list that comes next, if it is one.
    pub(super) fn list_len(&mut self) -> Result<Option<usize>, String> {
        Ok(Some(match self.marker()? {
            Marker::FixArray(len) => usize::from(len),
            Marker::Array16 => self.len(2)?,
            Marker::Array32 => self.len(4)?,
            _ => return Ok(None),
        }))
    }

    /// The number that comes next, if it is a size.
    pub(super) fn size(&mut self) -> Result<Option<usize>, String> {
        let marker = self.marker()?;
        Ok(match self.number(marker)? {
            Some(State::Int(size)) => usize::try_from(size).ok(),
            Some(State::UInt(size)) => usize::try_from(size).ok(),
            _ => None,
        })
    }

    /// The text or the bytes that come next, if it is either.
    pub(super) fn text_or_bytes(&mut self) -> Result<Option<Vec<u8>>, String> {
        let len = self.text_or_bytes_len()?;
        len.map(|len| self.0.take(len)).transpose()
    }

    /// How long the text is or the bytes are that come next, if it is either.
    pub(super) fn text_or_bytes_len(&mut self) -> Result<Option<usize>, String> {
        Ok(Some(match self.marker()? {
            Marker::FixStr(len) => usize::from(len),
            Marker::Str8 | Marker::Bin8 => self.len(1)?,
            Marker::Str16 | Marker::Bin16 => self.len(2)?,
            Marker::Str32 | Marker::Bin32 => self.len(4)?,
            _ => return Ok(None),
        }))
    }

    fn number(&mut self, marker: Marker) -> Result<Option<State>, String> {
        Ok(Some(match marker {
            Marker::FixPos(value) => State::Int(value.into()),
            Marker::FixNeg(value) => State::Int(value.into()),
            Marker::U8 => State::Int(u8::from_be_bytes(self.bytes()?).into()),
            Marker::U16 => State::Int(u16::from_be_bytes(self.bytes()?).into()),
            Marker::U32 => State::Int(u32::from_be_bytes(self.bytes()?).into()),
            Marker::U64 => {
                let value = u64::from_be_bytes(self.bytes()?);
                i64::try_from(value).map_or(State::UInt(value), State::Int)
            }
            Marker::I8 => State::Int(i8::from_be_bytes(self.bytes()?).into()),
            Marker::I16 => State::Int(i16::from_be_bytes(self.bytes()?).into()),
            Marker::I32 => State::Int(i32::from_be_bytes(self.bytes()?).into()),
            Marker::I64 => State::Int(i64::from_be_bytes(self.bytes()?)),
            Marker::F32 => State::Float(f32::from_be_bytes(self.bytes()?).into()),
            Marker::F64 => State::Float(f64::from_be_bytes(self.bytes()?)),
            _ => return Ok(None),
        }))
    }

    fn text(&mut self, len: usize) -> Result<String, String> {
        let text = String::from_utf8(self.0.take(len)?);
        text.map_err(|error| format!("a text is not UTF-8: {}", error.utf8_error()))
    }

    /// Whatever comes next, which is at this path; after an error the path is that of the error.
    fn state(&mut self, path: &mut Vec<String>, in_list: bool) -> Result<State, String> {
        let marker = self.marker()?;
        if let Some(number) = self.number(marker)? {
            return Ok(number);
        }
        match marker {
            Marker::Null => Ok(State::None),
            Marker::False => Ok(State::Bool(false)),
            Marker::True => Ok(State::Bool(true)),
            Marker::FixStr(len) => self.text(len.into()).map(State::Text),
            Marker::Str8 => self.len(1).and_then(|len| self.text(len)).map(State::Text),
            Marker::Str16 => self.len(2).and_then(|len| self.text(len)).map(State::Text),
            Marker::Str32 => self.len(4).and_then(|len| self.text(len)).map(State::Text),
            Marker::Bin8 => self.len(1).and_then(|len| self.0.take(len)).map(State::Bytes),
            Marker::Bin16 => self.len(2).and_then(|len| self.0.take(len)).map(State::Bytes),
            Marker::Bin32 => self.len(4).and_then(|len| self.0.take(len)).map(State::Bytes),
            Marker::FixExt1 => self.extension(1),
            Marker::FixExt2 => self.extension(2),
            Marker::FixExt4 => self.extension(4),
            Marker::FixExt8 => self.extension(8),
            Marker::FixExt16 => self.extension(16),
            Marker::Ext8 => self.len(1).and_then(|len| self.extension(len)),
            Marker::Ext16 => self.len(2).and_then(|len| self.extension(len)),
            Marker::Ext32 => self.len(4).and_then(|len| self.extension(len)),
            Marker::FixArray(len) => self.list(len.into(), path),
            Marker::Array16 => self.len(2).and_then(|len| self.list(len, path)),
            Marker::Array32 => self.len(4).and_then(|len| self.list(len, path)),
            Marker::FixMap(len) => self.map(len.into(), path, in_list),
            Marker::Map16 => self.len(2).and_then(|len| self.map(len, path, in_list)),
            Marker::Map32 => self.len(4).and_then(|len| self.map(len, path, in_list)),
            Marker::Reserved => Err("a byte is c1, which the format does not have".to_owned()),
            _ => unreachable!("a number"),
        }
    }

    /// Passes over whatever comes next, at some depth; after an error the path is that of the error, the innermost name first.
    fn pass(&mut self, depth: usize, path: &mut Vec<String>) -> Result<(), String> {
        let marker = self.marker()?;
        let (len, is_map) = match marker {
            Marker::FixArray(len) => (usize::from(len), false),
            Marker::Array16 => (self.len(2)?, false),
            Marker::Array32 => (self.len(4)?, false),
            Marker::FixMap(len) => (usize::from(len), true),
            Marker::Map16 => (self.len(2)?, true),
            Marker::Map32 => (self.len(4)?, true),
            other => return self.pass_one(other),
        };
        if depth >= Dict::MAX_DEPTH {
            return Err(too_deep());
        }
        for index in 0..len {
            let before = self.0.at();
            let passed = if is_map { self.name().map(drop) } else { Ok(()) };
            let passed = passed.and_then(|()| self.pass(depth + 1, path));
            passed.inspect_err(|_| {
                self.0.back_to(before);
                path.extend(if is_map { self.name().ok() } else { Some(index.to_string()) });
            })?;
        }
        Ok(())
    }

    /// Passes over a value that has no others in it.
    fn pass_one(&mut self, marker: Marker) -> Result<(), String> {
        let len = match marker {
            Marker::FixStr(len) => len.into(),
            Marker::Str8 | Marker::Bin8 => self.len(1)?,
            Marker::Str16 | Marker::Bin16 => self.len(2)?,
            Marker::Str32 | Marker::Bin32 => self.len(4)?,
            // With a byte that says what it is.
            Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::FixExt4 => 5,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::Ext8 => self.len(1)? + 1,
            Marker::Ext16 => self.len(2)? + 1,
            Marker::Ext32 => self.len(4)?.saturating_add(1),
            other => return self.number(other).map(drop),
        };
        self.0.skip(len)
    }

    fn extension(&mut self, len: usize) -> Result<State, String> {
        let code = i8::from_be_bytes(self.bytes()?);
        if matches!(code, ARRAY | SCALAR) {
            let end = self.0.limited(len)?;
            let unpacked = unpack(code, self);
            self.0.extended(end);
            return unpacked;
        }
        let data = self.0.take(len)?;
        match code {
            COMPLEX => {
                complex(&data).ok_or_else(|| "a complex number is not a list of two floats".to_owned())
            }
            _ => Ok(State::Foreign(Foreign { code, data })),
        }
    }

    fn list(&mut self, len: usize, path: &mut Vec<String>) -> Result<State, String> {
        check_depth(path)?;
        let mut states = Vec::new();
        for index in 0..len {
            path.push(index.to_string());
            states.push(self.state(path, true)?);
            path.pop();
        }
        Ok(State::List(states))
    }

    fn map(&mut self, len: usize, path: &mut Vec<String>, in_list: bool) -> Result<State, String> {
        check_depth(path)?;
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for _ in 0..len {
            let name = self.name()?;
            path.push(name.clone());
            if !seen.insert(name.clone()) {
                return Err("the name is given twice".to_owned());
            }
            entries.push((name, self.state(path, in_list)?));
            path.pop();
        }
        // Flax looks for arrays in pieces in dicts, and in lists for nothing.
        if !in_list && seen.contains(chunks::MARK) { chunks::join(entries) } else { Ok(State::Map(entries)) }
    }

    /// A name in a map; a number is one as text, as in Flax's state dicts.
    fn name(&mut self) -> Result<String, String> {
        let before = self.0.at();
        let marker = self.marker()?;
        self.0.back_to(before);
        match marker {
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let name = String::from_utf8(self.text_or_bytes()?.unwrap_or_default());
                name.map_err(|error| format!("a name is not UTF-8: {}", error.utf8_error()))
            }
            _ => match self.marker().and_then(|marker| self.number(marker))? {
                Some(State::Int(number)) => Ok(number.to_string()),
                Some(State::UInt(number)) => Ok(number.to_string()),
                _ => Err("a name is neither a text nor an integer".to_owned()),
            },
        }
    }
}

/// Whether one more list or map may be at a path: whatever goes over them calls itself for each level.
fn check_depth(path: &[String]) -> Result<(), String> {
    if path.len() < Dict::MAX_DEPTH {
        return Ok(());
    }
    Err(too_deep())
}

fn too_deep() -> String {
    format!("more than {} dicts and lists are inside each other", Dict::MAX_DEPTH)
}

fn complex(data: &[u8]) -> Option<State> {
    let mut from = Reader::new(data);
    if from.list_len().ok()? != Some(2) {
        return None;
    }
    let mut float = || {
        let marker = from.marker().ok()?;
        match from.number(marker).ok()?? {
            State::Float(float) => Some(float),
            _ => None,
        }
    };
    let (re, im) = (float()?, float()?);
    from.end().ok().map(|()| State::Complex(re, im))
}
