//! `fold_rngs`: random streams that begin anew.

use super::module::lifted_module;
use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::variables::Filter;

/// A module whose random streams begin anew, as those of [`Jit`](super::Jit) do, without a program of its own; `flax.linen.fold_rngs`.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct FoldRngs<M> {
    module: M,
}

impl<M: Module> FoldRngs<M> {
    /// Wraps a module.
    pub fn new(module: M) -> FoldRngs<M> {
        FoldRngs { module }
    }

    /// Calls a function of the module.
    ///
    /// # Errors
    /// What the function returns.
    pub fn run<O>(&self, f: impl FnOnce(&M) -> Result<O>) -> Result<O> {
        fold_rngs(&self.module, f)
    }
}

lifted_module!(FoldRngs<M>, "Fold_rngs");

impl<M: Layer> Layer for FoldRngs<M> {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.run(|layer| layer.call(x))
    }
}

/// Runs a function of modules of the running model with random streams that begin anew: `lift::fold_rngs(self, |m| …)?`.
///
/// Each is the next key of the stream where the first module is, and the path down to there is not folded in again.
///
/// # Errors
/// What the function returns.
pub fn fold_rngs<L: Target, O>(target: L, f: impl FnOnce(&L::Inner) -> Result<O>) -> Result<O> {
    let (mut pack, all) = (Pack::new("fold_rngs", &target)?, Filter::all());
    let rngs = pack.folded_rngs()?;
    let (out, variables) = pack.run(&pack.scopes.variables(&all), rngs, &all, f)?;
    pack.scopes.write_back(&variables)?;
    Ok(out)
}
