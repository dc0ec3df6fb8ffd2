//! Decompositions, systems, determinants and norms: laws, what factors multiply to, and what is refused.

use flaxen::prelude::*;
use flaxen::{MatrixNorm, multi_dot};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};
use flaxen_tests::naive_backend::NAIVE;
use flaxen_tests::numbers::assert_close;

/// Random numbers with a diagonal of different sizes: well conditioned, and eigenvalues and singular values lie apart.
fn spread(data: &mut Data, batch: &[usize], rows: usize, columns: usize) -> Tensor {
    let noise = data.floats([batch, &[rows, columns]].concat(), -0.5, 0.5);
    let diagonal: Vec<f64> = (0..rows * columns)
        .map(|i| if i / columns == i % columns { 2.0 + 1.5 * (i % columns) as f64 } else { 0.0 })
        .collect();
    noise + Tensor::from_vec_of(diagonal, [rows, columns], DType::F64)
}

fn transposed(x: &Tensor) -> Tensor {
    x.swap_axes(-1, -2)
}

/// A law of matrices of a shape, which are in `F64` and `F32`.
fn of_matrices(
    name: &str,
    shape: (usize, usize),
    f: impl Fn(&Tensor) -> Result<Vec<Tensor>> + 'static,
) -> Law {
    law(
        format!("{name} of {shape:?}"),
        move |data| vec![spread(data, &[2], shape.0, shape.1)],
        move |x| f(&x[0]),
    )
    .dtypes([DType::F32])
    .loose(40.0)
}

#[test]
fn factorisations_keep_the_laws() {
    // Squares of vectors, which may point either way.
    let eigh = of_matrices("eigh", (3, 3), |x| x.try_eigh().map(|(w, v)| vec![w, v.square()]));
    let values = of_matrices("eigvalsh", (3, 3), |x| Ok(vec![x.try_eigvalsh()?]));
    let lu = [(3, 3), (4, 2), (2, 4)]
        .map(|shape| of_matrices("lu", shape, |x| x.try_lu().map(|(_, l, u)| vec![l, u])));
    let svd = [(3, 3), (4, 2), (2, 4)].map(|shape| {
        of_matrices("svd", shape, |x| x.try_svd(false).map(|(u, s, vt)| vec![u.square(), s, vt.square()]))
    });
    let full = of_matrices("full svd", (3, 3), |x| {
        x.try_svd(true).map(|(u, s, vt)| vec![u.square(), s, vt.square()])
    });
    let svdvals = of_matrices("svdvals", (2, 3), |x| Ok(vec![x.try_svdvals()?]));
    check([eigh, values, full, svdvals].into_iter().chain(lu).chain(svd));
}

#[test]
fn systems_and_determinants_keep_the_laws() {
    let solve = law(
        "solve",
        |data| vec![spread(data, &[2], 3, 3), data.floats([2, 3, 2], -1.0, 1.0)],
        |x| x[0].try_solve(&x[1]),
    );
    let vector = law(
        "solve a vector",
        |data| vec![spread(data, &[], 3, 3), data.floats([3], -1.0, 1.0)],
        |x| x[0].try_solve(&x[1]),
    );
    let cho_solve = law(
        "cho_solve",
        |data| vec![spread(data, &[], 3, 3), data.floats([3, 2], -1.0, 1.0)],
        |x| x[0].try_cho_solve(&x[1], true),
    );
    let lu_solve = law(
        "lu_solve",
        |data| vec![spread(data, &[], 3, 3), data.floats([3], -1.0, 1.0)],
        |x| {
            let (lu, pivots) = x[0].try_lu_factor()?;
            Ok(vec![lu.try_lu_solve(&pivots, &x[1], false)?, lu.try_lu_solve(&pivots, &x[1], true)?])
        },
    );
    let pairs = [solve, vector, cho_solve, lu_solve].map(|law| law.dtypes([DType::F32]).loose(40.0));
    let det = [1, 2, 3, 4].map(|n| of_matrices("det", (n, n), |x| Ok(vec![x.try_det()?])));
    let slogdet = [1, 2, 4].map(|n| of_matrices("slogdet", (n, n), |x| Ok(vec![x.try_slogdet()?.1])));
    let inverse = of_matrices("inv", (3, 3), |x| Ok(vec![x.try_inv()?]));
    check(pairs.into_iter().chain(det).chain(slogdet).chain([inverse]));
}

