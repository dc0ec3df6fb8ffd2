//! An order in which groups can run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::group::Groups;
use crate::core::{Graph, Var};

/// The equations of each group, groups after those that they read from, otherwise in the order they had.
pub(super) fn sorted(graph: &Graph, groups: &Groups) -> Vec<Vec<usize>> {
    let made_by: FxHashMap<Var, usize> = (graph.eqns.iter().enumerate())
        .flat_map(|(i, eqn)| eqn.outs.iter().map(move |&var| (var, groups.index(i))))
        .collect();
    let mut readers: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
    let mut waits: FxHashMap<usize, usize> = FxHashMap::default();
    let mut last: FxHashMap<usize, usize> = FxHashMap::default();
    let mut known: FxHashSet<(usize, usize)> = FxHashSet::default();
    for (i, eqn) in graph.eqns.iter().enumerate() {
        let group = groups.index(i);
        last.insert(group, i);
        waits.entry(group).or_default();
        for arg in &eqn.args {
            if let Some(&maker) = made_by.get(arg)
                && maker != group
                && known.insert((maker, group))
            {
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
