//! Gradients of what is in the middle of a model.

use flaxen::prelude::*;

use super::{assert_array, assert_group, assert_initial, seed, setting};
use crate::golden::Case;

#[module]
struct Model {
    hidden: usize,
    out: usize,
}

impl Layer for Model {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let h = Dense::new(self.hidden).call(x)?.relu();
        let h = self.perturb("hidden", &h)?;
        let logits = Dense::new(self.out).call(&h)?;
        self.perturb("logits", &logits)
    }
}

/// Gradients of the loss with respect to the perturbations, which are zeros, and with others.
///
/// # Errors
/// What the program returns.
pub fn perturb(case: &Case) -> Result<()> {
    let model = Model::new(setting(case, "hidden"), setting(case, "out"));
    let (x, y) = (case.array("in/x"), case.array("in/y"));
    let variables = model.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    let (params, perturbations) = variables.pop("params")?;
    let (perturbations, _) = perturbations.pop("perturbations")?;

    let loss = |(params, perturbations): &(Dict, Dict)| {
        let variables =
            Variables::from([("params", params.clone()), ("perturbations", perturbations.clone())]);
        let predicted = model.apply(&variables).call(&x)?;
        Ok((predicted - &y).square().mean())
    };
    let (value, (grads, intermediate)) = value_and_grad(loss)(&(params.clone(), perturbations))?;
    assert_array(case, "loss", &value);
    assert_group(case, "param_grads", &grads);
    assert_group(case, "intermediate_grads", &intermediate);

    let plain = Variables::new().with("params", &params);
    assert_array(case, "out_plain", &model.apply(&plain).call(&x)?);
    let others: Dict = case.group("used_nonzero_perturbations").into_iter().collect();
    let moved = plain.with("perturbations", &others);
    assert_array(case, "out_nonzero", &model.apply(&moved).call(&x)?);
    let (_, made) = model.apply(&plain).mutable("perturbations").call(&x)?;
    assert_group(case, "created_by_apply", made.as_dict());

    let (_, without) = others.pop("logits")?;
    let error = model.apply(plain.with("perturbations", without)).call(&x).expect_err("one is missing");
    assert!(matches!(error.root(), flaxen::Error::PerturbationNotFound { .. }), "{error}");
    Ok(())
}
