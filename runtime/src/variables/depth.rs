//! How deep values may be nested.
//!
//! Whatever goes over nested values (comparing, printing, dropping, reading) calls itself for each level, and stacks are small:
//! 2 MiB in a thread. So there is a limit far above what models have, and it is kept where values are put into each other.

use super::{Dict, Value};
use crate::error::{Error, Result};
use crate::tree::Builder;

impl Dict {
    /// So many dicts, tuples and boxes may be inside each other; a dict of tensors is one level.
    pub const MAX_DEPTH: usize = 256;
}

impl Value {
    /// Whether there are at most so many levels of dicts, tuples and boxes.
    fn is_within(&self, levels: usize) -> bool {
        let Some(inner) = levels.checked_sub(1) else {
            return matches!(self, Value::Tensor(_) | Value::Static(_) | Value::Tree(_));
        };
        match self {
            Value::Tensor(_) | Value::Static(_) | Value::Tree(_) => true,
            Value::Dict(dict) => dict.values().all(|value| value.is_within(inner)),
            Value::Tuple(values) => values.iter().all(|value| value.is_within(inner)),
            Value::Boxed(boxed) => boxed.value().is_within(inner),
        }
    }

    /// Whether a value may be inside of so many others.
    ///
    /// # Errors
    /// If it would be nested too deep.
    pub(super) fn check_inside(&self, op: &'static str, levels: usize) -> Result<()> {
        match Dict::MAX_DEPTH.checked_sub(levels) {
            Some(left) if self.is_within(left) => Ok(()),
            _ => Err(too_deep(op)),
        }
    }

    /// The value, if it may be inside of another one.
    ///
    /// # Panics
    /// If it would be nested too deep.
    #[track_caller]
    pub(super) fn checked_inside(self, op: &'static str) -> Value {
        crate::error::unwrap(self.check_inside(op, 1));
        self
    }
}

/// Begins a nested value that is built, which [`Builder::leave`] ends.
///
/// # Errors
/// If it would be nested too deep.
pub(super) fn enter(from: &mut Builder<'_>) -> Result<()> {
    if from.enter() > Dict::MAX_DEPTH { Err(too_deep("build")) } else { Ok(()) }
}

pub(crate) fn too_deep(op: &'static str) -> Error {
    Error::argument(
        op,
        format!(
            "more than {} dicts, tuples and boxes would be inside each other: give values names side by side, or stack them",
            Dict::MAX_DEPTH
        ),
    )
}
