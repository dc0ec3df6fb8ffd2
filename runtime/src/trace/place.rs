//! Where in a model the running code is, to be told by profiles.

use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static PLACE: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The path of the running module, and whether this is the way back.
pub(crate) fn current() -> Option<Arc<str>> {
    PLACE.with_borrow(Clone::clone)
}

/// Until dropped, code runs in another place.
pub(crate) struct Within(Option<Arc<str>>);

impl Drop for Within {
    fn drop(&mut self) {
        PLACE.set(self.0.take());
    }
}

/// Goes to a place; of none, nothing changes.
pub(crate) fn enter(place: Option<Arc<str>>) -> Option<Within> {
    Some(Within(PLACE.replace(Some(place?))))
}

/// Goes to a module, if anything is traced that may be asked for its place.
pub(crate) fn enter_module(path: impl FnOnce() -> String) -> Option<Within> {
    if super::is_eager() { None } else { enter(Some(path().trim_start_matches('/').into())) }
}
