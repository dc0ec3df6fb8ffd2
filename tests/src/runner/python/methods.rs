//! Attributes and methods of arrays, modules, lists and texts.

use std::sync::Arc;

use flaxen::prelude::*;

use super::classes::Interpreted;
use super::evaluate::Evaluator;
use super::library;
use super::reader::Reader;
use super::value::{Passing, Py, lock};

/// An attribute of an array.
pub fn tensor_attribute(tensor: &Tensor, name: &str) -> Option<Py> {
    Some(match name {
        "shape" => Py::sizes(tensor.shape()),
        "ndim" => Py::Whole(tensor.rank() as i64),
        "size" => Py::Whole(tensor.size() as i64),
        "dtype" => Py::DType(tensor.dtype()),
        "T" => Py::Tensor(tensor.t()),
        _ => return None,
    })
}

/// An attribute that every module has.
pub fn module_attribute(module: &Interpreted, name: &str) -> Option<Py> {
    match name {
        "name" => Some(module.name().map_or(Py::Nothing, |name| Py::text(&name))),
        _ => None,
    }
}

/// The value of an initializer: of a key, a shape and a dtype.
///
/// # Errors
/// If the arguments are others.
pub fn initialize(initializer: &Initializer, passing: Passing) -> Result<Py> {
    let mut reader = Reader::new("initializer", passing);
    let (key, shape) = (reader.key(0, "key")?, reader.sizes(1, "shape")?);
    let dtype = reader.get(2, "dtype")?.unwrap_or(DType::F32);
    reader.finish()?;
    Py::of_tree(&initializer.value(&key, &shape, dtype)?)
}

/// A method that every module has.
///
/// # Errors
/// If there is no such method; what it returns.
pub fn call_module(evaluator: &Evaluator, module: &Interpreted, name: &str, passing: Passing) -> Result<Py> {
    let body = module.body();
    let mut reader = Reader::new(name, passing);
    let text = |reader: &mut Reader<'_>, position, name: &str| reader.required::<String>(position, name);
    let out = match name {
        "param" => {
            let name = text(&mut reader, 0, "name")?;
            let make = reader.value(1, "init_fn")?;
            let dtype_of = |reader: &mut Reader<'_>| reader.get::<DType>(3, "dtype");
            if let Py::Initializer(initializer) = library::as_initializer(&make) {
                let shape = reader.sizes(2, "shape")?;
                let dtype = dtype_of(&mut reader)?.unwrap_or(DType::F32);
                Py::Tensor(body.param_of(&name, &initializer, shape, dtype)?)
            } else {
                let rest = reader.rest();
                let value = body.param_with(&name, |key| {
                    let positional = std::iter::once(Py::Key(key.clone())).chain(rest).collect();
                    evaluator.call(&make, Passing { positional, named: Vec::new() })?.tree()
                })?;
                Py::of_tree(&value)?
            }
        }
        "variable" => {
            let (collection, name) = (text(&mut reader, 0, "col")?, text(&mut reader, 1, "name")?);
            match reader.some(2, "init_fn") {
                None => Py::Variable(body.existing_variable(&collection, &name)?),
                Some(make) => {
                    let positional = reader.rest();
                    Py::Variable(body.variable(&collection, &name, || {
                        evaluator.call(&make, Passing { positional, named: Vec::new() })?.tree()
                    })?)
                }
            }
        }
        "get_variable" => {
            let (collection, name) = (text(&mut reader, 0, "col")?, text(&mut reader, 1, "name")?);
            let default = reader.given(2, "default").unwrap_or(Py::Nothing);
            body.get_variable::<Value>(&collection, &name)?
                .map_or(Ok(default), |value| Py::of_tree(&value))?
        }
        "put_variable" => {
            let (collection, name) = (text(&mut reader, 0, "col")?, text(&mut reader, 1, "name")?);
            body.put_variable(&collection, &name, reader.value(2, "value")?.tree()?)?;
            Py::Nothing
        }
        "has_variable" => {
            Py::Truth(body.has_variable(&text(&mut reader, 0, "col")?, &text(&mut reader, 1, "name")?))
        }
        "is_mutable_collection" => Py::Truth(body.is_mutable_collection(&text(&mut reader, 0, "col")?)),
        "is_initializing" => Py::Truth(body.is_initializing()),
        "has_rng" => Py::Truth(body.has_rng(&text(&mut reader, 0, "name")?)),
        "make_rng" => {
            let stream = reader.get::<String>(0, "name")?;
            Py::Key(body.make_rng(stream.as_deref().unwrap_or("params"))?)
        }
        "sow" => {
            let (collection, name) = (text(&mut reader, 0, "col")?, text(&mut reader, 1, "name")?);
            let value = reader.value(2, "value")?.tree()?;
            match (reader.some(3, "reduce_fn"), reader.some(4, "init_fn")) {
                (None, None) => Py::Truth(body.sow(&collection, &name, &value)?),
                (Some(reduce), Some(init)) => {
                    let mut failed = None;
                    let mut call = |function: &Py, positional: Vec<Py>| {
                        let out = evaluator.call(function, Passing { positional, named: Vec::new() });
                        out.and_then(|out| out.tree()).unwrap_or_else(|error| {
                            failed = Some(error);
                            Value::from(Vec::<Value>::new())
                        })
                    };
                    let first = call(&init, Vec::new());
                    let out = body.sow_with(
                        &collection,
                        &name,
                        &value,
                        || first,
                        |sum: Value, x: &Value| match (Py::of_tree(&sum), Py::of_tree(x)) {
                            (Ok(sum), Ok(x)) => call(&reduce, vec![sum, x]),
                            _ => sum,
                        },
                    )?;
                    failed.map_or(Ok(Py::Truth(out)), Err)?
                }
                _ => return Err(Error::msg("`sow` with a reduction alone")),
            }
        }
        "perturb" => {
            let name = text(&mut reader, 0, "name")?;
            let value = reader.value(1, "value")?.tree()?;
            let collection = reader.get::<String>(2, "collection")?;
            Py::of_tree(&body.perturb_in(collection.as_deref().unwrap_or("perturbations"), &name, &value)?)?
        }
        _ => return Err(Error::msg(format!("modules have no method `{name}`"))),
    };
    reader.finish()?;
    Ok(out)
}

