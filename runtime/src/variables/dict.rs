//! `Dict`: named values, shared and never changed in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Entries;
use super::depth::enter;
use super::keys::{KeyPath, join};
use super::value::Value;
use crate::core::Tensor;
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::tree::{Builder, Donation, NodeKind, Reuse, Token, Tree, TreePart, is_same};

/// An ordered nested map of values, which is what parameters and state are.
///
/// Cheap to clone, as the entries are shared; whatever changes a dict returns a new one, which shares all that did not
/// change. At most [`MAX_DEPTH`](Dict::MAX_DEPTH) dicts, tuples and boxes are inside each other. Entries are in the order of their
/// names, which is also the order of the leaves. It is a tree, so transforms,
/// optimizers and [`tree::map`](crate::tree::map) take it as it is.
///
/// ```
/// use flaxen::prelude::*;
///
/// let params = Dict::new()
///     .with("Dense_0/kernel", Tensor::zeros([3, 2]))
///     .with("Dense_0/bias", Tensor::zeros([2]));
/// assert_eq!(params.tensor("Dense_0/kernel")?.shape(), [3, 2]);
/// let (kernel, rest) = params.pop("Dense_0/kernel")?;
/// assert_eq!(kernel.tensor()?.shape(), [3, 2]);
/// assert_eq!(rest.dict("Dense_0")?.keys().collect::<Vec<_>>(), ["bias"]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Dict(pub(super) Arc<BTreeMap<Arc<str>, Value>>);

impl Dict {
    /// A dict without entries.
    pub fn new() -> Dict {
        Dict::default()
    }

