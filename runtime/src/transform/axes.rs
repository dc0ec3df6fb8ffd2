//! Which axis of which leaf: `0`, `-1`, `None`, `Some(1)`, or a tuple of these over a tuple.

use crate::tree::{self, Tree};

/// Which axis of which leaf is mapped: a prefix of the tree `T`.
///
/// One axis (or `None` for "not mapped") covers a whole subtree; a tuple has one entry for each part of a tuple, and a
/// `Vec` one for each element.
// For `isize` and no other integer, so that `0`, `-1` and the bare `None` in `(0, None)` have one possible type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe the axes of `{T}`",
    note = "write an axis (an `isize`), `None` for \"not mapped\", or a tuple of these with one entry for each part of \
            the tuple"
)]
pub trait Axes<T: Tree> {
    /// Appends the axis of every leaf.
    fn broadcast_prefix(&self, tree: &T, axes: &mut Vec<Option<isize>>);
}

impl<T: Tree> Axes<T> for Option<isize> {
    fn broadcast_prefix(&self, tree: &T, axes: &mut Vec<Option<isize>>) {
        axes.extend(std::iter::repeat_n(*self, tree::count(tree)));
    }
}

impl<T: Tree> Axes<T> for isize {
    fn broadcast_prefix(&self, tree: &T, axes: &mut Vec<Option<isize>>) {
        Some(*self).broadcast_prefix(tree, axes);
    }
}

/// An axis for each leaf, in order; entries that are missing are not mapped.
impl<T: Tree> Axes<T> for Vec<Option<isize>> {
    fn broadcast_prefix(&self, tree: &T, axes: &mut Vec<Option<isize>>) {
        let count = tree::count(tree);
        axes.extend(self.iter().copied().chain(std::iter::repeat(None)).take(count));
    }
}

macro_rules! tuples {
    ($(($($S:ident $T:ident $i:tt)*))*) => {
        $(impl<$($T: Tree, $S: Axes<$T>),*> Axes<($($T,)*)> for ($($S,)*) {
            fn broadcast_prefix(&self, tree: &($($T,)*), axes: &mut Vec<Option<isize>>) {
                $(self.$i.broadcast_prefix(&tree.$i, axes);)*
            }
        })*
    };
}

tuples! {
    (S T 0)
    (S1 T1 0 S2 T2 1)
    (S1 T1 0 S2 T2 1 S3 T3 2)
    (S1 T1 0 S2 T2 1 S3 T3 2 S4 T4 3)
    (S1 T1 0 S2 T2 1 S3 T3 2 S4 T4 3 S5 T5 4)
    (S1 T1 0 S2 T2 1 S3 T3 2 S4 T4 3 S5 T5 4 S6 T6 5)
    (S1 T1 0 S2 T2 1 S3 T3 2 S4 T4 3 S5 T5 4 S6 T6 5 S7 T7 6)
    (S1 T1 0 S2 T2 1 S3 T3 2 S4 T4 3 S5 T5 4 S6 T6 5 S7 T7 6 S8 T8 7)
}
