use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Small whole numbers with many ties: every dtype adds and multiplies them without rounding.
fn numbers<T: Number>(count: usize, seed: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7 + seed * 13 + i * i / 3) % 3) as f64)).collect()
}

fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        all.iter().flat_map(|index| (0..n).map(|i| [&index[..], &[i]].concat())).collect()
    })
}

/// The flat index of each element of each window in row-major order, `None` for padding.
fn windows(g: &WindowGeometry) -> Vec<Vec<Option<usize>>> {
    let taps = indices(&g.window);
    let element = |out: &[usize], tap: &[usize]| {
        (0..g.shape.len()).try_fold(0, |flat, d| {
            let position = (out[d] * g.strides[d] + tap[d] * g.window_dilation[d]) as isize - g.padding[d].0;
            let (i, rest) = (
                position.div_euclid(g.base_dilation[d] as isize),
                position.rem_euclid(g.base_dilation[d] as isize),
            );
            (rest == 0 && i >= 0 && i < g.shape[d] as isize).then(|| flat * g.shape[d] + i as usize)
        })
    };
    indices(&g.out_shape()).iter().map(|out| taps.iter().map(|tap| element(out, tap)).collect()).collect()
}

fn agrees<T: Number>(g: &WindowGeometry) {
    let windows = windows(g);
    let x = numbers::<T>(g.shape.iter().product(), 1);
    let y = numbers::<T>(windows.len(), 2);
    let mut out = vec![T::ZERO; y.len()];
    let mut check = |reduction, neutral: T::Acc, combine: fn(T::Acc, T::Acc) -> T::Acc| {
        reduce_window(g, reduction, &x, &mut out);
        for (y, window) in out.iter().zip(&windows) {
            let expected = window.iter().flatten().fold(neutral, |y, &i| combine(y, x[i].widen()));
            assert_eq!(*y, T::narrow(expected), "{reduction:?} {g:?}");
        }
    };
    check(Reduction::Sum, T::Acc::ZERO, Number::add);
    check(Reduction::Product, T::Acc::ONE, Number::mul);
    check(Reduction::Max, T::Acc::MAX_IDENTITY, Number::maximum);
    check(Reduction::Min, T::Acc::MIN_IDENTITY, Number::minimum);

    let mut grad = vec![T::ONE; x.len()];
    sum_gradient(g, &y, &mut grad);
    let mut expected = vec![T::Acc::ZERO; x.len()];
    for (window, y) in windows.iter().zip(&y) {
        window.iter().flatten().for_each(|&i| expected[i] = expected[i].add(y.widen()));
    }
    assert_eq!(grad, expected.iter().map(|&x| T::narrow(x)).collect::<Vec<_>>(), "{g:?}");

    for (selection, padding) in [(Selection::Max, T::MAX_IDENTITY), (Selection::Min, T::MIN_IDENTITY)] {
        let keep = |x: T, y: T| if selection == Selection::Max { x >= y } else { x <= y };
        let selected = windows.iter().map(|window| {
            let value = |i: Option<usize>| i.map_or(padding, |i| x[i]);
            window.iter().copied().reduce(|a, b| if keep(value(a), value(b)) { a } else { b }).flatten()
        });
        let selected: Vec<i64> = selected.map(|i| i.map_or(-1, |i| i as i64)).collect();
        let mut indices = vec![0; y.len()];
        select_indices(g, selection, &x, &mut indices);
        assert_eq!(indices, selected, "{selection:?} {g:?}");
        let mut by_index = vec![T::ONE; x.len()];
        scatter_add(&indices, &y, &mut by_index);
        select_and_scatter_add(g, selection, &x, &y, &mut grad);
        assert_eq!(grad, by_index, "{selection:?} {g:?}");
        let mut gathered = vec![T::ONE; y.len()];
        gather(&indices, &x, &mut gathered);
        for (y, &i) in gathered.iter().zip(&indices) {
            assert_eq!(*y, usize::try_from(i).map_or(T::ZERO, |i| x[i]));
        }
    }
}

