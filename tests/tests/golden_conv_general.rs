//! Convolutions and both their gradients give the numbers of `lax.conv_general_dilated`.
//!
//! `golden/scripts/conv_general.py` wrote them.

use flaxen::{ConvLayout, prelude::*};
use flaxen_tests::golden::{Case, assert_near};
use flaxen_tests::loss::golden_loss;
use serde_json::Value;

fn sizes(list: &Value) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

/// The operand that the script makes: multiples of 1/16, which make sums exact.
fn operand(shape: &[usize], seed: usize) -> Tensor {
    let number = |i: usize| (((i * i + 7 * i + 13 * seed) % 33) as f32 - 16.0) / 16.0;
    Tensor::from_vec((0..shape.iter().product()).map(number).collect::<Vec<f32>>(), shape)
}

fn options(case: &Value) -> ConvOptions {
    let pair = |pair: &Value| (pair[0].as_i64().unwrap() as isize, pair[1].as_i64().unwrap() as isize);
    let padding = match &case["padding"] {
        Value::String(name) if name == "VALID" => Padding::Valid,
        Value::String(name) if name == "SAME" => Padding::Same,
        Value::String(name) if name == "SAME_LOWER" => Padding::SameLower,
        pairs => Padding::Explicit(pairs.as_array().unwrap().iter().map(pair).collect()),
    };
    let first = case["channels_first"].as_bool().unwrap();
    ConvOptions::new()
        .strides(sizes(&case["strides"]))
        .padding(padding)
        .lhs_dilation(sizes(&case["lhs_dilation"]))
        .rhs_dilation(sizes(&case["rhs_dilation"]))
        .feature_groups(case["groups"].as_u64().unwrap() as usize)
        .layout(if first { ConvLayout::ChannelsFirst } else { ConvLayout::ChannelsLast })
}

#[test]
fn outputs_and_gradients_are_those_of_jax() {
    let golden = Case::load("conv_general");
    let near = |key: &str, found: &Tensor| assert_near(key, found, &golden.array(key), golden.tolerance());
    for case in golden.expect()["cases"].as_array().unwrap() {
        let operands = (operand(&sizes(&case["lhs"]), 1), operand(&sizes(&case["rhs"]), 2));
        let options = options(case);
        let key = |of: &str| format!("{of}/{}", case["i"]);
        let out = operands.0.try_conv_general(&operands.1, &options).unwrap();
        near(&key("out"), &out);
        let both = |(x, w): &(Tensor, Tensor)| golden_loss(&x.try_conv_general(w, &options)?);
        let (lhs, rhs) = grad(both)(&operands).unwrap();
        near(&key("grad/lhs"), &lhs);
        near(&key("grad/rhs"), &rhs);
    }
}
