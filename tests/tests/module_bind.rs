//! Models that stay bound, and modules taken out of them.

use std::sync::Arc;

use flaxen::prelude::*;
use flaxen_tests::modules::{numbers, paths, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

#[module]
struct AutoEncoder {
    #[setup(Dense::new(2))]
    encoder: Dense,
    #[submodule]
    decoder: Dense,
}

impl AutoEncoder {
    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        self.encoder.call(x)
    }
}

impl Layer for AutoEncoder {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.decoder.call(&self.encode(x)?)
    }
}

fn model_and_variables() -> Result<(AutoEncoder, Variables)> {
    let model = AutoEncoder::new(Dense::new(3));
    let variables = model.init(key(0)).call(&x())?;
    Ok((model, variables))
}

#[test]
fn calling_a_bound_model_is_applying_it() -> Result<()> {
    let (model, variables) = model_and_variables()?;
    let bound = model.bind(&variables).module()?;
    let expected = numbers(&model.apply(&variables).call(&x())?);
    for _ in 0..2 {
        assert_eq!(numbers(&bound.call(&x())?), expected);
    }
    let encoded = model.apply(&variables).run(|m| m.encode(&x()))?;
    assert_eq!(numbers(&bound.encode(&x())?), numbers(&encoded));
    assert_eq!(numbers(&bound.encoder.call(&x())?), numbers(&encoded));
    assert_eq!(bound, model);
    assert!(!model.is_bound());
    Ok(())
}

