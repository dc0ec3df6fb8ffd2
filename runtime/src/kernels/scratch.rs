//! Memory for intermediate numbers that each thread keeps.

use std::any::{Any, TypeId};
use std::cell::RefCell;

/// Numbers that a buffer may have to be kept (16 MiB of `f32`).
const KEPT: usize = 1 << 22;

thread_local! {
    static BUFFERS: RefCell<Vec<(TypeId, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with a buffer of unspecified length and contents, which the next call on this thread has again.
///
/// Calls may be nested: each has a buffer of its own.
pub(super) fn with<T: 'static, R>(f: impl FnOnce(&mut Vec<T>) -> R) -> R {
    let kept = BUFFERS.with_borrow_mut(|buffers| {
        let at = buffers.iter().rposition(|(id, _)| *id == TypeId::of::<T>())?;
        buffers.swap_remove(at).1.downcast::<Vec<T>>().ok()
    });
    let mut buffer = kept.unwrap_or_default();
    let result = f(&mut buffer);
    if buffer.capacity() <= KEPT {
        BUFFERS.with_borrow_mut(|buffers| buffers.push((TypeId::of::<T>(), buffer)));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_nested_calls_have_their_own() {
        with(|outer: &mut Vec<f32>| {
            outer.resize(100, 1.0);
            with(|inner: &mut Vec<f32>| inner.resize(200, 2.0));
            with(|other: &mut Vec<f64>| assert!(other.is_empty()));
            assert_eq!(outer[99], 1.0);
        });
        assert!(with(|again: &mut Vec<f32>| again.capacity() >= 100));
    }
}