    /// The number of entries at the top.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries at the top, in the order of their names.
    pub fn iter(&self) -> Entries<'_> {
        self.into_iter()
    }

    /// The names at the top, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.0.keys().map(|key| &**key)
    }

    /// The values at the top, in the order of their names.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.0.values()
    }

    /// The value at a path, if there is one.
    pub fn get(&self, path: impl KeyPath) -> Option<&Value> {
        self.find(&path.keys())
    }

    /// The entry of a name at the top.
    pub(crate) fn child(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn find<S: AsRef<str>>(&self, keys: &[S]) -> Option<&Value> {
        let (last, above) = keys.split_last()?;
        let mut dict = self;
        for key in above {
            dict = dict.0.get(key.as_ref())?.as_dict()?;
        }
        dict.0.get(last.as_ref())
    }

    /// Whether there is a value at a path.
    pub fn contains(&self, path: impl KeyPath) -> bool {
        self.get(path).is_some()
    }

    /// The value at a path.
    ///
    /// # Errors
    /// If there is none; the message says how far the path goes and what is there.
    pub fn at(&self, path: impl KeyPath) -> Result<&Value> {
        let keys = path.keys();
        self.find(&keys).ok_or_else(|| self.missing(&keys))
    }

    /// The tensor at a path.
    ///
    /// # Errors
    /// If there is none, or it is something else.
    pub fn tensor(&self, path: impl KeyPath) -> Result<&Tensor> {
        let keys = path.keys();
        let value = self.find(&keys).ok_or_else(|| self.missing(&keys))?;
        value.as_tensor().ok_or_else(|| wrong(&join(&keys), "a tensor", value))
    }

    /// The dict at a path.
    ///
    /// # Errors
    /// If there is none, or it is something else.
    pub fn dict(&self, path: impl KeyPath) -> Result<&Dict> {
        let keys = path.keys();
        if keys.is_empty() {
            return Ok(self);
        }
        let value = self.find(&keys).ok_or_else(|| self.missing(&keys))?;
        value.as_dict().ok_or_else(|| wrong(&join(&keys), "a dict", value))
    }

    /// The dict with one entry added or replaced; dicts on the way are made as needed.
    ///
    /// # Panics
    /// Where [`try_with`](Dict::try_with) returns an error.
    #[track_caller]
    pub fn with(&self, path: impl KeyPath, value: impl Into<Value>) -> Dict {
        unwrap(self.try_with(path, value))
    }

    /// As [`with`](Dict::with).
    ///
    /// # Errors
    /// If the path is empty, something that is no dict is in the way, or values would be nested deeper than
    /// [`MAX_DEPTH`](Dict::MAX_DEPTH).
    pub fn try_with(&self, path: impl KeyPath, value: impl Into<Value>) -> Result<Dict> {
        let mut dict = self.clone();
        dict.insert(&path.keys(), value.into())?;
        Ok(dict)
    }

    /// In place, where nobody else holds the dicts on the way.
    pub(crate) fn insert<S: AsRef<str>>(&mut self, keys: &[S], value: Value) -> Result<()> {
        let Some((last, above)) = keys.split_last() else {
            return Err(Error::argument("with", "the path is empty: name the entry"));
        };
        value.check_inside("with", keys.len())?;
        let mut dict = self;
        for (depth, key) in above.iter().enumerate() {
            let map = Arc::make_mut(&mut dict.0);
            if !map.contains_key(key.as_ref()) {
                map.insert(key.as_ref().into(), Value::Dict(Dict::new()));
            }
            dict = match map.get_mut(key.as_ref()) {
                Some(Value::Dict(inner)) => inner,
                Some(other) => return Err(wrong(&join(&keys[..=depth]), "a dict", other)),
                None => unreachable!("inserted above"),
            };
        }
        let map = Arc::make_mut(&mut dict.0);
        match map.get_mut(last.as_ref()) {
            Some(old) => *old = value,
            None => {
                map.insert(last.as_ref().into(), value);
            }
        }
        Ok(())
    }

    /// Takes one entry out: its value, and the dict without it.
    ///
    /// # Errors
    /// If there is none.
    pub fn pop(&self, path: impl KeyPath) -> Result<(Value, Dict)> {
        let mut rest = self.clone();
        let value = rest.remove(&path.keys())?;
        Ok((value, rest))
    }

    pub(crate) fn remove<S: AsRef<str>>(&mut self, keys: &[S]) -> Result<Value> {
        // Looked up first, so that a failure copies nothing.
        if self.find(keys).is_none() {
            return Err(self.missing(keys));
        }
        let mut dict = self;
        for key in &keys[..keys.len() - 1] {
            dict = match Arc::make_mut(&mut dict.0).get_mut(key.as_ref()) {
                Some(Value::Dict(inner)) => inner,
                _ => unreachable!("found above"),
            };
        }
        match Arc::make_mut(&mut dict.0).remove(keys[keys.len() - 1].as_ref()) {
            Some(value) => Ok(value),
            None => unreachable!("found above"),
        }
    }

    /// All entries of both, dicts merged recursively; where both have an entry, that of `other` counts.
    pub fn merge(&self, other: &Dict) -> Dict {
        let mut merged = self.clone();
        let map = Arc::make_mut(&mut merged.0);
        for (key, value) in other.0.iter() {
            let value = match (map.get(key), value) {
                (Some(Value::Dict(ours)), Value::Dict(theirs)) => ours.merge(theirs).into(),
                _ => value.clone(),
            };
            map.insert(key.clone(), value);
        }
        merged
    }

    /// The dict with the entries of `other` added or replaced at the top; nothing is merged, which [`merge`](Dict::merge) does.
    #[must_use]
    pub fn extended(&self, other: impl Into<Dict>) -> Dict {
        let mut extended = self.clone();
        extended.extend(other.into());
        extended
    }

    fn missing<S: AsRef<str>>(&self, keys: &[S]) -> Error {
        let mut dict = self;
        for (depth, key) in keys.iter().enumerate() {
            match dict.0.get(key.as_ref()) {
                Some(Value::Dict(inner)) => dict = inner,
                Some(other) => return wrong(&join(&keys[..=depth]), "a dict", other),
                None => {
                    return Error::KeyNotFound {
                        path: join(keys),
                        parent: join(&keys[..depth]),
                        available: dict.keys().map(str::to_owned).collect(),
                    };
                }
            }
        }
        Error::argument("at", "the path is empty: name the entry")
    }
}

