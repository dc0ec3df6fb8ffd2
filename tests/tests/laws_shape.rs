//! The laws for operations that move, repeat or convert elements.

use flaxen::{DType, Result, Tensor};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

type Function = fn(&Tensor) -> Result<Tensor>;

fn table(cases: &[(&str, &'static [usize], Function)]) -> Vec<Law> {
    let one = |&(name, shape, f): &(&str, &'static [usize], Function)| {
        let floats =
            law(name, move |data: &mut Data| vec![data.floats(shape, -2.0, 2.0)], move |args| f(&args[0]));
        let integers = move |data: &mut Data| vec![data.integers(shape, DType::I32, -5, 5)];
        let booleans = move |data: &mut Data| vec![data.booleans(shape)];
        [
            floats,
            law(format!("{name} of integers"), integers, move |args| f(&args[0])).dtypes([]),
            law(format!("{name} of booleans"), booleans, move |args| f(&args[0])).dtypes([]),
        ]
    };
    cases.iter().flat_map(one).collect()
}

#[test]
fn reshapes() {
    check(table(&[
        ("reshape", &[2, 3], |x| x.try_reshape([3, 2])),
        ("reshape to a vector", &[2, 1, 3], |x| x.try_reshape([6])),
        ("reshape to a scalar", &[1, 1], |x| x.try_reshape([0usize; 0])),
        ("reshape of a scalar", &[], |x| x.try_reshape([1, 1])),
        ("reshape with an open size", &[4, 3], |x| x.try_reshape([2, -1])),
        ("flatten", &[2, 2, 3], |x| x.try_flatten(1)),
        ("expand_dims", &[2, 3], |x| x.try_expand_dims([0, -1])),
        ("squeeze", &[1, 2, 1], |x| x.try_squeeze([0, -1])),
        ("squeeze all", &[1, 2, 1], |x| x.try_squeeze(..)),
    ]));
}

#[test]
fn permutations() {
    check(table(&[
        ("transpose of a matrix", &[2, 3], |x| x.try_transpose([1, 0])),
        ("transpose", &[2, 3, 4], |x| x.try_transpose([2, 0, -2])),
        ("transpose of four axes", &[2, 1, 3, 2], |x| x.try_transpose([3, 1, 0, 2])),
        ("t", &[2, 3], |x| Ok(x.t())),
        ("swap_axes", &[2, 3, 4], |x| x.try_swap_axes(0, -1)),
        ("move_axis", &[2, 3, 4], |x| x.try_move_axis(0, -1)),
        ("transpose of a vector", &[3], |x| x.try_transpose([0])),
    ]));
}

#[test]
fn repetitions() {
    check(table(&[
        ("broadcast in front", &[3], |x| x.try_broadcast_to([2, 3])),
        ("broadcast inside", &[2, 1, 3], |x| x.try_broadcast_to([2, 2, 3])),
        ("broadcast everywhere", &[1, 1], |x| x.try_broadcast_to([2, 3, 2])),
        ("broadcast of a scalar", &[], |x| x.try_broadcast_to([2, 3])),
        ("broadcast to itself", &[2, 3], |x| x.try_broadcast_to([2, 3])),
        ("broadcast to nothing", &[1, 3], |x| x.try_broadcast_to([0, 3])),
    ]));
}

#[test]
fn casts_to_floats() {
    let make = |data: &mut Data| vec![data.floats([2, 3], -2.0, 2.0)];
    check([
        law("cast to the same", make, |args| args[0].try_cast(DType::F64)).dtypes([]),
        law(
            "cast of integers",
            |data: &mut Data| vec![data.integers([4], DType::I32, -9, 9)],
            |args| args[0].try_cast(DType::F64),
        )
        .dtypes([]),
        law(
            "cast up",
            |data: &mut Data| vec![data.floats([4], -2.0, 2.0).cast(DType::F32)],
            |args| args[0].try_cast(DType::F64),
        )
        .no_gradient()
        .dtypes([]),
    ]);
}

#[test]
fn casts_without_gradients() {
    check(DType::ALL.into_iter().filter(|dtype| !dtype.is_inexact()).map(|dtype| {
        let make = |data: &mut Data| vec![data.floats([2, 3], 0.2, 9.8)];
        law(format!("cast to {dtype}"), make, move |args| args[0].try_cast(dtype)).no_gradient()
    }));
    check([
        law(
            "bitcast",
            |data: &mut Data| vec![data.integers([4], DType::I32, -9, 9)],
            |args| args[0].try_bitcast(DType::U32),
        )
        .no_gradient()
        .dtypes([]),
        law(
            "stop_gradient",
            |data: &mut Data| vec![data.floats([4], -1.0, 1.0)],
            |args| Ok(args[0].stop_gradient()),
        )
        .no_gradient(),
    ]);
}

#[test]
fn creation_under_transforms() {
    check([
        law(
            "zeros and ones",
            |data: &mut Data| vec![data.floats([3], -1.0, 1.0)],
            |args| Ok(&args[0] * args[0].ones_like() + args[0].zeros_like()),
        ),
        law(
            "full",
            |data: &mut Data| vec![data.floats([3], -1.0, 1.0)],
            |args| Ok(&args[0] * Tensor::full([2, 3], 2.5f32).cast(args[0].dtype())),
        ),
    ]);
}

#[test]
fn sums() {
    check(table_of_sums(&[
        ("sum of a vector", &[4], |x| x.try_sum_axes([0])),
        ("sum of columns", &[2, 3], |x| x.try_sum_axes([0])),
        ("sum of rows", &[2, 3], |x| x.try_sum_axes([-1])),
        ("sum of outer axes", &[2, 3, 2], |x| x.try_sum_axes([0, 2])),
        ("sum of everything", &[2, 3], |x| x.try_sum_axes([0, 1])),
    ]));
}

fn table_of_sums(cases: &[(&str, &'static [usize], Function)]) -> Vec<Law> {
    let one = |&(name, shape, f): &(&str, &'static [usize], Function)| {
        law(name, move |data: &mut Data| vec![data.floats(shape, -2.0, 2.0)], move |args| f(&args[0]))
            .loose(4.0)
    };
    cases.iter().map(one).collect()
}
