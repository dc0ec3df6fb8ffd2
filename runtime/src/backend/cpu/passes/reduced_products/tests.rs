//! Sums of products: what the operands give is what the products would, and the products are gone.

use crate::array::{Array, DType};
use crate::backend::cpu::Program;
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Trace};
use crate::core::{Graph, Tensor};

type Function = fn(&[Tensor]) -> Vec<Tensor>;

fn staged(f: Function, args: &[Tensor]) -> Graph {
    let stage = Stage::new(None);
    let inputs: Vec<Tensor> = args.iter().map(|arg| stage.input(arg.aval())).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || f(&inputs));
    stage.finish(&outs).0
}

fn ramp(shape: &[usize], seed: usize) -> Tensor {
    let size = shape.iter().product();
    let numbers: Vec<f64> =
        (0..size).map(|i: usize| ((i * 37 + seed * 11) % 101) as f64 * 0.02 - 0.9).collect();
    Tensor::from_vec(numbers, shape)
}

fn run(graph: &Graph, args: &[Tensor]) -> Vec<Tensor> {
    let arrays: Vec<Array> = args.iter().map(|arg| arg.array().unwrap().clone()).collect();
    Program::new(&graph.clone().into()).run(arrays).unwrap().into_iter().map(Tensor::from).collect()
}

/// The elements of the largest value that a graph makes.
fn largest(graph: &Graph) -> usize {
    graph.eqns.iter().flat_map(|eqn| &eqn.outs).map(|&out| graph.aval(out).size()).max().unwrap_or(0)
}

/// Outer products of 8 pairs of rows, of 40 and 30 elements.
fn outer(x: &[Tensor]) -> Tensor {
    x[0].reshape([8, 40, 1]).matmul(&x[1].reshape([8, 1, 30]))
}

/// Products over three places: of `[8, 3, 40]` and `[8, 3, 30]`.
fn over_places(x: &[Tensor]) -> Tensor {
    x[2].transpose([0, 2, 1]).matmul(&x[3])
}

fn args(dtype: DType) -> [Tensor; 6] {
    let all = [
        ramp(&[8, 40], 1),
        ramp(&[8, 30], 2),
        ramp(&[8, 3, 40], 3),
        ramp(&[8, 3, 30], 4),
        ramp(&[8], 5),
        ramp(&[8, 40, 1], 6),
    ];
    all.map(|x| x.cast(dtype))
}

const SUMS: [(&str, Function); 14] = [
    ("over the batch", |x| vec![outer(x).sum_axes([0])]),
    ("scaled, over the batch", |x| vec![(outer(x) * x[4].reshape([8, 1, 1])).mean_axes([0])]),
    ("divided, over the batch", |x| vec![(outer(x) / (x[4].reshape([8, 1, 1]) + 2.0)).sum_axes([0])]),
    ("scaled by rows, over columns", |x| vec![(outer(x) * &x[5]).sum_axes([2])]),
    ("over rows", |x| vec![over_places(x).sum_axes([1])]),
    ("of all", |x| vec![over_places(x).sum()]),
    ("transposed, over the batch", |x| vec![over_places(x).transpose([2, 0, 1]).sum_axes([1])]),
    ("as rows, weighted", |x| {
        vec![x[4].reshape([1, 8]).dot(&over_places(x).reshape([8, 1200])).reshape([40, 30])]
    }),
    ("norms", |x| vec![outer(x).reshape([8, 1200]).square().sum_axes([1])]),
    ("norms of scaled ones", |x| vec![(outer(x) * x[4].reshape([8, 1, 1])).square().sum_axes([1, 2])]),
    ("scaled squares over all but columns", |x| {
        vec![(outer(x).square() * x[4].reshape([8, 1, 1])).sum_axes([0, 1])]
    }),
    ("norms over places", |x| {
        let p = over_places(x);
        vec![(&p * &p).sum_axes([1, 2])]
    }),
    ("the norm of all", |x| vec![(over_places(x) * x[4].reshape([8, 1, 1])).square().sum()]),
    ("clipped", |x| {
        let p = over_places(x);
        let norms = p.square().sum_axes([1, 2]).sqrt();
        vec![(&p * (1.0 / norms).minimum(1.0).reshape([8, 1, 1])).sum_axes([0])]
    }),
];

#[test]
fn sums_of_products_are_those_of_their_operands() {
    // In an eighth of the significant bits: sums are of a few hundred numbers.
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5), (DType::BF16, 0.06)] {
        let args = args(dtype);
        for (name, f) in SUMS {
            let graph = staged(f, &args);
            let optimized = graph.clone().optimize();
            let is_gram = name.contains("norm") && name.contains("places")
                || name == "the norm of all"
                || name == "clipped";
            if dtype == DType::F64 && is_gram {
                assert!(largest(&optimized) == 9600, "an F64 sum may cancel: {name}\n{optimized}");
            } else {
                assert!(largest(&optimized) < 9600, "{name}\n{optimized}");
            }
            for (found, expected) in run(&optimized, &args).iter().zip(run(&graph, &args)) {
                assert_eq!(found.aval(), expected.aval(), "{name}");
                let scale = expected.abs().max().cast(DType::F64).item::<f64>().unwrap();
                let [x, y] = [found, &expected].map(|x| x.cast(DType::F64));
                assert!(x.all_close(&y, 0.0, tolerance * scale).unwrap(), "{name} {dtype}: {x:?} {y:?}");
            }
        }
    }
}

