//! Modules given to other modules: who binds them, and when they are one module or several.

use std::collections::BTreeMap;
use std::sync::Arc;

use flaxen::prelude::*;
use flaxen_tests::modules::{numbers, paths, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

/// A layer with one parameter.
fn dense(features: usize) -> Dense {
    Dense::new(features).use_bias(false)
}

#[module]
struct Wrapper<L: Layer> {
    #[submodule]
    inner: L,
}

impl<L: Layer> Layer for Wrapper<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.call(x)
    }
}

#[module]
struct Two<A: Layer, B: Layer> {
    #[submodule]
    a: A,
    #[submodule]
    b: B,
}

impl<A: Layer, B: Layer> Two<A, B> {
    #[compact]
    fn run_a(&self, x: &Tensor) -> Result<Tensor> {
        self.a.call(x)
    }

    #[compact]
    fn run_b(&self, x: &Tensor) -> Result<Tensor> {
        self.b.call(x)
    }
}

impl<A: Layer, B: Layer> Layer for Two<A, B> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.run_a(x)? + self.run_b(x)?)
    }
}

#[track_caller]
fn assert_params(model: &impl Layer, expected: &[&str]) {
    let variables = model.init(key(0)).call(&x()).expect("the model runs");
    assert_eq!(paths(&variables, "params"), expected);
    model.apply(&variables).call(&x()).expect("the model runs on its variables");
}

#[test]
fn a_module_in_a_field_is_the_submodule_of_that_name() {
    assert_params(&Wrapper::new(dense(3)), &["inner/kernel"]);
    assert_params(&Wrapper::new(Wrapper::new(Wrapper::new(dense(3)))), &["inner/inner/inner/kernel"]);
}

#[test]
fn binding_a_model_leaves_the_modules_it_was_built_of_as_they_were() -> Result<()> {
    let template = dense(3);
    let model = Wrapper::new(template.clone());
    let bound_name = model.init_with_output(key(0)).run(|m| Ok(m.inner.name()))?.0;
    assert_eq!(bound_name.as_deref(), Some("inner"));
    assert!(!template.is_bound() && !model.inner.is_bound());
    assert_eq!((template.name(), model.inner.name()), (None, None));
    Ok(())
}

#[module]
struct FromTemplate {
    template: Dense,
    #[setup(self.template.clone())]
    made: Dense,
}

impl Layer for FromTemplate {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        assert!(!self.template.is_bound());
        self.made.call(x)
    }
}

#[test]
fn a_module_from_outside_takes_the_name_of_the_setup_field_it_is_put_in() {
    let template = dense(3);
    assert_params(&FromTemplate::new(template.clone()), &["made/kernel"]);
    assert_eq!(template.name(), None);
}

#[module]
struct Containers {
    #[submodule]
    list: Vec<(Arc<Dense>, Dense)>,
    #[submodule]
    map: BTreeMap<&'static str, Arc<Dense>>,
}

impl Layer for Containers {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let in_list = self.list.iter().flat_map(|(shared, own)| [&**shared, own]);
        let mut layers = in_list.chain(self.map.values().map(|layer| &**layer));
        layers.try_fold(x.clone(), |x, layer| layer.call(&x))
    }
}

#[test]
fn modules_in_containers_are_bound_and_shared_ones_once() {
    let shared = Arc::new(dense(3));
    let list = vec![(shared.clone(), dense(3)), (shared.clone(), dense(3))];
    let map = BTreeMap::from([("own", Arc::new(dense(3))), ("shared", shared)]);
    let expected = ["list_0_0/kernel", "list_0_1/kernel", "list_1_1/kernel", "map_own/kernel"];
    assert_params(&Containers::new(list, map), &expected);
}

#[test]
fn an_arc_in_two_fields_is_one_module_of_the_first_fields_name() -> Result<()> {
    let shared = Arc::new(dense(3));
    let model = Two::new(shared.clone(), shared);
    assert_params(&model, &["a/kernel"]);
    let variables = model.init(key(0)).call(&x())?;
    let [a, b] = [Two::run_a, Two::run_b].map(|run| model.apply(&variables).run(|m| run(m, &x())));
    assert_eq!(numbers(&a?), numbers(&b?));
    Ok(())
}

#[test]
fn clones_and_equal_modules_in_two_fields_are_two_modules() {
    let template = dense(3);
    assert_eq!(template, dense(3));
    assert_params(&Two::new(template.clone(), template), &["a/kernel", "b/kernel"]);
    assert_params(&Two::new(Arc::new(dense(3)), Arc::new(dense(3))), &["a/kernel", "b/kernel"]);
}

#[test]
fn a_module_shared_by_two_siblings_is_one_whichever_of_them_runs() -> Result<()> {
    let shared = Arc::new(dense(1));
    let model = Two::new(Wrapper::new(shared.clone()), Wrapper::new(shared));
    let (y, variables) = model.init_with_output(key(0)).call(&x())?;
    assert_eq!(paths(&variables, "params"), ["a/inner/kernel"]);
    let a = model.apply(&variables).run(|m| m.run_a(&x()))?;
    let b = model.apply(&variables).run(|m| m.run_b(&x()))?;
    assert_eq!(numbers(&a), numbers(&b));
    assert_eq!(numbers(&y), numbers(&(a + b)));
    let only_b = model.init(key(0)).run(|m| m.run_b(&x()))?;
    assert_eq!(paths(&only_b, "params"), ["a/inner/kernel"]);
    Ok(())
}

