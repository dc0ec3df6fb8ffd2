//! W1 on ranks that are threads: each computes the gradients of its part of the images, and all of them average.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use flaxen::parallel::{World, spmd};
use flaxen::prelude::*;
use flaxen::{DynJit, JitStats, collectives};

use crate::models::Cnn;
use crate::workload::{Workload, indices};

/// The name of the axis of ranks.
const AXIS: &str = "batch";

type State = (Dict, AdamState);
type Step = DynJit<'static, (State, Tensor, Tensor), (State, Tensor)>;

/// The case of a name, if it is one of ranks.
pub fn make(case: &str) -> Result<Option<Workload>> {
    let Some((name, rest)) = case.split_once("_ranks") else { return Ok(None) };
    let numbers = |separator| {
        let (ranks, count) = rest.split_once(separator)?;
        Some((ranks.parse().ok().filter(|&ranks| ranks > 0)?, count.parse().ok()?))
    };
    Ok(match name {
        "w1" => numbers("_b").map(|(ranks, batch)| training(ranks, batch)).transpose()?,
        "psum" => numbers("_n").map(|(ranks, count)| sum(ranks, count)),
        _ => None,
    })
}

/// Training of W1 by Adam on so many ranks, which share the images of a step.
fn training(ranks: usize, batch: usize) -> Result<Workload> {
    let model = Cnn::new();
    let (x, y) = (random::normal(&key(0), [batch, 28, 28, 1]), indices(10, &[batch], 0));
    let (params, _) = model.init(key(1)).call(&x)?.pop("params")?;
    let tx = optim::adam(1e-8);
    let first: State = (params.clone(), tx.init(&params));
    let step: Arc<Step> = Arc::new(jit(Box::new(move |((params, state), x, y): (State, Tensor, Tensor)| {
        let (loss, grads) = value_and_grad(|params: &Dict| {
            let out = model.apply(Variables::new().with("params", params)).call(&x)?;
            Ok(-out.try_take_along_axis(y.try_reshape([y.size(), 1])?, 1)?.mean())
        })(&params)?;
        let grads = collectives::pmean(&grads, AXIS)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok(((optim::apply_updates(&params, &updates)?, state), loss.pmean(AXIS)?))
    })));
    let counted = step.clone();
    let make = move |world: &World| {
        let own = |all: &Tensor| Ok::<_, Error>(all.try_split(ranks, 0)?.swap_remove(world.rank()));
        let (x, y, step, world) = (own(&x)?, own(&y)?, step.clone(), world.clone());
        let mut held = Some(first.clone());
        let once = move || {
            // A step that failed has lost the state, and its error has been returned.
            let Some(state) = held.take() else { return Ok(()) };
            let steps = spmd(|args| step.call(args)).axis_name(AXIS);
            held = Some(steps.run(&world, (state, x.clone(), y.clone()))?.0);
            Ok(())
        };
        Ok(Box::new(once) as Once)
    };
    Ok(on_ranks(ranks, make, move || counted.stats()))
}

/// The sum of so many `F32`s of each rank.
fn sum(ranks: usize, count: usize) -> Workload {
    let make = move |world: &World| {
        let (x, world) = (Tensor::ones([count]), world.clone());
        let once = move || {
            let sum = spmd(|x: Tensor| x.psum(AXIS)).axis_name(AXIS);
            sum.run(&world, x.clone()).map(drop)
        };
        Ok(Box::new(once) as Once)
    };
    on_ranks(ranks, make, || jit(|x: Tensor| Ok(x)).stats())
}

/// What a rank does at each run.
type Once = Box<dyn FnMut() -> Result<()>>;

/// A case whose ranks are threads that stay: a run tells each of them to do what `make` made once more, and waits for all.
fn on_ranks(
    ranks: usize,
    make: impl Fn(&World) -> Result<Once> + Send + Sync + 'static,
    stats: impl Fn() -> JitStats + 'static,
) -> Workload {
    let (asks, asked): (Vec<Sender<()>>, Vec<_>) = (0..ranks).map(|_| channel()).unzip();
    let (answer, answers) = channel();
    std::thread::spawn(move || serve(ranks, &make, asked, &answer));
    let gone = || Error::msg("the ranks have ended");
    let run = move || {
        asks.iter().try_for_each(|ask| ask.send(()).map_err(|_| gone()))?;
        asks.iter().try_for_each(|_| answers.recv().map_err(|_| gone())?)
    };
    let compile = || Err(Error::msg("ranks are timed as a whole"));
    Workload::timed(run, compile, stats)
}

/// Runs each rank once whenever it is asked to.
fn serve(
    ranks: usize,
    make: &(impl Fn(&World) -> Result<Once> + Sync),
    asked: Vec<Receiver<()>>,
    answer: &Sender<Result<()>>,
) {
    let lines: Vec<_> = asked.into_iter().map(|asked| Mutex::new(Some((asked, answer.clone())))).collect();
    let ended = World::threads(ranks).run(|world| {
        let line = lines[world.rank()].lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((asked, answer)) = line else { return Ok(()) };
        let mut once = make(world)?;
        while asked.recv().is_ok() {
            once()?;
            let _ = answer.send(Ok(()));
        }
        Ok(())
    });
    if let Err(error) = ended {
        let _ = answer.send(Err(error));
    }
}
