//! Modules that use one scope: a wrapper whose parameters are beside those of what it wraps.

use flaxen::prelude::*;
use flaxen::scope::{PathPart, fold_in_path};
use flaxen_tests::modules::{numbers, paths, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

/// Adds to a layer a product of two small matrices.
#[module]
struct Lora<L: Layer> {
    #[submodule]
    base: L,
    #[module(default = "a")]
    a: String,
    #[module(default = "b")]
    b: String,
    #[setup(self.share_scope(&self.base)?)]
    shared: (),
}

impl<L: Layer> Layer for Lora<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let a = self.param(&self.a, init::lecun_normal(), [3, 2])?;
        let b = self.param(&self.b, init::zeros(), [2, 4])?;
        Ok(self.base.call(x)? + x.dot(&a).dot(&b))
    }
}

fn lora() -> Lora<Dense> {
    Lora::new(Dense::new(4))
}

#[track_caller]
fn assert_params(model: &impl Layer, expected: &[&str]) {
    let variables = model.init(key(0)).call(&x()).expect("the model runs");
    assert_eq!(paths(&variables, "params"), expected);
    let applied = model.apply(&variables).call(&x()).expect("the model runs on its variables");
    let bound = model.bind(&variables).module().expect("the model can be bound");
    for _ in 0..2 {
        assert_eq!(numbers(&bound.call(&x()).expect("the model runs")), numbers(&applied));
    }
}

#[test]
fn a_wrapper_has_the_parameters_of_its_field_beside_its_own() {
    assert_params(&lora(), &["a", "b", "bias", "kernel"]);
}

#[test]
fn a_shared_scope_has_one_count_of_random_draws() -> Result<()> {
    let variables = lora().init(key(0)).call(&x())?;
    // `a` and `b` are drawn first.
    for (name, shape, count) in [("a", [3, 2], 1), ("kernel", [3, 4], 3)] {
        let key = fold_in_path(&key(0), [PathPart::Number(count)], false)?;
        let expected = init::lecun_normal().tensor(&key, &shape, DType::F32)?;
        assert_eq!(numbers(variables.tensor(["params", name])?), numbers(&expected), "{name}");
    }
    Ok(())
}

/// As `Lora`, of a layer of its setup.
#[module]
struct OfSetup {
    #[setup(Dense::new(4))]
    dense: Dense,
    #[setup(self.share_scope(&*self.dense)?)]
    shared: (),
}

impl Layer for OfSetup {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.dense.call(x)? + self.param("a", init::zeros(), [4])?)
    }
}

#[test]
fn a_wrapper_shares_with_a_submodule_of_its_setup() {
    assert_params(&OfSetup::new(), &["a", "bias", "kernel"]);
}

/// As `Lora`, of a layer built in the call.
#[module]
struct DenseLora;

impl Layer for DenseLora {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let dense = self.child(Dense::new(4));
        self.share_scope(&dense)?;
        Ok(dense.call(x)? + self.param("a", init::zeros(), [4])?)
    }
}

/// Calls a layer that a function builds within.
#[module]
struct Within {
    build: Build,
}

#[derive(Clone, Debug)]
struct Build(fn(&Within, &Tensor) -> Result<Tensor>);

impl PartialEq for Build {
    fn eq(&self, _other: &Build) -> bool {
        true
    }
}

impl Layer for Within {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.build.0(self, x)
    }
}

#[track_caller]
fn assert_params_within(build: fn(&Within, &Tensor) -> Result<Tensor>, expected: &[&str]) {
    assert_params(&Within::new(Build(build)), expected);
}

#[test]
fn a_wrapper_shares_with_a_submodule_of_its_call() {
    let expected = ["DenseLora_0/a", "DenseLora_0/bias", "DenseLora_0/kernel"];
    assert_params_within(|m, x| m.child(DenseLora::new()).call(x), &expected);
}

#[test]
fn a_wrapper_of_a_module_of_the_enclosing_call_lives_where_that_one_does() {
    let expected = ["Dense_0/a", "Dense_0/b", "Dense_0/bias", "Dense_0/kernel"];
    assert_params_within(
        |m, x| {
            let dense = m.child(Dense::new(4));
            let lora = m.child(Lora::new(dense.clone()));
            assert_eq!(lora.path()?, ["Lora_0"]);
            let y = lora.call(x)?;
            assert_eq!(
                (lora.path()?, dense.path()?),
                (vec!["Dense_0".to_owned()], vec!["Dense_0".to_owned()])
            );
            Ok(y)
        },
        &expected,
    );
}

#[module]
struct Parent {
    #[setup(lora())]
    lora: Lora<Dense>,
}

