//! Functions of the host that a program calls while it runs.

use std::fmt;
use std::sync::Arc;

use crate::array::Array;
use crate::error::Result;

/// A function of arrays, called for what else it does.
#[derive(Clone)]
pub struct Callback(Arc<HostFunction>);

type HostFunction = dyn Fn(Vec<Array>) -> Result<()> + Send + Sync;

impl Callback {
    pub(crate) fn new(function: impl Fn(Vec<Array>) -> Result<()> + Send + Sync + 'static) -> Callback {
        Callback(Arc::new(function))
    }

    /// Calls it.
    ///
    /// # Errors
    /// What it returns.
    pub fn call(&self, args: Vec<Array>) -> Result<()> {
        (self.0)(args)
    }
}

/// Two are equal if they are one.
impl PartialEq for Callback {
    fn eq(&self, other: &Callback) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("callback")
    }
}
