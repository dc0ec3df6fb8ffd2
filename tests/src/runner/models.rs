//! Models of any type behind one interface.

use std::collections::BTreeMap;

use flaxen::Value;
use flaxen::prelude::*;
use flaxen::random::Key;
use serde_json::{Map, Value as Json};

use super::Stop;

/// What a model is called with.
#[derive(Clone, Default)]
pub struct Arguments {
    /// Positional arguments in order.
    pub positional: Vec<Tensor>,
    /// Keyword arguments that are arrays.
    pub arrays: BTreeMap<String, Tensor>,
    /// All other keyword arguments.
    pub options: Map<String, Json>,
}

impl Arguments {
    /// The first argument.
    pub fn x(&self) -> Result<&Tensor> {
        self.positional.first().ok_or_else(|| Error::msg("the case has no positional argument"))
    }

    /// A keyword argument that is an array.
    pub fn array(&self, name: &str) -> Option<&Tensor> {
        self.arrays.get(name)
    }

    /// A keyword argument that is an array or a tuple of arrays, of tuples and so on: those whose names begin with its own.
    pub fn tree(&self, name: &str) -> Option<Value> {
        if let Some(array) = self.arrays.get(name) {
            return Some(array.clone().into());
        }
        let below = format!("{name}/");
        self.arrays.keys().find(|key| key.starts_with(&below))?;
        Some((0..).map_while(|i| self.tree(&format!("{below}{i}"))).collect())
    }

    /// A keyword argument that is true or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.options.get(name)?.as_bool()
    }

    /// Whether all arguments are among those a method knows.
    pub fn check(&self, positional: usize, known: &[&str]) -> Result<(), Stop> {
        let names = self
            .arrays
            .keys()
            .chain(self.options.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name));
        let is_known = |name: &str| known.contains(&name.split('/').next().unwrap_or_default());
        if let Some(name) = names.into_iter().find(|name| !is_known(name)) {
            return Err(Stop::Unsupported(format!("a call with `{name}`")));
        }
        if self.positional.len() > positional {
            return Err(Stop::Unsupported(format!(
                "a call with {} positional arguments",
                self.positional.len()
            )));
        }
        Ok(())
    }
}

/// How a model is run on variables.
#[derive(Clone)]
pub struct Run {
    /// The random streams.
    pub rngs: Rngs,
    /// What may be written; None returns the output alone.
    pub mutable: Option<Filter>,
    /// Whether what layers return is stored.
    pub capture: bool,
}

/// A model of any type, with the method that the case calls.
pub trait Model {
    /// Whether the method takes the arguments.
    fn check(&self, arguments: &Arguments) -> Result<(), Stop>;

    /// The output and the variables that were made.
    fn init(&self, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)>;

    /// The output and the variables that were written.
    fn apply(&self, variables: &Variables, run: &Run, arguments: &Arguments) -> Result<(Value, Variables)>;

    /// The first carry for an input of a shape, and the number of its axes of features, if the model is a cell.
    fn initial_carry(&self, _key: &Key, _input: &[usize]) -> Option<(Result<Value>, usize)> {
        None
    }
}

/// A module with a method and the names of its keyword arguments.
pub struct Method<M, F> {
    /// The module.
    pub module: M,
    /// How many positional arguments there may be.
    pub positional: usize,
    /// The keyword arguments.
    pub keywords: &'static [&'static str],
    /// Calls the method.
    pub call: F,
}

impl<M: Module, F: Fn(&M, &Arguments) -> Result<Value>> Model for Method<M, F> {
    fn check(&self, arguments: &Arguments) -> Result<(), Stop> {
        arguments.check(self.positional, self.keywords)
    }

    fn init(&self, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)> {
        self.module.init_with_output(rngs).run(|module| (self.call)(module, arguments))
    }

    fn apply(&self, variables: &Variables, run: &Run, arguments: &Arguments) -> Result<(Value, Variables)> {
        let apply = self.module.apply(variables).rngs(run.rngs.clone());
        let call = |module: &M| (self.call)(module, arguments);
        match (&run.mutable, run.capture) {
            (None, false) => Ok((apply.run(call)?, Variables::new())),
            (Some(filter), false) => apply.mutable(filter).run(call),
            (None, true) => apply.capture_intermediates().run(call),
            (Some(filter), true) => apply.mutable(filter).capture_intermediates().run(call),
        }
    }
}
