//! Nested dicts: flattening, surgery and what Flax's `FrozenDict` does.

use flaxen::prelude::*;
use flaxen::variables::{Flatten, Traversal};
use flaxen::{Static, Value};
use serde_json::{Value as Json, json};

use super::Scenarios;
use crate::values::{dict_of_json, of_json};

/// Runs the scenarios of trees.
pub fn run(all: &mut Scenarios<'_>) -> Result<()> {
    flattening(all)?;
    traversal(all)?;
    frozen(all)?;
    for (id, reason) in [
        ("flatten_non_dict", "only a dict has `flatten`"),
        ("frozen_setitem", "no dict can be assigned to"),
        ("frozen_inner_type", "there is one type of dict"),
        ("hash_equal", "tensors have no hash"),
    ] {
        all.impossible(id, reason);
    }
    Ok(())
}

/// Compares values: JSON has no text for them.
fn value(all: &mut Scenarios<'_>, id: &str, found: impl Into<Value>) {
    if let Some(expected) = all.expected(id) {
        let (found, is_same) = (found.into(), |found: &Value| *found == of_json(expected));
        let shown = if is_same(&found) { expected.clone() } else { json!(found.to_string()) };
        all.result(id, Ok(shown));
    }
}

fn flattening(all: &mut Scenarios<'_>) -> Result<()> {
    let dict = Dict::new().with("a/b", 1i32).with("a/c/d", 2i32).with("e", Dict::new()).with("f", 3i32);
    let bars = |flat: std::collections::BTreeMap<Vec<String>, Value>| -> Dict {
        flat.into_iter().map(|(path, value)| (path.join("|"), value)).collect()
    };
    let keeping = || Flatten::new().keep_empty_nodes();
    value(all, "flatten", bars(dict.flatten_keys()));
    value(all, "flatten_sep", Dict::from(dict.flatten("/")));
    value(all, "flatten_keep_empty", bars(keeping().run(&dict)));
    value(all, "flatten_keep_empty_sep", Dict::from(keeping().separator(".").run(&dict)?));
    let leaves = Flatten::new().is_leaf(|path, _| path == ["a", "c"]);
    value(all, "flatten_is_leaf", bars(leaves.run(&dict)));
    value(all, "flatten_empty_dict", bars(Dict::new().flatten_keys()));
    value(all, "flatten_empty_dict_keep", bars(keeping().run(&Dict::new())));
    all.result("roundtrip_keep_empty", Ok(json!(Dict::unflatten(keeping().run(&dict))? == dict)));
    value(all, "roundtrip_loses_empty", Dict::unflatten(dict.flatten_keys())?);
    value(all, "unflatten_sep", Dict::unflatten([("a/b", 1i32), ("c", 2)])?);
    Ok(())
}

fn traversal(all: &mut Scenarios<'_>) -> Result<()> {
    let dict = Dict::new().with("a/b", 1i32).with("c", 2i32).with("e", Dict::new());
    let named = dict.map_with_path(|path, value| {
        let text = format!("{}={}", path.join("/"), value.tensor()?.item::<i32>()?);
        Ok(Value::of(&Static(text)))
    })?;
    value(all, "path_aware_map", named);

    let model = Dict::new().with("Dense_0/kernel", 1i32).with("Dense_0/bias", 2i32);
    let kernels = Traversal::new(|path, _| path.contains("kernel"));
    value(all, "model_param_traversal", kernels.update(&model.with("kernel", 3i32), |x| Ok(x * 10))?);
    let everything = Traversal::new(|_, _| true);
    let paths: Vec<String> = everything.iter(&model).map(|(path, _)| path).collect();
    all.result("model_param_traversal_paths", Ok(json!(paths)));
    Ok(())
}

fn frozen(all: &mut Scenarios<'_>) -> Result<()> {
    let dict = Dict::from([("c", 2i32)]).with("a/b", 1i32);
    let frozen = |dict: &Dict| json!(format!("FrozenDict({dict})"));
    all.result("frozen_repr", Ok(frozen(&dict)));
    all.result("pretty_repr", Ok(frozen(&Dict::new().with("a/b", 1i32))));
    let same = dict_of_json(&json!({"a": {"b": 1}, "c": 2}));
    all.result("frozen_eq_dict", Ok(json!([dict == same, same.clone() == dict])));
    value(all, "core_copy", dict.extended([("z", 9i32)]));

    let pair = |(value, rest): (Value, Dict)| Value::from((rest, value));
    value(all, "frozen_pop", pair(Dict::from([("a", 1i32), ("c", 2)]).pop("a")?));
    value(all, "core_pop", pair(Dict::from([("params", 1i32), ("s", 2)]).pop("params")?));
    let missing = Dict::from([("s", 2i32)]).pop("params");
    all.result("core_pop_missing", missing.map(|_| Json::Null));

    let unordered = Dict::from([("b", 1i32), ("a", 2)]);
    let leaves = flaxen::tree::leaves(&unordered);
    let numbers = leaves.into_iter().map(Tensor::item::<i32>).collect::<Result<Vec<_>>>()?;
    // The scenario asks it of a dict and of a frozen dict, which are one type here.
    all.result("tree_leaves_order", Ok(json!([numbers, numbers])));
    Ok(())
}
