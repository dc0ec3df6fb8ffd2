//! Logical names of axes: rules make axes of a mesh of them, boxes carry them, transforms add to them.

use flaxen::lift::{Scan, Vmap};
use flaxen::prelude::*;
use flaxen::variables::{
    AxisSpec, Boxed, LogicalAxisRules, LogicallyPartitioned, PartitionSpec, Partitioned, RulesFallback,
    get_logical_axis_rules, logical_axis_rules, logical_to_mesh, logical_to_mesh_axes, partition_spec,
    set_logical_axis_rules, unbox, with_logical_constraint,
};

fn rules<A: Into<AxisSpec>>(rules: impl IntoIterator<Item = (&'static str, A)>) -> LogicalAxisRules {
    rules.into_iter().fold(LogicalAxisRules::new(), |rules, (name, mesh)| rules.rule(name, mesh))
}

fn first_rules() -> LogicalAxisRules {
    rules([("foo", "data"), ("bar", "model"), ("baz", "")])
}

fn second_rules() -> LogicalAxisRules {
    rules([("foo", "model"), ("bar", ""), ("baz", "data")])
}

fn spec<const N: usize>(axes: [&str; N]) -> PartitionSpec {
    PartitionSpec::new(axes)
}

#[test]
fn rules_hold_until_others_are_set() {
    assert_eq!(get_logical_axis_rules(), LogicalAxisRules::new());
    set_logical_axis_rules(first_rules());
    assert_eq!(get_logical_axis_rules(), first_rules());
    let elsewhere = std::thread::spawn(get_logical_axis_rules).join().unwrap();
    assert!(elsewhere.is_empty(), "another thread has rules of its own");
    set_logical_axis_rules(LogicalAxisRules::new());
    assert!(get_logical_axis_rules().is_empty());
}

#[test]
fn other_rules_hold_within_a_function_and_not_after_it() {
    logical_axis_rules(first_rules(), || {
        logical_axis_rules(second_rules(), || assert_eq!(get_logical_axis_rules(), second_rules()));
        assert_eq!(get_logical_axis_rules(), first_rules());
        let panics = std::panic::catch_unwind(|| logical_axis_rules(second_rules(), || panic!("on purpose")));
        assert!(panics.is_err());
        assert_eq!(get_logical_axis_rules(), first_rules(), "after a panic, too");
    });
    assert!(get_logical_axis_rules().is_empty());
}

#[test]
fn rules_may_say_that_an_axis_goes_along_nothing_or_whatever_is_best() -> Result<()> {
    let rules = rules([
        ("foo", AxisSpec::Unsharded),
        ("bad", AxisSpec::Unsharded),
        ("bar", AxisSpec::Unconstrained),
        ("baz", AxisSpec::Unconstrained),
    ]);
    let mesh = logical_to_mesh_axes(&spec(["foo", "bad", "bar", "baz"]), &rules)?;
    let expected =
        [AxisSpec::Unsharded, AxisSpec::Unsharded, AxisSpec::Unconstrained, AxisSpec::Unconstrained];
    assert_eq!(mesh, PartitionSpec::new(expected));
    Ok(())
}

#[test]
fn names_become_axes_of_the_mesh_by_the_rules_given_or_those_around() -> Result<()> {
    let names = spec(["foo", "bar"]);
    assert_eq!(logical_to_mesh_axes(&names, &first_rules())?, spec(["data", "model"]));
    let (none, any) = (AxisSpec::Unsharded, AxisSpec::Unconstrained);
    let repeated = PartitionSpec::new(["foo".into(), any.clone(), any.clone(), none.clone(), none.clone()]);
    let expected = PartitionSpec::new(["data".into(), any.clone(), any, none.clone(), none]);
    assert_eq!(
        logical_to_mesh_axes(&repeated, &first_rules())?,
        expected,
        "what is no name may be there twice"
    );
    logical_axis_rules(first_rules(), || {
        assert_eq!(logical_to_mesh_axes(&names, None)?, spec(["data", "model"]));
        let inner = logical_axis_rules(second_rules(), || logical_to_mesh_axes(&names, None));
        assert_eq!(inner?, spec(["model", ""]));
        let twice = logical_to_mesh_axes(&spec(["foo", "foo", "baz"]), None).unwrap_err().to_string();
        assert!(twice.contains("[\"foo\", \"foo\", \"baz\"]") && twice.contains("twice"), "{twice}");
        Ok(())
    })
}

#[test]
fn the_first_rule_takes_an_axis_of_the_mesh_whatever_the_order_of_names() -> Result<()> {
    let rules = rules([("foo", "model"), ("bar", "model"), ("baz", "data")]);
    let mesh = |names: &PartitionSpec| logical_to_mesh_axes(names, &rules);
    assert_eq!(mesh(&spec(["foo", "bar", "baz"]))?, spec(["model", "", "data"]));
    assert_eq!(mesh(&spec(["bar", "foo", "baz"]))?, spec(["", "model", "data"]));
    assert_eq!(mesh(&spec(["baz", "bar", "foo"]))?, spec(["data", "", "model"]));
    assert_eq!(mesh(&spec(["baz", "bar", "foo", "unassigned"]))?, spec(["data", "", "model", ""]));
    Ok(())
}

/// The table of Flax's `test_logical_to_mesh_axes_cases`.
#[test]
fn an_axis_of_the_mesh_is_taken_once_also_in_groups() -> Result<()> {
    let along = |names: &[&str]| AxisSpec::Along(names.iter().map(|name| (*name).to_owned()).collect());
    let one = |name: &str| AxisSpec::from(name);
    let none = || AxisSpec::Unsharded;
    let (any, two) = (AxisSpec::Unconstrained, along(&["model", "replica"]));
    let cases = [
        (
            vec![("a", along(&["model", "data"])), ("b", one("data"))],
            vec![one("a"), one("b")],
            vec![along(&["model", "data"]), none()],
        ),
        (
            vec![("a", two.clone()), ("b", one("data"))],
            vec![one("a"), one("b")],
            vec![two.clone(), one("data")],
        ),
        (
            vec![("a", two.clone()), ("b", along(&["data", "model"]))],
            vec![one("a"), one("b")],
            vec![two.clone(), none()],
        ),
        (
            vec![("a", two.clone()), ("b", one("model"))],
            vec![one("a"), one("b"), one("c")],
            vec![two, none(), none()],
        ),
        (vec![], vec![one("a"), one("b"), one("c")], vec![none(), none(), none()]),
        (vec![("a", none()), ("a", one("model"))], vec![one("a"), one("b")], vec![none(), none()]),
        (
            vec![("baz", one("data")), ("bar", none()), ("foo", one("model")), ("foo", one("data"))],
            vec![one("baz"), one("bar"), one("foo")],
            vec![one("data"), none(), one("model")],
        ),
        (
            vec![("baz", one("data")), ("foo", along(&["model", "emb"]))],
            vec![one("baz"), any.clone(), one("foo")],
            vec![one("data"), any, along(&["model", "emb"])],
        ),
    ];
    for (of, names, expected) in cases {
        let found =
            logical_axis_rules(rules(of.clone()), || logical_to_mesh_axes(&PartitionSpec(names), None))?;
        assert_eq!(found, PartitionSpec(expected), "{of:?}");
    }
    Ok(())
}

#[test]
fn a_constraint_is_the_value_itself_and_checks_its_names() -> Result<()> {
    let x = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let is_x = |y: Tensor| assert_eq!(y.to_vec::<f32>(), x.to_vec::<f32>());
    is_x(with_logical_constraint(&x, ["foo", "foo", "foo"]).run()?);
    logical_axis_rules(first_rules(), || {
        is_x(with_logical_constraint(&x, ["foo", "bar"]).run()?);
        is_x(with_logical_constraint(&x, ["foo"]).run()?);
        is_x(with_logical_constraint(&x, ["foo", "unknown"]).run()?);
        let with = |fallback| with_logical_constraint(&x, ["foo", "unknown"]).fallback(fallback).run();
        is_x(with(RulesFallback::NoConstraint)?);
        let unknown = with(RulesFallback::RaiseError).unwrap_err().to_string();
        assert!(unknown.contains("unknown") && unknown.contains("add a rule"), "{unknown}");
        let rank = with_logical_constraint(&x, ["foo", "bar", "baz"]).run().unwrap_err().to_string();
        assert!(rank.contains("f32[2,3]") && rank.contains("at least 3 axes"), "{rank}");
        assert!(with_logical_constraint(&x, ["foo", "foo"]).run().is_err());
        let one = rules([("other", "data")]);
        assert!(
            with_logical_constraint(&x, ["foo"])
                .rules(&one)
                .fallback(RulesFallback::RaiseError)
                .run()
                .is_err()
        );
        Ok::<_, Error>(())
    })?;
    let f = |x: Tensor| with_logical_constraint(&x.square(), ["foo", "bar"]).run()?.try_sum();
    let gradient = logical_axis_rules(first_rules(), || grad(|x: &Tensor| f(x.clone()))(&x))?;
    assert_eq!(gradient.to_vec::<f32>()?, (&x * 2.0).to_vec::<f32>()?, "it is seen through by transforms");
    assert_eq!(jit(f).call(x.clone())?.item::<f32>()?, 91.0);
    Ok(())
}

/// A model whose parameter or variable begins in a box with names, or in none.
#[module]
struct Model {
    #[module(default)]
    names: Option<Vec<&'static str>>,
}

impl Model {
    fn boxed(&self, value: Tensor) -> Value {
        match &self.names {
            None => value.into(),
            Some(names) => Boxed::new(value, LogicallyPartitioned::new(names.iter().copied())).into(),
        }
    }

    #[compact]
    fn param_of(&self, x: &Tensor) -> Result<Tensor> {
        let value = self.param_with("foo", |_| self.boxed(Tensor::zeros(x.shape())))?;
        Ok(x + value.tensor()?)
    }

    #[compact]
    fn variable_of(&self, x: &Tensor) -> Result<Tensor> {
        let value = self.variable("test", "foo", || self.boxed(Tensor::zeros(x.shape())))?;
        Ok(x + value.get().tensor()?)
    }
}

/// Rows of `param_with_axes`, whose names are in a collection of their own there, and in boxes here.
#[test]
fn parameters_and_variables_have_names_or_none() -> Result<()> {
    let x = Tensor::ones([2, 2]);
    for (names, expected) in [
        (None, PartitionSpec::default()),
        (Some(vec![]), PartitionSpec::default()),
        (Some(vec!["foo", "bar"]), spec(["foo", "bar"])),
    ] {
        let model = Model::new().names(names);
        for (path, variables) in [
            ("params/foo", model.init(key(0)).run(|m| m.param_of(&x))?),
            ("test/foo", model.init(key(0)).run(|m| m.variable_of(&x))?),
        ] {
            assert_eq!(partition_spec(&variables).get(path), Some(&expected));
            assert_eq!(variables.tensor(path)?.shape(), [2, 2]);
        }
    }
    Ok(())
}

#[test]
fn every_leaf_of_a_parameter_that_is_a_tree_has_its_names() -> Result<()> {
    let f = |s: &Scope| {
        s.param_with("foo", |_| {
            let boxed =
                |names: [&str; 2]| Boxed::new(Tensor::zeros([2, 2]), LogicallyPartitioned::new(names));
            let pair = vec![Value::from(boxed(["foo", "bar"])), boxed(["bar", "foo"]).into()];
            Value::from(Dict::from([("a", Value::from(boxed(["foo", "bar"]))), ("b", pair.into())]))
        })
    };
    let (_, variables) = flaxen::scope::init(key(0)).run(f)?;
    let specs = partition_spec(&variables);
    assert_eq!(specs.get("params/foo/a"), Some(&spec(["foo", "bar"])));
    assert_eq!(specs.get("params/foo/b/0"), Some(&spec(["foo", "bar"])));
    assert_eq!(specs.get("params/foo/b/1"), Some(&spec(["bar", "foo"])));
    let mesh = logical_to_mesh(&specs, &rules([("foo", "model"), ("bar", "data")]))?;
    assert_eq!(mesh.get("params/foo/b/1"), Some(&spec(["data", "model"])));
    Ok(())
}

#[test]
fn a_box_may_have_rules_of_its_own() -> Result<()> {
    let own = LogicallyPartitioned::new(["foo", "bar"]).rules(rules([("bar", "data")]));
    logical_axis_rules(first_rules(), || {
        assert_eq!(own.mesh_axes()?, spec(["", "data"]));
        assert_eq!(LogicallyPartitioned::new(["foo", "bar"]).mesh_axes()?, spec(["data", "model"]));
        Ok::<_, Error>(())
    })?;
    assert_ne!(own, LogicallyPartitioned::new(["foo", "bar"]), "rules are part of it");
    Ok(())
}

/// The names that `flax.linen.vmap` of 0.12.8 gives a kernel in a box with names, for each axis it goes to.
#[test]
fn mapping_over_parameters_adds_the_name_of_their_axis() -> Result<()> {
    let x = Tensor::ones([3, 2, 5]);
    for (axis, expected, shape) in [
        (0, ["layers", "emb", "mlp"], [3, 5, 4]),
        (1, ["emb", "layers", "mlp"], [5, 3, 4]),
        (2, ["emb", "mlp", "layers"], [5, 4, 3]),
    ] {
        let logical = init::lecun_normal().boxed(LogicallyPartitioned::new(["emb", "mlp"]));
        let of_mesh = init::lecun_normal().boxed(Partitioned::new(["emb", "mlp"]));
        for kernel_init in [logical, of_mesh] {
            let dense = Dense::new(4).use_bias(false).kernel_init(kernel_init);
            let model = Vmap::new(dense).axis("params", axis).split("params").metadata("layers");
            let variables = model.init(key(0)).call(&x)?;
            assert_eq!(variables.tensor("params/kernel")?.shape(), shape);
            assert_eq!(partition_spec(&variables).get("params/kernel"), Some(&spec(expected)));
            let y = model.apply(&variables).call(&x)?;
            let plain = model.apply(unbox(&variables)?).call(&x)?;
            assert_eq!(y.to_vec::<f32>()?, plain.to_vec::<f32>()?);
        }
    }
    Ok(())
}

/// A layer that scan stacks, with a statistic of its output.
#[module]
struct SinDot {
    depth: usize,
}

impl Layer for SinDot {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let embed = x.shape()[1];
        let kernel = |names: [&'static str; 2]| init::xavier_normal().boxed(LogicallyPartitioned::new(names));
        let w1 = self.param("W1", kernel(["emb", "mlp"]), [embed, self.depth])?;
        let w2 = self.param("W2", kernel(["mlp", "emb"]), [self.depth, embed])?;
        let y = x.dot(&w1).sin().dot(&w2);
        let names = || LogicallyPartitioned::new(["batch", "emb"]);
        self.variable("stats", "y_st", || Value::from(Boxed::new(y.clone(), names())))?;
        Ok(y)
    }
}

#[test]
fn a_scan_over_layers_adds_the_name_of_their_axis_where_it_is() -> Result<()> {
    let x = Tensor::ones([8, 32]);
    let layers = Scan::new(SinDot::new(16)).axis("params", 0).axis("stats", 1).split("params").length(4);
    let layers = layers.metadata("layer");
    let variables = layers
        .init(key(0))
        .run(|m| m.run(|sin_dot, x: Tensor, ()| Ok((sin_dot.call(&x)?, ())), x.clone(), ()))?;
    let specs = partition_spec(&variables);
    for (path, names, shape) in [
        ("params/W1", ["layer", "emb", "mlp"], [4, 32, 16]),
        ("params/W2", ["layer", "mlp", "emb"], [4, 16, 32]),
        ("stats/y_st", ["batch", "layer", "emb"], [8, 4, 32]),
    ] {
        assert_eq!(specs.get(path), Some(&spec(names)), "{path}");
        assert_eq!(variables.tensor(path)?.shape(), shape, "{path}");
    }
    Ok(())
}

#[test]
fn a_box_that_is_stacked_needs_the_name_of_the_new_axis() {
    let dense = Dense::new(4).kernel_init(init::ones().boxed(Partitioned::new(["in", "out"])));
    let model = Vmap::new(dense).axis("params", 0).split("params");
    let error = model.init(key(0)).call(&Tensor::ones([3, 2, 5])).unwrap_err().to_string();
    assert!(error.contains("kernel") && error.contains("[\"in\", \"out\"]"), "{error}");
    assert!(error.contains("`.metadata(\"layers\")`"), "{error}");
}
