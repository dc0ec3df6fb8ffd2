//! `State`: what a file holds, as it is.

use std::fmt;

use super::super::formats;
use super::array::Payload;
use super::input::Input;
use super::{read, restore, to_state, write};
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::{Dict, KeyPath, Value, join};

/// A state dict of Flax, or a part of one: what `flax.serialization.to_state_dict` and `msgpack_restore` return.
///
/// It has all that a file says and a [`Dict`] does not: the order of names, numbers and texts of Python, arrays of dtypes that
/// tensors do not have. So the bytes of a file that Flax wrote are also those that [`to_bytes`](State::to_bytes) makes of it.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::io::msgpack::State;
///
/// let state = State::Map(vec![
///     ("step".to_owned(), State::from(3)),
///     ("name".to_owned(), State::from("run 7")),
///     ("params".to_owned(), State::of(&Dict::new().with("bias", Tensor::zeros([2])))?),
/// ]);
/// let bytes = state.to_bytes()?; // flax.serialization.msgpack_serialize
/// let again = State::from_bytes(&bytes)?; // flax.serialization.msgpack_restore
/// assert!(matches!(again.get("step"), Some(State::Int(3))));
/// assert_eq!(again.to_bytes()?, bytes);
/// let params: Dict = again.at("params")?.restore(&Dict::new().with("bias", Tensor::ones([2])))?;
/// assert_eq!(params, Dict::new().with("bias", Tensor::zeros([2])));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// Python's `None`.
    None,
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// An `int` that is larger than any `i64`.
    UInt(u64),
    /// A `float`.
    Float(f64),
    /// A `complex`: its real and imaginary part.
    Complex(f64, f64),
    /// A `str`.
    Text(String),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// An array.
    Array(Tensor),
    /// A scalar of NumPy, such as `np.float32(1)`: a tensor without axes.
    Scalar(Tensor),
    /// What no tensor holds; [`Foreign`] says what it is.
    Foreign(Foreign),
    /// A `list`, which only `msgpack_serialize` writes: `to_bytes` makes dicts of lists and tuples.
    List(Vec<State>),
    /// A `dict`, in its order; every name once.
    Map(Vec<(String, State)>),
}

/// An array of a dtype that tensors do not have, or an extension of MessagePack that is not one of Flax's: its bytes, which are
/// written as they were read.
#[derive(Clone, PartialEq, Eq)]
pub struct Foreign {
    pub(super) code: i8,
    pub(super) data: Vec<u8>,
}

impl State {
    /// The state dict of a tree, `flax.serialization.to_state_dict`: maps and structs by their names, lists and tuples by
    /// `"0"`, `"1"`, …, a box as its `"value"`.
    ///
    /// Data without tensors is left out where it is a field of a struct. Elsewhere a `Static` of a boolean, number, text or bytes
    /// is that of Python, and an `Option` without a value is `None`; in a tuple or list it is an empty dict, which Optax has in place
    /// of a part that an optimizer is without.
    ///
    /// # Errors
    /// If a tensor has no elements because it is traced, or other data without tensors is in a map, list or tuple; with its path.
    pub fn of(tree: &impl Tree) -> Result<State> {
        to_state::state(tree).map_err(in_memory)
    }

    /// Reads the bytes of a file, `flax.serialization.msgpack_restore`.
    ///
    /// # Errors
    /// If they are no file of Flax, or not whole.
    pub fn from_bytes(bytes: &[u8]) -> Result<State> {
        State::read(Input::memory(bytes), bytes).map_err(in_memory)
    }

    /// `beginning` is what the input begins with, to tell what else it may be.
    pub(super) fn read(input: Input<'_>, beginning: &[u8]) -> Result<State, String> {
        read::state(input).map_err(|message| match formats::foreign(beginning) {
            Some(what) if what != formats::MESSAGE_PACK => format!("not a file of Flax: {what}"),
            _ => format!("not a file of Flax, or damaged: {message}"),
        })
    }

