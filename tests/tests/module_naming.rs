//! Names: of submodules in fields and containers, and of parameters and variables beside each other.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen_tests::modules::{paths, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

/// Runs a `#[compact]` body as the only method of a module.
macro_rules! compact_body {
    (|$this:ident| $body:expr) => {{
        #[module]
        struct Body;

        impl Body {
            #[compact]
            fn run(&self) -> Result<()> {
                let $this = self;
                $body
            }
        }
        Body::new().init(key(0)).run(|m| m.run())
    }};
}

#[track_caller]
fn assert_in_use<T>(result: Result<T>, kind: &str, name: &str) {
    let error = root_error(result);
    match &error {
        Error::NameInUse { kind: k, name: n, path } => assert_eq!((*k, &**n, &**path), (kind, name, "/")),
        _ => panic!("{error}"),
    }
    assert!(error.to_string().contains(name), "{error}");
}

#[module]
struct DictOfLayers {
    #[setup(BTreeMap::from([("b", Dense::new(3)), ("a", Dense::new(2))]))]
    layers: BTreeMap<&'static str, Dense>,
}

impl Layer for DictOfLayers {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.layers["b"].call(&self.layers["a"].call(x)?)
    }
}

#[test]
fn modules_in_a_map_are_named_by_field_and_key() -> Result<()> {
    let variables = DictOfLayers::new().init(key(0)).call(&x())?;
    let expected = ["layers_a/bias", "layers_a/kernel", "layers_b/bias", "layers_b/kernel"];
    assert_eq!(paths(&variables, "params"), expected);
    assert_eq!(variables.tensor("params/layers_b/kernel")?.shape(), [2, 3]);
    Ok(())
}

#[module]
struct NumberedLayers {
    #[submodule]
    layers: BTreeMap<usize, Dense>,
}

impl Layer for NumberedLayers {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.values().try_fold(x.clone(), |x, layer| layer.call(&x))
    }
}

#[test]
fn keys_that_are_no_text_are_written_in_names_as_text() -> Result<()> {
    let layers = [2, 10].map(|key| (key, Dense::new(key).use_bias(false)));
    let variables = NumberedLayers::new(layers.into()).init(key(0)).call(&x())?;
    assert_eq!(paths(&variables, "params"), ["layers_10/kernel", "layers_2/kernel"]);
    assert_eq!(variables.tensor("params/layers_10/kernel")?.shape(), [2, 10]);
    Ok(())
}

type Nested = BTreeMap<&'static str, Vec<(Dense, Option<Dense>)>>;

#[module]
struct Containers {
    #[submodule]
    layers: Nested,
}

impl Layer for Containers {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let all = self.layers.values().flatten().flat_map(|(a, b)| [Some(a), b.as_ref()]).flatten();
        all.into_iter().try_fold(x.clone(), |x, layer| layer.call(&x))
    }
}

#[test]
fn names_in_nested_containers_are_the_whole_way_joined_by_underscores() -> Result<()> {
    let dense = || Dense::new(3).use_bias(false);
    let layers = Nested::from([
        ("left", vec![(dense(), Some(dense())), (dense(), None)]),
        ("right", vec![(dense(), None)]),
        ("none", vec![]),
    ]);
    let variables = Containers::new(layers).init(key(0)).call(&x())?;
    let expected =
        ["left_0_0", "left_0_1", "left_1_0", "right_0_0"].map(|name| format!("layers_{name}/kernel"));
    assert_eq!(paths(&variables, "params"), expected);
    Ok(())
}

#[module]
struct Empty {
    #[submodule]
    list: Vec<Dense>,
    #[setup(BTreeMap::new())]
    map: BTreeMap<String, Dense>,
    #[setup(None)]
    option: Option<Dense>,
    #[setup([])]
    array: [Dense; 0],
}

impl Layer for Empty {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        assert!(
            self.list.is_empty() && self.map.is_empty() && self.option.is_none() && self.array.is_empty()
        );
        Ok(x.clone())
    }
}

#[test]
fn fields_may_hold_empty_containers() -> Result<()> {
    let model = Empty::new(vec![]);
    assert!(model.init(key(0)).call(&x())?.is_empty());
    assert_eq!(model.apply(Variables::new()).call(&x())?.shape(), [1, 3]);
    Ok(())
}

#[module]
struct ParamsInContainers {
    #[setup((0..2).map(|i| self.param(&format!("p{i}"), init::ones(), [1])).collect::<Result<_>>()?)]
    list: Vec<Tensor>,
    #[setup(BTreeMap::from([("a", self.param("q", init::ones(), [1])?)]))]
    map: BTreeMap<&'static str, Tensor>,
}

impl ParamsInContainers {
    #[compact]
    fn sum(&self) -> Result<Tensor> {
        Ok(&self.list[0] + &self.list[1] + &self.map["a"])
    }
}

#[test]
fn parameters_in_containers_keep_the_names_they_were_made_with() -> Result<()> {
    let (sum, variables) = ParamsInContainers::new().init_with_output(key(0)).run(ParamsInContainers::sum)?;
    assert_eq!(sum.item::<f32>()?, 3.0);
    assert_eq!(paths(&variables, "params"), ["p0", "p1", "q"]);
    Ok(())
}

#[module]
struct SetupAndCompact {
    #[setup(self.param("bias", init::ones(), [1]))]
    bias: Tensor,
}

impl SetupAndCompact {
    #[compact]
    fn run(&self) -> Result<Tensor> {
        Ok(self.param("bias", init::ones(), [1])? + &*self.bias)
    }
}

#[test]
fn a_parameter_of_the_setup_cannot_be_made_again_in_a_method() {
    assert_in_use(SetupAndCompact::new().init(key(0)).run(SetupAndCompact::run), "param", "bias");
}

