//! Random programs give the values of the real JAX, in every way they can be run.

use std::collections::BTreeSet;

use flaxen::prelude::*;
use flaxen_tests::control_programs::ControlProgram;
use flaxen_tests::jax_programs::{JaxProgram, Node, difference};

#[test]
fn random_programs_give_the_numbers_of_jax() {
    let programs = JaxProgram::all();
    let failures: Vec<String> = programs
        .iter()
        .flat_map(|program| {
            program.differences().unwrap_or_else(|error| vec![format!("error: {error}\n    {program}")])
        })
        .collect();
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_programs_have_operations_of_every_family() {
    let programs = JaxProgram::all();
    let names: BTreeSet<&str> = programs.iter().flat_map(|program| program.nodes().map(Node::name)).collect();
    for family in [
        "exp",
        "hypot",
        "select",
        "cast",
        "norm",
        "cummax",
        "sort",
        "index_max",
        "dynamic_slice",
        "flip",
        "pad_mode",
    ] {
        assert!(names.contains(family), "{family} of {names:?}");
    }
    for family in
        ["softmax_where", "einsum", "conv", "reduce_window", "pool", "qr", "rng_truncated", "diagonal"]
    {
        assert!(names.contains(family), "{family} of {names:?}");
    }
}

#[test]
fn a_difference_is_more_than_rounding() {
    let x = Tensor::from([1.0f32, 100.0]);
    let step = f64::from(f32::EPSILON);
    assert_eq!(difference(&x, &x, step), None);
    assert_eq!(difference(&Tensor::from([1.000_001f32, 100.0]), &x, step), None);
    assert!(difference(&Tensor::from([1.001f32, 100.0]), &x, step).is_some());
    assert!(difference(&Tensor::from([f32::NAN, 100.0]), &x, step).is_some());
    assert!(difference(&x.cast(DType::F16), &x, step).is_some());
    assert!(difference(&Tensor::from([1, 2]), &Tensor::from([1, 3]), step).is_some());
}

#[test]
fn random_loops_and_branches_give_the_numbers_of_jax() {
    let programs = ControlProgram::all();
    let failures: Vec<String> = programs
        .iter()
        .enumerate()
        .flat_map(|(i, program)| {
            let found = program.differences().unwrap_or_else(|error| vec![format!("error: {error}")]);
            found.into_iter().map(move |text| format!("{i}: {text}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
    for name in
        ["scan", "fori", "while", "cond", "switch", "checkpoint", "vmap", "map", "associative", "grad"]
    {
        let count: usize = programs.iter().map(|program| program.count(name)).sum();
        assert!(count >= 10, "{name} occurs {count} times");
    }
}
