//! Classes of a source, and new modules of them and of the library's.

use std::collections::BTreeMap;
use std::sync::Arc;

use flaxen::prelude::*;

use super::classes::{Interpreted, lasting};
use super::evaluate::Evaluator;
use super::syntax::{Class, Expression, Statement};
use super::value::{ClassValue, Named, Passing, Py};
use crate::runner::modules;

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::msg(message))
}

impl Evaluator {
    /// The class of a statement, with what it inherits from a class of the source.
    pub(super) fn class(&self, class: &Arc<Class>) -> Result<ClassValue> {
        let (mut fields, mut methods, mut constants) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for base in &class.bases {
            if let Py::Class(base) = self.evaluate(base)? {
                fields.extend(base.fields.iter().cloned());
                methods.extend(base.methods.clone());
                constants.extend(base.constants.clone());
            }
        }
        for statement in &class.body {
            match statement {
                Statement::Declare(name, default) => {
                    let default = default.as_ref().map(|value| self.evaluate(value)).transpose()?;
                    fields.retain(|(other, _): &(String, _)| other != name);
                    fields.push((name.clone(), default));
                }
                Statement::Function(function) => {
                    drop(methods.insert(function.name.clone(), function.clone()));
                }
                Statement::Assign(targets, value) => {
                    let value = self.evaluate(value)?;
                    for target in targets {
                        if let Expression::Name(name) = target {
                            constants.insert(name.clone(), value.clone());
                        }
                    }
                }
                // A text that describes the class.
                _ => {}
            }
        }
        let name = lasting(&class.name);
        Ok(ClassValue { fields, methods, constants, names: self.names.clone(), name })
    }

    /// A new module of a class of the source.
    pub(super) fn construct(&self, class: &Arc<ClassValue>, passing: Passing) -> Result<Py> {
        let (mut values, mut name) = (BTreeMap::new(), None);
        let mut positional = passing.positional.into_iter();
        let mut named = passing.named;
        named.retain(|(key, value)| {
            let is_name = key == "name";
            if is_name {
                name = Some(value.clone());
            }
            !is_name && key != "parent"
        });
        for (field, default) in &class.fields {
            let given = named.iter().position(|(other, _)| other == field);
            let value = match given {
                Some(given) => Some(named.remove(given).1),
                None => positional.next(),
            };
            let value = value.or_else(|| default.clone());
            values.insert(
                field.clone(),
                value.ok_or_else(|| Error::msg(format!("{} lacks `{field}`", class.name)))?,
            );
        }
        if let Some((unknown, _)) = named.first() {
            return fail(format!("{} has no field `{unknown}`", class.name));
        }
        let name = name.filter(|name| !matches!(name, Py::Nothing)).map(|name| name.written());
        Ok(self.adopt_interpreted(Interpreted::new(class.clone(), values), name))
    }

    /// What is built in a method that is no setup is a submodule at once, as in Flax.
    fn adopt_interpreted(&self, module: Interpreted, name: Option<String>) -> Py {
        let Some(this) = self.this.as_ref().filter(|this| !this.in_setup) else {
            return Py::Interpreted(Named { module, name });
        };
        let parent = this.module.body();
        let module = match name {
            Some(name) => parent.child_named(name, module),
            None => parent.child(module),
        };
        Py::Interpreted(Named { module, name: None })
    }

    /// A new module of the library.
    pub(super) fn construct_library(&self, class: &str, mut passing: Passing) -> Result<Py> {
        let at = passing.named.iter().position(|(key, _)| key == "name");
        let name = at.map(|at| passing.named.remove(at).1).filter(|name| !matches!(name, Py::Nothing));
        let name = name.map(|name| name.written());
        let module = modules::of_call(class, passing).map_err(|stop| Error::msg(stop.text()))?;
        Ok(match self.this.as_ref().filter(|this| !this.in_setup) {
            None => Py::Module(Named { module, name }),
            Some(this) => {
                let module = module.child_of(this.module.body(), name.as_deref());
                Py::Module(Named { module, name: None })
            }
        })
    }
}
