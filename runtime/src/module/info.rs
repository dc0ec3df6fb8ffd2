//! `ModuleInfo`: a module as filters and interceptors see it.

use std::any::Any;
use std::sync::Arc;

use super::instance::Instance;
use crate::scope::Scope;

/// A running module of any type, as filters and interceptors see it.
pub struct ModuleInfo<'a> {
    module: &'a dyn Any,
    class: &'static str,
    instance: &'a Arc<Instance>,
}

impl<'a> ModuleInfo<'a> {
    pub(super) fn new(
        module: &'a dyn Any,
        class: &'static str,
        instance: &'a Arc<Instance>,
    ) -> ModuleInfo<'a> {
        ModuleInfo { module, class, instance }
    }

    /// Whether the module is of a type.
    pub fn is<M: 'static>(&self) -> bool {
        self.module.is::<M>()
    }

    /// The module, if it is of a type.
    pub fn downcast_ref<M: 'static>(&self) -> Option<&'a M> {
        self.module.downcast_ref()
    }

    /// The name of the module's type, as automatic names have it.
    pub fn type_name(&self) -> &'static str {
        self.class
    }

    /// The name of the module within its parent; None for the model itself.
    pub fn name(&self) -> Option<String> {
        self.scope().name().map(str::to_owned)
    }

    /// The names from the model to the module.
    pub fn path(&self) -> Vec<String> {
        self.scope().path().iter().map(|name| (**name).to_owned()).collect()
    }

    /// The module's scope.
    pub fn scope(&self) -> Scope {
        self.instance.scope()
    }
}
