//! `checkpoint`: less memory for more time in the backward pass, and policies of what is kept.
//!
//! | policy | keeps | in JAX |
//! |---|---|---|
//! | [`nothing`], the default | the arguments | `nothing_saveable` |
//! | [`everything`] | all that the backward pass reads | `everything_saveable` |
//! | [`dots`] | results of products and convolutions | `dots_saveable` |
//! | [`dots_with_no_batch_dims`] | results of products without batch dimensions | `dots_with_no_batch_dims_saveable` |
//! | [`save_only_these_names`] | values that [`checkpoint_name`] named so | the same |
//! | [`save_any_names_but_these`] | other values that it named | the same |
//! | [`save_from_both_policies`] | what either keeps | the same |
//! | [`Policy::new`] | what a function of operations says | a function of operations |
//!
//! A policy says what may be kept, and of that is kept what the backward pass reads, or what is computed again reads. It reaches into
//! [`scan`](crate::scan()) and its kin: what it keeps of a step is kept of all steps, and each loop is computed again without it. A branch
//! of [`cond`](crate::cond()) is kept or computed again as a whole.

use std::marker::PhantomData;
use std::sync::Arc;

use super::stage::{avals, stage};
use crate::backend::CPU;
use crate::core::primitive::Args;
use crate::core::trace;
use crate::error::Result;
use crate::ops;
use crate::ops::call::Call;
pub use crate::ops::checkpoint::{
    Policy, dots, dots_with_no_batch_dims, everything, nothing, save_any_names_but_these,
    save_from_both_policies, save_only_these_names,
};
use crate::tree::{self, Structure, Tree};

/// A function that computes again in the backward pass; see [`checkpoint`](crate::checkpoint()).
pub struct Checkpoint<F, P, R> {
    f: F,
    policy: Policy,
    prevent_cse: bool,
    types: PhantomData<fn(P) -> R>,
}

/// A function that keeps only its arguments for the backward pass, and computes what it needs in between once more.
///
/// The function is staged, as under [`jit`](crate::jit()), each time it is called. What it prints by [`debug`](crate::debug) is printed
/// in the pass forward only. Derivatives of derivatives keep no more than the policy says, either.
///
/// ```
/// use flaxen::prelude::*;
///
/// let block = checkpoint(|x: &Tensor| Ok(x.sin().sin().sin()));
/// let dx = grad(|x: &Tensor| block.call(x))(&Tensor::from(0.5f32))?;
/// let plain = grad(|x: &Tensor| Ok(x.sin().sin().sin()))(&Tensor::from(0.5f32))?;
/// assert_eq!(dx.item::<f32>()?, plain.item::<f32>()?);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn checkpoint<P, R, F>(f: F) -> Checkpoint<F, P, R>
where
    P: Tree,
    R: Tree,
    F: Fn(&P) -> Result<R>,
{
    Checkpoint { f, policy: Policy::default(), prevent_cse: true, types: PhantomData }
}

impl<F, P, R> Checkpoint<F, P, R>
where
    P: Tree,
    R: Tree,
    F: Fn(&P) -> Result<R>,
{
    /// Which values are kept; [`nothing`] but the arguments unless told otherwise.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let w = Tensor::ones([8, 8]);
    /// let layer = checkpoint(|x: &Tensor| Ok(x.dot(&w).tanh().dot(&w).tanh())).policy(checkpoint::dots());
    /// let f = jit(|x: Tensor| grad(|x: &Tensor| Ok(layer.call(x)?.sum()))(&x));
    /// // Two products forward, two backward, and none again.
    /// let graph = f.graph(&Tensor::ones([2, 8]))?;
    /// assert_eq!(graph.primitives().filter(|&name| name == "dot_general").count(), 4);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Checkpoint { policy, ..self }
    }

    /// Whether the compiler is kept from finding that values are computed twice, and keeping the first; true unless told otherwise.
    #[must_use]
    pub fn prevent_cse(self, prevent_cse: bool) -> Self {
        Checkpoint { prevent_cse, ..self }
    }

    /// Calls the function.
    ///
    /// # Errors
    /// What the function returns; if it asks for the elements of its argument.
    pub fn call(&self, params: &P) -> Result<R> {
        let staged = stage(&Structure::of(params), &avals(params), |params: P| (self.f)(&params))?;
        let call = Call::new(staged.graph, CPU);
        let primitive = ops::checkpoint::Checkpoint::new(call, self.policy.clone(), self.prevent_cse);
        let leaves = tree::leaves(params).into_iter().cloned();
        let args: Args = staged.captured.into_iter().chain(leaves).collect();
        Ok(staged.outs.build(trace::bind(&primitive, args)?))
    }
}

/// Names tensors for the policies of [`checkpoint`](crate::checkpoint()); elsewhere it does nothing.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::checkpoint_name;
///
/// let f = checkpoint(|x: &Tensor| {
///     let hidden = checkpoint_name(&x.sin(), "hidden")?;
///     Ok(hidden.sin().sin())
/// })
/// .policy(checkpoint::save_only_these_names(["hidden"]));
/// let dx = jit(|x: Tensor| grad(|x: &Tensor| f.call(x))(&x));
/// // All three forward for nobody but the gradient, and the second once more; not the first.
/// assert_eq!(dx.graph(&Tensor::from(0.5f32))?.primitives().filter(|&name| name == "sin").count(), 2);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// A leaked value.
pub fn checkpoint_name<T: Tree>(value: &T, name: &str) -> Result<T> {
    let name: Arc<str> = name.into();
    tree::map(value, |leaf| ops::name::named(leaf, &name))
}
