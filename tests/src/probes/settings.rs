//! What a probe tells a function besides tensors.

use flaxen::DType;
use serde_json::Value as Json;

use crate::jax;

/// The settings of a probe by name; what is missing or `None` there is `None` here.
pub struct Settings<'a>(pub(super) &'a Json);

impl Settings<'_> {
    fn get(&self, key: &str) -> Option<&Json> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Whether it is there, and no `None`.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// An integer: an axis, a count.
    ///
    /// # Panics
    /// If it is none.
    pub fn int(&self, key: &str) -> Option<isize> {
        self.get(key).map(|value| integer(key, value))
    }

    /// A size.
    ///
    /// # Panics
    /// If it is none.
    pub fn size(&self, key: &str) -> Option<usize> {
        self.int(key).map(|value| usize::try_from(value).unwrap_or_else(|_| panic!("{key} is {value}")))
    }

    /// A list of integers, or a single one as a list: axes, a shape.
    ///
    /// # Panics
    /// If it is neither.
    pub fn ints(&self, key: &str) -> Option<Vec<isize>> {
        self.get(key).map(|value| match value {
            Json::Array(items) => items.iter().map(|item| integer(key, item)).collect(),
            one => vec![integer(key, one)],
        })
    }

    /// A list of sizes.
    ///
    /// # Panics
    /// If it is none.
    pub fn sizes(&self, key: &str) -> Option<Vec<usize>> {
        let sizes = self.ints(key)?;
        Some(sizes.into_iter().map(|size| usize::try_from(size).expect("a size")).collect())
    }

    /// A number, which may be infinite or NaN.
    ///
    /// # Panics
    /// If it is none.
    pub fn float(&self, key: &str) -> Option<f64> {
        self.get(key).map(|value| float(key, value))
    }

    /// A list of numbers.
    ///
    /// # Panics
    /// If it is none.
    pub fn floats(&self, key: &str) -> Option<Vec<f64>> {
        let items = self.get(key)?.as_array().unwrap_or_else(|| panic!("{key} is no list"));
        Some(items.iter().map(|item| float(key, item)).collect())
    }

    /// True only if it is there and true.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key) == Some(&Json::Bool(true))
    }

    /// A text.
    ///
    /// # Panics
    /// If it is none.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} is {value}")))
    }

    /// A dtype.
    ///
    /// # Panics
    /// If there is none of the name.
    pub fn dtype(&self, key: &str) -> Option<DType> {
        self.text(key).map(jax::dtype)
    }

    /// Whatever it is.
    pub fn json(&self, key: &str) -> &Json {
        &self.0[key]
    }
}

fn integer(key: &str, value: &Json) -> isize {
    let number = value.as_i64().unwrap_or_else(|| panic!("{key} is {value}"));
    isize::try_from(number).expect("an integer of this machine")
}

fn float(key: &str, value: &Json) -> f64 {
    let parsed = match value {
        Json::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    parsed.unwrap_or_else(|| panic!("{key} is {value}"))
}
