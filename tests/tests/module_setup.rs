//! Setup fields: when they are made, what they may hold, and who may read them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use flaxen::module::{BoxedLayer, IntoLayer};
use flaxen::prelude::*;
use flaxen_tests::modules::{numbers, paths, root_error};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log(module: &impl Module, what: &str) {
    let path = module.path().map_or_else(|_| "unbound".to_owned(), |path| format!("/{}", path.join("/")));
    LOG.with_borrow_mut(|log| log.push(format!("{path} {what}")));
}

/// What was logged while `f` ran.
fn logged<T>(f: impl FnOnce() -> Result<T>) -> Result<Vec<String>> {
    LOG.take();
    f()?;
    Ok(LOG.take())
}

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

#[module]
struct Inner {
    #[setup({ log(self, "setup"); self.param("bias", init::ones(), [3]) }?)]
    bias: Tensor,
    #[setup(Dense::new(3))]
    dense: Dense,
}

impl Inner {
    /// A plain method that reads a field of the setup.
    fn twice_the_bias(&self) -> Tensor {
        &*self.bias * 2.0
    }
}

impl Layer for Inner {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        log(self, "call");
        Ok(self.dense.call(x)? + &*self.bias)
    }
}

#[module]
struct Outer {
    #[setup({ log(self, "setup"); Inner::new() })]
    first: Inner,
    #[setup(Inner::new())]
    second: Inner,
    #[setup(Inner::new())]
    unused: Inner,
}

impl Outer {
    #[compact]
    fn helper(&self, x: &Tensor) -> Result<Tensor> {
        log(self, "helper");
        self.second.call(x)
    }

    #[compact]
    fn read_only(&self) -> Result<Tensor> {
        Ok(self.second.twice_the_bias())
    }
}

impl Layer for Outer {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        log(self, "call");
        let x = self.first.call(x)?;
        let x = self.helper(&x)?;
        let x = self.first.call(&x)?;
        log(self, "done");
        Ok(x)
    }
}

