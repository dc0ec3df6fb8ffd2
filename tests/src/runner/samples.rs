//! Cases of samples and raw initial values, bit for bit.

use flaxen::random::{self, Choice, Key};
use flaxen::{DType, Tensor};

use super::random::same;
use super::{Stop, Verdict};
use crate::golden::Case;

/// The sample that an array of the case was made by, with the key of the seed.
fn sample(name: &str, key: &Key, logits: &Tensor) -> Option<Tensor> {
    let number = |text: &str| text.parse::<f64>().ok();
    let (sampler, parameters) = name.split_once('_').unwrap_or((name, ""));
    let pair = || {
        let (low, high) = parameters.split_once('_')?;
        Some((number(low)?, number(high)?))
    };
    let rows = || Tensor::from([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]);
    Some(match name {
        "key" => key.data().clone(),
        "split2" => key.split_n(2).data().clone(),
        "split5" => key.split_n(5).data().clone(),
        "split_2x3" => key.split_n(6).data().reshape([2, 3, 2]),
        "bits8" => random::bits(key, [3, 5], 8).cast(DType::U32),
        "bits16" => random::bits(key, [3, 5], 16),
        "bits32" => random::bits(key, [3, 5], 32),
        "uniform_scalar" => random::uniform(key, []),
        "uniform" => random::uniform(key, [4, 7]),
        "normal" => random::normal(key, [5, 8]),
        "normal_scalar" => random::normal(key, []),
        "truncated_normal_-2_2" => random::truncated_normal(key, [5, 8], -2.0, 2.0),
        "truncated_normal_-0.5_1.5" => random::truncated_normal(key, [11], -0.5, 1.5),
        "randint_full" => random::randint(key, [5], i32::MIN, i32::MAX),
        "randint_0_10" => random::randint(key, [17], 0, 10),
        "randint_-100_1000" => random::randint(key, [3, 4], -100, 1000),
        "permutation_rows" => random::permute(key, rows(), 0),
        "permutation_independent" => random::permute_independently(key, rows(), 0),
        "gumbel" => random::gumbel(key, [4, 5]),
        "exponential" => random::exponential(key, [6]),
        "categorical" => random::categorical(key, logits, -1),
        "categorical_axis0" => random::categorical(key, logits, 0),
        "categorical_shape_3x6" => random::categorical_of(key, logits, -1, [3, 6]),
        "choice_replace" => Choice::below(10).sample(key, [6]),
        "choice_noreplace" => Choice::below(10).without_replacement().sample(key, [6]),
        "rademacher" => random::rademacher(key, [8]),
        _ if name.starts_with("fold_in_") => {
            let data: u32 = name["fold_in_".len()..].parse().ok()?;
            key.fold_in(data).data().clone()
        }
        _ if sampler == "uniform" => {
            let (low, high) = pair()?;
            random::uniform_in(key, [9], low, high)
        }
        _ if sampler == "bernoulli" => random::bernoulli(key, number(parameters)?, [4, 6]).cast(DType::U8),
        _ if sampler == "permutation" => random::permutation(key, number(parameters)? as usize),
        _ => return None,
    })
}

/// Runs a case of samples: `s<seed>/<sampler>`, each with the key of the seed.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let logits = logits(case)?;
    for seed in case.settings()["seeds"].as_array().into_iter().flatten() {
        let seed = seed.as_u64().ok_or_else(|| Stop::Unsupported(format!("the seed {seed}")))?;
        for (name, expected) in case.group(&format!("s{seed}")) {
            let what = format!("s{seed}/{name}");
            if name == "orthogonal_3" {
                let (q, r) = random::normal(&random::key(seed), [3, 3]).qr();
                let off = (q * r.diagonal().sign() - &expected).abs().max().item::<f32>()?;
                if off > 2e-7 {
                    return Err(Stop::Failed(format!("{what} is off by {off}")));
                }
                continue;
            }
            let found = sample(&name, &random::key(seed), &logits);
            let found = found.ok_or_else(|| Stop::Unsupported(format!("the sample `{name}`")))?;
            same(&what, &found, &expected)?;
        }
    }
    Ok(String::new())
}

/// The logits that categories are drawn by.
fn logits(case: &Case) -> Result<Tensor, Stop> {
    if case.has("logits") {
        Ok(case.array("logits"))
    } else {
        Err(Stop::Unsupported("no array `logits`".to_owned()))
    }
}
