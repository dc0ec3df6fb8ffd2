//! Trees to one value, trees turned inside out, and trees whose parts count as leaves.

use super::path::Tracker;
use super::structure::TreePart;
use super::{NodeKind, Path, Structure, Token, Tree, leaves};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// The leaves, in order, and what is left of the tree without them; [`Structure::build`] puts them together again.
#[doc(alias = "tree_flatten")]
pub fn flatten(tree: impl Tree) -> (Vec<Tensor>, Structure) {
    let structure = Structure::of(&tree);
    let mut leaves = Vec::with_capacity(structure.leaf_count());
    tree.into_leaves(&mut leaves);
    (leaves, structure)
}

/// What `f` makes of the leaves, one after the other, beginning with `init`.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tree = (Tensor::from([3.0f32, 4.0]), vec![Tensor::from(12.0f32)]);
/// let squares = tree::reduce(&tree, Tensor::from(0.0f32), |sum, x| Ok(sum + x.square().sum()))?;
/// assert_eq!(squares.item::<f32>()?, 169.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What `f` returns.
#[doc(alias = "tree_reduce")]
pub fn reduce<A>(tree: &impl Tree, init: A, f: impl FnMut(A, &Tensor) -> Result<A>) -> Result<A> {
    leaves(tree).into_iter().try_fold(init, f)
}

