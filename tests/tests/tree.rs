//! Trees: structs, containers, paths, and how they go through the transforms.

use std::collections::BTreeMap;
use std::sync::Arc;

use flaxen::prelude::*;
use flaxen::tree::Structure;
use flaxen_tests::numbers::scalar;

#[derive(Tree, Clone)]
struct Adam {
    count: Tensor,
    moments: BTreeMap<String, (Tensor, Tensor)>,
    #[tree(static)]
    nesterov: bool,
}

fn adam() -> Adam {
    let moments =
        [("b".to_owned(), (scalar(4.), scalar(5.))), ("a".to_owned(), (scalar(1.), scalar(2.)))].into();
    Adam { count: scalar(3.), moments, nesterov: false }
}

fn numbers(tree: &impl Tree) -> Vec<f32> {
    tree::leaves(tree).into_iter().map(|leaf| leaf.item().unwrap()).collect()
}

#[test]
fn a_tree_is_its_structure_and_its_leaves() {
    let tree = (adam(), vec![Some(scalar(6.)), None], ());
    let structure = Structure::of(&tree);
    assert_eq!(numbers(&tree), [3., 1., 2., 4., 5., 6.]);
    assert_eq!((tree::count(&tree), structure.leaf_count()), (6, 6));
    let mut by_value = vec![];
    tree.into_leaves(&mut by_value);
    let again: (Adam, Vec<Option<Tensor>>, ()) = structure.build(by_value);
    assert_eq!(Structure::of(&again), structure);
    assert!(structure.matches(&again));
    assert_eq!(again.0.moments["b"].1.item::<f32>(), Ok(5.));
}

#[test]
fn leaves_have_paths() {
    let tree = (adam(), vec![Some(Box::new(scalar(6.)))]);
    let paths: Vec<String> = tree::leaves_with_path(&tree).iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, ["0.count", "0.moments.a.0", "0.moments.a.1", "0.moments.b.0", "0.moments.b.1", "1.0"]);
    assert_eq!(tree::leaves_with_path(&scalar(0.))[0].0.to_string(), "");
}

#[test]
fn every_standard_container_is_a_tree() {
    type All =
        ([Tensor; 2], BTreeMap<Arc<str>, Tensor>, Option<Tensor>, Box<Tensor>, (Tensor,), Static<u8>, ());
    let all: All = (
        [scalar(1.), scalar(2.)],
        [("k".into(), scalar(3.))].into(),
        Some(scalar(4.)),
        Box::new(scalar(5.)),
        (scalar(6.),),
        Static(9),
        (),
    );
    let doubled = tree::map(&all, |leaf| Ok(leaf * 2.0)).unwrap();
    assert_eq!(numbers(&doubled), [2., 4., 6., 8., 10., 12.]);
    assert_eq!(doubled.5, Static(9));
}

#[test]
fn a_difference_of_structure_says_where() {
    let two = vec![scalar(1.), scalar(2.)];
    let error = tree::zip_map(&two, &vec![scalar(1.)], |a, _| Ok(a.clone())).unwrap_err();
    assert!(matches!(error, Error::Structure { .. }), "{error}");
    let pair = (scalar(1.), Some(scalar(2.)));
    let error = tree::zip_map(&pair, &(scalar(1.), None), |a, _| Ok(a.clone())).unwrap_err().to_string();
    assert!(error.contains('1'), "{error}");
    let map = |key: &str| -> BTreeMap<String, Tensor> { [(key.to_owned(), scalar(1.))].into() };
    let error = tree::zip_map(&map("kernel"), &map("bias"), |a, _| Ok(a.clone())).unwrap_err().to_string();
    assert!(error.contains("`kernel`") && error.contains("`bias`"), "{error}");
    let mut other = adam();
    other.nesterov = true;
    assert!(tree::zip_map(&adam(), &other, |a, _| Ok(a.clone())).is_err());
}

#[test]
fn a_struct_goes_through_the_transforms() {
    let bump = jit(|s: Adam| Ok(Adam { count: s.count + 1.0, ..s }));
    let s = bump.call(bump.call(adam()).unwrap()).unwrap();
    assert_eq!((s.count.item(), s.moments["a"].1.item(), bump.traces()), (Ok(5f32), Ok(2f32), 1));
    let square = |s: &Adam| Ok(&s.count * &s.moments["a"].0 * &s.moments["a"].0);
    let g = grad(square)(&adam()).unwrap();
    assert_eq!(numbers(&g), [1., 6., 0., 0., 0.]);
    assert!(!g.nesterov);
    let two = tree::map(&adam(), |leaf| Ok(leaf.broadcast_to([2]))).unwrap();
    let squares = vmap(|s: Adam| square(&s)).call(two).unwrap();
    assert_eq!(squares.to_vec::<f32>().unwrap(), [3., 3.]);
}

#[test]
fn an_empty_tree_goes_through_the_transforms() {
    let f = jit(|(): ()| Ok(scalar(2.0) * 3.0));
    assert_eq!(f.call(()).unwrap().item::<f32>(), Ok(6.0));
    let nothing = jit(|_: Tensor| Ok(()));
    nothing.call(scalar(1.)).unwrap();
    grad(|(): &()| Ok(scalar(1.0)))(&()).unwrap();
    let repeated = vmap(|(): ()| Ok(scalar(1.0))).axis_size(2).call(()).unwrap();
    assert_eq!(repeated.shape(), [2]);
}
