//! `Remat`: memory for time.

use super::module::lifted_module;
use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::scope::Rngs;
use crate::transform::{self, checkpoint::Policy};
use crate::tree::{self, Tree};
use crate::variables::{Filter, Variables};

/// A module that keeps only its arguments and variables for the backward pass, as by [`checkpoint`](crate::checkpoint());
/// `flax.linen.remat`.
///
/// It changes neither values nor keys. The module is named `CheckpointMlp_0`, and the variables of what it wraps stand directly
/// under it.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift::Remat;
///
/// #[module]
/// struct Model;
///
/// impl Layer for Model {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         Dense::new(1).call(&Remat::new(Dense::new(8)).call(x)?)
///     }
/// }
///
/// let variables = Model::new().init(key(0)).call(&Tensor::ones([2, 3]))?;
/// assert_eq!(variables.tensor("params/CheckpointDense_0/kernel")?.shape(), [3, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct Remat<M> {
    module: M,
    policy: Policy,
}

/// A function of modules that keeps only its arguments and variables for the backward pass; see [`remat`].
#[must_use = "nothing runs before `call`"]
pub struct RematOver<L, F> {
    target: L,
    f: F,
    policy: Policy,
}

/// A function of modules of the running model that keeps only its arguments and variables for the backward pass:
/// `lift::remat(self, |m, x: &Tensor| …).call(&x)?`.
pub fn remat<L, I, O, F>(target: L, f: F) -> RematOver<L, F>
where
    L: Target,
    F: Fn(&L::Inner, &I) -> Result<O>,
{
    RematOver { target, f, policy: Policy::default() }
}

impl<M: Module> Remat<M> {
    /// Wraps a module.
    pub fn new(module: M) -> Remat<M> {
        Remat { module, policy: Policy::default() }
    }

    /// Which values are kept, as by [`Checkpoint::policy`](crate::checkpoint::Checkpoint::policy); nothing but arguments and variables
    /// unless told otherwise.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Calls a function of the module.
    ///
    /// # Errors
    /// What the function returns; if it asks for the elements of its argument while it is differentiated.
    pub fn run<I: Tree, O: Tree>(&self, f: impl Fn(&M, &I) -> Result<O>, args: &I) -> Result<O> {
        remat_with(&&self.module, &self.policy, f, args)
    }
}

impl<L: Target, F> RematOver<L, F> {
    /// Which values are kept, as by [`Checkpoint::policy`](crate::checkpoint::Checkpoint::policy); nothing but arguments and variables
    /// unless told otherwise.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Calls the function.
    ///
    /// # Errors
    /// As [`Remat::run`].
    pub fn call<I: Tree, O: Tree>(&self, args: &I) -> Result<O>
    where
        F: Fn(&L::Inner, &I) -> Result<O>,
    {
        remat_with(&self.target, &self.policy, &self.f, args)
    }
}

lifted_module!(Remat<M>, "Checkpoint");

impl<M: Layer> Layer for Remat<M> {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.run(|layer, x: &Tensor| layer.call(x), x)
    }
}

/// All that a function of scopes takes.
type Packed<I> = (Vec<Variables>, Vec<Rngs>, I);

pub(super) fn remat_with<L: Target, I: Tree, O: Tree>(
    target: &L,
    policy: &Policy,
    f: impl Fn(&L::Inner, &I) -> Result<O>,
    args: &I,
) -> Result<O> {
    let (pack, all) = (Pack::new("remat", target)?, Filter::all());
    let packed = (pack.scopes.variables(&all), pack.scopes.rngs(&all), tree::map(args, |x| Ok(x.clone()))?);
    let apart =
        |(variables, rngs, args): &Packed<I>| pack.run(variables, rngs.clone(), &all, |inner| f(inner, args));
    // Nothing is kept for a backward pass while variables are made.
    let (out, variables) = if pack.scopes.is_initializing() {
        apart(&packed)?
    } else {
        transform::checkpoint(apart).policy(policy.clone()).call(&packed)?
    };
    pack.scopes.write_back(&variables)?;
    Ok(out)
}
