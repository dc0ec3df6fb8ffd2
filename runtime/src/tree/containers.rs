//! Trees of the standard library's containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Builder, Fixed, Static, Token, Tree};
use crate::tensor::Tensor;

impl Tree for Tensor {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Leaf(self));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.push(self);
    }

    fn build(from: &mut Builder<'_>) -> Tensor {
        from.leaf()
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node("vec", self.len()));
        self.iter().for_each(|child| child.walk(visit));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.into_iter().for_each(|child| child.into_leaves(leaves));
    }

    fn build(from: &mut Builder<'_>) -> Vec<T> {
        let (_, count) = from.node();
        (0..count).map(|_| T::build(from)).collect()
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node("array", N));
        self.iter().for_each(|child| child.walk(visit));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.into_iter().for_each(|child| child.into_leaves(leaves));
    }

    fn build(from: &mut Builder<'_>) -> [T; N] {
        from.node();
        std::array::from_fn(|_| T::build(from))
    }
}

impl<T: Tree> Tree for Option<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node("option", usize::from(self.is_some())));
        self.iter().for_each(|child| child.walk(visit));
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.into_iter().for_each(|child| child.into_leaves(leaves));
    }

    fn build(from: &mut Builder<'_>) -> Option<T> {
        let (_, count) = from.node();
        (count == 1).then(|| T::build(from))
    }
}

impl<T: Tree> Tree for Box<T> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node("box", 1));
        (**self).walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        (*self).into_leaves(leaves);
    }

    fn build(from: &mut Builder<'_>) -> Box<T> {
        from.node();
        Box::new(T::build(from))
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
                visit(Token::Node("map", self.len()));
                for (key, child) in self {
                    visit(Token::Key(key.text()));
                    child.walk(visit);
                }
            }

            fn into_leaves(self, leaves: &mut Vec<Tensor>) {
                self.into_values().for_each(|child| child.into_leaves(leaves));
            }

            fn build(from: &mut Builder<'_>) -> Self {
                let (_, count) = from.node();
                (0..count).map(|_| (MapKey::from_text(from.key()), T::build(from))).collect()
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

    fn build(from: &mut Builder<'_>) -> Static<T> {
        Static(from.fixed())
    }
}

macro_rules! tuples {
    ($(($($T:ident)*))*) => {
        $(impl<$($T: Tree),*> Tree for ($($T,)*) {
            #[allow(non_snake_case)]
            fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
                let ($($T,)*) = self;
                visit(Token::Node("tuple", [$(stringify!($T)),*].len()));
                $($T.walk(visit);)*
            }

            #[allow(non_snake_case)]
            fn into_leaves(self, leaves: &mut Vec<Tensor>) {
                let ($($T,)*) = self;
                $($T.into_leaves(leaves);)*
            }

            fn build(from: &mut Builder<'_>) -> Self {
                from.node();
                ($($T::build(from),)*)
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
        visit(Token::Node("tuple", 0));
    }

    fn into_leaves(self, _leaves: &mut Vec<Tensor>) {}

    fn build(from: &mut Builder<'_>) {
        from.node();
    }
}
