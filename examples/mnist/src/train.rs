//! The training: one compiled step, epochs of it, and tests in between.

use std::ops::Range;

use flaxen::collectives;
use flaxen::optim::Adam;
use flaxen::parallel::{Replicas, World, spmd};
use flaxen::prelude::*;
use flaxen::train::Batches;
use flaxen::train::metrics::{self, Average};

use crate::data::{Dataset, Digits};
use crate::model::Cnn;

/// So many images at once are classified while testing.
const TEST_BATCH: usize = 1000;

/// After so many epochs the learning rate is half of what it was; at its first value steps sometimes go astray late.
const HALF_LIFE: usize = 10;

/// Parameters, optimizer and its state.
pub type State = TrainState<Adam>;

/// What a training depends on, beside its data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub batch_size: usize,
    pub learning_rate: f64,
    pub seed: u64,
}

/// How well a network does on some digits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The mean loss of an image.
    pub loss: f32,
    /// The part of images it classifies rightly, from 0 to 1.
    pub accuracy: f32,
}

/// How an epoch went: while training, and on the test set after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    pub train: Score,
    pub test: Score,
}

/// What is summed over batches and over ranks: losses, and how many images are classified rightly.
#[derive(Clone, Debug, Tree)]
struct Sums {
    loss: Average,
    accuracy: Average,
}

impl Sums {
    /// Of the losses of images.
    fn of(losses: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<Sums> {
        Ok(Sums { loss: Average::of(losses)?, accuracy: metrics::accuracy(logits, labels)? })
    }

    fn and(all: Option<Sums>, next: Sums) -> Result<Sums> {
        all.map_or_else(|| Ok(next.clone()), |all| metrics::merge(&all, &next))
    }

    fn score(&self) -> Result<Score> {
        Ok(Score { loss: self.loss.value()?, accuracy: self.accuracy.value()? })
    }
}

/// The name of the axis of ranks.
const BATCH: &str = "batch";

/// After so many steps the ranks compare their parameters.
const CHECKED: usize = 100;

type Step = DynJit<'static, (State, Tensor, Tensor, Tensor), (State, Sums)>;
type Test = DynJit<'static, (Dict, Tensor, Tensor), (Sums, Tensor)>;

/// A training under way.
pub struct Trainer {
    pub settings: Settings,
    pub state: State,
    pub history: Vec<Epoch>,
    pub world: World,
    replicas: Replicas,
    step: Step,
    test: Test,
}

impl Trainer {
    /// The training before its first step.
    pub fn new(settings: Settings, data: &Dataset, world: &World) -> Result<Trainer> {
        let model = Cnn::new();
        let (image, _) = data.train.batch(&data.train.indices(0, 1));
        // The first of the three keys shuffles data.
        let [_, initial, _] = key(settings.seed).split();
        let (params, _) = model.init(initial).call(&image)?.pop("params")?;
        let steps = data.train.len().div_ceil(settings.batch_size) * HALF_LIFE;
        // By the number of steps alone, not by how many there are to be: a resumed training goes on as it would have.
        let rate = optim::exponential_decay(settings.learning_rate, steps as i32, 0.5);
        let state = TrainState::create(params, optim::adam(rate));
        Ok(Trainer {
            settings,
            state,
            history: Vec::new(),
            world: world.clone(),
            replicas: Replicas::new(CHECKED),
            step: step(model.clone()),
            test: test(model),
        })
    }

