//! Tensors and their dtypes.

use std::borrow::Cow;
use std::fmt;

use half::{bf16, f16};
use num_complex::Complex32;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeStruct as _, Serializer};
use serde::{Deserialize, de};

use super::read::{OneOf, read};
use super::{At, Location};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::scalar::rounding;

const FIELDS: &[&str] = &["dtype", "shape", "data"];
/// Floats that text formats have no numbers for.
const NOT_FINITE: [(&str, f64); 3] = [("NaN", f64::NAN), ("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)];

/// Its name: `float32`.
impl Serialize for DType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for DType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DType, D::Error> {
        deserializer.deserialize_str(DTypeName)
    }
}

struct DTypeName;

impl Visitor<'_> for DTypeName {
    type Value = DType;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a dtype")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<DType, E> {
        let names = DType::ALL.map(DType::name).join(", ");
        let dtype = DType::ALL.into_iter().find(|dtype| dtype.name() == name);
        dtype.ok_or_else(|| E::custom(format!("there is no dtype `{name}`, expected one of {names}")))
    }
}

/// A struct of `dtype`, `shape` and `data`; a weak dtype becomes a strong one.
///
/// In formats for people `data` is a flat list of numbers, those that are not finite as `"NaN"`, `"inf"` and `"-inf"`; of complex numbers
/// the real and the imaginary part one after the other; in others it is the values' little-endian bytes. JSON gives every `F64` back only where its reader is exact: `serde_json` has a
/// feature for that, `float_roundtrip`.
impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        At { location: &Location::Top, it: self }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tensor, D::Error> {
        read::<Tensor>(&Location::Top).deserialize(deserializer)
    }
}

impl Serialize for At<'_, &Tensor> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let array = self.it.array().map_err(|error| S::Error::custom(self.location.message(error)))?;
        let for_people = serializer.is_human_readable();
        let mut tensor = serializer.serialize_struct("Tensor", FIELDS.len())?;
        tensor.serialize_field(FIELDS[0], &array.dtype())?;
        tensor.serialize_field(FIELDS[1], array.shape())?;
        if for_people {
            tensor.serialize_field(FIELDS[2], &Elements(array))?;
        } else {
            let bytes = little_endian(array.dtype(), array.bytes().into());
            tensor.serialize_field(FIELDS[2], &RawBytes(&bytes))?;
        }
        tensor.end()
    }
}

/// Between the machine's order of bytes and the little-endian one.
fn little_endian(dtype: DType, mut bytes: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "big") {
        bytes.to_mut().chunks_exact_mut(dtype.word()).for_each(<[u8]>::reverse);
    }
    bytes
}

/// An array as a list.
struct Elements<'a>(&'a Array);

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Elements(array) = self;
        match array.dtype() {
            DType::Bool => serializer.collect_seq(array.data::<u8>().iter().map(|&x| x != 0)),
            DType::U8 => serializer.collect_seq(array.data::<u8>()),
            DType::U16 => serializer.collect_seq(array.data::<u16>()),
            DType::I8 => serializer.collect_seq(array.data::<i8>()),
            DType::I16 => serializer.collect_seq(array.data::<i16>()),
            DType::U32 => serializer.collect_seq(array.data::<u32>()),
            DType::I32 => serializer.collect_seq(array.data::<i32>()),
            DType::I64 => serializer.collect_seq(array.data::<i64>()),
            DType::F16 => serializer.collect_seq(array.data::<f16>().iter().map(|x| Float(x.to_f32()))),
            DType::BF16 => serializer.collect_seq(array.data::<bf16>().iter().map(|x| Float(x.to_f32()))),
            DType::F32 => serializer.collect_seq(array.data::<f32>().iter().map(|&x| Float(x))),
            DType::C64 => serializer
                .collect_seq(array.data::<Complex32>().iter().flat_map(|x| [Float(x.re), Float(x.im)])),
            DType::F64 => serializer.collect_seq(array.data::<f64>().iter().map(|&x| Float(x))),
        }
    }
}

/// A number, or a word where it is not finite.
struct Float<T>(T);

