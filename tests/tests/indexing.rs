//! Parts, padding, joining, gathering and scattering: the laws of each, and what JAX does at the edges.

use flaxen::prelude::*;
use flaxen::{PadMode, jacfwd};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{check, law};

fn i32s(list: &[i32]) -> Tensor {
    Tensor::from(list)
}

fn ramp(shape: &[usize]) -> Tensor {
    let size: usize = shape.iter().product();
    Tensor::arange(0.0f32, size as f32, 1.0).reshape(shape)
}

fn list(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec::<f64>().unwrap()
}

fn floats(shape: &'static [usize]) -> impl Fn(&mut Data) -> Vec<Tensor> {
    move |data| vec![data.floats(shape, -2.0, 2.0)]
}

#[test]
fn parts_obey_the_laws() {
    check([
        law("slice", floats(&[5, 4, 3]), |x| x[0].try_slice([1, 0, 0], [5, 4, 2], [2, 3, 1])),
        law("slice to nothing", floats(&[5, 4]), |x| x[0].try_slice([2, 1], [2, 3], [1, 1])),
        law("slice_axis", floats(&[2, 7]), |x| x[0].try_slice_axis(1, -4..-1)),
        law("backwards", floats(&[7, 2]), |x| x[0].try_slice_axis_step(0, 5.., -2)),
        law("index_axis", floats(&[2, 3, 2]), |x| x[0].try_index_axis(1, -1)),
        law("get", floats(&[3, 2]), |x| x[0].try_get(1)),
        law("flip", floats(&[3, 2, 4]), |x| x[0].try_flip([0, -1])),
        law("roll", floats(&[3, 4]), |x| x[0].try_roll(-6, 1)),
        law("split", floats(&[4, 6]), |x| x[0].try_split(3, 1)),
        law("split_at", floats(&[5, 2]), |x| x[0].try_split_at([1, 1, 4], 0)),
        law("unstack", floats(&[2, 3]), |x| x[0].try_unstack(-1)),
        law("one part only", floats(&[2, 6]), |x| Ok(x[0].try_split(3, 1)?[1].clone())),
    ]);
}

#[test]
fn joining_obeys_the_laws() {
    let two = |data: &mut Data| vec![data.floats([2, 3], -1.0, 1.0), data.floats([2, 2], -1.0, 1.0)];
    let alike = |data: &mut Data| vec![data.floats([2, 3], -1.0, 1.0), data.floats([2, 3], -1.0, 1.0)];
    check([
        law("concatenate", two, |x| Tensor::try_concatenate(x, 1)),
        law("concatenate by one", two, |x| Tensor::try_concatenate(x, -1)).by([1]),
        law("concatenate in front", alike, |x| Tensor::try_concatenate(x, 0)),
        law("one value twice", floats(&[2, 2]), |x| {
            Tensor::try_concatenate(&[x[0].clone(), x[0].clone(), x[0].clone()], 0)
        }),
        law("stack", alike, |x| Tensor::try_stack(x, 1)),
        law("tile", floats(&[2, 3]), |x| x[0].try_tile([2, 1, 2])),
        law("tile of the last axis", floats(&[2, 3]), |x| x[0].try_tile([2])),
        law("repeat", floats(&[2, 3]), |x| x[0].try_repeat(3, -2)),
        law("tril", floats(&[2, 3, 4]), |x| x[0].try_tril(1)),
        law("triu", floats(&[3, 4]), |x| x[0].try_triu(-1)),
    ]);
}

#[test]
fn padding_obeys_the_laws() {
    let value = |data: &mut Data| vec![data.floats([4, 3], -1.0, 1.0), data.floats([], -1.0, 1.0)];
    check([
        law("pad", value, |x| x[0].try_pad([(1, 2), (0, 1)], &x[1])),
        law("interior", value, |x| x[0].try_pad_interior([(1, -1, 2), (-1, 0, 1)], &x[1])),
        law("taken away", value, |x| x[0].try_pad_interior([(-2, -1, 0), (3, -4, 0)], &x[1])),
        law("edge", floats(&[2, 3]), |x| x[0].try_pad_mode([(1, 0), (2, 2)], PadMode::Edge)),
        law("reflect", floats(&[3, 2]), |x| x[0].try_pad_mode([(5, 3), (0, 1)], PadMode::Reflect)),
        law("wrap", floats(&[3, 2]), |x| x[0].try_pad_mode([(1, 4), (3, 0)], PadMode::Wrap)),
        law("zeros", floats(&[2]), |x| x[0].try_pad_mode([(1, 2)], PadMode::Constant)),
    ]);
}

