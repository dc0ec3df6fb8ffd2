//! The laws for operations of two and three arguments, element by element.

use flaxen::{DType, Result, Tensor};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

/// Pairs of shapes that broadcast in every way there is.
const PAIRS: [(&[usize], &[usize]); 6] =
    [(&[2, 3], &[2, 3]), (&[3], &[2, 3]), (&[2, 3], &[]), (&[2, 1], &[1, 3]), (&[1], &[2, 1, 2]), (&[], &[])];

type Function = fn(&Tensor, &Tensor) -> Result<Tensor>;
type Sample = fn(&mut Data, &[usize]) -> Tensor;

fn any(data: &mut Data, shape: &[usize]) -> Tensor {
    data.floats(shape, -2.0, 2.0)
}

fn nonzero(data: &mut Data, shape: &[usize]) -> Tensor {
    data.away_from_zero(shape, 0.5, 2.0)
}

fn positive(data: &mut Data, shape: &[usize]) -> Tensor {
    data.floats(shape, 0.5, 2.0)
}

fn table(cases: &[(&str, Sample, Sample, Function)]) -> Vec<Law> {
    let mut laws = vec![];
    for &(name, x, y, f) in cases {
        for (left, right) in PAIRS {
            let make = move |data: &mut Data| vec![x(data, left), y(data, right)];
            laws.push(law(format!("{name} {left:?} {right:?}"), make, move |args| f(&args[0], &args[1])));
        }
    }
    laws
}

#[test]
fn arithmetic() {
    check(table(&[
        ("add", any, any, |x, y| x.try_add(y)),
        ("sub", any, any, |x, y| x.try_sub(y)),
        ("mul", any, any, |x, y| x.try_mul(y)),
        ("div", any, nonzero, |x, y| x.try_div(y)),
    ]));
}

#[test]
fn powers_and_angles() {
    check(
        table(&[
            ("pow", positive, any, |x, y| x.try_pow(y)),
            ("atan2", nonzero, nonzero, |x, y| x.try_atan2(y)),
        ])
        .into_iter()
        .map(|law| law.loose(4.0)),
    );
}

#[test]
fn an_integer_power_of_a_negative_base() {
    for power in [0.0, 1.0, 2.0, 3.0, -2.0] {
        let make = |data: &mut Data| vec![data.away_from_zero([4], 0.5, 1.5)];
        law(format!("pow {power}"), make, move |args| args[0].try_pow(power)).loose(4.0).check();
    }
}

#[test]
fn remainders() {
    // Quotients that are not near whole numbers.
    let x = |data: &mut Data, shape: &[usize]| data.floats(shape, 2.2, 2.4);
    let y = |data: &mut Data, shape: &[usize]| data.floats(shape, 0.95, 1.05);
    check(table(&[("fmod", x, y, |x, y| x.try_fmod(y))]).into_iter().map(|law| law.loose(4.0)));
    check(table(&[("remainder", x, y, |x, y| Ok(-x % y))]).into_iter().map(|law| law.loose(4.0)));
}

/// Both sides come from one list of numbers that are far apart: there is a kink where they are equal.
#[test]
fn extremes() {
    let apart = |data: &mut Data, shape: &[usize]| data.distinct(shape, -2.0, 2.0);
    let shifted = |data: &mut Data, shape: &[usize]| data.distinct(shape, -2.03, 1.91);
    check(table(&[
        ("maximum", apart, shifted, |x, y| x.try_maximum(y)),
        ("minimum", apart, shifted, |x, y| x.try_minimum(y)),
    ]));
}

#[test]
fn comparisons() {
    let table = table(&[
        ("eq", any, any, |x, y| x.try_eq(y)),
        ("ne", any, any, |x, y| x.try_ne(y)),
        ("lt", any, any, |x, y| x.try_lt(y)),
        ("le", any, any, |x, y| x.try_le(y)),
        ("gt", any, any, |x, y| x.try_gt(y)),
        ("ge", any, any, |x, y| x.try_ge(y)),
    ]);
    check(table.into_iter().map(Law::no_gradient));
}

#[test]
fn integers_and_booleans() {
    let cases: [(&str, Function); 9] = [
        ("add", |x, y| x.try_add(y)),
        ("sub", |x, y| x.try_sub(y)),
        ("mul", |x, y| x.try_mul(y)),
        ("maximum", |x, y| x.try_maximum(y)),
        ("bitand", |x, y| x.try_bitand(y)),
        ("bitor", |x, y| x.try_bitor(y)),
        ("bitxor", |x, y| x.try_bitxor(y)),
        ("shl", |x, y| x.try_shl(y)),
        ("shr", |x, y| x.try_shr(y)),
    ];
    let mut laws = vec![];
    for (name, f) in cases {
        for dtype in [DType::U8, DType::U32, DType::I32, DType::I64] {
            for (left, right) in PAIRS {
                let make = move |data: &mut Data| {
                    vec![data.integers(left, dtype, 6, 12), data.integers(right, dtype, 0, 6)]
                };
                let name = format!("{name} {dtype} {left:?} {right:?}");
                laws.push(law(name, make, move |args| f(&args[0], &args[1])).no_gradient().dtypes([]));
            }
        }
    }
    for (name, f) in [cases[0], cases[2], cases[3], cases[4], cases[5], cases[6]] {
        let make = |data: &mut Data| vec![data.booleans([2, 3]), data.booleans([3])];
        laws.push(
            law(format!("{name} bool"), make, move |args| f(&args[0], &args[1])).no_gradient().dtypes([]),
        );
    }
    check(laws);
}

#[test]
fn select() {
    let shapes: [[&[usize]; 3]; 4] =
        [[&[2, 3], &[2, 3], &[2, 3]], [&[], &[2, 3], &[3]], [&[2, 1], &[3], &[]], [&[3], &[], &[2, 1]]];
    check(shapes.map(|[c, x, y]| {
        let make = move |data: &mut Data| vec![data.booleans(c), any(data, x), any(data, y)];
        law(format!("select {c:?} {x:?} {y:?}"), make, |args| args[0].try_select(&args[1], &args[2]))
    }));
}

#[test]
fn clamp() {
    let shapes: [[&[usize]; 3]; 3] =
        [[&[2, 3], &[2, 3], &[2, 3]], [&[2, 3], &[], &[3]], [&[3], &[2, 1], &[]]];
    check(shapes.map(|[x, low, high]| {
        let make = move |data: &mut Data| {
            let bounds = (data.floats(low, -0.6, -0.5), data.floats(high, 0.5, 0.6));
            vec![data.distinct(x, -1.0, 1.0), bounds.0, bounds.1]
        };
        law(format!("clamp {x:?} {low:?} {high:?}"), make, |args| args[0].try_clamp(&args[1], &args[2]))
    }));
}

#[test]
fn one_value_on_both_sides() {
    let make = |data: &mut Data| vec![data.floats([3], 0.5, 1.5)];
    check([
        law("x + x", make, |args| Ok(&args[0] + &args[0])),
        law("x * x", make, |args| Ok(&args[0] * &args[0])),
        law("x / x", make, |args| Ok(&args[0] / &args[0])),
        law("x - x", make, |args| Ok(&args[0] - &args[0])),
        law("x ^ x", make, |args| args[0].try_pow(&args[0])).loose(4.0),
    ]);
}
