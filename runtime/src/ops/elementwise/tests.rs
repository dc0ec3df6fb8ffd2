//! Laws of the functions of one argument, for every one of them.

use super::apply as bind;
use crate::core::Graph;
use crate::prelude::*;
use crate::scalar::op::{ScalarOp, Takes};

/// The functions of one float, of which no other dtype is asked.
fn float_functions() -> impl Iterator<Item = ScalarOp> {
    let is_one = |op: &ScalarOp| op.arity() == 1 && op.takes() == Takes::Float;
    ScalarOp::ALL.iter().copied().filter(is_one).chain([ScalarOp::Abs, ScalarOp::Sign])
}

/// Where each function is smooth and finite.
fn domain(op: ScalarOp) -> [f64; 4] {
    match op {
        ScalarOp::Acosh | ScalarOp::Lgamma | ScalarOp::Digamma | ScalarOp::Trigamma => [1.1, 1.7, 2.5, 7.3],
        ScalarOp::Ndtri => [0.02, 0.3, 0.6, 0.95],
        ScalarOp::Log | ScalarOp::Log2 | ScalarOp::Entr | ScalarOp::Sqrt | ScalarOp::Rsqrt => {
            [0.2, 0.7, 1.3, 5.1]
        }
        _ => [-0.8, -0.31, 0.45, 0.9],
    }
}

fn apply(op: ScalarOp) -> impl Fn(&Tensor) -> Result<Tensor> + Copy {
    move |x| bind(op, [x.clone()])
}

fn f64s(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec().unwrap()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
}

/// The derivative of a sum of numbers, by central differences.
fn difference(f: &dyn Fn(&Tensor) -> Result<Tensor>, at: f64) -> f64 {
    let step = 1e-6;
    let value = |x: f64| f(&Tensor::of([x], DType::F64)).unwrap().sum().item::<f64>().unwrap();
    (value(at + step) - value(at - step)) / (2.0 * step)
}

fn gradient(f: impl Fn(&Tensor) -> Result<Tensor>) -> impl Fn(&Tensor) -> Result<Tensor> {
    grad(move |x: &Tensor| f(x)?.try_sum())
}

#[test]
fn gradients_are_derivatives() {
    for op in float_functions() {
        for x in domain(op) {
            let found = f64s(&gradient(apply(op))(&Tensor::of([x], DType::F64)).unwrap())[0];
            let expected = difference(&apply(op), x);
            assert!(close(found, expected, 1e-7), "{op:?} at {x}: {found}, not {expected}");
        }
    }
}

#[test]
fn gradients_of_gradients_are_derivatives_of_gradients() {
    for op in float_functions() {
        for x in domain(op) {
            let found = f64s(&gradient(gradient(apply(op)))(&Tensor::of([x], DType::F64)).unwrap())[0];
            let expected = difference(&gradient(apply(op)), x);
            assert!(close(found, expected, 1e-6), "{op:?} at {x}: {found}, not {expected}");
        }
    }
}

#[test]
fn derivatives_that_are_not_there_are_refused_by_name() {
    let x = Tensor::of([0.5f64], DType::F64);
    let two = |x: &Tensor| Tensor::of([2.0f64], DType::F64).like(2.0).try_add(x.try_mul(x.like(0.0))?);
    let error = gradient(move |x| bind(ScalarOp::Zeta, [two(x)?, x.clone()]))(&x).unwrap_err();
    assert!(error.to_string().contains("zeta"), "{error}");
    let error = gradient(move |x| bind(ScalarOp::Betainc, [two(x)?, two(x)?, x.clone()]))(&x).unwrap_err();
    assert!(error.to_string().contains("betainc"), "{error}");
    let error = gradient(move |x| bind(ScalarOp::IgammaGradA, [two(x)?, x.clone()]))(&x).unwrap_err();
    assert!(error.to_string().contains("igamma_grad_a"), "{error}");
}

