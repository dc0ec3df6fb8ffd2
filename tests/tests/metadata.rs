//! Values in boxes: metadata goes where the value goes, and comes off on request.

use flaxen::prelude::*;
use flaxen::tree::Structure;
use flaxen::variables::{Boxed, Metadata, PartitionSpec, Partitioned, partition_spec, unbox};
use flaxen_tests::numbers::scalar;

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
    PartitionSpec(names.iter().map(|name| name.map(str::to_owned)).collect())
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
