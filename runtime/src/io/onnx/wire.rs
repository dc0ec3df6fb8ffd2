//! The wire format of [protocol buffers](https://protobuf.dev/programming-guides/encoding), as far as messages of ONNX need it.

use std::io::{BufRead as _, BufReader, Read as _};

use super::super::source::{Reader, Source};

/// Bytes of a file: a message, a text, or packed numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn len(self) -> u64 {
        self.end - self.start
    }
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Varint(u64),
    /// Four or eight bytes: a number that is not packed.
    Fixed(Span),
    Bytes(Span),
}

/// The fields of a message, one by one.
pub(super) struct Fields {
    at: u64,
    end: u64,
}

impl Fields {
    pub fn of(message: Span) -> Fields {
        Fields { at: message.start, end: message.end }
    }

    /// The number and the value of the next field.
    pub fn next(&mut self, wire: &mut Wire<'_>) -> Result<Option<(u64, Value)>, String> {
        if self.at >= self.end {
            return Ok(None);
        }
        wire.go(self.at)?;
        let tag = wire.varint(self.end)?;
        let fixed = |wire: &Wire<'_>, len: u64| wire.span(len, self.end).map(Value::Fixed);
        let value = match tag & 7 {
            0 => Value::Varint(wire.varint(self.end)?),
            1 => fixed(wire, 8)?,
            2 => {
                let len = wire.varint(self.end)?;
                Value::Bytes(wire.span(len, self.end)?)
            }
            5 => fixed(wire, 4)?,
            other => return Err(format!("a field has the unknown wire type {other}")),
        };
        self.at = match value {
            Value::Varint(_) => wire.at,
            Value::Fixed(span) | Value::Bytes(span) => span.end,
        };
        Ok(Some((tag >> 3, value)))
    }
}

/// Bytes of a file that are read forwards for the most part.
pub(super) struct Wire<'a> {
    from: BufReader<Reader<'a>>,
    at: u64,
}

impl<'a> Wire<'a> {
    pub fn new(source: &'a Source) -> Wire<'a> {
        Wire { from: BufReader::new(source.reader(0)), at: 0 }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn go(&mut self, to: u64) -> Result<(), String> {
        if to != self.at {
            // Both are places in a file.
            self.from.seek_relative(to as i64 - self.at as i64).map_err(|error| error.to_string())?;
            self.at = to;
        }
        Ok(())
    }

    /// So many bytes from here on, if they end before `end`.
    fn span(&self, len: u64, end: u64) -> Result<Span, String> {
        let last = self.at.checked_add(len).filter(|&last| last <= end);
        last.map(|end| Span { start: self.at, end }).ok_or_else(truncated)
    }

    /// A number in groups of seven bits, the lowest first, which must end before `end`.
    pub fn varint(&mut self, end: u64) -> Result<u64, String> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            if self.at >= end {
                return Err(truncated());
            }
            let mut byte = [0];
            self.from.read_exact(&mut byte).map_err(|error| error.to_string())?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err("a number has more than 64 bits".to_owned())
    }

    /// How many numbers are packed in some bytes.
    pub fn varints(&mut self, within: Span) -> Result<u64, String> {
        self.go(within.start)?;
        let (mut count, mut left) = (0, within.len());
        let mut is_whole = true;
        while left > 0 {
            let bytes = self.from.fill_buf().map_err(|error| error.to_string())?;
            let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(&last) = bytes[..len].last() else { return Err(truncated()) };
            count += bytes[..len].iter().filter(|&&byte| byte < 0x80).count() as u64;
            is_whole = last < 0x80;
            self.from.consume(len);
            self.at += len as u64;
            left -= len as u64;
        }
        if is_whole { Ok(count) } else { Err(truncated()) }
    }

    pub fn read(&mut self, start: u64, into: &mut [u8]) -> Result<(), String> {
        self.go(start)?;
        self.from.read_exact(into).map_err(|error| error.to_string())?;
        self.at += into.len() as u64;
        Ok(())
    }

    /// A name.
    pub fn text(&mut self, span: Span) -> Result<String, String> {
        const LONGEST: u64 = 1 << 12;
        if span.len() > LONGEST {
            return Err(format!("a name has {} bytes", span.len()));
        }
        let mut bytes = vec![0; span.len() as usize];
        self.read(span.start, &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| format!("a name is not UTF-8: {error}"))
    }
}

fn truncated() -> String {
    "truncated: a part is longer than what it is a part of".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Value)>, String> {
        let source = Source::Memory(bytes.to_vec());
        let mut wire = Wire::new(&source);
        let mut fields = Fields::of(Span { start: 0, end: bytes.len() as u64 });
        std::iter::from_fn(|| fields.next(&mut wire).transpose()).collect()
    }

    #[test]
    fn messages_are_those_of_the_format() {
        // The examples of its documentation: 150, the text `testing`, and the packed numbers 3, 270, 86942.
        let found =
            fields(b"\x08\x96\x01\x12\x07testing\x32\x06\x03\x8e\x02\x9e\xa7\x05\x1d\0\0\x80\x3f").unwrap();
        let shown = format!("{found:?}");
        assert_eq!(
            shown,
            "[(1, Varint(150)), (2, Bytes(Span { start: 5, end: 12 })), (6, Bytes(Span { start: 14, end: 20 })), (3, Fixed(Span { start: 21, end: 25 }))]"
        );
        let source = Source::Memory(b"\x03\x8e\x02\x9e\xa7\x05".to_vec());
        let mut wire = Wire::new(&source);
        assert_eq!(wire.varints(Span { start: 0, end: 6 }), Ok(3));
        assert!(wire.varints(Span { start: 0, end: 2 }).is_err());
        wire.go(1).unwrap();
        assert_eq!((wire.varint(6), wire.varint(6)), (Ok(270), Ok(86942)));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let wrong: [(&[u8], &str); 5] = [
            (b"\x08", "truncated"),
            (b"\x12\x05abc", "truncated"),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "64 bits"),
            (b"\x0b", "wire type 3"),
        ];
        for (bytes, part) in wrong {
            let error = fields(bytes).unwrap_err();
            assert!(error.contains(part), "{bytes:?}: {error}");
        }
    }
}
