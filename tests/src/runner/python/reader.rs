//! The arguments of a call of the library, by position or name.

use flaxen::prelude::*;
use flaxen::random::Key;

use super::value::{Passing, Py};
use crate::runner::arguments::Argument;

/// Takes arguments out of a call one by one; what is left is unknown.
pub struct Reader<'a> {
    function: &'a str,
    positional: Vec<Option<Py>>,
    named: Vec<(String, Py)>,
}

impl<'a> Reader<'a> {
    pub fn new(function: &'a str, passing: Passing) -> Reader<'a> {
        Reader {
            function,
            positional: passing.positional.into_iter().map(Some).collect(),
            named: passing.named,
        }
    }

    /// How many positional arguments there are.
    pub fn count(&self) -> usize {
        self.positional.len()
    }

    fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        Err(Error::msg(format!("`{}`: {message}", self.function)))
    }

    /// The argument of a position and a name; None if it is not there.
    pub fn given(&mut self, position: usize, name: &str) -> Option<Py> {
        if let Some(value) = self.positional.get_mut(position).and_then(Option::take) {
            return Some(value);
        }
        let at = self.named.iter().position(|(other, _)| other == name)?;
        Some(self.named.remove(at).1)
    }

    /// As `given`; None for Python's None, too.
    pub fn some(&mut self, position: usize, name: &str) -> Option<Py> {
        self.given(position, name).filter(|value| !matches!(value, Py::Nothing))
    }

    pub fn value(&mut self, position: usize, name: &str) -> Result<Py> {
        let given = self.given(position, name);
        given.map_or_else(|| self.fail(format!("no `{name}`")), Ok)
    }

    pub fn tensor(&mut self, position: usize, name: &str) -> Result<Tensor> {
        self.value(position, name)?.tensor()
    }

    pub fn key(&mut self, position: usize, name: &str) -> Result<Key> {
        match self.value(position, name)? {
            Py::Key(key) => Ok(key),
            other => self.fail(format!("{} for the key `{name}`", other.kind())),
        }
    }

    /// An argument of a type, if it is there and not None.
    pub fn get<T: Argument>(&mut self, position: usize, name: &str) -> Result<Option<T>> {
        let Some(value) = self.some(position, name) else { return Ok(None) };
        match T::read(&value) {
            Some(read) => Ok(Some(read)),
            None => self.fail(format!("`{name}` is {value:?}")),
        }
    }

    pub fn required<T: Argument>(&mut self, position: usize, name: &str) -> Result<T> {
        let value = self.get(position, name)?;
        value.map_or_else(|| self.fail(format!("no `{name}`")), Ok)
    }

    /// Sizes, given as one tuple or number, if they are there.
    pub fn some_sizes(&mut self, position: usize, name: &str) -> Result<Option<Vec<usize>>> {
        let Some(value) = self.some(position, name) else { return Ok(None) };
        let one = usize::read(&value).map(|size| vec![size]);
        match one.or_else(|| Vec::<usize>::read(&value)) {
            Some(sizes) => Ok(Some(sizes)),
            None => self.fail(format!("`{name}` is {value:?}")),
        }
    }

    /// Sizes, given as one tuple or number.
    pub fn sizes(&mut self, position: usize, name: &str) -> Result<Vec<usize>> {
        let sizes = self.some_sizes(position, name)?;
        sizes.map_or_else(|| self.fail(format!("no `{name}`")), Ok)
    }

    /// All arguments that are left, as they were passed.
    pub fn left(&mut self) -> Passing {
        Passing { positional: self.rest(), named: std::mem::take(&mut self.named) }
    }

    /// Axes, given as one tuple or number; None for all.
    pub fn axes(&mut self, position: usize, name: &str) -> Result<Option<Vec<isize>>> {
        let Some(value) = self.some(position, name) else { return Ok(None) };
        let one = isize::read(&value).map(|axis| vec![axis]);
        match one.or_else(|| Vec::<isize>::read(&value)) {
            Some(axes) => Ok(Some(axes)),
            None => self.fail(format!("`{name}` is {value:?}")),
        }
    }

    /// Leaves out arguments that have no effect on values, such as a precision.
    pub fn ignore(&mut self, names: &[&str]) {
        self.named.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// All positional arguments that are left.
    pub fn rest(&mut self) -> Vec<Py> {
        self.positional.iter_mut().filter_map(Option::take).collect()
    }

    /// Refuses what nothing has asked for.
    pub fn finish(&self) -> Result<()> {
        if let Some((name, value)) = self.named.first() {
            return self.fail(format!("the argument {name}={value:?} is unknown"));
        }
        match self.positional.iter().position(Option::is_some) {
            Some(at) => self.fail(format!("the argument {at} is unknown")),
            None => Ok(()),
        }
    }
}
