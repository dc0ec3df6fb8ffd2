//! The header of NumPy's `.npy`: a small Python dict in front of an array's values.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::Read;

use super::super::little_endian;
use crate::array::{Aval, DType};

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself refuses longer ones by default; ours have no more than a rank's worth of numbers.
const LONGEST: usize = 10_000;
/// Where the values begin is a multiple of this.
const ALIGNMENT: usize = 64;
/// NumPy leaves so much room for the first axis to grow.
const GROWTH: usize = 21;

/// What is known of an array without its values.
#[derive(Debug, PartialEq)]
pub(super) struct NpyHeader {
    pub(super) aval: Aval,
    pub(super) big_endian: bool,
    /// Whether the first axis varies fastest.
    pub(super) fortran: bool,
}

impl NpyHeader {
    /// Reads a header, and says how long it is.
    pub(super) fn read(from: &mut (impl Read + ?Sized)) -> Result<(NpyHeader, usize), String> {
        let short = |error: std::io::Error| format!("its header cannot be read: {error}");
        let mut begin = [0; 8];
        from.read_exact(&mut begin).map_err(short)?;
        if !begin.starts_with(MAGIC) {
            return Err("it is not an array in NumPy's format".to_owned());
        }
        let (len, prefix) = match begin[6] {
            1 => {
                let mut len = [0; 2];
                from.read_exact(&mut len).map_err(short)?;
                (usize::from(u16::from_le_bytes(len)), 10)
            }
            2 | 3 => {
                let mut len = [0; 4];
                from.read_exact(&mut len).map_err(short)?;
                (u32::from_le_bytes(len) as usize, 12)
            }
            version => return Err(format!("it is of version {version} of NumPy's format, known are 1 to 3")),
        };
        if len > LONGEST {
            return Err(format!("its header would have {len} bytes, at most {LONGEST} are allowed"));
        }
        let mut text = vec![0; len];
        from.read_exact(&mut text).map_err(short)?;
        let text = std::str::from_utf8(&text).map_err(|error| format!("its header is not UTF-8: {error}"))?;
        Ok((NpyHeader::parse(text)?, prefix + len))
    }

    /// Magic, version, length and text for an array of ours.
    pub(super) fn write(aval: &Aval) -> Result<Vec<u8>, String> {
        let descr = match aval.dtype {
            DType::Bool => "|b1",
            DType::U8 => "|u1",
            DType::U16 => "<u2",
            DType::I8 => "|i1",
            DType::I16 => "<i2",
            DType::U32 => "<u4",
            DType::I32 => "<i4",
            DType::I64 => "<i8",
            DType::F16 => "<f2",
            DType::F32 => "<f4",
            DType::F64 => "<f8",
            DType::C64 => "<c8",
            DType::BF16 => return Err("NumPy has no bfloat16".to_owned()),
        };
        let sizes = aval.shape.iter().map(ToString::to_string).collect::<Vec<_>>();
        let comma = if sizes.len() == 1 { "," } else { "" };
        let shape = sizes.join(", ");
        let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}{comma}), }}");
        let growth = sizes.first().map_or(0, |first| GROWTH.saturating_sub(first.len()));
        let len = (10 + text.len() + growth + 1).next_multiple_of(ALIGNMENT) - 10;
        text.extend(std::iter::repeat_n(' ', len - 1 - text.len()));
        text.push('\n');
        let len = u16::try_from(len).map_err(|_| format!("a shape of {} axes is too long", sizes.len()))?;
        Ok([MAGIC, &[1, 0], &len.to_le_bytes(), text.as_bytes()].concat())
    }

    fn parse(text: &str) -> Result<NpyHeader, String> {
        let wrong = || format!("its header is not valid: {:?}", text.chars().take(200).collect::<String>());
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = Rest(text);
        rest.take("{").ok_or_else(wrong)?;
        while rest.take("}").is_none() {
            let key = rest.text().ok_or_else(wrong)?;
            rest.take(":").ok_or_else(wrong)?;
            let twice = match key {
                "descr" if rest.0.trim_start().starts_with('[') => {
                    return Err("it has named fields: tensors have values of one dtype".to_owned());
                }
                "descr" => descr.replace(rest.text().ok_or_else(wrong)?).is_some(),
                "fortran_order" => fortran.replace(rest.boolean().ok_or_else(wrong)?).is_some(),
                "shape" => shape.replace(rest.shape().ok_or_else(wrong)?).is_some(),
                _ => true,
            };
            // Between entries there is a comma, after the last one there may be.
            if twice || (rest.take(",").is_none() && !rest.0.trim_start().starts_with('}')) {
                return Err(wrong());
            }
        }
        let (Some(descr), Some(fortran), Some(shape), "") = (descr, fortran, shape, rest.0.trim()) else {
            return Err(wrong());
        };
        let (dtype, big_endian) = dtype(descr)?;
        let aval = Aval::unchecked(shape, dtype);
        little_endian::checked(&aval)?;
        Ok(NpyHeader { aval, big_endian, fortran })
    }
}

