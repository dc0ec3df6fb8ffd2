//! Trees with another number of tensors instead of each leaf.

use std::fmt;
use std::marker::PhantomData;

use crate::core::Tensor;
use crate::error::Result;
use crate::tree::{Builder, NodeKind, Structure, Token, Tree, TreePart, leaves, leaves_with_path};
use crate::variables::Dict;

/// A tree of the form of `P`, in which each leaf has become any number of tensors: none where a mask leaves it out, or
/// one per axis.
///
/// The functions of [`tree`](crate::tree) see the tensors at their paths; [`get`](Regrouped::get) finds one.
pub struct Regrouped<P = Dict> {
    structure: Structure,
    leaves: Vec<Tensor>,
    of: PhantomData<fn() -> P>,
}

/// A tree of the form of `P` that has only the leaves a mask selects.
pub type Masked<P = Dict> = Regrouped<P>;

impl<P: Tree> Regrouped<P> {
    /// The leaves that are selected, by their number.
    pub(super) fn select(tree: &P, selected: impl Fn(usize) -> bool) -> Regrouped<P> {
        let all = leaves(tree).into_iter().enumerate();
        Regrouped {
            structure: Structure::of(tree).replaced(&mut |i| {
                if selected(i) {
                    vec![TreePart::Leaf]
                } else {
                    vec![TreePart::Node(NodeKind::Struct("masked"), 0)]
                }
            }),
            leaves: all.filter(|(i, _)| selected(*i)).map(|(_, leaf)| leaf.clone()).collect(),
            of: PhantomData,
        }
    }

    /// Some tensors for each leaf, in order.
    pub(super) fn of_lists(tree: &P, lists: Vec<Vec<Tensor>>) -> Regrouped<P> {
        let list = |n: usize| {
            [TreePart::Node(NodeKind::List("vec"), n)]
                .into_iter()
                .chain((0..n).map(|_| TreePart::Leaf))
                .collect()
        };
        Regrouped {
            structure: Structure::of(tree).replaced(&mut |i| list(lists[i].len())),
            leaves: lists.into_iter().flatten().collect(),
            of: PhantomData,
        }
    }

    /// The tensors, in order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.leaves
    }

    /// The tensor at a path, its steps joined by `/`.
    pub fn get(&self, path: &str) -> Option<&Tensor> {
        leaves_with_path(self).into_iter().find(|(found, _)| found.join("/") == path).map(|(_, leaf)| leaf)
    }
}

impl<P> Clone for Regrouped<P> {
    fn clone(&self) -> Self {
        Regrouped { structure: self.structure.clone(), leaves: self.leaves.clone(), of: PhantomData }
    }
}

impl<P> fmt::Debug for Regrouped<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (path, leaf) in leaves_with_path(self) {
            map.entry(&format_args!("{path}"), leaf);
        }
        map.finish()
    }
}

impl<P> Tree for Regrouped<P> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        let mut leaves = self.leaves.iter();
        self.structure.walk(&mut || leaves.next(), visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.extend(self.leaves);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        let (structure, leaves) = from.subtree()?;
        Ok(Regrouped { structure, leaves, of: PhantomData })
    }
}
