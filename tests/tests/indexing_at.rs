//! `x.at(…)`: the laws of each update, masks, and what JAX cannot do.

use flaxen::prelude::*;
use flaxen::{Ellipsis, IndexMode, NewAxis, Slice};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

fn ramp(shape: &[usize]) -> Tensor {
    let size: usize = shape.iter().product();
    Tensor::arange(0.0f32, size as f32, 1.0).reshape(shape)
}

fn list(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec::<f64>().unwrap()
}

type Make = fn(&mut Data) -> Vec<Tensor>;

/// `x [4, 5]`, positions along both axes, some of them outside, and updates.
fn pairs(data: &mut Data) -> Vec<Tensor> {
    vec![
        data.distinct([4, 5], 0.5, 2.0),
        data.integers([3], DType::I32, -4, 6),
        data.integers([2, 1], DType::I64, -5, 5),
        data.distinct([2, 3], 0.51, 2.03),
    ]
}

/// Few places and many updates, so that several meet.
fn crowded(data: &mut Data) -> Vec<Tensor> {
    vec![
        data.distinct([2, 2, 2], 0.5, 2.0),
        data.integers([5], DType::I32, 0, 2),
        data.integers([5], DType::I32, 0, 2),
        data.distinct([5, 2], 0.51, 2.03),
    ]
}

