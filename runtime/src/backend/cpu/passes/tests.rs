//! Each pass by itself: its text, and that it computes what was computed before.

use crate::array::{Array, DType};
use crate::backend::cpu::Program;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::Graph;
use crate::core::Tensor;
use crate::core::trace;
use crate::core::trace::Trace;
use crate::core::trace::stage::Stage;
use crate::kernels::matmul;
use crate::kernels::simd::Level;
use crate::{ConvOptions, Padding, WindowOptions, WindowReduction, avg_pool, max_pool};

/// A function as it is written, without any pass.
fn staged(f: impl Fn(&[Tensor]) -> Vec<Tensor>, args: &[Tensor]) -> Graph {
    let stage = Stage::new(None);
    let inputs: Vec<Tensor> = args.iter().map(|arg| stage.input(arg.aval())).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || f(&inputs));
    stage.finish(&outs).0
}

/// What each pass makes of the result of the one before: first those over graphs, then those over schedules.
fn after_each_pass(mut graph: Graph) -> Vec<(&'static str, Schedule)> {
    type Pass<T> = (&'static str, fn(T) -> T);
    const OF_GRAPHS: [Pass<Graph>; 3] =
        [("simplify", Graph::simplify), ("cse", Graph::cse), ("dce", <Graph>::dce)];
    const OF_SCHEDULES: [Pass<Schedule>; 3] = [
        ("fuse", Schedule::fuse),
        ("fuse_horizontally", Schedule::fuse_horizontally),
        ("epilogues", Schedule::epilogues),
    ];
    let mut all = vec![("staged", graph.clone().into())];
    for (name, pass) in OF_GRAPHS {
        graph = pass(graph);
        all.push((name, graph.clone().into()));
    }
    let mut schedule = graph.tile_batch();
    all.push(("tile_batch", schedule.clone()));
    for (name, pass) in OF_SCHEDULES {
        schedule = pass(schedule);
        all.push((name, schedule.clone()));
    }
    all
}

fn numbers(schedule: impl Into<Schedule>, args: &[Tensor]) -> Vec<Vec<u8>> {
    let arrays: Vec<Array> = args.iter().map(|arg| arg.array().unwrap().clone()).collect();
    let outs = Program::new(&schedule.into()).run(arrays).unwrap();
    outs.iter().map(|out| out.bytes().to_vec()).collect()
}

fn ramp(shape: &[usize]) -> Tensor {
    let size = shape.iter().product();
    let numbers: Vec<f32> = (0..size).map(|i: usize| (i * 37 % 101) as f32 * 0.02 - 1.0).collect();
    Tensor::from_vec(numbers, shape)
}

#[test]
fn every_pass_computes_what_was_computed_before() {
    type Function = fn(&[Tensor]) -> Vec<Tensor>;
    let dense: Function = |x| {
        let y = (x[0].t().dot(&x[1]) + &x[2]).relu();
        let unused = y.exp();
        let _ = unused.sum();
        vec![y.t().dot(&(&y * 1.0)).softmax(-1), &y - y.mean(), x[0].t().t().reshape([20]) + 0.0]
    };
    let updates: Function = |x| {
        let rate = x[0].sum() * 0.1;
        let twice = x[0].sum() * 0.1;
        x.iter().map(|x| (x - x * &rate).tanh() * (&twice + &rate)).collect()
    };
    let outer: Function = |x| vec![x[2].reshape([6, 1]).dot(&x[2].reshape([1, 6])) * 2.0, x[1].dot(&x[2])];
    let args = [ramp(&[4, 5]), ramp(&[4, 6]), ramp(&[6])];
    for f in [dense, updates, outer] {
        let graph = staged(f, &args);
        let before = numbers(graph.clone(), &args);
        for (name, schedule) in after_each_pass(graph) {
            assert!(numbers(schedule.clone(), &args) == before, "after {name}:\n{schedule}");
        }
    }
}

#[test]
fn passes_are_read_as_text() {
    let f = |x: &[Tensor]| {
        let y = x[0].t().dot(&x[1]) * 1.0;
        let _ = y.exp();
        vec![(&y + 1.0).tanh(), (&y + 1.0).exp()]
    };
    let graph = staged(f, &[ramp(&[2, 3]), ramp(&[2, 3])]);
    let texts: Vec<String> =
        after_each_pass(graph).into_iter().map(|(name, schedule)| format!("{name}: {schedule}")).collect();
    assert_eq!(texts.join("\n"), include_str!("passes.txt").trim_end());
}

/// A convolution's operands for so many examples: images, kernel, bias.
fn images(examples: usize, [height, cin, cout]: [usize; 3]) -> [Tensor; 3] {
    // With many threads there would be more tiles.
    crate::set_num_threads(2);
    [ramp(&[examples, height, height, cin]), ramp(&[3, 3, cin, cout]), ramp(&[cout])]
}

fn has_engine() -> bool {
    cfg!(target_arch = "x86_64") && Level::chosen() > Level::Portable
}

fn is_tiled(schedule: &Schedule) -> bool {
    schedule.eqns.iter().any(|eqn| matches!(eqn.primitive, Step::BatchTiled(_)))
}

fn convolved(x: &Tensor, kernel: &Tensor, bias: &Tensor) -> Tensor {
    (x.conv_general(kernel, &ConvOptions::new().padding(Padding::Same)) + bias).relu()
}

#[test]
fn a_chain_to_a_pooling_is_one_step_over_tiles_of_the_batch() {
    let f = |x: &[Tensor]| {
        let y = avg_pool(&convolved(&x[0], &x[1], &x[2]), [2, 2]).strides([2, 2]).run().unwrap();
        vec![y.reshape([17, 32]).dot(&x[3])]
    };
    let [x, kernel, bias] = images(17, [4, 1, 8]);
    if !has_engine() {
        return;
    }
    let graph = staged(f, &[x, kernel, bias, ramp(&[32, 3])]).optimize().tile_batch_from(0);
    assert_eq!(graph.to_string(), include_str!("tile_batch.txt").trim_end());
}

#[test]
fn tiles_have_the_bits_of_the_whole() {
    let mut seed = 7usize;
    let mut below = |count: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % count
    };
    for case in 0..24 {
        let sizes = [7 + below(4), 1 + below(4), [1, 2, 5, 16, 17, 40][below(6)]];
        let [window, strides] = [[1 + below(3), 1 + below(3)], [2 + below(2), 1 + below(2)]];
        let (is_same, is_largest, has_bias, is_half) =
            (below(2) == 0, below(2) == 0, below(2) == 0, below(4) == 0);
        let f = move |x: &[Tensor]| {
            let y = if has_bias {
                convolved(&x[0], &x[1], &x[2])
            } else {
                x[0].conv_general(&x[1], &ConvOptions::new())
            };
            let padding = if is_same { Padding::Same } else { Padding::Valid };
            vec![if is_largest {
                max_pool(&y, window).strides(strides).padding(padding).run().unwrap().tanh()
            } else {
                avg_pool(&y, window).strides(strides).padding(padding).run().unwrap()
            }]
        };
        let args = images(8 + below(20), sizes);
        let args = if is_half { args.map(|arg| arg.cast(DType::BF16)) } else { args };
        let graph = staged(f, &args);
        let whole = numbers(graph.clone(), &args);
        let tiled = graph.optimize().tile_batch_from(0);
        // Convolutions of so few channels, or without a micro-kernel for them, sum as `gemm` likes.
        assert!(is_tiled(&tiled) == (has_engine() && sizes[2] > 4), "case {case}:\n{tiled}");
        assert!(numbers(tiled.fuse().fuse_horizontally().epilogues(), &args) == whole, "case {case}");
    }
}

