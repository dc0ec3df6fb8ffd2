//! Activations beyond the golden cases.

use flaxen::prelude::*;
use flaxen_tests::jax;
use flaxen_tests::loss::golden_loss;
use serde_json::Value as Json;

#[test]
fn every_dtype_has_activations_of_its_own_or_of_single_precision() {
    let functions: [fn(&Tensor) -> Tensor; 12] = [
        Tensor::relu,
        Tensor::relu6,
        Tensor::softplus,
        Tensor::silu,
        Tensor::log_sigmoid,
        Tensor::hard_swish,
        Tensor::hard_tanh,
        Tensor::selu,
        Tensor::gelu,
        Tensor::gelu_exact,
        |x| x.softmax(-1),
        |x| x.standardize(-1, 1e-5),
    ];
    let x = Tensor::of([-1.5f64, 0.0, 0.25, 2.0], DType::F64);
    for (i, function) in functions.iter().enumerate() {
        let expected = function(&x);
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F16, 4e-3), (DType::BF16, 3e-2)] {
            let found = function(&x.cast(dtype));
            assert_eq!(found.dtype(), dtype);
            assert!(
                found.cast(DType::F64).all_close(&expected, tolerance, tolerance).unwrap(),
                "{i} {dtype}"
            );
        }
        assert_eq!(function(&Tensor::from(0.5f32).reshape([1])).dtype(), DType::F32);
        assert_eq!(function(&x.cast(DType::I32)).dtype(), if i == 0 { DType::I32 } else { DType::F32 });
    }
}

#[test]
fn a_mask_hides_numbers_and_gradients_also_where_it_hides_everything() {
    let x = Tensor::from([[1.0f32, f32::NAN, 2.0], [f32::INFINITY, 1.0, f32::NAN]]);
    let mask = Tensor::from([[true, false, true], [false, false, false]]);
    let out = x.softmax_where(-1, &mask);
    let pair = Tensor::from([1.0f32, 2.0]).softmax(0).to_vec::<f32>().unwrap();
    assert_eq!(out.to_vec::<f32>().unwrap(), [pair[0], 0.0, pair[1], 0.0, 0.0, 0.0]);
    let shown = Tensor::from([f32::NAN, 1.0, 2.0]).softmax_where(0, [true, true, false]);
    let shown = shown.to_vec::<f32>().unwrap();
    assert!(shown[0].is_nan() && shown[1].is_nan() && shown[2] == 0.0, "{shown:?}");
    let gradient = grad(|x: &Tensor| golden_loss(&x.softmax_where(-1, &mask)))(&x).unwrap();
    assert!(gradient.to_vec::<f32>().unwrap().iter().all(|x| x.is_finite()));
}

#[test]
fn batched_and_staged_softmax_is_the_softmax_of_rows() {
    let x = Tensor::from([[1.0f32, -2.0, 0.5], [3.0, 3.0, -1.0]]);
    let rows = x.softmax(-1).to_vec::<f32>().unwrap();
    let batched = vmap(|x: Tensor| Ok(x.softmax(0))).call(x.clone()).unwrap();
    assert_eq!(batched.to_vec::<f32>().unwrap(), rows);
    let staged = jit(|x: Tensor| Ok(x.softmax(-1))).call(x.clone()).unwrap();
    assert_eq!(staged.to_vec::<f32>().unwrap(), rows);
    assert!(x.log_softmax(-1).exp().all_close(x.softmax(-1), 1e-6, 0.0).unwrap());
}

#[test]
fn what_has_no_meaning_is_an_error_that_says_so() {
    let x = Tensor::zeros([2, 3]);
    assert!(x.try_softmax(2).unwrap_err().to_string().contains("axis 2"));
    assert!(x.try_glu(-1).unwrap_err().to_string().contains("even"));
    assert!(Tensor::from([true]).try_gelu().unwrap_err().to_string().contains("cast"));
    assert!(x.try_softmax_where(-1, 1.0f32).is_err());
}

/// A function of the table over the whole line.
fn special(name: &str, x: &Tensor) -> Tensor {
    match name {
        "exp" => x.exp(),
        "exp2" => x.exp2(),
        "expm1" => x.expm1(),
        "log" => x.log(),
        "log2" => x.log2(),
        "log10" => x.log10(),
        "log1p" => x.log1p(),
        "sqrt" => x.sqrt(),
        "rsqrt" => x.rsqrt(),
        "cbrt" => x.cbrt(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "asin" => x.asin(),
        "acos" => x.acos(),
        "atan" => x.atan(),
        "sinh" => x.sinh(),
        "cosh" => x.cosh(),
        "tanh" => x.tanh(),
        "asinh" => x.asinh(),
        "acosh" => x.acosh(),
        "atanh" => x.atanh(),
        "logistic" => x.logistic(),
        "erf" => x.erf(),
        "erfc" => x.erfc(),
        "erf_inv" => x.erf_inv(),
        "lgamma" => x.lgamma(),
        "digamma" => x.digamma(),
        "softplus" => x.softplus(),
        other => panic!("no function is called {other}"),
    }
}

/// Whether a result has the kind, the sign and nearly the digits of the expected one.
fn is_near(found: f64, expected: f64, ulp: f64, least: f64, units: f64) -> bool {
    if expected.is_nan() || expected.is_infinite() || expected == 0.0 {
        return found.is_nan() == expected.is_nan()
            && (expected.is_nan()
                || (found == expected && found.is_sign_negative() == expected.is_sign_negative()));
    }
    (found - expected).abs() <= units * ulp * expected.abs().max(least)
}

#[test]
fn special_functions_are_right_over_the_whole_line() {
    let mut wrong = Vec::new();
    let table = jax::table("special_functions");
    for (dtype, ulp, least) in [
        (DType::F32, f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE)),
        (DType::F64, f64::EPSILON, f64::MIN_POSITIVE),
    ] {
        let rows = &table["tables"][dtype.short_name()];
        let of = |bits: &[Json]| {
            jax::from_bits(bits, dtype, &[bits.len()]).cast(DType::F64).to_vec::<f64>().unwrap()
        };
        let bits = rows["x"].as_array().expect("arguments");
        let (tensor, x) = (jax::from_bits(bits, dtype, &[bits.len()]), of(bits));
        for (name, values) in rows["values"].as_object().expect("functions") {
            let values = values.as_array().expect("values");
            let found = special(name, &tensor);
            let staged = jit(|x: Tensor| Ok(special(name, &x))).call(tensor.clone()).unwrap();
            assert_eq!(jax::bits(&staged), jax::bits(&found), "{name} {dtype}");
            let found = found.cast(DType::F64).to_vec::<f64>().unwrap();
            // The gamma function and its gradient lose digits near their roots, where larger numbers cancel.
            let cancels = matches!(name.as_str(), "lgamma" | "digamma") && dtype == DType::F64;
            let (least, units) = if cancels { (1.0, 6.0) } else { (least, 2.6) };
            for ((x, found), value) in x.iter().zip(found).zip(values) {
                if value.is_null() {
                    continue;
                }
                let expected = of(std::slice::from_ref(value))[0];
                if !is_near(found, expected, ulp, least, units) {
                    wrong.push(format!("{name}({x:e}) of {dtype} is {found:e}, not {expected:e}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
