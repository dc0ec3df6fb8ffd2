//! Programs as StableHLO text, run by jaxlib and by a device, compute what the CPU computes.

use flaxen::prelude::*;
use flaxen_tests::backends;
use flaxen_tests::jax_programs::JaxProgram;
use flaxen_tests::numbers::{Numbers, all_close};
use flaxen_tests::programs::Program;

const PROGRAMS: u64 = 300;

#[test]
fn random_programs_their_gradients_and_batches_are_those_of_the_cpu() {
    for program in (0..PROGRAMS).map(Program::generate) {
        let inputs: Vec<Tensor> =
            program.inputs_of(0).iter().map(|numbers| numbers.tensor(DType::F64)).collect();
        // Values, gradients and a batch of both at once: a program is compiled once.
        let all = |x: Vec<Tensor>| {
            let loss = |x: &Vec<Tensor>| {
                let outs = program.run(x)?;
                outs.iter().try_fold(Tensor::zeros_of([], DType::F64), |sum, out| {
                    Ok(sum + out.cast(DType::F64).square().sum())
                })
            };
            let twice: Vec<Tensor> = x.iter().map(|x| Tensor::stack(&[x.clone(), x * 0.5], 0)).collect();
            let batch = vmap(|x: Vec<Tensor>| program.run(&x)).call(twice)?;
            Ok((program.run(&x)?, grad(loss)(&x)?, batch))
        };
        let leaves = |outs: (Vec<Tensor>, Vec<Tensor>, Vec<Tensor>)| {
            Numbers::of_all(&[outs.0, outs.1, outs.2].concat()).unwrap()
        };
        let by_cpu = leaves(jit(all).call(inputs.clone()).unwrap());
        for backend in backends::all() {
            let found = jit(all).on(backend).call(inputs.clone());
            let found = leaves(found.unwrap_or_else(|e| panic!("{e}\n{program}")));
            if let Err(message) = all_close(&found, &by_cpu, 1e-9) {
                panic!("{}: {message}\n{program}", backend.platform());
            }
        }
    }
}

#[test]
fn the_programs_that_jax_ran_give_its_values() {
    for backend in backends::all() {
        let differences = |program: &JaxProgram| {
            let found = program.differences_on(backend);
            found.unwrap_or_else(|error| vec![format!("error: {error}\n    {program}")])
        };
        let failures: Vec<String> = JaxProgram::all().iter().flat_map(differences).collect();
        assert!(
            failures.is_empty(),
            "{}: {} differences\n{}",
            backend.platform(),
            failures.len(),
            failures.join("\n")
        );
    }
}
