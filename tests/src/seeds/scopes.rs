//! Where the modules of a list are.

use std::sync::{Arc, Mutex};

use flaxen::prelude::*;

use super::{assert_array, number, setting};
use crate::golden::Case;

/// Scopes by identity, in the order in which they are first seen.
type Log = Arc<Mutex<Vec<Scope>>>;

#[module]
struct Leaf {
    slope: f32,
    log: Seen,
}

/// A log that modules carry along; any two are equal.
#[derive(Clone, Debug, Default)]
struct Seen(Log);

impl PartialEq for Seen {
    fn eq(&self, _other: &Seen) -> bool {
        true
    }
}

impl Layer for Leaf {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.log.0.lock().expect("no panic").push(self.scope()?);
        Ok(x * self.slope)
    }
}

#[module]
struct Compound {
    n: usize,
    slope: f32,
    log: Seen,
    #[setup((0..self.n).map(|_| Leaf::new(self.slope, self.log.clone())).collect())]
    leaves: Vec<Leaf>,
}

impl Layer for Compound {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.leaves.iter().try_fold(x.clone(), |x, leaf| leaf.call(&x))
    }
}

/// The scopes of the leaves, in an `init` and an `apply`.
///
/// # Errors
/// What the program returns.
///
/// # Panics
/// If a scope differs.
pub fn leaf_compound(case: &Case) -> Result<()> {
    let log = Seen::default();
    let model = Compound::new(setting(case, "n"), number(case, "slope") as f32, log.clone());
    let x = case.array("in/x");
    let variables = model.init(key(0)).call(&x)?;
    assert!(variables.is_empty());
    assert_array(case, "out", &model.apply(&variables).call(&x)?);

    let mut seen: Vec<Scope> = Vec::new();
    let mut id = |scope: &Scope| {
        let known = seen.iter().position(|s| s == scope);
        let index = known.unwrap_or_else(|| {
            seen.push(scope.clone());
            seen.len() - 1
        });
        format!("s{index}")
    };
    let scopes = log.0.lock().expect("no panic").clone();
    let expected = case.expect()["log"].as_array().expect("a list");
    assert_eq!(scopes.len(), expected.len());
    for (scope, expected) in scopes.iter().zip(expected) {
        let parent = scope.parent().expect("a leaf is within the compound");
        assert_eq!(scope.name(), expected["scope_name"].as_str());
        assert_eq!(parent.name(), expected["parent_name"].as_str());
        assert_eq!(parent == scope.root(), expected["parent_is_root"]);
        assert_eq!(
            serde_json::json!(scope.path().iter().map(|p| &**p).collect::<Vec<_>>()),
            expected["path"]
        );
        assert_eq!(id(scope), expected["scope"]);
        assert_eq!(id(parent), expected["parent"]);
    }
    Ok(())
}
