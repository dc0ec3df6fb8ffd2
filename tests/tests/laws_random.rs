//! The laws for samplers: of their keys, and of their parameters.

use flaxen::random::{self, Choice, Key};
use flaxen::{DType, Result, Tensor};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

fn words(data: &mut Data) -> Tensor {
    Tensor::from([data.bits(), data.bits()])
}

/// A sampler as an operation on the data of its key.
fn of_key(name: &'static str, f: impl Fn(&Key) -> Result<Tensor> + 'static) -> Law {
    law(name, |data: &mut Data| vec![words(data)], move |args| f(&Key::from_data(&args[0])?)).dtypes([])
}

/// A sampler of the same key as an operation on its float parameters.
fn of_floats(
    name: &'static str,
    make: impl Fn(&mut Data) -> Vec<Tensor> + 'static,
    f: impl Fn(&Key, &[Tensor]) -> Result<Tensor> + 'static,
) -> Law {
    law(name, make, move |args| f(&random::key(5), args)).dtypes([])
}

#[test]
fn keys() {
    check([
        of_key("split", |key| Ok(key.try_split_n(3)?.data().clone())),
        of_key("one of a split", |key| Ok(key.try_split_n(3)?.try_at(-1)?.data().clone())),
        of_key("fold_in", |key| Ok(key.try_fold_in(7)?.data().clone())),
        law(
            "fold_in of a number",
            |data: &mut Data| vec![words(data), Tensor::from(data.bits())],
            |args| Ok(Key::from_data(&args[0])?.try_fold_in(&args[1])?.data().clone()),
        )
        .dtypes([]),
    ]);
}

#[test]
fn samples_of_any_key() {
    let weights = || Tensor::from([0.5f32, 0.0, 3.0, 1.0]);
    let matrix = || Tensor::from([[1, 2, 3], [4, 5, 6]]);
    let mut laws = vec![
        of_key("bits", |key| random::try_bits(key, [3], 32)),
        of_key("bits of two axes", |key| random::try_bits(key, [3, 2], 8)),
        of_key("bernoulli", |key| random::try_bernoulli(key, 0.3, [5])),
        of_key("randint", |key| random::try_randint(key, [5], -3, 12)),
        of_key("randint of 64 bits", |key| random::try_randint_of(key, [5], -3, 12, DType::I64)),
        of_key("rademacher", |key| random::try_rademacher(key, [5])),
        of_key("permutation", |key| random::try_permutation(key, 6)),
        of_key("permute", move |key| random::try_permute(key, matrix(), 1)),
        of_key("permute independently", move |key| random::try_permute_independently(key, matrix(), 0)),
        of_key("categorical", |key| random::try_categorical(key, [[0.0f32, 1.0], [2.0, 0.5]], 0)),
        of_key("choice", |key| Choice::below(5).try_sample(key, [2, 2])),
        of_key("choice without replacement", |key| {
            Choice::below(5).without_replacement().try_sample(key, [3])
        }),
        of_key("weighted choice", move |key| Choice::below(4).weights(weights()).try_sample(key, [3])),
        of_key("weighted choice without replacement", move |key| {
            Choice::below(4).weights(weights()).without_replacement().try_sample(key, [2])
        }),
    ];
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        laws.extend([
            of_key("uniform", move |key| random::try_uniform_of(key, [3, 2], dtype)),
            of_key("normal", move |key| random::try_normal_of(key, [3], dtype)),
            of_key("gumbel", move |key| random::try_gumbel_of(key, [3], dtype)),
            of_key("exponential", move |key| random::try_exponential_of(key, [3], dtype)),
            of_key("laplace", move |key| random::try_laplace_of(key, [], dtype)),
            of_key("logistic", move |key| random::try_logistic_of(key, [3], dtype)),
        ]);
    }
    check(laws);
}

#[test]
fn samples_as_functions_of_their_parameters() {
    let bounds = |data: &mut Data| vec![data.floats([3], -2.0, -0.5), data.floats([2, 1], 0.5, 2.0)];
    check([
        of_floats("uniform between bounds", bounds, |key, args| {
            random::try_uniform_in(key, [2, 3], &args[0], &args[1])
        }),
        of_floats("truncated normal", bounds, |key, args| {
            random::try_truncated_normal(key, &args[0], &args[1], [2, 3])
        })
        .tolerance(1e-5),
        of_floats(
            "bernoulli",
            |data: &mut Data| vec![data.floats([3], 0.0, 1.0)],
            |key, args| random::try_bernoulli(key, &args[0], [4, 3]),
        )
        .no_gradient(),
        of_floats(
            "permute",
            |data: &mut Data| vec![data.floats([3, 4], -1.0, 1.0)],
            |key, args| random::try_permute(key, &args[0], -1),
        ),
        of_floats(
            "permute independently",
            |data: &mut Data| vec![data.floats([3, 4], -1.0, 1.0)],
            |key, args| random::try_permute_independently(key, &args[0], 0),
        ),
        of_floats(
            "choice of rows",
            |data: &mut Data| vec![data.floats([3, 4], -1.0, 1.0)],
            |key, args| Choice::of(&args[0], 0).try_sample(key, [5]),
        ),
        of_floats(
            "categorical",
            |data: &mut Data| vec![data.floats([3, 4], -1.0, 1.0)],
            |key, args| random::try_categorical_of(key, &args[0], 1, [2, 3]),
        )
        .no_gradient(),
        law(
            "randint between bounds",
            |data: &mut Data| {
                vec![data.integers([3], DType::I32, -9, 0), data.integers([2, 1], DType::I32, 1, 9)]
            },
            |args| random::try_randint(&random::key(5), [2, 3], &args[0], &args[1]),
        )
        .dtypes([]),
    ]);
}
