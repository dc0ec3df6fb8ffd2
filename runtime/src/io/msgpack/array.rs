//! Arrays as Flax packs them: a MessagePack list of shape, NumPy's name of the dtype, and the values in C order, in an extension.

use rmp::encode::{write_array_len, write_bin_len, write_str, write_uint};

use super::super::little_endian;
use super::read::Reader;
use super::state::{Foreign, State};
use crate::array::{Aval, DType};
use crate::core::Tensor;

/// The extension of arrays.
pub(super) const ARRAY: i8 = 1;
/// That of Python's complex numbers: a list of two floats.
pub(super) const COMPLEX: i8 = 2;
/// That of NumPy's scalars, which are like arrays.
pub(super) const SCALAR: i8 = 3;

/// An array in a file.
pub(super) struct Payload {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: String,
    /// Bytes of its values, which come next.
    bytes: usize,
}

impl Payload {
    /// The array of an extension, if it is one.
    pub(super) fn of(code: i8, data: &[u8]) -> Option<Payload> {
        if [ARRAY, SCALAR].contains(&code) { Payload::parse(&mut Reader::new(data)).ok() } else { None }
    }

    /// Reads what is in front of the values, which are all that is left then.
    fn parse(from: &mut Reader<'_>) -> Result<Payload, String> {
        let wrong = || "an array is not packed as [shape, dtype, values]".to_owned();
        if from.list_len()? != Some(3) {
            return Err(wrong());
        }
        let rank = from.list_len()?.ok_or_else(wrong)?;
        if rank > Aval::MAX_RANK {
            return Err(format!("an array has {rank} axes, at most {} are allowed", Aval::MAX_RANK));
        }
        let mut shape = Vec::with_capacity(rank);
        for _ in 0..rank {
            shape.push(from.size()?.ok_or_else(wrong)?);
        }
        let dtype = from.text_or_bytes()?.ok_or_else(wrong)?;
        let dtype = String::from_utf8(dtype).map_err(|_| wrong())?;
        let bytes = from.text_or_bytes_len()?.ok_or_else(wrong)?;
        let values = from.0.at();
        from.0.skip(bytes)?;
        from.end()?;
        from.0.back_to(values);
        Ok(Payload { shape, dtype, bytes })
    }

    /// The values that come next in the memory that they stay in.
    fn tensor(&self, dtype: DType, from: &mut Reader<'_>) -> Result<Tensor, String> {
        let aval = Aval::unchecked(&self.shape, dtype);
        let needed = little_endian::checked(&aval)?;
        if needed != self.bytes {
            return Err(format!("an array {aval} needs {needed} bytes, there are {}", self.bytes));
        }
        little_endian::tensor(aval, |bytes| from.0.fill(bytes))
    }
}

/// What the extension of an array or a scalar stands for, which is all that there is to be read.
pub(super) fn unpack(code: i8, from: &mut Reader<'_>) -> Result<State, String> {
    let start = from.0.at();
    let payload = Payload::parse(from)?;
    let Some(dtype) = DType::ALL.into_iter().find(|dtype| dtype.name() == payload.dtype) else {
        from.0.back_to(start);
        return Ok(State::Foreign(Foreign { code, data: from.0.take(from.0.left())? }));
    };
    let tensor = payload.tensor(dtype, from)?;
    match code {
        SCALAR if tensor.rank() > 0 => Err(format!("a scalar has the shape {:?}", tensor.shape())),
        SCALAR => Ok(State::Scalar(tensor)),
        _ => Ok(State::Array(tensor)),
    }
}

/// What is in front of an array's values, of which there are so many bytes.
pub(super) fn header(shape: &[usize], dtype: DType, bytes: usize) -> std::io::Result<Vec<u8>> {
    let count = |n: usize| u32::try_from(n).map_err(std::io::Error::other);
    let mut header = Vec::new();
    write_array_len(&mut header, 3)?;
    write_array_len(&mut header, count(shape.len())?)?;
    for &size in shape {
        write_uint(&mut header, size as u64)?;
    }
    write_str(&mut header, dtype.name())?;
    write_bin_len(&mut header, count(bytes)?)?;
    Ok(header)
}
