//! Parameters and variables of a scope.

use std::borrow::Borrow;

use super::{Initializer, IntoValue, Name, Scope, Taker, Variable};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::random::Key;
use crate::transform::eval_shape;
use crate::tree::Tree;
use crate::variables::{Dict, Quantized, Value, Variables};

impl Scope {
    /// The parameter of a name, an `F32`; made by its initializer if it is not there and `params` is mutable.
    ///
    /// # Errors
    /// If it is neither there nor may be made, its shape is another one, or the name is taken.
    pub fn param(
        &self,
        name: &str,
        init: impl Borrow<Initializer>,
        shape: impl AsRef<[usize]>,
    ) -> Result<Tensor> {
        self.param_of(name, init, shape, DType::F32)
    }

    /// As [`param`](Scope::param), made with another dtype; the dtype of one that is there does not matter.
    ///
    /// # Errors
    /// As [`param`](Scope::param).
    pub fn param_of(
        &self,
        name: &str,
        init: impl Borrow<Initializer>,
        shape: impl AsRef<[usize]>,
        dtype: DType,
    ) -> Result<Tensor> {
        let name = self.take("param", name, Some("params"), Taker::SCOPE)?;
        name.param(init.borrow(), shape.as_ref(), dtype)
    }

    /// A parameter that is any tree of tensors, made by a function of a key.
    ///
    /// # Errors
    /// As [`param`](Scope::param); shapes are compared leaf by leaf with those that `init` would make.
    pub fn param_with<R: IntoValue>(&self, name: &str, init: impl FnOnce(&Key) -> R) -> Result<R::Value> {
        self.take("param", name, Some("params"), Taker::SCOPE)?.param_with(init)
    }

    fn new_param(&self, name: &str, init: impl FnOnce(&Key) -> Result<Value>) -> Result<Value> {
        if !self.is_mutable_collection("params") {
            return Err(if self.0.run.has_collection("params") {
                Error::ParamNotFound {
                    name: name.into(),
                    path: self.path_text().into(),
                    available: self.names_here("params"),
                }
            } else {
                self.collection_not_found("params", name)
            });
        }
        let value = init(&self.make_rng("params")?)?;
        self.put("params", name, value.clone())?;
        Ok(value)
    }

    /// A handle on the variable of a name; made by `init` if it is not there and the collection is mutable.
    ///
    /// # Errors
    /// If it is neither there nor may be made, it is a tree of another type, or the name is taken.
    pub fn variable<R: IntoValue>(
        &self,
        collection: &str,
        name: &str,
        init: impl FnOnce() -> R,
    ) -> Result<Variable<R::Value>> {
        self.take("variable", name, Some(collection), Taker::SCOPE)?.variable(collection, init)
    }

    /// A handle on a variable that is there already.
    ///
    /// # Errors
    /// If it is not, it is a tree of another type, or the name is taken.
    pub fn existing_variable<T: Tree>(&self, collection: &str, name: &str) -> Result<Variable<T>> {
        self.take("variable", name, Some(collection), Taker::SCOPE)?.existing_variable(collection)
    }

    /// Whether a variable is there.
    pub fn has_variable(&self, collection: &str, name: &str) -> bool {
        self.stored(collection, name).is_some()
    }

    /// The value of a variable, if it is there.
    ///
    /// # Errors
    /// If it is a tree of another type.
    pub fn get_variable<T: Tree>(&self, collection: &str, name: &str) -> Result<Option<T>> {
        self.stored(collection, name).map(|value| value.unboxed().to()).transpose()
    }

    /// Writes a variable, whether it is there or not; a dict is merged into a dict that is there.
    ///
    /// # Errors
    /// If the collection is immutable, the run has ended, or a transform was entered since the run began.
    pub fn put_variable(&self, collection: &str, name: &str, value: impl Into<Value>) -> Result<()> {
        self.put(collection, name, value.into())
    }

    /// Whether the run may write a collection.
    pub fn is_mutable_collection(&self, collection: &str) -> bool {
        self.0.run.is_mutable(collection)
    }

    /// All variables of this scope and those in it.
    pub fn variables(&self) -> Variables {
        let names: Vec<String> = self.0.run.variables().collections().map(str::to_owned).collect();
        let here = |name: String| Some((name.clone(), self.0.run.subtree(&name, self.path())?));
        names.into_iter().filter_map(here).collect()
    }

    pub(crate) fn stored(&self, collection: &str, name: &str) -> Option<Value> {
        self.0.run.get(collection, &self.0.path, name)
    }

