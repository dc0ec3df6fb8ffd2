//! The cases by name, each made ready to run a step.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flaxen::prelude::*;
use flaxen::{Device, JitStats, Profile};

use crate::encoder::{SentenceEncoder, WORDS};
use crate::models::{Block, Cnn, ConvNorm, Deep, Lstm, Many, Mlp, Stack, Stacked, chain};
use crate::{functions, ranks, real};

/// A case ready to run.
pub struct Workload {
    run: Box<dyn FnMut() -> Result<()>>,
    profile: Box<dyn Fn() -> Result<Profile>>,
    compile: Box<dyn Fn() -> Result<Duration>>,
    stats: Box<dyn Fn() -> JitStats>,
    /// How many steps a call of `run` is: more than one where a step is as short as reading the clock.
    pub steps: usize,
}

/// Steps of the tiny network in a row.
const MANY: usize = 100;
/// Elements of the elementwise chain.
const CHAIN: usize = 4 << 20;

/// Every case, as the driver names them.
pub const CASES: [&str; 23] = [
    "w1_fwd_b1",
    "w1_train_b1",
    "w1_fwd_b32",
    "w1_train_b32",
    "w1_fwd_b128",
    "w1_train_b128",
    "w1_ranks2_b128",
    "w2_fwd_b1",
    "w2_train_b1",
    "w2_fwd_b128",
    "w2_train_b128",
    "w3_fwd_b8",
    "w3_train_b8",
    "w4_fwd_b4",
    "w4_train_b4",
    "w5_fwd_b8",
    "w5_grad_b8",
    "w6_chain",
    "w7_fwd_b32",
    "w7_train_b32",
    "r4_fwd_b1_t16",
    "r4_fwd_b12_t44",
    "r4_fwd_b32_t64",
];

/// What of a network is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Forward,
    Gradient,
    Train,
}

impl Workload {
    /// Makes a case ready: `w1_train_b32` with any batch, `deep_train_l8` with any number of layers, `many_train_n100` with any
    /// number of parameters, `r4_fwd_b12_t44` with any batch and number of tokens, `blocks_train_l12`, `scan_train_l12` and
    /// `remat_train_l12` with any number of blocks of W3 in a row, in a loop and computed twice, `w1_ranks2_b128` and `psum_ranks2_n1000000` with any
    /// number of ranks and images or numbers; `None` for a name that is none.
    ///
    /// # Errors
    /// What the program returns.
    pub fn new(case: &str) -> Result<Option<Workload>> {
        if case == "w6_chain" {
            let args = [0, 1].map(|seed| random::normal(&key(seed), [CHAIN]));
            return Ok(Some(Workload::of(args, |[x, y]| Ok(vec![chain(&x, &y)]))));
        }
        if let Some(function) = functions::make(case)? {
            return Ok(Some(function));
        }
        if let Some(real) = real::make(case)? {
            return Ok(Some(real));
        }
        if let Some(ranks) = ranks::make(case)? {
            return Ok(Some(ranks));
        }
        let mut parts = case.split('_');
        let (model, mode, batch) = (parts.next(), parts.next(), parts.next());
        let mode = match mode {
            Some("fwd") => Mode::Forward,
            Some("grad") => Mode::Gradient,
            Some("train") => Mode::Train,
            _ => return Ok(None),
        };
        let number = |prefix: char| batch.and_then(|b| b.strip_prefix(prefix)).and_then(|b| b.parse().ok());
        if let ("deep", Some(layers)) = (model.unwrap_or_default(), number('l')) {
            return network(Deep::new(layers), &[32, 64], 0, mode, 1).map(Some);
        }
        let stacked = match model {
            Some("blocks") => Some(Stacked::Unrolled),
            Some("scan") => Some(Stacked::Scanned),
            Some("remat") => Some(Stacked::Rematerialized),
            _ => None,
        };
        if let (Some(how), Some(layers)) = (stacked, number('l')) {
            return network(Stack::new(how, layers), &[8, 128, 256], 0, mode, 1).map(Some);
        }
        if let ("many", Some(parameters)) = (model.unwrap_or_default(), number('n')) {
            return network(Many::new(parameters), &[16], 0, mode, 1).map(Some);
        }
        if let (Some("r4"), Mode::Forward, Some(batch), Some(tokens)) =
            (model, mode, number('b'), parts.next().and_then(|t| t.strip_prefix('t')?.parse().ok()))
        {
            return encoder(batch, tokens).map(Some);
        }
        let Some(b) = number('b').filter(|&b: &usize| b > 0) else { return Ok(None) };
        match model {
            Some("w1") => network(Cnn::new(), &[b, 28, 28, 1], 10, mode, 1),
            Some("w2") => network(Mlp::new(1024, 10), &[b, 784], 10, mode, 1),
            Some("w3") => network(Block::new(), &[b, 128, 256], 0, mode, 1),
            Some("w4") => network(Mlp::new(16, 4), &[b, 8], 4, mode, MANY),
            Some("w7") => network(Lstm::new(), &[b, 64, 64], 10, mode, 1),
            Some("w5") => network(ConvNorm::new(), &[b, 32, 32, 3], 0, mode, 1),
            _ => return Ok(None),
        }
        .map(Some)
    }