fn wrong(path: &str, expected: &'static str, found: &Value) -> Error {
    Error::Structure {
        context: "a dict is read at a path where something else is",
        message: format!("expected {expected} at `{path}`, found {}", found.kind()),
    }
}

/// The value at a path.
///
/// # Panics
/// If there is none; [`Dict::at`] returns an error instead.
impl std::ops::Index<&str> for Dict {
    type Output = Value;
    #[track_caller]
    fn index(&self, path: &str) -> &Value {
        unwrap(self.at(path))
    }
}

/// The value at a path of a dict.
///
/// # Panics
/// If there is none, or this is no dict.
impl std::ops::Index<&str> for Value {
    type Output = Value;
    #[track_caller]
    fn index(&self, path: &str) -> &Value {
        unwrap(self.dict().and_then(|dict| dict.at(path)))
    }
}

/// One of a tuple's values.
///
/// # Panics
/// If there are fewer, or this is no tuple.
impl std::ops::Index<usize> for Value {
    type Output = Value;
    #[track_caller]
    fn index(&self, index: usize) -> &Value {
        &unwrap(self.tuple())[index]
    }
}

impl Dict {
    /// The dict of these entries.
    ///
    /// # Errors
    /// If one of them would be nested too deep.
    pub(super) fn of(entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> Result<Dict> {
        Dict::inserted(&mut entries.into_iter())
    }

    /// One by one, and in one instance for all iterators: collecting them would sort them first, in an instance for each.
    fn inserted(entries: &mut dyn Iterator<Item = (Arc<str>, Value)>) -> Result<Dict> {
        let mut map = DictMap::new();
        for (key, value) in entries {
            value.check_inside("dict", 1)?;
            map.insert(key, value);
        }
        Ok(Dict(Arc::new(map)))
    }
}

/// # Panics
/// If an entry would be nested deeper than [`MAX_DEPTH`](Dict::MAX_DEPTH).
impl<K: Into<Arc<str>>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Dict {
        unwrap(Dict::of(entries.into_iter().map(|(key, value)| (key.into(), value.into()))))
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Dict {
    #[track_caller]
    fn from(entries: [(K, V); N]) -> Dict {
        entries.into_iter().collect()
    }
}

/// What a dict is as a node of a tree.
const KIND: NodeKind = NodeKind::ReusedMap("dict");

impl Tree for Dict {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(KIND, self.len()));
        for (key, value) in self.0.iter() {
            visit(Token::Key(key));
            value.walk(visit);
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        match Arc::try_unwrap(self.0) {
            Ok(map) => map.into_values().for_each(|value| value.into_leaves(leaves)),
            Err(shared) => shared.values().for_each(|value| value.clone().into_leaves(leaves)),
        }
    }

    fn donate(mut self, donation: &mut Donation) {
        let first_leaf = donation.leaves.len();
        match Arc::get_mut(&mut self.0) {
            Some(entries) => empty(entries, donation),
            None => return self.into_leaves(&mut donation.leaves),
        }
        if donation.leaves.len() > first_leaf {
            donation.keep(first_leaf, self);
        }
    }

    fn build(from: &mut Builder<'_>) -> Result<Dict> {
        if let Some(mut emptied) = from.reuse::<Dict>() {
            fill(&mut emptied, from)?;
            return Ok(emptied);
        }
        let count = from.map()?;
        enter(from)?;
        let entries = build(BTreeMap::new(), count, from)?;
        from.leave();
        Ok(Dict(Arc::new(entries)))
    }
}

type DictMap = BTreeMap<Arc<str>, Value>;

impl Reuse for Dict {
    type Memory = DictMap;

