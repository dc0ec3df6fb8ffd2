//! What a case is about: a module of the library, or one of the case's own source or description.

use std::sync::Arc;

use flaxen::Value;
use flaxen::prelude::*;
use serde_json::Value as Json;

use super::arguments::Spec;
use super::described::described;
use super::models::{AnyModule, Arguments, Run};
use super::modules::{build, is_class};
use super::python::classes::Interpreted;
use super::python::evaluate::Evaluator;
use super::python::value::{Named, Names, Passing, Py};
use super::{Stop, python, recurrent};
use crate::golden::Case;

/// Parts of models whose initial values are results of products or decompositions, and not only drawn.
const COMPUTED: [&str; 9] = [
    "SpectralNorm",
    "WeightNorm",
    "SN",
    "WN",
    "RNN",
    "Cell",
    "Bidirectional",
    "orthogonal",
    "LSTMClassifier",
];

/// A module, with its methods by name.
#[derive(Clone)]
pub enum Subject {
    Library(Arc<dyn AnyModule>),
    Source(Interpreted),
}

impl Subject {
    /// Whether there is such a method.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self, method: &str, arguments: &Arguments) -> Result<(), Stop> {
        match self {
            Subject::Library(module) => module.check(method, arguments),
            Subject::Source(module) if module.class().methods.contains_key(method) => Ok(()),
            Subject::Source(module) => {
                Err(Stop::Unsupported(format!("the method `{method}` of {}", module.class().name)))
            }
        }
    }

    /// The output and the variables that were made.
    ///
    /// # Errors
    /// What the method returns.
    pub fn init(&self, method: &str, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)> {
        match self {
            Subject::Library(module) => module.init(method, rngs, arguments),
            Subject::Source(module) => module.init(method, rngs, arguments),
        }
    }

    /// The output and the variables that were written.
    ///
    /// # Errors
    /// What the method returns.
    pub fn apply(
        &self,
        method: &str,
        variables: &Variables,
        run: &Run,
        arguments: &Arguments,
    ) -> Result<(Value, Variables)> {
        match self {
            Subject::Library(module) => module.apply(method, variables, run, arguments),
            Subject::Source(module) => module.apply(method, variables, run, arguments),
        }
    }
}

/// The classes of a case's source and description.
///
/// # Errors
/// If they cannot be read.
pub fn definitions(case: &Case) -> Result<Names, Stop> {
    let settings = case.settings();
    let source = settings["source"].as_str().unwrap_or_default();
    let class = settings["module"]["cls"].as_str().unwrap_or_default();
    let attributes: Vec<&str> = keys(&settings["module"]["args"]).collect();
    let call = &settings["call"];
    let listed = |of: &str| call[of].as_array().into_iter().flatten().filter_map(Json::as_str);
    let arguments: Vec<&str> =
        listed("positional").chain(listed("array_kwargs")).chain(keys(&call["kwargs"])).collect();
    let described = described(case.description(), &own_name(class), &attributes, &arguments);
    // What the library has is not to be hidden by words about it.
    let is_cell = recurrent::CLASSES.contains(&class);
    python::source(&if is_cell { source.to_owned() } else { format!("{described}\n{source}") })
}

/// The name of a class that a description has the words of, which may be the library's name of a part of it.
fn own_name(class: &str) -> String {
    if is_class(class) { format!("Described{class}") } else { class.to_owned() }
}

fn keys(json: &Json) -> impl Iterator<Item = &str> {
    json.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
}

/// The module that `{"cls": .., "args": {..}}` stands for, and the arguments whose values nothing says.
///
/// # Errors
/// If a class or an argument is unknown.
pub fn subject(json: &Json, names: &Names) -> Result<(Subject, Vec<String>), Stop> {
    let class =
        json["cls"].as_str().ok_or_else(|| Stop::Unsupported(format!("`{json}` in place of a module")))?;
    let arguments = json["args"].as_object().into_iter().flatten();
    let arguments: Vec<(String, Py)> = arguments
        .map(|(name, value)| Ok((name.clone(), value_of(value, names)?)))
        .collect::<Result<_, Stop>>()?;
    if let Some(found @ Py::Class(_)) = names.get(&own_name(class)).or_else(|| names.get(class)) {
        let passing = Passing { positional: Vec::new(), named: arguments };
        return match Evaluator::new(names, None).call(&found, passing)? {
            Py::Interpreted(Named { module, .. }) => Ok((Subject::Source(module), Vec::new())),
            other => Err(Stop::Failed(format!("{class} makes {}", other.kind()))),
        };
    }
    let spec = Spec::new(class, arguments);
    let module = build(&spec)?;
    Ok((Subject::Library(module), spec.finish()?))
}

/// A value of a manifest.
///
/// # Errors
/// If it is a module that is unknown.
pub fn value_of(json: &Json, names: &Names) -> Result<Py, Stop> {
    Ok(match json {
        Json::Null => Py::Nothing,
        Json::Bool(truth) => Py::Truth(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Py::Whole(number),
            None => Py::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => match text.strip_prefix("<fn ").and_then(|text| text.strip_suffix('>')) {
            None => Py::text(text),
            // Initializers that were made by a function all have one name.
            Some("init") => Py::Unknown(text.as_str().into()),
            Some(name) => {
                let found = names.get(name).or_else(|| python::library::root(name));
                found.unwrap_or_else(|| Py::Library(format!("nn.{name}").into()))
            }
        },
        Json::Array(items) => {
            Py::tuple(items.iter().map(|item| value_of(item, names)).collect::<Result<_, _>>()?)
        }
        Json::Object(entries) if entries.contains_key("cls") => match subject(json, names)? {
            (Subject::Library(module), unknown) if unknown.is_empty() => {
                Py::Module(Named { module, name: None })
            }
            (Subject::Source(module), _) => Py::Interpreted(Named { module, name: None }),
            (_, unknown) => {
                return Err(Stop::Unsupported(format!("an inner layer of which {}", unknown.join(", "))));
            }
        },
        Json::Object(entries) => {
            let entry = |(name, value): (&String, &Json)| Ok((Py::text(name), value_of(value, names)?));
            Py::dict(entries.iter().map(entry).collect::<Result<_, Stop>>()?)
        }
    })
}

/// Whether initial values are compared up to rounding.
pub fn is_computed(case: &Case) -> bool {
    let settings = case.settings();
    let text = format!("{} {} {}", settings["module"], settings["source"], case.description());
    COMPUTED.iter().any(|part| text.contains(part))
}
