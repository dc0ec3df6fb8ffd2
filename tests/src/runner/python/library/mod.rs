//! What sources import: functions of `flax.linen`, `jax.numpy` and others, by their paths.

mod arrays;
mod builtins;
mod functions;
mod initializers;
mod random;

use std::sync::Arc;

use flaxen::prelude::*;

use super::evaluate::Evaluator;
use super::reader::Reader;
use super::value::{Passing, Py};
use crate::runner::modules;

pub use initializers::as_initializer;

/// The short paths of modules.
const PATHS: [(&str, &str); 19] = [
    ("flax.linen.initializers", "init"),
    ("jax.nn.initializers", "init"),
    ("nn.initializers", "init"),
    ("initializers", "init"),
    ("flax.linen", "nn"),
    ("linen", "nn"),
    ("nn.activation", "nn"),
    ("nn.linear", "nn"),
    ("nn.attention", "nn"),
    ("nn.recurrent", "nn"),
    ("jax.nn", "nn"),
    ("jax.numpy", "jnp"),
    ("jnp.linalg", "jnp"),
    ("numpy", "jnp"),
    ("np", "jnp"),
    ("onp", "jnp"),
    ("jax.lax", "lax"),
    ("jax.random", "random"),
    ("math", "jnp"),
];

/// What can be named without an import of the source's own.
const ROOTS: [&str; 19] = [
    "flax",
    "linen",
    "nn",
    "jax",
    "jnp",
    "numpy",
    "np",
    "onp",
    "lax",
    "random",
    "functools",
    "math",
    "initializers",
    "init",
    "optax",
    "typing",
    "dataclasses",
    "struct",
    "partial",
];

/// The value of a name that no statement gave one.
pub fn root(name: &str) -> Option<Py> {
    if ROOTS.contains(&name) {
        return Some(Py::Library(canonical(name)));
    }
    if builtins::is_known(name) {
        return Some(Py::Library(format!("py.{name}").into()));
    }
    // Descriptions of modules leave `nn.` out.
    let is_known = modules::is_class(name) || functions::is_known(name);
    is_known.then(|| Py::Library(format!("nn.{name}").into()))
}

fn canonical(path: &str) -> Arc<str> {
    let mut path = path.to_owned();
    // Some short paths are the beginning of others.
    for _ in 0..2 {
        for (long, short) in PATHS {
            if let Some(rest) = path.strip_prefix(long)
                && (rest.is_empty() || rest.starts_with('.'))
            {
                path = format!("{short}{rest}");
            }
        }
    }
    path.into()
}

/// What is below a path.
pub fn member(path: &str, name: &str) -> Py {
    let path = canonical(&format!("{path}.{name}"));
    match &*path {
        "jnp.pi" => Py::Number(std::f64::consts::PI),
        "jnp.e" => Py::Number(std::f64::consts::E),
        "jnp.inf" => Py::Number(f64::INFINITY),
        "jnp.nan" => Py::Number(f64::NAN),
        "jnp.newaxis" => Py::Nothing,
        _ => match path.strip_prefix("jnp.").and_then(dtype) {
            Some(dtype) => Py::DType(dtype),
            None => Py::Library(path),
        },
    }
}

/// A dtype by NumPy's name for it.
pub fn dtype(name: &str) -> Option<DType> {
    let long = match name {
        "bool_" => "bool",
        "float16" => "f16",
        "bfloat16" => "bf16",
        "float32" | "float_" => "f32",
        "float64" => "f64",
        "int32" | "int_" => "i32",
        "int64" => "i64",
        "uint8" => "u8",
        "uint32" => "u32",
        other => other,
    };
    DType::ALL.into_iter().find(|dtype| dtype.name() == name || dtype.name() == long)
}

/// `jnp.float32(x)`.
pub fn call_dtype(dtype: DType, passing: Passing) -> Result<Py> {
    let mut reader = Reader::new("dtype", passing);
    let out = reader.tensor(0, "x")?.try_cast(dtype)?;
    reader.finish()?;
    Ok(Py::Tensor(out))
}

/// Calls a function of a library.
///
/// # Errors
/// If it is unknown, or its arguments are; what it returns.
pub fn call(evaluator: &Evaluator, path: &str, passing: Passing) -> Result<Py> {
    let path = match path.split_once('.') {
        Some(_) => path,
        None => return builtins::call(evaluator, path, passing),
    };
    if let Some(dtype) = path.strip_prefix("nn.").and_then(dtype) {
        return call_dtype(dtype, passing);
    }
    let (library, function) = path.split_once('.').unwrap_or_default();
    let mut reader = Reader::new(path, passing);
    reader.ignore(&["precision", "preferred_element_type"]);
    let out = match library {
        "py" | "functools" | "typing" | "struct" | "dataclasses" => {
            return builtins::call(evaluator, function, reader.left());
        }
        "random" => random::call(function, &mut reader)?,
        "init" => initializers::call(function, &mut reader)?,
        "nn" | "lax" | "jax" | "optax" => match functions::call(function, &mut reader)? {
            Some(out) => Some(out),
            None => arrays::call(function, &mut reader)?,
        },
        _ => arrays::call(function, &mut reader)?,
    };
    let out = out.ok_or_else(|| Error::msg(format!("the function `{path}` is unknown")))?;
    reader.finish()?;
    Ok(out)
}
