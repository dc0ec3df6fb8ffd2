//! Products: `matmul`, `einsum`, `dot_general` and their derivatives.

use flaxen::prelude::*;
use flaxen::{DotDimensions, jvp};

/// Numbers that look random and are the same every time.
fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    Tensor::from_vec_of((0..shape.iter().product()).map(|_| next()).collect::<Vec<f64>>(), shape, DType::F64)
}

#[track_caller]
fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (x, y) in a.to_vec::<f64>().unwrap().into_iter().zip(b.to_vec::<f64>().unwrap()) {
        assert!((x - y).abs() <= 1e-9 * (1.0 + y.abs()), "{x} {y}");
    }
}

/// The definition of an einsum of two operands, index by index.
fn naive(subscripts: &str, a: &Tensor, b: &Tensor) -> Tensor {
    let (inputs, output) = subscripts.split_once("->").unwrap();
    let (la, lb) = inputs.split_once(',').unwrap();
    let mut labels: Vec<char> = output.chars().collect();
    labels.extend(la.chars().chain(lb.chars()).filter(|c| !output.contains(*c)));
    labels.dedup();
    let mut unique = vec![];
    labels.into_iter().for_each(|c| {
        if !unique.contains(&c) {
            unique.push(c);
        }
    });
    let size = |c: char| {
        let find = |l: &str, t: &Tensor| l.chars().position(|x| x == c).map(|i| t.shape()[i]);
        find(la, a).or_else(|| find(lb, b)).unwrap()
    };
    let sizes: Vec<usize> = unique.iter().map(|&c| size(c)).collect();
    let shape: Vec<usize> = output.chars().map(size).collect();
    let at = |l: &str, t: &Tensor, index: &[usize]| {
        l.chars()
            .zip(t.shape())
            .fold(0, |flat, (c, n)| flat * n + index[unique.iter().position(|&x| x == c).unwrap()])
    };
    let (da, db) = (a.to_vec::<f64>().unwrap(), b.to_vec::<f64>().unwrap());
    let mut out = vec![0.0; shape.iter().product()];
    for flat in 0..sizes.iter().product::<usize>() {
        let mut rest = flat;
        let mut index = vec![0; sizes.len()];
        for (i, n) in sizes.iter().enumerate().rev() {
            index[i] = rest % n;
            rest /= n;
        }
        let o = index[..shape.len()].iter().zip(&shape).fold(0, |flat, (i, n)| flat * n + i);
        out[o] += da[at(la, a, &index)] * db[at(lb, b, &index)];
    }
    Tensor::from_vec_of(out, shape, DType::F64)
}

const CASES: [(&str, &[usize], &[usize]); 10] = [
    ("ij,jk->ik", &[3, 4], &[4, 5]),
    ("ji,jk->ik", &[4, 3], &[4, 5]),
    ("ij,kj->ki", &[3, 4], &[5, 4]),
    ("bij,bjk->bik", &[2, 3, 4], &[2, 4, 5]),
    ("bqhd,bkhd->bhqk", &[2, 3, 2, 4], &[2, 5, 2, 4]),
    ("bhqk,bkhd->bqhd", &[2, 2, 3, 5], &[2, 5, 2, 4]),
    ("abc,cbd->ad", &[2, 3, 4], &[4, 3, 2]),
    ("i,j->ij", &[3], &[4]),
    ("i,i->", &[3], &[3]),
    ("aib,bja->ij", &[2, 3, 4], &[4, 5, 2]),
];

#[test]
fn einsum_is_its_definition() {
    for (subscripts, a, b) in CASES {
        let (a, b) = (numbers(a, 1), numbers(b, 2));
        close(&einsum(subscripts, &[&a, &b]), &naive(subscripts, &a, &b));
    }
}