#[test]
fn several_convolutions_are_one_chain() {
    let f = |x: &[Tensor]| {
        let y = max_pool(&convolved(&x[0], &x[1], &x[2]), [2, 2]).strides([2, 2]).run().unwrap();
        let z = convolved(&y, &x[3], &x[4]);
        vec![avg_pool(&z, [2, 2]).strides([2, 2]).run().unwrap()]
    };
    let ([x, k, b], [_, l, c]) = (images(21, [8, 3, 16]), images(1, [4, 16, 32]));
    let args = [x, k, b, l, c];
    let graph = staged(f, &args);
    let tiled = graph.clone().optimize().tile_batch_from(0);
    assert!(!has_engine() || (tiled.len() == 1 && is_tiled(&tiled)));
    assert!(numbers(tiled, &args) == numbers(graph, &args));
}

#[test]
fn what_others_read_or_examples_share_is_not_tiled() {
    type Function = fn(&[Tensor]) -> Vec<Tensor>;
    let pooled = |y: &Tensor| avg_pool(y, [2, 2]).strides([2, 2]).run().unwrap();
    let also_read: Function = |x| {
        let y = convolved(&x[0], &x[1], &x[2]);
        vec![avg_pool(&y, [2, 2]).strides([2, 2]).run().unwrap(), y]
    };
    let with_residual: Function = |x| {
        let y = convolved(&x[0], &x[1], &x[2]) + &x[0];
        vec![avg_pool(&y, [2, 2]).strides([2, 2]).run().unwrap()]
    };
    let across_examples: Function = |x| {
        let y = convolved(&x[0], &x[1], &x[2]);
        let options = WindowOptions::new([2, 2, 2, 1]).strides([2, 2, 2, 1]);
        vec![y.try_reduce_window(&options, WindowReduction::Sum).unwrap()]
    };
    let normalised: Function = |x| {
        let y = convolved(&x[0], &x[1], &x[2]);
        vec![avg_pool(&(&y - y.mean()), [2, 2]).strides([2, 2]).run().unwrap()]
    };
    let args = images(16, [4, 8, 8]);
    for (i, f) in [also_read, with_residual, across_examples, normalised].into_iter().enumerate() {
        let graph = staged(f, &args).optimize().tile_batch_from(0);
        assert!(!is_tiled(&graph), "function {i}:\n{graph}");
    }
    let small = staged(|x| vec![pooled(&convolved(&x[0], &x[1], &x[2]))], &args).optimize();
    assert!(is_tiled(&small.clone().tile_batch_from(0)) == has_engine() && !is_tiled(&small.tile_batch()));
}

