//! Golden scenarios: small programs, each with the result or the error that Flax has for it.

use std::collections::BTreeSet;

use flaxen::{Dict, Error, Result, Value, Variables};
use serde_json::{Value as Json, json};

use crate::golden::Case;

/// Compares programs with the scenarios of a case, and knows which ones are left.
pub struct Scenarios {
    case: Case,
    left: BTreeSet<String>,
}

impl Scenarios {
    /// The scenarios of a case.
    ///
    /// # Panics
    /// If the case has none.
    pub fn load(name: &str) -> Scenarios {
        let case = Case::load(name);
        let scenarios = case.expect()["scenarios"].as_array().expect("scenarios");
        let ids = scenarios.iter().filter_map(|scenario| scenario["id"].as_str().map(str::to_owned));
        let left = ids.collect();
        Scenarios { case, left }
    }

    /// Compares the shapes of variables, or the kind of the error.
    ///
    /// # Panics
    /// If they differ, or there is no such scenario.
    pub fn variables(&mut self, id: &str, found: Result<Variables>) {
        self.result(id, found.map(|variables| shapes(variables.as_dict())));
    }

    /// Compares any result.
    ///
    /// # Panics
    /// If they differ, or there is no such scenario.
    pub fn result(&mut self, id: &str, found: Result<Json>) {
        assert!(self.left.remove(id), "{id}: no such scenario, or compared twice");
        let scenario = self.case.scenario(id);
        match (found, scenario["error"]["cls"].as_str()) {
            (Ok(found), None) => assert_eq!(found, scenario["result"], "{id}"),
            (Err(error), Some(class)) => {
                assert!(is_of_class(&error, class), "{id}: {class} expected, found {error:?}");
                let message = scenario["error"]["msg"].as_str().expect("a message");
                for name in quoted(message) {
                    assert!(error.to_string().contains(name), "{id}: `{name}` is not in: {error}");
                }
            }
            (Ok(found), Some(class)) => panic!("{id}: {class} expected, found {found}"),
            (Err(error), None) => panic!("{id}: {error}"),
        }
    }

    /// Leaves scenarios out that cannot be written in Rust.
    ///
    /// # Panics
    /// If there is no such scenario.
    pub fn impossible(&mut self, id: &str, reason: &str) {
        assert!(self.left.remove(id), "{id}: no such scenario, or compared twice");
        println!("{id}: {reason}");
    }

    /// # Panics
    /// If a scenario was neither compared nor left out for a reason.
    pub fn finish(self) {
        assert!(self.left.is_empty(), "not compared: {:?}", self.left);
    }
}

/// Shapes in the place of tensors.
pub fn shapes(dict: &Dict) -> Json {
    let shape = |value: &Value| match value {
        Value::Dict(dict) => shapes(dict),
        other => json!(other.tensor().expect("a tensor").shape()),
    };
    dict.iter().map(|(name, value)| (name.to_owned(), shape(value))).collect::<serde_json::Map<_, _>>().into()
}

/// What Flax puts into quotes: names, which our messages must have, too. Paths of modules differ in form.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('"').skip(1).step_by(2).filter(|name| !name.is_empty() && !name.contains(['{', ' ']))
}

fn is_of_class(error: &Error, class: &str) -> bool {
    match class {
        "NameInUseError" => matches!(error, Error::NameInUse { .. }),
        "AssignSubModuleError" => matches!(error, Error::NotCompact { .. }),
        "ScopeCollectionNotFound" => matches!(error, Error::CollectionNotFound { .. }),
        "ScopeParamNotFoundError" => matches!(error, Error::ParamNotFound { .. }),
        "ScopeParamShapeError" => matches!(error, Error::ParamShape { .. }),
        "ModifyScopeVariableError" => matches!(error, Error::Immutable { .. }),
        "InvalidRngError" => matches!(error, Error::MissingRng { .. } | Error::InvalidRng { .. }),
        "CallCompactUnboundModuleError"
        | "CallUnbindOnUnboundModuleError"
        | "CallShareScopeOnUnboundModuleError" => matches!(error, Error::Unbound { .. }),
        "ApplyScopeInvalidVariablesTypeError" | "ApplyScopeInvalidVariablesStructureError" => {
            matches!(error, Error::InvalidVariables { .. })
        }
        // Python's errors without a class of their own.
        "ValueError" => !matches!(error, Error::Other { .. }),
        _ => false,
    }
}
