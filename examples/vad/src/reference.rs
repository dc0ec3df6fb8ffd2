//! What `data/reference.py` wrote, for the tests.

use serde_json::Value;

use crate::segments::Segment;

/// One of its parts.
pub fn of(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../data/reference.json")).unwrap();
    all[name].clone()
}

pub fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

pub fn segments(list: &Value) -> Vec<Segment> {
    let pair = |pair: &Value| (pair[0].as_u64().unwrap() as usize, pair[1].as_u64().unwrap() as usize);
    list.as_array().unwrap().iter().map(pair).collect()
}
