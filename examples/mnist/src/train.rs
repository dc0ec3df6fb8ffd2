//! The training: one compiled step, epochs of it, and tests in between.

use std::ops::Range;

use flaxen::collectives;
use flaxen::optim::Adam;
use flaxen::parallel::{Replicas, World, spmd};
use flaxen::prelude::*;

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

/// Scores of batches, weighted by their sizes.
#[derive(Default)]
struct Mean {
    loss: f64,
    right: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, loss: &Tensor, right: &Tensor, count: usize) -> Result<Score> {
        self.loss += f64::from(loss.item::<f32>()?) * count as f64;
        self.right += f64::from(right.item::<i32>()?);
        self.count += count;
        Ok(self.score())
    }

    fn score(&self) -> Score {
        let count = self.count.max(1) as f64;
        Score { loss: (self.loss / count) as f32, accuracy: (self.right / count) as f32 }
    }
}

/// The name of the axis of ranks.
const BATCH: &str = "batch";

/// After so many steps the ranks compare their parameters.
const CHECKED: usize = 100;

type Step = DynJit<'static, (State, Tensor, Tensor, Tensor), (State, Tensor, Tensor)>;
type Test = DynJit<'static, (Dict, Tensor, Tensor), (Tensor, Tensor, Tensor)>;

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
    /// `watch` is told the score so far after each step.
    pub fn run_epoch(&mut self, data: &Dataset, mut watch: impl FnMut(Score)) -> Result<Epoch> {
        let (digits, batch_size) = (&data.train, self.settings.batch_size);
        let [_, _, orders] = key(self.settings.seed).split();
        let order = random::permutation(&orders.fold_in(self.history.len() as u32), digits.len());
        let (mut mean, mut state) = (Mean::default(), self.state.clone());
        let step = spmd(|args| self.step.call(args)).axis_name(BATCH);
        for start in (0..digits.len()).step_by(batch_size) {
            let count = batch_size.min(digits.len() - start);
            let own = self.own(count);
            let indices = order.slice_axis(0, start + own.start..start + own.end);
            let (images, labels) = digits.batch(&indices);
            self.replicas.check(&self.world, &state.params)?;
            // By value: the step writes the new parameters into the memory of the old ones.
            let (loss, right);
            (state, loss, right) =
                step.run(&self.world, (state, images, labels, Tensor::from(count as f32)))?;
            watch(mean.add(&loss, &right, count)?);
        }
        self.state = state;
        let epoch = Epoch { train: mean.score(), test: self.test(&data.test)? };
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
        let own = self.own(digits.len());
        let (mean, _) = self.classified(digits, own)?;
        let sums = Tensor::from([mean.loss as f32, mean.right as f32]);
        let sums = spmd(|sums: Tensor| sums.psum(BATCH)).axis_name(BATCH).run(&self.world, sums)?;
        let [loss, right] = sums.to_vec::<f32>()?[..] else { unreachable!("two sums") };
        Ok(Mean { loss: loss.into(), right: right.into(), count: digits.len() }.score())
    }

    /// The score on some digits, and what the network takes each of them for; on this rank alone.
    pub fn classify(&self, digits: &Digits) -> Result<(Score, Vec<i32>)> {
        let (mean, found) = self.classified(digits, 0..digits.len())?;
        Ok((mean.score(), found))
    }

    fn classified(&self, digits: &Digits, which: Range<usize>) -> Result<(Mean, Vec<i32>)> {
        let (mut mean, mut found) = (Mean::default(), Vec::new());
        for start in which.clone().step_by(TEST_BATCH) {
            let (images, labels) = digits.batch(&digits.indices(start, TEST_BATCH.min(which.end - start)));
            let count = labels.size();
            let (loss, right, classes) = self.test.call((self.state.params.clone(), images, labels))?;
            mean.add(&loss, &right, count)?;
            found.extend(classes.to_vec::<i32>()?);
        }
        Ok((mean, found))
    }
}

/// One step of training on this rank's part of the images, of which there are `count` on all ranks: the next state, and, of
/// all ranks' images, the mean loss, and how many were classified rightly.
fn step(model: Cnn) -> Step {
    jit(Box::new(move |(state, images, labels, count): (State, Tensor, Tensor, Tensor)| {
        let ((loss, right), grads) = value_and_grad(|params: &Dict| {
            let logits = model.apply(Variables::new().with("params", params)).call(&images)?;
            // Not the mean of this part, which may have an image less than others.
            let loss = softmax_cross_entropy_with_integer_labels(&logits, &labels).sum() / &count;
            Ok((loss, count_right(&logits, &labels)))
        })(&state.params)?;
        let grads = collectives::psum(&grads, BATCH)?;
        Ok((state.apply_gradients(&grads)?, loss.psum(BATCH)?, right.psum(BATCH)?))
    }))
}

/// The mean loss, how many images are classified rightly, and the class of each.
fn test(model: Cnn) -> Test {
    jit(Box::new(move |(params, images, labels): (Dict, Tensor, Tensor)| {
        let logits = model.apply(Variables::new().with("params", params)).call(&images)?;
        let loss = softmax_cross_entropy_with_integer_labels(&logits, &labels).mean();
        Ok((loss, count_right(&logits, &labels), logits.argmax(-1)))
    }))
}

fn count_right(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.argmax(-1).eq(labels).cast(DType::I32).sum()
}

#[cfg(test)]
mod tests;