#[test]
fn a_product_that_anybody_needs_is_made() {
    let kept: [Function; 6] = [
        |x| vec![outer(x).sum_axes([0]), outer(x)],
        |x| vec![outer(x).exp().sum_axes([0])],
        |x| vec![outer(x).square().square().sum_axes([0])],
        |x| vec![outer(x).max_axes([0])],
        // Different within what is summed over, for both operands.
        |x| vec![(outer(x) * (&x[0].reshape([8, 40, 1]) + x[1].reshape([8, 1, 30]))).sum_axes([1, 2])],
        |x| {
            vec![
                (outer(x) * x[4].reshape([8, 1, 1]).broadcast_to([8, 40, 30])).cast(DType::I32).sum_axes([0]),
            ]
        },
    ];
    for (number, f) in kept.into_iter().enumerate() {
        let graph = staged(f, &args(DType::F32)).optimize();
        assert!(largest(&graph) == 9600, "function {number}:\n{graph}");
    }
    // As many are contracted as a product of matrices is worth.
    let many: Function = |x| vec![x[0].matmul(&x[1]).square().sum_axes([1, 2])];
    let graph = staged(many, &[ramp(&[8, 40, 500], 1), ramp(&[8, 500, 30], 2)].map(|x| x.cast(DType::F32)));
    assert!(largest(&graph.optimize()) == 9600);
}

#[test]
fn squares_neither_overflow_nor_vanish_where_those_of_the_product_do_not() {
    let f: Function = |x| vec![outer(x).square().sum_axes([1, 2])];
    let [a, b, ..] = args(DType::F32);
    let args = [&a * 1e30, &b * 1e-30];
    let graph = staged(f, &args);
    let (found, expected) = (&run(&graph.clone().optimize(), &args)[0], &run(&graph, &args)[0]);
    assert!(found.all_close(expected, 1e-5, 0.0).unwrap(), "{found:?} {expected:?}");
}

#[test]
fn what_is_not_finite_makes_its_own_sums_not_finite() {
    for bad in [f32::NAN, f32::INFINITY] {
        let norms: Function = |x| vec![outer(x).square().sum_axes([1, 2])];
        let [a, b, ..] = args(DType::F32);
        let mut numbers = a.to_vec::<f32>().unwrap();
        numbers[45] = bad;
        let args = [Tensor::from_vec(numbers, [8, 40]), b];
        let graph = staged(norms, &args);
        for x in [run(&graph.clone().optimize(), &args), run(&graph, &args)] {
            let finite: Vec<bool> = x[0].to_vec::<f32>().unwrap().into_iter().map(f32::is_finite).collect();
            assert_eq!(finite, [true, false, true, true, true, true, true, true], "{bad}");
        }
    }
}

/// Where a product cancels, its norm is as near as one of an `F32` product, and never negative.
#[test]
fn norms_that_cancel_are_as_good_as_those_of_products() {
    let f: Function = |x| {
        vec![over_places(&[x[0].clone(), x[0].clone(), x[0].clone(), x[1].clone()]).square().sum_axes([1, 2])]
    };
    // The places' products take each other away: a + a - 2a, but for roundings of a and b.
    let (a, b) = (ramp(&[8, 1, 40], 1).cast(DType::F32), ramp(&[8, 1, 30], 2).cast(DType::F32));
    let third = -(&a + &a * 1.000_001);
    let lhs = Tensor::concatenate(&[a.clone(), &a * 1.000_001, third], 1);
    let rhs = Tensor::concatenate(&[b.clone(), b.clone(), b], 1);
    let args = [lhs, rhs];
    let wide = [args[0].cast(DType::F64), args[1].cast(DType::F64)];
    let exact = run(&staged(f, &wide), &wide)[0].to_vec::<f64>().unwrap();
    let graph = staged(f, &args);
    let optimized = graph.clone().optimize();
    assert!(largest(&optimized) < 9600, "{optimized}");
    let error = |graph: &Graph| {
        let found = run(graph, &args)[0].to_vec::<f32>().unwrap();
        assert!(found.iter().all(|&norm| norm >= 0.0), "{found:?}");
        found.iter().zip(&exact).map(|(&x, y)| (f64::from(x) - y).abs()).fold(0.0, f64::max)
    };
    assert!(error(&optimized) <= error(&graph).max(1e-12), "{} {}", error(&optimized), error(&graph));
}
