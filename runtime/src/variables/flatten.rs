//! Nested dicts as flat maps from paths to values, and back.

use std::collections::BTreeMap;

use super::keys::{KeyPath, join};
use super::{Dict, Value};
use crate::error::unwrap;
use crate::error::{Error, Result};

type IsLeaf<'f> = Box<dyn Fn(&[&str], &Dict) -> bool + 'f>;

/// How a nested dict becomes a flat map from paths to values.
///
/// Only dicts are entered: tuples, boxes and other trees are values. Empty dicts are left out unless they are asked for.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::Flatten;
///
/// let dict = Dict::new().with("a/b", 1i32).with("a/c/d", 2i32).with("e", Dict::new());
/// let flat = Flatten::new().keep_empty_nodes().separator(".").run(&dict)?;
/// assert_eq!(flat.keys().collect::<Vec<_>>(), ["a.b", "a.c.d", "e"]);
///
/// let shallow = Flatten::new().is_leaf(|path, _| path.len() == 2).run(&dict);
/// assert_eq!(shallow[&vec!["a".to_owned(), "c".to_owned()]], Value::from(Dict::from([("d", 2i32)])));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Default)]
pub struct Flatten<'f> {
    keep_empty_nodes: bool,
    is_leaf: Option<IsLeaf<'f>>,
}

/// A [`Flatten`] whose paths are texts.
pub struct JoinedFlatten<'f> {
    flatten: Flatten<'f>,
    separator: String,
}

impl<'f> Flatten<'f> {
    /// Down to every value that is no dict.
    pub fn new() -> Flatten<'f> {
        Flatten::default()
    }

    /// Keeps empty dicts below the top, as values, so that nothing is lost on the way back.
    #[must_use]
    pub fn keep_empty_nodes(self) -> Flatten<'f> {
        Flatten { keep_empty_nodes: true, ..self }
    }

    /// Takes those dicts below the top as values for which `f` of their path and themselves is true.
    #[must_use]
    pub fn is_leaf(self, f: impl Fn(&[&str], &Dict) -> bool + 'f) -> Flatten<'f> {
        Flatten { is_leaf: Some(Box::new(f)), ..self }
    }

    /// Joins the names on the way to a value by a separator.
    pub fn separator(self, separator: impl Into<String>) -> JoinedFlatten<'f> {
        JoinedFlatten { flatten: self, separator: separator.into() }
    }

    /// The values by the names on the way to them.
    pub fn run(&self, dict: &Dict) -> BTreeMap<Vec<String>, Value> {
        let mut flat = BTreeMap::new();
        self.visit(dict, &mut Vec::new(), &mut |path, value| {
            flat.insert(path.iter().map(|&name| name.to_owned()).collect(), value.clone());
        });
        flat
    }

    /// Visits the values in order of their paths.
    pub(super) fn visit<'d>(
        &self,
        dict: &'d Dict,
        path: &mut Vec<&'d str>,
        f: &mut impl FnMut(&[&'d str], &'d Value),
    ) {
        for (name, value) in dict {
            path.push(name);
            match value {
                Value::Dict(inner) if !self.is_leaf.as_ref().is_some_and(|is_leaf| is_leaf(path, inner)) => {
                    if inner.is_empty() && self.keep_empty_nodes {
                        f(path, value);
                    }
                    self.visit(inner, path, f);
                }
                _ => f(path, value),
            }
            path.pop();
        }
    }
}

impl JoinedFlatten<'_> {
    /// The values by the names on the way to them, joined.
    ///
    /// # Errors
    /// If two paths have the same text, because names contain the separator.
    pub fn run(&self, dict: &Dict) -> Result<BTreeMap<String, Value>> {
        let (mut flat, mut twice) = (BTreeMap::new(), None);
        self.flatten.visit(dict, &mut Vec::new(), &mut |path, value| {
            let text = path.join(&self.separator);
            if flat.insert(text.clone(), value.clone()).is_some() {
                twice = Some(text);
            }
        });
        match twice {
            None => Ok(flat),
            Some(text) => Err(Error::argument(
                "flatten",
                format!(
                    "two paths are written `{text}`, as names contain `{}`: take another separator, or none",
                    self.separator
                ),
            )),
        }
    }
}

impl Dict {
    /// The values that are no dicts, by the names on the way to them, joined by a separator; empty dicts are left out.
    ///
    /// [`Flatten`] has more options.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let dict = Dict::new().with("Dense_0/bias", Tensor::zeros([2])).with("step", 3i32);
    /// let flat = dict.flatten("/");
    /// assert_eq!(flat.keys().collect::<Vec<_>>(), ["Dense_0/bias", "step"]);
    /// assert_eq!(Dict::unflatten(flat)?, dict);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// Where [`try_flatten`](Dict::try_flatten) returns an error.
    #[track_caller]
    pub fn flatten(&self, separator: &str) -> BTreeMap<String, Value> {
        unwrap(self.try_flatten(separator))
    }

    /// As [`flatten`](Dict::flatten).
    ///
    /// # Errors
    /// If two paths have the same text, because names contain the separator.
    pub fn try_flatten(&self, separator: &str) -> Result<BTreeMap<String, Value>> {
        Flatten::new().separator(separator).run(self)
    }

    /// The values that are no dicts, by the names on the way to them; empty dicts are left out.
    pub fn flatten_keys(&self) -> BTreeMap<Vec<String>, Value> {
        Flatten::new().run(self)
    }

    /// The nested dict of values by path: the inverse of [`flatten_keys`](Dict::flatten_keys), and of
    /// [`flatten`](Dict::flatten) with the separator `/`.
    ///
    /// # Errors
    /// If a path is empty, is given twice, or lies inside another one's value.
    pub fn unflatten<P: KeyPath, V: Into<Value>>(flat: impl IntoIterator<Item = (P, V)>) -> Result<Dict> {
        let owned = |path: P| path.keys().iter().map(|name| name.clone().into_owned()).collect();
        nested(flat.into_iter().map(|(path, value)| (owned(path), value.into())).collect())
    }

    /// As [`unflatten`](Dict::unflatten) for any separator: the inverse of [`flatten`](Dict::flatten) with it, if no name
    /// contains it.
    ///
    /// # Errors
    /// If the separator is empty; if a path is given twice, or lies inside another one's value.
    pub fn unflatten_separated<P: AsRef<str>, V: Into<Value>>(
        separator: &str,
        flat: impl IntoIterator<Item = (P, V)>,
    ) -> Result<Dict> {
        if separator.is_empty() {
            let message =
                "the separator is empty, so names cannot be told apart: give the one they are joined by";
            return Err(Error::argument("unflatten", message));
        }
        let names = |path: P| path.as_ref().split(separator).map(str::to_owned).collect();
        nested(flat.into_iter().map(|(path, value)| (names(path), value.into())).collect())
    }
}

fn nested(mut flat: Vec<(Vec<String>, Value)>) -> Result<Dict> {
    flat.sort_by(|(a, _), (b, _)| a.cmp(b));
    // A path that is the beginning of any other is the beginning of the one that follows it in this order.
    for pair in flat.windows(2) {
        let (path, next) = (&pair[0].0, &pair[1].0);
        if path == next {
            return Err(Error::argument("unflatten", format!("`{}` is given twice", join(path))));
        }
        if next.starts_with(path) {
            let (path, next) = (join(path), join(next));
            let message = format!("`{path}` has a value, so there cannot be a `{next}` inside it");
            return Err(Error::argument("unflatten", message));
        }
    }
    let mut dict = Dict::new();
    flat.into_iter().try_for_each(|(path, value)| dict.insert(&path, value))?;
    Ok(dict)
}
