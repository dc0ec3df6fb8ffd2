//! Variables that are no parameters: what a model remembers from one call to the next.
//!
//! Parameters are trained, other variables are written by the model itself: here a running mean, then the statistics of
//! batch normalisation. A model never keeps them. A run takes variables, and returns those it was allowed to write.

use flaxen::prelude::*;

/// Adds a bias and the running mean of what it saw.
#[module]
struct BiasAdderWithRunningMean {
    #[module(default = 0.9)]
    momentum: f32,
}

impl Layer for BiasAdderWithRunningMean {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        // Asked before the variable is made, this tells `init` from later runs.
        let is_initialized = self.has_variable("batch_stats", "mean");
        let shape = &x.shape()[1..];
        let mean = self.variable("batch_stats", "mean", || Tensor::zeros(shape))?;
        let bias = self.param("bias", init::zeros(), shape)?;
        if is_initialized {
            mean.set(mean.get() * self.momentum + x.mean_axes(0) * (1.0 - self.momentum))?;
        }
        Ok(mean.get() + bias)
    }
}

/// A network of one example, normalised over the examples of the batch it is mapped over.
#[module]
struct Mlp {
    hidden: usize,
    out: usize,
}

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let norm = || self.child(BatchNorm::new().momentum(0.9).axis_name("batch"));
        let x = Dense::new(self.hidden).call(x)?;
        let x = norm().call(&x, train)?.relu();
        let x = Dense::new(self.hidden).call(&x)?;
        let x = norm().call(&x, train)?.relu();
        Dense::new(self.out).call(&x)
    }
}

fn main() -> Result<()> {
    running_mean()?;
    batch_norm()
}

fn running_mean() -> Result<()> {
    println!("A running mean of ones, from zero:");
    let (model, x) = (BiasAdderWithRunningMean::new(), Tensor::ones([10, 3]));
    let (params, mut state) = model.init(key(0)).call(&x)?.pop("params")?;
    for _ in 0..3 {
        let (_, next) = model.apply(state.with("params", &params)).mutable("batch_stats").call(&x)?;
        state = next;
        println!("  {:?}", state.tensor("batch_stats/mean")?.to_vec::<f32>()?);
    }

    println!("Without `mutable` the run may not write it:");
    if let Err(error) = model.apply(state.with("params", &params)).call(&x) {
        println!("  {error}");
    }
    Ok(())
}

fn batch_norm() -> Result<()> {
    println!("\nBatch normalisation of a model of one example, under `vmap` with the axis named:");
    let xs = random::normal(&key(1), [64, 4]) * 3.0 + 1.0;
    let ys = xs.sum_keep(-1).tanh();
    let mlp = Mlp::new(16, 1);
    let variables = mlp.init(key(0)).run(|m| m.call(&xs.get(0), true))?;
    let (mut params, mut state) = variables.pop("params")?;
    let tx = optim::adam(0.02);
    let mut opt_state = tx.init(&params);

    let step = jit(|(params, opt_state, state, xs, ys): (Dict, AdamState, Variables, Tensor, Tensor)| {
        let ((loss, state), grads) = value_and_grad(|params: &Dict| {
            let of_example = vmap(|(x, y): (Tensor, Tensor)| {
                let run = mlp.apply(state.with("params", params)).mutable("batch_stats");
                let (predicted, state) = run.run(|m| m.call(&x, true))?;
                Ok(((predicted - y).square().sum(), state))
            });
            // A loss for each example, but one state: it is the same for all of them.
            let (losses, state) =
                of_example.axis_name("batch").out_axes((0, None)).call((xs.clone(), ys.clone()))?;
            Ok((losses.mean(), state))
        })(&params)?;
        let (updates, opt_state) = tx.update(&grads, &opt_state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, opt_state, state, loss))
    });

    for count in 0..=60 {
        let loss;
        (params, opt_state, state, loss) = step.call((params, opt_state, state, xs.clone(), ys.clone()))?;
        if count % 20 == 0 {
            let mean = state.tensor("batch_stats/BatchNorm_0/mean")?;
            println!(
                "  step {count:2}: loss {:.4}, running mean of the first feature {:+.3}",
                loss.item::<f32>()?,
                mean.to_vec::<f32>()?[0]
            );
        }
    }

    println!("Evaluated, it uses the running averages, so an example does not depend on its batch:");
    let variables = state.with("params", &params);
    let evaluate = |xs: &Tensor| mlp.apply(&variables).run(|m| m.call(xs, false));
    let (alone, together) = (evaluate(&xs.slice_axis(0, 0..1))?, evaluate(&xs)?);
    println!(
        "  alone {:+.4}, among others {:+.4}, expected {:+.4}",
        alone.to_vec::<f32>()?[0],
        together.to_vec::<f32>()?[0],
        ys.to_vec::<f32>()?[0]
    );
    Ok(())
}