    fn into_memory(self) -> Arc<DictMap> {
        self.0
    }

    fn from_memory(memory: Arc<DictMap>) -> Dict {
        Dict(memory)
    }
}

/// Takes all leaves out of a dict.
fn empty(entries: &mut DictMap, donation: &mut Donation) {
    for value in entries.values_mut() {
        match value {
            Value::Tensor(tensor) => donation.take(tensor),
            Value::Dict(dict) => match Arc::get_mut(&mut dict.0) {
                Some(entries) => empty(entries, donation),
                None => dict.clone().into_leaves(&mut donation.leaves),
            },
            Value::Static(_) => {}
            Value::Tuple(_) | Value::Boxed(_) | Value::Tree(_) => {
                let placeholder = Value::Tensor(donation.placeholder());
                std::mem::replace(value, placeholder).into_leaves(&mut donation.leaves);
            }
        }
    }
}

/// Makes an emptied dict a full one; most likely only its leaves are missing.
fn fill(dict: &mut Dict, from: &mut Builder<'_>) -> Result<()> {
    let count = from.map()?;
    let Some(entries) = Arc::get_mut(&mut dict.0).filter(|entries| entries.len() == count) else {
        dict.0 = Arc::new(build(BTreeMap::new(), count, from)?);
        return Ok(());
    };
    for (filled, (own, value)) in entries.iter_mut().enumerate() {
        let key = from.shared_key()?;
        if !is_same(own, key) {
            let own = own.clone();
            // What stands before it is kept.
            drop(entries.split_off(&own));
            entries.insert(key.clone(), Value::build(from)?);
            *entries = build(std::mem::take(entries), count - filled - 1, from)?;
            return Ok(());
        }
        match (value, from.peek()) {
            (Value::Tensor(tensor), Some(TreePart::Leaf)) => from.fill(tensor)?,
            (Value::Dict(dict), Some(TreePart::Node(kind, _))) if *kind == KIND => fill(dict, from)?,
            (value, _) => *value = Value::build(from)?,
        }
    }
    Ok(())
}

/// Adds so many entries.
fn build(mut entries: DictMap, count: usize, from: &mut Builder<'_>) -> Result<DictMap> {
    for _ in 0..count {
        entries.insert(from.shared_key()?.clone(), Value::build(from)?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Dict {
        Dict::new().with("a/b", 1i32).with("a/c", 2i32).with("d/e", 3i32)
    }

    #[test]
    fn dicts_nobody_else_holds_change_in_place() {
        let mut dict = sample();
        let map = |dict: &Dict| Arc::as_ptr(&dict.0);
        let (top, inner) = (map(&dict), map(dict.dict("a").unwrap()));
        dict.insert(&["a", "x", "y"], 4i32.into()).unwrap();
        assert_eq!(dict.remove(&["a", "c"]).unwrap(), 2i32.into());
        assert_eq!((map(&dict), map(dict.dict("a").unwrap())), (top, inner));
        assert_eq!(dict, Dict::new().with("a/b", 1i32).with("a/x/y", 4i32).with("d/e", 3i32));
    }

    #[test]
    fn dicts_held_elsewhere_are_copied_on_the_way_only() {
        let held = sample();
        let mut dict = held.clone();
        dict.insert(&["a", "b"], 9i32.into()).unwrap();
        assert_eq!(held, sample());
        let map = |dict: &Dict, path: &str| Arc::as_ptr(&dict.dict(path).unwrap().0);
        assert_eq!(map(&dict, "d"), map(&held, "d"));
        assert_ne!(map(&dict, "a"), map(&held, "a"));
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let mut dict = sample();
        assert!(dict.insert(&["a", "b", "c"], 4i32.into()).is_err());
        assert!(dict.insert::<&str>(&[], 4i32.into()).is_err());
        assert!(dict.remove(&["a", "x"]).is_err() && dict.remove::<&str>(&[]).is_err());
        assert_eq!(dict, sample());
    }
}
