//! Laws of the logarithm of a sum of exponentials.

use crate::prelude::*;

fn list(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec().unwrap()
}

#[test]
fn neither_large_numbers_nor_infinities_overflow() {
    let inf = f64::INFINITY;
    let x = Tensor::of([1000.0, -1000.0, inf, -inf, -inf, inf, 0.0], DType::F64);
    let y = Tensor::of([1000.0, -1000.0, inf, -inf, 1.0, 1.0, 0.0], DType::F64);
    let log2 = std::f64::consts::LN_2;
    assert_eq!(list(&x.logaddexp(&y)), [1000.0 + log2, -1000.0 + log2, inf, -inf, 1.0, inf, log2]);
    assert!(list(&x.logaddexp(f64::NAN)).iter().all(|x| x.is_nan()));
}

#[test]
fn gradients_share_one_between_the_two_also_at_ties_and_infinities() {
    let inf = f64::INFINITY;
    let y = Tensor::from([0.0, -inf, inf, 3.0, -inf]);
    let f = |x: &Tensor| x.logaddexp(&y).try_sum();
    let found = list(&grad(f)(&Tensor::from([0.0, -inf, inf, -inf, 2.0])).unwrap());
    assert_eq!(found, [0.5, 0.5, 0.5, 0.0, 1.0]);
}

#[test]
fn the_second_derivative_is_that_of_the_logistic_function() {
    let softplus = |x: &Tensor| Ok(x.logaddexp(x.like(0.0)));
    for x in [0.0f64, 0.7, -2.0] {
        let s = 1.0 / (1.0 + (-x).exp());
        let found = grad(grad(softplus))(&Tensor::full_of([], x, DType::F64)).unwrap().item::<f64>().unwrap();
        assert!((found - s * (1.0 - s)).abs() < 1e-12);
    }
}

#[test]
fn batches_broadcasts_and_dtypes() {
    let x = Tensor::of([[0.1f64, 0.2, 0.3], [1.0, 2.0, 3.0]], DType::F64);
    let y = Tensor::of([0.5f64, -0.5], DType::F64);
    let expected = list(&x.logaddexp(y.reshape([2, 1])));
    let batched = vmap(|(x, y): (Tensor, Tensor)| Ok(x.logaddexp(y))).call((x.clone(), y)).unwrap();
    assert_eq!(list(&batched), expected);
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let found = x.cast(dtype).logaddexp(x.cast(dtype));
        let tolerance = if dtype == DType::F32 { 1e-6 } else { 1e-2 };
        assert!(
            found.dtype() == dtype
                && found.cast(DType::F64).all_close(&x + 2f64.ln(), tolerance, 0.0).unwrap()
        );
    }
    assert_eq!(Tensor::from([1]).logaddexp(Tensor::from([2])).dtype(), DType::F32);
}
