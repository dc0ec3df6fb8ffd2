//! An error of somebody else's, kept inside of ours.

use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// An error of another library or of the user's own, as [`Error::other`](crate::Error::other) keeps it.
///
/// Cheap to clone. Two are equal if they are the same one, or say the same.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub(super) fn new(error: impl Error + Send + Sync + 'static) -> Cause {
        Cause(Arc::new(error))
    }

    /// The error.
    pub fn get(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Cause) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.to_string() == other.0.to_string()
    }
}

// Nobody can change it, so that a panic leaves nothing half done: a `Result` may be looked at behind `catch_unwind`.
impl UnwindSafe for Cause {}
impl RefUnwindSafe for Cause {}
