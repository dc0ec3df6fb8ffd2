//! Cases of samples and raw initial values, bit for bit.

use std::str::FromStr;

use flaxen::random::{self, Choice, Key};
use flaxen::{DType, Tensor};

use super::random::same;
use super::{Stop, Verdict};
use crate::golden::Case;

/// The sample that an array of the case was made by: its sampler and parameters are in the name, its shape is the array's.
fn sample(name: &str, key: &Key, logits: Option<&Tensor>, expected: &Tensor) -> Option<Tensor> {
    let shape = expected.shape();
    let numbered = || Tensor::from_vec((0..expected.size() as i32).collect::<Vec<_>>(), shape);
    let after = |sampler: &str| name.strip_prefix(sampler);
    if let Some(data) = after("fold_in_") {
        return Some(key.fold_in(data.parse::<u32>().ok()?).data().clone());
    }
    if after("split").is_some() {
        return Some(key.split_n(expected.size() / 2).data().reshape(shape));
    }
    if let Some(width) = after("bits") {
        let width: usize = width.parse().ok()?;
        return Some(random::bits(key, shape, width as _).cast(DType::U32));
    }
    if let Some(parameters) = after("truncated_normal_") {
        let (low, high) = pair::<f64>(parameters)?;
        return Some(random::truncated_normal(key, low, high, shape));
    }
    if let Some(parameters) = after("randint_") {
        let (low, high) = if parameters == "full" { (i32::MIN, i32::MAX) } else { pair::<i32>(parameters)? };
        return Some(random::randint(key, shape, low, high));
    }
    if let Some(p) = after("bernoulli_") {
        return Some(random::bernoulli(key, p.parse::<f64>().ok()?, shape).cast(DType::U8));
    }
    if let Some(rest) = after("categorical") {
        let axis = rest.strip_prefix("_axis").map_or(Some(-1), |axis| axis.parse().ok())?;
        return Some(if rest.starts_with("_shape") {
            random::categorical_of(key, logits?, axis, shape)
        } else {
            random::categorical(key, logits?, axis)
        });
    }
    if let Some(parameters) = after("uniform_").filter(|rest| *rest != "scalar") {
        let (low, high) = pair::<f64>(parameters)?;
        return Some(random::uniform_in(key, shape, low, high));
    }
    Some(match name {
        "key" => key.data().clone(),
        "uniform" | "uniform_scalar" => random::uniform(key, shape),
        "normal" | "normal_scalar" => random::normal(key, shape),
        "permutation_rows" => random::permute(key, numbered(), 0),
        "permutation_independent" => random::permute_independently(key, numbered(), 0),
        "gumbel" => random::gumbel(key, shape),
        "exponential" => random::exponential(key, shape),
        "choice_replace" => Choice::below(10).sample(key, shape),
        "choice_noreplace" => Choice::below(10).without_replacement().sample(key, shape),
        "rademacher" => random::rademacher(key, shape),
        _ => random::permutation(key, after("permutation_")?.parse().ok()?),
    })
}

/// `LOW_HIGH`.
fn pair<T: FromStr>(parameters: &str) -> Option<(T, T)> {
    let (low, high) = parameters.split_once('_')?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

/// Runs a case of samples: `s<seed>/<sampler>`, each with the key of the seed.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let logits = case.has("logits").then(|| case.array("logits"));
    for seed in case.settings()["seeds"].as_array().into_iter().flatten() {
        let seed = seed.as_u64().ok_or_else(|| Stop::Unsupported(format!("the seed {seed}")))?;
        for (name, expected) in case.group(&format!("s{seed}")) {
            let what = format!("s{seed}/{name}");
            if name.starts_with("orthogonal_") {
                let (q, r) = random::normal(&random::key(seed), expected.shape()).qr();
                let off = (q * r.diagonal().sign() - &expected).abs().max().item::<f32>()?;
                if off.is_nan() || off > 2e-7 {
                    return Err(Stop::Failed(format!("{what} is off by {off}")));
                }
                continue;
            }
            let found = sample(&name, &random::key(seed), logits.as_ref(), &expected);
            let found = found.ok_or_else(|| Stop::Unsupported(format!("the sample `{name}`")))?;
            same(&what, &found, &expected)?;
        }
    }
    Ok(String::new())
}
