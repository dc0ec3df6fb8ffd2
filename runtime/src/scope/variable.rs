//! `Variable`: a handle on one entry of a collection.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Scope;
use crate::core::Tensor;
use crate::error::Result;
use crate::error::unwrap;
use crate::tree::Tree;
use crate::variables::Value;

/// A handle on one entry of a collection, which reads and writes it.
///
/// It comes from `variable` of a module or a scope. What is written is seen by whoever reads the variable during the same
/// run, and returned by the run if the collection is mutable.
pub struct Variable<T = Tensor> {
    scope: Scope,
    collection: Arc<str>,
    name: Arc<str>,
    value: PhantomData<fn() -> T>,
}

impl<T: Tree> Variable<T> {
    pub(super) fn new(scope: &Scope, collection: &str, name: &str) -> Variable<T> {
        Variable {
            scope: scope.clone(),
            collection: collection.into(),
            name: name.into(),
            value: PhantomData,
        }
    }

    /// The value as it is now.
    ///
    /// # Panics
    /// Where [`try_get`](Variable::try_get) returns an error, which takes somebody to replace the variable by a tree of
    /// another type.
    #[track_caller]
    pub fn get(&self) -> T {
        unwrap(self.try_get())
    }

    /// As [`get`](Variable::get).
    ///
    /// # Errors
    /// If the variable was removed, or replaced by a tree of another type.
    pub fn try_get(&self) -> Result<T> {
        let value = self.scope.stored(&self.collection, &self.name);
        let value = value.ok_or_else(|| self.scope.variable_not_found(&self.collection, &self.name))?;
        value.unboxed().to()
    }

    /// Replaces the value; a box with metadata around the old one is kept.
    ///
    /// # Errors
    /// If the collection is immutable, the run has ended, or a transform was entered since the run began.
    pub fn set(&self, value: impl Into<T>) -> Result<()> {
        let value = Value::try_of(&value.into())?;
        let value = match self.scope.stored(&self.collection, &self.name) {
            Some(Value::Boxed(boxed)) if !matches!(value, Value::Boxed(_)) => {
                Value::Boxed(boxed.around(value))
            }
            _ => value,
        };
        self.scope.put_variable(&self.collection, &self.name, value)
    }

    /// Whether [`set`](Variable::set) would succeed.
    pub fn is_mutable(&self) -> bool {
        self.scope.is_mutable_collection(&self.collection)
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The same variable within another run.
    pub(crate) fn within(&self, scope: &Scope) -> Variable<T> {
        Variable { scope: scope.clone(), ..self.clone() }
    }

    /// The collection it is in.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<T> Clone for Variable<T> {
    fn clone(&self) -> Variable<T> {
        Variable {
            scope: self.scope.clone(),
            collection: self.collection.clone(),
            name: self.name.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Variable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({}{}/{})", self.collection, self.scope.path_text(), self.name)
    }
}
