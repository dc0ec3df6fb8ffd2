//! What is left of a tree that was taken apart, and how another one is built of it.
//!
//! A state that goes into a step and comes out of it again has the same names both times: its dicts are emptied and filled
//! instead of being freed and made.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::LazyLock;

use super::{Part, Structure};
use crate::tensor::{Array, Tensor};
use crate::variables::Dict;

/// Dicts among which one of equal structure is looked for.
const NEAR: usize = 16;

/// The leaves of a tree that was taken apart, and the dicts they were in.
#[doc(hidden)]
#[derive(Default)]
pub struct Remains {
    /// The leaves, in order.
    pub leaves: Vec<Tensor>,
    /// Dicts that nobody else held, in order, with the number of their first leaf.
    shells: Vec<(usize, Option<Dict>)>,
    /// What emptied dicts hold instead of tensors.
    hollows: Vec<Tensor>,
}

/// Which dicts of a structure can be made of those of another one.
#[derive(Default)]
pub(crate) struct Refills(Vec<Refill>);

/// Dicts of equal structure, not part of another dict.
#[derive(Clone, Copy)]
struct Refill {
    /// The number of its first part in the structure that is built.
    part: usize,
    /// The number of its first leaf in the tree that is taken apart.
    leaf: usize,
}

impl Remains {
    /// Takes a tensor out of a dict.
    pub(crate) fn take(&mut self, tensor: &mut Tensor) {
        let hollow = self.hollow();
        self.leaves.push(std::mem::replace(tensor, hollow));
    }

    pub(crate) fn hollow(&mut self) -> Tensor {
        static HOLLOW: LazyLock<Tensor> = LazyLock::new(|| Array::scalar(0i32, false).into());
        self.hollows.pop().unwrap_or_else(|| HOLLOW.clone())
    }

    pub(crate) fn keep_hollow(&mut self, hollow: Tensor) {
        self.hollows.push(hollow);
    }

    /// Keeps an emptied dict.
    pub(crate) fn keep(&mut self, first_leaf: usize, dict: Dict) {
        self.shells.push((first_leaf, Some(dict)));
    }

    /// Drops leaves and dicts that were not used.
    pub(crate) fn clear(&mut self) {
        self.leaves.clear();
        self.shells.clear();
    }

    pub(super) fn shell(&mut self, refills: &Refills, part: usize) -> Option<Dict> {
        let found = refills.0.binary_search_by_key(&part, |refill| refill.part).ok()?;
        let first_leaf = refills.0[found].leaf;
        let shell = self.shells.binary_search_by_key(&first_leaf, |(leaf, _)| *leaf).ok()?;
        self.shells[shell].1.take()
    }
}

impl Refills {
    /// Pairs dicts of equal structure. Keys of `built` become those of `taken`, the very same strings, which are quickly
    /// compared.
    pub(crate) fn new(taken: &Structure, built: &mut Structure) -> Refills {
        let mut sources = VecDeque::from(dicts(taken));
        let mut refills = Vec::new();
        for (parts, _) in dicts(built) {
            let same = |(other, _): &(Range<usize>, _)| taken.0[other.clone()] == built.0[parts.clone()];
            // What comes back mostly does so in its order.
            let at = sources.iter().take(NEAR).position(same);
            if let Some((source, leaf)) = at.and_then(|at| sources.remove(at)) {
                refills.push(Refill { part: parts.start, leaf });
                built.0[parts].clone_from_slice(&taken.0[source]);
            }
        }
        Refills(refills)
    }
}

/// Dicts that have leaves and are not part of another one: their parts, and the number of the first leaf.
fn dicts(structure: &Structure) -> Vec<(Range<usize>, usize)> {
    let (mut found, mut leaf, mut at) = (Vec::new(), 0, 0);
    while let Some(part) = structure.0.get(at) {
        let start = at;
        at += 1;
        if let Part::Node("dict", _) = part {
            at = start + length(&structure.0[start..]);
            let leaves = structure.0[start..at].iter().filter(|part| matches!(part, Part::Leaf)).count();
            if leaves > 0 {
                found.push((start..at, leaf));
            }
            leaf += leaves;
        } else if let Part::Leaf = part {
            leaf += 1;
        }
    }
    found
}

/// The number of parts of the first tree there is.
fn length(parts: &[Part]) -> usize {
    let (mut missing, mut length) = (1, 0);
    while missing > 0 && length < parts.len() {
        missing -= 1;
        missing += match parts[length] {
            Part::Node(_, count) => count,
            Part::Key(_) => 1,
            Part::Leaf | Part::Fixed(_) => 0,
        };
        length += 1;
    }
    length
}
