//! The crate's initializers against real Flax, bit for bit.

use flaxen::init::{self, Distribution, FanMode, VarianceScaling};
use flaxen::prelude::*;
use flaxen_tests::golden::{Case, assert_same};

fn initializer(name: &str) -> Initializer {
    match name {
        "lecun_normal" => init::lecun_normal(),
        "lecun_uniform" => init::lecun_uniform(),
        "he_normal" => init::he_normal(),
        "kaiming_normal" => init::kaiming_normal(),
        "he_uniform" => init::he_uniform(),
        "glorot_normal" => init::glorot_normal(),
        "glorot_uniform" => init::glorot_uniform(),
        "xavier_uniform" => init::xavier_uniform(),
        "embed_default" => VarianceScaling::new(1.0, FanMode::FanIn, Distribution::Normal).out_axis(0).into(),
        "lecun_normal_in_axis_(0,1)_batch2" => {
            VarianceScaling::lecun_normal().in_axis([0, 1]).batch_axis(2).into()
        }
        "normal_default" => init::normal(0.01),
        "normal_0.3" => init::normal(0.3),
        "uniform_default" => init::uniform(0.01),
        "uniform_2" => init::uniform(2.0),
        "truncated_normal_default" => init::truncated_normal(0.01, -2.0, 2.0),
        "truncated_normal_0.5_-1_3" => init::truncated_normal(0.5, -1.0, 3.0),
        "constant_0.7" => init::constant(0.7),
        "zeros" => init::zeros(),
        "ones" => init::ones(),
        "orthogonal" => init::orthogonal(1.0, -1),
        "orthogonal_2_col0" => init::orthogonal(2.0, 0),
        "delta_orthogonal" => init::delta_orthogonal(1.0, -1),
        _ => scaling(name),
    }
}

/// `variance_scaling_1.5_MODE_DISTRIBUTION`.
fn scaling(name: &str) -> Initializer {
    let modes = [
        ("fan_in_", FanMode::FanIn),
        ("fan_out_", FanMode::FanOut),
        ("fan_avg_", FanMode::FanAvg),
        ("fan_geo_avg_", FanMode::FanGeoAvg),
    ];
    let rest = name.strip_prefix("variance_scaling_1.5_").expect("the name of an initializer");
    let mode = modes.into_iter().find_map(|(text, mode)| Some((rest.strip_prefix(text)?, mode)));
    let (distribution, mode) = mode.expect("the mode of an initializer");
    let distribution = match distribution {
        "truncated_normal" => Distribution::TruncatedNormal,
        "normal" => Distribution::Normal,
        "uniform" => Distribution::Uniform,
        other => panic!("no distribution {other}"),
    };
    init::variance_scaling(1.5, mode, distribution)
}

#[test]
fn every_initializer_has_the_bits_of_flax() {
    let case = Case::load("initializers");
    let key = key(case.settings()["seed"].as_u64().expect("a seed"));
    for (name, expected) in case.group("out") {
        let (name, shape) = name.rsplit_once('/').expect("a name and a shape");
        let shape: Vec<usize> = shape.split('x').map(|size| size.parse().expect("a size")).collect();
        let found = initializer(name).tensor(&key, &shape, DType::F32).expect("an initial value");
        if name.contains("orthogonal") {
            // A decomposition rounds otherwise than LAPACK's.
            assert_eq!(found.shape(), expected.shape(), "{name}");
            let worst = (found - &expected).abs().max().item::<f32>().expect("a number");
            assert!(worst <= 2.5e-7, "{name}: off by {worst}");
        } else {
            assert_same(name, &found, &expected);
        }
    }
}

#[test]
fn parameters_are_drawn_in_their_own_dtype() -> Result<()> {
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        for initializer in [
            init::lecun_normal(),
            init::he_uniform(),
            init::normal(0.1),
            init::uniform(0.1),
            init::truncated_normal(0.1, -1.0, 1.0),
            init::constant(0.1),
            init::orthogonal(1.0, -1),
            init::zeros(),
        ] {
            let value = initializer.tensor(&key(0), &[4, 3], dtype)?;
            assert_eq!((value.shape(), value.dtype()), (&[4, 3][..], dtype), "{initializer:?}");
        }
    }
    Ok(())
}

#[test]
fn any_distribution_of_rand_is_an_initializer() -> Result<()> {
    use ndarray_rand::rand_distr::{Exp, Uniform};
    let exponential = init::from_distribution(Exp::new(2.0f32).expect("a rate"));
    let value = exponential.tensor(&key(3), &[1000], DType::F32)?;
    assert!((value.mean().item::<f32>()? - 0.5).abs() < 0.05);
    assert_eq!(value.to_vec::<f32>()?, exponential.tensor(&key(3), &[1000], DType::F32)?.to_vec::<f32>()?);
    let uniform = init::from_distribution(Uniform::new(-1.0f64, 1.0).expect("bounds"));
    assert_eq!(uniform.tensor(&key(0), &[2, 2], DType::F64)?.dtype(), DType::F64);
    Ok(())
}

#[test]
fn shapes_without_inputs_and_outputs_are_refused() {
    let refused = |initializer: Initializer, shape: &[usize], text: &str| {
        let error = initializer.tensor(&key(0), shape, DType::F32).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(init::lecun_normal(), &[3], "at least two axes");
    refused(VarianceScaling::lecun_normal().in_axis(2).into(), &[3, 2], "axis 2");
    refused(init::orthogonal(1.0, -1), &[3], "at least two axes");
    refused(init::delta_orthogonal(1.0, -1), &[3, 3], "one to three spatial axes");
    refused(init::delta_orthogonal(1.0, -1), &[3, 4, 2], "no more inputs than outputs, found 4 and 2");
}
