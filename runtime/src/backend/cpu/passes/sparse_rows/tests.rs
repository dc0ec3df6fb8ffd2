//! Steps of optimizers that read a few rows of a table.

use crate::array::Array;
use crate::backend::cpu::Program;
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Trace};
use crate::core::{Graph, Tensor};
use crate::error::Result;
use crate::optim::{self, GradientTransformation};
use crate::transform::grad;
use crate::tree;

const ROWS: usize = 64;

fn ramp(shape: &[usize], seed: usize) -> Tensor {
    let size = shape.iter().product();
    let numbers: Vec<f32> =
        (0..size).map(|i: usize| ((i * 37 + seed * 17) % 101) as f32 * 0.03 - 1.5).collect();
    Tensor::from_vec(numbers, shape)
}

/// Of some rows twice, one from the end, and one that is not there.
fn indices() -> Tensor {
    Tensor::from([5i32, 63, 5, -3, 0, 700])
}

fn args(states: &[Tensor]) -> Vec<Tensor> {
    [ramp(&[ROWS, 3], 1), indices()].iter().chain(states).cloned().collect()
}

fn gradient(table: &Tensor, indices: &Tensor) -> Result<Tensor> {
    grad(|table: &Tensor| {
        let rows = table.try_take_clip(indices, 0)?;
        Ok((rows.tanh() * ramp(&[6, 3], 4)).sum())
    })(table)
}

/// A step of an optimizer as a program: table, indices and states to the next table and states.
fn step<T>(tx: impl Fn() -> T) -> (Graph, Vec<Tensor>)
where
    T: GradientTransformation<Tensor>,
{
    let table = ramp(&[ROWS, 3], 1);
    // A state that is not what it was at first, and not zero anywhere.
    let state = tx().init(&table);
    let states: Vec<Tensor> = tree::leaves(&state)
        .into_iter()
        .map(|leaf| if leaf.rank() == 2 { leaf + ramp(leaf.shape(), 3).square() + 0.1 } else { leaf.clone() })
        .collect();
    let args = args(&states);
    let stage = Stage::new(None);
    let inputs: Vec<Tensor> = args.iter().map(|arg| stage.input(arg.aval())).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || -> Result<Vec<Tensor>> {
        let state = tree::Structure::of(&state).build(inputs[2..].to_vec());
        let (updates, state): (Tensor, T::State) =
            tx().update(&gradient(&inputs[0], &inputs[1])?, &state, &inputs[0])?;
        let mut outs = vec![optim::apply_updates(&inputs[0], &updates)?];
        outs.extend(tree::leaves(&state).into_iter().cloned());
        Ok(outs)
    });
    (stage.finish(&outs.unwrap()).0.optimize(), args)
}

fn run(schedule: crate::backend::cpu::schedule::Schedule, args: &[Tensor]) -> Vec<Tensor> {
    let arrays: Vec<Array> = args.iter().map(|arg| arg.array().unwrap().clone()).collect();
    Program::new(&schedule).run(arrays).unwrap().into_iter().map(Tensor::from).collect()
}

/// How many tables a program makes by others than writing rows into one.
fn tables(graph: &Graph) -> usize {
    let is_table = |eqn: &&crate::core::Eqn| {
        graph.aval(eqn.outs[0]).size() == ROWS * 3 && !eqn.primitive.name().starts_with("scatter_set")
    };
    graph.eqns.iter().filter(is_table).count()
}

/// The numbers are those of the whole table; how many tables are made is `made`.
fn check<T: GradientTransformation<Tensor>>(name: &str, tx: impl Fn() -> T, made: Option<usize>) {
    let (graph, args) = step(tx);
    let sparse = graph.clone().sparse_rows_from(0);
    match made {
        Some(made) => assert_eq!(tables(&sparse), made, "{name}: {sparse}"),
        None => {
            assert!(!sparse.primitives().any(|name| name == "scatter_add" && tables(&sparse) == 0), "{name}");
        }
    }
    let whole = run(graph.into(), &args);
    for (found, expected) in run(sparse.fused(), &args).iter().zip(&whole) {
        assert_eq!(found.aval(), expected.aval(), "{name}");
        assert!(found.all_close(expected, 1e-5, 1e-6).unwrap(), "{name}: {found:?} {expected:?}");
    }
}

#[test]
fn optimizers_that_leave_rows_alone_make_no_table() {
    check("sgd", || optim::sgd(0.1), Some(0));
    check("adagrad", || optim::adagrad(0.1), Some(0));
    check("adam, if it is asked to", || optim::lazy_rows(optim::adam(0.1)), Some(0));
    check("momentum, if it is asked to", || optim::lazy_rows(optim::sgd(0.1).momentum(0.9)), Some(0));
    check("clipped", || (optim::clip_by_global_norm(0.5), optim::sgd(0.1)), Some(0));
    check(
        "clipped, if it is asked to",
        || (optim::clip_by_global_norm(0.5), optim::lazy_rows(optim::adamw(0.1))),
        Some(0),
    );
}

#[test]
fn optimizers_that_move_all_rows_compute_them_without_the_gradient() {
    check("adam", || optim::adam(0.1), None);
    check("adamw", || optim::adamw(0.1), None);
    check("momentum", || optim::sgd(0.1).momentum(0.9), None);
    let (graph, _) = step(|| optim::adam(0.1));
    let sparse = graph.sparse_rows_from(0);
    // The table of zeros is gone: only rows of their own are added to.
    let added = sparse.eqns.iter().filter(|eqn| eqn.primitive.name() == "scatter_add");
    assert!(added.map(|eqn| sparse.aval(eqn.outs[0]).shape[0]).all(|rows| rows == 6), "{sparse}");
}

#[test]
fn a_gradient_that_is_returned_stays_a_table() {
    let args = args(&[]);
    let stage = Stage::new(None);
    let inputs: Vec<Tensor> = args.iter().map(|arg| stage.input(arg.aval())).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || {
        let gradient = gradient(&inputs[0], &inputs[1]).unwrap();
        vec![&inputs[0] - &gradient * 0.1, gradient]
    });
    let graph = stage.finish(&outs).0.optimize();
    assert_eq!(graph.clone().sparse_rows_from(0).len(), graph.len());
}

#[test]
fn tables_that_are_given_away_are_written_where_they_lie() {
    let (graph, args) = step(|| optim::lazy_rows(optim::adam(0.1)));
    let program = Program::new(&graph.sparse_rows_from(0).fused());
    let arrays: Vec<Array> = args
        .iter()
        .map(|arg| {
            let array = arg.array().unwrap();
            let mut own = Array::scratch(array.aval().clone());
            own.unique_bytes().unwrap().copy_from_slice(array.bytes());
            own
        })
        .collect();
    let before: Vec<usize> =
        arrays.iter().filter(|array| array.size() == ROWS * 3).map(Array::address).collect();
    let after = program.run(arrays).unwrap();
    let after: Vec<usize> =
        after.iter().filter(|array| array.size() == ROWS * 3).map(Array::address).collect();
    assert_eq!((after.len(), after), (3, before));
}
