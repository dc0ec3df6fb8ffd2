//! Forward mode.

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, scalar, tensor64, vector};

#[test]
fn the_tangent_is_the_directional_derivative() {
    let f = |x: &Tensor| Ok(x.sin() * x);
    let (y, dy) = jvp(f, &vector(&[0.3, 0.7]), &vector(&[1.0, -2.0])).unwrap();
    let values: Vec<f64> = [0.3f32, 0.7].iter().map(|x| f64::from(x.sin() * x)).collect();
    let derivatives: Vec<f64> =
        [(0.3f32, 1.0), (0.7, -2.0)].iter().map(|(x, d)| f64::from((x.cos() * x + x.sin()) * d)).collect();
    assert_close(&y, &[2], &values);
    assert_close(&dy, &[2], &derivatives);
}

#[test]
fn trees_in_and_trees_out() {
    let f = |(a, b): &(Tensor, Tensor)| Ok(vec![a * b, a.clone(), scalar(5.0)]);
    let (_, tangents) = jvp(f, &(scalar(2.), scalar(3.)), &(scalar(1.), scalar(10.))).unwrap();
    let found: Vec<f32> = tangents.iter().map(|t| t.item().unwrap()).collect();
    assert_eq!(found, [23.0, 1.0, 0.0]);
}

#[test]
fn what_is_not_a_float_has_a_tangent_of_zeros() {
    let f = |(x, n): &(Tensor, Tensor)| Ok((x * n, x.gt(0.0), n + 1));
    let point = (scalar(2.), Tensor::from([3i32]));
    let (_, (dx, db, dn)) = jvp(f, &point, &(scalar(1.), Tensor::from([0i32]))).unwrap();
    assert_close(&dx, &[1], &[3.0]);
    assert_eq!(db.to_vec::<bool>().unwrap(), [false]);
    assert_eq!(dn.to_vec::<i32>().unwrap(), [0]);
}

#[test]
fn it_nests_with_itself_and_with_grad() {
    let f = |x: &Tensor| Ok(x * x * x);
    let along = |x: &Tensor| Ok(jvp(f, x, &scalar(1.0))?.1);
    let (dy, ddy) = jvp(along, &scalar(2.0), &scalar(1.0)).unwrap();
    assert_eq!((dy.item::<f32>(), ddy.item::<f32>()), (Ok(12.0), Ok(12.0)));
    assert_eq!(grad(along)(&scalar(2.0)).unwrap().item::<f32>(), Ok(12.0));
    let (_, ddy) = jvp(grad(f), &scalar(2.0), &scalar(1.0)).unwrap();
    assert_eq!(ddy.item::<f32>(), Ok(12.0));
}

#[test]
fn it_goes_under_jit_and_vmap() {
    let f = |x: &Tensor| Ok(x.sin());
    let push = |(x, d): (Tensor, Tensor)| Ok(jvp(f, &x, &d)?.1);
    let at = || (vector(&[0.1, 0.2]), vector(&[1.0, 3.0]));
    let expected = [f64::from(0.1f32.cos()), f64::from(3.0 * 0.2f32.cos())];
    assert_close(&jit(push).call(at()).unwrap(), &[2], &expected);
    assert_close(&vmap(push).call(at()).unwrap(), &[2], &expected);
    let compiled = jit(|x: Tensor| Ok(x.sin()));
    let (_, dy) = jvp(|x: &Tensor| compiled.call(x.clone()), &at().0, &at().1).unwrap();
    assert_close(&dy, &[2], &expected);
}

#[test]
fn under_jit_only_the_derivative_is_left() {
    let push = jit(|(x, d): (Tensor, Tensor)| Ok(jvp(|x: &Tensor| Ok(x.sin()), &x, &d)?.1));
    let graph = push.graph(&(scalar(0.), scalar(0.))).unwrap();
    assert_eq!(graph.primitives().collect::<Vec<_>>(), ["cos", "mul"]);
}

#[test]
fn tangents_and_cotangents_are_dual() {
    let f = |x: &Tensor| Ok(x * x.sum_axes([0]));
    let (x, d, u) = (
        tensor64(&[3], &[0.3, -0.7, 0.2]),
        tensor64(&[3], &[1.0, 2.0, -0.5]),
        tensor64(&[3], &[0.1, -3.0, 0.7]),
    );
    let (_, pushed) = jvp(f, &x, &d).unwrap();
    let pulled = vjp(f, &x).unwrap().1(&u).unwrap();
    let (left, right) = ((u * pushed).sum_axes([0]), (pulled * d).sum_axes([0]));
    assert_close(&left, &[], &right.to_vec::<f64>().unwrap());
}

#[test]
fn tangents_that_do_not_fit_are_errors_with_the_path() {
    let f = |(a, _): &(Tensor, Tensor)| Ok(a.clone());
    let error = jvp(f, &(scalar(1.), scalar(1.)), &(scalar(1.), vector(&[1.]))).unwrap_err().to_string();
    assert!(error.contains("`1`"), "{error}");
    assert!(jvp(|x: &Vec<Tensor>| Ok(x[0].clone()), &vec![scalar(1.)], &vec![]).is_err());
}
