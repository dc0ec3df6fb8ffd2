//! Operations as StableHLO text, run by jaxlib, give what they give on the CPU: at the edges of dtypes, of shapes, and of what is defined.

use flaxen::core::Backend;
use flaxen::prelude::*;
use flaxen::scalar::op::{Gives, ScalarOp};
use flaxen_tests::jaxlib::jaxlib;
use flaxen_tests::numbers::Numbers;

/// Compares what a function gives on another backend with what it gives here: integers exactly, floats up to a tolerance relative to each.
fn differences<F>(
    name: &str,
    backend: &'static dyn Backend,
    args: &[Tensor],
    tolerance: f64,
    f: F,
) -> Vec<String>
where
    F: Fn(Vec<Tensor>) -> Result<Vec<Tensor>>,
{
    let expected = jit(&f).call(args.to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let found = match jit(&f).on(backend).call(args.to_vec()) {
        Ok(found) => found,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let mut all = Vec::new();
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        if found.dtype() != expected.dtype() || found.shape() != expected.shape() {
            all.push(format!("{name} {at}: {} instead of {}", found.aval(), expected.aval()));
            continue;
        }
        for (i, (x, y)) in elements(found).into_iter().zip(elements(expected)).enumerate() {
            let is_same = x == y || (x.is_nan() && y.is_nan());
            let is_near = expected.dtype().is_inexact() && (x - y).abs() <= tolerance * (y.abs() + 1e-3);
            if !is_same && !is_near {
                all.push(format!("{name}, result {at}, element {i}: {x:e} instead of {y:e}"));
            }
        }
    }
    all
}

/// Real parts, then imaginary ones.
fn elements(x: &Tensor) -> Vec<f64> {
    if x.dtype().is_complex() {
        return [elements(&x.real()), elements(&x.imag())].concat();
    }
    Numbers::of(x).unwrap().data
}

#[track_caller]
fn none(differences: Vec<String>) {
    let shown: Vec<&String> = differences.iter().take(60).collect();
    assert!(differences.is_empty(), "{} differences:\n{shown:#?}", differences.len());
}

/// Numbers at which functions change their formulas or end.
const FLOATS: [f64; 31] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.0,
    0.1,
    -0.3,
    0.84,
    0.9,
    1.2,
    2.9,
    5.0,
    -7.25,
    9.5,
    12.0,
    -15.5,
    20.0,
    30.0,
    55.0,
    1e-3,
    -1e-6,
    100.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    2.0,
];

fn accuracy(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-12,
        DType::F32 | DType::C64 => 3e-6,
        DType::F16 => 2e-3,
        _ => 1.6e-2,
    }
}

/// All pairs of numbers, as two tensors.
fn pairs(numbers: &[f64], dtype: DType) -> [Tensor; 2] {
    let n = numbers.len();
    let all = Tensor::from_vec(numbers, [n]).cast(dtype);
    [all.clone().reshape([n, 1]).broadcast_to([n, n]), all.reshape([1, n]).broadcast_to([n, n])]
}

/// Functions whose results change their sign or size without bound near some of the numbers, so that a rounding of the argument shows.
fn is_steep(op: ScalarOp) -> bool {
    matches!(op, ScalarOp::Tan | ScalarOp::Rem | ScalarOp::RandomGammaGrad | ScalarOp::IgammaGradA)
}

#[test]
fn functions_of_floats_at_edges() {
    let Some(jaxlib) = jaxlib() else { return };
    let mut all = Vec::new();
    for dtype in [DType::F64, DType::F32, DType::BF16, DType::F16] {
        let x = Tensor::from_vec(FLOATS, [FLOATS.len()]).cast(dtype);
        for &op in ScalarOp::ALL.iter().filter(|op| op.takes().contains(dtype) && op.gives() != Gives::Asked)
        {
            if op.gives() == Gives::Complex {
                continue;
            }
            let tolerance = accuracy(dtype) * if is_steep(op) { 100.0 } else { 4.0 };
            let args = match op.arity() {
                1 => vec![x.clone()],
                2 => pairs(&FLOATS, dtype).to_vec(),
                _ => {
                    let [a, b] = pairs(&[0.0, 0.5, 1.0, 2.5, f64::INFINITY, f64::NAN], dtype);
                    let c = Tensor::from([0.0, 0.3, 0.7, 1.0, -1.0, f64::NAN]).cast(dtype);
                    match op {
                        ScalarOp::Select => vec![a.gt(&b), a, b],
                        _ => vec![a, b, c.broadcast_to([6, 6])],
                    }
                }
            };
            all.extend(differences(&format!("{op} of {dtype}"), jaxlib, &args, tolerance, |args| {
                Ok(vec![op.apply(args)?])
            }));
        }
    }
    none(all);
}

