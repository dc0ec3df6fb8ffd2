//! The laws for talking over a named axis, each inside a `vmap` of its own.

use flaxen::{Result, Tensor, axis_index, vmap};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

type Function = fn(&Tensor) -> Result<Tensor>;

/// A collective over the first axis, combined with the value of each example.
fn over_axis(name: &str, shape: &'static [usize], f: Function) -> Law {
    let make = move |data: &mut Data| vec![data.distinct(shape, -2.0, 2.0)];
    law(name, make, move |args| vmap(move |x: Tensor| Ok(&x * f(&x)?)).axis_name("i").call(args[0].clone()))
        .loose(4.0)
}

#[test]
fn reductions_over_the_examples() {
    check([
        over_axis("psum", &[3, 2], |x| x.psum("i")),
        over_axis("pmean", &[3, 2], |x| x.pmean("i")),
        over_axis("pmax", &[3, 2], |x| x.pmax("i")),
        over_axis("pmin", &[3, 2], |x| x.pmin("i")),
        over_axis("psum of scalars", &[4], |x| x.psum("i")),
        over_axis("twice", &[4], |x| (x - x.pmean("i")?).pmax("i")),
    ]);
}

#[test]
fn gathering_the_examples() {
    check([
        over_axis("all_gather in front", &[3, 2], |x| x.all_gather("i", 0)),
        over_axis("all_gather behind", &[2, 2], |x| x.all_gather("i", -1)),
    ]);
}

#[test]
fn the_index_of_an_example() {
    check([over_axis("axis_index", &[3, 2], |x| Ok(x + axis_index("i")?))]);
}

#[test]
fn of_values_that_are_not_mapped() {
    let make = |data: &mut Data| vec![data.floats([3], -1.0, 1.0), data.floats([2], -1.0, 1.0)];
    let cases: [(&str, Function); 4] = [
        ("psum", |x| x.psum("i")),
        ("pmean", |x| x.pmean("i")),
        ("pmax", |x| x.pmax("i")),
        ("all_gather", |x| x.all_gather("i", 0)),
    ];
    check(cases.map(|(name, f)| {
        law(format!("{name} of a shared value"), make, move |args| {
            vmap(move |(x, y): (Tensor, Tensor)| Ok(x * f(&y)?))
                .axis_name("i")
                .in_axes((0, None))
                .call((args[0].clone(), args[1].clone()))
        })
        .loose(4.0)
    }));
}