/// How often a primitive is left in a function.
fn count(name: &str, f: impl Fn(&[Tensor]) -> Vec<Tensor>, args: &[Tensor]) -> usize {
    staged(f, args).optimize().primitives().filter(|other| *other == name).count()
}

/// A state of so many rows, and a square weight.
fn state_and_weight(rows: usize, dtype: DType) -> [Tensor; 2] {
    [ramp(&[rows, 16]).cast(dtype), ramp(&[16, 16]).cast(dtype)]
}

/// Products of a state with a weight, one after another.
fn products(steps: usize, h: &Tensor, w: &Tensor) -> Vec<Tensor> {
    vec![(0..steps).fold(h.clone(), |h, _| h.dot(w))]
}

#[test]
fn products_of_few_rows_transpose_a_weight_that_they_share_once() {
    let transposes = |steps: usize, rows: usize, dtype: DType| {
        count("transpose", |x| products(steps, &x[0], &x[1].t()), &state_and_weight(rows, dtype))
    };
    // One product packs the weight itself.
    assert_eq!(transposes(1, 3, DType::F32), 0);
    assert_eq!([2, 5, 40].map(|steps| transposes(steps, 3, DType::F32)), [1, 1, 1]);
    assert_eq!(transposes(5, 100, DType::BF16), 1);
    assert_eq!(transposes(5, 100, DType::I32), 1);
    // A vector is multiplied with columns as fast, and many rows take so long that it does not matter.
    assert_eq!([1, 600].map(|rows| transposes(5, rows, DType::F32)), [0, 0]);
}

#[test]
fn products_round_weights_themselves_where_the_processor_multiplies_pairs() {
    let x = ramp(&[8, 16]);
    let w = ramp(&[16, 16]) * 0.37;
    let args = [x, w];
    let half = |x: &Tensor| x.cast(DType::BF16);
    // A weight, in both directions of a product; and what another kernel computes, which is rounded there.
    let given = |x: &[Tensor]| vec![half(&x[0]).dot(&half(&x[1])), half(&x[0]).dot(&half(&x[1]).t())];
    let computed = |x: &[Tensor]| vec![half(&x[0].tanh()).dot(&half(&x[1]))];
    let has_pairs = matmul::multiplies_pairs([8, 16, 16], (16, 1), (16, 1));
    let casts = [count("cast", given, &args), count("cast", computed, &args)];
    assert_eq!(casts, if has_pairs { [0, 1] } else { [2, 2] });
    for f in [&given as &dyn Fn(&[Tensor]) -> Vec<Tensor>, &computed] {
        let graph = staged(f, &args);
        let expected = numbers(graph.clone(), &args);
        let optimized = graph.optimize().tile_batch_from(usize::MAX).fuse().fuse_horizontally().epilogues();
        assert!(numbers(optimized, &args) == expected);
    }
}

#[test]
fn a_weight_that_is_transposed_again_for_each_product_is_transposed_once() {
    let f = |x: &[Tensor]| vec![(0..5).fold(x[0].clone(), |h, _| h.dot(&x[1].t()))];
    assert_eq!(count("transpose", f, &state_and_weight(3, DType::F32)), 1);
}