impl<T: Serialize + Into<f64> + Copy> Serialize for Float<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wide: f64 = self.0.into();
        let same = |&&(_, x): &&(&str, f64)| x == wide || (x.is_nan() && wide.is_nan());
        match NOT_FINITE.iter().find(same) {
            Some((word, _)) => serializer.serialize_str(word),
            None => self.0.serialize(serializer),
        }
    }
}

/// Bytes as such, not as a sequence of numbers.
struct RawBytes<'a>(&'a [u8]);

impl Serialize for RawBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// As [`RawBytes`].
struct OwnedBytes(Vec<u8>);

impl<'de> Deserialize<'de> for OwnedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OwnedBytes, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a tensor")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Visit).map(OwnedBytes)
    }
}

/// One element of a list, whose dtype may be known only afterwards.
#[derive(Clone, Copy)]
enum Number {
    Bool(bool),
    Integer(i64),
    Float(f64),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a boolean, \"NaN\", \"inf\" or \"-inf\"")
            }

            fn visit_bool<E>(self, x: bool) -> Result<Number, E> {
                Ok(Number::Bool(x))
            }

            fn visit_i64<E>(self, x: i64) -> Result<Number, E> {
                Ok(Number::Integer(x))
            }

            fn visit_u64<E>(self, x: u64) -> Result<Number, E> {
                Ok(i64::try_from(x).map_or(Number::Float(x as f64), Number::Integer))
            }

            fn visit_f64<E>(self, x: f64) -> Result<Number, E> {
                Ok(Number::Float(x))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Number, E> {
                let known = NOT_FINITE.iter().find(|(known, _)| *known == word);
                known
                    .map(|&(_, x)| Number::Float(x))
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Bool(x) => write!(f, "{x}"),
            Number::Integer(x) => write!(f, "{x}"),
            Number::Float(x) => write!(f, "{x}"),
        }
    }
}

impl Number {
    fn boolean(self) -> Option<u8> {
        if let Number::Bool(x) = self { Some(x.into()) } else { None }
    }

    fn integer<T: TryFrom<i64>>(self) -> Option<T> {
        if let Number::Integer(x) = self { x.try_into().ok() } else { None }
    }

    /// None also for a finite number that is too large.
    fn float<T>(self, narrow: impl Fn(f64) -> T, wide: impl Fn(T) -> f64) -> Option<T>
    where
        T: Copy,
    {
        let x = match self {
            Number::Bool(_) => return None,
            Number::Integer(x) => x as f64,
            Number::Float(x) => x,
        };
        let narrowed = narrow(x);
        (x.is_infinite() || !wide(narrowed).is_infinite()).then_some(narrowed)
    }
}

/// The field `data`.
enum Contents {
    Elements(Vec<Number>),
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy)]
struct ReadContents {
    for_people: bool,
}

impl<'de> DeserializeSeed<'de> for ReadContents {
    type Value = Contents;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Contents, D::Error> {
        if self.for_people {
            Vec::deserialize(deserializer).map(Contents::Elements)
        } else {
            OwnedBytes::deserialize(deserializer).map(|bytes| Contents::Bytes(bytes.0))
        }
    }
}

