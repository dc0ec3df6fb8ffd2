//! Loop fusion: element-wise functions and reductions become kernels that pass over memory once.
//!
//! Greedy, one equation after another in their order: each joins the group of one of its arguments if it fits into the same
//! iteration space, and if no value on the way there goes through another group (a group must not wait for
//! itself: the condition under which loops may be fused, Kennedy and others, "Maximizing loop parallelism and improving data
//! locality via loop fusion and distribution", 1993).
//! Groups are then put in an order in which they can run, and each becomes a kernel spec.

mod fusion;
mod group;
mod horizontal;
mod order;
mod role;

use rustc_hash::FxHashMap;

use super::analysis::DefUse;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::{Eqn, Graph, Var};
use fusion::Builder;
pub(crate) use fusion::Fusion;
use group::Groups;
pub(crate) use role::{elementwise, is_reshape};

impl Schedule {
    /// Replaces groups of equations by one step each.
    #[must_use]
    pub(crate) fn fuse(self) -> Schedule {
        let uses = DefUse::of(&self);
        let groups = Groups::of(&self, &uses);
        let order = order::sorted(&self, &uses, &groups);
        let mut last_use: FxHashMap<Var, usize> = FxHashMap::default();
        for (at, members) in order.iter().enumerate() {
            last_use.extend(members.iter().flat_map(|&i| &self.eqns[i].args).map(|&arg| (arg, at)));
        }
        let kept = self.outs.iter().chain(self.consts.iter().map(|(var, _)| var));
        last_use.extend(kept.map(|&var| (var, usize::MAX)));
        let mut builder = Builder::new(&self);
        let mut eqns: Vec<Eqn<Step>> = Vec::with_capacity(order.len());
        for (at, members) in order.iter().enumerate() {
            match &members[..] {
                [single] if !groups.is_kernel(*single) => eqns.push(self.eqns[*single].clone()),
                members => {
                    let group = groups.at(members[0]);
                    let dies = |var: Var| last_use.get(&var) == Some(&at);
                    let is_read_after = |var: Var| last_use.get(&var).is_some_and(|&last| last > at);
                    eqns.push(builder.fusion(group, members, &dies, &is_read_after));
                }
            }
        }
        let Builder { avals, consts, .. } = builder;
        let fused = Graph { avals, consts, inputs: self.inputs, eqns, outs: self.outs };
        // What only groups read as a number is not computed any more.
        fused.dce()
    }
}
