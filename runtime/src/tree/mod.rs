//! `Tree`: values made of tensors.
//!
//! Everything a transform takes or returns is a tree: a tensor, a tuple, an array, a `Vec`, an `Option`, a `Box`, a map, or
//! a struct with `#[derive(Tree)]`.

mod builder;
mod containers;
mod fold;
mod many;
mod map;
mod path;
mod reuse;
mod structure;

pub use builder::Builder;
pub(crate) use builder::Header;
pub use flaxen_macros::Tree;
pub use fold::{Subtree, all, any, flatten, map_subtrees, reduce, subtrees, transpose};
pub use many::{Trees, map_trees};
pub use map::{count, leaves, leaves_with_path, map, map_with_path, zip_map};
pub(crate) use path::Tracker;
pub use path::{Path, Step};
#[doc(hidden)]
pub use reuse::Donation;
pub(crate) use reuse::{Reuse, Reuses};
pub use structure::Structure;
pub(crate) use structure::{TreePart, fingerprint, is_same};

use crate::core::Tensor;
use crate::error::Result;

/// A value made of tensors, that can be taken apart and put together again.
///
/// One preorder stream of [`Token`]s serves hashing, comparing, naming and rebuilding, so a cached call looks up its
/// program without building anything. Implement it with `#[derive(Tree)]`:
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::tree;
///
/// #[derive(Tree)]
/// struct Line {
///     slope: Tensor,
///     offset: Tensor,
///     #[tree(static)]
///     degree: usize,
/// }
///
/// let line = Line { slope: Tensor::from(2.0f32), offset: Tensor::from(1.0f32), degree: 1 };
/// let doubled = tree::map(&line, |x| Ok(x * 2.0))?;
/// assert_eq!(doubled.slope.item::<f32>()?, 4.0);
/// assert_eq!(doubled.degree, 1);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tree of tensors",
    label = "not a `Tree`",
    note = "a transformed function takes one value, by value: a tensor, or a tuple, array, `Vec`, `Option`, map or \
            `#[derive(Tree)]` struct of them; data that is not tensors goes into a `Static`, or a `#[tree(static)]` field"
)]
pub trait Tree: Sized {
    /// Visits the tokens in order.
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>));

    /// Appends the leaves, in the order `walk` visits them; by value, so that `jit` may write into buffers nobody else
    /// holds.
    fn into_leaves(self, leaves: &mut Vec<Tensor>);

    /// As [`into_leaves`](Tree::into_leaves), and donates the emptied containers, to be filled again.
    #[doc(hidden)]
    fn donate(self, donation: &mut Donation) {
        self.into_leaves(&mut donation.leaves);
    }

    /// Puts a value together from a structure and leaves, asking for the tokens in the order `walk` visits them.
    ///
    /// # Errors
    /// If the structure is that of another type.
    fn build(from: &mut Builder<'_>) -> Result<Self>;
}

/// A piece of a tree.
pub enum Token<'a> {
    /// A tensor.
    Leaf(&'a Tensor),
    /// What it is, and how many children follow.
    Node(NodeKind, usize),
    /// A key in front of its child.
    Key(&'a str),
    /// Data that is part of the structure.
    Static(&'a dyn Fixed),
}

/// What a node of a tree is, with the name it is printed by.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum NodeKind {
    /// Children in order, each of a type of its own. Tuples and lists may be built from each other.
    Tuple,
    /// Children in order: an array or `Vec`.
    List(&'static str),
    /// Children by key. Maps may be built from each other.
    Map(&'static str),
    /// A map whose memory is donated with its leaves, and filled again.
    #[doc(hidden)]
    ReusedMap(&'static str),
    /// What adds nothing to the path of its child: an `Option` or a `Box`.
    Wrapper(&'static str),
    /// A type of its own, with its fields.
    Struct(&'static str),
}

impl NodeKind {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            NodeKind::Tuple => "tuple",
            NodeKind::List(name)
            | NodeKind::Map(name)
            | NodeKind::ReusedMap(name)
            | NodeKind::Wrapper(name)
            | NodeKind::Struct(name) => name,
        }
    }

    /// What is not there, and has no place among the children of a tuple either: a file does not have it.
    pub(crate) const ABSENT: NodeKind = NodeKind::Wrapper("absent");

    pub(crate) fn is_sequence(self) -> bool {
        matches!(self, NodeKind::Tuple | NodeKind::List(_))
    }

    pub(crate) fn is_map(self) -> bool {
        matches!(self, NodeKind::Map(_) | NodeKind::ReusedMap(_))
    }
}

impl PartialEq for NodeKind {
    fn eq(&self, other: &NodeKind) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && is_same(self.name(), other.name())
    }
}

impl Eq for NodeKind {}

impl std::fmt::Display for NodeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Data that is part of a tree's structure: two trees fit only if it is equal.
///
/// Implemented for everything that is `PartialEq + Clone + Debug + Send + Sync + 'static`.
pub trait Fixed: std::any::Any + std::fmt::Debug + Send + Sync {
    #[doc(hidden)]
    fn same(&self, other: &dyn Fixed) -> bool;
    #[doc(hidden)]
    fn boxed(&self) -> Box<dyn Fixed>;
}

impl<T: PartialEq + Clone + std::fmt::Debug + Send + Sync + 'static> Fixed for T {
    fn same(&self, other: &dyn Fixed) -> bool {
        (other as &dyn std::any::Any).downcast_ref::<T>() == Some(self)
    }

    fn boxed(&self) -> Box<dyn Fixed> {
        Box::new(self.clone())
    }
}

/// A value without tensors as a tree: it is part of the structure, so `jit` traces anew for another one.
///
/// ```
/// use flaxen::prelude::*;
///
/// let f = jit(|(x, Static(train)): (Tensor, Static<bool>)| Ok(if train { x * 2.0 } else { x }));
/// assert_eq!(f.call((Tensor::from(3.0f32), Static(true)))?.item::<f32>()?, 6.0);
/// assert_eq!(f.call((Tensor::from(3.0f32), Static(false)))?.item::<f32>()?, 3.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Static<T>(pub T);