#[test]
fn a_method_makes_a_parameter_of_one_name_once() {
    let twice = compact_body!(|this| {
        this.param("bias", init::ones(), [1])?;
        this.param("bias", init::ones(), [1]).map(drop)
    });
    assert_in_use(twice, "param", "bias");
}

#[module]
struct TwiceInSetup {
    #[setup(self.param("bias", init::ones(), [1]))]
    a: Tensor,
    #[setup(self.param("bias", init::ones(), [1]))]
    b: Tensor,
}

impl TwiceInSetup {
    #[compact]
    fn run(&self) -> Result<Tensor> {
        Ok(&*self.a + &*self.b)
    }
}

#[test]
fn a_setup_makes_a_parameter_of_one_name_once() {
    assert_in_use(TwiceInSetup::new().init(key(0)).run(TwiceInSetup::run), "param", "bias");
}

#[module]
struct ParamThenSubmoduleInSetup {
    #[setup(self.param("bias", init::ones(), [1]))]
    first: Tensor,
    #[setup(self.child_named("bias", Dense::new(3)))]
    second: Dense,
}

impl Layer for ParamThenSubmoduleInSetup {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.second.call(x)? + &*self.first)
    }
}

#[test]
fn a_setup_makes_no_submodule_of_a_parameters_name() {
    assert_in_use(ParamThenSubmoduleInSetup::new().init(key(0)).call(&x()), "submodule", "bias");
}

#[test]
fn submodules_of_one_module_have_names_of_their_own() {
    let twice = compact_body!(|this| {
        this.child_named("dense", Dense::new(3)).call(&x())?;
        this.child_named("dense", Dense::new(3)).call(&x()).map(drop)
    });
    assert_in_use(twice, "submodule", "dense");
}

#[test]
fn a_submodule_and_a_parameter_cannot_have_one_name() {
    let param_last = compact_body!(|this| {
        this.child_named("both", Dense::new(3)).call(&x())?;
        this.param("both", init::ones(), [1]).map(drop)
    });
    assert_in_use(param_last, "param", "both");
    let submodule_last = compact_body!(|this| {
        this.param("both", init::ones(), [1])?;
        this.child_named("both", Dense::new(3)).call(&x()).map(drop)
    });
    assert_in_use(submodule_last, "submodule", "both");
}

#[module]
struct NamedAsField {
    features: usize,
    #[module(default = 2.0)]
    scale: f32,
}

impl NamedAsField {
    #[compact]
    fn run(&self) -> Result<Tensor> {
        let features = self.param("features", init::ones(), [self.features])?;
        let scale = self.variable("state", "scale", || Tensor::from(self.scale))?;
        Ok(features * scale.get())
    }
}

#[test]
fn variables_may_have_the_names_of_configuration_fields() -> Result<()> {
    let (y, variables) = NamedAsField::new(3).init_with_output(key(0)).run(NamedAsField::run)?;
    assert_eq!(y.to_vec::<f32>()?, [2.0; 3]);
    assert_eq!(paths(&variables, "params"), ["features"]);
    assert_eq!(paths(&variables, "state"), ["scale"]);
    Ok(())
}

#[module]
struct OneNameInTwoCollections {
    #[setup(self.variable("a", "v", || Tensor::from(1.0f32)))]
    a: Variable,
    #[setup(self.variable("b", "v", || Tensor::from(2.0f32)))]
    b: Variable,
}

impl OneNameInTwoCollections {
    #[compact]
    fn sum(&self) -> Result<Tensor> {
        Ok(self.a.get() + self.b.get())
    }
}

#[test]
fn one_name_may_be_in_two_collections() -> Result<()> {
    let (sum, variables) =
        OneNameInTwoCollections::new().init_with_output(key(0)).run(OneNameInTwoCollections::sum)?;
    assert_eq!(sum.item::<f32>()?, 3.0);
    assert_eq!(
        (paths(&variables, "a"), paths(&variables, "b")),
        (vec!["v".to_owned()], vec!["v".to_owned()])
    );
    compact_body!(|this| {
        this.variable("a", "v", || Tensor::from(1.0f32))?;
        this.variable("b", "v", || Tensor::from(1.0f32)).map(drop)
    })?;
    Ok(())
}

#[test]
fn one_name_is_once_in_a_collection() {
    let twice = compact_body!(|this| {
        this.variable("a", "v", || Tensor::from(1.0f32))?;
        this.variable("a", "v", || Tensor::from(1.0f32)).map(drop)
    });
    assert_in_use(twice, "variable", "v");
}

#[module]
struct Forgotten;

impl Forgotten {
    fn inline(&self, x: &Tensor) -> Result<Tensor> {
        self.child(Dense::new(3)).call(x)
    }

    fn named(&self, x: &Tensor) -> Result<Tensor> {
        self.child_named("dense", Dense::new(3)).call(x)
    }
}

#[test]
fn a_method_that_is_not_compact_makes_no_submodules_and_says_what_is_missing() {
    for forgotten in [Forgotten::inline, Forgotten::named] {
        let error = root_error(Forgotten::new().init(key(0)).run(|m| forgotten(m, &x())));
        assert!(matches!(error, Error::NotCompact { module: "Forgotten", .. }), "{error:?}");
        assert!(error.to_string().contains("mark the method `#[compact]`"), "{error}");
    }
    let error = root_error(Forgotten::new().init(key(0)).run(|_| Dense::new(3).call(&x())));
    assert!(matches!(error, Error::Unbound { module: "Dense", .. }), "{error:?}");
    assert!(error.to_string().contains("call it where it is built"), "{error}");
}
