//! Attention by blocks: the same numbers, in memory that grows with the number of places.

use super::LARGE;
use crate::array::{Array, DType};
use crate::backend::cpu::Program;
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Trace};
use crate::core::{Graph, Tensor};
use crate::error::Result;
use crate::nn::{dot_product_attention, make_causal_mask, scaled_dot_product_attention};
use crate::random::key;
use crate::transform::grad;

type Function = fn(&[Tensor]) -> Result<Vec<Tensor>>;

fn staged(f: Function, args: &[Tensor]) -> Graph {
    let stage = Stage::new(None);
    let inputs: Vec<Tensor> = args.iter().map(|arg| stage.input(arg.aval())).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || f(&inputs)).unwrap();
    stage.finish(&outs).0.optimize()
}

fn ramp(shape: &[usize], seed: usize) -> Tensor {
    let size = shape.iter().product();
    let numbers: Vec<f32> =
        (0..size).map(|i: usize| ((i * 37 + seed * 17) % 101) as f32 * 0.03 - 1.5).collect();
    Tensor::from_vec(numbers, shape)
}

/// Queries, keys and values of so many places, a mask, and a bias for each head.
fn args(places: usize, dtype: DType) -> Vec<Tensor> {
    let mut all: Vec<Tensor> = (0..3).map(|i| ramp(&[2, places, 3, 2], i)).collect();
    all.push(ramp(&[2, 1, places, places], 5).gt(-1.0).cast(DType::F32));
    all.push(ramp(&[1, 3, places, places], 7));
    all.into_iter().map(|x| x.cast(dtype)).collect()
}

fn run(schedule: crate::backend::cpu::schedule::Schedule, args: &[Tensor]) -> Vec<Tensor> {
    let arrays: Vec<Array> = args.iter().map(|arg| arg.array().unwrap().clone()).collect();
    Program::new(&schedule).run(arrays).unwrap().into_iter().map(Tensor::from).collect()
}

fn causal(x: &[Tensor]) -> Result<Tensor> {
    let mask = make_causal_mask(&Tensor::zeros([2, x[0].shape()[1]]))?;
    dot_product_attention(&x[0], &x[1], &x[2]).mask(&mask).run()
}

fn all(x: &[Tensor]) -> Result<Tensor> {
    let attention = dot_product_attention(&x[0], &x[1], &x[2]);
    attention.mask(&x[3]).bias(&x[4]).dropout(0.3, &key(3)).run()
}

fn apart(x: &[Tensor]) -> Result<Tensor> {
    let attention = dot_product_attention(&x[0], &x[1], &x[2]);
    attention.dropout(0.3, &key(3)).broadcast_dropout(false).force_fp32_for_softmax(true).run()
}

fn grouped(x: &[Tensor]) -> Result<Tensor> {
    let one = |x: &Tensor| x.slice_axis(2, 1..2);
    dot_product_attention(&x[0], &one(&x[1]), &one(&x[2])).run()
}

fn jax_like(x: &[Tensor]) -> Result<Tensor> {
    let (q, k, v) = (x[0].clone(), x[1].clone(), x[2].clone());
    scaled_dot_product_attention(&q, &k, &v).causal(true).local_window(7, 3).run()
}

/// The gradients of a function of the first three arguments, weighted so that no two places have the same.
fn gradients(f: fn(&[Tensor]) -> Result<Tensor>, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let loss = |first: &(Tensor, Tensor, Tensor)| {
        let all = [&[first.0.clone(), first.1.clone(), first.2.clone()], &x[3..]].concat();
        let y = f(&all)?;
        Ok((y.tanh() * ramp(y.shape(), 11).cast(y.dtype())).cast(DType::F32).sum())
    };
    let (q, k, v) = grad(loss)(&(x[0].clone(), x[1].clone(), x[2].clone()))?;
    Ok(vec![q, k, v])
}

const FUNCTIONS: [(&str, Function); 11] = [
    ("causal", |x| Ok(vec![causal(x)?])),
    ("masked, biased, with dropout", |x| Ok(vec![all(x)?])),
    ("with dropout of each head", |x| Ok(vec![apart(x)?])),
    ("grouped", |x| Ok(vec![grouped(x)?])),
    ("causal in a window", |x| Ok(vec![jax_like(x)?])),
    ("causal, backward", |x| gradients(causal, x)),
    ("masked, biased, with dropout, backward", |x| gradients(all, x)),
    ("with dropout of each head, backward", |x| gradients(apart, x)),
    ("grouped, backward", |x| gradients(grouped, x)),
    ("causal in a window, backward", |x| gradients(jax_like, x)),
    ("two layers, backward", |x| {
        gradients(
            |x| {
                let y = causal(x)?;
                causal(&[y.clone(), (&y * 2.0).sin(), y.cos()])
            },
            x,
        )
    }),
];

