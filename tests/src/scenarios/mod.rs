//! Golden scenarios: small programs, each with the result or the error that Flax has for it.
//!
//! A scenario is found by its id, whatever case it is in.

mod algebra;
mod collections;
mod naming;
mod trees;

use std::collections::BTreeSet;

use flaxen::{Dict, Error, Result, Value, Variables};
use serde_json::{Value as Json, json};

use crate::golden::Case;
use crate::runner::{Stop, Verdict};

pub use algebra::filter;

/// Runs a case of the kind `scenarios`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let mut all = Scenarios::of(case)?;
    naming::run(&mut all);
    collections::run(&mut all)?;
    trees::run(&mut all)?;
    algebra::run(&mut all)?;
    all.finish()
}

/// Compares programs with the scenarios of a case, and knows which ones are left.
pub struct Scenarios<'a> {
    case: &'a Case,
    left: BTreeSet<String>,
    count: usize,
    differences: Vec<String>,
    impossible: usize,
}

impl<'a> Scenarios<'a> {
    fn of(case: &'a Case) -> Result<Scenarios<'a>, Stop> {
        let list = case.expect()["scenarios"].as_array();
        let list = list.ok_or_else(|| Stop::Failed("the manifest has no list `expect.scenarios`".into()))?;
        let left: BTreeSet<String> =
            list.iter().filter_map(|scenario| scenario["id"].as_str().map(str::to_owned)).collect();
        let count = left.len();
        Ok(Scenarios { case, left, count, differences: Vec::new(), impossible: 0 })
    }

    /// Compares the shapes of variables, or the kind of the error.
    pub fn variables(&mut self, id: &str, found: Result<Variables>) {
        self.result(id, found.map(|variables| shapes(variables.as_dict())));
    }

    /// Compares any result with the scenario of an id, if the case has it.
    pub fn result(&mut self, id: &str, found: Result<Json>) {
        if self.left.remove(id)
            && let Some(difference) = difference(self.case.scenario(id), found)
        {
            self.differences.push(format!("{id}: {difference}"));
        }
    }

    /// The result that the scenario of an id has, if the case has it.
    pub fn expected(&self, id: &str) -> Option<&'a Json> {
        self.left.contains(id).then(|| &self.case.scenario(id)["result"])
    }

    /// Says what differs in a fact that has no id.
    pub fn check(&mut self, what: &str, found: &Json, expected: &Json) {
        if found != expected {
            self.differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    }

    /// Leaves a scenario out that cannot be written in Rust, for a reason.
    pub fn impossible(&mut self, id: &str, _reason: &str) {
        if self.left.remove(id) {
            self.impossible += 1;
        }
    }

    fn finish(self) -> Verdict {
        if !self.differences.is_empty() {
            Err(Stop::Failed(self.differences.join("; ")))
        } else if !self.left.is_empty() {
            Err(Stop::Unsupported(format!("there are no programs for {:?}", self.left)))
        } else if self.impossible > 0 {
            Ok(format!("{} of {} cannot be written in Rust", self.impossible, self.count))
        } else {
            Ok(String::new())
        }
    }
}

/// How a result differs from that of a scenario, or its error from another kind of error.
pub fn difference(scenario: &Json, found: Result<Json>) -> Option<String> {
    let expected = &scenario["result"];
    match (found, scenario["error"]["cls"].as_str()) {
        (Ok(found), None) => (found != *expected).then(|| format!("expected {expected}, found {found}")),
        (Err(error), Some(class)) => {
            if !is_of_class(&error, class) {
                return Some(format!("expected an error like {class}, found {error:?}"));
            }
            let text = error.to_string();
            let missing = quoted(scenario["error"]["msg"].as_str().unwrap_or_default())
                .find(|name| !text.contains(name))?;
            Some(format!("`{missing}` is not in the error: {text}"))
        }
        (Ok(found), Some(class)) => Some(format!("expected an error like {class}, found {found}")),
        (Err(error), None) => Some(error.to_string()),
    }
}

/// Shapes instead of tensors.
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
        "KeyError" => matches!(error, Error::KeyNotFound { .. }),
        // Python's errors without a class of their own.
        "ValueError" => !matches!(error, Error::Other { .. }),
        _ => false,
    }
}
