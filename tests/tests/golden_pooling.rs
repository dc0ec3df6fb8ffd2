//! Pooling gives the numbers of Flax, and its gradients those of JAX.

use flaxen::prelude::*;
use flaxen_tests::golden::{Case, assert_near};
use flaxen_tests::loss::golden_loss;
use serde_json::Value;

fn sizes(list: &Value) -> Vec<usize> {
    list.as_array().into_iter().flatten().map(|size| size.as_u64().unwrap() as usize).collect()
}

fn padding(of: &Value) -> Padding {
    let pairs = match of {
        Value::Null => return Padding::Valid,
        Value::String(name) if name == "SAME" => return Padding::Same,
        Value::String(name) if name == "VALID" => return Padding::Valid,
        pairs => pairs.as_array().unwrap(),
    };
    let pair = |pair: &Value| (pair[0].as_i64().unwrap() as isize, pair[1].as_i64().unwrap() as isize);
    Padding::Explicit(pairs.iter().map(pair).collect())
}

fn pool(function: &str, arguments: &Value, x: &Tensor) -> Result<Tensor> {
    let known = ["window_shape", "strides", "padding", "count_include_pad"];
    assert!(arguments.as_object().unwrap().keys().all(|key| known.contains(&&key[..])), "{arguments}");
    let (window, strides) = (sizes(&arguments["window_shape"]), sizes(&arguments["strides"]));
    let padding = padding(&arguments["padding"]);
    let count = arguments["count_include_pad"].as_bool();
    match function {
        "avg_pool" => avg_pool(x, window)
            .strides(strides)
            .padding(padding)
            .count_include_pad(count.unwrap_or(true))
            .run(),
        "max_pool" => max_pool(x, window).strides(strides).padding(padding).run(),
        "min_pool" => min_pool(x, window).strides(strides).padding(padding).run(),
        other => panic!("{other}"),
    }
}

#[test]
fn outputs_and_gradients_are_those_of_flax() {
    let golden = Case::load("pooling");
    let near = |key: &str, found: &Tensor| assert_near(key, found, &golden.array(key), golden.tolerance());
    for case in golden.expect()["cases"].as_array().unwrap() {
        let x = golden.array(&format!("in/{}", case["input"].as_str().unwrap()));
        let run = |x: &Tensor| pool(case["fn"].as_str().unwrap(), &case["kwargs"], x);
        near(&format!("out/{}", case["i"]), &run(&x).unwrap());
        let gradient = grad(|x: &Tensor| golden_loss(&run(x)?))(&x).unwrap();
        near(&format!("grad/{}", case["i"]), &gradient);
    }
}
