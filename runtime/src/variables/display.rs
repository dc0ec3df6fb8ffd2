//! Dicts as text.

use std::fmt;

use super::{Dict, Value, Variables};

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_dict().fmt(f)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Dict(dict) => dict.fmt(f),
            Value::Tuple(values) => f.debug_list().entries(values.iter()).finish(),
            other => f.write_str(&other.kind()),
        }
    }
}
