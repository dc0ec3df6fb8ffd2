//! What expressions of a source stand for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flaxen::Value;
use flaxen::prelude::*;
use flaxen::random::Key;

use super::classes::{Attributes, Interpreted};
use super::syntax::Function;
use crate::runner::models::AnyModule;

/// A value of Python.
#[derive(Clone)]
pub enum Py {
    Nothing,
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(Arc<str>),
    Ellipsis,
    Slice([Option<isize>; 3]),
    Tensor(Tensor),
    Key(Key),
    DType(DType),
    Tuple(Arc<[Py]>),
    List(Arc<Mutex<Vec<Py>>>),
    /// Entries in their order; the keys are texts or whole numbers.
    Dict(Arc<Mutex<Vec<(Py, Py)>>>),
    /// A function, class or value of a library, by its path: `jnp.mean`.
    Library(Arc<str>),
    Function(Arc<Closure>),
    Class(Arc<ClassValue>),
    /// `functools.partial`: a function and its first arguments.
    Partial(Arc<(Py, Passing)>),
    /// `value.method`
    Method(Arc<(Py, String)>),
    Initializer(Initializer),
    Variable(Variable<Value>),
    /// A module of the library.
    Module(Named<Arc<dyn AnyModule>>),
    /// A module of the source.
    Interpreted(Named<Interpreted>),
    /// What a manifest has no words for, such as a closure.
    Unknown(Arc<str>),
}

/// A module that is to have a name of its own once it has a parent.
#[derive(Clone)]
pub struct Named<M> {
    pub module: M,
    pub name: Option<String>,
}

/// The arguments of a call.
#[derive(Clone, Default)]
pub struct Passing {
    pub positional: Vec<Py>,
    pub named: Vec<(String, Py)>,
}

/// A function, and what it can name.
pub struct Closure {
    pub function: Arc<Function>,
    pub names: Names,
    pub this: Option<This>,
}

/// A class, and what it can name.
pub struct ClassValue {
    /// The fields in order, with their defaults.
    pub fields: Vec<(String, Option<Py>)>,
    pub methods: BTreeMap<String, Arc<Function>>,
    /// What stands in the class without a type.
    pub constants: BTreeMap<String, Py>,
    pub names: Names,
    /// The name, which is that of modules as well.
    pub name: &'static str,
}

/// The module that a method runs on.
#[derive(Clone)]
pub struct This {
    pub module: Interpreted,
    pub attributes: Attributes,
    pub in_setup: bool,
}

/// Names of a block and what is around it.
#[derive(Clone)]
pub struct Names(Arc<Block>);

struct Block {
    values: Mutex<BTreeMap<String, Py>>,
    around: Option<Names>,
}

impl Names {
    pub fn new(around: Option<&Names>) -> Names {
        Names(Arc::new(Block { values: Mutex::default(), around: around.cloned() }))
    }

    pub fn get(&self, name: &str) -> Option<Py> {
        let here = lock(&self.0.values).get(name).cloned();
        here.or_else(|| self.0.around.as_ref()?.get(name))
    }

    pub fn set(&self, name: &str, value: Py) {
        lock(&self.0.values).insert(name.to_owned(), value);
    }
}