#[test]
fn dynamic_parts_obey_the_laws() {
    let starts = |data: &mut Data| {
        vec![
            data.floats([4, 5], -1.0, 1.0),
            data.integers([], DType::I32, -2, 5),
            data.integers([], DType::I64, 0, 4),
        ]
    };
    let update = move |data: &mut Data| {
        let mut args = starts(data);
        args.push(data.floats([2, 3], -1.0, 1.0));
        args
    };
    check([
        law("dynamic_slice", starts, |x| x[0].try_dynamic_slice(&x[1..3], [2, 3])),
        law("dynamic_slice_axis", starts, |x| x[0].try_dynamic_slice_axis(1, &x[2], 2)),
        law("dynamic_update_slice", update, |x| x[0].try_dynamic_update_slice(&x[3], &x[1..3])),
        law("dynamic_update_axis", update, |x| x[0].try_dynamic_update_axis(0, &x[1], &x[3])),
    ]);
}

#[test]
fn gathering_obeys_the_laws() {
    let with = |shape: &'static [usize], indices: &'static [usize], low: i64, high: i64| {
        move |data: &mut Data| {
            vec![data.floats(shape, -1.0, 1.0), data.integers(indices, DType::I32, low, high)]
        }
    };
    check([
        law("rows", with(&[5, 3], &[2, 4], -5, 5), |x| x[0].try_take(&x[1], 0)),
        law("columns", with(&[2, 5], &[3], 0, 5), |x| x[0].try_take(&x[1], 1)),
        law("in between", with(&[2, 4, 3], &[2, 2], 0, 4), |x| x[0].try_take(&x[1], 1)),
        law("one", with(&[4, 2], &[], 0, 4), |x| x[0].try_take(&x[1], 0)),
        law("clipped", with(&[4, 2], &[6], -3, 9), |x| x[0].try_take_clip(&x[1], 0)),
        law("take_along_axis", with(&[3, 4], &[3, 2], -4, 4), |x| x[0].try_take_along_axis(&x[1], 1)),
        law("along the front", with(&[4, 3], &[5, 3], 0, 4), |x| x[0].try_take_along_axis(&x[1], 0)),
        law("along, broadcast", with(&[3, 4, 2], &[1, 2, 1], 0, 4), |x| x[0].try_take_along_axis(&x[1], 1)),
        law("along, broadcast the other way", with(&[1, 4], &[3, 2], 0, 4), |x| {
            x[0].try_take_along_axis(&x[1], 1)
        }),
        law("gather_nd", with(&[3, 3, 2], &[4, 2], -3, 3), |x| x[0].try_gather_nd(&x[1])),
        law("gather_nd of elements", with(&[3, 3], &[2, 2, 2], 0, 3), |x| x[0].try_gather_nd(&x[1])),
        law("one_hot", with(&[1], &[2, 3], -1, 5), |x| x[1].try_one_hot(4, 1, DType::F64))
            .no_gradient()
            .dtypes([]),
    ]);
}

#[test]
fn scattering_obeys_the_laws() {
    let with = |shape: &'static [usize], indices: &'static [usize], updates: &'static [usize], high: i64| {
        move |data: &mut Data| {
            let x = data.distinct(shape, -1.0, 1.0);
            vec![x, data.integers(indices, DType::I32, -high, high), data.distinct(updates, -1.03, 1.01)]
        }
    };
    check([
        law("set", with(&[4, 2], &[6], &[6, 2], 4), |x| x[0].try_index_set(0, &x[1], &x[2])),
        law("set one", with(&[4, 2], &[], &[2], 4), |x| x[0].try_index_set(0, &x[1], &x[2])),
        law("set columns", with(&[2, 5], &[3], &[2, 3], 5), |x| x[0].try_index_set(1, &x[1], &x[2])),
        law("set, broadcast", with(&[4, 2], &[3], &[2], 4), |x| x[0].try_index_set(0, &x[1], &x[2])),
        law("add", with(&[4, 2], &[2, 3], &[2, 3, 2], 4), |x| x[0].try_index_add(0, &x[1], &x[2])),
        law("add columns", with(&[2, 3], &[4], &[2, 4], 3), |x| x[0].try_index_add(-1, &x[1], &x[2])),
        law("min", with(&[4, 2], &[6], &[6, 2], 4), |x| x[0].try_index_min(0, &x[1], &x[2])),
        law("mul", with(&[4, 2], &[6], &[6, 2], 4), |x| x[0].try_index_mul(0, &x[1], &x[2])),
        law("max", with(&[2, 3], &[4], &[2, 4], 3), |x| x[0].try_index_max(1, &x[1], &x[2])),
        law("put_along_axis", with(&[3, 4], &[3, 2], &[3, 2], 4), |x| {
            x[0].try_put_along_axis(&x[1], &x[2], 1)
        }),
    ]);
}

