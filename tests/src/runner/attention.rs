//! Functional cases of attention and its masks.

use flaxen::nn::{
    EinsumFn, combine_masks, dot_product_attention, dot_product_attention_weights, make_attention_mask,
    make_attention_mask_with, make_causal_mask,
};
use flaxen::prelude::*;
use flaxen::random;

use super::functional::{check_array, input};
use super::injected::{dot_general, doubled_einsum};
use super::{Stop, Verdict};
use crate::golden::Case;

/// Runs a case of attention: of `in/q`, `in/k`, `in/v`, `in/bias`, `in/mask` and `in/tokens`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    for name in case.group("out").into_keys() {
        let found = output(case, &name)?;
        check_array(case, &format!("out/{name}"), found)?;
    }
    Ok(String::new())
}

fn output(case: &Case, name: &str) -> Result<Tensor, Stop> {
    let input = |name| input(case, name);
    let attention_mask = || {
        let tokens = input("tokens")?.try_gt(0)?;
        Ok::<_, Stop>(make_attention_mask(&tokens, &tokens)?)
    };
    let causal_mask = || Ok::<_, Stop>(make_causal_mask(&input("tokens")?)?);
    Ok(match name {
        "attn_bias_mask" => dot_product_attention(&input("q")?, &input("k")?, &input("v")?)
            .bias(&input("bias")?)
            .mask(&input("mask")?)
            .run()?,
        "weights" => dot_product_attention_weights(&input("q")?, &input("k")?).run()?,
        "attn_precision" => {
            dot_product_attention(&input("q")?, &input("k")?, &input("v")?).precision("highest").run()?
        }
        "attn_injected_dot" => dot_product_attention(&input("q")?, &input("k")?, &input("v")?)
            .einsum_dot_general(dot_general("doubled_dot"))
            .run()?,
        "attn_injected_dot_precision" => dot_product_attention(&input("q")?, &input("k")?, &input("v")?)
            .precision("high")
            .einsum_dot_general(dot_general("precise_dot"))
            .run()?,
        "attn_injected_einsums" => dot_product_attention(&input("q")?, &input("k")?, &input("v")?)
            .einsums(EinsumFn::new(doubled_einsum), EinsumFn::new(doubled_einsum))
            .run()?,
        "weights_injected_dot" => dot_product_attention_weights(&input("q")?, &input("k")?)
            .einsum_dot_general(dot_general("doubled_dot"))
            .run()?,
        "weights_injected_einsum" => dot_product_attention_weights(&input("q")?, &input("k")?)
            .einsum(EinsumFn::new(doubled_einsum))
            .run()?,
        "attn_dropout" => {
            let text = case.expect()["dropout"].as_str().unwrap_or_default();
            let unsupported = || Stop::Unsupported(format!("the dropout `{text}`"));
            let (rate, seed, shared) = dropout(text).ok_or_else(unsupported)?;
            dot_product_attention(&input("q")?, &input("k")?, &input("v")?)
                .dropout(rate, &random::key(seed))
                .broadcast_dropout(shared)
                .run()?
        }
        "attention_mask" => attention_mask()?,
        "attention_mask_extra" => {
            let tokens = input("tokens")?.try_gt(0)?;
            let multiply = |query: &Tensor, key: &Tensor| query.try_mul(key);
            make_attention_mask_with(&tokens, &tokens, multiply, 1, DType::F32)?
        }
        "causal_mask" => causal_mask()?,
        "combined" => {
            let combined = combine_masks([Some(&attention_mask()?), None, Some(&causal_mask()?)])?;
            combined.ok_or_else(|| Stop::Failed("two masks combined to none".to_owned()))?
        }
        _ => return Err(Stop::Unsupported(format!("the function `{name}`"))),
    })
}

/// `rate .4, key(3), broadcast_dropout=True, deterministic=False`.
fn dropout(text: &str) -> Option<(f64, u64, bool)> {
    let (mut rate, mut seed, mut shared) = (None, None, true);
    for part in text.split(',').map(str::trim) {
        if let Some(number) = part.strip_prefix("rate ") {
            rate = number.parse().ok();
        } else if let Some(number) = part.strip_prefix("key(") {
            seed = number.trim_end_matches(')').parse().ok();
        } else if let Some(flag) = part.strip_prefix("broadcast_dropout=") {
            shared = flag == "True";
        } else if part != "deterministic=False" {
            return None;
        }
    }
    Some((rate?, seed?, shared))
}
