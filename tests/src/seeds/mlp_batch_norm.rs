//! A model of one example, whose normalisation averages over the batch it is mapped over.

use flaxen::prelude::*;

use super::{assert_array, assert_group, assert_initial, number, seed, setting};
use crate::golden::Case;

#[module]
struct Mlp {
    hidden: usize,
    out: usize,
    momentum: f64,
    epsilon: f64,
}

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let norm =
            || self.child(BatchNorm::new().momentum(self.momentum).epsilon(self.epsilon).axis_name("batch"));
        let x = Dense::new(self.hidden).call(x)?;
        let x = norm().call(&x, train)?.relu();
        let x = Dense::new(self.hidden).call(&x)?;
        let x = norm().call(&x, train)?.relu();
        Dense::new(self.out).call(&x)
    }
}

/// Some steps on one batch.
///
/// # Errors
/// What the program returns.
pub fn train(case: &Case) -> Result<()> {
    let number = |name: &str| number(case, name);
    let is_training = case.settings()["train"].as_bool().expect("a flag");
    let mlp = Mlp::new(setting(case, "hidden"), setting(case, "out"), number("momentum"), number("epsilon"));
    let (xs, ys) = (case.array("in/X"), case.array("in/Y"));
    let variables = mlp.init(seed(case)).run(|m| m.call(&xs.index_axis(0, 0), is_training))?;
    assert_initial(case, "init", &variables)?;
    let (mut params, mut state) = variables.pop("params")?;
    for step in 0..setting(case, "steps") {
        let loss = |params: &Dict| {
            let f = vmap(|(x, y): (Tensor, Tensor)| {
                let run = mlp.apply(state.with("params", params)).mutable("batch_stats");
                let (predicted, state) = run.run(|m| m.call(&x, is_training))?;
                Ok(((y - predicted).square().mean(), state))
            });
            let (losses, state) = f.axis_name("batch").out_axes((0, None)).call((xs.clone(), ys.clone()))?;
            Ok((losses.mean(), state))
        };
        let ((loss, new), grads) = value_and_grad(loss)(&params)?;
        params = tree::zip_map(&params, &grads, |p, gradient| Ok(p - gradient * number("lr")))?;
        state = new;
        let at = |name: &str| format!("steps/{step}/{name}");
        let is_recorded = |group: &str| !case.group(&at(group)).is_empty();
        assert_array(case, &at("loss"), &loss);
        if is_recorded("grads") {
            assert_group(case, &at("grads"), &grads);
        }
        assert_group(case, &at("params"), &params);
        assert_group(case, &at("state"), state.as_dict());
    }
    Ok(())
}
