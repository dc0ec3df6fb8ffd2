//! `lazy_init`: variables of a model whose inputs have no values.

use super::running::{ModelRun, VariablesOnly};
use super::{Layer, Module};
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::{Rngs, Settings, lazily};
use crate::variables::{Filter, Variables};

/// An `init` to come on inputs of which only shapes and dtypes are known, by [`Module::lazy_init`].
///
/// ```
/// use flaxen::prelude::*;
///
/// #[module]
/// struct Scale;
///
/// impl Layer for Scale {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x * self.param("scale", init::ones(), [x.shape()[1]])?)
///     }
/// }
///
/// let x = Tensor::abstract_value(Aval::new([1 << 20, 3], DType::F32));
/// let variables = Scale::new().lazy_init(random::key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/scale")?.to_vec::<f32>()?, [1.0; 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[must_use = "nothing runs before `call` or `run`"]
pub struct LazyInit<'m, M> {
    module: &'m M,
    settings: Settings,
}

impl<'m, M: Module> LazyInit<'m, M> {
    pub(super) fn new(module: &'m M, settings: Settings) -> LazyInit<'m, M> {
        LazyInit { module, settings }
    }

    /// The streams of random keys.
    pub fn rngs(mut self, rngs: impl Into<Rngs>) -> LazyInit<'m, M> {
        self.settings.rngs = rngs.into();
        self
    }

    /// Which collections may be made; all but `intermediates` otherwise.
    pub fn mutable(mut self, filter: impl Into<Filter>) -> LazyInit<'m, M> {
        self.settings.mutable = filter.into();
        self
    }

    /// Runs any method, or any function, of the bound model; tensors from [`Tensor::abstract_value`] are its inputs.
    ///
    /// # Errors
    /// What `f` returns; [`Error::LazyInit`](crate::Error::LazyInit) if a variable depends on the elements of an input.
    pub fn run<T>(self, f: impl FnOnce(&M) -> Result<T>) -> Result<Variables> {
        let LazyInit { module, settings } = self;
        lazily(|| ModelRun::<M, VariablesOnly>::new(module, settings).run(f))
    }

    /// Runs the layer's `call`.
    ///
    /// # Errors
    /// As [`run`](LazyInit::run).
    pub fn call(self, x: &Tensor) -> Result<Variables>
    where
        M: Layer,
    {
        self.run(|module| module.call(x))
    }
}
