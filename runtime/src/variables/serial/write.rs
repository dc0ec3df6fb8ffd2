//! `Serialize`.

use serde::ser::{
    Error as _, Serialize, SerializeMap as _, SerializeSeq as _, SerializeTupleVariant as _, Serializer,
};

use super::{At, KINDS, Location, VALUE};
use crate::variables::{Boxed, Dict, Partitioned, Value, Variables};

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_dict().serialize(serializer)
    }
}

impl Serialize for Dict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        At { location: &Location::Top, it: self }.serialize(serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        At { location: &Location::Top, it: self }.serialize(serializer)
    }
}

impl Serialize for At<'_, &Dict> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.it.len()))?;
        for (key, value) in self.it {
            map.serialize_entry(key, &At { location: &Location::Key(self.location, key), it: value })?;
        }
        map.end()
    }
}

impl Serialize for At<'_, &[Value]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.it.len()))?;
        for (index, value) in self.it.iter().enumerate() {
            seq.serialize_element(&At { location: &Location::Index(self.location, index), it: value })?;
        }
        seq.end()
    }
}

impl Serialize for At<'_, &Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let location = self.location;
        match self.it {
            Value::Tensor(it) => serializer.serialize_newtype_variant(VALUE, 0, KINDS[0], &At { location, it }),
            Value::Dict(it) => serializer.serialize_newtype_variant(VALUE, 1, KINDS[1], &At { location, it }),
            Value::Tuple(values) => {
                let it = values.as_slice();
                serializer.serialize_newtype_variant(VALUE, 2, KINDS[2], &At { location, it })
            }
            Value::Boxed(boxed) => match names(boxed) {
                Some(names) => {
                    let mut variant = serializer.serialize_tuple_variant(VALUE, 3, KINDS[3], 2)?;
                    variant.serialize_field(names)?;
                    variant.serialize_field(&At { location, it: boxed.value() })?;
                    variant.end()
                }
                None => Err(S::Error::custom(location.message(format!(
                    "{} cannot be serialised, as its metadata is of a type of its own: take it off with `unbox`",
                    self.it.kind()
                )))),
            },
            Value::Static(_) | Value::Tree(_) => Err(S::Error::custom(location.message(format!(
                "{} cannot be serialised, as nothing could give it its type back: store tensors, dicts or tuples, or \
                 leave it out",
                self.it.kind()
            )))),
        }
    }
}

fn names(boxed: &Boxed) -> Option<&[Option<String>]> {
    boxed.metadata_as::<Partitioned>().map(|partitioned| partitioned.names.as_slice())
}