#[test]
fn functions_of_singular_values_keep_the_laws() {
    let pinv =
        [(3, 3), (4, 2), (2, 4)].map(|shape| of_matrices("pinv", shape, |x| Ok(vec![x.try_pinv(None)?])));
    let lstsq = law(
        "lstsq",
        |data| vec![spread(data, &[], 4, 2), data.floats([4], -1.0, 1.0)],
        |x| x[0].try_lstsq(&x[1], None).map(|(x, residuals, _, s)| vec![x, residuals, s]),
    );
    let norms = [
        MatrixNorm::Frobenius,
        MatrixNorm::Nuclear,
        MatrixNorm::Spectral,
        MatrixNorm::SmallestSingularValue,
        MatrixNorm::One,
        MatrixNorm::SmallestColumn,
        MatrixNorm::Infinity,
        MatrixNorm::SmallestRow,
    ]
    .map(|order| {
        of_matrices(&format!("{order:?}"), (3, 3), move |x| {
            Ok(vec![x.try_matrix_norm(order)?, x.try_matrix_norm_keep([0, 2], order)?, x.try_cond(order)?])
        })
    });
    let expm = of_matrices("expm", (3, 3), |x| Ok(vec![x.try_expm()?, (x * 0.05).try_expm()?]));
    let lstsq = lstsq.dtypes([DType::F32]).loose(40.0);
    check(pinv.into_iter().chain(norms).chain([lstsq, expm.loose(400.0)]));
}

#[test]
fn products_keep_the_laws() {
    let two = |shapes: [&'static [usize]; 2]| {
        move |data: &mut Data| shapes.map(|shape| data.floats(shape, 0.5, 1.5)).to_vec()
    };
    check([
        law("inner", two([&[2, 3], &[4, 3]]), |x| x[0].try_inner(&x[1])).loose(4.0),
        law("vdot", two([&[2, 3], &[3, 2]]), |x| x[0].try_vdot(&x[1])).loose(4.0),
        law("vecdot", two([&[2, 3], &[3]]), |x| x[0].try_vecdot(&x[1], -1)).loose(4.0),
        law("kron", two([&[2, 3], &[2]]), |x| x[0].try_kron(&x[1])).loose(4.0),
        law("cross", two([&[2, 3], &[3]]), |x| x[0].try_cross(&x[1], -1)).loose(8.0),
        law("cross of two", two([&[2, 4], &[3, 4]]), |x| x[0].try_cross(&x[1], 0)).loose(8.0),
        law("diagonal", |data| vec![data.floats([3, 2, 4], 0.5, 1.5)], |x| x[0].try_diagonal_at(-1, 2, 0)),
        law("trace", |data| vec![data.floats([3, 4], 0.5, 1.5)], |x| x[0].try_trace_at(1, 0, 1)).loose(4.0),
        law("matrix_power", |data| vec![data.floats([2, 2], 0.5, 1.5)], |x| x[0].try_matrix_power(5))
            .loose(40.0),
        law("multi_dot", two([&[2, 3], &[3, 4]]), |x| {
            flaxen::try_multi_dot(&[x[0].index_axis(0, 0), x[1].clone(), transposed(&x[1])])
        })
        .loose(8.0),
    ]);
}