/// NumPy's `<f4`, and whether its bytes are the other way round.
fn dtype(descr: &str) -> Result<(DType, bool), String> {
    let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
    let dtype = match kind {
        "b1" => DType::Bool,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "u4" => DType::U32,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "c8" => DType::C64,
        "V2" => DType::BF16,
        _ => {
            let known = DType::ALL.map(DType::name).join(", ");
            let objects = if kind.starts_with('O') { ", pickled Python objects" } else { "" };
            return Err(format!(
                "it is of NumPy's dtype {descr:?}{objects}; tensors are of {known}: convert it before saving"
            ));
        }
    };
    match order {
        "<" | "|" | "=" => Ok((dtype, false)),
        ">" => Ok((dtype, true)),
        _ => Err(format!("NumPy's dtype {descr:?} has no byte order")),
    }
}

/// What is left of a header.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Takes what is expected, and the spaces in front of it.
    fn take(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(expected)?;
        Some(())
    }

    /// A text in quotes of either kind, without escapes.
    fn text(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.take("True") {
            Some(()) => Some(true),
            None => self.take("False").map(|()| false),
        }
    }

    /// A tuple of sizes.
    fn shape(&mut self) -> Option<Vec<usize>> {
        self.take("(")?;
        let mut shape = Vec::new();
        while self.take(")").is_none() {
            let rest = self.0.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            shape.push(rest[..end].parse().ok()?);
            self.0 = &rest[end..];
            // Long integers of Python 2.
            let _ = self.take("L");
            if self.take(",").is_none() && !self.0.trim_start().starts_with(')') {
                return None;
            }
        }
        Some(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_python_reads_them() {
        let parsed =
            |text: &str| NpyHeader::parse(text).map(|h| (h.aval.to_string(), h.big_endian, h.fortran));
        let same = |text, aval: &str, big, fortran| {
            assert_eq!(parsed(text).unwrap(), (aval.to_owned(), big, fortran));
        };
        same("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  \n", "f32[3,2]", false, false);
        same("{\"shape\":(),\"descr\":\">i8\",\"fortran_order\":True}", "i64[]", true, true);
        same("{'descr': '|b1', 'fortran_order': False, 'shape': (3L,), }", "bool[3]", false, false);
        for wrong in [
            "",
            "{",
            "{}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)} x",
            "{'descr': '<f4' 'fortran_order': False, 'shape': (3, 2)}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, -2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': 'f4', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': 'é', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<c16', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,)}",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [&[][..], &[3], &[3, 0, 2], &[1; 40]] {
            for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
                let aval = Aval::new(shape, dtype);
                let bytes = NpyHeader::write(&aval).unwrap();
                assert_eq!(bytes.len() % ALIGNMENT, 0);
                let expected = NpyHeader { aval, big_endian: false, fortran: false };
                assert_eq!(NpyHeader::read(&mut bytes.as_slice()), Ok((expected, bytes.len())));
            }
        }
    }
}
