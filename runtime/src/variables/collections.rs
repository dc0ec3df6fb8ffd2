//! `Variables`: everything a model reads and writes, by collection.

use std::sync::Arc;

use super::keys::KeyPath;
use super::{Collections, Dict, Filter, Value};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::{self, Builder, Donation, Token, Tree};

/// Everything a model reads and writes: a [`Dict`] for each collection, such as `params` and `batch_stats`.
///
/// It is what `init` returns and `apply` takes. Variables are values: a model never changes those it was given, it returns
/// new ones.
///
/// ```
/// use flaxen::prelude::*;
///
/// let variables = Variables::new()
///     .with("params", Dict::new().with("Dense_0/bias", Tensor::zeros([2])))
///     .with("batch_stats", Dict::new().with("BatchNorm_0/mean", Tensor::zeros([2])));
/// // Of references, as `apply` takes them, too.
/// assert_eq!(Variables::from([("params", &variables["params"].dict()?.clone())]).collections().len(), 1);
/// let (params, state) = variables.pop("params")?;
/// assert_eq!(params.tensor("Dense_0/bias")?.shape(), [2]);
/// assert_eq!(state.collections().collect::<Vec<_>>(), ["batch_stats"]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Variables(pub(super) Dict);

impl Variables {
    /// No variables.
    pub fn new() -> Variables {
        Variables::default()
    }

    /// True without collections.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the collections, in order.
    pub fn collections(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.0.keys()
    }

    /// The collections with their names, in order.
    pub fn iter(&self) -> Collections<'_> {
        self.into_iter()
    }

    /// A collection, if it is there.
    pub fn collection(&self, name: &str) -> Option<&Dict> {
        self.0.find(&[name])?.as_dict()
    }

    /// The value at a path, the collection first: `params/Dense_0/kernel`.
    pub fn get(&self, path: impl KeyPath) -> Option<&Value> {
        self.0.get(path)
    }

    /// Whether there is a value at a path.
    pub fn contains(&self, path: impl KeyPath) -> bool {
        self.0.contains(path)
    }

    /// The value at a path.
    ///
    /// # Errors
    /// If there is none.
    pub fn at(&self, path: impl KeyPath) -> Result<&Value> {
        self.0.at(path)
    }

    /// The tensor at a path.
    ///
    /// # Errors
    /// If there is none, or it is something else.
    pub fn tensor(&self, path: impl KeyPath) -> Result<&Tensor> {
        self.0.tensor(path)
    }

    /// The dict at a path; a collection, or a submodule's part of one.
    ///
    /// # Errors
    /// If there is none, or it is something else.
    pub fn dict(&self, path: impl KeyPath) -> Result<&Dict> {
        self.0.dict(path)
    }

    /// The variables with one collection added or replaced.
    ///
    /// # Panics
    /// If values would be nested deeper than [`Dict::MAX_DEPTH`].
    #[must_use]
    #[track_caller]
    pub fn with(&self, collection: &str, values: impl Into<Dict>) -> Variables {
        let mut dict = self.0.clone();
        Arc::make_mut(&mut dict.0)
            .insert(collection.into(), Value::Dict(values.into()).checked_inside("with"));
        Variables(dict)
    }

    /// Takes one collection out: its dict, and the variables without it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn pop(&self, collection: &str) -> Result<(Dict, Variables)> {
        let mut rest = self.0.clone();
        match rest.remove(&[collection])? {
            Value::Dict(dict) => Ok((dict, Variables(rest))),
            _ => unreachable!("a collection is a dict"),
        }
    }

    /// All of both, merged recursively; where both have an entry, that of `other` counts.
    #[must_use]
    pub fn merge(&self, other: &Variables) -> Variables {
        Variables(self.0.merge(&other.0))
    }

    /// The variables with whole collections of `other` added or replaced.
    #[must_use]
    pub fn extended(&self, other: impl Into<Variables>) -> Variables {
        Variables(self.0.extended(other.into().0))
    }

    /// The collections that a filter accepts.
    #[must_use]
    pub fn filtered(&self, filter: impl Into<Filter>) -> Variables {
        let filter = filter.into();
        let mut kept = self.0.0.as_ref().clone();
        kept.retain(|name, _| filter.accepts(name));
        Variables(Dict(Arc::new(kept)))
    }

    /// The variables with the floats of one collection in another dtype: `BF16` is half the memory, and what models are served with.
    ///
    /// Integers, booleans, complex numbers and random keys stay as they are, and so do the other collections. Layers compute in the
    /// dtype that their input and parameters have in common, so that an input in `F32` keeps a computation in `F32`; with the input in
    /// `BF16` as well, or the layers' `dtype`, it is in `BF16`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (layer, x) = (Dense::new(4), Tensor::ones([2, 3]));
    /// let variables = layer.init(key(0)).call(&x)?.cast("params", DType::BF16)?;
    /// assert_eq!(variables.tensor("params/kernel")?.dtype(), DType::BF16);
    /// assert_eq!(layer.apply(&variables).call(&x)?.dtype(), DType::F32);
    /// assert_eq!(layer.apply(&variables).call(&x.cast(DType::BF16))?.dtype(), DType::BF16);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such collection, the dtype is none of floats, or a value is of a transform that has returned.
    pub fn cast(&self, collection: &str, dtype: DType) -> Result<Variables> {
        if !dtype.is_float() {
            return Err(Error::dtype("Variables::cast", dtype, "a dtype of floats"));
        }
        let dict = self.dict(&[collection][..])?;
        let cast =
            tree::map(
                dict,
                |leaf| {
                    if leaf.dtype().is_float() { leaf.try_cast(dtype) } else { Ok(leaf.clone()) }
                },
            )?;
        Ok(self.with(collection, cast))
    }

    /// The same as one dict, with the collections at the top.
    pub fn as_dict(&self) -> &Dict {
        &self.0
    }

    pub(crate) fn as_dict_mut(&mut self) -> &mut Dict {
        &mut self.0
    }
}

