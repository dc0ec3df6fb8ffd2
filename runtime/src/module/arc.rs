//! `Arc<M>`: one module in several places.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::instance::Session;
use super::setup::{AnySetup, SetupPass};
use super::{Layer, Module, Slot};
use crate::error::Result;
use crate::tensor::Tensor;

/// Clones of an `Arc` are one module: wherever it is in a model, it has one set of variables, named by the place that is
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
        let mut bound = (**self).clone();
        bound.__attach(slot);
        let original = std::mem::replace(self, Arc::new(bound));
        if let Some(session) = session {
            session.adopt(original, self);
        }
    }

    fn __setup(&self, setup: &mut SetupPass<'_>) {
        (**self).__setup(setup);
    }

    fn __setups(&mut self, visit: &mut dyn FnMut(&mut dyn AnySetup)) {
        Arc::make_mut(self).__setups(visit);
    }

    fn __fields(&self, visit: &mut dyn FnMut(&'static str, &dyn fmt::Debug)) {
        (**self).__fields(visit);
    }

    fn __shared(&self, session: &Session) -> Option<Arc<M>> {
        session.adopted(self)
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
