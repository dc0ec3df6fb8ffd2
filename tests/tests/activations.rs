//! Activations beyond the golden cases.

use flaxen::prelude::*;
use flaxen_tests::loss::golden_loss;

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
    let slope = grad(|x: &Tensor| golden_loss(&x.softmax_where(-1, &mask)))(&x).unwrap();
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