#[test]
fn products_that_need_no_transposed_weight_leave_it_to_those_that_do() {
    let args = state_and_weight(3, DType::F32);
    // The product of the gradient reads the weight as it is; that leaves one reader, which packs it itself.
    let gradient = |x: &[Tensor]| {
        let loss = |h: &Tensor| Ok(h.dot(&x[1].t()).square().sum());
        vec![crate::grad(loss)(&x[0]).unwrap()]
    };
    assert_eq!(count("transpose", gradient, &args), 0);
    let unrolled = |x: &[Tensor]| {
        let loss = |h: &Tensor| Ok(products(4, h, &x[1].t())[0].square().sum());
        vec![crate::grad(loss)(&x[0]).unwrap()]
    };
    assert_eq!(count("transpose", unrolled, &args), 1);
}

#[test]
fn a_weight_that_is_a_result_as_well_is_transposed_for_all() {
    let f = |x: &[Tensor]| {
        let w = x[1].t();
        vec![x[0].dot(&w), w]
    };
    let graph = staged(f, &state_and_weight(3, DType::F32)).optimize();
    assert!(graph.to_string().contains("[contracting=[1]×[0]]"), "{graph}");
}

#[test]
fn what_lies_apart_is_gathered_once_for_all_that_read_parts_of_it() {
    let x = [ramp(&[12, 12])];
    let text = |parts: isize| {
        let f = |x: &[Tensor]| {
            let even = x[0].slice([0, 0], [12, 12], [1, 2]);
            (0..parts).map(|i| even.slice_axis(0, i..i + 6)).collect()
        };
        staged(f, &x).optimize().to_string()
    };
    let counts = |text: &str| [text.matches("slice[").count(), text.matches("strides=").count()];
    assert_eq!([1, 3].map(|parts| counts(&text(parts))), [[1, 1], [4, 1]]);
}

#[test]
fn transpositions_that_follow_a_shared_one_do_not_repeat_it() {
    let x = [ramp(&[3, 4, 5])];
    // Whole rows move behind the first transposition, numbers would without it.
    let f = |x: &[Tensor]| {
        let y = x[0].transpose([2, 1, 0]);
        vec![
            y.transpose([1, 0, 2]),
            y.transpose([1, 0, 2]).tanh(),
            y.transpose([0, 2, 1]),
            y.transpose([2, 1, 0]),
        ]
    };
    let graph = staged(f, &x).optimize();
    let text = graph.to_string();
    assert!(
        text.contains("transpose[axes=[2, 1, 0]] a") && text.contains("transpose[axes=[1, 0, 2]] b"),
        "{text}"
    );
    assert_eq!(graph.primitives().filter(|name| *name == "transpose").count(), 3, "{text}");
    let once = |x: &[Tensor]| vec![x[0].transpose([2, 1, 0]).transpose([1, 0, 2])];
    assert_eq!(count("transpose", once, &x), 1);
}

#[test]
fn an_unrolled_loop_is_made_of_a_few_kernels() {
    let kernels = |steps: usize| {
        let f = move |x: &[Tensor]| {
            let step = |h: Tensor| (h.dot(&x[1]) + 0.5).tanh() * 0.9 - h.square().mean();
            vec![(0..steps).fold(x[0].clone(), |h, _| step(h))]
        };
        let graph = staged(f, &[ramp(&[4, 4]), ramp(&[4, 4])]).optimize().fused();
        let mut found: Vec<*const _> = graph
            .eqns
            .iter()
            .filter_map(|eqn| match &eqn.primitive {
                Step::Epilogue(epilogue) => Some(epilogue.fusion().kernel()),
                step => step.fusion().map(super::fuse::Fusion::kernel),
            })
            .map(std::sync::Arc::as_ptr)
            .collect();
        let all = found.len();
        found.sort_unstable();
        found.dedup();
        assert!(all >= steps);
        found.len()
    };
    assert_eq!(kernels(20), kernels(5));
    assert!(kernels(20) < 8);
}

