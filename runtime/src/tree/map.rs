//! Functions of whole trees.

use super::path::Tracker;
use super::{Path, Structure, Token, Tree};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// The leaves, in order.
#[doc(alias = "tree_leaves")]
pub fn leaves(tree: &impl Tree) -> Vec<&Tensor> {
    let mut leaves = Vec::new();
    tree.walk(&mut |token| {
        if let Token::Leaf(leaf) = token {
            leaves.push(leaf);
        }
    });
    leaves
}

/// The leaves with their paths, in order.
#[doc(alias = "tree_flatten_with_path")]
#[doc(alias = "tree_leaves_with_path")]
pub fn leaves_with_path(tree: &impl Tree) -> Vec<(Path, &Tensor)> {
    let (mut leaves, mut tracker) = (Vec::new(), Tracker::default());
    tree.walk(&mut |token| {
        if let Token::Leaf(leaf) = token {
            leaves.push((tracker.path(), leaf));
        }
        tracker.visit(&token);
    });
    leaves
}

/// The number of leaves.
pub fn count(tree: &impl Tree) -> usize {
    let mut count = 0;
    tree.walk(&mut |token| count += usize::from(matches!(token, Token::Leaf(_))));
    count
}

/// A tree of the same structure with `f` of every leaf.
///
/// # Errors
/// What `f` returns.
#[doc(alias = "tree_map")]
pub fn map<T: Tree>(tree: &T, f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<T> {
    let new = leaves(tree).into_iter().map(f).collect::<Result<Vec<_>>>()?;
    Ok(Structure::of(tree).build(new))
}

/// As [`map`], with the path of each leaf.
///
/// # Errors
/// What `f` returns.
#[doc(alias = "tree_map_with_path")]
pub fn map_with_path<T: Tree>(tree: &T, mut f: impl FnMut(&Path, &Tensor) -> Result<Tensor>) -> Result<T> {
    let new =
        leaves_with_path(tree).into_iter().map(|(path, leaf)| f(&path, leaf)).collect::<Result<Vec<_>>>()?;
    Ok(Structure::of(tree).build(new))
}

/// A tree of the same structure with `f` of the pairs of leaves.
///
/// # Errors
/// If the structures differ; what `f` returns.
pub fn zip_map<T: Tree>(a: &T, b: &T, mut f: impl FnMut(&Tensor, &Tensor) -> Result<Tensor>) -> Result<T> {
    let structure = Structure::of(a);
    if let Some(message) = structure.difference(b) {
        return Err(Error::Structure { context: "trees that are combined leaf by leaf differ", message });
    }
    let new = leaves(a).into_iter().zip(leaves(b)).map(|(a, b)| f(a, b)).collect::<Result<Vec<_>>>()?;
    Ok(structure.build(new))
}
