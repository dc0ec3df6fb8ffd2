//! Python's numbers, texts and bytes, which are data without tensors here.

use std::any::Any;

use super::state::State;
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::io::little_endian;
use crate::tree::Fixed;

/// What data without tensors is in Python; None for other types.
pub(super) fn of(data: &dyn Fixed) -> Option<State> {
    let data: &dyn Any = data;
    macro_rules! integers {
        ($($type:ty),*) => {
            $(if let Some(&value) = data.downcast_ref::<$type>() {
                let wide = i128::from(value);
                return Some(i64::try_from(wide).map_or(State::UInt(wide as u64), State::Int));
            })*
        };
    }
    integers!(i8, i16, i32, i64, u8, u16, u32, u64);
    if let Some(&value) = data.downcast_ref::<usize>() {
        return of(&(value as u64));
    }
    if let Some(&value) = data.downcast_ref::<isize>() {
        return of(&(value as i64));
    }
    let state = data.downcast_ref::<bool>().map(|&value| State::Bool(value));
    let state = state.or_else(|| data.downcast_ref::<f64>().map(|&value| State::Float(value)));
    let state = state.or_else(|| data.downcast_ref::<f32>().map(|&value| State::Float(value.into())));
    let state = state.or_else(|| data.downcast_ref::<String>().cloned().map(State::Text));
    let state = state.or_else(|| data.downcast_ref::<&'static str>().map(|&text| text.into()));
    state.or_else(|| data.downcast_ref::<Vec<u8>>().cloned().map(State::Bytes))
}

/// What is stored, as data of the same type as the target's; or what is wrong. Data of other types is that of the target.
pub(super) fn like(target: &dyn Fixed, state: &State) -> Result<Box<dyn Fixed>, String> {
    let any: &dyn Any = target;
    let wrong = |of: &str| Err(format!("expected {of}, found {}", state.kind()));
    let integer = match state {
        State::Int(value) => Some(i128::from(*value)),
        State::UInt(value) => Some(i128::from(*value)),
        _ => None,
    };
    macro_rules! integers {
        ($($type:ty),*) => {
            $(if any.is::<$type>() {
                return match integer.map(<$type>::try_from) {
                    Some(Ok(value)) => Ok(Box::new(value)),
                    _ => wrong(concat!("an int that is an `", stringify!($type), "`")),
                };
            })*
        };
    }
    integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize, isize);
    let float = match state {
        State::Float(value) => Some(*value),
        _ => integer.map(|value| value as f64),
    };
    if any.is::<f64>() {
        return float.map_or_else(|| wrong("a float"), |value| Ok(Box::new(value)));
    }
    if any.is::<f32>() {
        return float.map_or_else(|| wrong("a float"), |value| Ok(Box::new(value as f32)));
    }
    match (state, of(target)) {
        (State::Bool(value), Some(State::Bool(_))) => Ok(Box::new(*value)),
        (State::Bytes(bytes), Some(State::Bytes(_))) => Ok(Box::new(bytes.clone())),
        (State::Text(text), Some(State::Text(own))) => {
            // A text of the program cannot be made of one from a file.
            if any.is::<String>() {
                Ok(Box::new(text.clone()))
            } else if *text == own {
                Ok(target.boxed())
            } else {
                wrong(&format!("the text {own:?}, as the target has a `&str`: give it a `String`"))
            }
        }
        (_, Some(own)) => wrong(&own.kind()),
        (_, None) => Ok(target.boxed()),
    }
}

/// A number of Python as a tensor of a certain dtype, or what is wrong.
pub(super) fn tensor(state: &State, dtype: DType) -> Result<Tensor, String> {
    let scalar = |dtype, bytes: [u8; 8], len: usize| {
        little_endian::tensor(Aval::unchecked([0usize; 0], dtype), |to| {
            to.copy_from_slice(&bytes[..len]);
            Ok(())
        })
    };
    let cast = |tensor: Tensor| tensor.try_cast(dtype).map_err(|error| error.to_string());
    let wrong = || Err(format!("expected a tensor of {dtype}, found {}", state.kind()));
    match state {
        State::Bool(value) if dtype == DType::Bool => {
            scalar(dtype, u64::from(*value).to_le_bytes(), dtype.size())
        }
        State::Float(value) if dtype.is_float() => scalar(DType::F64, value.to_le_bytes(), 8).and_then(cast),
        State::Int(value) if dtype.is_float() => {
            scalar(DType::F64, (*value as f64).to_le_bytes(), 8).and_then(cast)
        }
        State::Complex(re, im) if dtype.is_complex() => {
            let bytes = [*re, *im].map(|part| (part as f32).to_le_bytes());
            scalar(
                dtype,
                u64::from_le_bytes([bytes[0], bytes[1]].concat().try_into().unwrap_or_default())
                    .to_le_bytes(),
                8,
            )
        }
        State::Int(value) => {
            let in_range = |[least, greatest]: [i64; 2]| (least..=greatest).contains(value);
            let fits = dtype != DType::Bool && dtype.narrow_range().is_none_or(in_range);
            if fits { scalar(DType::I64, value.to_le_bytes(), 8).and_then(cast) } else { wrong() }
        }
        _ => wrong(),
    }
}
