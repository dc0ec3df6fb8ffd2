//! Methods: which of them a run may call, how their submodules are counted, and methods that are scopes.

use flaxen::prelude::*;
use flaxen::scope::{PathPart, fold_in_path};
use flaxen_tests::modules::{numbers, paths, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

fn dense(features: usize) -> Dense {
    Dense::new(features).use_bias(false)
}

#[module]
struct Encoder {
    #[setup(dense(2))]
    trunk: Dense,
}

impl Encoder {
    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        self.trunk.call(x)
    }

    #[compact]
    fn decode(&self, z: &Tensor, width: usize) -> Result<Tensor> {
        self.child(dense(width)).call(z)
    }

    /// A plain method that needs no run.
    fn width(&self) -> usize {
        self.trunk.features
    }
}

impl Layer for Encoder {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.decode(&self.encode(x)?, 3)
    }
}

#[test]
fn a_run_calls_any_method_with_any_arguments() -> Result<()> {
    let model = Encoder::new();
    let (y, variables) = model.init_with_output(key(0)).call(&x())?;
    let z = model.apply(&variables).run(|m| m.encode(&x()))?;
    let again = model.apply(&variables).run(|m| m.decode(&z, 3))?;
    assert_eq!(numbers(&again), numbers(&y));
    assert_eq!(model.apply(&variables).run(|m| Ok(m.width()))?, 2);
    assert_eq!(numbers(&model.apply(&variables).run(|m| Layer::call(m, &x()))?), numbers(&y));
    Ok(())
}

#[test]
fn a_run_calls_a_submodule() -> Result<()> {
    let model = Encoder::new();
    let variables = model.init(key(0)).run(|m| m.trunk.call(&x()))?;
    assert_eq!(paths(&variables, "params"), ["trunk/kernel"]);
    let direct = model.apply(&variables).run(|m| m.trunk.call(&x()))?;
    assert_eq!(numbers(&direct), numbers(&model.apply(&variables).run(|m| m.encode(&x()))?));
    Ok(())
}

#[test]
fn a_run_calls_a_function_of_the_model() -> Result<()> {
    fn there_and_back(model: &Encoder, x: &Tensor) -> Result<Tensor> {
        let z = model.encode(x)?;
        let y = model.decode(&z, 3)?;
        model.sow("intermediates", "code", &z)?;
        Ok(y - x)
    }
    let model = Encoder::new();
    let (difference, variables) = model.init_with_output(key(0)).run(|m| there_and_back(m, &x()))?;
    let run = model.apply(&variables).mutable("intermediates");
    let (again, seen) = run.run(|m| there_and_back(m, &x()))?;
    assert_eq!(numbers(&difference), numbers(&again));
    assert_eq!(seen.at("intermediates/code")?.tuple()?[0].tensor()?.shape(), [1, 2]);
    Ok(())
}

#[test]
fn a_run_in_a_run_is_one_of_its_own() -> Result<()> {
    let model = Encoder::new();
    let ((y, inner), outer) =
        model.init_with_output(key(0)).run(|m| m.trunk.init_with_output(key(1)).call(&x()))?;
    assert!(outer.is_empty());
    let (alone, expected) = dense(2).init_with_output(key(1)).call(&x())?;
    assert_eq!((numbers(&y), inner), (numbers(&alone), expected));
    Ok(())
}

#[test]
fn compact_methods_of_an_unbound_module_are_an_error_and_plain_ones_are_not() {
    let model = Encoder::new();
    assert_eq!(model.width(), 2);
    for result in [model.encode(&x()), model.decode(&x(), 3), model.call(&x())] {
        let error = root_error(result);
        assert!(matches!(&error, Error::Unbound { module: "Encoder", .. }), "{error:?}");
        assert!(error.to_string().contains("run it with `init`, `apply` or `bind`"), "{error}");
    }
}

#[module]
struct Several;

impl Several {
    #[compact]
    fn first(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).use_bias(false).call(x)
    }

    #[compact]
    fn second(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(3).use_bias(false).call(x)?;
        let x = self.first(&x)?;
        Dense::new(3).use_bias(false).call(&x)
    }
}

#[test]
fn compact_methods_that_call_each_other_count_their_submodules_together() -> Result<()> {
    let variables = Several::new().init(key(0)).run(|m| m.second(&x()))?;
    assert_eq!(paths(&variables, "params"), ["Dense_0/kernel", "Dense_1/kernel", "Dense_2/kernel"]);
    Ok(())
}

#[test]
fn compact_methods_that_are_called_one_after_the_other_share_what_they_count_from_0() -> Result<()> {
    let variables = Several::new().init(key(0)).run(|m| m.first(&m.first(&x())?))?;
    assert_eq!(paths(&variables, "params"), ["Dense_0/kernel"]);
    Ok(())
}

#[module]
struct Scopes;

