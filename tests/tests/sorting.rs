//! Sorting, ranking, searching.

use flaxen::prelude::*;
use flaxen_tests::laws::{check, law};
use flaxen_tests::numbers::{assert_close, vector};

type Along = fn(&Tensor, isize) -> Result<Tensor>;

#[test]
fn sorting_keeps_the_laws() {
    let sorts: [(&str, Along); 2] =
        [("sort", |x, axis| x.try_sort(axis)), ("sort_descending", |x, axis| x.try_sort_descending(axis))];
    check(sorts.into_iter().flat_map(|(name, f)| {
        [0, 1, -1].map(|axis| {
            law(
                format!("{name} along {axis}"),
                |data| vec![data.distinct([3, 4, 2], -2.0, 2.0)],
                move |x| f(&x[0], axis)?.try_mul(f(&x[0], axis)?),
            )
        })
    }));
    let ranks: [(&str, Along); 2] = [
        ("argsort", |x, axis| x.try_argsort(axis)),
        ("argsort_descending", |x, axis| x.try_argsort_descending(axis)),
    ];
    check(ranks.into_iter().flat_map(|(name, f)| {
        [0, -1].map(|axis| {
            law(
                format!("{name} along {axis}"),
                |data| vec![data.distinct([3, 4], -2.0, 2.0)],
                move |x| f(&x[0], axis),
            )
            .no_gradient()
        })
    }));
}

#[test]
fn the_greatest_keep_the_laws() {
    check([0, 1, 3].map(|k| {
        law(
            format!("top {k}"),
            |data| vec![data.distinct([2, 3], -2.0, 2.0)],
            move |x| {
                let (values, positions) = x[0].try_top_k(k)?;
                Ok((values.try_mul(&values)?, positions))
            },
        )
    }));
}

#[test]
fn searching_keeps_the_laws() {
    check([
        law(
            "searchsorted",
            |data| vec![data.distinct([5], -1.0, 1.0).sort(0), data.floats([2, 3], -1.2, 1.2)],
            |x| x[0].try_searchsorted(&x[1]),
        )
        .no_gradient(),
        law(
            "searchsorted_right",
            |data| vec![data.distinct([5], -1.0, 1.0).sort(0), data.floats([], -1.2, 1.2)],
            |x| x[0].try_searchsorted_right(&x[1]),
        )
        .no_gradient(),
    ]);
}

#[test]
fn nan_sort_last_and_equals_keep_their_order() {
    let x = Tensor::from([f32::NAN, 2.0, -1.0, 2.0, f32::NEG_INFINITY]);
    let sorted = x.sort(0).to_vec::<f32>().unwrap();
    assert_eq!(sorted[..4], [f32::NEG_INFINITY, -1.0, 2.0, 2.0]);
    assert!(sorted[4].is_nan());
    assert_eq!(x.argsort(0).to_vec::<i32>().unwrap(), [4, 2, 1, 3, 0]);
    assert_eq!(x.argsort_descending(0).to_vec::<i32>().unwrap(), [0, 1, 3, 2, 4]);
    assert_eq!(x.sort_descending(-1).to_vec::<f32>().unwrap()[1..], [2.0, 2.0, -1.0, f32::NEG_INFINITY]);
}

#[test]
fn every_dtype_is_sorted() {
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_complex()) {
        let x = Tensor::from([3.0f32, 0.0, 2.0, 1.0]).cast(dtype);
        let expected = Tensor::from([0.0f32, 1.0, 2.0, 3.0]).cast(dtype);
        let (mut sorted, mut by_hand) = (x.sort(0), x.to_vec_f64());
        by_hand.sort_by(f64::total_cmp);
        assert_eq!((sorted.dtype(), sorted.to_vec_f64()), (dtype, by_hand));
        sorted = x.top_k(4).0.sort(0);
        assert_eq!(sorted.to_vec_f64(), expected.sort(0).to_vec_f64());
    }
}

trait ToF64 {
    fn to_vec_f64(&self) -> Vec<f64>;
}

impl ToF64 for Tensor {
    fn to_vec_f64(&self) -> Vec<f64> {
        self.cast(DType::F64).to_vec::<f64>().unwrap()
    }
}

#[test]
fn the_gradient_returns_to_where_each_element_was() {
    let x = vector(&[3.0, 1.0, 2.0]);
    let gradient = grad(|x: &Tensor| Ok((x.try_sort(0)? * vector(&[10.0, 20.0, 30.0])).sum()))(&x).unwrap();
    assert_close(&gradient, &[3], &[30.0, 10.0, 20.0]);
    let gradient = grad(|x: &Tensor| Ok((x.try_top_k(2)?.0 * vector(&[10.0, 20.0])).sum()))(&x).unwrap();
    assert_close(&gradient, &[3], &[10.0, 0.0, 20.0]);
}

#[test]
fn mistakes_are_named() {
    let x = Tensor::zeros([2, 3]);
    for (error, text) in [
        (x.try_top_k(4).unwrap_err(), "at most as many as the last axis has"),
        (x.try_searchsorted(1.0).unwrap_err(), "a vector to search in"),
        (x.try_sort(2).unwrap_err(), "axis 2 of a tensor with 2 axes"),
        (Tensor::from(1.0f32).try_top_k(0).unwrap_err(), "at least one axis"),
    ] {
        assert!(error.to_string().contains(text), "{error}");
    }
}
