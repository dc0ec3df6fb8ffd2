//! Memory of sizes that users decide: what is refused is an error of the operation that asked for it.

pub(crate) use flaxen_kernels::memory::{
    collected, filled, or_refused, reserve, resize, with_capacity, zeroed,
};

use crate::error::{Error, Result};

/// Runs `f`, which may run out of memory, for `op`; `what` says what for.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn or_error<R>(
    op: &'static str,
    what: impl FnOnce() -> String,
    f: impl FnOnce() -> Result<R>,
) -> Result<R> {
    or_refused(f).unwrap_or_else(|bytes| Err(Error::OutOfMemory { op, shape: what(), bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_an_error_that_says_what_for() {
        let what = || "what".to_owned();
        let expected = Error::OutOfMemory { op: "test", shape: what(), bytes: 1 << 52 };
        assert_eq!(or_error("test", what, || Ok(zeroed::<u32>(1 << 50))), Err(expected));
        assert_eq!(or_error("test", what, || Err::<(), _>(Error::msg("other"))), Err(Error::msg("other")));
        assert_eq!(or_error("test", what, || Ok(1)), Ok(1));
    }
}
