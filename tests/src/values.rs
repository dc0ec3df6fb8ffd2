//! Values and dicts for tests: from golden scenarios, and random ones.

use flaxen::variables::{Boxed, Partitioned};
use flaxen::{DType, Dict, Static, Tensor, Value};
use serde_json::Value as Json;

use crate::data::Data;

/// What Flax prints for an empty dict that is kept as a leaf.
const EMPTY_NODE: &str = "<empty_node>";

/// The value a scenario's result stands for: objects are dicts, lists tuples, whole numbers scalars, texts static data.
///
/// # Panics
/// If it holds anything else.
pub fn of_json(json: &Json) -> Value {
    match json {
        Json::Object(entries) => {
            Value::Dict(entries.iter().map(|(key, value)| (key.as_str(), of_json(value))).collect())
        }
        Json::Array(items) => items.iter().map(of_json).collect(),
        Json::String(text) if text == EMPTY_NODE => Dict::new().into(),
        Json::String(text) => Value::of(&Static(text.clone())),
        other => match other.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(number) => number.into(),
            None => panic!("{other} stands for no value"),
        },
    }
}

/// As [`of_json`], for an object.
///
/// # Panics
/// If it is none.
pub fn dict_of_json(json: &Json) -> Dict {
    match of_json(json) {
        Value::Dict(dict) => dict,
        other => panic!("{other} is no dict"),
    }
}

/// A nested dict of up to 3 entries a level: tensors of every dtype, dicts, tuples and partitioned values, and on request
/// data without tensors and trees of other types.
pub fn random_dict(data: &mut Data, depth: usize, any_tree: bool) -> Dict {
    let count = data.below(4);
    (0..count)
        .map(|_| (*data.pick(&["a", "b", "c", "Dense_0", "d/e"]), random_value(data, depth, any_tree)))
        .collect()
}

fn random_value(data: &mut Data, depth: usize, any_tree: bool) -> Value {
    let kind = if depth == 0 { data.below(2) } else { data.below(if any_tree { 8 } else { 6 }) };
    match kind {
        0 | 1 => random_tensor(data).into(),
        2 | 3 => random_dict(data, depth - 1, any_tree).into(),
        4 => (0..data.below(3)).map(|_| random_value(data, depth - 1, any_tree)).collect(),
        5 => Boxed::new(random_value(data, depth - 1, any_tree), Partitioned::new(["embed", ""])).into(),
        6 => Value::of(&Static(data.below(3))),
        _ => Value::of(&Some(random_value(data, depth - 1, any_tree))),
    }
}

fn random_tensor(data: &mut Data) -> Tensor {
    let shape: Vec<usize> = (0..data.below(3)).map(|_| data.below(4)).collect();
    let dtype = *data.pick(&DType::ALL);
    if dtype.is_float() {
        data.floats(&shape, -4.0, 4.0).cast(dtype)
    } else {
        data.integers(&shape, dtype, 0, 200)
    }
}