impl Layer for Parent {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.lora.call(x)
    }
}

#[test]
fn a_wrapper_in_a_field_has_all_parameters_under_the_fields_name() {
    assert_params(&Parent::new(), &["lora/a", "lora/b", "lora/bias", "lora/kernel"]);
}

#[module]
struct Holder<L: Layer> {
    #[submodule]
    inner: L,
}

impl<L: Layer> Layer for Holder<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.call(x)
    }
}

#[test]
fn what_the_shared_module_holds_moves_with_it() {
    let wrapper = || Lora::new(Holder::new(Dense::new(4)));
    assert_params(&wrapper(), &["a", "b", "inner/bias", "inner/kernel"]);
    let deep = ["inner/a", "inner/b", "inner/inner/bias", "inner/inner/kernel"];
    assert_params(&Holder::new(wrapper()), &deep);
}

#[test]
fn wrappers_of_wrappers_share_one_scope() {
    #[module]
    struct Scaled<L: Layer> {
        #[submodule]
        inner: L,
        #[setup(self.share_scope(&self.inner)?)]
        shared: (),
    }
    impl<L: Layer> Layer for Scaled<L> {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(self.inner.call(x)? * self.param("scale", init::ones(), [1])?)
        }
    }
    assert_params(&Scaled::new(lora()), &["a", "b", "bias", "kernel", "scale"]);
    assert_params(&Lora::new(Scaled::new(Dense::new(4))), &["a", "b", "bias", "kernel", "scale"]);

    /// Reads what is innermost first, so that the inner wrapper shares before the outer one does.
    #[module]
    struct InnerFirst {
        #[submodule]
        lora: Lora<Dense>,
        #[setup({ *self.lora.shared; self.share_scope(&self.lora)? })]
        shared: (),
    }
    impl Layer for InnerFirst {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(self.lora.call(x)? + self.param("c", init::zeros(), [4])?)
        }
    }
    assert_params(&InnerFirst::new(lora()), &["a", "b", "bias", "c", "kernel"]);
}

#[test]
fn modules_with_one_scope_have_names_of_their_own() {
    for (a, b) in [("kernel", "b"), ("a", "bias")] {
        let error = root_error(lora().a(a).b(b).init(key(0)).call(&x()));
        assert!(matches!(&error, Error::NameInUse { kind: "param", .. }), "{error:?}");
    }
    let error = root_error(Lora::new(lora()).init(key(0)).call(&x()));
    assert!(
        matches!(&error, Error::NameInUse { kind: "submodule", name, .. } if &**name == "base"),
        "{error:?}"
    );

    #[module]
    struct Field {
        #[submodule]
        inner: Dense,
        #[submodule]
        base: Holder<Dense>,
        #[setup(self.share_scope(&self.base)?)]
        shared: (),
    }
    impl Layer for Field {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.base.call(&self.inner.call(x)?)
        }
    }
    let error = root_error(Field::new(Dense::new(3), Holder::new(Dense::new(3))).init(key(0)).call(&x()));
    assert!(
        matches!(&error, Error::NameInUse { kind: "submodule", name, .. } if &**name == "inner"),
        "{error:?}"
    );
}

#[test]
fn inline_submodules_of_modules_with_one_scope_do_not_meet() {
    #[module]
    struct Inline;
    impl Layer for Inline {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Dense::new(4).call(x)
        }
    }
    #[module]
    struct Both {
        #[submodule]
        base: Inline,
        #[setup(self.share_scope(&self.base)?)]
        shared: (),
    }
    impl Layer for Both {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = Dense::new(3).call(x)?;
            self.base.call(&x)
        }
    }
    let error = root_error(Both::new(Inline::new()).init(key(0)).call(&x()));
    assert!(
        matches!(&error, Error::NameInUse { kind: "submodule", name, .. } if &**name == "Dense_0"),
        "{error:?}"
    );
}

#[test]
fn unbound_modules_have_no_scope_to_share() {
    let error = root_error(Dense::new(1).share_scope(&Dense::new(2)));
    assert!(
        matches!(&error, Error::Unbound { module: "Dense", action } if action.contains("share_scope")),
        "{error}"
    );
    let bound = Dense::new(1).bind(Variables::new()).module().expect("nothing is read");
    assert!(matches!(root_error(bound.share_scope(&Dense::new(2))), Error::Unbound { .. }));
    assert!(bound.share_scope(&bound).is_ok());
    let of_another_run = Dense::new(1).bind(Variables::new()).module().expect("nothing is read");
    assert!(root_error(bound.share_scope(&of_another_run)).to_string().contains("one running model"));
}
