//! Python's own functions.

use std::sync::Arc;

use flaxen::prelude::*;

use crate::runner::python::evaluate::Evaluator;
use crate::runner::python::methods::scalar;
use crate::runner::python::operators::{binary, compare};
use crate::runner::python::value::{Passing, Py, lock};

const KNOWN: [&str; 33] = [
    "len",
    "range",
    "enumerate",
    "zip",
    "reversed",
    "sorted",
    "list",
    "tuple",
    "dict",
    "set",
    "int",
    "float",
    "bool",
    "str",
    "min",
    "max",
    "sum",
    "abs",
    "any",
    "all",
    "map",
    "isinstance",
    "print",
    "round",
    "callable",
    "super",
    "Any",
    "Callable",
    "Optional",
    "Sequence",
    "Tuple",
    "Union",
    "Iterable",
];

/// Whether a name is that of a function, or of a type in an annotation.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::msg(message))
}

/// Calls a function.
///
/// # Errors
/// If it is unknown; if the arguments do not fit.
pub fn call(evaluator: &Evaluator, name: &str, passing: Passing) -> Result<Py> {
    if name == "partial" {
        let mut passing = passing;
        if passing.positional.is_empty() {
            return fail("`partial` of nothing");
        }
        let function = passing.positional.remove(0);
        return Ok(Py::Partial(Arc::new((function, passing))));
    }
    if name == "dict" {
        let named = passing.named.into_iter().map(|(key, value)| (Py::text(&key), value));
        let mut entries = match passing.positional.first() {
            Some(Py::Dict(entries)) => lock(entries).clone(),
            _ => Vec::new(),
        };
        entries.extend(named);
        return Ok(Py::dict(entries));
    }
    let named =
        |key: &str| passing.named.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
    let arguments = &passing.positional;
    let first = || arguments.first().ok_or_else(|| Error::msg(format!("`{name}` of nothing")));
    Ok(match name {
        "len" => match first()? {
            Py::Tensor(tensor) => Py::Whole(tensor.shape().first().copied().unwrap_or_default() as i64),
            Py::Text(text) => Py::Whole(text.chars().count() as i64),
            other => Py::Whole(other.items()?.len() as i64),
        },
        "range" => range(arguments)?,
        "enumerate" => {
            let start = match arguments.get(1).cloned().or_else(|| named("start")) {
                Some(Py::Whole(start)) => start,
                _ => 0,
            };
            let pairs = first()?.items()?.into_iter().zip(start..);
            Py::list(pairs.map(|(item, i)| Py::tuple(vec![Py::Whole(i), item])).collect())
        }
        "zip" => {
            let lists: Vec<Vec<Py>> = arguments.iter().map(Py::items).collect::<Result<_>>()?;
            let count = lists.iter().map(Vec::len).min().unwrap_or_default();
            let row = |i: usize| Py::tuple(lists.iter().map(|list| list[i].clone()).collect());
            Py::list((0..count).map(row).collect())
        }
        "map" => {
            let items = arguments.get(1).map_or(Ok(Vec::new()), Py::items)?;
            let one = |item| evaluator.call(first()?, Passing { positional: vec![item], named: Vec::new() });
            Py::list(items.into_iter().map(one).collect::<Result<_>>()?)
        }
        "reversed" => Py::list(first()?.items()?.into_iter().rev().collect()),
        "sorted" => {
            let mut items = first()?.items()?;
            items.sort_by(|a, b| match compare("<", a, b).and_then(|less| less.truth()) {
                Ok(true) => std::cmp::Ordering::Less,
                _ if a.equals(b) => std::cmp::Ordering::Equal,
                _ => std::cmp::Ordering::Greater,
            });
            Py::list(items)
        }
        "list" => Py::list(arguments.first().map_or(Ok(Vec::new()), Py::items)?),
        "tuple" => Py::tuple(arguments.first().map_or(Ok(Vec::new()), Py::items)?),
        "int" => match first()? {
            Py::Number(number) => Py::Whole(number.trunc() as i64),
            Py::Tensor(tensor) => scalar(&tensor.try_cast(DType::I32)?)?,
            Py::Text(text) => Py::Whole(text.parse().map_err(|_| Error::msg(format!("int({text:?})")))?),
            Py::Truth(truth) => Py::Whole(i64::from(*truth)),
            other => other.clone(),
        },
        "float" => match first()? {
            Py::Whole(number) => Py::Number(*number as f64),
            Py::Tensor(tensor) => scalar(&tensor.try_cast(DType::F32)?)?,
            Py::Text(text) => Py::Number(text.parse().map_err(|_| Error::msg(format!("float({text:?})")))?),
            other => other.clone(),
        },
        "bool" => Py::Truth(first()?.truth()?),
        "str" => Py::text(&first()?.written()),
        "min" | "max" => {
            let items = if arguments.len() == 1 { first()?.items()? } else { arguments.clone() };
            let operator = if name == "min" { "<" } else { ">" };
            let mut items = items.into_iter();
            let mut best = items.next().ok_or_else(|| Error::msg(format!("`{name}` of nothing")))?;
            for item in items {
                if compare(operator, &item, &best)?.truth()? {
                    best = item;
                }
            }
            best
        }
        "sum" => {
            let start = arguments.get(1).cloned().or_else(|| named("start")).unwrap_or(Py::Whole(0));
            first()?.items()?.iter().try_fold(start, |sum, item| binary("+", &sum, item))?
        }
        "abs" => match first()? {
            Py::Whole(number) => Py::Whole(number.abs()),
            Py::Number(number) => Py::Number(number.abs()),
            other => Py::Tensor(other.tensor()?.try_abs()?),
        },
        "round" => match first()? {
            Py::Number(number) => Py::Whole(number.round_ties_even() as i64),
            other => other.clone(),
        },
        "any" | "all" => {
            let wanted = name == "any";
            let mut truth = !wanted;
            for item in first()?.items()? {
                if item.truth()? == wanted {
                    truth = wanted;
                }
            }
            Py::Truth(truth)
        }
        "callable" => Py::Truth(matches!(
            first()?,
            Py::Function(_)
                | Py::Library(_)
                | Py::Partial(_)
                | Py::Method(_)
                | Py::Module(_)
                | Py::Interpreted(_)
        )),
        "isinstance" => Py::Truth(arguments.get(1).is_some_and(|of| is_instance(&arguments[0], of))),
        "print" => Py::Nothing,
        _ => return fail(format!("the function `{name}` is unknown")),
    })
}

