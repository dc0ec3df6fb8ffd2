//! Linear algebra over leading axes: values, gradients, and what is refused.

use flaxen::prelude::*;
use flaxen::{DType, Side, Triangle};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{check, law};
use flaxen_tests::numbers::assert_close;

/// Random numbers with a heavy diagonal: triangular systems and factorisations of it are well conditioned.
fn heavy(data: &mut Data, batch: &[usize], rows: usize, columns: usize) -> Tensor {
    let shape = [batch, &[rows, columns]].concat();
    let noise = data.floats(&shape, -0.5, 0.5);
    let diagonal: Vec<f64> =
        (0..rows * columns).map(|i| if i / columns == i % columns { 2.0 } else { 0.0 }).collect();
    noise + Tensor::from_vec_of(diagonal, [rows, columns], DType::F64)
}

fn every_triangle() -> impl Iterator<Item = (Side, Triangle)> {
    (0..16).map(|bits| {
        let bit = |i: usize| bits >> i & 1 == 1;
        let triangle = Triangle { lower: bit(0), transpose: bit(1), unit_diagonal: bit(2) };
        (if bit(3) { Side::Left } else { Side::Right }, triangle)
    })
}

#[test]
fn triangular_solves_keep_the_laws() {
    check(every_triangle().map(|(side, triangle)| {
        law(
            format!("{side:?} {triangle:?}"),
            move |data| {
                let (rows, columns) = if side == Side::Left { (3, 2) } else { (2, 3) };
                vec![heavy(data, &[2], 3, 3), data.floats([2, rows, columns], -1.0, 1.0)]
            },
            move |x| x[0].try_triangular_solve(&x[1], side, triangle),
        )
        .dtypes([DType::F32])
        .loose(20.0)
    }));
}

#[test]
fn a_solution_solves_its_system() {
    let mut data = Data::new(5);
    let (a, b) = (heavy(&mut data, &[2, 1], 4, 4), data.floats([3, 4, 4], -1.0, 1.0));
    for (side, triangle) in every_triangle() {
        let keep = |row: usize, column: usize| {
            if row == column { !triangle.unit_diagonal } else { (row > column) == triangle.lower }
        };
        let mask: Vec<bool> = (0..16).map(|i| keep(i / 4, i % 4)).collect();
        let unit: Vec<f64> =
            (0..16).map(|i| f64::from(u8::from(triangle.unit_diagonal && i / 4 == i % 4))).collect();
        let read = Tensor::from_vec(mask, [4, 4]).select(&a, Tensor::from_vec_of(unit, [4, 4], DType::F64));
        let read = if triangle.transpose { read.swap_axes(-1, -2) } else { read };
        let x = a.triangular_solve(&b, side, triangle);
        let back = if side == Side::Left { read.matmul(&x) } else { x.matmul(&read) };
        let expected = b.broadcast_to([2, 3, 4, 4]);
        assert_close(&back, &[2, 3, 4, 4], &expected.to_vec::<f64>().unwrap());
    }
}

#[test]
fn cholesky_keeps_the_laws() {
    let positive = |x: &Tensor| x.try_matmul(&x.swap_axes(-1, -2));
    check([
        law(
            "cholesky of a product",
            |data| vec![heavy(data, &[], 3, 3)],
            move |x| positive(&x[0])?.try_cholesky(),
        )
        .dtypes([DType::F32])
        .loose(20.0),
        law("cholesky of any matrix", |data| vec![heavy(data, &[2], 3, 3)], move |x| x[0].try_cholesky())
            .dtypes([DType::F32])
            .loose(20.0),
    ]);
}

#[test]
fn the_factor_times_its_transpose_is_the_matrix() {
    let a = heavy(&mut Data::new(1), &[3], 5, 5);
    let a = a.matmul(&a.swap_axes(-1, -2));
    let l = a.cholesky();
    assert_close(&l.matmul(&l.swap_axes(-1, -2)), &[3, 5, 5], &a.to_vec::<f64>().unwrap());
}