#[test]
fn a_bound_model_runs_on_several_threads_at_once() -> Result<()> {
    let (model, variables) = model_and_variables()?;
    let bound = model.bind(&variables).module()?;
    let expected = numbers(&bound.call(&x())?);
    let ys: Vec<_> = std::thread::scope(|threads| {
        let running: Vec<_> =
            (0..4).map(|_| threads.spawn(|| bound.call(&x()).map(|y| numbers(&y)))).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for y in ys {
        assert_eq!(y?, expected);
    }
    Ok(())
}

#[module]
struct Counter;

impl Counter {
    #[compact]
    fn count(&self) -> Result<f32> {
        let count = self.variable("state", "count", || Tensor::from(0.0f32))?;
        count.set(count.get() + 1.0)?;
        count.get().item()
    }
}

#[test]
fn a_bound_model_keeps_what_it_writes() -> Result<()> {
    let given = Variables::from([("state", Dict::new().with("count", Tensor::from(5.0f32)))]);
    let bound = Counter::new().bind(&given).mutable("state").module()?;
    assert_eq!([bound.count()?, bound.count()?], [6.0, 7.0]);
    assert_eq!(bound.variables()?.tensor("state/count")?.item::<f32>()?, 7.0);
    assert_eq!(given.tensor("state/count")?.item::<f32>()?, 5.0);

    let immutable = Counter::new().bind(&given).module()?;
    assert!(matches!(root_error(immutable.count()), Error::Immutable { .. }));
    Ok(())
}

#[test]
fn a_bound_model_has_random_streams() -> Result<()> {
    let dropout = Dropout::new(0.5);
    let x = Tensor::ones([100]);
    let rngs = || Rngs::none().with("dropout", key(0));
    let bound = dropout.bind(Variables::new()).rngs(rngs()).module()?;
    let (first, second) = (bound.call(&x, true)?, bound.call(&x, true)?);
    let applied = dropout.apply(Variables::new()).rngs(rngs()).run(|m| m.call(&x, true))?;
    assert_eq!(numbers(&first), numbers(&applied));
    assert_ne!(numbers(&first), numbers(&second));
    Ok(())
}

#[test]
fn binding_binds_modules_at_any_depth() -> Result<()> {
    let mut model = sequential![Dense::new(4), sequential![Dense::new(5), Tensor::relu]];
    model.layers[0] = flaxen::module::IntoLayer::into_layer(Dense::new(2));
    let variables = model.init(key(0)).call(&x())?;
    assert_eq!(variables.tensor("params/layers_0/kernel")?.shape(), [3, 2]);

    let bound = model.bind(&variables).module()?;
    assert_eq!(bound.layers[0].path()?, ["layers_0"]);
    let inner = bound.layers[1].downcast_ref::<Sequential>().expect("a `Sequential`");
    assert_eq!(inner.layers[0].path()?, ["layers_1", "layers_0"]);
    assert_eq!(paths(&inner.layers[0].variables()?, "params"), ["bias", "kernel"]);
    assert!(!model.layers[0].is_bound());
    Ok(())
}

#[test]
fn a_submodule_is_taken_out_with_its_part_of_the_variables() -> Result<()> {
    let (model, variables) = model_and_variables()?;
    let bound = model.bind(&variables).module()?;
    for (submodule, name, features) in [(&*bound.encoder, "encoder", 2), (&bound.decoder, "decoder", 3)] {
        assert_eq!(submodule.name().as_deref(), Some(name));
        let (alone, its_own) = submodule.unbind()?;
        assert_eq!(alone, Dense::new(features));
        assert_eq!((alone.is_bound(), alone.name()), (false, None));
        assert_eq!(its_own.dict("params")?, variables.dict(["params", name])?);
    }
    let (encoder, its_own) = bound.encoder.unbind()?;
    assert_eq!(numbers(&encoder.apply(&its_own).call(&x())?), numbers(&bound.encode(&x())?));
    Ok(())
}

#[test]
fn binding_and_unbinding_returns_model_and_variables() -> Result<()> {
    let (model, variables) = model_and_variables()?;
    let (again, same) = model.bind(&variables).module()?.unbind()?;
    assert_eq!((&again, &same), (&model, &variables));
    assert!(!again.is_bound() && !again.decoder.is_bound() && !again.encoder.is_bound());
    assert!(matches!(root_error(again.unbind()), Error::Unbound { .. }));
    Ok(())
}

#[test]
fn a_module_of_a_run_that_is_over_cannot_be_taken_out() -> Result<()> {
    let (model, variables) = model_and_variables()?;
    let kept = model.apply(&variables).run(|m| Ok(m.clone()))?;
    let error = root_error(kept.unbind());
    assert!(matches!(error, Error::InvalidScope { .. }), "{error:?}");
    assert!(matches!(root_error(kept.call(&x())), Error::InvalidScope { .. }));
    assert_eq!(kept.copy(), model);
    Ok(())
}

#[module]
struct Two {
    #[submodule]
    a: Arc<Dense>,
    #[submodule]
    b: Vec<Arc<Dense>>,
}

impl Layer for Two {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.b.iter().try_fold(self.a.call(x)?, |x, layer| layer.call(&x))
    }
}

#[test]
fn what_is_shared_is_shared_in_copies_too() -> Result<()> {
    let (shared, own) = (Arc::new(Dense::new(3)), Arc::new(Dense::new(3)));
    let model = Two::new(shared.clone(), vec![own, shared]);
    let variables = model.init(key(0)).call(&x())?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["a", "b_0"]);
    let bound = model.bind(&variables).module()?;
    for alone in [bound.unbind()?.0, bound.copy(), model.copy()] {
        assert!(Arc::ptr_eq(&alone.a, &alone.b[1]) && !Arc::ptr_eq(&alone.a, &alone.b[0]));
        assert!(!Arc::ptr_eq(&alone.a, &bound.a));
        assert_eq!(numbers(&alone.apply(&variables).call(&x())?), numbers(&bound.call(&x())?));
    }
    Ok(())
}

#[test]
fn a_bound_model_that_is_dropped_lets_go_of_what_it_held() -> Result<()> {
    let (witness, shared) = (Arc::new("witness"), Arc::new(Dense::new(3)));
    {
        let encoder = AutoEncoder::new(Dense::new(3));
        let model = sequential![encoder, shared.clone(), shared.clone()];
        let variables = model.init(key(0)).call(&x())?;
        let state = Dict::new().with("witness", Value::of(&Static(witness.clone())));
        let bound = model.bind(variables.with("state", state)).module()?;
        bound.call(&x())?;
        bound.clone().call(&x())?;
        assert!(Arc::strong_count(&witness) > 1 && Arc::strong_count(&shared) > 1);
    }
    assert_eq!((Arc::strong_count(&witness), Arc::strong_count(&shared)), (1, 1));
    Ok(())
}
