//! Trees of the standard library's containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Builder, Donation, Fixed, NodeKind, Static, Token, Tree};
use crate::core::Tensor;
use crate::error::Result;

impl Tree for Tensor {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Leaf(self));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.push(self);
    }

    fn build(from: &mut Builder<'_>) -> Result<Tensor> {
        from.leaf()
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::List("vec"), self.len()));
        self.iter().for_each(|child| child.walk(visit));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.into_iter().for_each(|child| child.into_leaves(leaves));
    }

    fn donate(self, donation: &mut Donation) {
        self.into_iter().for_each(|child| child.donate(donation));
    }

    fn build(from: &mut Builder<'_>) -> Result<Vec<T>> {
        let count = from.sequence()?;
        // Collecting results does not know how many there will be.
        let mut children = Vec::with_capacity(count);
        for _ in 0..count {
            children.push(T::build(from)?);
        }
        Ok(children)
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::List("array"), N));
        self.iter().for_each(|child| child.walk(visit));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.into_iter().for_each(|child| child.into_leaves(leaves));
    }

    fn donate(self, donation: &mut Donation) {
        self.into_iter().for_each(|child| child.donate(donation));
    }

    fn build(from: &mut Builder<'_>) -> Result<[T; N]> {
        from.sequence_of(N)?;
        let mut children: [Option<T>; N] = std::array::from_fn(|_| None);
        for child in &mut children {
            *child = Some(T::build(from)?);
        }
        Ok(children.map(|child| child.unwrap_or_else(|| unreachable!("each of them was built"))))
    }
}

impl<T: Tree> Tree for Option<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::Wrapper("option"), usize::from(self.is_some())));
        self.iter().for_each(|child| child.walk(visit));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.into_iter().for_each(|child| child.into_leaves(leaves));
    }

    fn donate(self, donation: &mut Donation) {
        self.into_iter().for_each(|child| child.donate(donation));
    }

    fn build(from: &mut Builder<'_>) -> Result<Option<T>> {
        let count = from.node_of(NodeKind::Wrapper("option"))?;
        (count == 1).then(|| T::build(from)).transpose()
    }
}

impl<T: Tree> Tree for Box<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::Wrapper("box"), 1));
        (**self).walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        (*self).into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        (*self).donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Box<T>> {
        from.expect(NodeKind::Wrapper("box"), 1)?;
        T::build(from).map(Box::new)
    }
}

/// Keys of maps that are trees.
trait MapKey: Ord {
    fn text(&self) -> &str;
    fn from_text(text: &str) -> Self;
}

impl MapKey for String {
    fn text(&self) -> &str {
        self
    }
    fn from_text(text: &str) -> String {
        text.to_owned()
    }
}

impl MapKey for Arc<str> {
    fn text(&self) -> &str {
        self
    }
    fn from_text(text: &str) -> Arc<str> {
        text.into()
    }
}

macro_rules! maps {
    ($($key:ty),*) => {
        $(impl<T: Tree> Tree for BTreeMap<$key, T> {
            fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
                visit(Token::Node(NodeKind::Map("map"), self.len()));
                for (key, child) in self {
                    visit(Token::Key(key.text()));
                    child.walk(visit);
                }
            }

            fn into_leaves(self, leaves: &mut Vec<Tensor>) {
                self.into_values().for_each(|child| child.into_leaves(leaves));
            }

            fn donate(self, donation: &mut Donation) {
                self.into_values().for_each(|child| child.donate(donation));
            }

            fn build(from: &mut Builder<'_>) -> Result<Self> {
                let count = from.map()?;
                (0..count).map(|_| Ok((MapKey::from_text(from.key()?), T::build(from)?))).collect()
            }
        })*
    };
}

maps!(String, Arc<str>);

impl<T: Fixed + Clone> Tree for Static<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Static(&self.0));
    }

    fn into_leaves(self, _leaves: &mut Vec<Tensor>) {}

    fn build(from: &mut Builder<'_>) -> Result<Static<T>> {
        from.fixed().map(Static)
    }
}

macro_rules! tuples {
    ($(($($T:ident)*))*) => {
        $(impl<$($T: Tree),*> Tree for ($($T,)*) {
            #[allow(non_snake_case)]
            fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
                let ($($T,)*) = self;
                visit(Token::Node(NodeKind::Tuple, [$(stringify!($T)),*].len()));
                $($T.walk(visit);)*
            }

            #[allow(non_snake_case)]
            fn into_leaves(self, leaves: &mut Vec<Tensor>) {
                let ($($T,)*) = self;
                $($T.into_leaves(leaves);)*
            }

            #[allow(non_snake_case)]
            fn donate(self, donation: &mut Donation) {
                let ($($T,)*) = self;
                $($T.donate(donation);)*
            }

            fn build(from: &mut Builder<'_>) -> Result<Self> {
                from.sequence_of([$(stringify!($T)),*].len())?;
                Ok(($($T::build(from)?,)*))
            }
        })*
    };
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}

impl Tree for () {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::Tuple, 0));
    }

    fn into_leaves(self, _leaves: &mut Vec<Tensor>) {}

    fn build(from: &mut Builder<'_>) -> Result<()> {
        from.sequence_of(0)
    }
}
