//! Laws of products and sums in one rounding.

use crate::prelude::*;
use crate::vjp;

#[test]
fn product_and_sum_are_rounded_once_in_every_layout() {
    let (shape, shapes) = ([2usize, 3, 5], [vec![2, 3, 5], vec![5], vec![3, 1], vec![], vec![2, 1, 5]]);
    let numbers = |shape: &[usize], seed: f32| {
        let size = shape.iter().product::<usize>();
        let data: Vec<f32> = (0..size).map(|i| (seed + i as f32 * 0.7).sin() * 1.000_001).collect();
        Tensor::from_vec(data, shape)
    };
    let spread = |x: &Tensor| x.broadcast_to(shape).to_vec::<f32>().unwrap();
    for (i, a) in shapes.iter().enumerate() {
        for b in &shapes {
            for c in &shapes {
                if ![a, b, c].iter().any(|s| s[..] == shape) {
                    continue;
                }
                let (x, y, z) = (numbers(a, 0.1), numbers(b, 0.2 + i as f32), numbers(c, 0.3));
                let (xs, ys, zs) = (spread(&x), spread(&y), spread(&z));
                let expected: Vec<f32> = (0..30).map(|i| xs[i].mul_add(ys[i], zs[i])).collect();
                assert_eq!(x.mul_add(&y, &z).to_vec::<f32>().unwrap(), expected);
                let owned = |x: &Tensor| x + x.like(0.0);
                assert_eq!(owned(&x).mul_add(owned(&y), owned(&z)).to_vec::<f32>().unwrap(), expected);
            }
        }
    }
}

#[test]
fn gradients_are_the_other_factor_and_one_summed_where_broadcast() {
    let args = vec![
        Tensor::of([[1.0f64, 2.0], [3.0, 4.0]], DType::F64),
        Tensor::of([5.0f64, 6.0], DType::F64),
        Tensor::of([[7.0f64], [8.0]], DType::F64),
    ];
    let (_, pullback) = vjp(|x: &Vec<Tensor>| Ok(x[0].mul_add(&x[1], &x[2])), &args).unwrap();
    let grads = pullback(&Tensor::ones_of([2, 2], DType::F64)).unwrap();
    let list = |x: &Tensor| x.to_vec::<f64>().unwrap();
    assert_eq!(list(&grads[0]), [5.0, 6.0, 5.0, 6.0]);
    assert_eq!(list(&grads[1]), [4.0, 6.0]);
    assert_eq!((grads[2].shape(), list(&grads[2])), (&[2, 1][..], vec![2.0, 2.0]));
}

#[test]
fn batched_and_staged_it_has_the_bits_of_eager_execution() {
    let x = Tensor::from([[0.1f32, 0.2], [0.3, 0.4], [0.5, 0.6]]);
    let (a, b) = (Tensor::from([1.1f32, 1.3, 1.7]), Tensor::from(0.9f32));
    let expected = x.mul_add(a.reshape([3, 1]), &b).to_vec::<f32>().unwrap();
    let f = |(x, a, b): (Tensor, Tensor, Tensor)| Ok(x.mul_add(a, b));
    let batched = vmap(f).in_axes((0, 0, None)).call((x.clone(), a.clone(), b.clone())).unwrap();
    assert_eq!(batched.to_vec::<f32>().unwrap(), expected);
    let staged = jit(f).call((x, a.reshape([3, 1]), b)).unwrap();
    assert_eq!(staged.to_vec::<f32>().unwrap(), expected);
}

#[test]
fn every_dtype_but_booleans_is_multiplied_and_added() {
    for dtype in DType::ALL {
        let [x, a, b] = [2, 3, 1].map(|x| Tensor::from([x]).cast(dtype));
        match x.try_mul_add(a, b) {
            Ok(out) => {
                assert_eq!((out.dtype(), out.cast(DType::I32).to_vec().unwrap()), (dtype, vec![7]));
            }
            Err(error) => {
                assert!(dtype == DType::Bool && error.to_string().contains("boolean"), "{error}");
            }
        }
    }
}

#[test]
fn a_factor_of_one_is_a_sum() {
    let graph = jit(|x: Tensor| Ok(x.mul_add(x.like(1.0), &x))).graph(&Tensor::zeros([3])).unwrap();
    assert!(!graph.to_string().contains("mul_add"), "{graph}");
}
