//! `associative_scan` against a loop in Rust: values, derivatives of both orders, batches, compiled.

use flaxen::associative_scan;
use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, assert_same, tensor, vector};

/// Linear maps, which do not commute: `x ↦ a·x + b`, the first one applied first.
fn compose((a, b): (Tensor, Tensor), (c, d): (Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
    Ok((&a * &c, b * c + d))
}

fn maps(n: usize) -> (Tensor, Tensor) {
    (random::normal(&key(0), [n, 2]), random::normal(&key(1), [n, 2]))
}

/// What a loop makes of them.
fn one_by_one((a, b): &(Tensor, Tensor), reverse: bool) -> Result<(Tensor, Tensor)> {
    let n = a.shape()[0] as isize;
    let mut states: Vec<(Tensor, Tensor)> = Vec::new();
    for i in 0..n {
        let i = if reverse { n - 1 - i } else { i };
        let next = (a.get(i), b.get(i));
        states.push(match states.last() {
            Some(last) => compose(last.clone(), next)?,
            None => next,
        });
    }
    if reverse {
        states.reverse();
    }
    let (a, b): (Vec<Tensor>, Vec<Tensor>) = states.into_iter().unzip();
    Ok((Tensor::try_stack(&a, 0)?, Tensor::try_stack(&b, 0)?))
}

fn close(a: &Tensor, b: &Tensor) {
    let difference = (a - b).abs().max().item::<f32>().unwrap();
    assert!(difference <= 1e-5 * b.abs().max().item::<f32>().unwrap().max(1.0), "{a} and {b}");
}

fn scan(maps: &(Tensor, Tensor), reverse: bool) -> Result<(Tensor, Tensor)> {
    let f = associative_scan(compose);
    if reverse { f.reverse().call(maps.clone()) } else { f.call(maps.clone()) }
}

#[test]
fn it_is_a_loop_over_the_elements_of_any_number() {
    for n in [1, 2, 3, 4, 7, 8, 13] {
        for reverse in [false, true] {
            let (a, b) = scan(&maps(n), reverse).unwrap();
            let (c, d) = one_by_one(&maps(n), reverse).unwrap();
            close(&a, &c);
            close(&b, &d);
            let (a, b) = jit(|maps: (Tensor, Tensor)| scan(&maps, reverse)).call(maps(n)).unwrap();
            close(&a, &c);
            close(&b, &d);
        }
    }
    let none = scan(&(Tensor::zeros([0, 2]), Tensor::zeros([0, 2])), true).unwrap();
    assert_eq!((none.0.shape(), none.1.shape()), (&[0, 2][..], &[0, 2][..]));
}

#[test]
fn its_derivatives_of_both_orders_are_those_of_the_loop() {
    type Maps = (Tensor, Tensor);
    fn slopes(f: fn(&Maps, bool) -> Result<Maps>, reverse: bool, maps: &Maps) -> Result<Maps> {
        let loss = move |maps: &Maps| {
            let (a, b) = f(maps, reverse)?;
            Ok((a.sin() + b.cos()).sum())
        };
        grad(loss)(maps)
    }
    for (n, reverse) in [(1, false), (2, true), (3, false), (7, true), (8, false)] {
        let (found, expected) = (slopes(scan, reverse, &maps(n)), slopes(one_by_one, reverse, &maps(n)));
        let ((a, b), (c, d)) = (found.unwrap(), expected.unwrap());
        close(&a, &c);
        close(&b, &d);
        let second = |f: fn(&Maps, bool) -> Result<Maps>| {
            let norm = move |maps: &Maps| {
                let (a, b) = slopes(f, reverse, maps)?;
                Ok((&a * &a).sum() + (&b * &b).sum())
            };
            grad(norm)(&maps(n)).unwrap()
        };
        let ((a, b), (c, d)) = (second(scan), second(one_by_one));
        close(&a, &c);
        close(&b, &d);
    }
}

#[test]
fn under_vmap_each_example_has_its_own() {
    let a = random::normal(&key(0), [3, 5]);
    let b = random::normal(&key(1), [5]);
    let f = |(a, b): (Tensor, Tensor)| scan(&(a, b), false);
    let (x, y) = vmap(f).in_axes((0, None)).call((a.clone(), b.clone())).unwrap();
    for i in 0..3 {
        let (c, d) = one_by_one(&(a.get(i), b.clone()), false).unwrap();
        close(&x.get(i), &c);
        close(&y.get(i), &d);
    }
}

#[test]
fn along_any_axis_and_for_any_dtype() {
    let x = tensor(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let sums = associative_scan(|a: Tensor, b| Ok(a + b));
    assert_close(&sums.axis(1).call(x.clone()).unwrap(), &[2, 3], &[1., 3., 6., 4., 9., 15.]);
    let sums = associative_scan(|a: Tensor, b| Ok(a + b)).axis(-1).reverse();
    assert_close(&sums.call(x).unwrap(), &[2, 3], &[6., 5., 3., 15., 11., 6.]);
    let any = associative_scan(|a: Tensor, b: Tensor| Ok(a | b));
    let x = Tensor::from([false, false, true, false, false]);
    assert_same(&any.call(x).unwrap(), &Tensor::from([false, false, true, true, true]));
    let largest = associative_scan(|a: Tensor, b: Tensor| Ok(a.maximum(&b)));
    let x = Tensor::from([3i32, 1, 4, 1, 5, 9, 2]);
    assert_eq!(largest.call(x).unwrap().to_vec::<i32>().unwrap(), [3, 3, 4, 4, 5, 9, 9]);
}

/// 2 · log₂ n combinations, however many elements there are.
#[test]
fn it_takes_few_combinations() {
    let f = jit(|x: Tensor| associative_scan(|a: Tensor, b: Tensor| Ok(a.maximum(&b))).call(x));
    let graph = f.graph(&Tensor::zeros([1024])).unwrap();
    assert_eq!(graph.primitives().filter(|&name| name == "max").count(), 2 * 10 - 1);
}

#[test]
fn wrong_uses_are_errors_that_name_the_leaf() {
    let f = associative_scan(|a: (Tensor, Tensor), _| Ok(a));
    let error = f.call((vector(&[1., 2.]), vector(&[1.]))).unwrap_err().to_string();
    assert!(error.contains("1 elements at `1`") && error.contains('2'), "{error}");
    assert!(f.call((vector(&[1., 2.]), Tensor::from(1.0f32))).is_err());
    let f = associative_scan(|a: Vec<Tensor>, b: Vec<Tensor>| Ok(vec![a[0].sum() + &b[0]]));
    assert!(f.call(vec![vector(&[1., 2.])]).is_ok(), "a sum of one element fits by chance");
    let f = associative_scan(|a: Vec<Tensor>, _| Ok(vec![a[0].cast(DType::BF16)]));
    let error = f.call(vec![vector(&[1., 2.])]).unwrap_err().to_string();
    assert!(error.contains("returns bf16[1] at `0`") && error.contains("f32[1]"), "{error}");
    let f = associative_scan(|a: Vec<Tensor>, _| Ok([&a[..], &a[..]].concat()));
    assert!(matches!(f.call(vec![vector(&[1., 2.])]), Err(Error::Structure { .. })));
}
