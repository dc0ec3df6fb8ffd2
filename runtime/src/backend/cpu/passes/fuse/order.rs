//! An order in which groups can run: topological sorting by counting what each waits for (A. B. Kahn, "Topological sorting of
//! large networks", 1962), of what is ready always the group whose last equation came first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxBuildHasher, FxHashSet};

use super::group::Groups;
use crate::backend::cpu::passes::analysis::DefUse;
use crate::backend::cpu::schedule::Schedule;

/// The equations of each group, groups after those that they read from, otherwise in the order they had; those with effects in
/// theirs.
///
/// Each group waits for as many others as it reads from, each counted once (`known`). Whoever waits for none is ready; when it is put
/// out, its readers wait for one less.
pub(super) fn sorted(graph: &Schedule, uses: &DefUse, groups: &Groups) -> Vec<Vec<usize>> {
    let count = graph.eqns.len();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
    let mut waits: Vec<usize> = vec![0; groups.len()];
    let mut last: Vec<Option<usize>> = vec![None; groups.len()];
    let mut known: FxHashSet<(usize, usize)> = FxHashSet::with_capacity_and_hasher(2 * count, FxBuildHasher);
    for (i, eqn) in graph.eqns.iter().enumerate() {
        let group = groups.index(i);
        last[group] = Some(i);
        let makers = eqn.args.iter().filter_map(|&arg| uses.def(arg));
        for maker in makers.chain(uses.effect_before(i)).map(|at| groups.index(at)) {
            if maker != group && known.insert((maker, group)) {
                readers[maker].push(group);
                waits[group] += 1;
            }
        }
    }
    let is_ready = |group: &usize| waits[*group] == 0;
    let mut ready: BinaryHeap<Reverse<(usize, usize)>> =
        (0..waits.len()).filter(is_ready).filter_map(|group| Some(Reverse((last[group]?, group)))).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(Reverse((equation, group))) = ready.pop() {
        order.push(groups.at(equation).members.clone());
        for reader in std::mem::take(&mut readers[group]) {
            waits[reader] -= 1;
            if waits[reader] == 0 {
                ready.extend(last[reader].map(|last| Reverse((last, reader))));
            }
        }
    }
    assert_eq!(order.iter().map(Vec::len).sum::<usize>(), graph.eqns.len(), "no group waits for itself");
    order
}
