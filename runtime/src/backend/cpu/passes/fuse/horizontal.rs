//! Horizontal fusion: kernels that do the same to many small arrays, such as the updates of an optimiser, run as one, as in
//! XLA's pass of that name. Vertical fusion joins what reads with what makes; here nobody reads from another.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::fusion::Fusion;
use crate::backend::cpu::codegen::Access;
use crate::backend::cpu::passes::analysis::DefUse;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::{Eqn, Var};

/// Elements of an array that is worth it: what larger ones cost is not the call, and their gradients would have to wait in memory.
const MAX_ELEMENTS: usize = 1 << 15;
/// Arrays of one kernel.
const MOST: usize = 64;
/// Kernels with the same numbers of inputs and operations that an array may join.
const LATEST: usize = 8;

impl Schedule {
    /// Computes small arrays together that go through the same operations with the same single numbers.
    #[must_use]
    pub(crate) fn fuse_horizontally(mut self) -> Schedule {
        let uses = DefUse::of(&self);
        // The first members of a set wait for the last, so nobody may read their results before.
        let waits = |set: &[usize], last: usize, eqns: &[Eqn<Step>]| {
            let outs = set.iter().flat_map(|&at| &eqns[at].outs);
            outs.filter_map(|&out| uses.first_use(out)).all(|read| read > last)
        };
        // By what is quickly compared.
        let mut open: FxHashMap<(usize, usize, Vec<Var>), Vec<Vec<usize>>> = FxHashMap::default();
        let mut full: Vec<Vec<usize>> = Vec::new();
        for (at, eqn) in self.eqns.iter().enumerate() {
            let Some(fusion) = eqn.primitive.fusion().filter(|fusion| fusion.spec().size <= MAX_ELEMENTS)
            else {
                continue;
            };
            if !fusion.spec().is_elementwise() {
                continue;
            }
            let joins = |set: &Vec<usize>| {
                let first = &self.eqns[set[0]];
                are_alike(first, eqn) && waits(set, at, &self.eqns)
            };
            let spec = fusion.spec();
            let numbers =
                spec.inputs.iter().zip(&eqn.args).filter(|(input, _)| matches!(input.0, Access::One));
            let key = (spec.inputs.len(), spec.ops.len(), numbers.map(|(_, &arg)| arg).collect());
            let sets = open.entry(key).or_default();
            // The latest are looked at, so that the time does not grow with the square of the number of arrays.
            let latest = sets.len().saturating_sub(LATEST);
            match (latest..sets.len()).find(|&i| joins(&sets[i])) {
                Some(found) => {
                    sets[found].push(at);
                    if sets[found].len() == MOST {
                        full.push(sets.swap_remove(found));
                    }
                }
                None => sets.push(vec![at]),
            }
        }
        let open = full.into_iter().chain(open.into_values().flatten());
        let mut gone = vec![false; self.eqns.len()];
        for set in open.filter(|set| set.len() > 1) {
            let members: Vec<&Eqn<Step>> = set.iter().map(|&at| &self.eqns[at]).collect();
            let fusions: Vec<&Fusion> = members.iter().filter_map(|eqn| eqn.primitive.fusion()).collect();
            let last = set[set.len() - 1];
            let eqn = Eqn {
                primitive: Step::Fused(Arc::new(Fusion::side_by_side(&fusions))),
                args: members.iter().flat_map(|eqn| eqn.args.iter().copied()).collect(),
                outs: members.iter().flat_map(|eqn| eqn.outs.iter().copied()).collect(),
                ..self.eqns[last].clone()
            };
            set.iter().for_each(|&at| gone[at] = at != last);
            self.eqns[last] = eqn;
        }
        self.without(&gone)
    }
}

fn are_alike(a: &Eqn<Step>, b: &Eqn<Step>) -> bool {
    let (Some(one), Some(other)) = (a.primitive.fusion(), b.primitive.fusion()) else {
        return false;
    };
    let shared = |(access, (x, y)): (&(Access, crate::DType), (&Var, &Var))| {
        !matches!(access.0, Access::One) || x == y
    };
    one.spec().resembles(other.spec()) && one.spec().inputs.iter().zip(a.args.iter().zip(&b.args)).all(shared)
}
