//! Activations against JAX, and their laws.

use flaxen::prelude::*;
use flaxen_tests::golden::{Case, assert_near};

type Function = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

fn f(f: impl Fn(&Tensor) -> Tensor + 'static) -> Function {
    Box::new(move |x| Ok(f(x)))
}

/// `Σ cᵢ yᵢ + yᵢ²/2` with weights that differ between neighbours: the loss of the stored gradients.
fn loss(y: &Tensor) -> Tensor {
    let weights: Vec<f32> = (0..y.size()).map(|i| ((7 * i % 11) as f32 - 5.0) / 10.0).collect();
    let y = y.reshape([y.size()]);
    (Tensor::from(weights) * &y + y.square() * 0.5).sum()
}

#[test]
fn values_and_gradients_are_those_of_jax() {
    let case = Case::load("activations");
    let (x, mask) = (case.array("in/x"), case.array("in/where"));
    let functions: Vec<(&str, Function)> = vec![
        ("relu", f(Tensor::relu)),
        ("relu6", f(Tensor::relu6)),
        ("sigmoid", f(Tensor::sigmoid)),
        ("softplus", f(Tensor::softplus)),
        ("soft_sign", f(Tensor::soft_sign)),
        ("silu", f(Tensor::silu)),
        ("swish", f(Tensor::swish)),
        ("log_sigmoid", f(Tensor::log_sigmoid)),
        ("leaky_relu", f(|x| x.leaky_relu(0.01f32))),
        ("leaky_relu_02", f(|x| x.leaky_relu(0.2))),
        ("hard_sigmoid", f(Tensor::hard_sigmoid)),
        ("hard_silu", f(Tensor::hard_silu)),
        ("hard_swish", f(Tensor::hard_swish)),
        ("hard_tanh", f(Tensor::hard_tanh)),
        ("elu", f(|x| x.elu(1.0))),
        ("elu_2", f(|x| x.elu(2.0))),
        ("celu", f(|x| x.celu(1.0))),
        ("celu_05", f(|x| x.celu(0.5))),
        ("selu", f(Tensor::selu)),
        ("gelu", f(Tensor::gelu)),
        ("gelu_exact", f(Tensor::gelu_exact)),
        ("glu", f(|x| x.glu(-1))),
        ("glu_axis0", f(|x| x.glu(0))),
        ("tanh", f(Tensor::tanh)),
        ("softmax", f(|x| x.softmax(-1))),
        ("softmax_axis0", f(|x| x.softmax(0))),
        ("log_softmax", f(|x| x.log_softmax(-1))),
        ("log_softmax_axis0", f(|x| x.log_softmax(0))),
        ("standardize", f(|x| x.standardize(-1, 1e-5))),
        ("standardize_axis0_eps", f(|x| x.standardize(0, 1e-2))),
        ("softmax_where", f(move |x| x.softmax_where(-1, &mask))),
    ];
    for (name, function) in functions {
        let check = |key: &str, found: &Tensor| assert_near(key, found, &case.array(key), case.tolerance());
        check(&format!("out/{name}"), &function(&x).unwrap());
        let gradient = format!("grad/{name}");
        if case.keys().any(|key| key == gradient) {
            check(&gradient, &grad(|x: &Tensor| Ok(loss(&function(x)?)))(&x).unwrap());
        }
    }
}

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
    let x = Tensor::from([-1.5f64, 0.0, 0.25, 2.0]);
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
    let slope = grad(|x: &Tensor| Ok(loss(&x.softmax_where(-1, &mask))))(&x).unwrap();
    assert!(slope.to_vec::<f32>().unwrap().iter().all(|x| x.is_finite()));
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
