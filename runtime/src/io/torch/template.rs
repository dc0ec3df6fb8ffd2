//! What the variables of a model tell of its layers.

use std::collections::BTreeMap;

use super::super::names;
use super::layout::text;
use crate::array::Aval;
use crate::core::Tensor;
use crate::variables::{Variables, join, unbox};

/// The tensors of a model by their names, boxes opened.
pub(super) struct Template {
    /// In the order of the model's leaves.
    pub(super) order: Vec<String>,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl Template {
    pub(super) fn of(variables: &Variables) -> Result<Template, String> {
        let unboxed = text(unbox(variables))?;
        let named = names::named(&unboxed)?;
        let order = named.iter().map(|named| named.name.clone()).collect();
        let tensors = named.into_iter().map(|named| (named.name, named.tensor.clone())).collect();
        Ok(Template { order, tensors })
    }

    pub(super) fn aval(&self, name: &str) -> Option<&Aval> {
        self.tensors.get(name).map(Tensor::aval)
    }

    /// The shape of a parameter of a module.
    pub(super) fn param(&self, module: &[String], own: &str) -> Option<&[usize]> {
        let name = ["params", &join(module), own].map(str::to_owned);
        let name = join(&name.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>());
        Some(&self.aval(&name)?.shape)
    }
}