#[test]
fn a_matrix_that_is_not_positive_definite_has_a_factor_of_nan() {
    let a = Tensor::from_vec([1.0f32, 0.0, 0.0, -1.0, 4.0, 0.0, 0.0, 9.0], [2, 2, 2]);
    let l = a.cholesky().to_vec::<f32>().unwrap();
    assert!(l[0].is_nan() && l[1] == 0.0 && l[2].is_nan() && l[3].is_nan());
    assert_eq!(l[4..], [2.0, 0.0, 0.0, 3.0]);
}

#[test]
fn qr_keeps_the_laws() {
    let tall = |rows: usize| {
        law(format!("qr of {rows}x3"), move |data| vec![heavy(data, &[2], rows, 3)], |x| x[0].try_qr())
    };
    let full = law("full qr", |data| vec![heavy(data, &[], 3, 3)], |x| x[0].try_qr_full());
    let wide = law("qr of 2x4", |data| vec![heavy(data, &[], 2, 4)], |x| x[0].try_qr()).no_gradient();
    let only_q = law("q alone", |data| vec![heavy(data, &[], 4, 2)], |x| Ok(x[0].try_qr()?.0));
    let only_r = law("r alone", |data| vec![heavy(data, &[], 4, 2)], |x| Ok(x[0].try_qr()?.1));
    let laws = [tall(3), tall(5), full, wide, only_q, only_r];
    check(laws.map(|law| law.dtypes([DType::F32]).loose(20.0)));
}

#[test]
fn q_is_orthonormal_r_triangular_and_their_product_the_matrix() {
    for (rows, columns) in [(4, 4), (6, 3), (3, 6), (1, 5)] {
        let a = heavy(&mut Data::new(2), &[2], rows, columns);
        for (q, r) in [a.qr(), a.qr_full()] {
            let k = q.shape()[2];
            assert_close(&q.matmul(&r), &[2, rows, columns], &a.to_vec::<f64>().unwrap());
            let eye: Vec<f64> = (0..2 * k * k).map(|i| f64::from(u8::from(i / k % k == i % k))).collect();
            assert_close(&q.swap_axes(-1, -2).matmul(&q), &[2, k, k], &eye);
            for (i, x) in r.to_vec::<f64>().unwrap().into_iter().enumerate() {
                assert!(i / columns % k <= i % columns || x == 0.0, "below the diagonal: {x}");
            }
        }
    }
}

#[test]
fn matrices_without_rows_or_columns_have_factors() {
    let (q, r) = Tensor::zeros([3, 0]).qr_full();
    assert_close(&q, &[3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(r.shape(), [3, 0]);
    let (q, r) = Tensor::zeros([0, 3]).qr();
    assert_eq!((q.shape(), r.shape()), (&[0, 0][..], &[0, 3][..]));
    assert_eq!(Tensor::zeros([2, 0, 0]).cholesky().shape(), [2, 0, 0]);
    let lower = Triangle { lower: true, transpose: false, unit_diagonal: false };
    assert_eq!(
        Tensor::zeros([0, 0]).triangular_solve(&Tensor::zeros([0, 2]), Side::Left, lower).shape(),
        [0, 2]
    );
}

#[test]
fn mistakes_are_named() {
    let lower = Triangle { lower: true, transpose: false, unit_diagonal: false };
    let (square, tall) = (Tensor::ones([3, 3]), Tensor::ones([4, 3]));
    for (error, text) in [
        (Tensor::ones([3]).try_qr().unwrap_err(), "at least two axes"),
        (square.cast(DType::BF16).try_qr().unwrap_err(), "`F32` or `F64`"),
        (tall.try_cholesky().unwrap_err(), "as many rows as columns"),
        (
            square.try_triangular_solve(&tall, Side::Left, lower).unwrap_err(),
            "right-hand sides of as many rows",
        ),
        (grad(|x: &Tensor| Ok(x.try_qr()?.1.sum()))(&Tensor::ones([2, 3])).unwrap_err(), "found 2x3"),
    ] {
        assert!(error.to_string().contains(text), "{error}");
    }
}
