//! Parameters and optimizer states taken apart, changed and put together again.

use flaxen::prelude::*;
use flaxen::variables::Traversal;

use super::cnn::cnn_of;
use super::{assert_array, assert_group, assert_initial, seed};
use crate::golden::Case;

/// One kernel by its norm, then the state of Adam and a step with it.
///
/// # Errors
/// What the program returns.
pub fn surgery(case: &Case) -> Result<()> {
    let (cnn, x) = (cnn_of(case), case.array("in/x"));
    let variables = cnn.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    let (params, _) = variables.pop("params")?;

    // Flat, changed by name, and nested again.
    let mut flat = params.flatten("/");
    let names: Vec<&String> = flat.keys().collect();
    assert_eq!(serde_json::json!(names), case.expect()["flat_keys"]);
    let kernel = flat["Dense_1/kernel"].tensor()?.clone();
    let norm = kernel.square().sum().sqrt();
    assert_array(case, "norm", &norm);
    flat.insert("Dense_1/kernel".to_owned(), (kernel / norm).into());
    let after = Dict::unflatten_separated("/", flat)?;
    let changed = Variables::new().with("params", &after);
    assert_group(case, "after", changed.as_dict());
    assert_array(case, "out_after", &cnn.apply(&changed).call(&x)?);

    // The state of an optimizer is a tree like any other, with fields of their names.
    let tx = optim::adam(1.0);
    let mut state = tx.init(&params);
    assert_adam(case, "opt_init", &state.0);
    state.0.mu = state.0.mu.map(|mu| Ok(mu + 0.01))?;
    let is_kernel = Traversal::new(|path: &str, _: &Value| path == "/Dense_1/kernel");
    state.0.nu = is_kernel.update(&state.0.nu, |nu: &Tensor| Ok(nu + 0.5))?;
    assert_adam(case, "opt_modified", &state.0);

    let grads: Dict = unflatten(case, "grads")?;
    let (updates, state) = tx.update(&grads, &state, &params)?;
    assert_group(case, "updates", &updates);
    assert_adam(case, "opt_after", &state.0);
    Ok(())
}

fn unflatten(case: &Case, group: &str) -> Result<Dict> {
    let flat = case.group(group).into_iter().map(|(name, tensor)| (name, Value::from(tensor)));
    Dict::unflatten_separated("/", flat)
}

fn assert_adam(case: &Case, group: &str, state: &optim::ScaleByAdamState) {
    assert_array(case, &format!("{group}/0/count"), &state.count);
    assert_group(case, &format!("{group}/0/mu"), &state.mu);
    assert_group(case, &format!("{group}/0/nu"), &state.nu);
}
