//! Values in boxes: metadata goes where the value goes, and comes off on request.

use flaxen::prelude::*;
use flaxen::tree::Structure;
use flaxen::variables::{
    self, Boxed, Metadata, MetadataParams, PartitionSpec, Partitioned, partition_spec, unbox,
};
use flaxen_tests::numbers::scalar;
use std::sync::Arc;

/// Metadata that knows nothing of axes.
#[derive(Clone, Debug, PartialEq)]
struct Frozen(bool);

impl Metadata for Frozen {}

fn kernel() -> Tensor {
    Tensor::ones([3, 2])
}

fn names() -> Partitioned {
    Partitioned::new(["embed", ""])
}

fn boxed() -> Variables {
    let params = Dict::new()
        .with("Dense_0/kernel", Boxed::new(kernel(), names()))
        .with("Dense_0/bias", Tensor::ones([2]));
    Variables::from([("params", params)])
}

fn plain() -> Variables {
    let params = Dict::new().with("Dense_0/kernel", kernel()).with("Dense_0/bias", Tensor::ones([2]));
    Variables::from([("params", params)])
}

fn spec(names: &[Option<&str>]) -> PartitionSpec {
    PartitionSpec::new(names.iter().map(|name| name.unwrap_or_default()))
}

#[test]
fn a_box_holds_a_value_and_its_metadata() {
    let boxed = Boxed::new(kernel(), names());
    assert_eq!(boxed.value(), &kernel().into());
    assert_eq!(boxed.metadata_as::<Partitioned>(), Some(&names()));
    assert_eq!(boxed.metadata_as::<Frozen>(), None);
    assert_eq!(boxed.metadata().axis_names(), Some(vec![Some("embed".to_owned()), None]));
    let other = boxed.replace(Tensor::zeros([3, 2]));
    assert_eq!(other, Boxed::new(Tensor::zeros([3, 2]), names()));
    assert_ne!(other, boxed);
    assert_ne!(boxed, Boxed::new(kernel(), Partitioned::new(["", "embed"])), "metadata counts");
    assert_ne!(Value::from(boxed), kernel().into());
}

#[test]
fn a_tensor_is_read_through_its_box() {
    let variables = boxed();
    assert_eq!(variables.tensor("params/Dense_0/kernel").unwrap().shape(), [3, 2]);
    let twice = Value::from(Boxed::new(Boxed::new(kernel(), names()), Frozen(true)));
    assert_eq!(twice.tensor().unwrap().shape(), [3, 2]);
    assert_eq!(twice.unboxed(), &kernel().into());
}

#[test]
fn unbox_strips_boxes_wherever_they_are() {
    assert_eq!(unbox(&boxed()).unwrap(), plain());
    assert_eq!(unbox(&plain()).unwrap(), plain());
    let twice = Value::from(Boxed::new(Boxed::new(kernel(), names()), Frozen(true)));
    assert_eq!(unbox(&twice).unwrap(), kernel().into());
    let in_tuple = Value::from(vec![twice, boxed().into(), 1i32.into()]);
    assert_eq!(unbox(&in_tuple).unwrap(), vec![Value::from(kernel()), plain().into(), 1i32.into()].into());
    let around_a_dict = Value::from(Boxed::new(boxed().as_dict(), Frozen(false)));
    assert_eq!(unbox(&around_a_dict).unwrap(), plain().into());
    let (variables, flag, step) = unbox(&(Some(boxed()), Static(true), scalar(1.))).unwrap();
    assert_eq!((variables, flag, step.item::<f32>()), (Some(plain()), Static(true), Ok(1.)));
    assert!(unbox(&Boxed::new(kernel(), names())).is_err(), "a `Boxed` is a box by its type");
}

#[test]
fn boxes_pass_through_transforms() {
    let scaled = |factor: f32| boxed().map(|x| Ok(x * factor)).unwrap();
    assert_eq!(scaled(2.)["params/Dense_0/kernel"], Boxed::new(kernel() * 2.0, names()).into());
    assert_eq!(jit(|v: Variables| v.map(|x| Ok(x * 2.0))).call(boxed()).unwrap(), scaled(2.));
    let loss = |v: &Variables| {
        Ok(v.tensor("params/Dense_0/kernel")?.square().sum()
            + v.tensor("params/Dense_0/bias")?.square().sum())
    };
    assert_eq!(grad(loss)(&boxed()).unwrap(), scaled(2.));
    let rows = boxed().map(|x| Ok(Tensor::stack(&[x.clone(), x.clone()], 0))).unwrap();
    let mapped = vmap(|v: Variables| v.map(|x| Ok(x * 2.0))).call(rows.clone()).unwrap();
    assert_eq!(mapped, rows.map(|x| Ok(x * 2.0)).unwrap());
}