fn range(arguments: &[Py]) -> Result<Py> {
    let whole = |value: &Py| match value {
        Py::Whole(number) => Ok(*number),
        other => fail(format!("range of {}", other.kind())),
    };
    let numbers: Vec<i64> = arguments.iter().map(whole).collect::<Result<_>>()?;
    let (start, end, step) = match numbers[..] {
        [end] => (0, end, 1),
        [start, end] => (start, end, 1),
        [start, end, step] if step != 0 => (start, end, step),
        _ => return fail("range without an end"),
    };
    let mut out = Vec::new();
    let mut at = start;
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.push(Py::Whole(at));
        at += step;
    }
    Ok(Py::list(out))
}

fn is_instance(value: &Py, of: &Py) -> bool {
    match of {
        Py::Tuple(classes) => classes.iter().any(|class| is_instance(value, class)),
        Py::Library(path) => match path.rsplit('.').next().unwrap_or_default() {
            "int" => matches!(value, Py::Whole(_) | Py::Truth(_)),
            "float" => matches!(value, Py::Number(_)),
            "bool" => matches!(value, Py::Truth(_)),
            "str" => matches!(value, Py::Text(_)),
            "tuple" | "Tuple" => matches!(value, Py::Tuple(_)),
            "list" => matches!(value, Py::List(_)),
            "Sequence" | "Iterable" => matches!(value, Py::Tuple(_) | Py::List(_)),
            "dict" => matches!(value, Py::Dict(_)),
            "Array" | "ndarray" => matches!(value, Py::Tensor(_)),
            "Module" => matches!(value, Py::Module(_) | Py::Interpreted(_)),
            class => matches!(value, Py::Module(named) if named.module.class() == class),
        },
        Py::Class(class) => {
            matches!(value, Py::Interpreted(named) if Arc::ptr_eq(named.module.class(), class))
        }
        _ => false,
    }
}