/// Elements of the largest value that is made outside of loops, and how many loops there are.
fn outside(graph: &Graph) -> (usize, usize) {
    let made = graph.eqns.iter().flat_map(|eqn| &eqn.outs).map(|&out| graph.aval(out).size());
    (made.max().unwrap_or(0), graph.primitives().filter(|name| *name == "scan").count())
}

#[test]
fn attention_by_blocks_gives_the_numbers_of_attention() {
    // 80 rows are blocks of 16, 83 leave a rest.
    for (places, dtype) in [(80, DType::F32), (83, DType::F32), (83, DType::F64), (80, DType::BF16)] {
        let args = args(places, dtype);
        for (name, f) in FUNCTIONS {
            let graph = staged(f, &args);
            let blocks = graph.clone().by_blocks_of([0, 16], 0);
            let (largest, loops) = outside(&blocks);
            let expected = match () {
                () if name.starts_with("two") => 4,
                () if name.ends_with("backward") => 2,
                () => 1,
            };
            assert_eq!(loops, expected, "{name}: {blocks}");
            assert!(largest < 2 * 3 * places * places, "{name}: {blocks}");
            let whole = run(graph.clone().into(), &args);
            for (found, expected) in run(blocks.fused(), &args).iter().zip(&whole) {
                assert_eq!(found.aval(), expected.aval(), "{name}");
                let tolerance = match dtype {
                    DType::F64 => 1e-12,
                    DType::F32 => 1e-5,
                    _ => 0.03,
                };
                let [x, y] = [found, expected].map(|x| x.cast(DType::F64));
                let scale = y.abs().max().item::<f64>().unwrap();
                assert!(x.all_close(&y, 0.0, tolerance * scale).unwrap(), "{name} {dtype}: {x:?} {y:?}");
            }
        }
    }
}

#[test]
fn a_matrix_that_somebody_reads_stays_whole() {
    let functions: [Function; 3] = [
        |x| {
            let p = crate::nn::dot_product_attention_weights(&x[0], &x[1]).run()?;
            Ok(vec![p.clone(), p.sum_axes([3])])
        },
        |x| Ok(vec![crate::nn::dot_product_attention_weights(&x[0], &x[1]).run()?.sort(3).sum_axes([3])]),
        // The gradient of a bias for each pair is a matrix itself.
        |x| {
            let y = |b: &Tensor| Ok(dot_product_attention(&x[0], &x[1], &x[2]).bias(b).run()?.sin().sum());
            Ok(vec![grad(y)(&x[4])?])
        },
    ];
    for (number, f) in functions.into_iter().enumerate() {
        let graph = staged(f, &args(80, DType::F32)).by_blocks_of([0, 16], 0);
        assert_eq!(outside(&graph).1, 0, "function {number}: {graph}");
    }
}

fn dropped(x: &[Tensor]) -> Result<Tensor> {
    let mask = make_causal_mask(&Tensor::zeros([1, x[0].shape()[1]]))?;
    dot_product_attention(&x[0], &x[1], &x[2]).mask(&mask).dropout(0.1, &key(1)).run()
}

/// The memory that a program keeps and makes for its own values: of one head of 64 features.
fn bytes(f: Function, places: usize) -> usize {
    let args: Vec<Tensor> = (0..3).map(|i| ramp(&[1, places, 1, 64], i)).collect();
    let schedule = staged(f, &args).fused();
    let arena = Program::new(&schedule).arena_bytes();
    let made = schedule.eqns.iter().flat_map(|eqn| &eqn.outs).map(|&out| schedule.aval(out).bytes());
    arena + made.sum::<usize>()
}

#[test]
fn memory_of_attention_grows_with_the_number_of_places() {
    let forward: Function = |x| Ok(vec![dropped(x)?]);
    let backward: Function = |x| gradients(dropped, x);
    for (f, name) in [(forward, "forward"), (backward, "backward")] {
        let [some, more] = [8192, 16384].map(|places| bytes(f, places));
        assert!(more <= 2 * some + (1 << 20), "{name}: {some} and {more} bytes");
        // The matrix alone would have as many.
        assert!(some < 8192 * 8192 * 4 / 3, "{name}: {some} bytes");
    }
    const { assert!(4096 * 4096 * 4 > LARGE) };
}