#[test]
fn python_slices_count_from_the_end_and_stop_at_it() {
    type Case = (Option<isize>, Option<isize>, isize, &'static [i32]);
    let x = Tensor::arange(0i32, 6, 1);
    let cases: &[Case] = &[
        (None, None, 1, &[0, 1, 2, 3, 4, 5]),
        (Some(-2), None, 1, &[4, 5]),
        (Some(2), Some(100), 3, &[2, 5]),
        (Some(4), Some(2), 1, &[]),
        (None, None, -1, &[5, 4, 3, 2, 1, 0]),
        (Some(100), Some(2), -2, &[5, 3]),
        (Some(-1), Some(-100), -5, &[5, 0]),
        (Some(0), Some(-1), -1, &[]),
        (Some(-100), Some(-4), 1, &[0, 1]),
        (Some(isize::MIN), Some(isize::MAX), isize::MAX, &[0]),
    ];
    for &(start, end, step, expected) in cases {
        let part = x.slice_axis_step(0, start..end, step);
        assert_eq!(part.to_vec::<i32>().unwrap(), expected, "{start:?}:{end:?}:{step}");
    }
}

#[test]
fn an_empty_part_of_a_part_is_compiled() {
    let f = |x: Tensor| x.try_slice([1], [4], [2])?.try_slice([2], [2], [1]);
    assert_eq!(jit(f).call(ramp(&[4])).unwrap().shape(), [0]);
}

#[test]
fn every_dtype_is_moved_unchanged() {
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_complex()) {
        let x = Tensor::from([0.0f32, 1.0, 2.0, 3.0]).cast(dtype);
        let back = x.flip([0]);
        assert_eq!(back.dtype(), dtype);
        let two = Tensor::concatenate(&[back, x.clone()], 0).slice_axis_step(0, 1.., 2);
        let taken = two.take([1i32, 0, 3, 2], 0).pad([(1, 0)], 1.0);
        let set = taken.index_set(0, [0i32], x.slice_axis(0, 2..3)).index_max(0, [1i32], 1.0);
        let expected = Tensor::from([2.0f32, 1.0, 2.0, 3.0, 1.0]).cast(dtype);
        assert_eq!(list(&set), list(&expected), "{dtype}");
    }
}

#[test]
fn an_index_outside_reads_as_an_impossible_number() {
    let outside = [3i32, -4];
    for (dtype, expected) in [
        (DType::I32, f64::from(i32::MIN)),
        (DType::I64, i64::MIN as f64),
        (DType::U8, 255.0),
        (DType::U32, f64::from(u32::MAX)),
        (DType::Bool, 1.0),
    ] {
        let x = Tensor::zeros_of([3], dtype);
        assert_eq!(list(&x.take(outside, 0)), [expected; 2], "{dtype}");
    }
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        let rows = Tensor::zeros_of([3, 2], dtype).take(outside, 0);
        assert!(list(&rows).iter().all(|x| x.is_nan()), "{dtype}");
    }
    assert_eq!(list(&ramp(&[3]).take([-1i32, -3], 0)), [2.0, 0.0]);
    assert_eq!(list(&ramp(&[3]).take_clip([-1i32, 7], 0)), [0.0, 2.0]);
}