#[test]
fn powers_have_the_gradient_of_powers() {
    for n in [-3, -1, 0, 1, 2, 3, 7] {
        for x in [-0.8f64, 0.45, 2.0] {
            let f = move |x: &Tensor| x.try_powi(n);
            let found = f64s(&gradient(f)(&Tensor::of([x], DType::F64)).unwrap())[0];
            assert!(close(found, f64::from(n) * x.powi(n - 1), 1e-12), "{x}^{n}");
            let twice = f64s(&gradient(gradient(f))(&Tensor::of([x], DType::F64)).unwrap())[0];
            let expected = f64::from(n) * f64::from(n - 1) * x.powi(n - 2);
            assert!(close(twice, expected, 1e-12), "{x}^{n}: {twice}, not {expected}");
        }
    }
}

#[test]
fn forward_mode_is_the_gradient_times_the_tangent() {
    let x = Tensor::of([0.3f64, 0.6], DType::F64);
    let tangent = Tensor::of([2.0f64, -1.0], DType::F64);
    for f in [Tensor::exp, Tensor::tanh, Tensor::erf, Tensor::rsqrt, Tensor::lgamma] {
        let (_, found) = jvp(|x: &Tensor| Ok(f(x)), &x, &tangent).unwrap();
        let expected = gradient(move |x| Ok(f(x)))(&x).unwrap() * &tangent;
        assert!(found.all_close(expected, 1e-12, 0.0).unwrap());
    }
}

#[test]
fn staged_and_batched_functions_give_the_numbers_of_eager_ones() {
    for op in float_functions() {
        let x = Tensor::of(domain(op), DType::F32);
        let eager = apply(op)(&x).unwrap().to_vec::<f32>().unwrap();
        let staged = jit(|x: Tensor| apply(op)(&x)).call(x.clone()).unwrap();
        let batched = vmap(|x: Tensor| apply(op)(&x)).call(x).unwrap();
        assert_eq!(staged.to_vec::<f32>().unwrap(), eager, "{op:?}");
        assert_eq!(batched.to_vec::<f32>().unwrap(), eager, "{op:?}");
    }
}

#[test]
fn a_result_is_written_into_an_argument_nobody_else_holds() {
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let kept = (Tensor::ones([100]) * 2.0).cast(dtype);
        for f in [|x: Tensor| -x, |x: Tensor| bind(ScalarOp::Sqrt, [x]).unwrap()] {
            let owned = &kept + kept.like(0.0);
            let at = owned.array().unwrap().address();
            let out = f(owned);
            assert_eq!(out.array().unwrap().address(), at);
            assert_eq!(f64s(&out), f64s(&f(kept.clone())));
        }
        assert!(f64s(&kept).iter().all(|&x| x == 2.0));
    }
}

#[test]
fn halves_are_rounded_results_of_single_precision() {
    let x: Vec<f32> = (-60..60).map(|i| i as f32 / 16.0).collect();
    for dtype in [DType::BF16, DType::F16] {
        let x = Tensor::of(&x, dtype);
        for op in float_functions() {
            let found = apply(op)(&x).unwrap();
            assert_eq!(found.dtype(), dtype);
            let expected = apply(op)(&x.cast(DType::F32)).unwrap().cast(dtype);
            let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
            assert!(f64s(&found).iter().zip(&f64s(&expected)).all(same), "{op:?} {dtype}");
        }
    }
}

#[test]
fn integers_and_booleans_become_floats_only_where_they_have_to() {
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_inexact()) {
        let x = Tensor::from([0, 1]).cast(dtype);
        assert_eq!(x.exp().dtype(), DType::F32);
        assert_eq!(x.reciprocal().dtype(), DType::F32);
        assert_eq!(f64s(&x.sqrt()), [0.0, 1.0]);
        for f in [Tensor::floor, Tensor::ceil, Tensor::round, Tensor::trunc, Tensor::abs] {
            assert_eq!((f(&x).dtype(), f64s(&f(&x))), (dtype, vec![0.0, 1.0]));
        }
        assert_eq!(x.is_finite().to_vec::<bool>().unwrap(), [true, true]);
        assert_eq!(x.is_nan().to_vec::<bool>().unwrap(), [false, false]);
        assert_eq!(x.is_inf().to_vec::<bool>().unwrap(), [false, false]);
    }
}