impl Scopes {
    #[compact(name_scope)]
    fn up(&self, x: &Tensor) -> Result<Tensor> {
        assert!(self.path()?.is_empty());
        self.sow("intermediates", "seen", x)?;
        let scale = self.param("scale", init::ones(), [1])?;
        Ok(Dense::new(3).use_bias(false).call(x)? * scale)
    }

    #[compact(name_scope)]
    fn down(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(3).use_bias(false).call(x)?;
        self.helper(&x)
    }

    #[compact]
    fn helper(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).use_bias(false).call(x)
    }

    /// Neither compact nor a scope.
    fn both(&self, x: &Tensor) -> Result<Tensor> {
        self.down(&self.up(x)?)
    }
}

impl Layer for Scopes {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.down(&self.up(x)?)?;
        self.helper(&x)
    }
}

#[test]
fn submodules_of_a_method_that_is_a_scope_are_below_its_name_and_all_else_is_the_modules() -> Result<()> {
    let variables = Scopes::new().init(key(0)).call(&x())?;
    let expected = ["Dense_0/kernel", "Dense_1/kernel", "down/Dense_0/kernel", "scale", "up/Dense_0/kernel"];
    assert_eq!(paths(&variables, "params"), expected);
    let (_, seen) = Scopes::new().apply(&variables).mutable("intermediates").call(&x())?;
    assert_eq!(seen.dict("intermediates")?.keys().collect::<Vec<_>>(), ["seen"]);
    Ok(())
}

#[test]
fn a_methods_scope_is_part_of_the_keys_of_its_submodules() -> Result<()> {
    let variables = Scopes::new().init(key(0)).call(&x())?;
    let path = [PathPart::Name("up"), PathPart::Name("Dense_0"), PathPart::Number(1)];
    let kernel = init::lecun_normal().tensor(&fold_in_path(&key(0), path, false)?, &[3, 3], DType::F32)?;
    assert_eq!(numbers(variables.tensor("params/up/Dense_0/kernel")?), numbers(&kernel));
    Ok(())
}

#[test]
fn methods_that_are_scopes_run_alone_and_from_plain_methods() -> Result<()> {
    let model = Scopes::new();
    let variables = model.init(key(0)).run(|m| m.both(&x()))?;
    let expected = ["Dense_0/kernel", "down/Dense_0/kernel", "scale", "up/Dense_0/kernel"];
    assert_eq!(paths(&variables, "params"), expected);
    let alone = model.init(key(0)).run(|m| m.up(&x()))?;
    assert_eq!(paths(&alone, "params"), ["scale", "up/Dense_0/kernel"]);
    let (up, all) = (model.apply(&alone).run(|m| m.up(&x()))?, model.apply(&variables).run(|m| m.up(&x()))?);
    assert_eq!(numbers(&up), numbers(&all));
    let error = root_error(model.up(&x()));
    assert!(matches!(error, Error::Unbound { module: "Scopes", .. }), "{error:?}");
    Ok(())
}

#[test]
fn a_method_that_is_a_scope_is_captured_as_a_module_of_that_name() -> Result<()> {
    let model = Scopes::new();
    let variables = model.init(key(0)).call(&x())?;
    let (_, seen) = model.apply(&variables).capture_intermediates_if(|_, method| method == "up").call(&x())?;
    assert_eq!(paths(&seen, "intermediates"), ["seen/0", "up/__call__/0"]);
    let (_, seen) = model.apply(&variables).capture_intermediates().call(&x())?;
    let calls = ["Dense_0", "Dense_1", "down/Dense_0", "down", "up/Dense_0", "up"];
    for path in calls {
        assert!(seen.contains(format!("intermediates/{path}/__call__").as_str()), "{path}");
    }
    Ok(())
}

#[module]
struct Clash;

impl Clash {
    #[compact(name_scope)]
    fn up(&self, x: &Tensor) -> Result<Tensor> {
        self.child(dense(3)).call(x)
    }

    #[compact]
    fn param_first(&self, x: &Tensor) -> Result<Tensor> {
        self.param("up", init::ones(), [1])?;
        self.up(x)
    }

    #[compact]
    fn submodule_last(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.up(x)?;
        self.child_named("up", dense(3)).call(&x)
    }
}

#[test]
fn the_name_of_a_methods_scope_is_taken() {
    let run = |method: fn(&Clash, &Tensor) -> Result<Tensor>| {
        root_error(Clash::new().init(key(0)).run(|m| method(m, &x())))
    };
    let error = run(Clash::param_first);
    assert!(
        matches!(&error, Error::NameInUse { kind: "method scope", name, .. } if &**name == "up"),
        "{error:?}"
    );
    let error = run(Clash::submodule_last);
    assert!(
        matches!(&error, Error::NameInUse { kind: "submodule", name, .. } if &**name == "up"),
        "{error:?}"
    );
}
