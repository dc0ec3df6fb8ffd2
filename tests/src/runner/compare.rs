//! Comparing arrays with those of a case.

use std::collections::BTreeMap;

use flaxen::Tensor;

use super::Stop;
use crate::golden::{Tolerance, difference, numbers_of};

/// Whether two groups have the same keys, and the same shapes, dtypes and bits under each.
pub fn same(
    what: &str,
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Tensor>,
) -> Result<(), Stop> {
    same_keys(what, found, expected)?;
    for (key, expected) in expected {
        if let Some(difference) = difference(&found[key], expected) {
            return Err(Stop::Failed(format!("{what}/{key} differs in {difference}")));
        }
    }
    Ok(())
}

/// Whether two groups have the same keys, and the same shapes and dtypes under each.
pub fn alike(
    what: &str,
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Tensor>,
) -> Result<(), Stop> {
    same_keys(what, found, expected)?;
    for (key, expected) in expected {
        let (found, expected) = (found[key].aval(), expected.aval());
        if found.shape != expected.shape || found.dtype != expected.dtype {
            return Err(Stop::Failed(format!("{what}/{key} is {found}, expected {expected}")));
        }
    }
    Ok(())
}

/// Whether two groups have the same keys, shapes and dtypes, and near numbers; names the worst array otherwise.
pub fn near(
    what: &str,
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Tensor>,
    tolerance: Tolerance,
) -> Result<(), Stop> {
    alike(what, found, expected)?;
    let worst = expected
        .iter()
        .map(|(key, expected)| (key, worst_of(&found[key], expected, tolerance)))
        .max_by(|(_, a), (_, b)| a.excess.total_cmp(&b.excess));
    match worst {
        Some((key, worst)) if worst.excess > 1.0 => {
            let at = if key.is_empty() { what.to_owned() } else { format!("{what}/{key}") };
            let Worst { found, expected, index, excess } = worst;
            Err(Stop::Failed(format!(
                "{at}[{index}] is {found:?}, expected {expected:?}: {excess:.1} times the tolerance"
            )))
        }
        _ => Ok(()),
    }
}

struct Worst {
    index: usize,
    found: f64,
    expected: f64,
    /// The distance in units of the tolerance.
    excess: f64,
}

fn worst_of(found: &Tensor, expected: &Tensor, tolerance: Tolerance) -> Worst {
    let excess = |a: f64, b: f64| {
        if a == b || (a.is_nan() && b.is_nan()) {
            return 0.0;
        }
        let ratio = (a - b).abs() / (tolerance.absolute + tolerance.relative * b.abs());
        if ratio.is_nan() { f64::INFINITY } else { ratio }
    };
    let pairs = numbers_of(found).into_iter().zip(numbers_of(expected)).enumerate();
    let all = pairs.map(|(index, (found, expected))| Worst {
        index,
        found,
        expected,
        excess: excess(found, expected),
    });
    let none = Worst { index: 0, found: 0.0, expected: 0.0, excess: 0.0 };
    all.fold(none, |worst, next| if next.excess > worst.excess { next } else { worst })
}

fn same_keys(
    what: &str,
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Tensor>,
) -> Result<(), Stop> {
    let only = |a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>| {
        a.keys().filter(|key| !b.contains_key(*key)).cloned().collect::<Vec<_>>()
    };
    let (extra, missing) = (only(found, expected), only(expected, found));
    if extra.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(format!("{what} has {extra:?} too much and lacks {missing:?}")))
}