#[test]
fn integers_keep_their_signs_and_wrap_around() {
    let x = Tensor::from([-3, 0, 5, i32::MIN]);
    assert_eq!((-&x).to_vec::<i32>().unwrap(), [3, 0, -5, i32::MIN]);
    assert_eq!(x.abs().to_vec::<i32>().unwrap(), [3, 0, 5, i32::MIN]);
    assert_eq!(x.sign().to_vec::<i32>().unwrap(), [-1, 0, 1, -1]);
    assert_eq!(x.relu().to_vec::<i32>().unwrap(), [0, 0, 5, 0]);
    assert_eq!(x.square().to_vec::<i32>().unwrap(), [9, 0, 25, 0]);
    assert_eq!((!&x).to_vec::<i32>().unwrap(), [2, -1, -6, i32::MAX]);
    assert_eq!((-Tensor::from([1u8])).to_vec::<u8>().unwrap(), [255]);
    assert_eq!((!Tensor::from([true, false])).to_vec::<bool>().unwrap(), [false, true]);
    assert_eq!(Tensor::from([true]).square().to_vec::<i32>().unwrap(), [1]);
}

#[test]
fn special_numbers_are_told_apart_in_every_float() {
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let x = Tensor::of([0.0, -1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN], DType::F64).cast(dtype);
        assert_eq!(x.is_finite().to_vec::<bool>().unwrap(), [true, true, false, false, false]);
        assert_eq!(x.is_inf().to_vec::<bool>().unwrap(), [false, false, true, true, false]);
        assert_eq!(x.is_nan().to_vec::<bool>().unwrap(), [false, false, false, false, true]);
        assert!(f64s(&x.relu())[4].is_nan());
        assert_eq!(f64s(&x.sign())[..4], [0.0, -1.0, 1.0, -1.0]);
        assert!(f64s(&-&x)[0].is_sign_negative() && f64s(&(-&x).abs())[0].is_sign_positive());
    }
}

#[test]
fn rounding_goes_to_the_even_one_of_two_and_has_no_gradient() {
    let x = Tensor::from([-2.5f32, -1.5, -0.4, 0.5, 1.5, 2.5]);
    assert_eq!(x.round().to_vec::<f32>().unwrap(), [-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]);
    assert_eq!(x.trunc().to_vec::<f32>().unwrap(), [-2.0, -1.0, 0.0, 0.0, 1.0, 2.0]);
    for f in [Tensor::floor, Tensor::ceil, Tensor::round, Tensor::trunc, Tensor::sign] {
        assert_eq!(gradient(move |x| Ok(f(x)))(&x).unwrap().to_vec::<f32>().unwrap(), [0.0; 6]);
    }
    assert_eq!(
        gradient(Tensor::try_abs)(&Tensor::from([-2.0f32, 0.0, 3.0])).unwrap().to_vec::<f32>().unwrap(),
        [-1.0, 1.0, 1.0]
    );
}

#[test]
fn what_has_no_meaning_is_an_error_that_says_so() {
    let truth = Tensor::from([true]);
    for (error, word) in [
        (truth.try_neg().unwrap_err(), "booleans"),
        (truth.try_sign().unwrap_err(), "booleans"),
        (Tensor::from([1.0f32]).try_logical_not().unwrap_err(), "integers"),
        (Tensor::from([2]).try_powi(-1).unwrap_err(), "cast to a float"),
    ] {
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn doubled_functions_are_simplified() {
    let steps = |f: fn(Tensor) -> Tensor| {
        let graph: Graph = jit(move |x: Tensor| Ok(f(x))).graph(&Tensor::zeros([3])).unwrap();
        graph.to_string()
    };
    assert!(!steps(|x| -(-x) + 1.0).contains("neg"));
    assert!(!steps(|x| !!x.gt(0.0)).contains("not"));
    assert_eq!(steps(|x| x.abs().abs()).matches("abs").count(), 1);
    assert_eq!(steps(|x| x.floor().round()).matches("round").count(), 0);
    assert!(!steps(|x| (-x).cos()).contains("neg"));
    assert!(!steps(|x| x.powi(1) + 1.0).contains("powi"));
}
