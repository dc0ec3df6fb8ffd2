//! Values stored on the way: `sow` and `perturb`.

use super::{IntoValue, Scope, Taker};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tree::{self, Tree};
use crate::variables::Value;

impl Scope {
    /// Stores a value on the way, behind those stored under the name before; false if the collection is immutable.
    ///
    /// # Errors
    /// If the name is taken, or something that is no tuple is there.
    pub fn sow<T: Tree>(&self, collection: &str, name: &str, value: &T) -> Result<bool> {
        self.sow_value(collection, name, |old| {
            let mut values = match old {
                None => Vec::new(),
                Some(old) => old.tuple()?.to_vec(),
            };
            values.push(Value::try_of(value)?);
            // Whether that is nested too deep is seen where it is put.
            Ok(Value::Tuple(Arc::new(values)))
        })
    }

    /// Stores a value on the way by a reduction: `init` makes the first accumulator, `reduce` adds a value to it.
    ///
    /// Returns false, and calls neither, if the collection is immutable.
    ///
    /// # Errors
    /// If the name is taken, or a tree of another type is there.
    pub fn sow_with<T: Tree, R: IntoValue>(
        &self,
        collection: &str,
        name: &str,
        value: &T,
        init: impl FnOnce() -> R,
        reduce: impl FnOnce(R::Value, &T) -> R::Value,
    ) -> Result<bool> {
        self.sow_value(collection, name, |old| {
            let old = match old {
                None => init().into_value()?,
                Some(old) => old.to()?,
            };
            Value::try_of(&reduce(old, value))
        })
    }

    fn sow_value(
        &self,
        collection: &str,
        name: &str,
        next: impl FnOnce(Option<Value>) -> Result<Value>,
    ) -> Result<bool> {
        self.check_valid()?;
        if !self.is_mutable_collection(collection) {
            return Ok(false);
        }
        let old = self.stored(collection, name);
        if old.is_none() {
            self.take("sown value", name, Some(collection), Taker::SCOPE)?;
        }
        self.put(collection, name, next(old)?)?;
        Ok(true)
    }

    /// Adds a perturbation to a value, of which a gradient is that of the value; `collection` holds the perturbations.
    ///
    /// Where the collection is mutable, zeros are stored first. Without the collection the value is returned as it is.
    ///
    /// # Errors
    /// If the collection is there and has no perturbation of this name, or one of another structure.
    pub fn perturb_in<T: Tree>(&self, collection: &str, name: &str, value: &T) -> Result<T> {
        self.check_valid()?;
        if self.is_mutable_collection(collection) && !self.has_variable(collection, name) {
            self.take("perturbation", name, Some(collection), Taker::SCOPE)?;
            let zeros = tree::map(value, |x| Ok(x.zeros_like()))?;
            self.put(collection, name, Value::try_of(&zeros)?)?;
        }
        if !self.has_root_collection(collection) {
            return tree::map(value, |x| Ok(x.clone()));
        }
        let Some(perturbation) = self.stored(collection, name) else {
            return Err(Error::PerturbationNotFound {
                collection: collection.into(),
                name: name.into(),
                path: self.path_text().into(),
            });
        };
        tree::zip_map(value, &perturbation.to()?, |x, p| x.try_add(p))
    }

    /// Adds a perturbation from the collection `perturbations`; see [`perturb_in`](Scope::perturb_in).
    ///
    /// # Errors
    /// As [`perturb_in`](Scope::perturb_in).
    pub fn perturb<T: Tree>(&self, name: &str, value: &T) -> Result<T> {
        self.perturb_in("perturbations", name, value)
    }
}
