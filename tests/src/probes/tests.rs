//! The runner of probes sees what is wrong.

use flaxen::prelude::*;
use serde_json::{Value as Json, json};

use super::{Settings, failures, unknown};

/// Twice two numbers, with the gradient that the weights 1 and 1.25 give.
fn twice() -> Json {
    json!({
        "name": "twice", "ours": "twice", "settings": {}, "args": ["f32[2] 3f800000 80000000"],
        "outs": ["f32[2] 40000000 80000000"], "by": [0], "grads": ["f32[2] 40000000 40200000"],
        "second": ["f32[2] 40000000 0"], "second_outs": ["f32[2] 40800000 0"],
    })
}

fn outcome(probes: &[Json], reasons: &Json, f: fn(&Tensor) -> Tensor) -> Vec<String> {
    let table = json!({ "probes": probes, "reasons": reasons });
    failures(&table, &|name: &str, args: &[Tensor], _: &Settings<'_>| match name {
        "twice" => Ok(vec![f(&args[0])]),
        _ => unknown(name),
    })
}

/// The probes' parts that fail.
fn parts(probe: Json, f: fn(&Tensor) -> Tensor) -> Vec<String> {
    let found = outcome(&[probe], &json!([]), f);
    let mut parts: Vec<String> = ["values", "gradient", "jvp", "vmap"]
        .into_iter()
        .filter(|part| found.iter().any(|line| line.contains(&format!("({part})"))))
        .map(str::to_owned)
        .collect();
    parts.dedup();
    parts
}

#[test]
fn what_agrees_passes() {
    assert_eq!(outcome(&[twice()], &json!([]), |x| x * 2.0), [""; 0]);
}

#[test]
fn every_kind_of_difference_is_found() {
    assert_eq!(parts(twice(), |x| x * 2.0 + 0.001), ["values", "vmap"]);
    // A zero of the other sign, another dtype, and another shape.
    assert_eq!(parts(twice(), |x| x * 2.0 + 0.0), ["values", "vmap"]);
    assert!(parts(twice(), |x| (x * 2.0).cast(DType::F16)).contains(&"values".to_owned()));
    assert!(parts(twice(), |x| (x * 2.0).reshape([2, 1])).contains(&"values".to_owned()));
    assert_eq!(parts(twice(), |x| x * 2.0 - (x.stop_gradient() - x)), ["gradient", "jvp", "vmap"]);
    let mut probe = twice();
    probe["second_outs"] = json!(["f32[2] 40800000 40000000"]);
    assert_eq!(parts(probe, |x| x * 2.0), ["vmap"]);
}

#[test]
fn signs_of_zeros_and_last_bits_count_as_asked() {
    let mut probe = twice();
    probe["signs"] = json!(false);
    assert_eq!(parts(probe.clone(), |x| x * 2.0 + 0.0), [""; 0]);
    let almost = |x: &Tensor| x * 2.000_000_2;
    assert_eq!(parts(probe.clone(), almost), [""; 0]);
    probe["exact"] = json!(true);
    assert_eq!(parts(probe, almost), ["values", "vmap"]);
}

#[test]
fn unknown_names_empty_tables_and_idle_reasons_fail() {
    let mut probe = twice();
    probe["ours"] = json!("thrice");
    assert!(outcome(&[probe.clone()], &json!([]), |x| x * 2.0)[0].contains("knows no function"));
    probe["raises"] = json!("TypeError");
    assert!(outcome(&[probe], &json!([]), |x| x * 2.0)[0].contains("knows no function"));
    assert_eq!(outcome(&[], &json!([]), |x| x * 2.0), ["no probes"]);
    let reasons = json!([{ "probe": "twice", "part": "values", "why": "it rounds" }]);
    assert!(outcome(&[twice()], &reasons, |x| x * 2.0)[0].contains("no difference"));
    let found = outcome(&[twice()], &reasons, |x| x * 2.0 + 0.001);
    assert!(!found.is_empty() && found.iter().all(|line| line.contains("(vmap)")), "{found:?}");
}

#[test]
fn what_jax_refuses_must_be_an_error() {
    let probe = json!({ "name": "no", "ours": "twice", "settings": {}, "args": [], "raises": "TypeError" });
    let table = |ours: fn() -> Result<Vec<Tensor>>| {
        let table = json!({ "probes": [probe], "reasons": [] });
        failures(&table, &|_: &str, _: &[Tensor], _: &Settings<'_>| ours())
    };
    assert_eq!(table(|| Err(Error::msg("a wrong argument"))), [""; 0]);
    assert!(table(|| Ok(vec![]))[0].contains("raises"));
}
