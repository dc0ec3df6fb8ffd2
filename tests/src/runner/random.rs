//! Cases of the kind `prng`; which of them shows in the names of the arrays.

use super::{Stop, Verdict, initializers, keys, samplers, samples};
use crate::golden::{Case, difference};

/// Runs a case of the kind `prng`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let begins = |text: &str| case.keys().any(|key| key.starts_with(text));
    if begins("make_rng/") || begins("fold/") {
        keys::run(case)
    } else if begins("out/") {
        initializers::run(case)
    } else if case.settings()["seeds"].is_array() {
        samples::run(case)
    } else {
        samplers::run(case)
    }
}

/// Compares bit for bit.
pub fn same(what: &str, found: &flaxen::Tensor, expected: &flaxen::Tensor) -> Result<(), Stop> {
    match difference(found, expected) {
        None => Ok(()),
        Some(difference) => Err(Stop::Failed(format!("{what} differs in {difference}"))),
    }
}

/// The seed of the case.
pub fn seed(case: &Case) -> Result<u64, Stop> {
    let seed = &case.settings()["seed"];
    seed.as_u64().ok_or_else(|| Stop::Unsupported(format!("the seed {seed}")))
}
