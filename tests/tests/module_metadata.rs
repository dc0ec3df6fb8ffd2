//! Parameters and variables in boxes: modules see what is in them.

use flaxen::prelude::*;
use flaxen::scope;
use flaxen::variables::{Boxed, Partitioned, unbox};

fn names() -> Partitioned {
    Partitioned::new(["in", "out"])
}

/// The box of a parameter or variable.
fn boxed<'a>(variables: &'a Variables, path: &str) -> Result<&'a Boxed> {
    match variables.at(path)? {
        Value::Boxed(boxed) => Ok(boxed),
        other => Err(flaxen::Error::msg(format!("{path}: {other:?} is in no box"))),
    }
}

#[test]
fn a_boxed_parameter_of_a_scope_is_read_without_its_box() -> Result<()> {
    let f = |s: &Scope| s.param("kernel", init::ones().boxed(names()), [2, 3]);
    let (kernel, variables) = scope::init(key(0)).run(f)?;
    assert_eq!(kernel.shape(), [2, 3]);
    assert_eq!(boxed(&variables, "params/kernel")?.metadata_as::<Partitioned>(), Some(&names()));
    let again = scope::apply(&variables).run(f)?;
    assert_eq!(again.to_vec::<f32>()?, [1.0; 6]);
    Ok(())
}

#[test]
fn a_boxed_variable_of_a_scope_keeps_its_box_when_it_is_set() -> Result<()> {
    let f = |s: &Scope| {
        let boxed = || Value::from(Boxed::new(Tensor::ones([2, 3]), names()));
        let kernel = s.variable("state", "kernel", boxed)?;
        let value = kernel.get().tensor()?.clone();
        kernel.set(&value + 1.0)?;
        Ok(value)
    };
    let (first, variables) = scope::init(key(0)).run(f)?;
    assert_eq!(first.to_vec::<f32>()?, [1.0; 6]);
    assert_eq!(boxed(&variables, "state/kernel")?.metadata_as::<Partitioned>(), Some(&names()));
    let (second, variables) = scope::apply(&variables).mutable("state").run(f)?;
    assert_eq!(second.to_vec::<f32>()?, [2.0; 6]);
    assert_eq!(boxed(&variables, "state/kernel")?.value().tensor()?.to_vec::<f32>()?, [3.0; 6]);
    Ok(())
}

#[module]
struct Model;

impl Model {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let kernel = self.param("kernel", init::ones().boxed(names()), [x.shape()[1], 2])?;
        let mean = self.variable("state", "mean", || Value::from(Boxed::new(Tensor::zeros([2]), names())))?;
        let y = x.dot(&kernel);
        if !self.is_initializing() && mean.is_mutable() {
            mean.set(y.mean_axes(0))?;
        }
        let mean = mean.get().tensor()?.clone();
        Ok(y - mean)
    }
}

#[test]
fn a_boxed_parameter_of_a_module_is_read_without_its_box() -> Result<()> {
    let (model, x) = (Model::new(), Tensor::ones([4, 3]));
    let variables = model.init(key(0)).run(|m| m.call(&x))?;
    assert_eq!(boxed(&variables, "params/kernel")?.metadata_as::<Partitioned>(), Some(&names()));
    let plain = unbox(&variables)?;
    let run = |variables: &Variables| model.apply(variables).run(|m| m.call(&x))?.to_vec::<f32>();
    assert_eq!(run(&variables)?, run(&plain)?);
    Ok(())
}

#[test]
fn a_boxed_variable_of_a_module_keeps_its_box_when_it_is_set() -> Result<()> {
    let (model, x) = (Model::new(), Tensor::ones([4, 3]));
    let variables = model.init(key(0)).run(|m| m.call(&x))?;
    let (_, updates) = model.apply(&variables).mutable("state").run(|m| m.call(&x))?;
    let mean = boxed(&updates, "state/mean")?;
    assert_eq!(mean.metadata_as::<Partitioned>(), Some(&names()));
    assert_eq!(mean.value().tensor()?.to_vec::<f32>()?, [3.0; 2]);
    Ok(())
}

#[test]
fn a_gradient_of_boxed_parameters_is_boxed() -> Result<()> {
    let (model, x) = (Model::new(), Tensor::ones([4, 3]));
    let (params, state) = model.init(key(0)).run(|m| m.call(&x))?.pop("params")?;
    let loss = |p: &Dict| Ok(model.apply(state.with("params", p)).run(|m| m.call(&x))?.sum());
    let grads = grad(loss)(&params)?;
    let Value::Boxed(kernel) = &grads["kernel"] else { panic!("the box is gone") };
    assert_eq!(kernel.metadata_as::<Partitioned>(), Some(&names()));
    assert_eq!(kernel.value().tensor()?.to_vec::<f32>()?, [4.0; 6]);
    Ok(())
}