fn laws(name: &str, f: fn(&[Tensor], &'static str) -> Result<Tensor>) -> Vec<Law> {
    let cases: [(&'static str, Make); 3] = [("pairs", pairs), ("crowded", crowded), ("apart", crowded)];
    let make = |(case, make): (&'static str, Make)| law(format!("{name}, {case}"), make, move |x| f(x, case));
    cases.map(make).into()
}

fn place<'a>(x: &'a [Tensor], case: &str) -> flaxen::At<'a> {
    match case {
        "pairs" | "crowded" => x[0].at((&x[1], &x[2])),
        _ => x[0].at((&x[1], .., &x[2])),
    }
}

#[test]
fn every_update_obeys_the_laws() {
    check(laws("set", |x, case| place(x, case).try_set(&x[3])));
    check(laws("add", |x, case| place(x, case).try_add(&x[3])));
    check(laws("sub", |x, case| place(x, case).try_sub(&x[3])));
    check(laws("mul", |x, case| place(x, case).try_mul(&x[3])).into_iter().map(|law| law.loose(4.0)));
}

#[test]
fn extremes_quotients_and_powers_obey_the_laws() {
    check(laws("min", |x, case| place(x, case).try_min(&x[3])));
    check(laws("max", |x, case| place(x, case).try_max(&x[3])));
    check(laws("div", |x, case| place(x, case).try_div(&x[3])).into_iter().map(|law| law.loose(8.0)));
    check(laws("power", |x, case| place(x, case).try_power(&x[3])).into_iter().map(|law| law.loose(40.0)));
}

#[test]
fn reading_and_parts_obey_the_laws() {
    let part = |data: &mut Data| vec![data.floats([4, 5], -1.0, 1.0), data.floats([2, 2], -1.0, 1.0)];
    let scalar = |data: &mut Data| vec![data.floats([4, 5], -1.0, 1.0), data.integers([], DType::I32, -5, 5)];
    check([
        law("get", pairs, |x| x[0].at((&x[1], &x[2])).try_get()),
        law("get, filled", pairs, |x| x[0].at((&x[1], &x[2])).fill_value(0.25).try_get()),
        law("index, backwards", pairs, |x| x[0].try_index((NewAxis, Slice::step(.., -2), &x[2]))),
        law("index, one row", scalar, |x| x[0].try_index(&x[1])),
        law("set a part", part, |x| x[0].at((Slice::step(.., 2), 1..3)).try_set(&x[1])),
        law("add to a part", part, |x| x[0].at((1..3, -2..)).try_add(&x[1])),
        law("multiply a part", part, |x| x[0].at((Slice::step(.., -2), 1..3)).try_mul(&x[1])),
    ]);
}

#[test]
fn what_is_applied_obeys_the_laws_where_nothing_repeats() {
    let apart = |data: &mut Data| {
        let first = data.integers([1], DType::I32, 0, 2);
        vec![data.floats([4, 5], 0.5, 1.0), Tensor::concatenate(&[first.clone(), first + 2], 0)]
    };
    check([
        law("apply", apart, |x| x[0].at(&x[1]).unique_indices().try_apply(|x| x.try_sin())),
        law("apply to a part", apart, |x| x[0].at((1, ..3)).try_apply(|x| x.try_exp())),
    ]);
}

#[test]
fn functions_of_positions_obey_the_laws() {
    let rolled = |data: &mut Data| vec![data.floats([3, 4], -1.0, 1.0), data.integers([], DType::I32, -9, 9)];
    let segments =
        |data: &mut Data| vec![data.distinct([6, 2], 0.5, 2.0), data.integers([6], DType::I32, -1, 5)];
    let groups = |data: &mut Data| {
        vec![
            data.floats([5, 3], -1.0, 1.0),
            data.floats([2, 3, 2], -1.0, 1.0),
            data.integers([2], DType::I32, 0, 3),
        ]
    };
    let spliced = |data: &mut Data| vec![data.floats([3, 4], -1.0, 1.0), data.floats([3, 2], -1.0, 1.0)];
    check([
        law("roll_by", rolled, |x| x[0].try_roll_by(&x[1], -1)),
        law("segment_prod", segments, |x| x[0].try_segment_prod(&x[1], 4)).loose(4.0),
        law("segment_mean", segments, |x| x[0].try_segment_mean(&x[1], 4)),
        law("segment_max", segments, |x| x[0].try_segment_max(&x[1], 4)).dtypes([]),
        law("ragged_dot", groups, |x| x[0].try_ragged_dot(&x[1], &x[2])).loose(4.0),
        law("insert", spliced, |x| x[0].try_insert([3, 0], &x[1], 1)),
        law("append", spliced, |x| x[0].try_append(&x[1], 1)),
        law("delete", spliced, |x| x[0].try_delete([1, -1], 1)),
    ]);
}

#[test]
fn a_mask_updates_under_jit_and_vmap_what_broadcasts() -> Result<()> {
    let x = Tensor::from([[1.0f32, -2.0], [-3.0, 4.0]]);
    let all = jit(|x: Tensor| Ok(x.at(x.lt(0.0)).mul(10.0)));
    assert_eq!(list(&all.call(x.clone())?), [1.0, -20.0, -30.0, 4.0]);
    let mapped = vmap(|x: Tensor| Ok(x.at(x.lt(0.0)).set(0.0)));
    assert_eq!(list(&mapped.call(x.clone())?), [1.0, 0.0, 0.0, 4.0]);
    let rows = jit(|(x, mask, row): (Tensor, Tensor, Tensor)| Ok(x.at(mask).add(row)));
    let y = rows.call((x.clone(), Tensor::from([false, true]), Tensor::from([10.0f32, 20.0])))?;
    assert_eq!(list(&y), [1.0, -2.0, 7.0, 24.0]);
    let columns = jit(|(x, mask): (Tensor, Tensor)| Ok(x.at((.., mask)).apply(|x| x * 2.0)));
    let y = columns.call((x.clone(), Tensor::from([true, false])))?;
    assert_eq!(list(&y), [2.0, -2.0, -6.0, 4.0]);
    // One value for each true element: their number must be known.
    let each = jit(|x: Tensor| x.at(x.lt(0.0)).try_set([7.0f32, 8.0]));
    let message = each.call(x.clone()).unwrap_err().to_string();
    assert!(message.contains("nonzero_of"), "{message}");
    let mask = x.lt(0.0);
    assert_eq!(list(&jit(|x: Tensor| x.at(&mask).try_set([7.0f32, 8.0])).call(x)?), [1.0, 7.0, 8.0, 4.0]);
    Ok(())
}

#[test]
fn a_mask_reads_where_its_values_are_known() -> Result<()> {
    let x = ramp(&[2, 3]);
    assert_eq!(list(&x.index(x.gt(2.0))), [3.0, 4.0, 5.0]);
    let loss = |x: &Tensor| Ok(x.index(x.gt(2.0)).square().sum());
    assert_eq!(list(&grad(loss)(&x)?), [0.0, 0.0, 0.0, 6.0, 8.0, 10.0]);
    let message = jit(|x: Tensor| x.try_index(x.gt(2.0))).call(x).unwrap_err().to_string();
    assert!(message.contains("mask.select"), "{message}");
    Ok(())
}

#[test]
fn what_repeats_is_applied_as_often_and_differentiated() -> Result<()> {
    let indices = Tensor::from([0, 2, 2, 2]);
    let three = |x: &Tensor| x.at(&indices).try_apply(|x| x.try_mul(&x));
    let x = Tensor::from([3.0f32, 5.0, 2.0]);
    assert_eq!(list(&three(&x)?), [9.0, 5.0, 256.0]);
    // x⁸ at the last.
    assert_eq!(list(&grad(|x: &Tensor| three(x)?.try_sum())(&x)?), [6.0, 1.0, 1024.0]);
    let compiled = jit(|(x, i): (Tensor, Tensor)| x.at(i).try_apply(|x| x.try_mul(&x)));
    assert_eq!(list(&compiled.call((x, indices.clone()))?), [9.0, 5.0, 256.0]);
    Ok(())
}

#[test]
fn a_product_has_a_gradient_where_factors_are_zero() -> Result<()> {
    let indices = Tensor::from([0, 0, 0, 1, 1, 2]);
    let (x, u) = (Tensor::from([2.0f32, 3.0, 5.0]), Tensor::from([0.0f32, 7.0, 11.0, 0.0, 0.0, 13.0]));
    let loss = |(x, u): &(Tensor, Tensor)| x.at(&indices).try_mul(u)?.try_sum();
    let (dx, du) = grad(loss)(&(x, u))?;
    assert_eq!((list(&dx), list(&du)), (vec![0.0, 0.0, 13.0], vec![154.0, 0.0, 0.0, 0.0, 0.0, 5.0]));
    Ok(())
}

#[test]
fn what_was_read_outside_has_its_gradient() -> Result<()> {
    let dx = grad(|x: &Tensor| x.index([1, 9]).try_sum())(&ramp(&[3]))?;
    assert_eq!(list(&dx), [0.0, 1.0, 1.0]);
    let dropped = grad(|x: &Tensor| x.at([1, 9]).fill_value(0.0).try_get()?.try_sum())(&ramp(&[3]))?;
    assert_eq!(list(&dropped), [0.0, 1.0, 0.0]);
    Ok(())
}

#[test]
fn all_kinds_of_integers_and_ranges_are_indices() {
    let x = ramp(&[3, 4, 5]);
    let row = list(&x.index((1, 2)));
    assert_eq!(row, [30.0, 31.0, 32.0, 33.0, 34.0]);
    let n = 2usize;
    for same in [
        x.index((1i32, n)),
        x.index((1u8, 2i64)),
        x.index((-2isize, -2)),
        x.index((1, n, ..)),
        x.index((1, n, Ellipsis)),
        x.index((Ellipsis, 1, 2, ..)),
        x.index(([1], n)).reshape([5]),
    ] {
        assert_eq!(list(&same), row);
    }
    let last = -1isize;
    for (part, shape) in [
        (x.index((1.., ..=n, -2..)), [2, 3, 2]),
        (x.index((..3usize, 1i64..3, ..=-2)), [3, 2, 4]),
        // As in Python, −1 is the last one.
        (x.index((0..=last, .., ..)), [3, 4, 5]),
        (x.index(()), [3, 4, 5]),
    ] {
        assert_eq!(part.shape(), shape);
    }
}

#[test]
fn products_of_halves_are_rounded_once() {
    // 1 + 2⁻⁸ is not a bf16; one at a time, the product of two would be rounded down twice.
    let x = Tensor::of([1.0, 1.0], DType::BF16);
    let factor = Tensor::of([1.5, 1.0078125, 1.0078125], DType::BF16);
    let y = x.at([0, 1, 1]).mul(factor);
    assert_eq!(list(&y), [1.5, 1.015625]);
}

#[test]
fn wrong_indices_are_errors_that_say_why() {
    let x = ramp(&[3, 4]);
    let cases: Vec<(Result<Tensor>, &str)> = vec![
        (x.try_index((0, 0, 0)), "indices of 3 axes"),
        (x.try_index((Ellipsis, Ellipsis)), "more than one ellipsis"),
        (x.try_index(1.5), "integers"),
        (x.try_index([1.5]), "integers"),
        (x.try_index(([0, 1], [0, 1, 2])), "broadcast"),
        (x.try_index([true, false]), "[3]"),
        (x.try_index(Slice::step(.., 0)), "step of 0"),
        (x.try_index((Tensor::from(true), 0)), "mask without axes"),
        (x.at([0, 1]).try_set([1.0f32; 3]), "set"),
        (x.at([0, 1]).fill_value([1.0f32; 2]).try_get(), "a single number"),
        (Tensor::zeros([0, 2]).try_index([0]), "an axis with elements"),
        (x.at(0).mode(IndexMode::Clip).try_apply(|x| x.try_sum()), "each element"),
        (x.try_delete([3], 0), "position 3"),
        (x.try_insert([1.5f32], 0.0, 0), "integer"),
        (x.try_roll_by([1, 2], 0), "single integer"),
        (x.try_ragged_dot(&x, [1]), "[groups, k, columns]"),
    ];
    for (result, expected) in cases {
        let message = result.expect_err(expected).to_string();
        assert!(message.contains(expected), "`{message}` lacks `{expected}`");
    }
}