#[test]
fn derivatives_are_those_of_finite_differences_to_second_order() {
    for (subscripts, a, b) in CASES {
        let at = (numbers(a, 3), numbers(b, 4));
        let to = (numbers(a, 5), numbers(b, 6));
        let f = |(a, b): &(Tensor, Tensor)| {
            let y = einsum(subscripts, &[a, b]);
            Ok((&y * &y * &y).sum())
        };
        let step = 1e-5;
        let shifted = |h: f64| (&at.0 + &to.0 * h, &at.1 + &to.1 * h);
        let along = |(a, b): &(Tensor, Tensor)| {
            let all = |x: &Tensor| x.sum();
            (all(&(a * &to.0)) + all(&(b * &to.1))).item::<f64>().unwrap()
        };
        let value = |h| f(&shifted(h)).unwrap().item::<f64>().unwrap();
        let df = grad(f);
        let gradient = along(&df(&at).unwrap());
        assert!(
            (gradient - (value(step) - value(-step)) / (2.0 * step)).abs() < 1e-6,
            "{subscripts}: {gradient}"
        );
        let (_, second) = jvp(&df, &at, &to).unwrap();
        let curve = along(&second);
        let expected =
            (along(&df(&shifted(step)).unwrap()) - along(&df(&shifted(-step)).unwrap())) / (2.0 * step);
        assert!((curve - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{subscripts}: {curve} {expected}");
    }
}

#[test]
fn vmap_is_a_loop_whichever_operand_is_mapped() {
    for (subscripts, a, b) in CASES {
        let stacked = |shape: &[usize], seed| {
            let whole: Vec<usize> = std::iter::once(3).chain(shape.iter().copied()).collect();
            numbers(&whole, seed)
        };
        let row = |x: &Tensor, i: usize| {
            let n: usize = x.shape()[1..].iter().product();
            Tensor::from_vec_of(&x.to_vec::<f64>().unwrap()[i * n..(i + 1) * n], &x.shape()[1..], DType::F64)
        };
        let (xs, ys, x, y) = (stacked(a, 7), stacked(b, 8), numbers(a, 9), numbers(b, 10));
        let f = |(a, b): (Tensor, Tensor)| flaxen::try_einsum(subscripts, &[&a, &b]);
        let both = vmap(f).call((xs.clone(), ys.clone())).unwrap();
        let left = vmap(f).in_axes((0, None)).call((xs.clone(), y.clone())).unwrap();
        let right = vmap(f).in_axes((None, 0)).call((x.clone(), ys.clone())).unwrap();
        for i in 0..3 {
            close(&row(&both, i), &naive(subscripts, &row(&xs, i), &row(&ys, i)));
            close(&row(&left, i), &naive(subscripts, &row(&xs, i), &y));
            close(&row(&right, i), &naive(subscripts, &x, &row(&ys, i)));
        }
    }
}

#[test]
fn matmul_broadcasts_as_numpy() {
    for (a, b, expected) in [
        (&[3][..], &[3][..], &[][..]),
        (&[2, 3], &[3], &[2]),
        (&[3], &[3, 4], &[4]),
        (&[5, 1, 2, 3], &[7, 3, 4], &[5, 7, 2, 4]),
        (&[6, 2, 3], &[3, 4], &[6, 2, 4]),
        (&[6, 2, 3], &[3], &[6, 2]),
        (&[1, 2, 3], &[6, 3, 4], &[6, 2, 4]),
        (&[2, 0], &[0, 3], &[2, 3]),
    ] {
        assert_eq!(numbers(a, 1).matmul(&numbers(b, 2)).shape(), expected, "{a:?} {b:?}");
    }
    let (a, b) = (numbers(&[5, 1, 2, 3], 1), numbers(&[7, 3, 4], 2));
    close(&a.matmul(&b), &naive("aij,bjk->abik", &a.reshape([5, 2, 3]), &b));
}

#[test]
fn a_transpose_is_contracted_as_it_lies() {
    let f = jit(|(a, b): (Tensor, Tensor)| Ok(a.t().matmul(&b)));
    let graph = f.graph(&(numbers(&[4, 3], 1), numbers(&[4, 5], 2))).unwrap();
    assert_eq!(graph.primitives().collect::<Vec<_>>(), ["dot_general"]);
}

#[test]
fn half_precision_is_summed_in_f32() {
    let ones = Tensor::ones_of([1, 1000], DType::BF16);
    assert_eq!(ones.matmul(&ones.t()).cast(DType::F32).to_vec::<f32>().unwrap(), [1000.0]);
}

#[test]
fn integers_multiply_exactly() {
    let a = Tensor::from([[1i32, 2], [3, 4]]);
    assert_eq!(a.matmul(&a).to_vec::<i32>().unwrap(), [7, 10, 15, 22]);
}

#[test]
fn booleans_are_joined_by_or_and_and() {
    // As JAX 0.10.2.
    let b = Tensor::from([[true, false], [true, true]]);
    for (subscripts, operands, expected) in [
        ("ii", vec![&b], vec![true]),
        ("ii->i", vec![&b], vec![true, true]),
        ("ij->j", vec![&b], vec![true, true]),
        ("ij,jk->ik", vec![&b, &b], vec![true, false, true, true]),
        ("ij,ij->ij", vec![&b, &b], vec![true, false, true, true]),
        ("ij->ji", vec![&b], vec![true, true, false, true]),
    ] {
        assert_eq!(einsum(subscripts, &operands).to_vec::<bool>().unwrap(), expected, "{subscripts}");
    }
    assert_eq!(b.diagonal().to_vec::<bool>().unwrap(), [true, true]);
    assert_eq!(b.trace().item::<i32>().unwrap(), 2);
    assert_eq!(b.matmul(&b).to_vec::<bool>().unwrap(), [true, false, true, true]);
    let many = Tensor::ones_of([1, 300], DType::Bool);
    assert!(many.matmul(&many.t()).item::<bool>().unwrap());
}

#[test]
fn a_diagonal_has_the_bits_of_its_elements() {
    let x = Tensor::from([[-0.0f32, f32::NAN], [1.0, -0.0]]);
    assert!(x.diagonal().to_vec::<f32>().unwrap().iter().all(|x| x.to_bits() == (-0.0f32).to_bits()));
    let cube = Tensor::arange(0.0f32, 18.0, 1.0).reshape([3, 2, 3]);
    let each = |i, j| cube.index_axis(0, i).index_axis(0, j).index_axis(0, i).item::<f32>().unwrap();
    let expected: Vec<f32> = (0..3).flat_map(|i| [each(i, 0), each(i, 1)]).collect();
    assert_eq!(einsum("iji->ij", &[&cube]).to_vec::<f32>().unwrap(), expected);
    assert_eq!(einsum("iji->ji", &[&cube]).t().to_vec::<f32>().unwrap(), expected);
    let gradient = grad(|x: &Tensor| x.diagonal().try_sum())(&Tensor::zeros([2, 2])).unwrap();
    assert_eq!(gradient.to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(Tensor::zeros([0, 0]).diagonal().shape(), [0]);
}

#[test]
fn mistakes_name_the_shapes() {
    let (a, b) = (Tensor::ones([2, 3]), Tensor::ones([2, 3]));
    let text = a.try_matmul(&b).unwrap_err().to_string();
    assert!(text.contains("[2, 3] and [2, 3]") && text.contains("columns on the left"), "{text}");
    let text = flaxen::try_einsum("ij,jk->iz", &[&a, &b]).unwrap_err().to_string();
    assert!(text.contains("`einsum`"), "{text}");
    let twice = DotDimensions { contracting: (vec![1, 1].into(), vec![0, 1].into()), ..Default::default() };
    assert!(a.try_dot_general(&b, twice).is_err());
    assert!(a.try_matmul(&Tensor::from(1.0f32)).unwrap_err().to_string().contains("use `*`"));
}
