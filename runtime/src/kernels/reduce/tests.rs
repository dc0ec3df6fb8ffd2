use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Returns, for each kept index in row-major order, the positions of the elements reduced into it, in order.
fn members(shape: &[usize], axes: &[usize]) -> Vec<Vec<usize>> {
    let results = (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).product();
    let mut members = vec![Vec::new(); results];
    for position in 0..shape.iter().product() {
        let (mut rest, mut result, mut scale) = (position, 0, 1);
        for axis in (0..shape.len()).rev() {
            let index = rest % shape[axis];
            rest /= shape[axis];
            if !axes.contains(&axis) {
                result += index * scale;
                scale *= shape[axis];
            }
        }
        members[result].push(position);
    }
    members
}

fn shape_and_axes() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    let size = prop_oneof![4 => 1..6usize, 1 => Just(0), 1 => 15..40usize];
    proptest::collection::vec(size, 0..5).prop_flat_map(|shape| {
        let all: Vec<usize> = (0..shape.len()).collect();
        let axes = proptest::sample::subsequence(all.clone(), 0..=all.len()).prop_shuffle();
        (Just(shape), axes)
    })
}

type Cumulative = fn(&[f64], &[usize], usize, Direction, &mut [f64]);
type Reducer<T> = fn(&[T], &[usize], &[usize], &mut [T]);

fn agrees<T: Number>(
    kernel: Reducer<T>,
    x: &[T],
    shape: &[usize],
    axes: &[usize],
    naive: impl Fn(&[T]) -> T,
) -> Result<(), TestCaseError> {
    let members = members(shape, axes);
    let mut out = vec![T::from_f64(7.0); members.len()];
    kernel(x, shape, axes, &mut out);
    for (got, members) in out.iter().zip(members) {
        let want = naive(&members.iter().map(|&i| x[i]).collect::<Vec<_>>());
        prop_assert!(*got == want || got.is_nan() && want.is_nan(), "{got:?} {want:?} {shape:?} {axes:?}");
    }
    Ok(())
}

/// Small whole numbers, whose sums are exact in every type, with or without some NaN.
fn small<T: Number>(n: usize, seed: usize) -> Vec<T> {
    (0..n).map(|i| T::from_f64(digit(i, seed) as f64)).collect()
}

/// One or two, and now and then zero if there are few: their products are exact in every type in any order,
/// while those of threes are rounded, and an infinite one times zero is NaN.
fn factors<T: Number>(n: usize, seed: usize) -> Vec<T> {
    let factor = |i| match digit(i, seed) {
        0 if n < 100 => 0.0,
        3 => 2.0,
        _ => 1.0,
    };
    (0..n).map(|i| T::from_f64(factor(i))).collect()
}

fn digit(i: usize, seed: usize) -> usize {
    i.wrapping_mul(seed | 1).wrapping_mul(2654435761) >> 7 & 3
}

