//! Random programs of loops and branches, run in every way there is, against loops and branches of Rust.
//!
//! `FLAXEN_PROGRAMS` says how many; `FLAXEN_SEED` where to begin.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::prelude::*;
use flaxen_tests::backends;
use flaxen_tests::data::Data;
use flaxen_tests::loops::{BINARY, Block, Step, UNARY, Way, arguments};

const PROGRAMS: u64 = if cfg!(debug_assertions) { 300 } else { 10_000 };

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_loops_give_what_loops_of_rust_give() {
    let (first, count) = (setting("FLAXEN_SEED", 0), setting("FLAXEN_PROGRAMS", PROGRAMS));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4) as u64;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|k| {
                scope.spawn(move || {
                    let mine = (first..first + count).filter(|seed| seed % threads == k);
                    mine.filter_map(failure).take(3).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn random_loops_are_made_of_every_operation() {
    let mut count = std::collections::BTreeMap::<&str, usize>::new();
    for seed in 0..PROGRAMS {
        for step in &program(seed).steps {
            let bodies = match step {
                Step::Scan(all) => std::slice::from_ref(&all.body),
                Step::While { body, .. } => std::slice::from_ref(body),
                Step::Cond { branches, .. } => &branches[..],
                _ => &[],
            };
            bodies.iter().flat_map(Block::names).for_each(|name| *count.entry(name).or_default() += 1);
        }
    }
    let others = ["select", "update", "scan", "while", "cond"];
    for name in UNARY.iter().chain(&BINARY).chain(&others) {
        let found = count.get(name).copied().unwrap_or(0);
        assert!(found >= 5, "{name} is {found} times within loops and branches: {count:?}");
    }
}

fn program(seed: u64) -> Block {
    Block::generate(seed, 1 + seed as usize % 10)
}

fn failure(seed: u64) -> Option<String> {
    let program = program(seed);
    let outcome = catch_unwind(AssertUnwindSafe(|| check(seed, &program)));
    let message = match outcome {
        Ok(Ok(())) => return None,
        Ok(Err(message)) => message,
        Err(payload) => format!("panic: {:?}", payload.downcast_ref::<String>()),
    };
    let avals: Vec<String> = arguments(seed).iter().map(|arg| arg.aval().to_string()).collect();
    Some(format!("seed {seed}: {message}\n{avals:?}\n{program:#?}"))
}

fn check(seed: u64, program: &Block) -> Result<(), String> {
    let plain = |args: Vec<Tensor>| program.run(args, Way::Host);
    let loops = |args: Vec<Tensor>| program.run(args, Way::Operations);
    let expected = plain(arguments(seed)).map_err(|error| format!("a loop of Rust: {error}"))?;
    agree("operations", loops(arguments(seed)), &expected)?;
    let compiled = jit(loops);
    let kept = arguments(seed);
    agree("jit", compiled.call(kept.clone()), &expected)?;
    agree("jit again, with the same arguments", compiled.call(kept.clone()), &expected)?;
    agree("the arguments", Ok(kept), &arguments(seed))?;
    agree("jit of donated arguments", compiled.call(arguments(seed)), &expected)?;
    agree("jit without fusion", jit(loops).unfused().call(arguments(seed)), &expected)?;
    for backend in backends::all() {
        agree(backend.platform(), backends::run(Some(backend), loops, arguments(seed)), &expected)?;
    }
    over_batch(seed, program)?;
    forward(seed, program)?;
    if program.has_while() { Ok(()) } else { gradients(seed, program) }
}

fn agree(way: &str, found: Result<Vec<Tensor>>, expected: &[Tensor]) -> Result<(), String> {
    let found = found.map_err(|error| format!("{way}: {error}"))?;
    if found.len() != expected.len() {
        return Err(format!("{way}: {} results instead of {}", found.len(), expected.len()));
    }
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        if (found.shape(), found.dtype()) != (expected.shape(), expected.dtype()) {
            return Err(format!("{way}: result {i} is {} instead of {}", found.aval(), expected.aval()));
        }
        let tolerance = if found.dtype() == DType::F64 { 1e-5 } else { 1e-4 };
        let numbers = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>().map_err(|error| error.to_string());
        for (at, (a, b)) in numbers(found)?.iter().zip(numbers(expected)?).enumerate() {
            let difference = (a - b).abs();
            if difference.is_nan() || difference > tolerance * (1.0 + b.abs()) {
                return Err(format!("{way}: result {i} is {a} instead of {b} at {at}, {}", found.aval()));
            }
        }
    }
    Ok(())
}

/// Arguments of example `k`, some of them those of all examples.
fn example(seed: u64, k: usize, mapped: &[bool]) -> Vec<Tensor> {
    let own = |(x, &mapped): (Tensor, &bool)| match x.dtype() {
        _ if !mapped => x,
        DType::I32 => (x + k as i32) % 5,
        _ => x * (1.0 - 0.3 * k as f64),
    };
    arguments(seed).into_iter().zip(mapped).map(own).collect()
}

fn over_batch(seed: u64, program: &Block) -> Result<(), String> {
    let mut data = Data::new(!seed);
    let mapped: Vec<bool> = arguments(seed).iter().map(|_| data.below(3) > 0).collect();
    if !mapped.contains(&true) {
        return Ok(());
    }
    let stack = |all: &[Vec<Tensor>], i: usize| {
        Tensor::stack(&all.iter().map(|example| example[i].clone()).collect::<Vec<_>>(), 0)
    };
    let examples: Vec<Vec<Tensor>> = (0..3).map(|k| example(seed, k, &mapped)).collect();
    let one_by_one = |f: &dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>>| -> Result<Vec<Tensor>, String> {
        let each: Vec<Vec<Tensor>> = examples
            .iter()
            .map(|args| f(args.clone()))
            .collect::<Result<_>>()
            .map_err(|error| error.to_string())?;
        Ok((0..each[0].len()).map(|i| stack(&each, i)).collect())
    };
    let args: Vec<Tensor> = (0..mapped.len())
        .map(|i| if mapped[i] { stack(&examples, i) } else { examples[0][i].clone() })
        .collect();
    let axes: Vec<Option<isize>> = mapped.iter().map(|mapped| mapped.then_some(0)).collect();
    let expected = one_by_one(&|args| program.run(args, Way::Host))?;
    let over = |args: Vec<Tensor>| {
        vmap(|x: Vec<Tensor>| program.run(x, Way::Operations)).in_axes(axes.clone()).call(args)
    };
    agree("vmap", over(args.clone()), &expected)?;
    agree("jit of vmap", jit(over).call(args.clone()), &expected)?;
    let along = |args: Vec<Tensor>, way: Way| {
        let floats = floats(&args);
        let tangents = floats.iter().map(|x| (x * 3.0).cos()).collect();
        let f = |floats: &Vec<Tensor>| loss(program, with_floats(&args, floats), way);
        Ok(vec![jvp(f, &floats, &tangents)?.1])
    };
    let expected = one_by_one(&|args| along(args, Way::Host))?;
    let over =
        |args: Vec<Tensor>| vmap(|x: Vec<Tensor>| along(x, Way::Operations)).in_axes(axes.clone()).call(args);
    agree("jit of vmap of jvp", jit(over).call(args.clone()), &expected)?;
    if program.has_while() {
        return Ok(());
    }
    let expected = one_by_one(&|args| slopes(program, args, Way::Host))?;
    let over = |args: Vec<Tensor>| {
        vmap(|x: Vec<Tensor>| slopes(program, x, Way::Operations)).in_axes(axes.clone()).call(args)
    };
    agree("jit of vmap of grad", jit(over).call(args), &expected)
}

/// A number made from all results that have gradients.
fn loss(program: &Block, args: Vec<Tensor>, way: Way) -> Result<Tensor> {
    let mut sum = Tensor::zeros_of([], DType::F64);
    for (i, out) in program.run(args, way)?.iter().enumerate() {
        if out.dtype().is_float() && out.size() > 0 {
            let weights = (Tensor::arange(0, out.size() as i32, 1).cast(DType::F64) + i as f64).cos();
            sum += (out.cast(DType::F64) * weights.reshape(out.shape())).mean();
        }
    }
    Ok(sum)
}

/// Gradients with respect to all arguments that have them.
fn slopes(program: &Block, args: Vec<Tensor>, way: Way) -> Result<Vec<Tensor>> {
    grad(|floats: &Vec<Tensor>| loss(program, with_floats(&args, floats), way))(&floats(&args))
}

fn floats(args: &[Tensor]) -> Vec<Tensor> {
    args.iter().filter(|arg| arg.dtype().is_float()).cloned().collect()
}

fn with_floats(args: &[Tensor], floats: &[Tensor]) -> Vec<Tensor> {
    let mut floats = floats.iter();
    let merged = |arg: &Tensor| if arg.dtype().is_float() { floats.next().unwrap() } else { arg }.clone();
    args.iter().map(merged).collect()
}

fn gradients(seed: u64, program: &Block) -> Result<(), String> {
    let args = arguments(seed);
    let expected =
        slopes(program, args.clone(), Way::Host).map_err(|error| format!("grad of Rust: {error}"))?;
    agree("grad", slopes(program, args.clone(), Way::Operations), &expected)?;
    let compiled = jit(|args: Vec<Tensor>| slopes(program, args, Way::Operations));
    agree("jit of grad", compiled.call(args.clone()), &expected)?;
    agree("jit of grad again, of donated arguments", compiled.call(arguments(seed)), &expected)?;
    // Of some programs, as it takes long.
    if !seed.is_multiple_of(3) {
        return Ok(());
    }
    let expected =
        curvature(program, &args, Way::Host).map_err(|error| format!("grad of grad of Rust: {error}"))?;
    let compiled = jit(|args: Vec<Tensor>| curvature(program, &args, Way::Operations));
    agree("jit of grad of grad", compiled.call(args), &expected)
}

/// The gradient of the gradient's square.
fn curvature(program: &Block, args: &[Tensor], way: Way) -> Result<Vec<Tensor>> {
    let squares = |floats: &Vec<Tensor>| {
        let mut sum = Tensor::zeros_of([], DType::F64);
        for slope in slopes(program, with_floats(args, floats), way)? {
            sum += slope.cast(DType::F64).square().sum();
        }
        Ok(sum)
    };
    grad(squares)(&floats(args))
}

/// Forward mode, which goes through loops that find their end themselves, too.
fn forward(seed: u64, program: &Block) -> Result<(), String> {
    let args = arguments(seed);
    let floats = floats(&args);
    let tangents: Vec<Tensor> = floats.iter().map(|x| (x * 3.0).cos()).collect();
    let along = |way: Way| {
        let args = &args;
        move |(floats, tangents): (Vec<Tensor>, Vec<Tensor>)| {
            let f = |floats: &Vec<Tensor>| loss(program, with_floats(args, floats), way);
            let (value, tangent) = jvp(f, &floats, &tangents)?;
            Ok(vec![value, tangent])
        }
    };
    let given = (floats, tangents);
    let expected = along(Way::Host)(given.clone()).map_err(|error| format!("jvp of Rust: {error}"))?;
    agree("jvp", along(Way::Operations)(given.clone()), &expected)?;
    agree("jit of jvp", jit(along(Way::Operations)).call(given), &expected)
}
