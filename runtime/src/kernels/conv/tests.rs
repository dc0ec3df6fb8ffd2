use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Small whole numbers: every dtype adds and multiplies them without rounding.
fn values<T: Number>(count: usize, seed: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7 + seed * 13 + i * i / 3) % 4) as f64)).collect()
}

fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        all.iter().flat_map(|index| (0..n).map(|i| [&index[..], &[i]].concat())).collect()
    })
}

fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i)
}

/// Calls `visit(lhs index, rhs index, out index)` for every product that the definition adds up.
fn each_product(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let (cin_each, cout_each) = (g.cin / g.groups, g.cout / g.groups);
    let rank = g.kernel.len();
    let taps = indices(&g.kernel);
    for out in indices(&g.out_spatial) {
        for tap in &taps {
            let position = (0..rank).map(|d| {
                let dilated = (out[d] * g.strides[d] + tap[d] * g.rhs_dilation[d]) as isize - g.padding[d].0;
                let (i, rest) = (dilated / g.lhs_dilation[d] as isize, dilated % g.lhs_dilation[d] as isize);
                (dilated >= 0 && rest == 0 && i < g.in_spatial[d] as isize).then_some(i as usize)
            });
            let Some(position) = position.collect::<Option<Vec<_>>>() else { continue };
            for n in 0..g.batch {
                let x = flat(&position, &g.in_spatial) + n * g.in_spatial.iter().product::<usize>();
                let y = flat(&out, &g.out_spatial) + n * g.out_spatial.iter().product::<usize>();
                for co in 0..g.cout {
                    for ci in 0..cin_each {
                        let w = (flat(tap, &g.kernel) * cin_each + ci) * g.cout + co;
                        visit(x * g.cin + co / cout_each * cin_each + ci, w, y * g.cout + co);
                    }
                }
            }
        }
    }
}

fn same<T: Number>(what: &str, g: &Geometry, actual: &[T], expected: &[f64], modulus: f64) {
    for (i, (y, x)) in actual.iter().zip(expected).enumerate() {
        assert_eq!(y.to_f64(), T::from_f64(x % modulus).to_f64(), "{what} at {i} of {g:?}");
    }
}