#[test]
fn an_index_outside_has_no_gradient_and_is_not_written() -> Result<()> {
    let indices = i32s(&[0, 3, -4, 0]);
    let dx = grad(|x: &Tensor| Ok(x.take(&indices, 0).sum_axes([0])))(&ramp(&[3]))?;
    assert_eq!(list(&dx), [2.0, 0.0, 0.0]);
    let x = ramp(&[3]).index_add(0, &indices, [1.0f32, 2.0, 4.0, 8.0]);
    assert_eq!(list(&x), [9.0, 1.0, 2.0]);
    Ok(())
}

#[test]
fn the_last_of_several_updates_stays_and_has_the_gradient() -> Result<()> {
    let (indices, weights) = (i32s(&[0, 0, 1]), ramp(&[3]) + 1.0);
    let loss = |(x, u): &(Tensor, Tensor)| Ok((x.index_set(0, &indices, u) * &weights).sum_axes([0]));
    let (dx, du) = grad(loss)(&(ramp(&[3]), ramp(&[3])))?;
    assert_eq!((list(&dx), list(&du)), (vec![0.0, 0.0, 3.0], vec![0.0, 1.0, 2.0]));
    Ok(())
}

#[test]
fn those_that_tie_for_an_extreme_share_its_gradient() -> Result<()> {
    let indices = i32s(&[0, 0, 1]);
    let loss = |(x, u): &(Tensor, Tensor)| Ok(x.index_max(0, &indices, u).sum_axes([0]));
    let (dx, du) = grad(loss)(&(
        Tensor::of([1.0f64, 5.0, 3.0], DType::F64),
        Tensor::of([1.0f64, 1.0, 7.0], DType::F64),
    ))?;
    let third = 1.0 / 3.0;
    assert_eq!((list(&dx), list(&du)), (vec![third, 0.0, 1.0], vec![third, third, 1.0]));
    Ok(())
}

#[test]
fn sums_of_many_halves_are_rounded_once() {
    // One at a time, 256 + 1 would be 256 again in bf16.
    let x = Tensor::zeros_of([1], DType::BF16);
    let sum = x.index_add(0, Tensor::zeros_of([512], DType::I32), 1.0);
    assert_eq!(list(&sum), [512.0]);
}

#[test]
fn dynamic_starts_wrap_and_are_moved_inside() {
    let x = Tensor::arange(0i32, 5, 1);
    for (start, expected) in [(1, [1, 2]), (-2, [3, 4]), (-9, [0, 1]), (9, [3, 4])] {
        assert_eq!(x.dynamic_slice_axis(0, start, 2).to_vec::<i32>().unwrap(), expected);
        let one_by_one = vmap(|i: Tensor| x.try_dynamic_slice_axis(0, i, 2));
        assert_eq!(one_by_one.call(i32s(&[start])).unwrap().to_vec::<i32>().unwrap(), expected);
    }
}

#[test]
fn an_update_of_a_tensor_nobody_else_holds_is_in_place() -> Result<()> {
    let step = jit(|(cache, row): (Tensor, Tensor)| {
        let cache = cache.try_dynamic_update_axis(0, 3i32, row)?;
        cache.try_index_add(0, [1i32], 1.0)
    });
    let cache = Tensor::zeros([64, 32]);
    let before = cache.array()?.address();
    let after = step.call((cache, Tensor::ones([1, 32])))?;
    assert_eq!(after.array()?.address(), before);
    assert_eq!(list(&after.slice_axis(0, 0..4).sum_axes([1])), [0.0, 32.0, 0.0, 32.0]);
    Ok(())
}

#[test]
fn the_derivative_of_taking_is_a_matrix_of_ones_and_zeros() -> Result<()> {
    let indices = i32s(&[2, 0, 2]);
    let rows = jacfwd(|x: &Tensor| x.try_take(&indices, 0))(&ramp(&[3]))?;
    assert_eq!(list(&rows), list(&indices.one_hot(3)));
    Ok(())
}