    pub(super) fn put(&self, collection: &str, name: &str, value: Value) -> Result<()> {
        self.check_valid()?;
        if !self.is_mutable_collection(collection) {
            return Err(Error::Immutable {
                collection: collection.into(),
                name: name.into(),
                path: self.path_text().into(),
                mutable: self.0.run.mutable.names(),
            });
        }
        self.check_level(|| format!("writes `{collection}/{name}`"))?;
        let value = match (self.stored(collection, name), value) {
            (Some(Value::Dict(old)), Value::Dict(new)) => old.merge(&new).into(),
            (_, value) => value,
        };
        self.0.run.put(collection, &self.0.path, name, value)
    }

    pub(super) fn has_root_collection(&self, collection: &str) -> bool {
        self.0.run.variables().collection(collection).is_some()
    }

    pub(super) fn variable_not_found(&self, collection: &str, name: &str) -> Error {
        if !self.0.run.has_collection(collection) {
            return self.collection_not_found(collection, name);
        }
        Error::VariableNotFound {
            collection: collection.into(),
            name: name.into(),
            path: self.path_text().into(),
        }
    }

    fn collection_not_found(&self, collection: &str, name: &str) -> Error {
        Error::CollectionNotFound {
            collection: collection.into(),
            name: name.into(),
            path: self.path_text().into(),
            available: self.0.run.variables().collections().map(str::to_owned).collect(),
        }
    }

    fn param_shape(&self, name: &str, found: String, expected: String) -> Error {
        Error::ParamShape {
            name: name.into(),
            path: self.path_text().into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    fn wrong_kind(&self, collection: &str, name: &str, expected: &str, found: &Value) -> Error {
        let found = found.kind();
        let path = self.path_text();
        Error::InvalidVariables {
            message: format!("`{name}` of `{collection}` in `{path}` should be {expected}, found {found}"),
        }
    }

    fn names_here(&self, collection: &str) -> Vec<String> {
        let here = self.0.run.subtree(collection, &self.0.path);
        here.as_ref().map(Dict::keys).into_iter().flatten().map(str::to_owned).collect()
    }
}

/// What a name that was taken may stand for.
impl Name {
    pub(crate) fn param(&self, init: &Initializer, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let Name { scope, name } = self;
        scope.check_valid()?;
        let value = match scope.stored("params", name) {
            Some(value) => value,
            None => scope.new_param(name, |key| init.value(key, shape, dtype))?,
        };
        let dequantized = Quantized::of(&value).map(|quantized| quantized.dequantized()).transpose()?;
        let param = dequantized.as_ref().or_else(|| value.as_tensor());
        let param = param.ok_or_else(|| scope.wrong_kind("params", name, "a tensor", &value))?;
        if param.shape() != shape {
            return Err(scope.param_shape(name, format!("{:?}", param.shape()), format!("{shape:?}")));
        }
        Ok(param.clone())
    }

    pub(crate) fn param_with<R: IntoValue>(&self, init: impl FnOnce(&Key) -> R) -> Result<R::Value> {
        let Name { scope, name } = self;
        scope.check_valid()?;
        let make = |key: &Key| init(key).into_value().and_then(|value| Value::try_of(&value));
        let Some(value) = scope.stored("params", name) else {
            return scope.new_param(name, make)?.unboxed().to();
        };
        let dummy = crate::random::key(0);
        let expected = eval_shape(|key: Key| make(&key), &dummy)?;
        let (found, expected) = (super::initializer::shapes(&value), super::initializer::shapes(&expected));
        if found != expected {
            return Err(scope.param_shape(name, format!("{found:?}"), format!("{expected:?}")));
        }
        value.unboxed().to()
    }

    pub(crate) fn variable<R: IntoValue>(
        &self,
        collection: &str,
        init: impl FnOnce() -> R,
    ) -> Result<Variable<R::Value>> {
        let Name { scope, name } = self;
        scope.check_valid()?;
        match scope.stored(collection, name) {
            Some(value) => {
                value.unboxed().to::<R::Value>()?;
            }
            None if scope.is_mutable_collection(collection) => {
                scope.put(collection, name, Value::try_of(&init().into_value()?)?)?;
            }
            None => return Err(scope.variable_not_found(collection, name)),
        }
        Ok(Variable::new(scope, collection, name))
    }

    pub(crate) fn existing_variable<T: Tree>(&self, collection: &str) -> Result<Variable<T>> {
        let Name { scope, name } = self;
        scope.check_valid()?;
        let value =
            scope.stored(collection, name).ok_or_else(|| scope.variable_not_found(collection, name))?;
        value.unboxed().to::<T>()?;
        Ok(Variable::new(scope, collection, name))
    }
}