#[test]
fn factors_give_the_matrices_back() {
    for (rows, columns) in [(4, 4), (6, 3), (3, 6), (1, 5)] {
        let a = spread(&mut Data::new(3), &[2], rows, columns);
        let expected = a.to_vec::<f64>().unwrap();
        let (p, l, u) = a.lu();
        assert_close(&p.matmul(&l).matmul(&u), &[2, rows, columns], &expected);
        let k = rows.min(columns);
        for full in [false, true] {
            let (u, s, vt) = a.svd(full);
            let (u, vt) = (u.slice_axis(-1, 0..k), vt.slice_axis(-2, 0..k));
            assert_close(&(u * s.expand_dims([-2])).matmul(&vt), &[2, rows, columns], &expected);
        }
        let p = a.pinv(None);
        assert_close(&a.matmul(&p).matmul(&a), &[2, rows, columns], &expected);
    }
    let a = spread(&mut Data::new(4), &[3], 5, 5);
    let symmetric = &a + transposed(&a);
    let (w, v) = symmetric.eigh();
    assert_close(
        &(&v * w.expand_dims([-2])).matmul(&transposed(&v)),
        &[3, 5, 5],
        &symmetric.to_vec::<f64>().unwrap(),
    );
    assert_close(&w.sum_axes([-1]), &[3], &symmetric.trace().to_vec::<f64>().unwrap());
    let (sign, log) = a.slogdet();
    assert_close(&(sign * log.exp()), &[3], &a.det().to_vec::<f64>().unwrap());
    assert_close(&a.svdvals().prod_axes([-1]), &[3], &a.det().abs().to_vec::<f64>().unwrap());
    let power = a.matrix_power(-3).matmul(&a.matrix_power(3));
    assert_close(
        &power,
        &[3, 5, 5],
        &Tensor::eye_of(5, 5, 0, DType::F64).broadcast_to([3, 5, 5]).to_vec::<f64>().unwrap(),
    );
    let exponential = (symmetric.eigh().1 * w.exp().expand_dims([-2])).matmul(&transposed(&v));
    let expm = symmetric.expm();
    assert!(
        (&expm - &exponential).abs().max().item::<f64>().unwrap()
            < 1e-9 * expm.abs().max().item::<f64>().unwrap()
    );
}

#[test]
fn factorisations_mean_the_same_on_another_backend() {
    let mut data = Data::new(9);
    for (m, n) in [(3, 3), (4, 2), (2, 4)] {
        let (x, k) = (spread(&mut data, &[2], m, n), m.min(n) as isize);
        let f = move |x: Tensor| {
            let (p, l, u) = x.lu();
            let (left, s, right) = x.svd(false);
            // What is beyond the singular values is known as a space only.
            let (full, _, full_right) = x.svd(true);
            let beyond = |x: Tensor| x.matmul(&transposed(&x));
            let spaces =
                [full.slice_axis(-1, k..m as isize), transposed(&full_right).slice_axis(-1, k..n as isize)];
            let gram = if m < n { x.matmul(&transposed(&x)) } else { transposed(&x).matmul(&x) };
            let (w, v) = gram.eigh();
            let others = [
                p,
                l,
                u,
                left.square(),
                s,
                right.square(),
                w,
                v.square(),
                gram.eigvalsh(),
                x.svdvals(),
                gram.inv(),
            ];
            Ok(others.into_iter().chain(spaces.map(beyond)).collect::<Vec<Tensor>>())
        };
        let (ours, theirs) = (f(x.clone()).unwrap(), jit(f).on(&NAIVE).call(x).unwrap());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_close(theirs, ours.shape(), &ours.to_vec::<f64>().unwrap());
        }
    }
}

#[test]
fn singular_matrices_have_determinants_with_gradients_and_no_inverse() {
    let x = Tensor::of(
        [[1.0, 2.0, 0.0, 1.0], [2.0, 4.0, 0.0, 2.0], [0.0, 1.0, 3.0, 1.0], [1.0, 0.0, 1.0, 5.0]],
        DType::F64,
    );
    assert_close(&x.det(), &[], &[0.0]);
    let (sign, log) = x.slogdet();
    assert_eq!((sign.item::<f64>().unwrap(), log.item::<f64>().unwrap()), (0.0, f64::NEG_INFINITY));
    // The cofactors, of which some are not zero, as the rank is one less than full.
    let cofactors = grad(|x: &Tensor| x.try_det())(&x).unwrap();
    let minor = Tensor::of([[4.0, 0.0, 2.0], [1.0, 3.0, 1.0], [0.0, 1.0, 5.0]], DType::F64).det();
    assert_close(&cofactors.index_axis(0, 0).index_axis(0, 0), &[], &[minor.item::<f64>().unwrap()]);
    assert!(!x.inv().is_finite().all().item::<bool>().unwrap());
    assert_eq!(Tensor::ones([3, 3]).cond(MatrixNorm::One).item::<f32>().unwrap(), f32::INFINITY);
    assert_eq!(Tensor::ones([3, 3]).matrix_rank(None).item::<i32>().unwrap(), 1);
}