    /// A compiled function of a tree of tensors.
    pub fn of<A: Tree + Clone + 'static>(
        args: A,
        function: impl Fn(A) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    ) -> Workload {
        let f = Arc::new(jit(function).on(&device()));
        let (profiled, counted, first) = (f.clone(), f.clone(), args.clone());
        let (anew, given) = (f.clone(), args.clone());
        Workload {
            compile: Box::new(move || compiled(&anew, &given)),
            run: Box::new(move || wait(&f.call(args.clone())?)),
            stats: Box::new(move || counted.stats()),
            profile: Box::new(move || profiled.profile(&first)),
            steps: 1,
        }
    }

    /// A compiled function of a state and other arguments, which returns the next state and more; the state is moved into each
    /// call, so that the next one is written over it. It is begun anew after a number of steps, if that is given.
    pub fn stepping<S: Tree + Clone + 'static, A: Tree + Clone + 'static>(
        first: S,
        args: A,
        anew_after: Option<usize>,
        step: impl Fn(S, A) -> Result<(S, Vec<Tensor>)> + Send + Sync + 'static,
    ) -> Workload {
        let step = Arc::new(jit(move |(state, args): (S, A)| step(state, args)).on(&device()));
        let (profiled, counted, recompiled) = (step.clone(), step.clone(), step.clone());
        let all = (first.clone(), args.clone());
        let given = all.clone();
        let (mut held, mut count) = (Some(first.clone()), 0);
        let run = move || {
            if anew_after == Some(count) {
                (held, count) = (Some(first.clone()), 0);
            }
            count += 1;
            // A step that failed has lost the state, and its error has been returned.
            let Some(state) = held.take() else { return Ok(()) };
            let (state, _) = step.call((state, args.clone()))?;
            wait(&state)?;
            held = Some(state);
            Ok(())
        };
        Workload {
            compile: Box::new(move || compiled(&recompiled, &given)),
            run: Box::new(run),
            stats: Box::new(move || counted.stats()),
            profile: Box::new(move || profiled.profile(&all)),
            steps: 1,
        }
    }

    /// A function that is timed, and no more is known of.
    pub fn timed(
        run: impl FnMut() -> Result<()> + 'static,
        compile: impl Fn() -> Result<Duration> + 'static,
        stats: impl Fn() -> JitStats + 'static,
    ) -> Workload {
        Workload {
            run: Box::new(run),
            profile: Box::new(|| Err(Error::msg("this case has no profile"))),
            compile: Box::new(compile),
            stats: Box::new(stats),
            steps: 1,
        }
    }

    /// Runs as many steps as [`steps`](Self::steps) says.
    ///
    /// # Errors
    /// What the program returns.
    pub fn run(&mut self) -> Result<()> {
        (self.run)()
    }

    /// What tracing and compiling have cost so far.
    pub fn stats(&self) -> JitStats {
        (self.stats)()
    }

    /// Traces and compiles a step once more, as if no program had been made before, and says how long it took.
    ///
    /// # Errors
    /// What the program returns.
    pub fn compile(&self) -> Result<Duration> {
        (self.compile)()
    }

    /// Runs a few steps and says what each part of one costs.
    ///
    /// # Errors
    /// What the program returns.
    pub fn profile(&self) -> Result<Profile> {
        (self.profile)()
    }
}

/// R4 on sentences as long as they may be.
fn encoder(batch: usize, tokens: usize) -> Result<Workload> {
    let (ids, mask) = (indices(WORDS, &[batch, tokens], 0), Tensor::ones_of([batch, tokens], DType::Bool));
    let model = SentenceEncoder::new();
    let (params, _) = model.init(key(1)).run(|m| m.call(&ids, &mask))?.pop("params")?;
    Ok(Workload::of((params, ids, mask), move |(params, ids, mask): (Dict, Tensor, Tensor)| {
        let vector = model.apply(Variables::new().with("params", params)).run(|m| m.call(&ids, &mask))?;
        Ok(vec![vector])
    }))
}

/// How long tracing and compiling take when nothing is remembered.
fn compiled<F, I, O>(step: &Jit<F, I, O>, args: &I) -> Result<Duration>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    step.clear();
    flaxen::release_memory();
    let before = step.stats().compile_time;
    step.graph(args)?;
    Ok(step.stats().compile_time.saturating_sub(before))
}