fn agrees<T: Number>(g: &Geometry, modulus: f64) {
    let (x, w, y) = (values::<T>(g.lhs_len(), 1), values::<T>(g.rhs_len(), 2), values::<T>(g.out_len(), 3));
    let mut expected = [vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
    each_product(g, |i, j, k| {
        expected[0][k] += x[i].to_f64() * w[j].to_f64();
        expected[1][i] += y[k].to_f64() * w[j].to_f64();
        expected[2][j] += x[i].to_f64() * y[k].to_f64();
    });
    for level in Level::available() {
        let mut out = vec![T::ONE; y.len()];
        forward_at(level, g, &x, &w, &mut out, &|_, _| ());
        same("forward", g, &out, &expected[0], modulus);
        let mut out = vec![T::ONE; x.len()];
        input_gradient_at(level, g, &y, &w, &mut out);
        same("input gradient", g, &out, &expected[1], modulus);
        let mut out = vec![T::ONE; w.len()];
        weight_gradient_at(level, g, &x, &y, &mut out);
        same("weight gradient", g, &out, &expected[2], modulus);
    }
}

fn agrees_in_every_dtype(g: &Geometry) {
    agrees::<f32>(g, f64::INFINITY);
    agrees::<f64>(g, f64::INFINITY);
    agrees::<bf16>(g, f64::INFINITY);
    agrees::<f16>(g, f64::INFINITY);
    agrees::<i32>(g, f64::INFINITY);
    agrees::<i64>(g, f64::INFINITY);
    agrees::<u32>(g, f64::INFINITY);
    agrees::<u8>(g, 256.0);
}

fn with_out_sizes(mut g: Geometry) -> Geometry {
    g.out_spatial = (0..g.kernel.len()).map(|d| g.out_size(d)).collect();
    g
}

fn geometry() -> impl Strategy<Value = Geometry> {
    let axis = (0usize..8, 0usize..4, 1usize..4, (-2isize..4, -2isize..4), 1usize..4, 1usize..3);
    // Beyond what unrolled loops have room for, so that register tiles are met, full and partly.
    let each = || prop_oneof![2 => Just(1usize), 3 => 1usize..4, 1 => 4usize..40];
    let channels = (1usize..4, each(), each());
    (0usize..3, prop::collection::vec(axis, 0..4), channels).prop_map(|(batch, axes, (groups, ci, co))| {
        // Products over three dimensions are limited to keep the oracle quick.
        let short = |n: usize| if axes.len() == 3 { n.min(4) } else { n };
        with_out_sizes(Geometry {
            batch,
            in_spatial: axes.iter().map(|a| short(a.0)).collect(),
            kernel: axes.iter().map(|a| a.1).collect(),
            out_spatial: vec![],
            cin: groups * ci,
            cout: groups * co,
            strides: axes.iter().map(|a| a.2).collect(),
            padding: axes.iter().map(|a| a.3).collect(),
            lhs_dilation: axes.iter().map(|a| a.4).collect(),
            rhs_dilation: axes.iter().map(|a| a.5).collect(),
            groups,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn convolutions_of_any_geometry_follow_the_definition(g in geometry()) {
        agrees_in_every_dtype(&g);
    }
}

/// A square two-dimensional convolution.
fn square(
    batch: usize,
    size: usize,
    kernel: usize,
    [cin, cout, groups]: [usize; 3],
    stride: usize,
) -> Geometry {
    let half = (kernel / 2) as isize;
    with_out_sizes(Geometry {
        batch,
        in_spatial: vec![size; 2],
        kernel: vec![kernel; 2],
        out_spatial: vec![],
        cin,
        cout,
        strides: vec![stride; 2],
        padding: vec![(half, half); 2],
        lhs_dilation: vec![1; 2],
        rhs_dilation: vec![1; 2],
        groups,
    })
}

#[test]
fn convolutions_of_many_blocks_follow_the_definition() {
    agrees::<f32>(&square(3, 14, 3, [32, 64, 1], 1), f64::INFINITY);
    agrees::<f32>(&square(5, 28, 3, [1, 32, 1], 1), f64::INFINITY);
    agrees::<f64>(&square(2, 28, 3, [16, 24, 1], 2), f64::INFINITY);
    agrees::<i32>(&square(2, 20, 5, [12, 8, 4], 1), f64::INFINITY);
    agrees::<f32>(&square(4, 16, 3, [70, 70, 70], 1), f64::INFINITY);
    agrees::<f32>(&square(4, 16, 3, [70, 140, 70], 2), f64::INFINITY);
    agrees::<f32>(&square(4, 30, 1, [32, 48, 1], 1), f64::INFINITY);
    agrees::<f32>(&square(3, 7, 3, [128, 120, 1], 1), f64::INFINITY);
    agrees::<f64>(&square(2, 9, 3, [20, 72, 1], 2), f64::INFINITY);
    agrees::<f32>(
        &Geometry { lhs_dilation: vec![2; 2], out_spatial: vec![31; 2], ..square(2, 16, 3, [16, 16, 1], 1) },
        f64::INFINITY,
    );
}

#[test]
fn depthwise_convolutions_follow_the_definition() {
    // More channels than a few vectors, and fewer than one; rows that are all edge; strides, dilations and polyphase parts.
    for channels in [3, 16, 33, 90] {
        let all = [channels; 3];
        for (size, kernel, stride) in [(9, 3, 1), (13, 5, 2), (3, 3, 1), (2, 5, 1), (8, 2, 3)] {
            agrees::<f32>(&square(2, size, kernel, all, stride), f64::INFINITY);
        }
        let sparse = Geometry { rhs_dilation: vec![1, 2], ..square(2, 11, 3, all, 1) };
        agrees::<f32>(&with_out_sizes(sparse), f64::INFINITY);
        let transposed = Geometry { lhs_dilation: vec![2; 2], ..square(1, 7, 3, all, 1) };
        agrees::<f64>(&with_out_sizes(transposed), f64::INFINITY);
        agrees::<f32>(&line(3, 40, 4, all, 1), f64::INFINITY);
    }
}

/// A convolution over one dimension.
fn line(
    batch: usize,
    size: usize,
    kernel: usize,
    [cin, cout, groups]: [usize; 3],
    stride: usize,
) -> Geometry {
    let (low, high) = ((kernel as isize - 1) / 2, kernel as isize / 2);
    with_out_sizes(Geometry {
        batch,
        in_spatial: vec![size],
        kernel: vec![kernel],
        out_spatial: vec![],
        cin,
        cout,
        strides: vec![stride],
        padding: vec![(low, high)],
        lhs_dilation: vec![1],
        rhs_dilation: vec![1],
        groups,
    })
}

#[test]
fn convolutions_of_many_weights_follow_the_definition() {
    // Sums beyond one block of channels, with a last block that is smaller, and a last panel of a few channels.
    agrees::<f32>(&square(1, 4, 3, [130, 72, 1], 1), f64::INFINITY);
    agrees::<f32>(&square(3, 3, 3, [114, 150, 1], 1), f64::INFINITY);
    agrees::<f64>(&square(1, 3, 3, [120, 125, 1], 2), f64::INFINITY);
    // Gradients of the input in polyphase parts, with a tap, two and four; and windows that read every other input.
    agrees::<f32>(&square(2, 6, 3, [99, 160, 1], 2), f64::INFINITY);
    agrees::<f32>(&square(2, 5, 1, [700, 200, 1], 2), f64::INFINITY);
    agrees::<f32>(&square(1, 5, 1, [1030, 130, 1], 1), f64::INFINITY);
    // Sums beyond one block of taps.
    agrees::<f32>(&line(1, 12, 70, [20, 100, 1], 1), f64::INFINITY);
    agrees::<f32>(&line(2, 9, 1500, [3, 33, 1], 3), f64::INFINITY);
    // Few windows, of which most meet padding; of one example, of several and of many; weights that are read where they lie.
    agrees::<f32>(&square(1, 4, 3, [128, 96, 1], 1), f64::INFINITY);
    agrees::<f64>(&square(2, 4, 3, [65, 128, 1], 1), f64::INFINITY);
    agrees::<f32>(&square(25, 2, 3, [64, 120, 1], 1), f64::INFINITY);
    agrees::<f32>(&square(2, 7, 5, [64, 70, 1], 2), f64::INFINITY);
    // Groups, and what is put between inputs and between taps.
    agrees::<f32>(&square(1, 4, 3, [140, 240, 2], 1), f64::INFINITY);
    agrees::<bf16>(&square(1, 3, 3, [66, 131, 1], 1), f64::INFINITY);
    let dilated =
        Geometry { lhs_dilation: vec![2; 2], rhs_dilation: vec![3, 1], ..square(2, 4, 3, [80, 192, 1], 1) };
    agrees::<f32>(&with_out_sizes(dilated), f64::INFINITY);
    let sparse =
        Geometry { strides: vec![2, 4], rhs_dilation: vec![2; 2], ..square(2, 9, 3, [80, 192, 1], 1) };
    agrees::<f32>(&with_out_sizes(sparse), f64::INFINITY);
    agrees::<i32>(&square(1, 3, 3, [130, 72, 1], 1), f64::INFINITY);
}

#[test]
fn a_large_batch_gives_what_its_examples_give() {
    let one = square(1, 16, 3, [64, 128, 1], 1);
    let all = Geometry { batch: 9, ..one.clone() };
    let (x, w, y) =
        (values::<f32>(all.lhs_len(), 1), values::<f32>(all.rhs_len(), 2), values::<f32>(all.out_len(), 3));
    let run = |g: &Geometry, x: &[f32], y: &[f32]| {
        let mut all = [vec![1f32; y.len()], vec![1f32; x.len()], vec![1f32; w.len()]];
        forward(g, x, &w, &mut all[0]);
        input_gradient(g, y, &w, &mut all[1]);
        weight_gradient(g, x, y, &mut all[2]);
        all
    };
    let [out, lhs_grad, rhs_grad] = run(&all, &x, &y);
    let mut sum = vec![0f32; w.len()];
    let examples = x.chunks_exact(one.lhs_len()).zip(y.chunks_exact(one.out_len()));
    for (i, (x, y)) in examples.enumerate() {
        let [example, lhs_example, part] = run(&one, x, y);
        assert!(example == out[i * one.out_len()..][..one.out_len()]);
        assert!(lhs_example == lhs_grad[i * one.lhs_len()..][..one.lhs_len()]);
        sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    assert!(sum == rhs_grad);
}

/// Numbers whose sums are rounded, so that another order of adding shows.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * i) as f32 * 0.61).sin()).collect()
}

#[test]
fn an_example_with_few_windows_has_the_same_bits_in_any_batch() {
    for one in [
        square(1, 4, 3, [130, 96, 1], 1),
        square(1, 8, 3, [96, 150, 1], 2),
        square(1, 4, 3, [192, 384, 2], 1),
        square(1, 8, 1, [256, 264, 1], 2),
    ] {
        let all = Geometry { batch: 13, ..one.clone() };
        let (x, w, y) = (noise(all.lhs_len()), noise(all.rhs_len()), noise(all.out_len()));
        let run = |g: &Geometry, x: &[f32], y: &[f32]| {
            let mut both = [vec![1f32; y.len()], vec![1f32; x.len()]];
            forward(g, x, &w, &mut both[0]);
            input_gradient(g, y, &w, &mut both[1]);
            both
        };
        let [out, lhs_grad] = run(&all, &x, &y);
        let examples = x.chunks_exact(one.lhs_len()).zip(y.chunks_exact(one.out_len()));
        for (i, (x, y)) in examples.enumerate() {
            let [example, lhs_example] = run(&one, x, y);
            assert!(example == out[i * one.out_len()..][..one.out_len()], "{one:?}");
            assert!(lhs_example == lhs_grad[i * one.lhs_len()..][..one.lhs_len()], "{one:?}");
        }
    }
}

#[test]
fn what_few_windows_do_not_meet_is_not_multiplied() {
    // The last tap of four meets the input only in the first two windows: infinite weights there stay out of all others.
    let g = line(1, 2, 4, [160, 128, 1], 1);
    let g = with_out_sizes(Geometry { padding: vec![(3, 3)], ..g });
    let x = values::<f32>(g.lhs_len(), 1);
    let mut w = values::<f32>(g.rhs_len(), 2);
    let tap = w.len() / 4;
    w[3 * tap..].fill(f32::INFINITY);
    let mut out = vec![0f32; g.out_len()];
    forward(&g, &x, &w, &mut out);
    let (met, rest) = out.split_at(2 * g.cout);
    assert!(met.iter().all(|y| !y.is_finite()) && rest.iter().all(|y| y.is_finite()));
}

#[test]
fn every_output_is_handed_on_once_in_whole_rows() {
    for g in [
        square(3, 14, 3, [32, 40, 1], 1),
        square(2, 28, 3, [1, 3, 1], 1),
        square(2, 20, 1, [24, 24, 1], 1),
        square(4, 16, 3, [70, 70, 70], 1),
        square(5, 4, 3, [72, 130, 1], 1),
        square(1, 4, 3, [60, 130, 1], 1),
        Geometry { lhs_dilation: vec![2; 2], out_spatial: vec![31; 2], ..square(2, 16, 3, [16, 16, 1], 1) },
    ] {
        let (x, w) = (values::<f32>(g.lhs_len(), 1), values::<f32>(g.rhs_len(), 2));
        let (mut plain, mut handed) = (vec![0f32; g.out_len()], vec![0f32; g.out_len()]);
        forward(&g, &x, &w, &mut plain);
        let epilogue = |first: usize, piece: &mut [f32]| {
            assert!(first.is_multiple_of(g.cout) && piece.len().is_multiple_of(g.cout));
            piece.iter_mut().enumerate().for_each(|(i, y)| *y = 2.0 * *y + (first + i) as f32);
        };
        forward_with_epilogue(&g, &x, &w, &mut handed, &epilogue);
        assert!(plain.iter().enumerate().all(|(i, y)| handed[i] == 2.0 * y + i as f32), "{g:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for g in [
        square(5, 14, 3, [32, 64, 1], 1),
        square(9, 28, 3, [1, 32, 1], 1),
        square(9, 20, 3, [64, 64, 64], 1),
        square(6, 7, 3, [128, 128, 1], 1),
        square(5, 7, 3, [60, 40, 1], 2),
        square(1, 4, 3, [128, 144, 1], 1),
        square(40, 4, 3, [64, 136, 1], 1),
        line(3, 40, 64, [40, 33, 1], 1),
    ] {
        let (x, w, y) = (noise(g.lhs_len()), noise(g.rhs_len()), noise(g.out_len()));
        let run = |threads: usize| {
            crate::set_num_threads(threads);
            let mut all = [vec![0f32; y.len()], vec![0f32; x.len()], vec![0f32; w.len()]];
            forward(&g, &x, &w, &mut all[0]);
            input_gradient(&g, &y, &w, &mut all[1]);
            weight_gradient(&g, &x, &y, &mut all[2]);
            all
        };
        assert!(run(1) == run(2) && run(1) == run(3));
    }
}

#[test]
#[should_panic(expected = "output size of spatial dimension 1")]
fn an_output_of_another_size_is_refused() {
    let g = Geometry { out_spatial: vec![4, 5], ..square(1, 4, 3, [1, 1, 1], 1) };
    forward(&g, &[0f32; 16], &[0.0; 9], &mut [0.0; 20]);
}
