//! `Deserialize`.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{At, KINDS, Location, VALUE};
use crate::core::Tensor;
use crate::variables::{Boxed, Dict, Partitioned, Value, Variables, too_deep};

/// What is to be read at a location.
type Read<'a, T> = At<'a, PhantomData<T>>;

pub(super) fn read<'a, T>(location: &'a Location<'a>) -> Read<'a, T> {
    At { location, it: PhantomData }
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Variables, D::Error> {
        Dict::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Dict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dict, D::Error> {
        read::<Dict>(&Location::Top).deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        read::<Value>(&Location::Top).deserialize(deserializer)
    }
}

impl<'de> DeserializeSeed<'de> for Read<'_, Dict> {
    type Value = Dict;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dict, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Read<'_, Dict> {
    type Value = Dict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dict of named values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dict, A::Error> {
        let mut dict = Dict::new();
        while let Some(key) = map.next_key::<String>()? {
            let location = Location::Key(self.location, &key);
            let value = map.next_value_seed(read::<Value>(&location))?;
            if dict.find(&[&key]).is_some() {
                return Err(A::Error::custom(location.message("the name is given twice")));
            }
            dict.extend([(key, value)]);
        }
        Ok(dict)
    }
}

/// The values of a tuple.
struct Values;

impl<'de> DeserializeSeed<'de> for Read<'_, Values> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Read<'_, Values> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) =
            seq.next_element_seed(read::<Value>(&Location::Index(self.location, values.len())))?
        {
            values.push(value);
        }
        Ok(Value::Tuple(Arc::new(values)))
    }
}

impl<'de> Visitor<'de> for Read<'_, Boxed> {
    type Value = Boxed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the names of axes, then a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Boxed, A::Error> {
        let names = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &"2 elements"))?;
        let value = seq.next_element_seed(read::<Value>(&Location::Inside(self.location)))?;
        let value = value.ok_or_else(|| A::Error::invalid_length(1, &"2 elements"))?;
        Ok(Boxed::new(value, Partitioned { names }))
    }
}

impl<'de> DeserializeSeed<'de> for Read<'_, Value> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_enum(VALUE, KINDS, self)
    }
}

impl<'de> Visitor<'de> for Read<'_, Value> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor, dict, tuple or partitioned value")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (kind, contents) = data.variant_seed(OneOf { names: KINDS, kind: "variant" })?;
        // Formats have limits of their own, or none.
        if kind > 0 && self.location.depth() >= Dict::MAX_DEPTH {
            return Err(A::Error::custom(too_deep("deserialize")));
        }
        Ok(match kind {
            0 => Value::Tensor(contents.newtype_variant_seed(read::<Tensor>(self.location))?),
            1 => Value::Dict(contents.newtype_variant_seed(read::<Dict>(self.location))?),
            2 => contents.newtype_variant_seed(read::<Values>(self.location))?,
            _ => Value::Boxed(contents.tuple_variant(2, read::<Boxed>(self.location))?),
        })
    }
}

/// One of several names, or its index.
#[derive(Clone, Copy)]
pub(super) struct OneOf {
    pub(super) names: &'static [&'static str],
    pub(super) kind: &'static str,
}

impl<'de> DeserializeSeed<'de> for OneOf {
    type Value = usize;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for OneOf {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} of {:?}", self.kind, self.names)
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<usize, E> {
        match usize::try_from(index) {
            Ok(index) if index < self.names.len() => Ok(index),
            _ => {
                Err(E::custom(format!("there is no {} {index}, expected one of {:?}", self.kind, self.names)))
            }
        }
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let position = self.names.iter().position(|known| *known == name);
        position.ok_or_else(|| {
            E::custom(format!("there is no {} `{name}`, expected one of {:?}", self.kind, self.names))
        })
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<usize, E> {
        self.visit_str(&String::from_utf8_lossy(name))
    }
}
