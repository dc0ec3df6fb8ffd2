//! Whole derivatives: `jacrev`, `jacfwd`, `hessian`.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen_tests::data::Data;
use flaxen_tests::numbers::{Numbers, assert_close, product, scalar, tensor64, vector};

#[test]
fn both_modes_give_the_same_matrix() {
    let f = |x: &Tensor| Ok((x.expand_dims([1]) * x).sum_axes([0]) * x);
    let x = tensor64(&[3], &[0.5, -1.0, 2.0]);
    // yᵢ = xᵢ² Σ xⱼ
    let s = 1.5;
    let mut expected = vec![];
    for (i, xi) in [0.5, -1.0, 2.0f64].into_iter().enumerate() {
        expected.extend((0..3).map(|j| xi * xi + if i == j { 2.0 * xi * s } else { 0.0 }));
    }
    assert_close(&jacrev(f)(&x).unwrap(), &[3, 3], &expected);
    assert_close(&jacfwd(f)(&x).unwrap(), &[3, 3], &expected);
}

#[test]
fn a_jacobian_has_the_axes_of_the_output_and_then_those_of_the_input() {
    let f = |x: &Tensor| Ok(x.sum_axes([1]).expand_dims([0]).broadcast_to([4, 2]));
    let x = Tensor::zeros([2, 3]);
    assert_eq!(jacrev(f)(&x).unwrap().shape(), [4, 2, 2, 3]);
    assert_eq!(jacfwd(f)(&x).unwrap().shape(), [4, 2, 2, 3]);
    let from_scalar = |x: &Tensor| Ok(x * vector(&[1., 2.]));
    assert_close(&jacrev(from_scalar)(&scalar(3.)).unwrap(), &[2], &[1., 2.]);
    assert_close(&jacfwd(from_scalar)(&scalar(3.)).unwrap(), &[2], &[1., 2.]);
}

#[test]
fn trees_of_trees() {
    type In = (Tensor, BTreeMap<String, Tensor>);
    let f = |(a, map): &In| Ok(vec![a * map["b"].sum_axes([0]), map["b"].sum_axes([0])]);
    let point: In = (vector(&[1., 2.]), [("b".to_owned(), vector(&[3., 4., 5.]))].into());
    let check = |rows: Vec<In>| {
        assert_close(&rows[0].0, &[2, 2], &[12., 0., 0., 12.]);
        assert_close(&rows[0].1["b"], &[2, 3], &[1., 1., 1., 2., 2., 2.]);
        assert_close(&rows[1].0, &[2], &[0., 0.]);
        assert_close(&rows[1].1["b"], &[3], &[1., 1., 1.]);
    };
    check(jacrev(f)(&point).unwrap());
    check(jacfwd(f)(&point).unwrap());
}

#[test]
fn jacobians_go_under_jit_and_vmap() {
    let f = |x: &Tensor| Ok(x * x);
    let xs = Tensor::of([[1f64, 2.0], [3.0, 4.0]], DType::F64);
    let expected = [2., 0., 0., 4., 6., 0., 0., 8.];
    let over = |xs: Tensor| vmap(|x: Tensor| jacrev(f)(&x)).call(xs);
    assert_close(&over(xs.clone()).unwrap(), &[2, 2, 2], &expected);
    assert_close(&jit(over).call(xs.clone()).unwrap(), &[2, 2, 2], &expected);
    let forward = jit(|xs: Tensor| vmap(|x: Tensor| jacfwd(f)(&x)).call(xs));
    assert_close(&forward.call(xs).unwrap(), &[2, 2, 2], &expected);
}

#[test]
fn integers_have_no_jacobian() {
    let f = |x: &Tensor| Ok(x.clone());
    assert!(matches!(jacrev(f)(&Tensor::from([1i32])), Err(Error::DType { .. })));
    assert!(matches!(jacfwd(f)(&Tensor::from([1i32])), Err(Error::DType { .. })));
}

/// Weights and biases of a network 3 → 4 → 1.
type Mlp = Vec<Tensor>;

fn loss(params: &Mlp, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let h = product(x, &params[0]) + &params[1];
    // A rational sigmoid: smooth, and not linear.
    let h = &h / (&h * &h + 1.0);
    let d = product(&h, &params[2]) + &params[3] - y;
    Ok((&d * &d).sum_axes([0, 1]))
}

#[test]
fn the_hessian_of_a_network_matches_finite_differences_of_its_gradient() {
    let mut data = Data::new(3);
    let params: Mlp = [vec![3, 4], vec![4], vec![4, 1], vec![1]]
        .iter()
        .map(|shape| data.floats(shape, -1.0, 1.0))
        .collect();
    let (x, y) = (data.floats([5, 3], -1.0, 1.0), data.floats([5, 1], -1.0, 1.0));
    let f = |p: &Mlp| loss(p, &x, &y);
    let eager: Vec<Mlp> = hessian(f)(&params).unwrap();
    let compiled: Vec<Mlp> = jit(|p: Mlp| hessian(f)(&p)).call(params.clone()).unwrap();
    let flat = |params: &Mlp| -> Vec<f64> {
        params.iter().flat_map(|leaf| Numbers::of(leaf).unwrap().data).collect()
    };
    let step = 1e-5;
    for (j, leaf) in params.iter().enumerate() {
        for k in 0..leaf.size() {
            let moved = |step: f64| {
                let mut numbers = Numbers::of(leaf).unwrap();
                numbers.data[k] += step;
                let mut params = params.clone();
                params[j] = numbers.tensor(DType::F64);
                flat(&grad(f)(&params).unwrap())
            };
            let derivatives: Vec<f64> =
                moved(step).iter().zip(moved(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect();
            for found in [&eager, &compiled] {
                let column: Vec<f64> = found
                    .iter()
                    .flat_map(|row| {
                        let numbers = Numbers::of(&row[j]).unwrap();
                        numbers.data.chunks(leaf.size()).map(|chunk| chunk[k]).collect::<Vec<_>>()
                    })
                    .collect();
                let count = column.len();
                let found = Numbers { shape: vec![count], data: column };
                let expected = Numbers { shape: vec![count], data: derivatives.clone() };
                found
                    .close(&expected, 1e-7)
                    .unwrap_or_else(|message| panic!("leaf {j}, element {k}: {message}"));
            }
        }
    }
}

#[test]
fn a_hessian_is_symmetric() {
    let f = |x: &Tensor| Ok((x.expand_dims([1]) * x * x).sum_axes([0, 1]));
    let h = hessian(f)(&tensor64(&[3], &[0.5, -1.0, 2.0])).unwrap();
    assert_close(&h, &[3, 3], &h.t().to_vec::<f64>().unwrap());
}
