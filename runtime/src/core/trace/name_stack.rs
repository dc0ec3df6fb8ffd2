//! The name stack: where in a model the running code is, to be told by profiles and by panics.

use std::cell::RefCell;
use std::sync::Arc;

use crate::error::running::{self, Running};

thread_local! {
    static PATH: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The path of the running module, and whether this is the way back.
pub(crate) fn current() -> Option<Arc<str>> {
    PATH.with_borrow(Clone::clone)
}

/// Until dropped, code runs under another path.
pub(crate) struct Within(Option<Arc<str>>);

impl Drop for Within {
    fn drop(&mut self) {
        PATH.set(self.0.take());
    }
}

/// Goes to a path; of none, nothing changes.
pub(crate) fn enter(path: Option<Arc<str>>) -> Option<Within> {
    Some(Within(PATH.replace(Some(path?))))
}

/// Until dropped, a module's method runs.
pub(crate) struct WithinModule {
    outer: Option<Arc<dyn Running>>,
    _within: Option<Within>,
}

impl Drop for WithinModule {
    fn drop(&mut self) {
        let outer = self.outer.take();
        // Outside of the borrow, as a module's end may have code of the user's to run.
        let ended = running::replace(outer);
        drop(ended);
    }
}

/// Goes to a module; its path is made now if anything is traced that may be asked for it, otherwise if it is needed.
pub(crate) fn enter_module(module: Arc<dyn Running>) -> WithinModule {
    let path = (!super::is_eager()).then(|| module.path().trim_start_matches('/').into());
    WithinModule { outer: running::replace(Some(module)), _within: enter(path) }
}
