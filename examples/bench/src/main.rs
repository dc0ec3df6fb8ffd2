//! Times the named workloads: answers each line `case seconds` with `case min_us median_us iterations`, or
//! `profile case` with a table of its steps.

mod models;

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flaxen::Profile;
use flaxen::prelude::*;
use models::{Block, Cnn, ConvNorm, Mlp, chain};

/// A workload that is ready to run.
struct Case {
    step: Box<dyn FnMut() -> Result<()>>,
    profile: Box<dyn Fn() -> Result<Profile>>,
    /// How many steps are timed together.
    inner: usize,
}

fn main() -> std::io::Result<()> {
    let mut cases: std::collections::BTreeMap<String, Case> = std::collections::BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        if let Some(name) = line.strip_prefix("profile ") {
            match make(name.trim()).and_then(|case| case.map(|case| (case.profile)()).transpose()) {
                Ok(Some(profile)) => println!("{profile}"),
                Ok(None) => println!("no such case"),
                Err(error) => println!("{error}"),
            }
            continue;
        }
        let (Some(name), Some(seconds)) = (words.next(), words.next().and_then(|s| s.parse().ok())) else {
            continue;
        };
        let answer = match cases.entry(name.to_owned()) {
            std::collections::btree_map::Entry::Occupied(case) => time(case.into_mut(), seconds),
            std::collections::btree_map::Entry::Vacant(slot) => match make(name) {
                Ok(Some(case)) => time(slot.insert(case), seconds),
                Ok(None) => Ok("na no such case".to_owned()),
                Err(error) => Err(error),
            },
        };
        println!("{name} {}", answer.unwrap_or_else(|error| format!("na {error}").replace('\n', " ")));
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn time(Case { step, inner, .. }: &mut Case, seconds: f64) -> Result<String> {
    for _ in 0..2 {
        step()?;
    }
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Vec::new();
    while times.len() < 3 || Instant::now() < end {
        let start = Instant::now();
        for _ in 0..*inner {
            step()?;
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / *inner as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(format!("{:.3} {:.3} {}", times[0], times[times.len() / 2], times.len() * *inner))
}

fn make(name: &str) -> Result<Option<Case>> {
    let mut words = name.split('_');
    let (workload, mode) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let batch = words.next().and_then(|b| b.get(1..)?.parse().ok()).unwrap_or(1);
    Ok(Some(match workload {
        "w1" => model(Cnn::new(), &[batch, 28, 28, 1], 10, mode, 1)?,
        "w2" => model(Mlp::new(1024, 10), &[batch, 784], 10, mode, 1)?,
        "w3" => model(Block::new(), &[batch, 128, 256], 0, mode, 1)?,
        "w4" => model(Mlp::new(16, 4), &[batch, 8], 4, mode, 100)?,
        "w5" => model(ConvNorm::new(), &[batch, 32, 32, 3], 0, mode, 1)?,
        "w6" => {
            let f = jit(|(x, y): (Tensor, Tensor)| Ok(chain(&x, &y)));
            compiled(f, (random::normal(&key(0), [4 << 20]), random::normal(&key(1), [4 << 20])), 1)
        }
        _ => return Ok(None),
    }))
}

fn model<M>(model: M, shape: &[usize], classes: usize, mode: &str, inner: usize) -> Result<Case>
where
    M: Module + Layer + Clone + 'static,
{
    let x = random::normal(&key(0), shape);
    let labels: Vec<i32> = (0..shape[0]).map(|i| (i * 7 % classes.max(1)) as i32).collect();
    let y = Tensor::from_vec(labels, [shape[0]]);
    let (mut params, _) = model.init(key(1)).run(|m| m.call(&x))?.pop("params")?;
    let forward = move |params: &Dict, x: &Tensor| {
        model.apply(Variables::new().with("params", params)).run(|m| m.call(x))
    };
    if mode == "fwd" {
        let forward = jit(move |(params, x): (Dict, Tensor)| forward(&params, &x));
        return Ok(compiled(forward, (params, x), inner));
    }
    let loss = move |params: &Dict, x: &Tensor, y: &Tensor| {
        let out = forward(params, x)?;
        if classes == 0 {
            return Ok(out.square().mean());
        }
        Ok(-out.try_take_along_axis(&y.reshape([y.size(), 1]), 1)?.mean())
    };
    if mode == "grad" {
        let gradient = jit(move |(params, x, y): (Dict, Tensor, Tensor)| {
            value_and_grad(|params: &Dict| loss(params, &x, &y))(&params)
        });
        return Ok(compiled(gradient, (params, x, y), inner));
    }
    let tx = optim::adam(1e-8);
    let start = (tx.init(&params), std::mem::take(&mut params));
    let mut carried = Some(start.clone());
    let step = Arc::new(jit(move |(params, state, x, y): (Dict, AdamState, Tensor, Tensor)| {
        let (loss, slopes) = value_and_grad(|params: &Dict| loss(params, &x, &y))(&params)?;
        let (updates, state) = tx.update(&slopes, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates), state, loss))
    }));
    let (measured, data) = (step.clone(), (x.clone(), y.clone()));
    let profile = move || {
        let ((state, params), (x, y)) = (start.clone(), data.clone());
        measured.profile(&(params, state, x, y))
    };
    // By value, so that each step writes into the buffers of the one before.
    let run = move || {
        let Some((state, params)) = carried.take() else { return Err(Error::msg("an earlier step failed")) };
        let (params, state, _) = step.call((params, state, x.clone(), y.clone()))?;
        carried = Some((state, params));
        Ok(())
    };
    Ok(Case { step: Box::new(run), profile: Box::new(profile), inner })
}

/// A case that calls a compiled function with the same arguments again and again.
fn compiled<F, I, O>(f: Jit<F, I, O>, args: I, inner: usize) -> Case
where
    F: Fn(I) -> Result<O> + 'static,
    I: Tree + Clone + 'static,
    O: Tree + 'static,
{
    let (f, kept) = (Arc::new(f), args.clone());
    let measured = f.clone();
    Case {
        step: Box::new(move || f.call(args.clone()).map(drop)),
        profile: Box::new(move || measured.profile(&kept)),
        inner,
    }
}
