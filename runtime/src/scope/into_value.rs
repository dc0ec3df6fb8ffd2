//! What closures that make variables may return.

use crate::error::{Error, Result};
use crate::tree::Tree;

/// What a closure that makes a variable may return: a tree of tensors, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "a variable cannot be made from `{Self}`",
    note = "return a tensor, another tree of tensors (`#[derive(Tree)]`), or a `Result` of one"
)]
pub trait IntoValue {
    /// The type of the variable.
    type Value: Tree;

    /// The value, or why there is none.
    ///
    /// # Errors
    /// What the closure returned.
    fn into_value(self) -> Result<Self::Value>;
}

impl<T: Tree> IntoValue for T {
    type Value = T;
    fn into_value(self) -> Result<T> {
        Ok(self)
    }
}

impl<T: Tree> IntoValue for Result<T, Error> {
    type Value = T;
    fn into_value(self) -> Result<T> {
        self
    }
}