#[test]
fn matrices_that_are_not_finite_give_nan() {
    for bad in [f32::NAN, f32::INFINITY] {
        let x = Tensor::from([[1.0, bad], [bad, 2.0]]);
        let (w, v) = x.eigh();
        let (u, s, vt) = x.svd(false);
        for x in [w, v, u, s, vt, x.eigvalsh(), x.svdvals()] {
            assert!(x.is_nan().all().item::<bool>().unwrap(), "{x:?}");
        }
        // Of a batch only the one with such a number.
        let both = Tensor::stack(&[x, Tensor::eye(2)], 0);
        assert_eq!(both.eigvalsh().is_nan().to_vec::<bool>().unwrap(), [true, true, false, false]);
    }
}

#[test]
fn matrices_without_rows_or_columns_have_factors_and_solutions() {
    let empty = Tensor::zeros([2, 0, 0]);
    assert_eq!((empty.eigh().0.shape(), empty.det().to_vec::<f32>().unwrap()), (&[2, 0][..], vec![1.0; 2]));
    let (u, s, vt) = Tensor::zeros([3, 0]).svd(true);
    assert_eq!(
        (u.to_vec::<f32>().unwrap(), s.shape(), vt.shape()),
        (Tensor::eye(3).to_vec().unwrap(), &[0][..], &[0, 0][..])
    );
    assert_eq!(Tensor::zeros([2, 0, 3]).svd(false).0.shape(), [2, 0, 0]);
    assert_eq!(empty.solve(&Tensor::zeros([2, 0, 3])).shape(), [2, 0, 3]);
    assert_eq!(Tensor::zeros([0, 3]).lu().0.shape(), [0, 0]);
    assert_eq!(Tensor::zeros([3, 0]).pinv(None).shape(), [0, 3]);
    assert_eq!(Tensor::zeros([0, 2]).matrix_norm(MatrixNorm::One).item::<f32>().unwrap(), 0.0);
}

#[test]
fn mistakes_are_named() {
    let (square, tall) = (Tensor::ones([3, 3]), Tensor::ones([4, 3]));
    for (error, text) in [
        (square.cast(DType::BF16).try_svd(true).unwrap_err(), "`F32` or `F64`"),
        (tall.try_eigh().unwrap_err(), "as many rows as columns"),
        (tall.try_det().unwrap_err(), "as many rows as columns"),
        (square.try_solve(&tall).unwrap_err(), "right-hand sides of as many rows"),
        (square.try_matrix_norm_axes([0], MatrixNorm::One).unwrap_err(), "rows and of columns"),
        (
            square.try_cross(&square, -1).and_then(|_| tall.try_cross(&tall, 0)).unwrap_err(),
            "two or three elements",
        ),
        (flaxen::try_multi_dot(std::slice::from_ref(&square)).unwrap_err(), "two or more matrices"),
        (tall.try_lstsq(&square, None).unwrap_err(), "as many rows"),
        (
            grad(|x: &Tensor| x.try_svd(true)?.0.try_sum())(&tall).unwrap_err(),
            "square factors only of square matrices",
        ),
    ] {
        assert!(error.to_string().contains(text), "{error}");
    }
    assert_eq!(
        multi_dot(&[Tensor::ones([3]), square.clone(), Tensor::ones([3])]).item::<f32>().unwrap(),
        9.0
    );
}