/// The negative log-likelihood of the classes, or the mean square of an output that has none.
fn loss(out: &Tensor, labels: &Tensor, classes: usize) -> Result<Tensor> {
    if classes == 0 {
        return Ok(out.square().mean());
    }
    let picked = out.try_take_along_axis(labels.try_reshape([labels.size(), 1])?, 1)?;
    Ok(-picked.mean())
}

fn network<M>(model: M, shape: &[usize], classes: usize, mode: Mode, steps: usize) -> Result<Workload>
where
    M: Layer + Clone + Send + Sync + 'static,
{
    let x = random::normal(&key(0), shape);
    let labels: Vec<i32> = (0..shape[0]).map(|i| (i * 7 % classes.max(1)) as i32).collect();
    let y = Tensor::from_vec(labels, [shape[0]]);
    let (params, _) = model.init(key(1)).call(&x)?.pop("params")?;
    let (params, x, y) = device().put(&(params, x, y))?;
    let apply = move |params: &Dict, x: &Tensor| model.apply(Variables::new().with("params", params)).call(x);
    Ok(match mode {
        Mode::Forward => {
            let forward = jit(move |(params, x): (Dict, Tensor)| apply(&params, &x));
            let forward = Arc::new(forward.on(&device()));
            let (profiled, counted) = (forward.clone(), forward.clone());
            let args = (params.clone(), x.clone());
            let (anew, given) = (forward.clone(), args.clone());
            Workload {
                compile: Box::new(move || compiled(&anew, &given)),
                stats: Box::new(move || counted.stats()),
                run: Box::new(move || {
                    repeat(steps - 1, || forward.call((params.clone(), x.clone())).map(drop))?;
                    wait(&forward.call((params.clone(), x.clone()))?)
                }),
                profile: Box::new(move || profiled.profile(&args)),
                steps,
            }
        }
        Mode::Gradient => {
            let gradient = jit(move |(params, x, y): (Dict, Tensor, Tensor)| {
                value_and_grad(|params: &Dict| loss(&apply(params, &x)?, &y, classes))(&params)
            });
            let gradient = Arc::new(gradient.on(&device()));
            let (profiled, counted) = (gradient.clone(), gradient.clone());
            let args = (params.clone(), x.clone(), y.clone());
            let (anew, given) = (gradient.clone(), args.clone());
            let call = move || wait(&gradient.call((params.clone(), x.clone(), y.clone()))?);
            Workload {
                compile: Box::new(move || compiled(&anew, &given)),
                stats: Box::new(move || counted.stats()),
                run: Box::new(move || repeat(steps, &call)),
                profile: Box::new(move || profiled.profile(&args)),
                steps,
            }
        }
        Mode::Train => {
            let mut workload =
                training(params, (x, y), move |params, (x, y)| loss(&apply(params, x)?, y, classes));
            let mut step = workload.run;
            workload.run = Box::new(move || repeat(steps, &mut step));
            Workload { steps, ..workload }
        }
    })
}

/// Training by Adam: the gradient of a loss of parameters and other arguments, and new parameters in place of the old ones.
pub fn training<A: Tree + Clone + 'static>(
    params: Dict,
    args: A,
    loss: impl Fn(&Dict, &A) -> Result<Tensor> + Send + Sync + 'static,
) -> Workload {
    let tx = optim::adam(1e-8);
    let first = (params.clone(), tx.init(&params));
    Workload::stepping(first, args, None, move |(params, state): (Dict, AdamState), args: A| {
        let (value, grads) = value_and_grad(|params: &Dict| loss(params, &args))(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok(((optim::apply_updates(&params, &updates)?, state), vec![value]))
    })
}

/// The mean cross-entropy of logits `[.., classes]` with labels `[..]`.
pub fn class_loss(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(losses::softmax_cross_entropy_with_integer_labels(logits, labels).mean())
}

/// Integers below a bound that jump about, from the one with index `first` on.
pub fn indices(below: usize, shape: &[usize], first: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let all: Vec<i32> = (first..first + count).map(|i| ((i * 7919 + 13) % below) as i32).collect();
    Tensor::from_vec(all, shape)
}

static DEVICE: OnceLock<Device> = OnceLock::new();

/// Where workloads run from now on.
pub fn run_on(device: Device) {
    // The first device that is named counts.
    let _ = DEVICE.set(device);
}

fn device() -> Device {
    *DEVICE.get_or_init(Device::cpu)
}

/// Waits for what a device computes behind the caller's back.
fn wait<T: Tree>(results: &T) -> Result<()> {
    if device() == Device::cpu() {
        return Ok(());
    }
    tree::leaves(results).into_iter().try_for_each(Tensor::block_until_ready)
}

fn repeat(times: usize, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    (0..times).try_for_each(|_| step())
}
