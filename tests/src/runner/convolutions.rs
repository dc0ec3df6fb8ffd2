//! Functional cases of `lax.conv_general_dilated`, with both gradients; `golden/scripts/conv_general.py` writes them.

use flaxen::{ConvLayout, prelude::*};
use serde_json::Value as Json;

use super::functional::check_array;
use super::pooling::{padding, sizes};
use super::{Stop, Verdict};
use crate::golden::Case;
use crate::loss::golden_loss;

/// Runs a case of convolutions.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    for row in case.expect()["cases"].as_array().into_iter().flatten() {
        let unsupported = || Stop::Unsupported(format!("the convolution {row}"));
        let (lhs, rhs) = (sizes(&row["lhs"]), sizes(&row["rhs"]));
        let (lhs, rhs) = lhs.zip(rhs).ok_or_else(unsupported)?;
        let options = options(row).ok_or_else(unsupported)?;
        let operands = (operand(&lhs, 1), operand(&rhs, 2));
        let key = |of: &str| format!("{of}/{}", row["i"]);
        check_array(case, &key("out"), operands.0.try_conv_general(&operands.1, &options)?)?;
        let both = |(x, w): &(Tensor, Tensor)| golden_loss(&x.try_conv_general(w, &options)?);
        let (lhs, rhs) = grad(both)(&operands)?;
        check_array(case, &key("grad/lhs"), lhs)?;
        check_array(case, &key("grad/rhs"), rhs)?;
    }
    Ok(String::new())
}

/// The operand that the script makes: multiples of 1/16, which make sums exact.
fn operand(shape: &[usize], seed: usize) -> Tensor {
    let number = |i: usize| (((i * i + 7 * i + 13 * seed) % 33) as f32 - 16.0) / 16.0;
    Tensor::from_vec((0..shape.iter().product()).map(number).collect::<Vec<f32>>(), shape)
}

fn options(row: &Json) -> Option<ConvOptions> {
    let layout =
        if row["channels_first"].as_bool()? { ConvLayout::ChannelsFirst } else { ConvLayout::ChannelsLast };
    let options = ConvOptions::new()
        .strides(sizes(&row["strides"])?)
        .padding(padding(&row["padding"])?)
        .lhs_dilation(sizes(&row["lhs_dilation"])?)
        .rhs_dilation(sizes(&row["rhs_dilation"])?)
        .feature_groups(row["groups"].as_u64()? as usize)
        .layout(layout);
    Some(options)
}
