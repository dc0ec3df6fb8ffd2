//! Any tree is stored as a value and comes back; wrong types are errors.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use flaxen::prelude::*;
use flaxen::tree::Structure;
use flaxen::variables::{Boxed, Partitioned};
use flaxen_tests::data::Data;
use flaxen_tests::numbers::scalar;
use flaxen_tests::values::random_dict;

#[derive(Tree, Clone)]
struct Carry {
    c: Tensor,
    h: Tensor,
}

#[derive(Tree, Clone)]
struct Nested {
    carries: Vec<Carry>,
    named: BTreeMap<String, (Tensor, Option<Tensor>)>,
    params: Dict,
    #[tree(static)]
    mode: &'static str,
}

#[derive(Tree, Clone)]
struct Unit;

#[derive(Tree, Clone)]
struct Generic<A, B>(A, B);

/// Reads its first part only.
struct First;

impl Tree for First {
    fn walk<'a>(&'a self, _: &mut dyn FnMut(tree::Token<'a>)) {}
    fn into_leaves(self, _: &mut Vec<Tensor>) {}
    fn build(from: &mut tree::Builder<'_>) -> Result<First> {
        from.node().map(|_| First)
    }
}

fn carry() -> Carry {
    Carry { c: scalar(1.), h: scalar(2.) }
}

fn nested() -> Nested {
    let named = [("x".to_owned(), (scalar(3.), None)), ("y".to_owned(), (scalar(4.), Some(scalar(5.))))];
    Nested {
        carries: vec![carry(), carry()],
        named: named.into(),
        params: Dict::new().with("a/b", 6f32),
        mode: "fast",
    }
}

fn numbers(tree: &impl Tree) -> Vec<f32> {
    tree::leaves(tree).into_iter().map(|leaf| leaf.item().unwrap()).collect()
}

/// Stored and read, alone and inside a dict that went through `jit` and a map, a tree is what it was.
#[track_caller]
fn comes_back<T: Tree>(tree: &T) {
    let value = Value::of(tree);
    let same = |again: T| {
        assert_eq!(Structure::of(&again), Structure::of(tree), "{value:?}");
        assert_eq!(numbers(&again), numbers(tree));
    };
    same(value.to().unwrap());
    same(Value::of(&value).to().unwrap());
    assert_eq!(Value::of(&value), value);
    assert_eq!(value.to::<Value>().as_ref(), Ok(&value));
    let dict = Dict::new().with("a/b", &value).with("z", vec![value.clone(), scalar(9.).into()]);
    let through = jit(|dict: Dict| dict.map(|x| Ok(x * 2.0))).call(dict.clone()).unwrap();
    let back = through.map(|x| Ok(x * 0.5)).unwrap();
    assert_eq!(back, dict);
    same(back["a/b"].to().unwrap());
    same(back["z"][0].to().unwrap());
    let mut by_value = vec![];
    value.clone().into_leaves(&mut by_value);
    same(Structure::of(&value).build(by_value));
}

#[track_caller]
fn is_refused<T: Tree + Debug>(tree: &impl Tree, expected: &str) {
    let error = Value::of(tree).to::<T>().unwrap_err();
    assert!(matches!(error, Error::Structure { .. }), "{error:?}");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn every_kind_of_tree_comes_back() {
    comes_back(&scalar(1.));
    comes_back(&carry());
    comes_back(&nested());
    comes_back(&Unit);
    comes_back(&Generic(carry(), Generic(Static(3u8), vec![scalar(1.)])));
    comes_back(&(scalar(1.), (scalar(2.), ()), [scalar(3.), scalar(4.)]));
    comes_back(&vec![(scalar(1.), Some(scalar(2.))), (scalar(3.), Some(scalar(4.)))]);
    comes_back(&Vec::<Tensor>::new());
    comes_back(&());
    comes_back(&Some(carry()));
    comes_back(&None::<Carry>);
    comes_back(&Box::new(Some(Box::new(scalar(1.)))));
    comes_back(&BTreeMap::from([("a".to_owned(), carry()), ("b".to_owned(), carry())]));
    comes_back(&BTreeMap::<Arc<str>, Tensor>::from([("a".into(), scalar(1.))]));
    comes_back(&Static("text"));
    comes_back(&(Static(1.5f64), Static(vec![true]), Static(())));
    comes_back(&Dict::new().with("a/b", 1f32).with("c", Dict::new()));
    comes_back(&Variables::from([("params", Dict::from([("x", 1f32)]))]));
    comes_back(&Boxed::new(Value::of(&nested()), Partitioned::new(["", "x"])));
    comes_back(&Value::of(&Some(Value::of(&Static(1)))));
}

#[test]
fn random_values_come_back() {
    for seed in 0..100 {
        let dict = random_dict(&mut Data::new(seed), 4, true).map(|x| Ok(x.sum().cast(DType::F32))).unwrap();
        comes_back(&dict);
    }
}

#[test]
fn equal_trees_are_equal_values_and_others_are_not() {
    assert_eq!(Value::of(&nested()), Value::of(&nested()));
    let other = Nested { mode: "slow", ..nested() };
    assert_ne!(Value::of(&nested()), Value::of(&other), "static data");
    let other = Nested { params: Dict::new().with("a/b", 7f32), ..nested() };
    assert_ne!(Value::of(&nested()), Value::of(&other), "a tensor");
    assert_ne!(Value::of(&carry()), Value::of(&(scalar(1.), scalar(2.))), "a struct is no tuple");
    assert_ne!(Value::of(&Static(1u8)), Value::of(&Static(1u16)));
    assert_ne!(Value::of(&None::<Tensor>), Value::of(&()));
}

#[test]
fn sequences_and_maps_are_read_as_each_other() {
    let pair = Value::of(&(scalar(1.), scalar(2.)));
    assert_eq!(numbers(&pair.to::<Vec<Tensor>>().unwrap()), [1., 2.]);
    assert_eq!(numbers(&pair.to::<[Tensor; 2]>().unwrap()), [1., 2.]);
    let list = Value::of(&vec![scalar(1.), scalar(2.)]);
    assert_eq!(numbers(&list.to::<(Tensor, Tensor)>().unwrap()), [1., 2.]);
    let map = BTreeMap::from([("a".to_owned(), scalar(1.))]);
    assert_eq!(Value::of(&map).to::<Dict>().unwrap(), Dict::from([("a", 1f32)]));
    assert_eq!(
        numbers(&Value::from(Dict::from([("a", 1f32)])).to::<BTreeMap<String, Tensor>>().unwrap()),
        [1.]
    );
}

#[test]
fn another_type_is_an_error() {
    is_refused::<Dict>(&scalar(1.), "expected a map, found a tensor");
    is_refused::<Vec<Tensor>>(&scalar(1.), "expected a tuple, vec or array, found a tensor");
    is_refused::<Tensor>(&Static(1), "expected a tensor, found 1");
    is_refused::<Static<bool>>(&Static(1i32), "expected a `bool`, found 1");
    is_refused::<Static<bool>>(&scalar(1.), "found a tensor");
    is_refused::<Option<Tensor>>(&scalar(1.), "expected an option, found a tensor");
    is_refused::<Tensor>(&Some(scalar(1.)), "expected a tensor, found an option of 1");
    is_refused::<Dict>(&vec![scalar(1.)], "expected a map, found a tuple of 1");
    is_refused::<Tensor>(&Boxed::new(1f32, Partitioned::new([""])), "found a boxed of 2");
    let error = Value::of(&nested()).to::<Carry>().err().unwrap().to_string();
    assert!(error.contains("expected a Carry of 2, found a Nested of 4"), "{error}");
}

#[test]
fn another_number_of_parts_is_an_error() {
    let three = vec![scalar(1.), scalar(2.), scalar(3.)];
    is_refused::<(Tensor, Tensor)>(&three, "expected a tuple, vec or array of 2, found a tuple of 3");
    is_refused::<(Tensor, Tensor, Tensor, Tensor)>(&three, "of 4, found a tuple of 3");
    is_refused::<[Tensor; 2]>(&three, "of 2, found a tuple of 3");
    is_refused::<()>(&three, "of 0, found a tuple of 3");
    is_refused::<(Tensor,)>(&(), "of 1, found a tuple of 0");
}

#[test]
fn a_structure_is_not_built_from_too_few_leaves_or_as_a_part_of_itself() {
    let structure = Structure::of(&(scalar(1.), vec![scalar(2.)]));
    let leaves = |count: usize| vec![scalar(0.); count];
    assert!(structure.try_build::<(Tensor, Vec<Tensor>)>(leaves(2)).is_ok());
    for count in 0..2 {
        let error = structure.try_build::<(Tensor, Vec<Tensor>)>(leaves(count)).err().unwrap().to_string();
        assert!(error.contains("expected one more leaf, found nothing more"), "{error}");
        let error = structure.try_build::<Value>(leaves(count)).err().unwrap().to_string();
        assert!(error.contains("one more leaf"), "{error}");
    }
    let error = structure.try_build::<First>(leaves(2)).err().unwrap().to_string();
    assert!(error.contains("expected nothing more, found a tensor"), "{error}");
}

#[test]
fn variables_are_not_built_from_a_dict_with_values_at_the_top() {
    let dict = Dict::from([("params", 1f32)]);
    let error = Value::from(dict).to::<Variables>().err().unwrap();
    assert!(matches!(error, Error::InvalidVariables { .. }), "{error}");
}

#[test]
fn leaves_are_given_away_where_nobody_else_holds_them() {
    let address = |x: &Tensor| x.array().unwrap().address();
    let big = || Generic(Tensor::ones([64]), Some(Tensor::ones([64])));
    let add = jit(|value: Value| tree::map(&value, |x| Ok(x + 1.0)));

    let tree = big();
    let before = [address(&tree.0), address(tree.1.as_ref().unwrap())];
    let value = Value::of(&tree);
    drop(tree);
    let after: Generic<Tensor, Option<Tensor>> = add.call(value).unwrap().to().unwrap();
    assert!(before.contains(&address(&after.0)), "the buffers were not used again");

    let tree = big();
    let value = Value::of(&tree);
    let held = value.clone();
    add.call(value).unwrap();
    assert_eq!(held, Value::of(&big()));
    assert_eq!(tree.0.to_vec::<f32>(), Ok(vec![1.; 64]));

    let shared = Value::from(vec![Tensor::ones([64])]);
    let copy = shared.clone();
    let (mut a, mut b) = (vec![], vec![]);
    copy.into_leaves(&mut a);
    assert_eq!(address(&a[0]), address(shared[0].tensor().unwrap()), "leaves of a shared value are shared");
    shared.into_leaves(&mut b);
    assert_eq!(address(&a[0]), address(&b[0]));
}