#[test]
fn large_copies_on_threads_are_the_small_ones() {
    let (rows, columns) = (700, 600);
    let x = ramp(&[rows, columns]);
    let number = |i: usize, j: usize| (i * columns + j) as f64;
    let at = |y: &Tensor, columns: usize, i: usize, j: usize| list(y)[i * columns + j];
    assert_eq!(at(&x.flip([0, 1]), columns, 3, 5), number(rows - 4, columns - 6));
    assert_eq!(at(&x.roll(13, 0), columns, 20, 5), number(7, 5));
    let joined = Tensor::concatenate(&[x.clone(), x.clone()], 1);
    assert_eq!(at(&joined, 2 * columns, 650, columns + 5), number(650, 5));
    let padded = x.pad([(3, 4), (5, 6)], -1.0);
    assert_eq!(at(&padded, columns + 11, 653, 10), number(650, 5));
    let indices = Tensor::arange(0i32, rows as i32, 1).flip([0]);
    assert_eq!(list(&x.take(&indices, 0)), list(&x.flip([0])));
    let twice = x.index_add(0, &indices, x.flip([0]));
    assert_eq!(list(&twice), list(&(&x * 2.0)));
}

#[test]
fn ranges_count_as_those_of_jax() {
    assert_eq!(Tensor::arange(0u8, 7, 3).to_vec::<u8>().unwrap(), [0, 3, 6]);
    assert_eq!(Tensor::arange(3i64, 3, 1).shape(), [0]);
    assert_eq!(Tensor::arange(0.0f32, 1.0, 0.1).shape(), [10]);
    assert_eq!(Tensor::linspace(2.0, 3.0, 1).to_vec::<f32>().unwrap(), [2.0]);
    assert_eq!(Tensor::linspace(2.0, 3.0, 0).shape(), [0]);
    let ends = Tensor::linspace(0.1, 0.7, 7).to_vec::<f32>().unwrap();
    assert_eq!((ends[0], ends[6]), (0.1, 0.7));
    assert_eq!(list(&Tensor::eye_of(2, 3, 1, DType::I32)), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn what_does_not_fit_is_an_error_that_says_why() {
    let x = ramp(&[3, 4]);
    let cases: Vec<(Result<Tensor>, &str)> = vec![
        (x.try_slice([0, 0], [3, 5], [1, 1]), "start <= end <= size"),
        (x.try_slice([0, 0], [3, 4], [1, 0]), "stride"),
        (x.try_slice_axis(2, 0..1), "axis 2"),
        (x.try_slice_axis_step(0, 0..1, 0), "step of 0"),
        (x.try_index_axis(0, 3), "element 3 of an axis of size 3"),
        (x.try_flip([0, -2]), "twice"),
        (x.try_split(3, 1).map(|parts| parts[0].clone()), "divides the axis"),
        (x.try_split_at([2, 1], 1).map(|parts| parts[0].clone()), "ascending"),
        (Tensor::try_concatenate(&[], 0), "at least one"),
        (Tensor::try_concatenate(&[x.clone(), ramp(&[3, 5])], 0), "differ along axis 0 only"),
        (Tensor::try_stack(&[x.clone(), ramp(&[3, 5])], 0), "one shape"),
        (x.try_pad([(1, 1)], 0.0), "triple for every axis"),
        (x.try_pad_interior([(-2, -2, 0), (0, 0, 0)], 0.0), "0 or more"),
        (x.try_pad([(usize::MAX, 0), (0, 0)], 0.0), "address space"),
        (x.try_pad_mode([(0, 0), (0, usize::MAX)], PadMode::Reflect), "address space"),
        (x.try_pad_mode([(0, 0), (isize::MAX as usize, 0)], PadMode::Edge), "address space"),
        (x.try_take([0.0f32], 0), "integer"),
        (x.try_take_along_axis(i32s(&[0]), 0), "broadcast but for axis 0"),
        (x.try_gather_nd([[0i32, 0, 0]]), "no longer than the rank"),
        (x.try_dynamic_slice([0i32.into()], [1, 1]), "a start and a size for every axis"),
        (x.try_dynamic_slice_axis(0, 0.5, 1), "integer scalars"),
        (x.try_dynamic_slice_axis(0, 0, 4), "no larger than the axis"),
        (x.try_index_set(0, [0i32], ramp(&[3])), "broadcast"),
        (x.try_one_hot(3, -1, DType::F32), "integers"),
        (ramp(&[3]).try_tril(0), "two axes"),
        (Tensor::try_arange(0i32, 3, 0), "must not be zero"),
        (Tensor::try_arange(0.0f32, f32::INFINITY, 1.0), "arange"),
    ];
    for (result, text) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(text), "{message:?} does not say {text:?}");
    }
}
