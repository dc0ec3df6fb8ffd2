//! The formulas of the initialisers over raw samples, against real Flax, bit for bit.

use flaxen::Tensor;
use flaxen::random::{self, Key};
use flaxen_tests::golden::{Case, assert_same};

/// Which axes of a shape are inputs, outputs and batch.
struct Axes {
    inputs: Vec<usize>,
    output: usize,
    batch: Vec<usize>,
}

impl Axes {
    fn last_two(rank: usize) -> Axes {
        Axes { inputs: vec![rank - 2], output: rank - 1, batch: Vec::new() }
    }

    fn fans(&self, shape: &[usize]) -> (f64, f64) {
        let size = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>() as f64;
        let (inputs, output) = (size(&self.inputs), size(&[self.output]));
        let all = shape.iter().product::<usize>() as f64;
        let field = all / (inputs * output * size(&self.batch));
        (inputs * field, output * field)
    }
}

/// Samples with the variance `scale` over the number of units that `mode` says.
fn variance_scaling(
    key: &Key,
    shape: &[usize],
    axes: &Axes,
    scale: f64,
    mode: &str,
    distribution: &str,
) -> Tensor {
    /// The standard deviation of the normal distribution truncated to [−2, 2].
    const TRUNCATED: f32 = 0.879_625_66;
    let (fan_in, fan_out) = axes.fans(shape);
    let denominator = match mode {
        "fan_in" => fan_in,
        "fan_out" => fan_out,
        "fan_avg" => f64::midpoint(fan_in, fan_out),
        "fan_geo_avg" => (fan_in * fan_out).sqrt(),
        other => panic!("no mode {other}"),
    };
    let variance = (scale / denominator) as f32;
    match distribution {
        "truncated_normal" => random::truncated_normal(key, shape, -2.0, 2.0) * (variance.sqrt() / TRUNCATED),
        "normal" => random::normal(key, shape) * variance.sqrt(),
        "uniform" => random::uniform_in(key, shape, -1.0, 1.0) * (3.0 * variance).sqrt(),
        other => panic!("no distribution {other}"),
    }
}

fn initial(name: &str, key: &Key, shape: &[usize]) -> Tensor {
    let scaled = |scale, mode, distribution| {
        variance_scaling(key, shape, &Axes::last_two(shape.len()), scale, mode, distribution)
    };
    match name {
        "lecun_normal" => scaled(1.0, "fan_in", "truncated_normal"),
        "lecun_uniform" => scaled(1.0, "fan_in", "uniform"),
        "he_normal" | "kaiming_normal" => scaled(2.0, "fan_in", "truncated_normal"),
        "he_uniform" => scaled(2.0, "fan_in", "uniform"),
        "glorot_normal" => scaled(1.0, "fan_avg", "truncated_normal"),
        "glorot_uniform" | "xavier_uniform" => scaled(1.0, "fan_avg", "uniform"),
        "embed_default" => {
            let axes = Axes { inputs: vec![0], output: 0, batch: Vec::new() };
            variance_scaling(key, shape, &axes, 1.0, "fan_in", "normal")
        }
        "lecun_normal_in_axis_(0,1)_batch2" => {
            let axes = Axes { inputs: vec![0, 1], output: 3, batch: vec![2] };
            variance_scaling(key, shape, &axes, 1.0, "fan_in", "truncated_normal")
        }
        "normal_default" => random::normal(key, shape) * 0.01,
        "normal_0.3" => random::normal(key, shape) * 0.3,
        "uniform_default" => random::uniform(key, shape) * 0.01,
        "uniform_2" => random::uniform(key, shape) * 2.0,
        "truncated_normal_default" => random::truncated_normal(key, shape, -2.0, 2.0) * 0.01,
        "truncated_normal_0.5_-1_3" => random::truncated_normal(key, shape, -1.0, 3.0) * 0.5,
        "constant_0.7" => Tensor::full(shape, 0.7f32),
        "zeros" => Tensor::zeros(shape),
        "ones" => Tensor::ones(shape),
        _ => {
            let rest = name.strip_prefix("variance_scaling_1.5_").expect("the name of an initialiser");
            let mode = ["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
                .into_iter()
                .find(|mode| rest.strip_prefix(mode).is_some_and(|rest| rest.starts_with('_')))
                .expect("the mode of an initialiser");
            scaled(1.5, mode, &rest[mode.len() + 1..])
        }
    }
}

#[test]
fn every_initialiser_has_the_bits_of_flax() {
    let case = Case::load("initializers");
    let key = random::key(case.settings()["seed"].as_u64().expect("a seed"));
    for (name, expected) in case.group("out") {
        let (name, shape) = name.rsplit_once('/').expect("a name and a shape");
        let shape: Vec<usize> = shape.split('x').map(|size| size.parse().expect("a size")).collect();
        match name {
            // A decomposition rounds otherwise than LAPACK's.
            "orthogonal" => assert_close(name, &orthogonal(&key, &shape, -1), &expected),
            "orthogonal_2_col0" => assert_close(name, &(orthogonal(&key, &shape, 0) * 2.0), &expected),
            "delta_orthogonal" => assert_close(name, &delta_orthogonal(&key, &shape), &expected),
            _ => assert_same(name, &initial(name, &key, &shape), &expected),
        }
    }
}

/// Orthonormal columns along an axis: `Q · sign(diag R)` of a normal matrix.
fn orthogonal(key: &Key, shape: &[usize], column_axis: isize) -> Tensor {
    let mut rest = shape.to_vec();
    let columns = rest.remove(column_axis.rem_euclid(shape.len() as isize) as usize);
    let rows: usize = rest.iter().product();
    let (q, r) = random::normal(key, [rows.max(columns), rows.min(columns)]).qr();
    let q = q * r.diagonal().sign();
    let q = if rows < columns { q.t() } else { q };
    rest.push(columns);
    q.reshape(rest).move_axis(-1, column_axis)
}

/// Zeros but for the middle tap, which is orthogonal.
fn delta_orthogonal(key: &Key, shape: &[usize]) -> Tensor {
    let (taps, matrix) = shape.split_at(shape.len() - 2);
    let before_and_after: Vec<(usize, usize)> =
        taps.iter().map(|&k| ((k - 1) / 2, k / 2)).chain([(0, 0), (0, 0)]).collect();
    let middle = orthogonal(key, matrix, -1);
    middle.reshape([vec![1; taps.len()], matrix.to_vec()].concat()).pad(&before_and_after, 0.0)
}

fn assert_close(name: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape(), "{name}");
    let worst = (found - expected).abs().max().item::<f32>().expect("a number");
    assert!(worst <= 2.5e-7, "{name}: off by {worst}");
}