#[test]
fn jit_traces_anew_for_other_metadata() {
    let named = jit(|value: Value| match &value {
        Value::Boxed(boxed) => {
            Ok(value.tensor()? * boxed.metadata().axis_names().map_or(0, |names| names.len() as i32))
        }
        _ => Ok(value.tensor()? * -1),
    });
    let call = |value: Value| named.call(value).unwrap().item::<i32>().unwrap();
    assert_eq!(call(Boxed::new(5i32, Partitioned::new(["a", "b"])).into()), 10);
    assert_eq!(call(Boxed::new(5i32, Partitioned::new(["a"])).into()), 5);
    assert_eq!(call(Boxed::new(5i32, Frozen(true)).into()), 0);
    assert_eq!(call(5i32.into()), -5);
}

#[test]
fn the_structure_of_boxed_values_tells_metadata_apart() {
    let of = |metadata: Partitioned| Structure::of(&Boxed::new(scalar(1.), metadata));
    assert_eq!(of(Partitioned::new(["a"])), of(Partitioned::new(["a"])));
    assert_ne!(of(Partitioned::new(["a"])), of(Partitioned::new(["b"])));
}

#[test]
fn a_partition_spec_is_names_for_boxes_nothing_for_tensors_and_none_for_other_data() {
    let params = Dict::new()
        .with("boxed", Boxed::new(kernel(), names()))
        .with("of_another_kind", Boxed::new(kernel(), Frozen(true)))
        .with("plain", kernel())
        .with("sown", vec![Value::from(kernel()), Boxed::new(kernel(), Partitioned::new(["x", "y"])).into()])
        .with("train", Value::of(&Static(true)));
    let specs = partition_spec(&Variables::from([("params", params)]));
    let found: Vec<(String, Option<PartitionSpec>)> =
        specs.iter().map(|(path, spec)| (path.join("/"), spec.cloned())).collect();
    let expected = [
        ("params/boxed", Some(spec(&[Some("embed"), None]))),
        ("params/of_another_kind", None),
        ("params/plain", Some(spec(&[]))),
        ("params/sown/0", Some(spec(&[]))),
        ("params/sown/1", Some(spec(&[Some("x"), Some("y")]))),
        ("params/train", None),
    ];
    assert_eq!(found, expected.map(|(path, spec)| (path.to_owned(), spec)));
    assert_eq!(specs.get("params/boxed"), Some(&spec(&[Some("embed"), None])));
    assert_eq!(specs.get("params/missing"), None);
}

#[test]
fn a_box_around_a_whole_tree_has_one_partition_spec() {
    let inner = Boxed::new(kernel(), Partitioned::new(["inner", ""]));
    let tree =
        Dict::from([("a", Value::from(inner)), ("b", Value::of(&(kernel(), Static(1), vec![Dict::new()])))]);
    let dict = Dict::new().with("m", Boxed::new(tree, names())).with("n", scalar(1.));
    let specs = partition_spec(&dict);
    let paths: Vec<String> = specs.iter().map(|(path, _)| path.join("/")).collect();
    assert_eq!(paths, ["m", "n"]);
    assert_eq!(specs.get("m"), Some(&spec(&[Some("embed"), None])));
    assert_eq!(partition_spec(&Dict::new()).iter().len(), 0);
}

/// The names of a value whose axes had some names, after an axis was added.
fn named(names: &[&str], index: isize, name: &str) -> Result<Vec<Option<String>>> {
    let value = Value::from(Boxed::new(kernel(), Partitioned::new(names.iter().copied())));
    match variables::add_axis(&value, index, &MetadataParams::partition_name(name))? {
        Value::Boxed(boxed) => Ok(boxed.metadata().axis_names().unwrap()),
        _ => panic!("the box is gone"),
    }
}