impl From<&Variables> for Variables {
    fn from(variables: &Variables) -> Variables {
        variables.clone()
    }
}

impl From<Variables> for Dict {
    fn from(variables: Variables) -> Dict {
        variables.0
    }
}

impl From<&Dict> for Dict {
    fn from(dict: &Dict) -> Dict {
        dict.clone()
    }
}

impl TryFrom<Dict> for Variables {
    type Error = Error;

    /// # Errors
    /// If an entry at the top is no dict.
    fn try_from(dict: Dict) -> Result<Variables> {
        if let Some((name, value)) = dict.iter().find(|(_, value)| value.as_dict().is_none()) {
            let found = value.kind();
            return Err(Error::InvalidVariables {
                message: format!(
                    "the collection `{name}` should be a dict of named variables, found {found}"
                ),
            });
        }
        Ok(Variables(dict))
    }
}

/// Dicts, or references to them: `model.apply([("params", &params)])`.
impl<K: Into<Arc<str>>, D: Into<Dict>, const N: usize> From<[(K, D); N]> for Variables {
    fn from(collections: [(K, D); N]) -> Variables {
        collections.into_iter().collect()
    }
}

impl<K: Into<Arc<str>>, D: Into<Dict>> FromIterator<(K, D)> for Variables {
    fn from_iter<I: IntoIterator<Item = (K, D)>>(collections: I) -> Variables {
        Variables(collections.into_iter().map(|(name, values)| (name, values.into())).collect())
    }
}

impl std::ops::Index<&str> for Variables {
    type Output = Value;
    #[track_caller]
    fn index(&self, path: &str) -> &Value {
        &self.0[path]
    }
}

impl Tree for Variables {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        self.0.walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.0.into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        self.0.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Variables> {
        Dict::build(from)?.try_into()
    }
}
