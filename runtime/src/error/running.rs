//! The module whose method runs, to be told by errors and panics.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Error, Result};

/// A module whose method runs.
pub(crate) trait Running {
    /// The name of its type.
    fn class(&self) -> &'static str;
    /// Its path: `/encoder/Dense_0`.
    fn path(&self) -> String;
}

thread_local! {
    static RUNNING: RefCell<Option<Arc<dyn Running>>> = const { RefCell::new(None) };
}

/// Says which module's method runs now; returns which did.
pub(crate) fn replace(module: Option<Arc<dyn Running>>) -> Option<Arc<dyn Running>> {
    RUNNING.replace(module)
}

/// Adds the module whose method runs to an error, if there is one.
pub(crate) fn in_module(error: Error) -> Error {
    match RUNNING.with_borrow(Clone::clone) {
        Some(module) => error.in_module(module.class(), &module.path()),
        None => error,
    }
}

/// Arithmetic panics where its fallible twin returns an error; in a model, with the module's path.
#[track_caller]
pub(crate) fn unwrap<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{}", in_module(error)),
    }
}
