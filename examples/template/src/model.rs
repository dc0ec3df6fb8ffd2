//! Two spirals, a network that tells them apart, and a step of its training.

use flaxen::prelude::*;
use flaxen::train::metrics::{self, Average};

/// Layers of `hidden` units each, with dropout between them.
#[module]
pub struct Mlp {
    pub hidden: Vec<usize>,
    #[module(default = 0.1)]
    pub dropout: f64,
}

impl Mlp {
    /// `[batch, 2]` points to `[batch, 2]` logits.
    #[compact]
    pub fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for &units in &self.hidden {
            x = Dense::new(units).call(&x)?.relu();
            x = Dropout::new(self.dropout).call(&x, train)?;
        }
        Dense::new(2).call(&x)
    }
}

/// What is known of a model after some batches.
#[derive(Clone, Tree)]
pub struct Metrics {
    pub loss: Average,
    pub accuracy: Average,
}

impl Metrics {
    pub fn of(logits: &Tensor, labels: &Tensor) -> Result<Metrics> {
        let losses = softmax_cross_entropy_with_integer_labels(logits, labels);
        Ok(Metrics { loss: Average::of(losses)?, accuracy: metrics::accuracy(logits, labels)? })
    }
}

/// The state of a training whose optimizer may be any.
pub type State = TrainState;

/// A state to begin with.
pub fn start(model: &Mlp, learning_rate: f64) -> Result<State> {
    let variables = model.init(key(0)).run(|m| m.call(&Tensor::zeros([1, 2]), false))?;
    Ok(TrainState::create(variables.pop("params")?.0, optim::adam(learning_rate).boxed()))
}

/// One step of training on a batch: the next state, and the metrics before it.
pub fn step(model: &Mlp, (state, x, labels): (State, Tensor, Tensor)) -> Result<(State, Metrics)> {
    let rng = key(1).fold_in(&state.step);
    let loss = |params: &Dict| {
        let logits =
            model.apply([("params", params)]).rngs([("dropout", rng.clone())]).run(|m| m.call(&x, true))?;
        Ok((softmax_cross_entropy_with_integer_labels(&logits, &labels).mean(), logits))
    };
    let ((_, logits), grads) = value_and_grad(loss)(&state.params)?;
    Ok((state.apply_gradients(&grads)?, Metrics::of(&logits, &labels)?))
}

/// `count` points `[count, 2]` of two spirals in turns, and which one each is on, `[count]`.
pub fn spirals(count: usize, rng: &random::Key) -> (Tensor, Tensor) {
    let labels = Tensor::arange(0, count, 1) % 2;
    let along = random::uniform(rng, [count]).sqrt();
    let angle = &along * 9.0 + &labels * std::f32::consts::PI;
    (Tensor::stack(&[&along * angle.cos(), &along * angle.sin()], -1), labels)
}
