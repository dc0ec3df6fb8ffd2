//! Cases of the kind `functional` whose functions are losses.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::{losses, optim};

use super::compare::near;
use super::{Stop, Verdict};
use crate::backends;
use crate::golden::Case;
use crate::loss::golden_loss;

type Loss = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// Runs a case of losses: `out/<loss>` and `grad/<loss>` of `in/logits` and the other inputs, as they are and under `jit`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let x = case.array("in/logits");
    for (name, expected) in case.group("out") {
        if name == "global_norm" {
            let tree = Dict::new().with("a", x.clone()).with("b", case.array("in/targets"));
            compare("out/global_norm", optim::global_norm(&tree)?, expected, case)?;
            continue;
        }
        let Some(loss) = loss(&name, case)? else {
            return Err(Stop::Unsupported(format!("the loss `{name}`")));
        };
        compare(&format!("out/{name}"), loss(&x)?, expected.clone(), case)?;
        let staged = jit(|x: Tensor| loss(&x)).call(x.clone())?;
        compare(&format!("under jit, out/{name}"), staged, expected.clone(), case)?;
        for backend in backends::all() {
            let staged = backends::run(Some(backend), |x: Tensor| loss(&x), x.clone())?;
            compare(
                &format!("{}out/{name}", backends::named(Some(backend))),
                staged,
                expected.clone(),
                case,
            )?;
        }
        let key = format!("grad/{name}");
        if case.has(&key) {
            for backend in backends::ways() {
                let gradient = |x: Tensor| grad(|x: &Tensor| golden_loss(&loss(x)?))(&x);
                let gradient = backends::run(backend, gradient, x.clone())?;
                compare(&format!("{}{key}", backends::named(backend)), gradient, case.array(&key), case)?;
            }
        }
    }
    Ok(String::new())
}

fn compare(what: &str, found: Tensor, expected: Tensor, case: &Case) -> Result<(), Stop> {
    let whole = |tensor| BTreeMap::from([(String::new(), tensor)]);
    near(what, &whole(found), &whole(expected), case.tolerance())
}

/// The number behind a name in the text of arguments: `delta=.7`, `(softmax(logits), .1)`.
fn number(case: &Case, key: &str, before: &str, default: f64) -> f64 {
    let text = case.expect()["args"][key].as_str().unwrap_or_default();
    let after = text.rsplit_once(before).map(|(_, number)| number.trim_matches([' ', ')']));
    after.and_then(|number| number.parse().ok()).unwrap_or(default)
}

fn loss(name: &str, case: &Case) -> Result<Option<Loss>, Stop> {
    let input = |name: &str| {
        let key = format!("in/{name}");
        if case.has(&key) { Ok(case.array(&key)) } else { Err(Stop::Unsupported(format!("no `{key}`"))) }
    };
    let with = |second: &str, f: fn(&Tensor, &Tensor) -> Result<Tensor>| -> Result<Loss, Stop> {
        let second = input(second)?;
        Ok(Box::new(move |x| f(x, &second)))
    };
    let delta = number(case, "huber_loss", "=", 1.0);
    let epsilon = number(case, "cosine", "=", 0.0);
    let alpha = number(case, "smooth_labels", ",", 0.0);
    Ok(Some(match name {
        "softmax_cross_entropy" => with("onehot", losses::try_softmax_cross_entropy)?,
        "softmax_cross_entropy_probs" => with("probs", losses::try_softmax_cross_entropy)?,
        "softmax_cross_entropy_with_integer_labels" => {
            with("labels", losses::try_softmax_cross_entropy_with_integer_labels)?
        }
        "sigmoid_binary_cross_entropy" => with("binary", losses::try_sigmoid_binary_cross_entropy)?,
        "sigmoid_focal_loss" => with("binary", |x, y| losses::try_sigmoid_focal_loss(x, y, None, 2.0))?,
        "poly_loss_cross_entropy" => with("onehot", |x, y| losses::try_poly_loss_cross_entropy(x, y, 2.0))?,
        "l2_loss" => with("targets", |x, y| losses::try_l2_loss(x, y))?,
        "squared_error" => with("targets", |x, y| losses::try_squared_error(x, y))?,
        "log_cosh" => with("targets", |x, y| losses::try_log_cosh(x, y))?,
        "hinge_loss" => with("binary", |x, y| losses::try_hinge_loss(x, &signs(y)))?,
        "perceptron_loss" => with("binary", |x, y| losses::try_perceptron_loss(x, &signs(y)))?,
        "kl_divergence" => with("probs", |x, y| losses::try_kl_divergence(&x.try_log_softmax(-1)?, y))?,
        "huber_loss" => {
            let targets = input("targets")?;
            Box::new(move |x| losses::try_huber_loss(x, &targets, delta))
        }
        "cosine_similarity" => {
            let targets = input("targets")?;
            Box::new(move |x| losses::try_cosine_similarity(x, &targets, epsilon))
        }
        "cosine_distance" => {
            let targets = input("targets")?;
            Box::new(move |x| losses::try_cosine_distance(x, &targets, epsilon))
        }
        "smooth_labels" => Box::new(move |x| losses::try_smooth_labels(&x.try_softmax(-1)?, alpha)),
        _ => return Ok(None),
    }))
}

/// −1 and 1 for 0 and 1.
fn signs(binary: &Tensor) -> Tensor {
    binary.cast(DType::F32) * 2.0 - 1.0
}
