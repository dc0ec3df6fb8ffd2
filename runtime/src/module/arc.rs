//! `Arc<M>`: one module in several fields.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::instance::Session;
use super::setup::{AnySetup, SetupPass};
use super::text::VisitFields;
use super::{Layer, Module, Slot};
use crate::core::Tensor;
use crate::error::Result;

/// Clones of an `Arc` are one module: wherever it is in a model, it has one set of variables, named by the path that is
/// bound first.
///
/// ```
/// use std::sync::Arc;
///
/// use flaxen::prelude::*;
///
/// #[module]
/// struct Scale;
///
/// impl Layer for Scale {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x * self.param("scale", init::ones(), [])?)
///     }
/// }
///
/// #[module]
/// struct Two<L: Layer> {
///     #[submodule]
///     first: L,
///     #[submodule]
///     second: L,
/// }
///
/// impl<L: Layer> Layer for Two<L> {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         self.second.call(&self.first.call(x)?)
///     }
/// }
///
/// let x = Tensor::ones([1]);
/// let shared = Arc::new(Scale::new());
/// let variables = Two::new(shared.clone(), shared).init(random::key(0)).call(&x)?;
/// assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["first"]);
///
/// let variables = Two::new(Scale::new(), Scale::new()).init(random::key(0)).call(&x)?;
/// assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["first", "second"]);
/// # Ok::<(), flaxen::Error>(())
/// ```
impl<M: Module> Module for Arc<M> {
    const NAME: &'static str = M::NAME;

    fn __slot(&self) -> &Slot {
        (**self).__slot()
    }

    fn __attach(&mut self, slot: Slot) {
        let session = slot.instance().map(|instance| instance.session.clone());
        let is_copied = slot.is_unbound();
        if let Some(copy) = copied(self).filter(|_| is_copied) {
            *self = copy;
            return;
        }
        let mut attached = (**self).clone();
        attached.__attach(slot);
        let original = std::mem::replace(self, Arc::new(attached));
        if let Some(session) = session {
            session.keep_bound(original, self);
        } else if is_copied {
            remember_copy(original, self);
        }
    }

    fn __setup(&self, setup: &mut SetupPass<'_>) {
        (**self).__setup(setup);
    }

    fn __setups(&mut self, visit: &mut dyn FnMut(&mut dyn AnySetup)) {
        Arc::make_mut(self).__setups(visit);
    }

    fn __fields(&self, visit: VisitFields<'_>) {
        (**self).__fields(visit);
    }

    fn __shared(&self, session: &Session) -> Option<Arc<M>> {
        session.bound(self)
    }

    fn __lifted(&self, session: &Arc<Session>) -> Option<Arc<M>> {
        (**self).__lifted(session).map(Arc::new)
    }

    fn __sharing(&self) -> Option<Box<dyn Any + Send + Sync>> {
        Some(Box::new(self.clone()))
    }

    fn type_name(&self) -> &'static str {
        (**self).type_name()
    }
}

impl<L: Layer> Layer for Arc<L> {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        (**self).call(x)
    }
}

/// Originals by their addresses, which stay theirs as the originals are kept, and their copies.
type Copies = HashMap<usize, (Box<dyn Any>, Box<dyn Any>)>;

thread_local! {
    /// What the copy that is being made has met so far.
    static COPIES: RefCell<Option<Copies>> = const { RefCell::new(None) };
}

/// Makes a copy of a module in which what was shared is shared again.
pub(super) fn copying<R>(copy: impl FnOnce() -> R) -> R {
    struct Restore(Option<Copies>);
    impl Drop for Restore {
        fn drop(&mut self) {
            COPIES.replace(self.0.take());
        }
    }
    let _restore = Restore(COPIES.replace(Some(Copies::new())));
    copy()
}

fn copied<T: 'static>(original: &Arc<T>) -> Option<Arc<T>> {
    COPIES.with_borrow(|copies| {
        let (_, copy) = copies.as_ref()?.get(&Arc::as_ptr(original).addr())?;
        copy.downcast_ref::<Arc<T>>().cloned()
    })
}

fn remember_copy<T: 'static>(original: Arc<T>, copy: &Arc<T>) {
    let address = Arc::as_ptr(&original).addr();
    COPIES.with_borrow_mut(|copies| {
        if let Some(copies) = copies {
            copies.insert(address, (Box::new(original), Box::new(copy.clone())));
        }
    });
}
