//! The files of Flax: MessagePack, as `flax.serialization` writes and reads it.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::io::msgpack;
//!
//! let model = Dense::new(2);
//! let (params, _) = model.init(key(0)).call(&Tensor::ones([1, 3]))?.pop("params")?;
//! let state = TrainState::create(params, optim::adam(1e-3));
//! let bytes = msgpack::to_bytes(&state)?; // flax.serialization.to_bytes(state)
//! let resumed = msgpack::from_bytes(&state, &bytes)?; // flax.serialization.from_bytes(state, bytes)
//! assert_eq!(resumed.params, state.params);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # What is written
//! [`to_bytes`] is that of Flax, byte for byte: a tensor is an array, maps and structs are dicts, tuples and lists are dicts of
//! `"0"`, `"1"`, …; fields without tensors, such as the optimizer in a [`TrainState`](crate::optim::TrainState), are left out. An
//! `Option` without a value is `None` (in a tuple or list an empty dict, as the parts that an optimizer is without), and a
//! [`Static`](crate::Static) boolean, number or text in a dict is that of Python. Arrays of more than 2³⁰ bytes are cut into pieces,
//! as the format has no room for larger ones.
//!
//! **The order of names** is where two files of the same values can differ. Flax writes a dict in the order in which it was filled.
//! Whatever a transform of JAX has returned is in order of names: parameters after an update, gradients, the result of
//! `jax.jit(model.init)`. So is a [`Dict`], and the bytes are the same. Directly after `model.init`, without `jit`, a dict in
//! Python is in order of creation, `kernel` before `bias`; a [`State`] keeps that, a `Dict` does not. Fields of structs are in the
//! order of their declaration in both. (`msgpack_serialize` sorts all names where it is not told `in_place`: [`State::sorted`].)
//!
//! **A number of steps** is a tensor here. In Python, `TrainState.step` is an `int` until a compiled step has returned it, and is
//! written as such; both are read.
//!
//! # What is read
//! [`from_bytes`] has Flax's rules: what a dict of the file has and the target has not is left out, what the target has and the file
//! has not is an error, and so are fields that only one of them has, lists of another length, and a dict in place of a tensor or the
//! reverse. Tensors keep the shape and dtype that they have in the file. [`restore`] wants both to be the template's, as other
//! formats do. Without a template [`load`] makes a `Dict`, and [`State::from_bytes`] tells everything.
//!
//! - **Boxes** are `{"value": array}` in a file, which does not have the names of axes. A target with a box has the names, and may
//!   read a file without; where the target has a plain tensor the box around the value is taken away. (Flax hands a dict to the
//!   model then.)
//! - **Dtypes** that tensors do not have, such as `uint64`, `float8_e4m3fn` or `complex128`, are an error where they are asked for, with
//!   their path; a `State` keeps their bytes.
//! - **Complex numbers** of Python, which have 128 bits, are in a `State`; no tensor has them. Those of `complex64` are tensors.
//! - **Byte order**: Flax writes the name of a dtype without its order of bytes, so an array that is big-endian in NumPy is read with
//!   its bytes turned around, by Flax as well as here. `x.astype(x.dtype.newbyteorder('='))` before it is saved helps.

mod array;
mod chunks;
mod input;
mod native;
mod read;
mod restore;
mod state;
mod to_state;
mod write;

use std::io::{BufWriter, Write as _};
use std::path::Path;

use input::Input;
pub use state::{Foreign, State};

use super::source::Source;
use super::{formats, write_with};
use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::variables::{Dict, Variables};

/// The bytes of a tree, `flax.serialization.to_bytes`.
///
/// # Errors
/// As [`State::of`], and [`State::to_bytes`].
pub fn to_bytes(tree: &impl Tree) -> Result<Vec<u8>> {
    State::of(tree)?.to_bytes()
}

/// A tree of the structure of a target from the bytes of a file, `flax.serialization.from_bytes`.
///
/// The target's own tensors do not matter; what is no tensor, such as the optimizer in a
/// [`TrainState`](crate::optim::TrainState), is the target's. See [what is read](self#what-is-read).
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::io::msgpack;
///
/// let bytes = msgpack::to_bytes(&Dict::new().with("a/bias", Tensor::ones([2])).with("b", 7i32))?;
/// let target = Dict::new().with("a/bias", Tensor::zeros([2]));
/// assert_eq!(msgpack::from_bytes(&target, &bytes)?, Dict::new().with("a/bias", Tensor::ones([2])));
/// let wrong = msgpack::from_bytes(&target.with("a/kernel", Tensor::zeros([2])), &bytes);
/// assert!(wrong.unwrap_err().to_string().contains("`a/kernel`"));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// If the bytes are no file of Flax, or not whole; if the target has what the file has not, with a list.
pub fn from_bytes<T: Tree>(target: &T, bytes: &[u8]) -> Result<T> {
    State::from_bytes(bytes)?.restore(target)
}

/// Saves a tree as a file of the bytes of [`to_bytes`].
///
/// # Errors
/// As [`to_bytes`]; if the file cannot be written. It is then as it was before.
pub fn save(path: impl AsRef<Path>, tree: &impl Tree) -> Result<()> {
    let path = path.as_ref();
    let state = to_state::state(tree);
    let state = state.and_then(|state| write::check(&state).map(|()| state));
    let state = state.map_err(|message| Error::file(&path.display().to_string(), message))?;
    write_with(path, |file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        write::state(&mut file, &state, write::CHUNK)?;
        file.flush()
    })
}

/// Loads a file as a dict, nested as it is; see [`State::value`].
///
/// # Errors
/// If the file cannot be read or is no file of Flax; if something in it is of a dtype that no tensor has, with its path; if it is
/// no dict.
pub fn load(path: impl AsRef<Path>) -> Result<Dict> {
    let (path, state) = open(path.as_ref())?;
    let value = to_state::value(&state).map_err(|message| Error::file(&path, message))?;
    value.dict().cloned().map_err(|error| Error::file(&path, error))
}

/// Loads a file as variables: the names at its top are collections.
///
/// # Errors
/// As [`load`]; if something is in no collection.
pub fn load_variables(path: impl AsRef<Path>) -> Result<Variables> {
    let name = path.as_ref().display().to_string();
    load(path)?.try_into().map_err(|error: Error| Error::file(&name, error))
}

/// Loads a tree of the structure of a template, whose own values do not matter; as
/// [`safetensors::restore`](super::safetensors::restore).
///
/// # Errors
/// If the file cannot be read or is no file of Flax; if names, shapes or dtypes differ, with a list of those.
pub fn restore<T: Tree>(path: impl AsRef<Path>, template: &T) -> Result<T> {
    let (path, state) = open(path.as_ref())?;
    restore::tree(&state, template, true).map_err(|message| Error::file(&path, message))
}

/// Reads a whole file, array by array into the memory that they stay in, and says what it is called.
fn open(path: &Path) -> Result<(String, State)> {
    let name = path.display().to_string();
    let cannot = |error: std::io::Error| Error::file(&name, format_args!("cannot be read: {error}"));
    let source = Source::open(path)?;
    let len = source.len().map_err(cannot)?;
    let len = usize::try_from(len).map_err(|_| Error::file(&name, "it is larger than any memory"))?;
    let mut beginning = vec![0; len.min(formats::LOOKED_AT)];
    source.read(0, &mut beginning).map_err(cannot)?;
    let state = State::read(Input::file(&source, len), &beginning);
    Ok((name.clone(), state.map_err(|message| Error::file(&name, message))?))
}
