//! `Jit`: a module that is compiled on its own.

use super::module::lifted_module;
use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::scope::Rngs;
use crate::transform;
use crate::tree::{self, Tree};
use crate::variables::{Filter, Variables};

/// A module that is compiled on its own, as by [`jit`](crate::jit()); `flax.linen.jit`.
///
/// Its random streams begin anew: each is the next key of the stream where the module is, and the path down to there is not
/// folded in again. So initial weights and masks differ from those of the module by itself, as in Flax. The module is named
/// `JitMlp_0`, and the variables of what it wraps stand directly under it.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift::Jit;
///
/// let model = Jit::new(Dense::new(2));
/// let variables = model.init(key(0)).call(&Tensor::ones([1, 3]))?;
/// assert_eq!(model.apply(&variables).call(&Tensor::ones([1, 3]))?.shape(), [1, 2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct Jit<M> {
    module: M,
}

/// A function of modules that is compiled on its own; see [`jit`](fn@jit).
#[must_use = "nothing runs before `call`"]
pub struct JitOver<L, F> {
    target: L,
    f: F,
}

/// A function of modules of the running model that is compiled on its own: `lift::jit(self, |m, x: Tensor| …).call(x)?`.
///
/// The random streams begin anew, as in [`Jit`].
pub fn jit<L, I, O, F>(target: L, f: F) -> JitOver<L, F>
where
    L: Target,
    F: Fn(&L::Inner, I) -> Result<O>,
{
    JitOver { target, f }
}

impl<M: Module> Jit<M> {
    /// Wraps a module.
    pub fn new(module: M) -> Jit<M> {
        Jit { module }
    }

    /// Calls a function of the module.
    ///
    /// # Errors
    /// What the function returns; if it asks for the elements of a value.
    pub fn run<I: Tree, O: Tree>(&self, f: impl Fn(&M, I) -> Result<O>, args: I) -> Result<O> {
        run(&&self.module, f, args)
    }
}

impl<L: Target, F> JitOver<L, F> {
    /// Calls the function.
    ///
    /// # Errors
    /// As [`Jit::run`].
    pub fn call<I: Tree, O: Tree>(&self, args: I) -> Result<O>
    where
        F: Fn(&L::Inner, I) -> Result<O>,
    {
        run(&self.target, &self.f, args)
    }
}

lifted_module!(Jit<M>, "Jit");

impl<M: Layer> Layer for Jit<M> {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.run(|layer, x: Tensor| layer.call(&x), x.clone())
    }
}

fn run<L: Target, I: Tree, O: Tree>(target: &L, f: impl Fn(&L::Inner, I) -> Result<O>, args: I) -> Result<O> {
    let (mut pack, all) = (Pack::new("jit", target)?, Filter::all());
    let rngs = pack.folded_rngs()?;
    let variables = pack.scopes.variables(&all);
    let apart = |(variables, rngs, args): (Vec<Variables>, Vec<Rngs>, I)| {
        pack.run(&variables, rngs, &all, |inner| f(inner, args))
    };
    let packed = (variables, rngs, args);
    // A program would run once while variables are made, or is part of one.
    let (out, variables) = if pack.scopes.is_initializing() || tree::count(&packed) == 0 {
        apart(packed)?
    } else {
        transform::jit(apart).call(packed)?
    };
    pack.scopes.write_back(&variables)?;
    Ok(out)
}
