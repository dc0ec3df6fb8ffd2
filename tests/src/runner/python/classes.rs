//! Modules whose classes are in a source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use flaxen::Value;
use flaxen::module::private::{AnySetup, SetupPass};
use flaxen::module::{BoxedLayer, IntoLayer, Slot, TreeLayer};
use flaxen::prelude::*;

use super::evaluate::Evaluator;
use super::value::{ClassValue, Named, Passing, Py, This, lock};
use crate::runner::models::{Arguments, Run};

/// What a module's setup, or the binding of its fields, made.
#[derive(Clone, Default)]
pub struct Attributes(Arc<Mutex<BTreeMap<String, Py>>>);

impl Attributes {
    pub fn get(&self, name: &str) -> Option<Py> {
        lock(&self.0).get(name).cloned()
    }

    pub fn set(&self, name: &str, value: Py) {
        lock(&self.0).insert(name.to_owned(), value);
    }
}

impl flaxen::module::Child for Attributes {
    /// Modules are bound where they are assigned.
    fn bind_child(&mut self, _parent: &Slot, _name: &str) {}
}

/// The values of a module's fields; equal ones are one and the same.
#[derive(Clone)]
pub struct Fields {
    pub class: Arc<ClassValue>,
    pub values: Arc<BTreeMap<String, Py>>,
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        Arc::ptr_eq(&self.class, &other.class) && Arc::ptr_eq(&self.values, &other.values)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.class.name, self.values)
    }
}

/// A module whose class is in a source; its name is that of the class.
#[derive(Clone, PartialEq, Debug)]
pub struct Interpreted(Body);

/// What all modules of sources are.
#[module]
pub struct Body {
    /// The class and the fields.
    pub fields: Fields,
    #[setup(set_up(self)?)]
    attributes: Attributes,
}

/// Binds the modules that fields hold, and runs the method `setup`.
fn set_up(body: &Body) -> Result<Attributes> {
    let attributes = Attributes::default();
    let this = This { module: Interpreted(body.clone()), attributes: attributes.clone(), in_setup: true };
    for (name, value) in &*body.fields.values {
        if contains_module(value) {
            attributes.set(name, bind(body.__slot(), value, name)?);
        }
    }
    if let Some(setup) = body.fields.class.methods.get("setup") {
        let evaluator = Evaluator::new(&body.fields.class.names, Some(this.clone()));
        evaluator.run_function(setup, Some(Py::of_this(&this)), Passing::default())?;
    }
    Ok(attributes)
}

fn contains_module(value: &Py) -> bool {
    match value {
        Py::Module(_) | Py::Interpreted(_) => true,
        Py::Tuple(_) | Py::List(_) => value.items().is_ok_and(|items| items.iter().any(contains_module)),
        Py::Dict(entries) => lock(entries).iter().any(|(_, value)| contains_module(value)),
        _ => false,
    }
}