fn all_kernels_agree<T: Number>(shape: &[usize], axes: &[usize], seed: usize) -> Result<(), TestCaseError> {
    let x = small::<T>(shape.iter().product(), seed);
    agrees(sum, &x, shape, axes, |xs| T::narrow(xs.iter().fold(T::Acc::ZERO, |a, x| a.add(x.widen()))))?;
    let y = factors::<T>(x.len(), seed);
    agrees(prod, &y, shape, axes, |xs| T::narrow(xs.iter().fold(T::Acc::ONE, |a, x| a.mul(x.widen()))))?;
    agrees(max, &x, shape, axes, |xs| xs.iter().fold(T::MAX_IDENTITY, |a, &x| Number::maximum(a, x)))?;
    agrees(min, &x, shape, axes, |xs| xs.iter().fold(T::MIN_IDENTITY, |a, &x| Number::minimum(a, x)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reductions_agree_with_loops_over_any_axes((shape, axes) in shape_and_axes(), seed: usize) {
        all_kernels_agree::<f64>(&shape, &axes, seed)?;
        all_kernels_agree::<f32>(&shape, &axes, seed)?;
        all_kernels_agree::<i32>(&shape, &axes, seed)?;
        all_kernels_agree::<u8>(&shape, &axes, seed)?;
        let x: Vec<bf16> = small(shape.iter().product(), seed);
        agrees(sum, &x, &shape, &axes, |xs| bf16::from_f32(xs.iter().map(|x| x.to_f32()).sum()))?;
        let x: Vec<f16> = small(shape.iter().product(), seed);
        agrees(max, &x, &shape, &axes, |xs| xs.iter().fold(f16::NEG_INFINITY, |a, &x| Number::maximum(a, x)))?;
    }

    #[test]
    fn maxima_and_minima_of_anything_and_nan_are_nan((shape, axes) in shape_and_axes(), seed: usize) {
        let mut x: Vec<f32> = small(shape.iter().product(), seed);
        x.iter_mut().skip(seed % 7).step_by(13).for_each(|x| *x = f32::NAN);
        agrees(max, &x, &shape, &axes, |xs| xs.iter().fold(f32::MAX_IDENTITY, |a, &x| Number::maximum(a, x)))?;
        agrees(min, &x, &shape, &axes, |xs| xs.iter().fold(f32::MIN_IDENTITY, |a, &x| Number::minimum(a, x)))?;
    }

    #[test]
    fn any_and_all_agree_with_iterators((shape, axes) in shape_and_axes(), seed: usize, mostly in 0..3u8) {
        let x: Vec<u8> = small::<u8>(shape.iter().product(), seed).iter().map(|x| u8::from(*x > mostly)).collect();
        agrees(super::any, &x, &shape, &axes, |xs| u8::from(xs.iter().any(|&x| x != 0)))?;
        agrees(all, &x, &shape, &axes, |xs| u8::from(xs.iter().all(|&x| x != 0)))?;
    }

    #[test]
    fn extremes_are_found_at_their_first_position(
        shape in proptest::collection::vec(1..20usize, 1..4), axis in 0..3usize, seed: usize, nan: bool
    ) {
        let axis = axis % shape.len();
        let mut x: Vec<f32> = small(shape.iter().product(), seed);
        if nan {
            x.iter_mut().skip(seed % 7).step_by(11).for_each(|x| *x = f32::NAN);
        }
        let members = members(&shape, &[axis]);
        let (mut largest, mut smallest) = (vec![-1; members.len()], vec![-1; members.len()]);
        arg_max(&x, &shape, axis, &mut largest);
        arg_min(&x, &shape, axis, &mut smallest);
        for (result, members) in members.iter().enumerate() {
            let xs: Vec<f32> = members.iter().map(|&i| x[i]).collect();
            let first = |best: f32| xs.iter().position(|&x| x == best || x.is_nan() && best.is_nan()).unwrap() as i32;
            prop_assert_eq!(largest[result], first(xs.iter().fold(f32::MAX_IDENTITY, |a, &x| Number::maximum(a, x))));
            prop_assert_eq!(smallest[result], first(xs.iter().fold(f32::MIN_IDENTITY, |a, &x| Number::minimum(a, x))));
        }
    }

    #[test]
    fn cumulative_operations_agree_with_reductions_of_every_prefix(
        shape in proptest::collection::vec(0..7usize, 1..4), axis in 0..3usize, long in 0..300usize, seed: usize,
        reverse: bool
    ) {
        let axis = axis % shape.len();
        let mut shape = shape;
        shape[axis] = long;
        let direction = if reverse { Direction::Reverse } else { Direction::Forward };
        let x: Vec<f64> = small(shape.iter().product(), seed);
        let ops: [Cumulative; 4] = [cum_sum, cum_max, cum_min, cum_log_sum_exp];
        let naive: [fn(&[f64]) -> f64; 4] = [
            |xs| xs.iter().sum(),
            |xs| xs.iter().copied().fold(f64::MAX_IDENTITY, f64::max),
            |xs| xs.iter().copied().fold(f64::MIN_IDENTITY, f64::min),
            |xs| xs.iter().map(|x| x.exp()).sum::<f64>().ln(),
        ];
        for (op, naive) in ops.iter().zip(naive) {
            let mut out = vec![0.0; x.len()];
            op(&x, &shape, axis, direction, &mut out);
            for mut members in members(&shape, &[axis]) {
                if reverse {
                    members.reverse();
                }
                let xs: Vec<f64> = members.iter().map(|&i| x[i]).collect();
                for (i, &at) in members.iter().enumerate() {
                    prop_assert!((out[at] - naive(&xs[..=i])).abs() < 1e-11);
                }
            }
        }
    }
}

#[test]
fn large_reductions_cut_to_pieces_agree_with_exact_sums() {
    for (shape, axes) in [
        (vec![1 << 20], vec![0]),
        (vec![5001, 65], vec![0]),
        (vec![70000, 3], vec![0]),
        (vec![64, 16, 32, 32], vec![0, 2, 3]),
        (vec![300, 3, 700], vec![0]),
        (vec![40, 5000, 2], vec![1]),
        (vec![2, 100, 3000], vec![1]),
    ] {
        let x: Vec<i64> = small(shape.iter().product(), 3);
        agrees(sum, &x, &shape, &axes, |xs| xs.iter().sum()).unwrap();
        let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        agrees(sum, &x, &shape, &axes, |xs| xs.iter().sum()).unwrap();
        agrees(max, &x, &shape, &axes, |xs| xs.iter().copied().fold(0.0, f32::max)).unwrap();
    }
}

#[test]
fn sums_of_millions_are_accurate_in_every_layout() {
    let n = 1 << 22;
    for (shape, axis) in [([n, 1], 0), ([n / 4, 4], 0), ([n / 64, 64], 0), ([2, n / 2], 1)] {
        let x = vec![0.1f32; n];
        let count = shape[axis];
        let mut out = vec![0.0; n / count];
        sum(&x, &shape, &[axis], &mut out);
        let exact = count as f64 * 0.1f32 as f64;
        assert!(out.iter().all(|&s| (s as f64 / exact - 1.0).abs() < 3e-7), "{:?} {exact}", out[0]);
    }
    let mut out = vec![0.0; n];
    cum_sum(&vec![0.1f32; n], &[n], 0, Direction::Forward, &mut out);
    assert!((out[n - 1] as f64 / (n as f64 * 0.1f32 as f64) - 1.0).abs() < 1e-3);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x: Vec<f32> = (0..1 << 20).map(|i| (i as f32 * 0.37).sin()).collect();
    let run = |threads: usize| {
        crate::set_num_threads(threads);
        [(vec![1 << 20], vec![0]), (vec![1 << 14, 64], vec![0]), (vec![8, 32, 4096], vec![0, 2])].map(
            |(shape, axes)| {
                let mut out = vec![0.0; members_count(&shape, &axes)];
                sum(&x, &shape, &axes, &mut out);
                out
            },
        )
    };
    assert!(run(1) == run(2) && run(1) == run(3));
}

fn members_count(shape: &[usize], axes: &[usize]) -> usize {
    (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).product()
}

#[test]
fn halves_are_accumulated_in_single_precision() {
    let x = vec![bf16::from_f32(1.0); 1000];
    let mut out = [bf16::ZERO];
    sum(&x, &[1000], &[0], &mut out);
    assert_eq!(out[0].to_f32(), 1000.0);
    let mut out = vec![bf16::ZERO; 1000];
    cum_sum(&x, &[1000], 0, Direction::Forward, &mut out);
    assert_eq!(out[999].to_f32(), 1000.0);
}

/// Run by run, or all at once where there are no long runs: in the order in which elements of single precision are folded.
#[test]
fn halves_give_the_rounded_result_of_the_same_elements_in_single_precision() {
    let shapes: [(&[usize], &[usize]); 6] = [
        (&[7, LONG_RUN - 1], &[1]),
        (&[7, LONG_RUN], &[1]),
        (&[3, 4, 1000], &[0, 2]),
        (&[300_000], &[0]),
        (&[1000, 70], &[0]),
        (&[70, 1000], &[0, 1]),
    ];
    for (shape, axes) in shapes {
        let count: usize = shape.iter().product();
        let x: Vec<bf16> = (0..count).map(|i| bf16::from_f32((i as f32 * 0.37).sin())).collect();
        let wide: Vec<f32> = x.iter().map(|x| x.to_f32()).collect();
        let results = members_count(shape, axes);
        let (mut halves, mut singles) = (vec![bf16::ZERO; results], vec![0.0; results]);
        for (of_halves, of_singles) in
            [(sum::<bf16> as Reducer<bf16>, sum::<f32> as Reducer<f32>), (max, max)]
        {
            of_halves(&x, shape, axes, &mut halves);
            of_singles(&wide, shape, axes, &mut singles);
            let rounded: Vec<bf16> = singles.iter().map(|&sum| bf16::from_f32(sum)).collect();
            assert!(halves == rounded, "{shape:?} over {axes:?}");
        }
    }
}

#[test]
fn cumulative_logarithms_take_infinities_and_nan() {
    let mut out = [0.0f32; 4];
    let inf = f32::INFINITY;
    cum_log_sum_exp(&[-inf, -inf, 1.0, 1000.0], &[4], 0, Direction::Forward, &mut out);
    assert_eq!(out, [-inf, -inf, 1.0, 1000.0]);
    cum_log_sum_exp(&[-inf, inf, 1.0, f32::NAN], &[4], 0, Direction::Forward, &mut out);
    assert!(out[..3] == [-inf, inf, inf] && out[3].is_nan());
}