    /// Trains on every image once, in an order that depends on the seed and the number of the epoch only, and tests then.
    /// `watch` is told after each step of how many images it was, and the score so far.
    pub fn run_epoch(&mut self, data: &Dataset, mut watch: impl FnMut(usize, Score)) -> Result<Epoch> {
        let (digits, batch_size) = (&data.train, self.settings.batch_size);
        let [_, _, orders] = key(self.settings.seed).split();
        let batches = Batches::new(digits.len(), batch_size).shuffle(orders);
        let batches = batches.shard(self.world.rank(), self.world.size());
        let (mut all, mut state) = (None, self.state.clone());
        let step = spmd(|args| self.step.call(args)).axis_name(BATCH);
        for batch in batches.epoch(self.history.len())? {
            // Of all ranks.
            let count = batch_size.min(digits.len() - batch.step() * batch_size);
            let (images, labels) = digits.batch(&batch.indices());
            self.replicas.check(&self.world, &state.params)?;
            // By value: the step writes the new parameters into the memory of the old ones.
            let sums;
            (state, sums) = step.run(&self.world, (state, images, labels, Tensor::from(count as f32)))?;
            let so_far = Sums::and(all, sums)?;
            watch(count, so_far.score()?);
            all = Some(so_far);
        }
        self.state = state;
        let train = all.map_or_else(|| Ok(Score::default()), |all| all.score())?;
        let epoch = Epoch { train, test: self.test(&data.test)? };
        self.history.push(epoch);
        Ok(epoch)
    }

    /// The part of so many images that is this rank's.
    fn own(&self, count: usize) -> Range<usize> {
        let (rank, size) = (self.world.rank(), self.world.size());
        rank * count / size..(rank + 1) * count / size
    }

    /// The score on some digits, of which each rank sees its part.
    fn test(&self, digits: &Digits) -> Result<Score> {
        let (sums, _) = self.classified(digits, self.own(digits.len()))?;
        let all = spmd(|sums: Sums| collectives::psum(&sums, BATCH)).axis_name(BATCH);
        all.run(&self.world, sums)?.score()
    }

    /// The score on some digits, and what the network takes each of them for; on this rank alone.
    pub fn classify(&self, digits: &Digits) -> Result<(Score, Vec<i32>)> {
        let (sums, found) = self.classified(digits, 0..digits.len())?;
        Ok((sums.score()?, found))
    }

    fn classified(&self, digits: &Digits, which: Range<usize>) -> Result<(Sums, Vec<i32>)> {
        let none = Tensor::zeros([0]);
        let mut all = Sums { loss: Average::of(&none)?, accuracy: Average::of(&none)? };
        let mut found = Vec::new();
        for start in which.clone().step_by(TEST_BATCH) {
            let (images, labels) = digits.batch(&digits.indices(start, TEST_BATCH.min(which.end - start)));
            let (sums, classes) = self.test.call((self.state.params.clone(), images, labels))?;
            all = metrics::merge(&all, &sums)?;
            found.extend(classes.to_vec::<i32>()?);
        }
        Ok((all, found))
    }
}

/// One step of training on this rank's part of the images, of which there are `count` on all ranks: the next state, and the sums of
/// all ranks' images.
fn step(model: Cnn) -> Step {
    jit(Box::new(move |(state, images, labels, count): (State, Tensor, Tensor, Tensor)| {
        let ((_, sums), grads) = value_and_grad(|params: &Dict| {
            let logits = model.apply([("params", params)]).call(&images)?;
            let losses = softmax_cross_entropy_with_integer_labels(&logits, &labels);
            // Not the mean of this part, which may have an image less than others.
            Ok((losses.sum() / &count, Sums::of(&losses, &logits, &labels)?))
        })(&state.params)?;
        let (grads, sums) = collectives::psum(&(grads, sums), BATCH)?;
        Ok((state.apply_gradients(&grads)?, sums))
    }))
}

/// The sums of some images, and the class of each.
fn test(model: Cnn) -> Test {
    jit(Box::new(move |(params, images, labels): (Dict, Tensor, Tensor)| {
        let logits = model.apply([("params", &params)]).call(&images)?;
        let losses = softmax_cross_entropy_with_integer_labels(&logits, &labels);
        Ok((Sums::of(&losses, &logits, &labels)?, logits.argmax(-1)))
    }))
}

#[cfg(test)]
mod tests;
