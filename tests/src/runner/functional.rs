//! Cases of the kind `functional`: functions of arrays, and the gradients of some.

use std::collections::BTreeMap;

use flaxen::nn::batch_apply;
use flaxen::prelude::*;

use super::compare::near;
use super::{Stop, Verdict, activations, attention, convolutions, losses, pooling};
use crate::golden::Case;
use crate::loss::golden_loss;

/// Runs a case of the kind `functional`; which functions it is about shows in its inputs.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let first = &case.expect()["cases"][0];
    if first["fn"].is_string() {
        pooling::run(case)
    } else if first["lhs"].is_array() {
        convolutions::run(case)
    } else if case.has("in/logits") {
        losses::run(case)
    } else if case.has("in/q") || case.has("in/tokens") {
        attention::run(case)
    } else if case.keys().any(|key| key.starts_with("out/num_dims")) {
        run_batch_apply(case)
    } else {
        activations::run(case)
    }
}

/// Compares an output with `out/<name>`, and the gradient of the cases' loss with `grad/<name>` if there is one.
pub fn check(case: &Case, name: &str, x: &Tensor, f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<(), Stop> {
    check_array(case, &format!("out/{name}"), f(x)?)?;
    let gradient = format!("grad/{name}");
    if case.has(&gradient) {
        check_array(case, &gradient, grad(|x: &Tensor| golden_loss(&f(x)?))(x)?)?;
    }
    Ok(())
}

/// Compares an array with the one of a key.
pub fn check_array(case: &Case, key: &str, found: Tensor) -> Result<(), Stop> {
    let whole = |tensor| BTreeMap::from([(String::new(), tensor)]);
    near(key, &whole(found), &whole(case.array(key)), case.tolerance())
}

/// The array of a key, if the case has it.
pub fn input(case: &Case, name: &str) -> Result<Tensor, Stop> {
    let key = format!("in/{name}");
    if case.has(&key) { Ok(case.array(&key)) } else { Err(Stop::Unsupported(format!("no array `{key}`"))) }
}

/// `out/num_dims<n>`: `batch_apply` of a function that multiplies each row by its number.
fn run_batch_apply(case: &Case) -> Verdict {
    let x = input(case, "x")?;
    let numbered = |x: Tensor| {
        let rows = Tensor::arange(0.0, x.shape()[0] as f32, 1.0);
        x.try_mul(rows.try_reshape([&[x.shape()[0]], &vec![1; x.rank() - 1][..]].concat())?)
    };
    for name in case.group("out").into_keys() {
        let dims = name.strip_prefix("num_dims").and_then(|dims| dims.parse().ok());
        let dims = dims.ok_or_else(|| Stop::Unsupported(format!("the function `{name}`")))?;
        check(case, &name, &x, &|x| batch_apply(dims, x.clone(), numbered))?;
    }
    Ok(String::new())
}