/// A method of what is no module.
///
/// # Errors
/// If there is no such method; what it returns.
pub fn call(evaluator: &Evaluator, owner: &Py, name: &str, mut passing: Passing) -> Result<Py> {
    let first = passing.positional.first().cloned();
    match (owner, name, first) {
        (Py::List(items), "append", Some(item)) => lock(items).push(item),
        (Py::List(items), "extend", Some(more)) => {
            let more = more.items()?;
            lock(items).extend(more);
        }
        (Py::List(items), "pop", None) => return Ok(lock(items).pop().unwrap_or(Py::Nothing)),
        (Py::List(items), "insert", Some(Py::Whole(at))) => {
            let item = passing.positional.get(1).cloned().unwrap_or(Py::Nothing);
            let mut items = lock(items);
            let at = usize::try_from(at).unwrap_or_default().min(items.len());
            items.insert(at, item);
        }
        (Py::Tuple(_) | Py::List(_), "index", Some(item)) => {
            let at = owner.items()?.iter().position(|other| other.equals(&item));
            return at
                .map(|at| Py::Whole(at as i64))
                .ok_or_else(|| Error::msg(format!("{item:?} is not there")));
        }
        (Py::Dict(entries), "items", None) => {
            let pairs = lock(entries)
                .iter()
                .map(|(key, value)| Py::tuple(vec![key.clone(), value.clone()]))
                .collect();
            return Ok(Py::list(pairs));
        }
        (Py::Dict(_), "keys", None) => return owner.items().map(Py::list),
        (Py::Dict(entries), "values", None) => {
            return Ok(Py::list(lock(entries).iter().map(|(_, value)| value.clone()).collect()));
        }
        (Py::Dict(entries), "get" | "pop", Some(key)) => {
            let default = passing.positional.get(1).cloned().unwrap_or(Py::Nothing);
            let mut entries = lock(entries);
            let at = entries.iter().position(|(other, _)| key.equals(other));
            return Ok(match at {
                None => default,
                Some(at) if name == "get" => entries[at].1.clone(),
                Some(at) => entries.remove(at).1,
            });
        }
        (Py::Text(text), "format", _) => {
            let mut out = text.to_string();
            for value in &passing.positional {
                out = out.replacen("{}", &value.written(), 1);
            }
            return Ok(Py::text(&out));
        }
        (Py::Text(text), "lower", None) => return Ok(Py::text(&text.to_lowercase())),
        (Py::Text(text), "upper", None) => return Ok(Py::text(&text.to_uppercase())),
        (Py::Text(text), "startswith", Some(Py::Text(start))) => {
            return Ok(Py::Truth(text.starts_with(&*start)));
        }
        (Py::Text(text), "endswith", Some(Py::Text(end))) => return Ok(Py::Truth(text.ends_with(&*end))),
        (Py::Variable(_) | Py::Tensor(_), ..) => {
            return call_tensor(evaluator, &owner.tensor()?, name, passing);
        }
        _ => {
            passing.positional.clear();
            return Err(Error::msg(format!("{} has no method `{name}`", owner.kind())));
        }
    }
    Ok(Py::Nothing)
}

/// Methods of arrays are functions of `jnp`, but for those that take sizes or axes one by one.
fn call_tensor(evaluator: &Evaluator, tensor: &Tensor, name: &str, mut passing: Passing) -> Result<Py> {
    match name {
        "reshape" | "transpose" | "repeat" if passing.positional.len() > 1 && name != "repeat" => {
            let all = std::mem::take(&mut passing.positional);
            passing.positional.push(Py::tuple(all));
        }
        "astype" => {
            let mut reader = Reader::new("astype", passing);
            let out = tensor.try_cast(reader.required::<DType>(0, "dtype")?)?;
            reader.finish()?;
            return Ok(Py::Tensor(out));
        }
        "item" => return scalar(tensor),
        "copy" | "block_until_ready" => return Ok(Py::Tensor(tensor.clone())),
        "flatten" => return Ok(Py::Tensor(tensor.try_reshape([tensor.size()])?)),
        _ => {}
    }
    passing.positional.insert(0, Py::Tensor(tensor.clone()));
    library::call(evaluator, &Arc::<str>::from(format!("jnp.{name}")), passing)
}

/// A number of an array of one element.
pub fn scalar(tensor: &Tensor) -> Result<Py> {
    Ok(if tensor.dtype() == DType::Bool {
        Py::Truth(tensor.item::<bool>()?)
    } else if tensor.dtype().is_float() {
        Py::Number(tensor.try_cast(DType::F32)?.item::<f32>()?.into())
    } else {
        Py::Whole(tensor.try_cast(DType::I32)?.item::<i32>()?.into())
    })
}