/// The shares of a body with one constant, a carry and slices, in a loop of 64 steps.
fn shares(f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Option<usize> {
    let args = [ramp(&[256, 256]), ramp(&[32, 256]), ramp(&[32, 256])];
    let cut = staged(f, &args).optimize().by_rows(1, 64)?;
    assert!(cut.0.outs.iter().all(|&out| cut.0.aval(out).shape[0] * cut.1 == 32), "{}", cut.0);
    Some(cut.1)
}

#[test]
fn rows_that_go_their_own_ways_are_shares_of_a_loop() {
    let next = |x: &[Tensor]| x[1].dot(&x[0]) + &x[2];
    let twice = |x: &[Tensor]| (next(x).dot(&x[0]), x[2].split(2, 1));
    assert_eq!(shares(|x| vec![next(x).tanh()]), Some(2));
    assert_eq!(shares(|x| vec![next(x).softmax(-1), next(x).sum_axes([1])]), Some(2));
    assert_eq!(shares(|x| vec![next(x) * x[0].sum_axes([0]) + 1.0, x[1].clone()]), Some(2));
    let joined = |x: &[Tensor]| {
        let (y, parts) = twice(x);
        let lower = y.slice_axis(1, 128..).flip([1]) + x[1].argmax(1).cast(DType::F32).reshape([32, 1]);
        vec![Tensor::concatenate(&[&parts[1] * 2.0, lower], 1), parts[0].reshape([32, 4, 32])]
    };
    assert_eq!(shares(joined), Some(4), "two products have twice the work");
}

#[test]
fn rows_that_meet_are_no_shares_of_a_loop() {
    let next = |x: &[Tensor]| x[1].dot(&x[0]) + &x[2];
    let functions: [fn(&[Tensor]) -> Tensor; 7] = [
        |y| &y[0] - y[0].mean_axes([0]),
        |y| y[0].flip([0]),
        |y| y[0].roll(1, 0),
        |y| y[0].sort(0),
        |y| &y[0] * y[0].sum(),
        |y| {
            y[0].reshape([16, 512]).reshape([32, 256]).softmax(-1).reshape([16, 512]).exp().reshape([32, 256])
        },
        |y| y[1].slice_axis(0, 0..32) + &y[0],
    ];
    for (number, f) in functions.into_iter().enumerate() {
        assert_eq!(shares(|x| vec![f(&[next(x), x[0].clone()])]), None, "function {number}");
    }
    // What little there is to do is done sooner than told to another thread.
    assert_eq!(shares(|x| vec![&x[1] + &x[2]]), None);
}

#[test]
fn a_weight_that_every_step_reads_by_columns_is_transposed_before_the_loop() {
    let args = [ramp(&[24, 40]), ramp(&[16, 40]), ramp(&[16, 24])];
    let body = staged(|x| vec![x[1].dot(&x[0].t()) + &x[2]], &args).optimize();
    let packed = body.packed(1).expect("the product reads columns");
    assert_eq!((packed.count, packed.before.len()), (1, 1));
    let weights = Program::new(&packed.before.fused()).run([args[0].array().unwrap().clone()]).unwrap();
    let arrays = [&args[0], &args[1], &args[2]].map(|arg| arg.array().unwrap().clone());
    let [first, rest @ ..] = &arrays;
    let all = [first, &weights[0]].into_iter().chain(rest).cloned();
    let found = Program::new(&packed.body.clone().fused()).run(all).unwrap();
    let whole = Program::new(&body.clone().fused()).run(arrays.clone()).unwrap();
    for (x, y) in found[0].data::<f32>().iter().zip(whole[0].data::<f32>()) {
        assert!((x - y).abs() <= 1e-5 * y.abs().max(1.0), "{x} {y}");
    }
    assert!(staged(|x| vec![x[1].dot(&x[0].t())], &args).optimize().packed(0).is_none(), "no constant");
    assert!(packed.body.packed(2).is_none(), "once is enough");
}

#[test]
fn less_is_transposed_where_a_part_is_read_or_padding_comes_after() {
    let f = |x: &[Tensor]| {
        let last = x[0].transpose([1, 0, 2]).slice_axis(1, 3..5).slice_axis(0, 0..4);
        let padded = x[1].pad([(2, 1), (0, 0), (1, 0)], 0.5).transpose([2, 0, 1]);
        vec![last, padded]
    };
    let args = [ramp(&[6, 5, 4]), ramp(&[3, 5, 4])];
    let graph = staged(f, &args);
    let before = numbers(graph.clone(), &args);
    let graph = graph.optimize();
    assert!(numbers(graph.clone(), &args) == before, "{graph}");
    let transposed =
        graph.eqns.iter().filter(|eqn| matches!(eqn.primitive.op(), crate::core::op::Op::Transpose { .. }));
    let sizes: Vec<usize> = transposed.map(|eqn| graph.aval(eqn.outs[0]).size()).collect();
    assert_eq!(sizes, [2 * 4 * 4, 3 * 5 * 4], "{graph}");
}