#[test]
fn functions_of_integers_and_booleans_at_edges() {
    let Some(jaxlib) = jaxlib() else { return };
    let mut all = Vec::new();
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_inexact()) {
        let numbers =
            [0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 7.0, 31.0, 32.0, 63.0, 64.0, 127.0, -128.0, 255.0, 1e20, -1e20];
        let [x, y] = pairs(&numbers, dtype);
        let z = x.flip([0]);
        let ops = ScalarOp::ALL.iter().filter(|op| op.takes().contains(dtype) && op.gives() != Gives::Asked);
        for &op in ops {
            let args = match op {
                ScalarOp::Select => vec![x.ne(&y), x.clone(), z.clone()],
                // Powers of what is not small wrap around, and take long in a loop over the exponent.
                _ => [x.clone(), y.clone(), z.clone()][..op.arity()].to_vec(),
            };
            all.extend(differences(&format!("{op} of {dtype}"), jaxlib, &args, 0.0, |args| {
                Ok(vec![op.apply(args)?])
            }));
        }
    }
    none(all);
}

#[test]
fn signs_of_zeros_are_those_of_the_cpu() {
    let Some(jaxlib) = jaxlib() else { return };
    let mut all = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        let [x, y] = pairs(&[0.0, -0.0, 1.0, -1.0], dtype);
        all.extend(differences(&format!("zeros of {dtype}"), jaxlib, &[x, y], 0.0, |args| {
            let [x, y] = [&args[0], &args[1]];
            let made = [x.maximum(y), x.minimum(y), x.relu(), -x, x.abs(), x.sign(), x.floor(), x.trunc()];
            Ok(made.iter().map(|z| 1.0 / z).collect())
        }));
    }
    none(all);
}

#[test]
fn casts_saturate_wrap_and_round_as_on_the_cpu() {
    let Some(jaxlib) = jaxlib() else { return };
    let mut all = Vec::new();
    let numbers = [
        0.0,
        -0.0,
        0.4,
        -0.6,
        1.0,
        -1.0,
        1.5,
        100.7,
        -100.7,
        127.0,
        128.0,
        200.0,
        255.0,
        256.0,
        257.0,
        -129.0,
        40000.0,
        65519.0,
        65520.0,
        70000.0,
        2147483647.0,
        -2147483649.0,
        4294967296.0,
        1e18,
        1e30,
        -1e30,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    for from in DType::ALL {
        let x = Tensor::from_vec(numbers, [numbers.len()]).cast(from);
        all.extend(differences(&format!("casts of {from}"), jaxlib, &[x], 0.0, |args| {
            DType::ALL.into_iter().map(|to| args[0].try_cast(to)).collect()
        }));
    }
    none(all);
}

#[test]
fn random_bits_and_keys_are_the_same_bits() {
    let Some(jaxlib) = jaxlib() else { return };
    let data = Tensor::from_vec(vec![1u32, 2, 0xdead_beef, 77], [2, 2]);
    none(differences("bits", jaxlib, &[data], 0.0, |args| {
        let keys = random::Key::from_data(&args[0])?;
        let key = keys.at(1);
        let mut all = vec![
            key.data().clone(),
            key.split_n(3).data().clone(),
            key.fold_in(7).data().clone(),
            random::permutation(&key, 11),
            random::permute_independently(&key, Tensor::arange(0.0f32, 12.0, 1.0).reshape([3, 4]), 1),
            random::randint(&key, [9], 3, 17),
            random::bernoulli(&key, 0.3, [20]),
            random::categorical(&key, Tensor::zeros([5, 3]), -1),
        ];
        for width in [8, 16, 32, 64] {
            all.push(random::bits(&key, [3, 5], width));
        }
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            all.push(random::uniform_of(&key, [9], dtype));
        }
        Ok(all)
    }));
}