#[module]
struct ClashOfFieldAndParam {
    #[submodule]
    both: Dense,
}

impl Layer for ClashOfFieldAndParam {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.both.call(x)? + self.param("both", init::zeros(), [1])?)
    }
}

#[test]
fn a_bound_modules_name_is_taken() {
    let error = root_error(ClashOfFieldAndParam::new(dense(3)).init(key(0)).call(&x()));
    assert!(matches!(&error, Error::NameInUse { kind: "param", name, .. } if &**name == "both"), "{error}");
}

/// A model whose only method is a function of it.
#[module]
struct Compact {
    body: Body,
    #[module(default = Arc::new(dense(3)))]
    shared: Arc<Dense>,
}

/// A function that is equal to all others.
#[derive(Clone, Debug)]
struct Body(fn(&Compact, &Tensor) -> Result<Tensor>);

impl PartialEq for Body {
    fn eq(&self, _other: &Body) -> bool {
        true
    }
}

impl Layer for Compact {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.body.0(self, x)
    }
}

#[track_caller]
fn assert_params_of(body: fn(&Compact, &Tensor) -> Result<Tensor>, expected: &[&str]) {
    assert_params(&Compact::new(Body(body)), expected);
}

#[test]
fn a_function_makes_submodules_of_the_module_that_it_is_given() {
    fn mlp<M: Module>(parent: &M, x: &Tensor) -> Result<Tensor> {
        let x = parent.child(dense(4)).call(x)?.relu();
        parent.child(dense(3)).call(&x)
    }
    assert_params_of(mlp, &["Dense_0/kernel", "Dense_1/kernel"]);
}

#[test]
fn a_submodule_that_is_called_twice_has_one_set_of_parameters() {
    assert_params_of(
        |m, x| {
            let layer = m.child(dense(3));
            layer.call(&layer.call(x)?)
        },
        &["Dense_0/kernel"],
    );
}

#[test]
fn a_submodule_given_to_another_module_stays_where_it_was_made() {
    assert_params_of(
        |m, x| {
            let inner = m.child(dense(3));
            let y = m.child(Wrapper::new(inner.clone())).call(x)?;
            inner.call(&y)
        },
        &["Dense_0/kernel"],
    );
}

#[test]
fn a_named_submodule_keeps_its_name_wherever_it_is_given_to() {
    assert_params_of(
        |m, x| {
            let head = m.child_named("head", dense(3));
            let x = m.child(Wrapper::new(Wrapper::new(head.clone()))).call(x)?;
            m.child_named("outer", Wrapper::new(head)).call(&x)
        },
        &["head/kernel"],
    );
    assert_params_of(
        |m, x| {
            let inner = m.child_named("inner", Wrapper::new(dense(3)));
            m.child_named("outer", Wrapper::new(inner)).call(x)
        },
        &["inner/inner/kernel"],
    );
}

#[test]
fn modules_within_a_sequential_that_is_built_in_a_call_belong_to_it() {
    assert_params_of(
        |m, x| {
            let inner = sequential![dense(4), Tensor::tanh];
            m.child(sequential![inner, |x: &Tensor| x * 2.0, dense(3)]).call(x)
        },
        &["Sequential_0/layers_0/layers_0/kernel", "Sequential_0/layers_2/kernel"],
    );
}

#[test]
fn a_clone_of_an_unbound_template_is_a_new_submodule_each_time() {
    assert_params_of(
        |m, x| {
            let template = dense(3);
            let x = m.child(template.clone()).call(x)?;
            m.child(template.clone()).call(&x)
        },
        &["Dense_0/kernel", "Dense_1/kernel"],
    );
}

#[test]
fn a_clone_of_a_submodule_is_that_submodule_and_a_copy_a_new_one() {
    assert_params_of(
        |m, x| {
            let first = m.child(dense(3));
            assert!(!first.copy().is_bound());
            let x = m.child(first.clone()).call(&first.call(x)?)?;
            m.child(first.copy()).call(&x)
        },
        &["Dense_0/kernel", "Dense_1/kernel"],
    );
}

#[test]
fn copies_of_a_field_are_submodules_beside_it() {
    #[module]
    struct Twice {
        #[submodule]
        template: Dense,
    }
    impl Layer for Twice {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = self.child(self.template.copy()).call(x)?;
            let x = self.child(self.template.copy()).call(&x)?;
            self.child_named("last", self.template.copy()).call(&x)
        }
    }
    assert_params(&Twice::new(dense(3)), &["Dense_0/kernel", "Dense_1/kernel", "last/kernel"]);
}

#[test]
fn an_arc_made_a_submodule_again_and_again_is_one_and_counts_once() {
    assert_params_of(
        |m, x| {
            let x = m.child(m.shared.clone()).call(x)?;
            let x = m.child(m.shared.clone()).call(&x)?;
            m.child(dense(3)).call(&x)
        },
        &["Dense_0/kernel", "Dense_1/kernel"],
    );
    let twice = Compact::new(Body(|m, x| {
        let x = m.child(m.shared.clone()).call(x)?;
        m.child(dense(3)).call(&x)
    }));
    let shared = Arc::new(twice);
    assert_params(&Two::new(shared.clone(), shared), &["a/Dense_0/kernel", "a/Dense_1/kernel"]);
}
