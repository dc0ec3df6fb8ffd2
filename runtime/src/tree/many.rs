//! Functions of several trees of one structure.

use super::{Structure, Tree, leaves};
use crate::core::Tensor;
use crate::error::{Error, Result};

/// Several trees of one structure: a tuple of references to trees, of up to eight types, or an array of references.
pub trait Trees<const N: usize> {
    /// The type of the first, which results have.
    type First: Tree;

    /// The structure of the first.
    ///
    /// # Errors
    /// If there is no tree.
    fn structure(&self) -> Result<Structure>;

    /// The leaves of each.
    ///
    /// # Errors
    /// If one has another structure.
    fn leaves(&self, structure: &Structure) -> Result<[Vec<&Tensor>; N]>;
}

fn leaves_of<'t>(structure: &Structure, tree: &'t impl Tree) -> Result<Vec<&'t Tensor>> {
    match structure.difference(tree) {
        None => Ok(leaves(tree)),
        Some(message) => {
            Err(Error::Structure { context: "trees that are combined leaf by leaf differ", message })
        }
    }
}

impl<T: Tree, const N: usize> Trees<N> for [&T; N] {
    type First = T;

    fn structure(&self) -> Result<Structure> {
        match self.first() {
            Some(first) => Ok(Structure::of(*first)),
            None => Err(Error::argument("map_trees", "no tree")),
        }
    }

    fn leaves(&self, structure: &Structure) -> Result<[Vec<&Tensor>; N]> {
        let mut all = [const { Vec::new() }; N];
        for (all, tree) in all.iter_mut().zip(self) {
            *all = leaves_of(structure, *tree)?;
        }
        Ok(all)
    }
}

macro_rules! tuples {
    ($($count:literal: $($T:ident $i:tt)*;)*) => { $(
        impl<A: Tree, $($T: Tree),*> Trees<$count> for (&A, $(&$T),*) {
            type First = A;

            fn structure(&self) -> Result<Structure> {
                Ok(Structure::of(self.0))
            }

            fn leaves(&self, structure: &Structure) -> Result<[Vec<&Tensor>; $count]> {
                Ok([leaves(self.0), $(leaves_of(structure, self.$i)?),*])
            }
        }
    )* };
}

tuples! {
    2: B 1;
    3: B 1 C 2;
    4: B 1 C 2 D 3;
    5: B 1 C 2 D 3 E 4;
    6: B 1 C 2 D 3 E 4 F 5;
    7: B 1 C 2 D 3 E 4 F 5 G 6;
    8: B 1 C 2 D 3 E 4 F 5 G 6 H 7;
}

/// A tree of the same structure with `f` of what all trees have at each leaf; of the type of the first.
///
/// ```
/// use flaxen::prelude::*;
///
/// let (x, y, weight) = (vec![Tensor::from(1.0f32)], vec![Tensor::from(3.0f32)], vec![Tensor::from(0.5f32)]);
/// let mixed = tree::map_trees((&x, &y, &weight), |[x, y, weight]| Ok(x + (y - x) * weight))?;
/// assert_eq!(mixed[0].item::<f32>()?, 2.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the structures differ; what `f` returns.
pub fn map_trees<const N: usize, S: Trees<N>>(
    trees: S,
    mut f: impl FnMut([&Tensor; N]) -> Result<Tensor>,
) -> Result<S::First> {
    let structure = trees.structure()?;
    let leaves = trees.leaves(&structure)?;
    let at = |i: usize| std::array::from_fn(|tree| leaves[tree][i]);
    let new = (0..structure.leaf_count()).map(|i| f(at(i))).collect::<Result<Vec<_>>>()?;
    structure.try_build(new)
}