/// Nothing of a source runs under these locks.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Py {
    pub fn text(text: &str) -> Py {
        Py::Text(text.into())
    }

    pub fn list(items: Vec<Py>) -> Py {
        Py::List(Arc::new(Mutex::new(items)))
    }

    pub fn tuple(items: Vec<Py>) -> Py {
        Py::Tuple(items.into())
    }

    pub fn dict(items: Vec<(Py, Py)>) -> Py {
        Py::Dict(Arc::new(Mutex::new(items)))
    }

    /// Sizes as a tuple.
    pub fn sizes(sizes: &[usize]) -> Py {
        Py::tuple(sizes.iter().map(|&size| Py::Whole(size as i64)).collect())
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Py::Nothing => "None",
            Py::Truth(_) => "a bool",
            Py::Whole(_) => "an int",
            Py::Number(_) => "a float",
            Py::Text(_) => "a text",
            Py::Ellipsis => "...",
            Py::Slice(_) => "a slice",
            Py::Tensor(_) => "an array",
            Py::Key(_) => "a key",
            Py::DType(_) => "a dtype",
            Py::Tuple(_) => "a tuple",
            Py::List(_) => "a list",
            Py::Dict(_) => "a dict",
            Py::Library(_) | Py::Function(_) | Py::Partial(_) | Py::Method(_) => "a function",
            Py::Class(_) => "a class",
            Py::Initializer(_) => "an initializer",
            Py::Variable(_) => "a variable",
            Py::Module(_) | Py::Interpreted(_) => "a module",
            Py::Unknown(_) => "something without words",
        }
    }

    /// The items of what can be gone through.
    pub fn items(&self) -> Result<Vec<Py>> {
        match self {
            Py::Tuple(items) => Ok(items.to_vec()),
            Py::List(items) => Ok(lock(items).clone()),
            Py::Dict(entries) => Ok(lock(entries).iter().map(|(key, _)| key.clone()).collect()),
            Py::Text(text) => Ok(text.chars().map(|c| Py::text(&c.to_string())).collect()),
            Py::Tensor(tensor) => Ok(tensor.try_unstack(0)?.into_iter().map(Py::Tensor).collect()),
            Py::Key(keys) => {
                let count = keys.shape().first().copied().unwrap_or_default();
                (0..count).map(|i| Ok(Py::Key(keys.try_at(i as isize)?))).collect()
            }
            other => Err(Error::msg(format!("{} cannot be gone through", other.kind()))),
        }
    }

    /// Whether a condition holds.
    pub fn truth(&self) -> Result<bool> {
        Ok(match self {
            Py::Nothing => false,
            Py::Truth(truth) => *truth,
            Py::Whole(number) => *number != 0,
            Py::Number(number) => *number != 0.0,
            Py::Text(text) => !text.is_empty(),
            Py::Tuple(items) => !items.is_empty(),
            Py::List(items) => !lock(items).is_empty(),
            Py::Dict(entries) => !lock(entries).is_empty(),
            Py::Tensor(tensor) => tensor.try_cast(DType::Bool)?.item::<bool>()?,
            _ => true,
        })
    }

    /// As a tensor, if it is one or a number.
    pub fn tensor(&self) -> Result<Tensor> {
        match self {
            Py::Tensor(tensor) => Ok(tensor.clone()),
            Py::Truth(truth) => Ok(Tensor::from(*truth)),
            Py::Whole(number) => Ok(Tensor::from(*number)),
            Py::Number(number) => Ok(Tensor::from(*number)),
            Py::Variable(variable) => variable.try_get()?.tensor().cloned(),
            Py::Tuple(_) | Py::List(_) => {
                let items: Vec<Tensor> = self.items()?.iter().map(Py::tensor).collect::<Result<_>>()?;
                Tensor::try_stack(&items, 0)
            }
            other => Err(Error::msg(format!("{} in place of an array", other.kind()))),
        }
    }

    /// As a tree of tensors; None is an empty tuple.
    pub fn tree(&self) -> Result<Value> {
        match self {
            Py::Nothing => Ok(Value::from(Vec::<Value>::new())),
            Py::Tuple(_) | Py::List(_) => {
                Ok(self.items()?.iter().map(Py::tree).collect::<Result<Vec<_>>>()?.into())
            }
            Py::Dict(entries) => {
                let entry = |(key, value): &(Py, Py)| Ok((key.written(), value.tree()?));
                Ok(Value::from(lock(entries).iter().map(entry).collect::<Result<Dict>>()?))
            }
            Py::Variable(variable) => variable.try_get(),
            other => Ok(other.tensor()?.into()),
        }
    }

    /// The value of a tree of tensors.
    pub fn of_tree(value: &Value) -> Result<Py> {
        Ok(match value {
            Value::Tensor(tensor) => Py::Tensor(tensor.clone()),
            Value::Tuple(items) => Py::tuple(items.iter().map(Py::of_tree).collect::<Result<_>>()?),
            Value::Dict(dict) => {
                let entry = |(key, value): (&str, &Value)| Ok((Py::text(key), Py::of_tree(value)?));
                Py::dict(dict.iter().map(entry).collect::<Result<_>>()?)
            }
            Value::Boxed(boxed) => Py::of_tree(boxed.value())?,
            other => return Err(Error::msg(format!("{other:?} is no value of a source"))),
        })
    }

    /// As `str` writes it.
    pub fn written(&self) -> String {
        match self {
            Py::Text(text) => text.to_string(),
            Py::Whole(number) => number.to_string(),
            Py::Number(number) => format!("{number:?}"),
            Py::Truth(truth) => if *truth { "True" } else { "False" }.to_owned(),
            Py::Nothing => "None".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Whether two values without tensors are equal; arrays are not compared here.
    pub fn equals(&self, other: &Py) -> bool {
        let number = |py: &Py| match py {
            Py::Whole(n) => Some(*n as f64),
            Py::Number(n) => Some(*n),
            Py::Truth(truth) => Some(f64::from(u8::from(*truth))),
            _ => None,
        };
        match (self, other) {
            (Py::Nothing, Py::Nothing) => true,
            (Py::Text(a), Py::Text(b)) | (Py::Library(a), Py::Library(b)) => a == b,
            (Py::DType(a), Py::DType(b)) => a == b,
            (Py::Tuple(_), Py::Tuple(_)) | (Py::List(_), Py::List(_)) => {
                match (self.items(), other.items()) {
                    (Ok(a), Ok(b)) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.equals(b)),
                    _ => false,
                }
            }
            _ => number(self).is_some() && number(self) == number(other),
        }
    }
}

impl fmt::Debug for Py {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Py::Whole(number) => number.fmt(f),
            Py::Number(number) => number.fmt(f),
            Py::Text(text) => text.fmt(f),
            Py::Tensor(tensor) => write!(f, "an array {}", tensor.aval()),
            Py::Library(path) => f.write_str(path),
            Py::Unknown(text) => f.write_str(text),
            Py::Tuple(_) | Py::List(_) => {
                let items = self.items().unwrap_or_default();
                f.debug_list().entries(&items).finish()
            }
            Py::Truth(truth) => truth.fmt(f),
            other => f.write_str(other.kind()),
        }
    }
}
