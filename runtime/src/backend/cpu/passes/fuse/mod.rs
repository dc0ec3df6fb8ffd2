//! Loop fusion: element-wise functions and reductions become kernels that pass over memory once.
//!
//! Greedy, one equation after another in their order: each joins the group of one of its arguments if it fits into the same
//! iteration space, and if no value on the way there goes through another group (a group must not wait for
//! itself: the condition under which loops may be fused, Kennedy and others, "Maximizing loop parallelism and improving data
//! locality via loop fusion and distribution", 1993).
//! Slices along one axis are no copies for a group that reads them, and parts of one concatenation are written side by side.
//! Groups are then put in an order in which they can run, and each becomes a kernel spec.

mod fusion;
mod group;
mod horizontal;
mod order;
mod role;
mod window;

use super::analysis::{DefUse, VarMap};
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::{Eqn, Graph, Var};
use fusion::Builder;
pub(crate) use fusion::Fusion;
use group::Groups;
pub(crate) use role::{elementwise, is_reshape};
use window::Windows;

impl Schedule {
    /// Replaces groups of equations by one step each.
    #[must_use]
    pub(crate) fn fuse(self) -> Schedule {
        let graph = self.slices_for_splits();
        let uses = DefUse::of(&graph);
        let groups = Groups::of(&graph, &uses);
        let order = order::sorted(&graph, &uses, &groups);
        let windows = Windows::of(&graph, &uses);
        let mut last_use: VarMap<usize> = VarMap::new(graph.avals.len());
        for (at, members) in order.iter().enumerate() {
            for &arg in members.iter().flat_map(|&i| &graph.eqns[i].args) {
                last_use.insert(arg, at);
                // What is read where it lies, is read whenever that is.
                if let Some(part) = windows.get(arg) {
                    last_use.insert(part.source, at);
                    let made_by = part.made_by.iter().flat_map(|&eqn| &graph.eqns[eqn].args);
                    last_use.extend(made_by.map(|&arg| (arg, at)));
                }
            }
        }
        let kept = graph.outs.iter().chain(graph.consts.iter().map(|(var, _)| var));
        last_use.extend(kept.map(|&var| (var, usize::MAX)));
        let mut builder = Builder::new(&graph, &windows);
        let mut eqns: Vec<Eqn<Step>> = Vec::with_capacity(order.len());
        for (at, members) in order.iter().enumerate() {
            match &members[..] {
                [single] if !groups.is_kernel(*single) => eqns.push(graph.eqns[*single].clone()),
                members => {
                    let group = groups.at(members[0]);
                    let dies = |var: Var| last_use.get(var) == Some(at);
                    let is_read_after = |var: Var| last_use.get(var).is_some_and(|last| last > at);
                    eqns.push(builder.fusion(group, members, &dies, &is_read_after));
                }
            }
        }
        let Builder { avals, consts, .. } = builder;
        let fused = Graph { avals, consts, inputs: graph.inputs, eqns, outs: graph.outs };
        // What only groups read, as a number or where it lies, is not computed any more.
        fused.dce()
    }
}
