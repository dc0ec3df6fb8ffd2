//! Changes of tensors that a user writes.

use std::fmt;
use std::sync::Arc;

use crate::core::Tensor;
use crate::error::Result;

type Function = Arc<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>;

/// A function of one tensor, and the one back, if there is one.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) there: Function,
    pub(super) back: Option<Function>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.back.is_some() { "Change(there and back)" } else { "Change(there)" })
    }
}
