//! Donation: a tree that is moved into a call gives away its buffers, as JAX's `donate_argnums` has it, and its containers too.
//!
//! A state that goes into a step and comes out of it again has the same names both times: its containers are emptied and filled
//! instead of being freed and made.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::{NodeKind, Structure, Tree, TreePart};
use crate::array::Array;
use crate::core::Tensor;

/// Containers among which one of equal structure is looked for.
const NEAR: usize = 16;

/// A container whose memory can be used again, for another one of the same structure.
///
/// Its node is a [`ReusedMap`](NodeKind::ReusedMap).
pub(crate) trait Reuse: Tree {
    /// What is kept of it.
    type Memory: Any + Send + Sync;

    /// The memory of an emptied container.
    fn into_memory(self) -> Arc<Self::Memory>;

    /// The container that has this memory.
    fn from_memory(memory: Arc<Self::Memory>) -> Self;
}

/// The leaves of a tree that was given away, and the containers they were in.
#[doc(hidden)]
#[derive(Default)]
pub struct Donation {
    /// The leaves, in order.
    pub leaves: Vec<Tensor>,
    /// Containers that nobody else held, in order, with the number of their first leaf.
    containers: Vec<(usize, Option<Arc<dyn Any + Send + Sync>>)>,
    /// What emptied containers hold instead of tensors.
    placeholders: Vec<Tensor>,
}

/// Which containers of a structure reuse those of another one.
#[derive(Default)]
pub(crate) struct Reuses(Vec<Pair>);

/// Containers of equal structure, not part of another one.
#[derive(Clone, Copy)]
struct Pair {
    /// The number of its first part in the structure that is built.
    part: usize,
    /// The number of its first leaf in the tree that is donated.
    leaf: usize,
}

impl Donation {
    /// Takes a tensor out of a container.
    pub(crate) fn take(&mut self, tensor: &mut Tensor) {
        let placeholder = self.placeholder();
        self.leaves.push(std::mem::replace(tensor, placeholder));
    }

    pub(crate) fn placeholder(&mut self) -> Tensor {
        static PLACEHOLDER: LazyLock<Tensor> = LazyLock::new(|| Array::scalar(0i32, false).into());
        self.placeholders.pop().unwrap_or_else(|| PLACEHOLDER.clone())
    }

    pub(super) fn keep_placeholder(&mut self, placeholder: Tensor) {
        self.placeholders.push(placeholder);
    }

    /// Keeps an emptied container.
    pub(crate) fn keep(&mut self, first_leaf: usize, container: impl Reuse) {
        self.containers.push((first_leaf, Some(container.into_memory())));
    }

    /// Drops leaves and containers that were not used.
    pub(crate) fn clear(&mut self) {
        self.leaves.clear();
        self.containers.clear();
    }

    /// The container for the child that begins with a part.
    pub(super) fn container<C: Reuse>(&mut self, reuses: &Reuses, part: usize) -> Option<C> {
        let found = reuses.0.binary_search_by_key(&part, |pair| pair.part).ok()?;
        let first_leaf = reuses.0[found].leaf;
        let container = self.containers.binary_search_by_key(&first_leaf, |(leaf, _)| *leaf).ok()?;
        self.containers[container].1.take()?.downcast().ok().map(C::from_memory)
    }
}

impl Reuses {
    /// Pairs containers of equal structure. Keys of `built` become those of `donated`, the very same strings, which are quickly
    /// compared.
    pub(crate) fn new(donated: &Structure, built: &mut Structure) -> Reuses {
        let mut sources = VecDeque::from(containers(donated));
        let mut pairs = Vec::new();
        for (parts, _) in containers(built) {
            let same = |(other, _): &(Range<usize>, _)| donated.0[other.clone()] == built.0[parts.clone()];
            // What comes back mostly does so in its order.
            let at = sources.iter().take(NEAR).position(same);
            if let Some((source, leaf)) = at.and_then(|at| sources.remove(at)) {
                pairs.push(Pair { part: parts.start, leaf });
                built.0[parts].clone_from_slice(&donated.0[source]);
            }
        }
        Reuses(pairs)
    }
}

/// Containers that have leaves and are not part of another one: their parts, and the number of the first leaf.
fn containers(structure: &Structure) -> Vec<(Range<usize>, usize)> {
    let (mut found, mut leaf, mut at) = (Vec::new(), 0, 0);
    while let Some(part) = structure.0.get(at) {
        let start = at;
        at += 1;
        if let TreePart::Node(NodeKind::ReusedMap(_), _) = part {
            at = start + length(&structure.0[start..]);
            let leaves = structure.0[start..at].iter().filter(|part| matches!(part, TreePart::Leaf)).count();
            if leaves > 0 {
                found.push((start..at, leaf));
            }
            leaf += leaves;
        } else if let TreePart::Leaf = part {
            leaf += 1;
        }
    }
    found
}

/// The number of parts of the first tree there is.
fn length(parts: &[TreePart]) -> usize {
    let (mut missing, mut length) = (1, 0);
    while missing > 0 && length < parts.len() {
        missing -= 1;
        missing += match parts[length] {
            TreePart::Node(_, count) => count,
            TreePart::Key(_) => 1,
            TreePart::Leaf | TreePart::Fixed(_) => 0,
        };
        length += 1;
    }
    length
}
