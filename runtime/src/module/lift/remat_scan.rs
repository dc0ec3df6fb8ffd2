//! `RematScan`: a layer again and again, with little memory for the backward pass.

use super::groups::{Groups, Role, group_methods};
use super::module::lifted_module;
use super::remat::remat_with;
use super::scan::scan_with;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::transform::checkpoint::Policy;
use crate::tree::{self, Tree};
use crate::variables::Filter;

/// A layer again and again on its own output, in loops within loops that keep only carries for the backward pass;
/// `flax.linen.remat_scan`.
///
/// Of `lengths` `[n, m]` there are `n · m` layers, whose variables have the leading axes `n` and `m`; memory grows with `n + m`.
/// All collections are stacked and all streams split, unless told otherwise. The module is named `Remat_scanLayer_0`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift::RematScan;
///
/// let deep = RematScan::new(Dense::new(8), [10, 10]);
/// let variables = deep.init(key(0)).call(&Tensor::ones([1, 8]))?;
/// assert_eq!(variables.tensor("params/kernel")?.shape(), [10, 10, 8, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct RematScan<M> {
    module: M,
    lengths: Vec<usize>,
    policy: Policy,
    groups: Groups,
}

impl<M: Module> RematScan<M> {
    /// Wraps a module; `lengths` are the numbers of steps of the loops, outermost first.
    pub fn new(module: M, lengths: impl Into<Vec<usize>>) -> RematScan<M> {
        RematScan { module, lengths: lengths.into(), policy: Policy::default(), groups: Groups::default() }
    }

    group_methods!();

    /// Hands the collections of a filter from one step to the next; they must be there before the loop.
    pub fn carry(mut self, collections: impl Into<Filter>) -> Self {
        self.groups.add(collections, Role::Carried);
        self
    }

    /// Which values are kept beside carries, as by [`Remat::policy`](super::Remat::policy).
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Runs a function of the module again and again on its own output.
    ///
    /// # Errors
    /// As [`Scan::run`](super::Scan::run).
    pub fn run<C: Tree>(&self, f: impl Fn(&M, C) -> Result<C>, carry: C) -> Result<C> {
        let groups = self.groups.clone().or_all();
        let settings = (&groups, &self.policy);
        match &self.lengths[..] {
            [] => f(&self.module, carry),
            lengths => level(&self.module, lengths, settings, &f, carry),
        }
    }
}

lifted_module!(RematScan<M>, "Remat_scan");

impl<M: Layer> Layer for RematScan<M> {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.run(|layer, x: Tensor| layer.call(&x), x.clone())
    }
}

/// A loop, whose step is another one if there are more lengths.
fn level<M: Module, C: Tree>(
    module: &M,
    lengths: &[usize],
    settings: (&Groups, &Policy),
    f: &dyn Fn(&M, C) -> Result<C>,
    carry: C,
) -> Result<C> {
    let (groups, policy) = settings;
    let step = |module: &M, carry: C, (): ()| -> Result<(C, ())> {
        if lengths.len() == 1 {
            return Ok((f(module, carry)?, ()));
        }
        let inner = |module: &M, carry: &C| {
            let carry = tree::map(carry, |x| Ok(x.clone()))?;
            level(module, &lengths[1..], settings, f, carry)
        };
        Ok((remat_with(&module, policy, inner, &carry)?, ()))
    };
    Ok(scan_with(&module, groups, lengths[0], step, carry, ())?.0)
}
