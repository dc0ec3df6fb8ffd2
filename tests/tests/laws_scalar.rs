//! The laws for every line of the table of scalar functions.

use flaxen::DType;
use flaxen::scalar::op::{Gives, ScalarOp};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

/// Shapes of up to three arguments, which broadcast.
const SHAPES: [&[usize]; 3] = [&[2, 3], &[3], &[2, 1]];

fn law_of(op: ScalarOp, dtype: DType, make: impl Fn(&mut Data, usize) -> flaxen::Tensor + 'static) -> Law {
    let condition = move |i: usize| op == ScalarOp::Select && i == 0;
    let one = move |data: &mut Data, i: usize| {
        if condition(i) { data.booleans(SHAPES[i]) } else { make(data, i) }
    };
    let args = move |data: &mut Data| (0..op.arity()).map(|i| one(data, i)).collect();
    law(format!("{op} of {dtype}"), args, move |args| op.apply(args.iter().cloned()))
}

/// Where a function is smooth, and far from where it is not: of all that are not named, between 0.55 and 1.9, and each argument
/// more than the one before.
fn bounds(op: ScalarOp, argument: usize) -> (f64, f64) {
    match op {
        ScalarOp::Acosh => (1.2, 1.6),
        // The argument is a probability.
        ScalarOp::Betainc => [(1.2, 1.6), (1.7, 1.9), (0.55, 0.85)][argument],
        // The sum converges.
        ScalarOp::Zeta => [(1.5, 2.5), (0.55, 0.85)][argument],
        _ => [(0.55, 0.85), (1.2, 1.6), (1.7, 1.9)][argument],
    }
}

#[test]
fn functions_of_floats() {
    check(ScalarOp::ALL.iter().filter(|op| op.takes().contains(DType::F64)).map(|&op| {
        let law = law_of(op, DType::F64, move |data, i| {
            let (low, high) = bounds(op, i);
            data.floats(SHAPES[i], low, high)
        });
        match op {
            _ if op.gives() == Gives::Bool => law.no_gradient(),
            // Of some arguments they have none.
            ScalarOp::Zeta | ScalarOp::Betainc | ScalarOp::IgammaGradA | ScalarOp::RandomGammaGrad => {
                law.no_gradient().loose(4.0)
            }
            ScalarOp::Trigamma | ScalarOp::Digamma | ScalarOp::Igamma | ScalarOp::Igammac => {
                law.once().loose(4.0)
            }
            _ => law.loose(4.0),
        }
    }));
}

#[test]
fn functions_of_integers_and_booleans() {
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_inexact()) {
        check(ScalarOp::ALL.iter().filter(|op| op.takes().contains(dtype)).map(|&op| {
            let law = law_of(op, dtype, move |data, i| match dtype {
                DType::Bool => data.booleans(SHAPES[i]),
                _ => data.integers(SHAPES[i], dtype, 1, 5),
            });
            law.no_gradient().dtypes([])
        }));
    }
}

#[test]
fn other_dtypes_and_numbers_of_arguments_are_refused() {
    for &op in ScalarOp::ALL {
        for dtype in DType::ALL {
            let ones = |i: usize| {
                let condition = op == ScalarOp::Select && i == 0;
                flaxen::Tensor::from([1, 0]).cast(if condition { DType::Bool } else { dtype })
            };
            let fits = op.apply((0..op.arity()).map(ones));
            assert_eq!(fits.is_ok(), op.accepts(dtype), "{op} of {dtype}: {fits:?}");
            assert!(op.apply((0..=op.arity()).map(ones)).is_err(), "{op}");
        }
    }
}
