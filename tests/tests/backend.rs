//! A second backend, written for these tests, computes what the CPU computes: all that it asks a primitive for is its `Op`.

use flaxen::core::{Backend, CompileOptions, Executable, Graph};
use flaxen::prelude::*;
use flaxen_tests::jax_programs::JaxProgram;
use flaxen_tests::naive_backend::NAIVE;
use flaxen_tests::numbers::{Numbers, all_close};
use flaxen_tests::programs::Program;

const PROGRAMS: u64 = 300;

/// A name, and a function of the inputs of a program.
type Way<'a> = (&'a str, &'a dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>>);

#[test]
fn random_programs_their_gradients_and_batches_are_those_of_the_cpu() {
    for program in (0..PROGRAMS).map(Program::generate) {
        let inputs: Vec<Tensor> =
            program.inputs_of(0).iter().map(|numbers| numbers.tensor(DType::F64)).collect();
        let run = |x: Vec<Tensor>| program.run(&x);
        let grads = |x: Vec<Tensor>| {
            let loss = |x: &Vec<Tensor>| {
                let outs = program.run(x)?;
                outs.iter().try_fold(Tensor::zeros_of([], DType::F64), |sum, out| {
                    Ok(sum + out.cast(DType::F64).square().sum())
                })
            };
            grad(loss)(&x)
        };
        let batch = |x: Vec<Tensor>| {
            let twice: Vec<Tensor> = x.iter().map(|x| Tensor::stack(&[x.clone(), x * 0.5], 0)).collect();
            vmap(run).call(twice)
        };
        let ways: [Way<'_>; 3] = [("values", &run), ("gradients", &grads), ("batches", &batch)];
        for (way, f) in ways {
            let by_cpu = Numbers::of_all(&jit(f).call(inputs.clone()).unwrap()).unwrap();
            let naive = jit(f).on(&NAIVE).call(inputs.clone()).unwrap_or_else(|e| panic!("{e}\n{program}"));
            if let Err(message) = all_close(&Numbers::of_all(&naive).unwrap(), &by_cpu, 1e-9) {
                panic!("{way}: {message}\n{program}");
            }
        }
    }
}

#[test]
fn the_programs_that_jax_ran_give_its_values_on_a_second_backend() {
    let differences = |program: &JaxProgram| {
        program.differences_on(&NAIVE).unwrap_or_else(|error| vec![format!("error: {error}\n    {program}")])
    };
    let failures: Vec<String> = JaxProgram::all().iter().flat_map(differences).collect();
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_call_of_a_checkpointed_function_is_a_program_within_a_program() {
    let f = |x: Tensor| checkpoint(|x: &Tensor| Ok(x.sin() * 2.0)).call(&x);
    let x = Tensor::from([0.5, 1.0]);
    let found = jit(f).on(&NAIVE).call(x.clone()).unwrap();
    assert!(found.all_close(x.sin() * 2.0, 1e-6, 0.0).unwrap());
}

/// Knows nothing at all.
struct Nothing;

impl Backend for Nothing {
    fn platform(&self) -> &'static str {
        "nothing"
    }

    fn compile(&self, graph: &Graph, _: CompileOptions) -> Result<std::sync::Arc<dyn Executable>> {
        Err(Error::msg(format!("nothing is known of {} equations", graph.len())))
    }
}

#[test]
fn what_a_backend_cannot_compile_is_an_error_of_the_call() {
    static NOTHING: Nothing = Nothing;
    let f = jit(|x: Tensor| Ok(x.sin() + 1.0)).on(&NOTHING);
    let error = f.call(Tensor::from(1.0)).unwrap_err().to_string();
    assert!(error.contains("nothing is known of 2 equations"), "{error}");
}

#[test]
fn a_backend_without_a_profile_says_so_and_lists_its_graph() {
    let f = jit(|x: Tensor| Ok(x.sin() + 1.0)).on(&NAIVE);
    assert!(f.profile(&Tensor::from(1.0)).unwrap_err().to_string().contains("measures no steps"));
    assert_eq!(f.program(&Tensor::from(1.0)).unwrap().steps(), ["sin", "add"]);
}