fn geometry() -> impl Strategy<Value = WindowGeometry> {
    let windowed = (0usize..8, 1usize..4, 1usize..4, (-2isize..4, -2isize..4), 1usize..4, 1usize..3);
    let plain = (0usize..6).prop_map(|n| (n, 1, 1, (0, 0), 1, 1));
    let axis = prop_oneof![windowed, plain];
    prop::collection::vec(axis, 0..4).prop_map(|axes| WindowGeometry {
        shape: axes.iter().map(|a| a.0).collect(),
        window: axes.iter().map(|a| a.1).collect(),
        strides: axes.iter().map(|a| a.2).collect(),
        padding: axes.iter().map(|a| a.3).collect(),
        base_dilation: axes.iter().map(|a| a.4).collect(),
        window_dilation: axes.iter().map(|a| a.5).collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn windows_of_any_geometry_follow_the_definition(g in geometry()) {
        agrees::<f32>(&g);
        agrees::<f64>(&g);
        agrees::<bf16>(&g);
        agrees::<f16>(&g);
        agrees::<i32>(&g);
        agrees::<i64>(&g);
        agrees::<u32>(&g);
        agrees::<u8>(&g);
    }
}

/// Two-dimensional pooling, channels last.
fn pooling(batch: usize, size: usize, channels: usize) -> WindowGeometry {
    WindowGeometry {
        shape: vec![batch, size, size, channels],
        window: vec![1, 2, 2, 1],
        strides: vec![1, 2, 2, 1],
        padding: vec![(0, 0); 4],
        base_dilation: vec![1; 4],
        window_dilation: vec![1; 4],
    }
}

#[test]
fn pooling_of_many_images_follows_the_definition() {
    agrees::<f32>(&pooling(16, 28, 32));
    agrees::<f32>(&WindowGeometry { strides: vec![1; 4], ..pooling(1, 60, 40) });
    agrees::<i32>(&WindowGeometry {
        window: vec![1, 3, 5, 2],
        padding: vec![(1, 2); 4],
        ..pooling(3, 20, 9)
    });
}

#[test]
fn windows_over_rows_of_any_length_follow_the_definition() {
    for channels in [2, 31, 32, 33, 70] {
        for (size, stride, padding) in [(2, 2, (0, 0)), (3, 2, (1, 1)), (3, 1, (1, 0)), (5, 1, (2, 2))] {
            let g = WindowGeometry {
                window: vec![1, size, size, 1],
                strides: vec![1, stride, stride, 1],
                padding: vec![(0, 0), padding, padding, (0, 0)],
                ..pooling(2, 9, channels)
            };
            agrees::<f32>(&g);
            agrees::<bf16>(&g);
        }
    }
}

/// A window of three over four elements with one of padding on either side.
fn line() -> WindowGeometry {
    WindowGeometry {
        shape: vec![4],
        window: vec![3],
        strides: vec![1],
        padding: vec![(1, 1)],
        base_dilation: vec![1],
        window_dilation: vec![1],
    }
}

#[test]
fn the_gradient_of_a_maximum_follows_jax_for_nan_and_infinity() {
    // Computed with `jax.vjp` of `lax.reduce_window(x, -jnp.inf, lax.max, (3,), (1,), [(1, 1)])` at `arange(1., 5)`.
    let (nan, low) = (f32::NAN, f32::NEG_INFINITY);
    let cases = [
        ([low; 4], [2.0, 3.0, 4.0, 0.0]),
        ([1.0, nan, 3.0, 2.0], [0.0, 1.0, 9.0, 0.0]),
        ([nan, 1.0, 2.0, 0.0], [0.0, 1.0, 9.0, 0.0]),
        ([1.0, 2.0, nan, 0.0], [0.0, 1.0, 2.0, 7.0]),
        ([1.0; 4], [3.0, 3.0, 4.0, 0.0]),
        ([nan; 4], [0.0, 1.0, 2.0, 3.0]),
    ];
    for (x, expected) in cases {
        let mut grad = [0.0; 4];
        select_and_scatter_add(&line(), Selection::Max, &x, &[1.0, 2.0, 3.0, 4.0], &mut grad);
        assert_eq!(grad, expected, "{x:?}");
    }
}

#[test]
fn a_nan_makes_the_maximum_of_its_windows_nan() {
    let mut out = [0.0; 4];
    reduce_window(&line(), Reduction::Max, &[1.0, f32::NAN, 3.0, 2.0], &mut out);
    assert_eq!(out.map(f32::is_nan), [true, true, true, false]);
    assert_eq!(out[3], 3.0);
}
