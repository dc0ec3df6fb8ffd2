//! The laws for functions of one argument, for activations, and for what is made of them.

use flaxen::{Result, Tensor};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

type Function = fn(&Tensor) -> Result<Tensor>;

/// A function on values between two bounds, where it is smooth.
fn between(name: &str, low: f64, high: f64, f: Function) -> Law {
    law(name, move |data: &mut Data| vec![data.floats([2, 3], low, high)], move |args| f(&args[0])).loose(4.0)
}

/// A function that has a kink at 0 only.
fn kinked(name: &str, f: Function) -> Law {
    law(name, |data: &mut Data| vec![data.away_from_zero([2, 3], 0.1, 2.0)], move |args| f(&args[0]))
        .loose(4.0)
}

#[test]
fn exponentials_and_logarithms() {
    check([
        between("neg", -2.0, 2.0, |x| Ok(-x)),
        between("exp", -2.0, 2.0, Tensor::try_exp),
        between("exp2", -2.0, 2.0, Tensor::try_exp2),
        between("expm1", -2.0, 2.0, Tensor::try_expm1),
        between("log", 0.2, 4.0, Tensor::try_log),
        between("log2", 0.2, 4.0, Tensor::try_log2),
        between("log1p", -0.7, 4.0, Tensor::try_log1p),
    ]);
}

#[test]
fn powers_and_roots() {
    check([
        between("sqrt", 0.2, 4.0, Tensor::try_sqrt),
        between("rsqrt", 0.2, 4.0, Tensor::try_rsqrt),
        between("cbrt", 0.2, 4.0, Tensor::try_cbrt),
        between("cbrt of negatives", -4.0, -0.2, Tensor::try_cbrt),
        between("square", -2.0, 2.0, Tensor::try_square),
        kinked("reciprocal", Tensor::try_reciprocal),
        between("powi 3", -2.0, 2.0, |x| x.try_powi(3)),
        kinked("powi -2", |x| x.try_powi(-2)),
        between("powi 0", -2.0, 2.0, |x| x.try_powi(0)),
    ]);
}

#[test]
fn trigonometry() {
    check([
        between("sin", -4.0, 4.0, Tensor::try_sin),
        between("cos", -4.0, 4.0, Tensor::try_cos),
        between("tan", -1.2, 1.2, Tensor::try_tan),
        between("asin", -0.8, 0.8, Tensor::try_asin),
        between("acos", -0.8, 0.8, Tensor::try_acos),
        between("atan", -3.0, 3.0, Tensor::try_atan),
        between("sinh", -2.0, 2.0, Tensor::try_sinh),
        between("cosh", -2.0, 2.0, Tensor::try_cosh),
        between("tanh", -2.0, 2.0, Tensor::try_tanh),
        between("asinh", -3.0, 3.0, Tensor::try_asinh),
        between("acosh", 1.4, 4.0, Tensor::try_acosh),
        between("atanh", -0.8, 0.8, Tensor::try_atanh),
    ]);
}

#[test]
fn special_functions() {
    check([
        between("logistic", -3.0, 3.0, Tensor::try_logistic),
        between("erf", -2.0, 2.0, Tensor::try_erf),
        between("erfc", -2.0, 2.0, Tensor::try_erfc),
        between("erf_inv", -0.8, 0.8, Tensor::try_erf_inv),
        between("lgamma", 0.5, 5.0, Tensor::try_lgamma),
        between("digamma", 0.5, 5.0, Tensor::try_digamma).once(),
    ]);
}

#[test]
fn steps_and_questions() {
    let f: [(&str, Function); 10] = [
        ("floor", Tensor::try_floor),
        ("ceil", Tensor::try_ceil),
        ("round", Tensor::try_round),
        ("trunc", Tensor::try_trunc),
        ("sign", Tensor::try_sign),
        ("gradient of is_finite", |x| x.try_is_finite()?.try_select(x, 0.0)),
        ("gradient of is_nan", |x| x.try_is_nan()?.try_select(0.0, x)),
        ("gradient of is_inf", |x| x.try_is_inf()?.try_select(0.0, x)),
        ("gradient of floor", |x| Ok(x * x.try_floor()?)),
        ("gradient of sign", |x| Ok(x * x.try_sign()?)),
    ];
    check(f.map(|(name, f)| {
        // Whole numbers are a quarter away.
        let make = |data: &mut Data| {
            vec![
                data.integers([2, 3], flaxen::DType::I32, -3, 3).cast(flaxen::DType::F64)
                    + data.floats([2, 3], 0.25, 0.75),
            ]
        };
        law(name, make, move |args| f(&args[0]))
    }));
}

#[test]
fn activations() {
    check([
        kinked("abs", Tensor::try_abs),
        kinked("relu", Tensor::try_relu),
        kinked("relu6", Tensor::try_relu6),
        kinked("leaky_relu", |x| x.try_leaky_relu(0.01)),
        kinked("elu", |x| x.try_elu(1.5)),
        kinked("celu", |x| x.try_celu(1.5)),
        kinked("selu", Tensor::try_selu),
        kinked("soft_sign", Tensor::try_soft_sign),
        between("softplus", -2.0, 2.0, Tensor::try_softplus),
        between("log_sigmoid", -2.0, 2.0, Tensor::try_log_sigmoid),
        between("silu", -2.0, 2.0, Tensor::try_silu),
        between("gelu", -2.0, 2.0, Tensor::try_gelu),
        between("gelu_exact", -2.0, 2.0, Tensor::try_gelu_exact),
        between("hard_tanh", -0.8, 0.8, Tensor::try_hard_tanh),
        between("hard_sigmoid", -2.0, 2.0, Tensor::try_hard_sigmoid),
        between("hard_silu", -2.0, 2.0, Tensor::try_hard_silu),
    ]);
}

#[test]
fn activations_over_an_axis() {
    check([
        between("softmax", -2.0, 2.0, |x| x.try_softmax(-1)),
        between("softmax of columns", -2.0, 2.0, |x| x.try_softmax(0)),
        between("log_softmax", -2.0, 2.0, |x| x.try_log_softmax(-1)),
        law(
            "softmax_where",
            |data: &mut Data| {
                vec![
                    data.floats([2, 3], -2.0, 2.0),
                    data.booleans([2, 3]) | Tensor::from([true, false, false]),
                ]
            },
            |args| args[0].try_softmax_where(-1, &args[1]),
        )
        .loose(4.0),
        // Small variances make it steep.
        law(
            "standardize",
            |data: &mut Data| vec![data.distinct([2, 4], -2.0, 2.0)],
            |args| args[0].try_standardize(-1, 1e-5),
        )
        .loose(16.0),
    ]);
}

#[test]
fn functions_of_several_arguments() {
    let two = |data: &mut Data| vec![data.floats([2, 3], 0.5, 2.0), data.floats([3], 0.6, 2.1)];
    let three = |data: &mut Data| {
        vec![data.floats([2, 3], -2.0, 2.0), data.floats([3], -2.0, 2.0), data.floats([2, 1], -2.0, 2.0)]
    };
    check([
        law("logaddexp", two, |args| args[0].try_logaddexp(&args[1])).loose(4.0),
        law("hypot", two, |args| args[0].try_hypot(&args[1])).loose(4.0),
        law("mul_add", three, |args| args[0].try_mul_add(&args[1], &args[2])).loose(4.0),
    ]);
}
