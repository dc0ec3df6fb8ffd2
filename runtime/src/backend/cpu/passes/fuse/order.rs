//! An order in which groups can run: topological sorting by counting what each waits for (A. B. Kahn, "Topological sorting of
//! large networks", 1962), of what is ready always the group whose last equation came first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::group::Groups;
use crate::backend::cpu::passes::analysis::DefUse;
use crate::backend::cpu::schedule::Schedule;

/// The equations of each group, groups after those that they read from, otherwise in the order they had; those with effects in
/// theirs.
///
/// Each group waits for as many others as it reads from, each counted once (`known`). Whoever waits for none is ready; when it is put
/// out, its readers wait for one less.
pub(super) fn sorted(graph: &Schedule, uses: &DefUse, groups: &Groups) -> Vec<Vec<usize>> {
    let mut readers: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
    let mut waits: FxHashMap<usize, usize> = FxHashMap::default();
    let mut last: FxHashMap<usize, usize> = FxHashMap::default();
    let mut known: FxHashSet<(usize, usize)> = FxHashSet::default();
    for (i, eqn) in graph.eqns.iter().enumerate() {
        let group = groups.index(i);
        last.insert(group, i);
        waits.entry(group).or_default();
        let makers = eqn.args.iter().filter_map(|&arg| uses.def(arg));
        for maker in makers.chain(uses.effect_before(i)).map(|at| groups.index(at)) {
            if maker != group && known.insert((maker, group)) {
                readers.entry(maker).or_default().push(group);
                *waits.entry(group).or_default() += 1;
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<(usize, usize)>> = waits
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(group, _)| Reverse((last[group], *group)))
        .collect();
    let mut order = Vec::with_capacity(last.len());
    while let Some(Reverse((equation, group))) = ready.pop() {
        order.push(groups.at(equation).members.clone());
        for reader in readers.remove(&group).unwrap_or_default() {
            if let Some(count) = waits.get_mut(&reader) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse((last[&reader], reader)));
                }
            }
        }
    }
    assert_eq!(order.iter().map(Vec::len).sum::<usize>(), graph.eqns.len(), "no group waits for itself");
    order
}