/// A value whose modules are those of a field of the module of a slot.
pub fn bind(slot: &Slot, value: &Py, name: &str) -> Result<Py> {
    let numbered = |items: Vec<Py>| -> Result<Vec<Py>> {
        items.iter().enumerate().map(|(i, item)| bind(slot, item, &format!("{name}_{i}"))).collect()
    };
    Ok(match value {
        Py::Module(Named { module, name: own }) => {
            let module = module.field_of(slot, own.as_deref().unwrap_or(name));
            Py::Module(Named { module, name: None })
        }
        Py::Interpreted(Named { module, name: own }) => {
            let mut module = module.clone();
            flaxen::module::Child::bind_child(&mut module, slot, own.as_deref().unwrap_or(name));
            Py::Interpreted(Named { module, name: None })
        }
        Py::Tuple(_) => Py::tuple(numbered(value.items()?)?),
        Py::List(_) => Py::list(numbered(value.items()?)?),
        Py::Dict(entries) => {
            let entry = |(key, value): &(Py, Py)| {
                Ok((key.clone(), bind(slot, value, &format!("{name}_{}", key.written()))?))
            };
            Py::dict(lock(entries).iter().map(entry).collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

impl Py {
    /// The module that a method runs on.
    pub fn of_this(this: &This) -> Py {
        Py::Interpreted(Named { module: this.module.clone(), name: None })
    }
}

impl Body {
    /// The method `__call__`, which is captured.
    #[compact]
    fn call(&self, passing: Handed) -> Result<Handed> {
        self.evaluate("__call__", passing.0).map(Handed)
    }

    #[compact]
    fn invoke(&self, method: &str, passing: Handed) -> Result<Handed> {
        self.evaluate(method, passing.0).map(Handed)
    }

    fn evaluate(&self, method: &str, passing: Passing) -> Result<Passing> {
        let this = This {
            module: Interpreted(self.clone()),
            attributes: Attributes::clone(&self.attributes),
            in_setup: false,
        };
        let evaluator = Evaluator::new(&self.fields.class.names, Some(this.clone()));
        let missing = || Error::msg(format!("{} has no method `{method}`", self.fields.class.name));
        let function = self.fields.class.methods.get(method).ok_or_else(missing)?;
        let out = evaluator.run_function(function, Some(Py::of_this(&this)), passing)?;
        Ok(Passing { positional: vec![out], named: Vec::new() })
    }
}

/// What goes through a method that is a frame: arguments, or the output alone.
#[derive(Clone)]
struct Handed(Passing);

impl Interpreted {
    pub fn new(class: Arc<ClassValue>, values: BTreeMap<String, Py>) -> Interpreted {
        Interpreted(Body::new(Fields { class, values: Arc::new(values) }))
    }

    pub fn body(&self) -> &Body {
        &self.0
    }

    pub fn class(&self) -> &Arc<ClassValue> {
        &self.0.fields.class
    }

    /// A field, or what the setup made.
    pub fn attribute(&self, name: &str) -> Option<Py> {
        let made = if self.0.is_bound() { self.0.attributes.get(name) } else { None };
        made.or_else(|| self.field(name))
    }

    /// A field as it was given.
    pub fn field(&self, name: &str) -> Option<Py> {
        self.0.fields.values.get(name).cloned()
    }

    /// Calls a method of a module that is part of a running model.
    pub fn call(&self, method: &str, passing: Passing) -> Result<Py> {
        let out = match method {
            "__call__" => self.0.call(Handed(passing))?,
            method => self.0.invoke(method, Handed(passing))?,
        };
        Ok(out.0.positional.into_iter().next().unwrap_or(Py::Nothing))
    }

    /// Runs a method of a module that need not be part of a running model.
    pub fn run_unbound(&self, method: &str, passing: Passing) -> Result<Py> {
        if self.0.is_bound() {
            return self.call(method, passing);
        }
        self.0.evaluate(method, passing).map(|out| out.positional.into_iter().next().unwrap_or(Py::Nothing))
    }

    fn tree(&self, method: &str, arguments: &Arguments) -> Result<Value> {
        let named = arguments.named.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let passing = Passing { positional: arguments.positional.clone(), named };
        self.call(method, passing)?.tree()
    }

    /// The output and the variables that were made.
    pub fn init(&self, method: &str, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)> {
        self.init_with_output(rngs).run(|module| module.tree(method, arguments))
    }

    /// The output and the variables that were written.
    pub fn apply(
        &self,
        method: &str,
        variables: &Variables,
        run: &Run,
        arguments: &Arguments,
    ) -> Result<(Value, Variables)> {
        let apply = Module::apply(self, variables).rngs(run.rngs.clone());
        let call = |module: &Interpreted| module.tree(method, arguments);
        match &run.mutable {
            None => Ok((apply.run(call)?, Variables::new())),
            Some(filter) => apply.mutable(filter).run(call),
        }
    }

    pub fn layer(&self) -> BoxedLayer {
        self.clone().into_layer()
    }
}

impl Module for Interpreted {
    const NAME: &'static str = "Interpreted";

    fn __slot(&self) -> &Slot {
        self.0.__slot()
    }

    fn __attach(&mut self, slot: Slot) {
        self.0.__attach(slot);
    }

    fn __setup(&self, setup: &mut SetupPass<'_>) {
        self.0.__setup(setup);
    }

    fn __setups(&mut self, visit: &mut dyn FnMut(&mut dyn AnySetup)) {
        self.0.__setups(visit);
    }

    fn type_name(&self) -> &'static str {
        self.class().name
    }
}

impl TreeLayer for Interpreted {
    type Input = Value;
    type Output = Value;

    /// A tuple is passed as several arguments, as a list of layers does.
    fn call(&self, x: Value) -> Result<Value> {
        let positional = match &x {
            Value::Tuple(items) => items.iter().map(Py::of_tree).collect::<Result<_>>()?,
            x => vec![Py::of_tree(x)?],
        };
        Interpreted::call(self, "__call__", Passing { positional, named: Vec::new() })?.tree()
    }
}

/// The names of classes, which live as long as the program; each is kept once.
pub fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = lock(&NAMES);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}
