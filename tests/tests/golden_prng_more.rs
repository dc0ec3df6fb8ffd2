//! Dtypes and parameters of samplers against real JAX, bit for bit; `golden/scripts/prng_more.py` writes the case.

use flaxen::random::{self, Choice, Key};
use flaxen::{DType, Tensor};
use flaxen_tests::golden::{Case, difference, numbers_of};

fn dtype_of(name: &str) -> DType {
    DType::ALL.into_iter().find(|dtype| dtype.short_name() == name).expect("the short name of a dtype")
}

fn bound(text: &str, dtype: DType) -> Tensor {
    Tensor::from(text.parse::<f64>().expect("a number in the name of an array")).cast(dtype)
}

/// The sample that an array of the case was made by.
fn sample(case: &Case, key: &Key, name: &str) -> Tensor {
    let count = case.settings()["count"].as_u64().expect("a count") as usize;
    let shape = [count / 4, 4];
    let matrix = || Tensor::from_vec((0..count as i32).collect::<Vec<_>>(), shape);
    let weighted = || Choice::below(8).weights(case.array("weights"));
    match name {
        "bits64" => return random::bits(key, shape, 64),
        "permute_1" => return random::permute(key, matrix(), 1),
        "permute_independently_0" => return random::permute_independently(key, matrix(), 0),
        "permute_independently_1" => return random::permute_independently(key, matrix(), 1),
        "choice_rows" => return Choice::of(matrix(), 0).sample(key, [3, 2]),
        "choice_columns_distinct" => return Choice::of(matrix(), 1).without_replacement().sample(key, [2]),
        "choice_weighted" => return weighted().sample(key, shape),
        "choice_weighted_distinct" => return weighted().without_replacement().sample(key, [5]),
        _ => {}
    }
    let (name, dtype) = name.split_once('/').expect("a sampler and a dtype");
    let dtype = dtype_of(dtype);
    let parameters = |sampler: &str| name.strip_prefix(sampler)?.strip_prefix('_')?.split_once('_');
    match name {
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
            random::truncated_normal(key, shape, case.array("low"), case.array("high") + 2)
        }
        _ => {
            if let Some((low, high)) = parameters("uniform") {
                random::uniform_in(key, shape, bound(low, dtype), bound(high, dtype))
            } else if let Some((low, high)) = parameters("truncated_normal") {
                random::truncated_normal(key, shape, bound(low, dtype), bound(high, dtype))
            } else if let Some((low, high)) = parameters("randint") {
                let bound = |text: &str| text.parse::<i64>().expect("an integer in the name of an array");
                random::randint_of(key, shape, bound(low), bound(high), dtype)
            } else {
                panic!("no sampler for the array `{name}`")
            }
        }
    }
}

/// How far from JAX's numbers a sample may be, relatively: 0 means bit for bit.
///
/// In F64 our logarithms and inverse error function are not XLA's, JAX rounds some F16 samplers in between, and our error
/// function, which truncation at bounds of a tensor takes, is another polynomial than XLA's.
fn allowed(name: &str) -> f64 {
    let rounded = ["gumbel", "exponential", "laplace", "logistic", "normal", "truncated_normal"];
    let (sampler, dtype) = name.split_once('/').unwrap_or((name, ""));
    let composed = rounded.iter().any(|known| sampler.starts_with(known));
    match dtype {
        "f64" if composed => 1e-13,
        "f16" if composed => 2.0 / 1024.0,
        _ if sampler == "truncated_normal_bounds" => 1e-5,
        _ => 0.0,
    }
}

/// JAX draws 0 only from ranges wider than U8: its span of 256 wraps to nothing. Ours draws all of U8.
fn is_degenerate_in_jax(name: &str) -> bool {
    name.ends_with("/u8")
        && ["2147483648", "4294967296", "4611686018427387904"].iter().any(|bound| name.contains(bound))
}

#[test]
fn every_sample_of_every_dtype_has_the_bits_of_jax() {
    let case = Case::load("prng_more");
    let key = random::key(case.settings()["seed"].as_u64().expect("a seed"));
    let parameters = ["low", "high", "p", "weights"];
    let differences: Vec<String> = case
        .keys()
        .filter(|name| !parameters.contains(name) && !is_degenerate_in_jax(name))
        .filter_map(|name| {
            let (found, expected) = (sample(&case, &key, name), case.array(name));
            let difference = difference(&found, &expected)?;
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= allowed(name) * b.abs();
            let is_near = found.aval() == expected.aval()
                && numbers_of(&found).iter().zip(&numbers_of(&expected)).all(near);
            (!is_near).then(|| format!("{name}: {difference}"))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