/// As Flax 0.12.8 does it: `Partitioned(x, names).add_axis(index, {"partition_name": name})`.
#[test]
fn a_new_axis_has_its_name_where_the_axis_goes() -> Result<()> {
    let some = |names: &[Option<&str>]| names.iter().map(|name| name.map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(named(&["in", "out"], 0, "l")?, some(&[Some("l"), Some("in"), Some("out")]));
    assert_eq!(named(&["in", "out"], 1, "l")?, some(&[Some("in"), Some("l"), Some("out")]));
    assert_eq!(named(&["in", "out"], 2, "l")?, some(&[Some("in"), Some("out"), Some("l")]));
    assert_eq!(
        named(&["in", "out"], -1, "l")?,
        some(&[Some("in"), Some("l"), Some("out")]),
        "the last place but one"
    );
    assert_eq!(named(&["in", "out"], -2, "l")?, some(&[Some("l"), Some("in"), Some("out")]));
    assert_eq!(named(&["in", "out"], -9, "l")?, some(&[Some("l"), Some("in"), Some("out")]));
    assert_eq!(named(&[], 3, "l")?, some(&[None, None, None, Some("l")]), "axes in front of it have no name");
    assert_eq!(named(&["in"], 0, "")?, some(&[None, Some("in")]), "an axis without a name");
    assert!(named(&["in"], isize::MAX, "l").is_err(), "no value has so many axes");
    Ok(())
}

#[test]
fn an_axis_that_was_added_can_be_removed() -> Result<()> {
    for names in [vec![], vec!["in"], vec!["in", "out"], vec!["", "in", "l"]] {
        let value = Value::from(Boxed::new(kernel(), Partitioned::new(names.iter().copied())));
        let lists = Value::from(vec![value.clone(), kernel().into()]);
        let (places, layers) = (names.len() as isize, MetadataParams::partition_name("l"));
        for index in -places - 2..=places {
            let added = variables::add_axis(&lists, index, &layers)?;
            assert_ne!(added, lists);
            assert_eq!(variables::remove_axis(&added, index, &layers)?, lists, "{names:?} at {index}");
        }
    }
    Ok(())
}

#[test]
fn an_axis_without_the_name_it_needs_is_an_error_with_the_boxs_path() {
    let text = |result: Result<Variables>| result.unwrap_err().to_string();
    let unnamed = text(variables::add_axis(&boxed(), 0, &MetadataParams::new()));
    assert!(unnamed.starts_with("the box `params/Dense_0/kernel`"), "{unnamed}");
    assert!(
        unnamed.contains("[\"embed\", \"\"]") && unnamed.contains("`.metadata(\"layers\")`"),
        "{unnamed}"
    );
    assert_eq!(text(variables::remove_axis(&boxed(), 0, &MetadataParams::new())), unnamed);
    let other = text(variables::remove_axis(&boxed(), 0, &MetadataParams::partition_name("layers")));
    assert!(other.contains("should have the name \"layers\"") && other.contains("Dense_0/kernel"), "{other}");
    let outside = text(variables::remove_axis(&boxed(), 7, &MetadataParams::partition_name("embed")));
    assert!(outside.contains("the axis at 7"), "{outside}");
    assert_eq!(
        variables::add_axis(&plain(), 0, &MetadataParams::new()).unwrap(),
        plain(),
        "nothing is in a box"
    );
}

/// Metadata of a user's own that counts the axes a value has gained, and asks for a reason.
#[derive(Clone, Debug, PartialEq)]
struct Gained(Vec<(isize, String)>);

impl Metadata for Gained {
    fn add_axis(&self, index: isize, params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        let reason = params.get("reason").ok_or_else(|| flaxen::Error::msg("say the reason"))?;
        let gained = self.0.iter().cloned().chain([(index, reason.to_owned())]);
        Ok(Some(Arc::new(Gained(gained.collect()))))
    }

    fn remove_axis(&self, _: isize, _: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
        Ok(Some(Arc::new(Gained(self.0[..self.0.len() - 1].to_vec()))))
    }
}

#[test]
fn metadata_of_ones_own_hears_of_new_axes() -> Result<()> {
    let tree = |gained: &[(isize, &str)]| {
        let gained = Gained(gained.iter().map(|&(at, why)| (at, why.to_owned())).collect());
        Dict::new()
            .with("a/b", Boxed::new(kernel(), gained))
            .with("frozen", Boxed::new(kernel(), Frozen(true)))
    };
    let because = |reason: &str| MetadataParams::new().with("reason", reason);
    let once = variables::add_axis(&tree(&[]), -3, &because("scan"))?;
    assert_eq!(once, tree(&[(-3, "scan")]));
    let twice = variables::add_axis(&once, 1, &because("vmap"))?;
    assert_eq!(twice, tree(&[(-3, "scan"), (1, "vmap")]));
    assert_eq!(variables::remove_axis(&twice, 1, &because(""))?, once);
    let error = variables::add_axis(&once, 1, &MetadataParams::partition_name("x")).unwrap_err().to_string();
    assert!(error.contains("`a/b`") && error.contains("say the reason"), "{error}");
    Ok(())
}

#[test]
fn only_the_outer_one_of_two_boxes_hears_of_new_axes() -> Result<()> {
    let inner = Boxed::new(kernel(), Partitioned::new(["inner"]));
    let outer =
        |names: &[&str]| Value::from(Boxed::new(inner.clone(), Partitioned::new(names.iter().copied())));
    let around_a_dict = |names: &[&str]| {
        let content =
            Dict::from([("a", Value::from(inner.clone())), ("b", Value::of(&(Static(3), kernel())))]);
        Value::from(Boxed::new(content, Partitioned::new(names.iter().copied())))
    };
    let layers = MetadataParams::partition_name("l");
    assert_eq!(variables::add_axis(&outer(&["x"]), 0, &layers)?, outer(&["l", "x"]));
    assert_eq!(variables::add_axis(&around_a_dict(&["x"]), 1, &layers)?, around_a_dict(&["x", "l"]));
    let row =
        |names: &[&str]| vec![around_a_dict(names), outer(names), Value::from(1i32), around_a_dict(names)];
    assert_eq!(variables::add_axis(&row(&["x"]), 1, &layers)?, row(&["x", "l"]));
    let by_type = Boxed::new(kernel(), Frozen(true));
    assert_eq!(
        variables::add_axis(&by_type, 0, &layers)?,
        by_type,
        "metadata that knows nothing of axes stays"
    );
    Ok(())
}
