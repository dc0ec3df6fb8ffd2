//! Random programs, run in every way there is, give the same values.
//!
//! `FLAXEN_PROGRAMS` says how many; `FLAXEN_SEED` where to begin.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::prelude::*;
use flaxen_tests::data::Data;
use flaxen_tests::numbers::{Numbers, all_close, inner};
use flaxen_tests::programs::{Program, Seen};

const PROGRAMS: u64 = if cfg!(debug_assertions) { 2_000 } else { 100_000 };

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_programs_give_the_same_numbers_in_every_way_they_are_run() {
    let (first, count) = (setting("FLAXEN_SEED", 0), setting("FLAXEN_PROGRAMS", PROGRAMS));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|k| {
                scope.spawn(move || {
                    let mine = (first..first + count).filter(|seed| seed % threads == k);
                    mine.filter_map(|seed| failure(&Program::generate(seed))).take(3).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The shortest beginning of the program that fails, as a script, and how it fails.
fn failure(program: &Program) -> Option<String> {
    let whole = outcome(program).err()?;
    let mut beginnings = (0..program.steps.len()).map(|step| program.until(step));
    let shorter = beginnings.find_map(|program| Some((outcome(&program).err()?, program)));
    let (message, program) = shorter.unwrap_or_else(|| (whole, program.clone()));
    Some(format!("{program}\n{message}"))
}

fn outcome(program: &Program) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| check(program))) {
        Ok(outcome) => outcome,
        Err(payload) => Err(format!("panic: {:?}", payload.downcast_ref::<String>())),
    }
}

fn tensors(numbers: &[Numbers]) -> Vec<Tensor> {
    numbers.iter().map(|numbers| numbers.tensor(DType::F64)).collect()
}

fn check(program: &Program) -> Result<(), String> {
    let Some(seen) = program.reference(&program.inputs_of(0)) else {
        return Err("a generated program is not well behaved".to_owned());
    };
    let expected: Vec<Numbers> = program.outs.iter().map(|&i| seen.values[i].clone()).collect();
    let inputs = tensors(&program.inputs_of(0));
    let eager = program.run(&inputs).map_err(|error| format!("eager: {error}"))?;
    agree("eager against plain loops", Ok(eager.clone()), &expected, 1e-10)?;
    let eager_numbers = Numbers::of_all(&eager).map_err(|error| error.to_string())?;
    let compiled = jit(|x: Vec<Tensor>| program.run(&x)).call(inputs.clone());
    agree("jit against eager", compiled, &eager_numbers, 1e-12)?;
    let single = jit(|x: Vec<Tensor>| program.run(&x)).unfused().call(inputs.clone());
    agree("jit without fusion against eager", single, &eager_numbers, 1e-12)?;
    // A second call finds the memory of the first.
    let twice = jit(|x: Vec<Tensor>| program.run(&x));
    drop(twice.call(inputs.clone()));
    agree("the second call of jit against eager", twice.call(inputs.clone()), &eager_numbers, 1e-12)?;
    over_batch(program)?;
    gradients(program, &inputs, &eager, &seen)
}

fn agree(way: &str, found: Result<Vec<Tensor>>, expected: &[Numbers], tolerance: f64) -> Result<(), String> {
    let found = found.and_then(|found| Numbers::of_all(&found)).map_err(|error| format!("{way}: {error}"))?;
    all_close(&found, expected, tolerance).map_err(|message| format!("{way}: {message}"))
}

fn over_batch(program: &Program) -> Result<(), String> {
    let mut data = Data::new(!program.seed);
    let mapped: Vec<bool> = program.inputs.iter().map(|_| data.below(3) > 0).collect();
    if !mapped.contains(&true) {
        return Ok(());
    }
    let axes: Vec<Option<isize>> = mapped
        .iter()
        .zip(&program.inputs)
        .map(|(&mapped, shape)| mapped.then(|| data.below(shape.len() + 1) as isize))
        .collect();
    // Examples at which a comparison is close are left out.
    let shared = program.inputs_of(0);
    let mut examples: Vec<Vec<Numbers>> = vec![];
    let mut runs: Vec<Seen> = vec![];
    for k in 1..8 {
        let own = program.inputs_of(k);
        let mixed: Vec<Numbers> =
            (0..own.len()).map(|i| if mapped[i] { &own[i] } else { &shared[i] }.clone()).collect();
        if let Some(seen) = program.reference(&mixed).filter(|_| runs.len() < 3) {
            examples.push(mixed);
            runs.push(seen);
        }
    }
    if runs.is_empty() {
        return Ok(());
    }
    let stacked = |i: usize| match axes[i] {
        Some(axis) => {
            let parts: Vec<Numbers> = examples.iter().map(|example| example[i].clone()).collect();
            Numbers::stack(&parts, axis as usize).tensor(DType::F64)
        }
        None => shared[i].tensor(DType::F64),
    };
    let args: Vec<Tensor> = (0..axes.len()).map(stacked).collect();
    let expected: Vec<Numbers> = program
        .outs
        .iter()
        .map(|&i| Numbers::stack(&runs.iter().map(|seen| seen.values[i].clone()).collect::<Vec<_>>(), 0))
        .collect();
    let over = |args: Vec<Tensor>| vmap(|x: Vec<Tensor>| program.run(&x)).in_axes(axes.clone()).call(args);
    agree("vmap against plain loops", over(args.clone()), &expected, 1e-10)?;
    agree("jit of vmap against plain loops", jit(over).call(args), &expected, 1e-10)
}

fn gradients(program: &Program, inputs: &[Tensor], outs: &[Tensor], seen: &Seen) -> Result<(), String> {
    let mut data = Data::new(program.seed.rotate_left(32));
    let weights: Vec<Numbers> = outs
        .iter()
        .map(|out| {
            let list = data.list(out.size(), -1.0, 1.0);
            let list = if out.dtype().is_float() { list } else { vec![0.0; out.size()] };
            Numbers { shape: out.shape().to_vec(), data: list }
        })
        .collect();
    let loss = |x: &Vec<Tensor>| {
        let mut sum = Tensor::zeros_of([], DType::F64);
        for (out, weight) in program.run(x)?.iter().zip(&weights) {
            sum += (out.cast(DType::F64) * weight.tensor(DType::F64)).sum();
        }
        Ok(sum)
    };
    let inputs = inputs.to_vec();
    let eager =
        grad(loss)(&inputs).and_then(|grads| Numbers::of_all(&grads)).map_err(|error| error.to_string())?;
    let compiled = jit(|x: Vec<Tensor>| grad(loss)(&x)).call(inputs.clone());
    agree("jit of grad against grad", compiled, &eager, 1e-10)?;
    let whole = jit(|x: Vec<Tensor>| program.run(&x));
    let inside = grad(|x: &Vec<Tensor>| {
        let mut sum = Tensor::zeros_of([], DType::F64);
        for (out, weight) in whole.call(x.clone())?.iter().zip(&weights) {
            sum += (out.cast(DType::F64) * weight.tensor(DType::F64)).sum();
        }
        Ok(sum)
    });
    agree("grad of jit against grad", inside(&inputs), &eager, 1e-10)?;

    let here = program.inputs_of(0);
    let direction: Vec<Numbers> = here
        .iter()
        .map(|x| Numbers { shape: x.shape.clone(), data: data.list(x.data.len(), -1.0, 1.0) })
        .collect();
    // None where a value is out of bounds or a comparison goes another way: there is a kink between.
    let at = |step: f64| -> Option<f64> {
        let moved: Vec<Numbers> = here.iter().zip(&direction).map(|(x, d)| x.plus(d, step)).collect();
        let there = program.reference(&moved).filter(|there| there.choices == seen.choices)?;
        let outs: Vec<Numbers> = program.outs.iter().map(|&i| there.values[i].clone()).collect();
        Some(inner(&outs, &weights))
    };
    let derivative = |step: f64| -> Option<f64> {
        Some((8.0 * (at(step)? - at(-step)?) - (at(2.0 * step)? - at(-2.0 * step)?)) / (12.0 * step))
    };
    // Where two steps disagree the program is too steep for differences.
    let (Some(coarse), Some(fine)) = (derivative(1e-4), derivative(5e-5)) else { return Ok(()) };
    let found = inner(&eager, &direction);
    let trusted = 1e-6 * (1.0 + fine.abs());
    if (coarse - fine).abs() < trusted && (found - fine).abs() > 10.0 * trusted {
        return Err(format!("grad along a direction is {found}, by differences {fine}"));
    }
    Ok(())
}
