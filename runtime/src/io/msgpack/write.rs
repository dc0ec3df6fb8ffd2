//! From a [`State`] to bytes: those that `msgpack-python` writes for Flax, which are the shortest there are for numbers and lengths.

use std::collections::BTreeSet;
use std::io::{Error, Result, Write};

use rmp::encode::{
    write_array_len, write_bin, write_bool, write_ext_meta, write_f64, write_map_len, write_nil, write_sint,
    write_str, write_uint,
};

use super::super::little_endian;
use super::array::{ARRAY, COMPLEX, SCALAR, header};
use super::chunks;
use super::state::State;
use crate::array::{Array, DType};
use crate::core::Tensor;
use crate::variables::{Dict, join};

/// Arrays of more bytes than this are written in pieces (Flax's `MAX_CHUNK_SIZE`).
pub(super) const CHUNK: usize = 1 << 30;

/// Whether a state can be written and read back, or what is wrong and where.
pub(super) fn check(state: &State) -> std::result::Result<(), String> {
    let mut path = Vec::new();
    checked(state, &mut path, false).map_err(|message| match &path[..] {
        [] => message,
        path => format!("`{}`: {message}", join(path)),
    })
}

fn checked(state: &State, path: &mut Vec<String>, in_list: bool) -> std::result::Result<(), String> {
    let too_deep = path.len() >= Dict::MAX_DEPTH;
    match state {
        State::List(_) | State::Map(_) if too_deep => {
            return Err(format!("more than {} dicts and lists are inside each other", Dict::MAX_DEPTH));
        }
        State::Map(entries) => {
            let mut seen = BTreeSet::new();
            for (name, state) in entries {
                path.push(name.clone());
                if !seen.insert(name) {
                    return Err("the name is given twice".to_owned());
                }
                checked(state, path, in_list)?;
                path.pop();
            }
            if !in_list && seen.iter().any(|name| *name == chunks::MARK) {
                return Err(format!("the name `{}` is that of arrays in pieces: rename it", chunks::MARK));
            }
        }
        State::List(states) => {
            for (index, state) in states.iter().enumerate() {
                path.push(index.to_string());
                checked(state, path, true)?;
                path.pop();
            }
        }
        State::Array(tensor) | State::Scalar(tensor) => {
            let array = tensor.array().map_err(|error| error.to_string())?;
            // Flax cuts no array in a list into pieces.
            if in_list && u32::try_from(array.bytes().len()).is_err() {
                return Err(format!(
                    "an array {} in a list is larger than the format allows: put it into a dict",
                    array.aval()
                ));
            }
            if matches!(state, State::Scalar(_)) && tensor.rank() > 0 {
                return Err(format!("a scalar has the shape {:?}", tensor.shape()));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Writes a state that has been checked, with arrays of more than `limit` bytes in pieces.
pub(super) fn state(out: &mut impl Write, state: &State, limit: usize) -> Result<()> {
    match state {
        State::Array(tensor) if array(tensor)?.bytes().len() > limit => in_pieces(out, array(tensor)?, limit),
        State::Map(entries) => {
            write_map_len(out, count(entries.len())?)?;
            for (name, entry) in entries {
                write_str(out, name)?;
                self::state(out, entry, limit)?;
            }
            Ok(())
        }
        State::List(states) => {
            write_array_len(out, count(states.len())?)?;
            states.iter().try_for_each(|state| in_list(out, state, limit))
        }
        State::None => write_nil(out),
        State::Bool(value) => write_bool(out, *value),
        State::Int(value) => Ok(write_sint(out, *value).map(drop)?),
        State::UInt(value) => Ok(write_uint(out, *value).map(drop)?),
        State::Float(value) => Ok(write_f64(out, *value)?),
        State::Complex(re, im) => {
            let mut data = Vec::new();
            write_array_len(&mut data, 2)?;
            write_f64(&mut data, *re)?;
            write_f64(&mut data, *im)?;
            extension(out, COMPLEX, &[&data])
        }
        State::Text(text) => Ok(write_str(out, text)?),
        State::Bytes(bytes) => Ok(write_bin(out, bytes)?),
        State::Array(tensor) => whole(out, ARRAY, array(tensor)?),
        State::Scalar(tensor) => whole(out, SCALAR, array(tensor)?),
        State::Foreign(foreign) => extension(out, foreign.code, &[&foreign.data]),
    }
}

/// Flax looks for large arrays in dicts only.
fn in_list(out: &mut impl Write, state: &State, limit: usize) -> Result<()> {
    match state {
        State::Array(tensor) => whole(out, ARRAY, array(tensor)?),
        State::Map(_) | State::List(_) => self::state(out, state, usize::MAX),
        _ => self::state(out, state, limit),
    }
}

fn in_pieces(out: &mut impl Write, array: &Array, limit: usize) -> Result<()> {
    let size = array.dtype().size();
    // So many elements in each.
    let bytes = (limit / size).max(1) * size;
    write_map_len(out, 3)?;
    write_str(out, chunks::MARK)?;
    write_bool(out, true)?;
    write_str(out, chunks::SHAPE)?;
    write_map_len(out, count(array.shape().len())?)?;
    for (axis, &size) in array.shape().iter().enumerate() {
        write_str(out, &axis.to_string())?;
        write_uint(out, size as u64)?;
    }
    let all = little_endian::bytes(array);
    write_str(out, chunks::CHUNKS)?;
    write_map_len(out, count(all.len().div_ceil(bytes))?)?;
    for (index, piece) in all.chunks(bytes).enumerate() {
        write_str(out, &index.to_string())?;
        values(out, ARRAY, &[piece.len() / size], array.dtype(), piece)?;
    }
    Ok(())
}

fn whole(out: &mut impl Write, code: i8, array: &Array) -> Result<()> {
    values(out, code, array.shape(), array.dtype(), &little_endian::bytes(array))
}

fn values(out: &mut impl Write, code: i8, shape: &[usize], dtype: DType, bytes: &[u8]) -> Result<()> {
    extension(out, code, &[&header(shape, dtype, bytes.len())?, bytes])
}

fn extension(out: &mut impl Write, code: i8, parts: &[&[u8]]) -> Result<()> {
    write_ext_meta(out, count(parts.iter().map(|part| part.len()).sum())?, code)?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

fn array(tensor: &Tensor) -> Result<&Array> {
    tensor.array().map_err(Error::other)
}

fn count(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::other(format!("{n} of something are more than the format can count")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::msgpack::State;

    fn array(numbers: impl Into<Tensor>) -> State {
        numbers.into().into()
    }

    fn map<const N: usize>(entries: [(&str, State); N]) -> State {
        State::Map(entries.map(|(name, state)| (name.to_owned(), state)).into())
    }

    fn written(state: &State, limit: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        super::check(state).unwrap();
        super::state(&mut bytes, state, limit).unwrap();
        bytes
    }

    /// `tests/msgpack/make.py` made the files, with a smaller limit in Flax itself.
    #[test]
    fn arrays_above_the_limit_are_cut_as_by_flax_in_dicts_and_not_in_lists() {
        let count = |n: u8| (0..n).map(f32::from).collect::<Vec<_>>();
        let pieces = map([
            ("exactly", array(count(3))),
            ("over", array(count(4))),
            ("matrix", array([[0i32, 1, 2], [3, 4, 5]])),
            ("wide", array(Tensor::of([0f64, 1.0, 2.0], DType::F64))),
            ("bytes", array((0..13).collect::<Vec<u8>>())),
            ("listed", State::List(vec![array(count(4)), map([("in", array(count(5)))])])),
            ("dict", map([("in", array(count(4)))])),
            ("scalar", State::Scalar(Tensor::of(1f64, DType::F64))),
        ]);
        let flaxs = include_bytes!("../../../../tests/msgpack/pieces.msgpack");
        assert_eq!(written(&pieces.clone().sorted(), 12), flaxs);
        let single = array(Tensor::of(1.5f64, DType::F64));
        assert_eq!(written(&single, 4), include_bytes!("../../../../tests/msgpack/piece.msgpack"));
        // What was cut is whole again.
        let read = State::from_bytes(flaxs).unwrap();
        assert_eq!(read.to_bytes().unwrap(), pieces.sorted().to_bytes().unwrap());
    }
}
