//! A parameter and a running mean, trained by gradient descent; the state is returned, never hidden.

use flaxen::prelude::*;

use super::{assert_array, assert_group, assert_initial, number, seed, setting};
use crate::golden::Case;

#[module]
struct BiasAdderWithRunningMean {
    #[module(default = 0.9)]
    momentum: f32,
}

impl Layer for BiasAdderWithRunningMean {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let is_initialized = self.has_variable("batch_stats", "mean");
        let shape = &x.shape()[1..];
        let mean = self.variable("batch_stats", "mean", || Tensor::zeros(shape))?;
        let bias = self.param("bias", init::zeros(), shape)?;
        if is_initialized {
            mean.set(mean.get() * self.momentum + x.mean_keep(0) * (1.0 - self.momentum))?;
        }
        Ok(mean.get() + bias)
    }
}

/// Some steps on one batch.
///
/// # Errors
/// What the program returns.
pub fn train(case: &Case) -> Result<()> {
    let number = |name: &str| number(case, name);
    let model = BiasAdderWithRunningMean::new().momentum(number("momentum") as f32);
    let (x, lr) = (case.array("in/x"), number("lr"));
    let variables = model.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    let (mut params, mut state) = variables.pop("params")?;
    for step in 0..setting(case, "steps") {
        let ((loss, new), grads) = value_and_grad(|p: &Dict| {
            let (y, state) = model.apply(state.with("params", p)).mutable("batch_stats").call(&x)?;
            Ok(((&x - y).square().sum(), state))
        })(&params)?;
        params = tree::zip_map(&params, &grads, |p, gradient| Ok(p - gradient * lr))?;
        state = new;
        let at = |name: &str| format!("steps/{step}/{name}");
        assert_array(case, &at("loss"), &loss);
        assert_group(case, &at("grads"), &grads);
        assert_group(case, &at("params"), &params);
        assert_group(case, &at("state"), state.as_dict());
    }
    Ok(())
}
