//! Nested dicts as flat maps, and back.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::variables::Flatten;
use flaxen_tests::data::Data;
use flaxen_tests::golden::Case;
use flaxen_tests::values::{dict_of_json, random_dict};

fn golden(id: &str) -> Dict {
    dict_of_json(&Case::load("tree_utils").scenario(id)["result"])
}

fn sample() -> Dict {
    Dict::new().with("a/b", 1i32).with("a/c/d", 2i32).with("e", Dict::new()).with("f", 3i32)
}

/// The form of the golden case: names joined by `|`.
fn bars(flat: BTreeMap<Vec<String>, Value>) -> Dict {
    flat.into_iter().map(|(path, value)| (path.join("|"), value)).collect()
}

#[test]
fn empty_dicts_are_left_out_unless_asked_for() {
    assert_eq!(bars(sample().flatten_keys()), golden("flatten"));
    assert_eq!(Dict::from(sample().flatten("/")), golden("flatten_sep"));
    let keeping = || Flatten::new().keep_empty_nodes();
    assert_eq!(bars(keeping().run(&sample())), golden("flatten_keep_empty"));
    assert_eq!(
        Dict::from(keeping().separator(".").run(&sample()).unwrap()),
        golden("flatten_keep_empty_sep")
    );
    assert_eq!(bars(Dict::new().flatten_keys()), golden("flatten_empty_dict"));
    assert_eq!(bars(keeping().run(&Dict::new())), golden("flatten_empty_dict_keep"));
}

#[test]
fn a_dict_can_be_a_leaf() {
    let flat = Flatten::new().is_leaf(|path, _| path == ["a", "c"]).run(&sample());
    assert_eq!(bars(flat), golden("flatten_is_leaf"));
    let flat = Flatten::new().is_leaf(|_, dict| dict.contains("d")).run(&sample());
    assert_eq!(bars(flat), golden("flatten_is_leaf"));
    let flat = Flatten::new().is_leaf(|_, _| true).run(&sample());
    assert_eq!(bars(flat), sample(), "one level, and the empty dict is a value like others");
}

#[test]
fn only_dicts_are_entered() {
    let dict = Dict::new().with("a/t", vec![Dict::from([("x", 1i32)])]);
    let flat = dict.flatten("/");
    assert_eq!(
        flat.into_iter().collect::<Vec<_>>(),
        [("a/t".to_owned(), vec![Dict::from([("x", 1i32)])].into())]
    );
}

#[test]
fn unflatten_is_the_inverse() {
    assert_eq!(Case::load("tree_utils").scenario("roundtrip_keep_empty")["result"], true);
    let kept = Flatten::new().keep_empty_nodes().run(&sample());
    assert_eq!(Dict::unflatten(kept), Ok(sample()));
    assert_eq!(Dict::unflatten(sample().flatten_keys()), Ok(golden("roundtrip_loses_empty")));
    assert_eq!(Dict::unflatten([("a/b", 1i32), ("c", 2)]), Ok(golden("unflatten_sep")));
    assert_eq!(Dict::unflatten_separated("-", [("a-b", 1i32), ("c", 2)]), Ok(golden("unflatten_sep")));
    assert_eq!(Dict::unflatten([("x", 1i32); 0]), Ok(Dict::new()));
}

#[test]
fn random_dicts_survive_the_way_there_and_back() {
    for seed in 0..300 {
        let dict = random_dict(&mut Data::new(seed), 3, true);
        let flat = Flatten::new().keep_empty_nodes().run(&dict);
        assert_eq!(Dict::unflatten(flat).unwrap(), dict, "{seed}");
        let joined = Flatten::new().keep_empty_nodes().separator(" : ").run(&dict).unwrap();
        assert_eq!(Dict::unflatten_separated(" : ", joined).unwrap(), dict, "{seed}");
    }
}

#[test]
fn names_with_the_separator_in_them_are_kept_apart_by_lists_of_names() {
    let dict = Dict::new().with(["u/v", "w"], 1i32).with(["u", "x"], 2i32);
    assert_eq!(Dict::unflatten(dict.flatten_keys()), Ok(dict.clone()));
    assert_eq!(dict.flatten("/").into_keys().collect::<Vec<_>>(), ["u/v/w", "u/x"]);
    let twice = dict.with(["u", "v", "w"], 3i32);
    let error = twice.try_flatten("/").unwrap_err().to_string();
    assert!(error.contains("two paths are written `u/v/w`"), "{error}");
    assert_eq!(twice.try_flatten(".").unwrap().len(), 3);
}

#[test]
fn conflicting_paths_are_errors_in_any_order() {
    let inside = |flat: [(&str, i32); 3]| Dict::unflatten(flat).unwrap_err().to_string();
    let expected = "`unflatten`: `a` has a value, so there cannot be a `a/b` inside it";
    assert_eq!(inside([("a", 1), ("a/b", 2), ("c", 3)]), expected);
    assert_eq!(inside([("c", 3), ("a/b", 2), ("a", 1)]), expected);
    assert_eq!(inside([("a", 1), ("b", 2), ("a", 1)]), "`unflatten`: `a` is given twice");
    let dicts = [("a", Value::from(Dict::new())), ("a/b", 1i32.into())];
    assert_eq!(Dict::unflatten(dicts).unwrap_err().to_string(), expected);
    assert!(Dict::unflatten([("", 1i32)]).is_err(), "an empty path");
    assert!(
        Dict::unflatten_separated("", [("ab", 1i32)]).unwrap_err().to_string().contains("separator is empty")
    );
}
