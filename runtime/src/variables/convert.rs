//! What becomes a [`Value`], and what goes over the entries of dicts and variables.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use ndarray::{ArrayBase, Data, Dimension};

use super::{Boxed, Dict, Value, Variables};
use crate::array::Element;
use crate::core::Tensor;

/// Whatever becomes a tensor becomes a value that is one.
macro_rules! through_tensor {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {
        $(impl<$($generics)*> From<$type> for Value {
            fn from(numbers: $type) -> Value {
                Value::Tensor(numbers.into())
            }
        })*
    };
}

through_tensor! {
    [T: Element] T,
    [T: Element] &[T],
    [T: Element] &Vec<T>,
    [T: Element] Vec<T>,
    [T: Element, const A: usize] [T; A],
    [T: Element, const A: usize, const B: usize] [[T; B]; A],
    [T: Element, const A: usize, const B: usize, const C: usize] [[[T; C]; B]; A],
    [T: Element, const A: usize, const B: usize, const C: usize, const D: usize] [[[[T; D]; C]; B]; A],
    [T: Element, S: Data<Elem = T>, D: Dimension] ArrayBase<S, D>,
    [T: Element, S: Data<Elem = T>, D: Dimension] &ArrayBase<S, D>,
}

/// Sequences of values are tuples.
macro_rules! sequences {
    ($($type:ty),*) => {
        $(
            impl From<Vec<$type>> for Value {
                fn from(values: Vec<$type>) -> Value {
                    values.into_iter().collect()
                }
            }

            impl<const N: usize> From<[$type; N]> for Value {
                fn from(values: [$type; N]) -> Value {
                    values.into_iter().collect()
                }
            }
        )*
    };
}

sequences!(Value, Tensor, Dict, Boxed);

/// A tuple.
///
/// # Panics
/// If values would be nested deeper than [`Dict::MAX_DEPTH`].
impl<V: Into<Value>> FromIterator<V> for Value {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Value {
        Value::Tuple(Arc::new(values.into_iter().map(|value| value.into().checked_inside("tuple")).collect()))
    }
}

macro_rules! tuples {
    ($(($($T:ident)*))*) => {
        $(impl<$($T: Into<Value>),*> From<($($T,)*)> for Value {
            #[allow(non_snake_case)]
            #[track_caller]
            fn from(($($T,)*): ($($T,)*)) -> Value {
                Value::from_iter([$(Into::<Value>::into($T)),*])
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
}

impl From<Variables> for Value {
    fn from(variables: Variables) -> Value {
        Value::Dict(variables.0)
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>> From<BTreeMap<K, V>> for Dict {
    fn from(entries: BTreeMap<K, V>) -> Dict {
        entries.into_iter().collect()
    }
}

/// Adds entries at the top, or replaces them.
///
/// # Panics
/// If values would be nested deeper than [`Dict::MAX_DEPTH`].
impl<K: Into<Arc<str>>, V: Into<Value>> Extend<(K, V)> for Dict {
    #[track_caller]
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        let entries =
            entries.into_iter().map(|(key, value)| (key.into(), value.into().checked_inside("extend")));
        Arc::make_mut(&mut self.0).extend(entries);
    }
}

/// Adds collections, or replaces them.
impl<K: Into<Arc<str>>> Extend<(K, Dict)> for Variables {
    fn extend<I: IntoIterator<Item = (K, Dict)>>(&mut self, collections: I) {
        self.0.extend(collections);
    }
}

/// The entries of a [`Dict`] at the top, in the order of their names.
#[derive(Clone)]
pub struct Entries<'a>(btree_map::Iter<'a, Arc<str>, Value>);

/// The collections of [`Variables`] with their names, in order.
#[derive(Clone)]
pub struct Collections<'a>(Entries<'a>);

fn borrowed<'a>((key, value): (&'a Arc<str>, &'a Value)) -> (&'a str, &'a Value) {
    (key, value)
}

fn collection<'a>((name, value): (&'a str, &'a Value)) -> (&'a str, &'a Dict) {
    match value {
        Value::Dict(dict) => (name, dict),
        _ => unreachable!("a collection is a dict"),
    }
}

macro_rules! iterator {
    ($type:ident, $item:ty, $convert:path) => {
        impl<'a> Iterator for $type<'a> {
            type Item = (&'a str, &'a $item);
            fn next(&mut self) -> Option<Self::Item> {
                self.0.next().map($convert)
            }
            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl DoubleEndedIterator for $type<'_> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back().map($convert)
            }
        }

        impl ExactSizeIterator for $type<'_> {}
    };
}

iterator!(Entries, Value, borrowed);
iterator!(Collections, Dict, collection);

impl<'a> IntoIterator for &'a Dict {
    type Item = (&'a str, &'a Value);
    type IntoIter = Entries<'a>;
    fn into_iter(self) -> Entries<'a> {
        Entries(self.0.iter())
    }
}

impl IntoIterator for Dict {
    type Item = (Arc<str>, Value);
    type IntoIter = btree_map::IntoIter<Arc<str>, Value>;
    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a Variables {
    type Item = (&'a str, &'a Dict);
    type IntoIter = Collections<'a>;
    fn into_iter(self) -> Collections<'a> {
        Collections((&self.0).into_iter())
    }
}

impl IntoIterator for Variables {
    type Item = (Arc<str>, Dict);
    type IntoIter = std::iter::Map<btree_map::IntoIter<Arc<str>, Value>, fn((Arc<str>, Value)) -> Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(name, value)| match value {
            Value::Dict(dict) => (name, dict),
            _ => unreachable!("a collection is a dict"),
        })
    }
}
