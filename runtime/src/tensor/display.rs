//! Printing as NumPy does.

use std::fmt;

use super::{Array, Repr, Tensor};

pub(super) fn debug(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "Tensor({}", array.aval())?;
    super::dtype::dispatch!(array.dtype(), T => write!(f, ", {:?})", array.data::<T>()))
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::Array(array) => debug(array, f),
            Repr::Traced(traced) => traced.fmt(f),
        }
    }
}
