//! Functions over dicts that know where they are, and surgery.

use flaxen::prelude::*;
use flaxen::variables::{Boxed, Partitioned, Traversal};
use flaxen_tests::golden::Case;
use flaxen_tests::values::dict_of_json;

fn golden(id: &str) -> serde_json::Value {
    Case::load("tree_utils").scenario(id)["result"].clone()
}

fn model() -> Dict {
    Dict::new().with("Dense_0/kernel", 1i32).with("Dense_0/bias", 2i32)
}

#[test]
fn a_map_is_told_the_names_and_keeps_empty_dicts() {
    let dict = Dict::new().with("a/b", 1i32).with("c", 2i32).with("e", Dict::new());
    let named = dict.map_with_path(|path, value| {
        let text = format!("{}={}", path.join("/"), value.tensor()?.item::<i32>()?);
        Ok(Value::of(&Static(text)))
    });
    assert_eq!(named.unwrap(), dict_of_json(&golden("path_aware_map")));
}

#[test]
fn a_map_over_variables_begins_with_the_collection() {
    let variables = Variables::from([("params", model()), ("state", Dict::from([("n", 5i32)]))]);
    let mut seen = vec![];
    let mapped = variables.map_with_path(|path, value| {
        seen.push(path.join("/"));
        Ok(if path[0] == "params" { Value::from(value.tensor()? * 10) } else { value.clone() })
    });
    assert_eq!(seen, ["params/Dense_0/bias", "params/Dense_0/kernel", "state/n"]);
    let scaled = model().map(|x| Ok(x * 10)).unwrap();
    assert_eq!(mapped.unwrap(), variables.with("params", &scaled));
    let all = variables.map(|x| Ok(x * 10)).unwrap();
    assert_eq!(all, Variables::from([("params", scaled), ("state", Dict::from([("n", 50i32)]))]));
}

#[test]
fn a_map_may_change_shapes_and_kinds() {
    let dict = Dict::from([("a", [1i32, 2])]);
    let pairs = dict.map_with_path(|_, value| Ok((value.clone(), value.tensor()?.sum()))).unwrap();
    assert_eq!(pairs["a"].tuple().unwrap().len(), 2);
}

#[test]
fn what_the_function_returns_as_error_comes_out() {
    let refuse = Err::<Value, _>(Error::msg("no"));
    assert_eq!(model().map_with_path(|_, _| refuse.clone()), Err(Error::msg("no")));
    assert_eq!(model().map(|_| Err(Error::msg("no"))), Err(Error::msg("no")));
    assert_eq!(model().update("Dense_0/bias", |_| refuse.clone()), Err(Error::msg("no")));
}

#[test]
fn a_traversal_changes_what_its_filter_accepts() {
    let kernels = Traversal::new(|path, _| path.contains("kernel"));
    let updated = kernels.update(&model().with("kernel", 3i32), |x| Ok(x * 10)).unwrap();
    assert_eq!(updated, dict_of_json(&golden("model_param_traversal")));
    let numbers: Vec<i32> =
        kernels.iter(&model()).map(|(_, x)| x.tensor().unwrap().item().unwrap()).collect();
    assert_eq!(numbers, [1]);
}

#[test]
fn a_traversal_names_paths_with_a_leading_slash() {
    let everything = Traversal::new(|_, _| true);
    let paths: Vec<String> = everything.iter(&model()).map(|(path, _)| path).collect();
    assert_eq!(serde_json::json!(paths), golden("model_param_traversal_paths"));
    let variables = Variables::from([("params", model())]);
    assert_eq!(everything.iter(&variables).next().unwrap().0, "/params/Dense_0/bias");
}

#[test]
fn a_traversal_goes_over_variables_and_into_tuples_and_boxes() {
    let boxed = Boxed::new(1i32, Partitioned::new([""]));
    let variables = Variables::from([("params", Dict::new().with("k", boxed).with("empty", Dict::new()))])
        .with("sown", Dict::from([("k", vec![Value::from(2i32), Value::from(3i32)])]));
    let updated: Variables =
        Traversal::new(|path, _| path.ends_with("/k")).update(&variables, |x| Ok(x * 10)).unwrap();
    assert_eq!(updated["params/k"], Boxed::new(10i32, Partitioned::new([""])).into());
    assert_eq!(updated["sown/k"], (20i32, 30i32).into());
    assert_eq!(updated["params/empty"], Dict::new().into(), "empty dicts stay");
}

#[test]
fn a_filter_may_look_at_the_value() {
    let dict = Dict::new().with("a", [1f32, 2.]).with("b", [[1f32, 2.]]);
    let matrices = Traversal::new(|_, value: &Value| value.as_tensor().is_some_and(|x| x.rank() == 2));
    assert_eq!(matrices.update(&dict, |x| Ok(x * 0.0)).unwrap(), dict.with("b", [[0f32, 0.]]));
}

#[test]
fn surgery_works_under_jit_and_grad() {
    let decay = |params: &Dict| {
        let kernels = Traversal::new(|path, _| path.ends_with("/kernel"));
        let squares =
            kernels.iter(params).map(|(_, x)| Ok(x.tensor()?.square().sum())).collect::<Result<Vec<_>>>()?;
        Ok(squares.into_iter().fold(Tensor::from(0f32), |a, b| a + b))
    };
    let params = Dict::new().with("Dense_0/kernel", [3f32, 4.]).with("Dense_0/bias", [5f32]);
    let expected = Dict::new().with("Dense_0/kernel", [6f32, 8.]).with("Dense_0/bias", [0f32]);
    assert_eq!(grad(decay)(&params).unwrap(), expected);
    assert_eq!(jit(|params: Dict| grad(decay)(&params)).call(params).unwrap(), expected);
}

#[test]
fn a_value_is_updated_at_its_path() {
    let updated = model().update("Dense_0/kernel", |x| Ok(x.tensor()? + 1)).unwrap();
    assert_eq!(updated, model().with("Dense_0/kernel", 2i32));
    assert!(matches!(model().update("Dense_1/kernel", |x| Ok(x.clone())), Err(Error::KeyNotFound { .. })));
    let variables = Variables::from([("params", model())]);
    let updated = variables.update("params/Dense_0", |_| Ok(Dict::new())).unwrap();
    assert_eq!(updated, Variables::from([("params", Dict::new().with("Dense_0", Dict::new()))]));
    let error = variables.update("params", |_| Ok(1i32)).unwrap_err();
    assert!(matches!(error, Error::InvalidVariables { .. }), "a collection is a dict: {error}");
}