/// Whether `f` is true of all leaves.
///
/// # Errors
/// What `f` returns.
#[doc(alias = "tree_all")]
pub fn all(tree: &impl Tree, mut f: impl FnMut(&Tensor) -> Result<bool>) -> Result<bool> {
    for leaf in leaves(tree) {
        if !f(leaf)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `f` is true of any leaf.
///
/// # Errors
/// What `f` returns.
pub fn any(tree: &impl Tree, mut f: impl FnMut(&Tensor) -> Result<bool>) -> Result<bool> {
    Ok(!all(tree, |leaf| Ok(!f(leaf)?))?)
}

/// From a tree of structure `outer`, each of whose leaves is a tree of structure `inner`, to a tree of structure `inner` whose leaves
/// are trees of structure `outer`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::tree::Structure;
///
/// type Pair = (Tensor, Tensor);
/// let one = |x: f32| Tensor::from(x);
/// let pairs: Vec<Pair> = vec![(one(1.0), one(2.0)), (one(3.0), one(4.0))];
/// let (outer, inner) = (Structure::of(&vec![one(0.0), one(0.0)]), Structure::of(&pairs[0]));
/// let (first, second): (Vec<Tensor>, Vec<Tensor>) = tree::transpose(&outer, &inner, &pairs)?;
/// assert_eq!((first[1].item::<f32>()?, second[0].item::<f32>()?), (3.0, 2.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the tree has another structure, or `U` is not a tree of the one that comes out.
#[doc(alias = "tree_transpose")]
pub fn transpose<U: Tree>(outer: &Structure, inner: &Structure, tree: &impl Tree) -> Result<U> {
    let whole = outer.replaced(&mut |_| inner.0.clone());
    if let Some(message) = whole.difference(tree) {
        return Err(Error::Structure { context: "a tree that is transposed is not one of trees", message });
    }
    let leaves = leaves(tree);
    let (rows, columns) = (outer.leaf_count(), inner.leaf_count());
    let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    let turned = turned.map(|at| leaves[at].clone()).collect::<Vec<_>>();
    inner.replaced(&mut |_| outer.0.clone()).try_build(turned)
}

/// A part of a tree that was taken as one leaf.
#[derive(Clone, Debug)]
pub struct Subtree<'a> {
    /// Where it is.
    pub path: Path,
    /// What it is, without its tensors.
    pub structure: Structure,
    /// Its tensors, in order.
    pub leaves: Vec<&'a Tensor>,
}

/// The parts of a tree for which `is_leaf` is true, outermost first, and the leaves outside of them, in order: `jax.tree.leaves` with
/// `is_leaf`. The function is asked of every node, with its path and kind.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::tree::NodeKind;
///
/// let tree = (vec![Tensor::from(1.0f32), Tensor::from(2.0f32)], Tensor::from(3.0f32));
/// let parts = tree::subtrees(&tree, |_, kind| matches!(kind, NodeKind::List(_)));
/// assert_eq!(parts.iter().map(|part| part.leaves.len()).collect::<Vec<_>>(), [2, 1]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn subtrees(tree: &impl Tree, mut is_leaf: impl FnMut(&Path, NodeKind) -> bool) -> Vec<Subtree<'_>> {
    let (mut parts, mut tracker) = (Vec::new(), Tracker::default());
    // The part that is being read, and how many of its children are still to come.
    let mut open: Option<(Subtree<'_>, usize)> = None;
    tree.walk(&mut |token| {
        if open.is_none() {
            let begins = match &token {
                Token::Leaf(_) => true,
                Token::Node(kind, _) => is_leaf(&tracker.path(), *kind),
                Token::Key(_) | Token::Static(_) => false,
            };
            if begins {
                let path = tracker.path();
                open = Some((Subtree { path, structure: Structure(Vec::new()), leaves: Vec::new() }, 1));
            }
        }
        if let Some((part, missing)) = &mut open {
            part.structure.0.push(TreePart::of(&token));
            match &token {
                Token::Leaf(leaf) => part.leaves.push(leaf),
                Token::Node(_, count) => *missing += count,
                // A key stands in front of a child.
                Token::Key(_) => *missing += 1,
                Token::Static(_) => {}
            }
            *missing -= 1;
        }
        if let Some((part, _)) = open.take_if(|(_, missing)| *missing == 0) {
            parts.push(part);
        }
        tracker.visit(&token);
    });
    parts
}

/// A tree of the same structure with `f` of each part for which `is_leaf` is true, and of the leaves outside of them: `jax.tree.map`
/// with `is_leaf`.
///
/// The function returns as many tensors as the part has.
///
/// # Errors
/// If the function returns another number of tensors; what it returns.
pub fn map_subtrees<T: Tree>(
    tree: &T,
    is_leaf: impl FnMut(&Path, NodeKind) -> bool,
    mut f: impl FnMut(&Subtree<'_>) -> Result<Vec<Tensor>>,
) -> Result<T> {
    let mut new = Vec::new();
    for part in subtrees(tree, is_leaf) {
        let tensors = f(&part)?;
        if tensors.len() != part.leaves.len() {
            let message = format!(
                "{} tensors for the part at `{}`, which has {}",
                tensors.len(),
                part.path,
                part.leaves.len()
            );
            return Err(Error::argument("map_subtrees", message));
        }
        new.extend(tensors);
    }
    Structure::of(tree).try_build(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Static;

    fn x(number: f32) -> Tensor {
        Tensor::from(number)
    }

    #[test]
    fn parts_of_a_tree_have_their_paths_structures_and_leaves() {
        let tree = (vec![(x(1.0), Static(7)), (x(2.0), Static(8))], x(3.0), Vec::<Tensor>::new());
        let parts = subtrees(&tree, |path, kind| kind == NodeKind::Tuple && !path.is_empty());
        let paths: Vec<String> = parts.iter().map(|part| part.path.to_string()).collect();
        assert_eq!(paths, ["0.0", "0.1", "1"]);
        assert_eq!(parts[1].structure, Structure::of(&tree.0[1]));
        assert_eq!(parts[1].leaves[0].item::<f32>().unwrap(), 2.0);
    }

    #[test]
    fn the_whole_tree_can_be_a_leaf_and_an_empty_part_is_one() {
        let tree = (x(1.0), Vec::<Tensor>::new());
        assert_eq!(subtrees(&tree, |_, _| true).len(), 1);
        assert_eq!(subtrees(&tree, |_, kind| matches!(kind, NodeKind::List(_))).len(), 2);
        assert_eq!(subtrees(&tree, |_, _| false).len(), 1);
    }

    #[test]
    fn parts_are_replaced_by_as_many_tensors() {
        let tree = (vec![x(1.0), x(2.0)], x(3.0));
        let is_list = |_: &Path, kind: NodeKind| matches!(kind, NodeKind::List(_));
        let turned = |part: &Subtree<'_>| Ok(part.leaves.iter().rev().map(|&leaf| leaf.clone()).collect());
        let new = map_subtrees(&tree, is_list, turned).unwrap();
        assert_eq!([&new.0[0], &new.0[1], &new.1].map(|x| x.item::<f32>().unwrap()), [2.0, 1.0, 3.0]);
        assert!(map_subtrees(&tree, is_list, |_| Ok(vec![])).is_err());
    }

    #[test]
    fn a_tree_of_trees_is_turned_inside_out_and_back() {
        let pairs = [(x(1.0), x(2.0)), (x(3.0), x(4.0)), (x(5.0), x(6.0))];
        let (outer, inner) = (Structure::of(&[x(0.0), x(0.0), x(0.0)]), Structure::of(&pairs[0]));
        let turned: ([Tensor; 3], [Tensor; 3]) = transpose(&outer, &inner, &pairs).unwrap();
        assert_eq!(turned.1.each_ref().map(|x| x.item::<f32>().unwrap()), [2.0, 4.0, 6.0]);
        let back: [(Tensor, Tensor); 3] = transpose(&inner, &outer, &turned).unwrap();
        assert_eq!(back[1].0.item::<f32>().unwrap(), 3.0);
        assert!(transpose::<([Tensor; 3], [Tensor; 3])>(&inner, &outer, &pairs).is_err());
    }

    #[test]
    fn leaves_are_folded_and_asked() {
        let tree = (x(1.0), vec![x(2.0), x(3.0)]);
        let sum = reduce(&tree, 0.0, |sum, x| Ok(sum + x.item::<f32>()?)).unwrap();
        assert_eq!(sum, 6.0);
        assert!(all(&tree, |x| Ok(x.item::<f32>()? > 0.0)).unwrap());
        assert!(any(&tree, |x| Ok(x.item::<f32>()? > 2.5)).unwrap());
        assert!(!any(&tree, |x| Ok(x.item::<f32>()? > 3.5)).unwrap());
        let (leaves, structure) = flatten(tree);
        let back: (Tensor, Vec<Tensor>) = structure.build(leaves);
        assert_eq!(back.1[1].item::<f32>().unwrap(), 3.0);
    }
}
