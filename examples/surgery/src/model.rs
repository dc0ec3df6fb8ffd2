//! An encoder with a head, and how it is trained.

use flaxen::prelude::*;

#[module]
pub struct Encoder {
    pub width: usize,
}

impl Layer for Encoder {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.width).call(x)?.tanh();
        Ok(Dense::new(self.width).call(&x)?.tanh())
    }
}

#[module]
pub struct Model {
    pub outputs: usize,
    #[setup(Encoder::new(32))]
    encoder: Encoder,
    #[setup(Dense::new(self.outputs))]
    head: Dense,
}

impl Layer for Model {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.head.call(&self.encoder.call(x)?)
    }
}

impl Model {
    /// Parameters to begin with, for inputs of three features.
    pub fn fresh(&self, seed: u64) -> Result<Dict> {
        Ok(self.init(key(seed)).call(&Tensor::ones([1, 3]))?.pop("params")?.0)
    }
}

/// What there is to learn: functions of three numbers, two of them in the first task, another one in the second.
pub struct Task {
    pub x: Tensor,
    pub y: Tensor,
}

impl Task {
    pub fn first() -> Task {
        let x = random::normal(&key(10), [256, 3]);
        let sum = x.sum_keep(1);
        let y = Tensor::concatenate(&[sum.sin(), (&sum * 2.0).cos()], 1);
        Task { x, y }
    }

    /// Few examples of a function that is a mixture of those of the first task.
    pub fn second() -> Task {
        let x = random::normal(&key(11), [24, 3]);
        let sum = x.sum_keep(1);
        let y = sum.sin() - (&sum * 2.0).cos() * 0.5;
        Task { x, y }
    }

    /// The second task's function at points that were not trained on.
    pub fn unseen() -> Task {
        let x = random::normal(&key(12), [256, 3]);
        let sum = x.sum_keep(1);
        let y = sum.sin() - (&sum * 2.0).cos() * 0.5;
        Task { x, y }
    }
}

/// The mean squared error of a model's outputs.
pub fn loss(model: &Model, params: &Dict, task: &Task) -> Result<Tensor> {
    let predicted = model.apply(Variables::new().with("params", params)).call(&task.x)?;
    Ok((predicted - &task.y).square().mean())
}

/// Parameters and the optimizer's state after so many steps.
pub fn train<T: GradientTransformation<Dict>>(
    model: &Model,
    tx: &T,
    (mut params, mut state): (Dict, T::State),
    task: &Task,
    steps: usize,
) -> Result<(Dict, T::State)> {
    let step = jit(|(params, state): (Dict, T::State)| {
        let grads = grad(|params: &Dict| loss(model, params, task))(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, state))
    });
    for _ in 0..steps {
        (params, state) = step.call((params, state))?;
    }
    Ok((params, state))
}
