//! Cases of dtypes and parameters of samplers, bit for bit; `golden/scripts/prng_more.py` writes ours.

use flaxen::random::{self, Choice, Key};
use flaxen::{DType, Tensor};

use super::random::seed;
use super::{Stop, Verdict};
use crate::golden::{Case, difference};

fn dtype_of(name: &str) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| dtype.short_name() == name)
}

fn bound(text: &str, dtype: DType) -> Option<Tensor> {
    Some(Tensor::of(text.parse::<f64>().ok()?, dtype))
}

/// The sample that an array of the case was made by.
fn sample(case: &Case, key: &Key, name: &str) -> Option<Tensor> {
    let count = case.settings()["count"].as_u64()? as usize;
    let shape = [count / 4, 4];
    let matrix = || Tensor::from_vec((0..count as i32).collect::<Vec<_>>(), shape);
    let weighted = || Choice::below(8).weights(case.array("weights"));
    match name {
        "bits64" => return Some(random::bits(key, shape, 64)),
        "permute_1" => return Some(random::permute(key, matrix(), 1)),
        "permute_independently_0" => return Some(random::permute_independently(key, matrix(), 0)),
        "permute_independently_1" => return Some(random::permute_independently(key, matrix(), 1)),
        "choice_rows" => return Some(Choice::of(matrix(), 0).sample(key, [3, 2])),
        "choice_columns_distinct" => {
            return Some(Choice::of(matrix(), 1).without_replacement().sample(key, [2]));
        }
        "choice_weighted" => return Some(weighted().sample(key, shape)),
        "choice_weighted_distinct" => return Some(weighted().without_replacement().sample(key, [5])),
        _ => {}
    }
    let (name, dtype) = name.split_once('/')?;
    let dtype = dtype_of(dtype)?;
    let parameters = |sampler: &str| name.strip_prefix(sampler)?.strip_prefix('_')?.split_once('_');
    Some(match name {
        "uniform" => random::uniform_of(key, shape, dtype),
        "normal" => random::normal_of(key, shape, dtype),
        "gumbel" => random::gumbel_of(key, shape, dtype),
        "exponential" => random::exponential_of(key, shape, dtype),
        "laplace" => random::laplace_of(key, shape, dtype),
        "logistic" => random::logistic_of(key, shape, dtype),
        "bernoulli" => random::bernoulli(key, case.array("p").cast(dtype), shape),
        "categorical" => {
            let logits =
                Tensor::from_vec((0..12).map(|i| i as f32 / 4.0).collect::<Vec<_>>(), [3, 4]).cast(dtype);
            random::categorical_of(key, logits, 0, [count / 4, 4])
        }
        "uniform_bounds" => random::uniform_in(key, shape, case.array("low"), case.array("high") + 2),
        "truncated_normal_bounds" => {
            random::truncated_normal(key, case.array("low"), case.array("high") + 2, shape)
        }
        _ => {
            if let Some((low, high)) = parameters("uniform") {
                random::uniform_in(key, shape, bound(low, dtype)?, bound(high, dtype)?)
            } else if let Some((low, high)) = parameters("truncated_normal") {
                random::truncated_normal(key, bound(low, dtype)?, bound(high, dtype)?, shape)
            } else if let Some((low, high)) = parameters("randint") {
                random::randint_of(key, shape, low.parse::<i64>().ok()?, high.parse::<i64>().ok()?, dtype)
            } else {
                return None;
            }
        }
    })
}

/// JAX draws 0 only from ranges wider than U8: its span of 256 wraps to nothing. Ours draws all of U8.
fn is_degenerate_in_jax(name: &str) -> bool {
    name.ends_with("/u8")
        && ["2147483648", "4294967296", "4611686018427387904"].iter().any(|bound| name.contains(bound))
}

/// Runs a case of samplers, `<sampler>_<parameters>/<dtype>`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    let key = random::key(seed(case)?);
    let parameters = ["low", "high", "p", "weights"];
    let mut differences = Vec::new();
    for name in case.keys().filter(|name| !parameters.contains(name)) {
        let expected = case.array(name);
        if is_degenerate_in_jax(name) {
            continue;
        }
        let found = sample(case, &key, name);
        let found = found.ok_or_else(|| Stop::Unsupported(format!("the sample `{name}`")))?;
        if let Some(difference) = difference(&found, &expected) {
            differences.push(format!("{name} differs in {difference}"));
        }
    }
    if differences.is_empty() { Ok(String::new()) } else { Err(Stop::Failed(differences.join("; "))) }
}