impl Contents {
    /// The tensor, or what is wrong.
    fn tensor(self, dtype: DType, shape: Vec<usize>) -> Result<Tensor, String> {
        let aval = Aval::unchecked(shape, dtype);
        let wrong = |found: usize, unit: &str| format!("{found} {unit} for a tensor {aval}");
        aval.check_rank("deserialize").map_err(|error| error.to_string())?;
        let size = aval.checked_size().ok_or_else(|| format!("the shape {:?} is too large", aval.shape))?;
        let parts = if dtype.is_complex() { 2 } else { 1 };
        match self {
            Contents::Elements(numbers) if numbers.len() != size * parts => {
                Err(wrong(numbers.len(), "elements"))
            }
            Contents::Bytes(bytes) if bytes.len() != size * dtype.size() => Err(wrong(bytes.len(), "bytes")),
            Contents::Bytes(bytes) if dtype == DType::Bool && bytes.iter().any(|&byte| byte > 1) => {
                Err("a byte of a tensor of booleans is neither 0 nor 1".to_owned())
            }
            Contents::Bytes(bytes) => {
                let bytes = little_endian(dtype, bytes.into());
                Ok(Array::build_bytes(aval, |out| out.copy_from_slice(&bytes)).into())
            }
            Contents::Elements(numbers) => Ok(match dtype {
                DType::Bool => fill(aval, &numbers, Number::boolean),
                DType::U8 => fill(aval, &numbers, Number::integer::<u8>),
                DType::U16 => fill(aval, &numbers, Number::integer::<u16>),
                DType::I8 => fill(aval, &numbers, Number::integer::<i8>),
                DType::I16 => fill(aval, &numbers, Number::integer::<i16>),
                DType::U32 => fill(aval, &numbers, Number::integer::<u32>),
                DType::I32 => fill(aval, &numbers, Number::integer::<i32>),
                DType::I64 => fill(aval, &numbers, Number::integer::<i64>),
                DType::F16 => fill(aval, &numbers, |x| x.float(rounding::f16_of_f64, f16::to_f64)),
                DType::BF16 => fill(aval, &numbers, |x| x.float(rounding::bf16_of_f64, bf16::to_f64)),
                DType::F32 => fill(aval, &numbers, |x| x.float(|x| x as f32, f64::from)),
                DType::C64 => {
                    let pairs = Aval::unchecked([size, 2], DType::F32);
                    fill(pairs, &numbers, |x| x.float(|x| x as f32, f64::from))
                        .map(|pairs| pairs.with_aval(aval))
                }
                DType::F64 => fill(aval, &numbers, |x| x.float(|x| x, |x| x)),
            }?
            .into()),
        }
    }
}

fn fill<T: bytemuck::Pod>(
    aval: Aval,
    numbers: &[Number],
    convert: impl Fn(Number) -> Option<T>,
) -> Result<Array, String> {
    let wrong = |i: usize| format!("element {i} is {}, which is no {}", numbers[i], aval.dtype);
    let converted = numbers.iter().enumerate().map(|(i, &number)| convert(number).ok_or_else(|| wrong(i)));
    let converted = converted.collect::<Result<Vec<T>, _>>()?;
    Ok(Array::build(aval, |out: &mut [T]| out.copy_from_slice(&converted)))
}

/// A tensor at a location, once it is known which kind of format it is in.
struct ReadTensor<'a> {
    location: &'a Location<'a>,
    contents: ReadContents,
}

impl<'de> DeserializeSeed<'de> for At<'_, std::marker::PhantomData<Tensor>> {
    type Value = Tensor;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tensor, D::Error> {
        let contents = ReadContents { for_people: deserializer.is_human_readable() };
        deserializer.deserialize_struct("Tensor", FIELDS, ReadTensor { location: self.location, contents })
    }
}

impl<'de> Visitor<'de> for ReadTensor<'_> {
    type Value = Tensor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor with `dtype`, `shape` and `data`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tensor, A::Error> {
        let short = |found| A::Error::invalid_length(found, &"`dtype`, `shape` and `data`");
        let dtype = seq.next_element()?.ok_or_else(|| short(0))?;
        let shape = seq.next_element()?.ok_or_else(|| short(1))?;
        let contents = seq.next_element_seed(self.contents)?.ok_or_else(|| short(2))?;
        contents.tensor(dtype, shape).map_err(|message| A::Error::custom(self.location.message(message)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensor, A::Error> {
        let (mut dtype, mut shape, mut contents) = (None, None, None);
        while let Some(field) = map.next_key_seed(OneOf { names: FIELDS, kind: "field" })? {
            let twice = match field {
                0 => dtype.replace(map.next_value()?).is_some(),
                1 => shape.replace(map.next_value()?).is_some(),
                _ => contents.replace(map.next_value_seed(self.contents)?).is_some(),
            };
            if twice {
                return Err(A::Error::duplicate_field(FIELDS[field]));
            }
        }
        let missing = |i: usize| {
            A::Error::custom(self.location.message(format!("the field `{}` is missing", FIELDS[i])))
        };
        let dtype = dtype.ok_or_else(|| missing(0))?;
        let shape = shape.ok_or_else(|| missing(1))?;
        let contents = contents.ok_or_else(|| missing(2))?;
        contents.tensor(dtype, shape).map_err(|message| A::Error::custom(self.location.message(message)))
    }
}