    /// The bytes of a file, `flax.serialization.msgpack_serialize`.
    ///
    /// # Errors
    /// If it could not be read back: a name is there twice, or more than [`Dict::MAX_DEPTH`] dicts are inside each other.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        write::check(self).map_err(in_memory)?;
        write::state(&mut bytes, self, write::CHUNK).map_err(|error| in_memory(error.to_string()))?;
        Ok(bytes)
    }

    /// Restores a tree, `flax.serialization.from_state_dict`; see [`from_bytes`](super::from_bytes).
    ///
    /// # Errors
    /// If the state has not what the target has, with a list.
    pub fn restore<T: Tree>(&self, target: &T) -> Result<T> {
        restore::tree(self, target, false).map_err(in_memory)
    }

    /// All as a value: a [`Dict`] for a dict, a tuple for a list, a [`Static`](crate::Static) for numbers and texts of Python.
    ///
    /// # Errors
    /// If there is something that no tensor holds, with its path.
    pub fn value(&self) -> Result<Value> {
        to_state::value(self).map_err(in_memory)
    }

    /// As [`value`](State::value), of a dict.
    ///
    /// # Errors
    /// Also if it is no dict.
    pub fn dict(&self) -> Result<Dict> {
        self.value()?.dict().cloned()
    }

    /// With the names of all dicts in order, as `flax.serialization.msgpack_serialize` has them unless it is told `in_place`.
    #[must_use]
    pub fn sorted(self) -> State {
        match self {
            State::Map(entries) => {
                let mut entries: Vec<_> =
                    entries.into_iter().map(|(name, state)| (name, state.sorted())).collect();
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                State::Map(entries)
            }
            State::List(states) => State::List(states.into_iter().map(State::sorted).collect()),
            other => other,
        }
    }

    /// The part at a path of names, if there is one.
    pub fn get(&self, path: impl KeyPath) -> Option<&State> {
        let child = |state: &'_ State, name: &str| match state {
            State::Map(entries) => entries.iter().position(|(key, _)| key == name),
            State::List(states) => name.parse().ok().filter(|&index: &usize| index < states.len()),
            _ => None,
        };
        let mut state = self;
        for name in path.keys() {
            let index = child(state, &name)?;
            state = match state {
                State::Map(entries) => &entries[index].1,
                State::List(states) => &states[index],
                _ => return None,
            };
        }
        Some(state)
    }

    /// The part at a path of names.
    ///
    /// # Errors
    /// If there is none.
    pub fn at(&self, path: impl KeyPath) -> Result<&State> {
        let keys = path.keys();
        self.get(keys.as_slice())
            .ok_or_else(|| in_memory(format!("there is no `{}`; it is {}", join(&keys), self.kind())))
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> String {
        let quoted = |names: &mut dyn Iterator<Item = &str>| {
            super::super::names::list(&names.map(str::to_owned).collect::<Vec<_>>())
        };
        match self {
            State::None => "`None`".to_owned(),
            State::Bool(value) => format!("the bool {value}"),
            State::Int(value) => format!("the int {value}"),
            State::UInt(value) => format!("the int {value}"),
            State::Float(value) => format!("the float {value}"),
            State::Complex(re, im) => format!("the complex number {re} + {im}i"),
            State::Text(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
            State::Bytes(bytes) => format!("{} bytes", bytes.len()),
            State::Array(tensor) | State::Scalar(tensor) => format!("an array {}", tensor.aval()),
            State::Foreign(foreign) => foreign.to_string(),
            State::List(states) => format!("a list of {}", states.len()),
            State::Map(entries) if entries.is_empty() => "an empty dict".to_owned(),
            State::Map(entries) => {
                format!("a dict of {}", quoted(&mut entries.iter().map(|(name, _)| &**name)))
            }
        }
    }
}

pub(super) fn in_memory(message: String) -> Error {
    Error::file("(bytes)", message)
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Payload::of(self.code, &self.data) {
            Some(payload) => {
                write!(f, "an array of dtype `{}` and shape {:?}, ", payload.dtype, payload.shape)?;
                write!(f, "which no tensor has: in Python, cast it with `x.astype` before it is saved")
            }
            None => {
                write!(f, "an extension of MessagePack of type {}, which is not one of Flax's", self.code)
            }
        }
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foreign({self})")
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for State {
            fn from(value: $type) -> State {
                State::$variant(value.into())
            }
        })*
    };
}

from!(bool => Bool, i32 => Int, i64 => Int, f64 => Float, &str => Text, String => Text, Tensor => Array);
