//! Cumulative operations: values, dtypes, gradients.

use flaxen::prelude::*;
use flaxen::{DType, jacrev};
use flaxen_tests::laws::{check, law};
use flaxen_tests::numbers::{assert_close, vector};

type Scan = fn(&Tensor, isize) -> Result<Tensor>;

const SCANS: [(&str, Scan); 10] = [
    ("cumsum", |x, axis| x.try_cumsum(axis)),
    ("cumsum_reverse", |x, axis| x.try_cumsum_reverse(axis)),
    ("cumprod", |x, axis| x.try_cumprod(axis)),
    ("cumprod_reverse", |x, axis| x.try_cumprod_reverse(axis)),
    ("cummax", |x, axis| x.try_cummax(axis)),
    ("cummax_reverse", |x, axis| x.try_cummax_reverse(axis)),
    ("cummin", |x, axis| x.try_cummin(axis)),
    ("cummin_reverse", |x, axis| x.try_cummin_reverse(axis)),
    ("cumlogsumexp", |x, axis| x.try_cumlogsumexp(axis)),
    ("cumlogsumexp_reverse", |x, axis| x.try_cumlogsumexp_reverse(axis)),
];

#[test]
fn cumulative_operations_keep_the_laws() {
    check(SCANS.into_iter().flat_map(|(name, f)| {
        [0, 1, -1].map(|axis| {
            law(
                format!("{name} along {axis}"),
                |data| vec![data.distinct([3, 4, 2], -2.0, 2.3)],
                move |x| f(&x[0], axis),
            )
        })
    }));
}

#[test]
fn each_element_reduces_what_is_up_to_it() {
    let x = Tensor::from([3i32, 1, 4, 1, 5]);
    let of = |f: Scan| f(&x, 0).unwrap().to_vec::<i32>().unwrap();
    assert_eq!(of(|x, axis| x.try_cumsum(axis)), [3, 4, 8, 9, 14]);
    assert_eq!(of(|x, axis| x.try_cumsum_reverse(axis)), [14, 11, 10, 6, 5]);
    assert_eq!(of(|x, axis| x.try_cumprod(axis)), [3, 3, 12, 12, 60]);
    assert_eq!(of(|x, axis| x.try_cummax(axis)), [3, 3, 4, 4, 5]);
    assert_eq!(of(|x, axis| x.try_cummin_reverse(axis)), [1, 1, 1, 1, 5]);
    let counts = Tensor::from([true, false, true]).cumsum(0);
    assert_eq!((counts.dtype(), counts.to_vec::<i32>().unwrap()), (DType::I32, vec![1, 1, 2]));
    assert!(x.try_cumsum(1).unwrap_err().to_string().contains("axis 1 of a tensor with 1 axes"));
}

#[test]
fn cumulative_products_have_gradients_through_zeros() {
    let [a, b, c] = [2.0, 0.0, 5.0];
    let jacobian = jacrev(|x: &Tensor| x.try_cumprod(0))(&vector(&[2.0, 0.0, 5.0])).unwrap();
    assert_close(&jacobian, &[3, 3], &[1.0, 0.0, 0.0, b, a, 0.0, b * c, a * c, a * b]);
}

#[test]
fn a_tie_with_the_extreme_before_shares_the_gradient() {
    let jacobian = jacrev(|x: &Tensor| x.try_cummax(0))(&vector(&[1.0, 1.0, 0.0])).unwrap();
    assert_close(&jacobian, &[3, 3], &[1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.5, 0.5, 0.0]);
    let lowest = grad(|x: &Tensor| Ok(x.try_cummax(0)?.sum()))(&vector(&[f32::NEG_INFINITY, 1.0])).unwrap();
    assert_close(&lowest, &[2], &[1.0, 1.0]);
}

#[test]
fn sums_of_exponentials_accumulate_without_overflow() {
    let x = vector(&[f32::NEG_INFINITY, 100.0, 100.0]);
    let y = x.cumlogsumexp(0).to_vec::<f32>().unwrap();
    assert_eq!(y[..2], [f32::NEG_INFINITY, 100.0]);
    assert!((y[2] - (100.0 + 2f32.ln())).abs() < 1e-3);
    let gradient = grad(|x: &Tensor| Ok((x.try_cumlogsumexp(0)? * vector(&[0.0, 0.0, 1.0])).sum()));
    // −∞ times 0 is NaN in the weighted sum, but not on the way back.
    assert_close(&gradient(&x).unwrap(), &[3], &[0.0, 0.5, 0.5]);
}
