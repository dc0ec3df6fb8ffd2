//! `ppo`: an actor and critic over pictures of games, trained by proximal policy optimization.

use flaxen::prelude::*;

use super::{Example, State, with_params};

#[module]
struct ActorCritic {
    num_outputs: usize,
    /// The features of the first convolution, of the other two, and of the layer behind them.
    widths: [usize; 3],
}

impl ActorCritic {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let dtype = DType::F32;
        let [first, others, hidden] = self.widths;
        let conv = |features, size, strides| {
            Conv::new(features, [size, size]).strides([strides, strides]).dtype(dtype)
        };
        let x = x.cast(dtype) / 255.0;
        let x = self.child_named("conv1", conv(first, 8, 4)).call(&x)?.relu();
        let x = self.child_named("conv2", conv(others, 4, 2)).call(&x)?.relu();
        let x = self.child_named("conv3", conv(others, 3, 1)).call(&x)?.relu();
        let x = x.reshape([x.shape()[0] as isize, -1]);
        let x = self.child_named("hidden", Dense::new(hidden).dtype(dtype)).call(&x)?.relu();
        let logits = self.child_named("logits", Dense::new(self.num_outputs).dtype(dtype)).call(&x)?;
        let value = self.child_named("value", Dense::new(1).dtype(dtype)).call(&x)?;
        Ok((logits.log_softmax(-1), value))
    }
}

/// Generalized advantage estimation, of `[steps, agents]` rewards and masks, and `[steps + 1, agents]` values.
fn gae_advantages(
    rewards: &Tensor,
    terminal_masks: &Tensor,
    values: &Tensor,
    discount: f32,
    gae_param: f32,
) -> Result<Tensor> {
    let one = |(rewards, masks, values): (Tensor, Tensor, Tensor)| {
        let mut advantages = Vec::new();
        let mut gae = Tensor::from(0.0);
        for t in (0..rewards.shape()[0] as isize).rev() {
            let value_diff = values.get(t + 1) * discount * masks.get(t) - values.get(t);
            let delta = rewards.get(t) + value_diff;
            gae = delta + masks.get(t) * (discount * gae_param) * gae;
            advantages.push(gae.clone());
        }
        advantages.reverse();
        Tensor::try_stack(&advantages, 0)
    };
    jit(|(rewards, masks, values): (Tensor, Tensor, Tensor)| {
        vmap(one).in_axes((1, 1, 1)).out_axes(1).call((rewards, masks, values))
    })
    .call((rewards.clone(), terminal_masks.clone(), values.clone()))
}

/// States, actions, logarithms of probabilities, returns and advantages.
type Trajectories = (Tensor, Tensor, Tensor, Tensor, Tensor);

struct Coefficients {
    clip: f32,
    value: f32,
    entropy: f32,
}

fn loss(
    model: &ActorCritic,
    params: &Dict,
    (states, actions, old_log_probs, returns, advantages): &Trajectories,
    coefficients: &Coefficients,
) -> Result<Tensor> {
    let (log_probs, values) = model.apply(with_params(params)).run(|m| m.call(states))?;
    let values = values.index_axis(1, 0);
    let probs = log_probs.exp();
    let value_loss = (returns - values).square().mean_axes(0);
    let entropy = (-probs * &log_probs).sum_axes(1).mean();
    let taken = vmap(|(log_probs, action): (Tensor, Tensor)| log_probs.try_take(&action, 0));
    let log_probs_act_taken = taken.call((log_probs, actions.clone()))?;
    let ratios = (log_probs_act_taken - old_log_probs).exp();
    let advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8);
    let pg_loss = &ratios * &advantages;
    let clipped_loss = advantages * ratios.clip(1.0 - coefficients.clip, 1.0 + coefficients.clip);
    let ppo_loss = -pg_loss.minimum(clipped_loss).mean_axes(0);
    Ok(ppo_loss + value_loss * coefficients.value - entropy * coefficients.entropy)
}

fn train_step(
    model: &ActorCritic,
    mut state: State,
    trajectories: &Trajectories,
    batch_size: usize,
    coefficients: &Coefficients,
) -> Result<(State, Tensor)> {
    let iterations = trajectories.0.shape()[0] / batch_size;
    let batched = tree::map(trajectories, |x| {
        let shape = [&[iterations, batch_size], &x.shape()[1..]].concat();
        x.try_reshape(shape)
    })?;
    let mut total = Tensor::from(0.0);
    for i in 0..iterations as isize {
        let batch = tree::map(&batched, |x| x.try_get(i))?;
        let loss = |params: &Dict| loss(model, params, &batch, coefficients);
        let (value, grads) = value_and_grad(loss)(&state.params)?;
        total += value;
        state = state.apply_gradients(&grads)?;
    }
    Ok((state, total))
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("ppo");
    let model = ActorCritic::new(4, [4, 5, 6]);
    let variables = model.init(key(0)).run(|m| m.call(&Tensor::ones([1, 12, 12, 2])))?;
    let params = variables.dict("params")?;
    example.initial("init/params", params);

    let [rewards, masks, values] = ["in/rewards", "in/masks", "in/values"].map(|key| example.array(key));
    example.near("advantages", &gae_advantages(&rewards, &masks, &values, 0.99, 0.95)?);
    let part = |i: usize| example.array(&format!("in/trajectories/{i}"));
    let trajectories: Trajectories = (part(0), part(1), part(2), part(3), part(4));
    example.near("out", &model.apply(&variables).run(|m| m.call(&trajectories.0))?);

    let coefficients = Coefficients { clip: 0.1, value: 0.5, entropy: 0.01 };
    let step = jit(|(state, trajectories): (State, Trajectories)| {
        train_step(&model, state, &trajectories, 4, &coefficients)
    });
    let tx = optim::adam(optim::linear_schedule(2.5e-4, 0.0, 8));
    example.train(params, tx, 1, |state, _| step.call((state, trajectories.clone())))?;
    example.finish();
    Ok(())
}
