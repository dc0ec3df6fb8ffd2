//! Gathers kernels that do the same to many small arrays, such as the updates of an optimiser, into one.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::fusion::Fusion;
use crate::backend::cpu::codegen::Access;
use crate::core::{Eqn, Graph, Var};

/// Elements of an array that is worth it: what larger ones cost is not the call, and their gradients would have to wait in memory.
const LARGEST: usize = 1 << 15;
/// Arrays of one kernel.
const MOST: usize = 64;
/// Kernels with the same numbers of inputs and operations that an array may join.
const LATEST: usize = 8;

impl Graph {
    /// Computes small arrays together that go through the same operations with the same single numbers.
    #[must_use]
    pub(crate) fn bundle(mut self) -> Graph {
        let mut first_read: FxHashMap<Var, usize> = FxHashMap::default();
        for (at, eqn) in self.eqns.iter().enumerate() {
            eqn.args.iter().for_each(|&arg| {
                first_read.entry(arg).or_insert(at);
            });
        }
        // The first members of a bundle wait for the last, so nobody may read their results before.
        let waits = |bundle: &[usize], last: usize, eqns: &[Eqn]| {
            let outs = bundle.iter().flat_map(|&at| &eqns[at].outs);
            outs.filter_map(|out| first_read.get(out)).all(|&read| read > last)
        };
        // By what is quickly compared.
        let mut open: FxHashMap<(usize, usize, Vec<Var>), Vec<Vec<usize>>> = FxHashMap::default();
        let mut full: Vec<Vec<usize>> = Vec::new();
        for (at, eqn) in self.eqns.iter().enumerate() {
            let Some(fusion) = eqn.primitive_as::<Fusion>().filter(|fusion| fusion.spec().size <= LARGEST)
            else {
                continue;
            };
            if !fusion.spec().is_elementwise() {
                continue;
            }
            let joins = |bundle: &Vec<usize>| {
                let first = &self.eqns[bundle[0]];
                are_alike(first, eqn) && waits(bundle, at, &self.eqns)
            };
            let spec = fusion.spec();
            let numbers =
                spec.inputs.iter().zip(&eqn.args).filter(|(input, _)| matches!(input.0, Access::One));
            let key = (spec.inputs.len(), spec.ops.len(), numbers.map(|(_, &arg)| arg).collect());
            let bundles = open.entry(key).or_default();
            // The latest are looked at, so that the time does not grow with the square of the number of arrays.
            let latest = bundles.len().saturating_sub(LATEST);
            match (latest..bundles.len()).find(|&i| joins(&bundles[i])) {
                Some(found) => {
                    bundles[found].push(at);
                    if bundles[found].len() == MOST {
                        full.push(bundles.swap_remove(found));
                    }
                }
                None => bundles.push(vec![at]),
            }
        }
        let open = full.into_iter().chain(open.into_values().flatten());
        let mut gone = vec![false; self.eqns.len()];
        for bundle in open.filter(|bundle| bundle.len() > 1) {
            let members: Vec<&Eqn> = bundle.iter().map(|&at| &self.eqns[at]).collect();
            let fusions: Vec<&Fusion> = members.iter().filter_map(|eqn| eqn.primitive_as()).collect();
            let last = bundle[bundle.len() - 1];
            let eqn = Eqn {
                primitive: Arc::new(Fusion::bundle(&fusions)),
                args: members.iter().flat_map(|eqn| eqn.args.iter().copied()).collect(),
                outs: members.iter().flat_map(|eqn| eqn.outs.iter().copied()).collect(),
                ..self.eqns[last].clone()
            };
            bundle.iter().for_each(|&at| gone[at] = at != last);
            self.eqns[last] = eqn;
        }
        self.without(&gone)
    }
}

fn are_alike(a: &Eqn, b: &Eqn) -> bool {
    let (Some(one), Some(other)) = (a.primitive_as::<Fusion>(), b.primitive_as::<Fusion>()) else {
        return false;
    };
    let shared = |(access, (x, y)): (&(Access, crate::DType), (&Var, &Var))| {
        !matches!(access.0, Access::One) || x == y
    };
    one.spec().resembles(other.spec()) && one.spec().inputs.iter().zip(a.args.iter().zip(&b.args)).all(shared)
}