#[test]
fn each_setup_runs_once_a_run_right_before_it_is_needed() -> Result<()> {
    let model = Outer::new();
    let log = logged(|| model.init(key(0)).call(&x()))?;
    let expected = [
        "/ setup",
        "/ call",
        "/first setup",
        "/first call",
        "/ helper",
        "/second setup",
        "/second call",
        "/first call",
        "/ done",
    ];
    // Building the submodules evaluates those of their fields that need no run.
    assert_eq!(log.iter().filter(|line| !line.starts_with("unbound")).collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn a_submodule_of_the_setup_that_is_never_used_has_no_variables() -> Result<()> {
    let variables = Outer::new().init(key(0)).call(&x())?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["first", "second"]);
    Ok(())
}

#[test]
fn reading_a_field_of_a_submodule_runs_its_setup() -> Result<()> {
    let (bias, variables) = Outer::new().init_with_output(key(0)).run(Outer::read_only)?;
    assert_eq!(numbers(&bias), [2.0; 3]);
    assert_eq!(paths(&variables, "params"), ["second/bias"]);
    let (bias, _) = Outer::new().init_with_output(key(0)).run(|m| Ok(m.first.bias.clone()))?;
    assert_eq!(numbers(&bias), [1.0; 3]);
    Ok(())
}

#[test]
fn parameters_of_the_setup_are_read_as_tensors() -> Result<()> {
    let (y, variables) = Inner::new().init_with_output(key(0)).call(&Tensor::zeros([1, 3]))?;
    assert_eq!(numbers(&y), [1.0; 3]);
    assert_eq!(paths(&variables, "params"), ["bias", "dense/bias", "dense/kernel"]);
    let doubled = Variables::new().with("params", variables.dict("params")?.with("bias", x() * 5.0));
    let error = root_error(Inner::new().apply(&doubled).call(&x()));
    assert!(matches!(&error, Error::ParamShape { name, .. } if &**name == "bias"), "{error}");
    Ok(())
}

#[test]
fn of_an_unbound_module_only_fields_that_need_no_run_have_values() {
    let model = Inner::new();
    assert_eq!(model.dense.features, 3);
    assert_eq!(format!("{:?}", model.bias), "<unset>");
}

#[test]
#[should_panic(expected = "parameters and variables exist inside `init`")]
fn reading_an_unset_field_outside_of_a_run_panics_and_says_why() {
    Inner::new().twice_the_bias();
}

#[test]
fn an_unset_field_read_in_a_run_is_its_error() -> Result<()> {
    let outside = Inner::new();
    let run = Inner::new().init(key(0)).run(|m| Ok(m.dense.call(&x())? + outside.twice_the_bias()));
    let error = root_error(run);
    assert!(error.to_string().contains("`#[setup]`"), "{error}");
    Ok(())
}

#[test]
fn a_plain_method_that_needs_no_run_works_unbound() {
    #[module]
    struct Plain {
        width: usize,
        #[setup(Dense::new(self.width * 2))]
        dense: Dense,
    }
    impl Plain {
        fn width_inside(&self) -> usize {
            self.dense.features
        }
    }
    assert_eq!(Plain::new(4).width_inside(), 8);
}

#[test]
fn a_bound_module_with_a_setup_can_be_cloned_and_copied() -> Result<()> {
    let variables = Inner::new().init(key(0)).call(&x())?;
    let bound = Inner::new().bind(&variables).module()?;
    let (clone, copy) = (bound.clone(), bound.copy());
    assert_eq!(numbers(&clone.call(&x())?), numbers(&bound.call(&x())?));
    assert!(clone.is_bound() && clone.dense.is_bound());
    assert!(!copy.is_bound() && !copy.dense.is_bound());
    assert_eq!((copy.dense.features, format!("{:?}", copy.bias)), (3, "<unset>".to_owned()));
    assert_eq!(numbers(&copy.apply(&variables).call(&x())?), numbers(&bound.call(&x())?));
    Ok(())
}

#[module]
struct Mixed {
    #[setup(vec![Dense::new(4).into_layer(), Tensor::relu.into_layer(), Dense::new(2).into_layer()])]
    layers: Vec<BoxedLayer>,
    #[setup(BTreeMap::from([("half", (|x: &Tensor| x * 0.5).into_layer()), ("last", Dense::new(2).into_layer())]))]
    named: BTreeMap<&'static str, BoxedLayer>,
}

impl Layer for Mixed {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let layers = self.layers.iter().chain(self.named.values());
        layers.into_iter().try_fold(x.clone(), |x, layer| layer.call(&x))
    }
}

#[test]
fn a_list_may_mix_modules_and_functions_and_both_count() -> Result<()> {
    let variables = Mixed::new().init(key(0)).call(&x())?;
    let names: Vec<_> = variables.dict("params")?.keys().collect();
    assert_eq!(names, ["layers_0", "layers_2", "named_last"]);
    Ok(())
}

#[module]
struct SetupAndInline {
    #[setup(Dense::new(4))]
    dense: Dense,
}

impl Layer for SetupAndInline {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.dense.call(x)?;
        Dense::new(2).call(&x)
    }
}

#[test]
fn a_module_may_have_a_setup_and_inline_submodules() -> Result<()> {
    let variables = SetupAndInline::new().init(key(0)).call(&x())?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["Dense_0", "dense"]);
    Ok(())
}

#[module]
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Stored {
    features: usize,
    #[setup(Dense::new(self.features))]
    dense: Dense,
}

#[test]
fn a_copy_of_a_deserialised_module_has_its_fields() -> Result<()> {
    let text = serde_json::to_string(&Stored::new(4)).map_err(flaxen::Error::other)?;
    assert_eq!(text, r#"{"features":4}"#);
    let stored: Stored = serde_json::from_str(&text).map_err(flaxen::Error::other)?;
    assert_eq!(stored, Stored::new(4));
    assert_eq!(stored.copy().dense.features, 4);
    // Binding makes them anyway.
    let variables = stored.init(key(0)).run(|m| m.dense.call(&x()))?;
    assert_eq!(variables.tensor("params/dense/kernel")?.shape(), [3, 4]);
    Ok(())
}
