//! States of training with fields of the user's, trees as vectors, and products that are put into layers.

use flaxen::nn::{ConvGeneralFn, DenseGeneral, DotGeneralFn, MultiHeadDotProductAttention};
use flaxen::optim::{DynamicScale, Sgd};
use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::tree::Structure;
use flaxen::{ConvOptions, DotDimensions, DotOptions};
use flaxen_tests::jax;

#[derive(Tree, Clone)]
struct More {
    batch_stats: Dict,
    key: Key,
}

/// A field that a state has, too.
#[derive(Tree, Clone)]
struct OwnName {
    params: Tensor,
}

type State = TrainState<Sgd, Dict, More>;

fn state() -> State {
    let params = Dict::from_iter([("w", Tensor::from([1.0f32, 2.0]))]);
    let batch_stats = Dict::from_iter([("mean", Tensor::from(0.0f32))]);
    TrainState::create(params, optim::sgd(0.5)).with(More { batch_stats, key: key(3) })
}

#[test]
fn fields_of_the_users_go_through_compiled_steps() {
    let step = jit(|mut state: State| {
        let [_, next] = state.key.split();
        state.key = next;
        let mean = state.batch_stats.tensor("mean")? + 1.0;
        state.batch_stats = Dict::from_iter([("mean", mean)]);
        let gradients = tree::map(&state.params, |x| Ok(x.ones_like()))?;
        state.apply_gradients(&gradients)
    });
    let mut state = state();
    for _ in 0..2 {
        state = step.call(state).unwrap();
    }
    assert_eq!(step.traces(), 1);
    assert_eq!(state.params.tensor("w").unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0]);
    assert_eq!(state.batch_stats.tensor("mean").unwrap().item::<f32>().unwrap(), 2.0);
    let [_, next] = key(3).split();
    let [_, next] = next.split();
    assert_eq!(state.key.data().to_vec::<u32>().unwrap(), next.data().to_vec::<u32>().unwrap());
}

#[test]
fn a_state_without_fields_of_the_users_is_the_tree_it_was() {
    let params = Dict::from_iter([("w", Tensor::from(1.0f32))]);
    let plain = TrainState::create(params, optim::sgd(0.5));
    let paths = |tree: &dyn Fn() -> Vec<String>| tree();
    let of_plain =
        paths(&|| tree::leaves_with_path(&plain).iter().map(|(path, _)| path.to_string()).collect());
    assert!(of_plain.iter().all(|path| !path.contains("extra")), "{of_plain:?}");
    let more = state();
    let of_more = paths(&|| tree::leaves_with_path(&more).iter().map(|(path, _)| path.to_string()).collect());
    // Those of a struct stand among the state's own, others in a field of their own.
    assert!(
        of_more.contains(&"key".to_owned()) && of_more.contains(&"batch_stats/mean".replace('/', ".")),
        "{of_more:?}"
    );
    let apart = state().with((Tensor::from(1.0f32), Static(7)));
    let (leaves, structure) = tree::flatten(apart);
    let apart: TrainState<Sgd, Dict, (Tensor, Static<i32>)> = structure.try_build(leaves).unwrap();
    assert_eq!((apart.extra.0.item::<f32>().unwrap(), apart.extra.1), (1.0, Static(7)));
    let same_names = state().with(OwnName { params: Tensor::from(1.0f32) });
    let paths: Vec<String> =
        tree::leaves_with_path(&same_names).iter().map(|(path, _)| path.to_string()).collect();
    assert!(paths.iter().any(|path| path.contains("extra") && path.contains("params")), "{paths:?}");
    let (leaves, structure) = tree::flatten(same_names);
    assert!(structure.try_build::<TrainState<Sgd, Dict, OwnName>>(leaves).is_ok());
    // Both come back from their structures.
    for round in 0..2 {
        let (leaves, structure) = tree::flatten(more.clone());
        let again: State = structure.try_build(leaves).unwrap();
        assert!(Structure::of(&again) == structure, "{round}");
    }
    let (leaves, structure) = tree::flatten(plain);
    assert!(structure.try_build::<TrainState<Sgd>>(leaves).is_ok());
}

#[test]
fn a_tree_of_several_dtypes_becomes_a_vector_and_comes_back() {
    let tree =
        (Tensor::from([[1i32, 2], [3, 4]]), vec![Tensor::of([0.5f32], DType::BF16), Tensor::zeros([0, 2])]);
    let (flat, unravel) = flaxen::ravel(&tree).unwrap();
    assert_eq!((flat.dtype(), flat.to_vec::<f32>().unwrap()), (DType::F32, vec![1.0, 2.0, 3.0, 4.0, 0.5]));
    let back = unravel.call(&(&flat + 1.0)).unwrap();
    assert_eq!((back.0.dtype(), back.0.to_vec::<i32>().unwrap()), (DType::I32, vec![2, 3, 4, 5]));
    assert_eq!((back.1[0].dtype(), back.1[1].shape()), (DType::BF16, &[0, 2][..]));
    assert!(unravel.call(&Tensor::zeros([4])).is_err());
    assert!(unravel.call(&flat.cast(DType::BF16)).is_err());
    let (nothing, _) = flaxen::ravel(&()).unwrap();
    assert_eq!(nothing.shape(), [0]);
    // Differentiable on both ways.
    let x = (Tensor::from([1.0f32, 2.0]), Tensor::from(3.0f32));
    let gradient = grad(|x: &(Tensor, Tensor)| {
        let (flat, unravel) = flaxen::ravel(x)?;
        let (first, _) = unravel.call(&(&flat * &flat))?;
        Ok(first.sum())
    })(&x)
    .unwrap();
    assert_eq!(gradient.0.to_vec::<f32>().unwrap(), [2.0, 4.0]);
}

#[test]
fn several_trees_of_several_types_are_combined() {
    let (x, y) = (vec![Tensor::from(1.0f32)], vec![Tensor::from(10i32)]);
    let sum = tree::map_trees([&x, &y, &x], |[x, y, z]| Ok(x + y + z)).unwrap();
    assert_eq!(sum[0].item::<f32>().unwrap(), 12.0);
    let pair = (Tensor::from(1.0f32), Tensor::from(2.0f32));
    let error = tree::map_trees((&x, &pair), |[x, _]| Ok(x.clone())).unwrap_err();
    assert!(matches!(error, Error::Structure { .. }), "{error}");
    let (path, _) = tree::leaves_with_path(&x).remove(0);
    assert_eq!(path.keystr(), "[0]");
}

/// Products of operands rounded to `BF16`.
fn rounded() -> DotGeneralFn {
    DotGeneralFn::new(|x: &Tensor, w: &Tensor, dimensions: &DotDimensions, _: &DotOptions| {
        let narrow = |x: &Tensor| x.try_cast(DType::BF16)?.try_cast(DType::F32);
        narrow(x)?.try_dot_general(&narrow(w)?, dimensions.clone())
    })
}

fn narrow(x: &Tensor) -> Tensor {
    x.cast(DType::BF16).cast(DType::F32)
}

#[test]
fn a_product_put_into_a_layer_is_the_one_it_computes() {
    let x = random::normal(&key(0), [2, 3, 4]);
    let variables = Dense::new(5).init(key(1)).call(&x).unwrap();
    let y = Dense::new(5).dot_general(rounded()).apply(&variables).call(&x).unwrap();
    let kernel = variables.tensor("params/kernel").unwrap();
    assert!(y.all_close(narrow(&x).dot(&narrow(kernel)), 1e-6, 1e-6).unwrap());
    assert!(!y.all_close(x.dot(kernel), 1e-6, 1e-6).unwrap());

    let layer = || DenseGeneral::new([2, 3]).axis([-2, -1]);
    let variables = layer().init(key(1)).call(&x).unwrap();
    let y = layer().dot_general(rounded()).apply(&variables).call(&x).unwrap();
    let expected =
        layer().apply(tree::map(&variables, |w| Ok(narrow(w))).unwrap()).call(&narrow(&x)).unwrap();
    assert!(y.all_close(expected, 1e-6, 1e-6).unwrap());
}

#[test]
fn the_products_of_attention_are_put_in_apart() {
    let x = random::normal(&key(0), [2, 3, 4]);
    let layer = || MultiHeadDotProductAttention::new(2);
    let variables = layer().init(key(1)).call(&x).unwrap();
    let plain = layer().apply(&variables).call(&x).unwrap();
    let qkv = layer().qkv_dot_general(rounded()).apply(&variables).call(&x).unwrap();
    let out = layer().out_dot_general(rounded()).apply(&variables).call(&x).unwrap();
    for (a, b) in [(&plain, &qkv), (&plain, &out), (&qkv, &out)] {
        assert!(a.all_close(b, 0.0, 0.05).unwrap() && !a.all_close(b, 1e-7, 1e-7).unwrap());
    }
}

#[test]
fn a_convolution_put_into_a_layer_is_the_one_it_computes() {
    let x = random::normal(&key(0), [1, 6, 6, 2]);
    let layer = || Conv::new(3, [3, 3]).strides([2, 2]);
    let doubled = ConvGeneralFn::new(|x: &Tensor, w: &Tensor, options: &ConvOptions| {
        Ok::<_, Error>(x.try_conv_general(w, options)? * 2.0)
    });
    let (y, variables) = layer().init_with_output(key(1)).call(&x).unwrap();
    let twice = layer().conv_general_dilated(doubled).apply(&variables).call(&x).unwrap();
    assert!(twice.all_close(y * 2.0, 1e-6, 1e-6).unwrap());
}

/// The steps of `tests/golden/scripts/dynamic_scale.py`, which are those of Flax 0.12.8.
#[test]
fn scales_of_losses_grow_and_back_off_as_those_of_flax() {
    let table = jax::table("dynamic_scale");
    let cases = table["cases"].as_array().unwrap();
    for case in cases {
        let number = |name: &str| case["settings"][name].as_f64().map(|x| x as f32);
        let mut scale = DynamicScale::new();
        if let Some(first) = number("scale") {
            scale = scale.with_scale(first);
        }
        if let Some(factor) = number("growth_factor") {
            scale = scale.growth_factor(factor);
        }
        if let Some(factor) = number("backoff_factor") {
            scale = scale.backoff_factor(factor);
        }
        if let Some(steps) = case["settings"]["growth_interval"].as_i64() {
            scale = scale.growth_interval(steps as i32);
        }
        if let Some(minimum) = number("minimum_scale") {
            scale = scale.minimum_scale(minimum);
        }
        let x = Tensor::from([1.0f32, -2.0]).cast(DType::F16);
        let factors = table["factors"].as_array().unwrap();
        for (factor, expected) in factors.iter().zip(case["steps"].as_array().unwrap()) {
            let factor = factor.as_f64().unwrap();
            let loss = |x: &Tensor| Ok((Tensor::from(factor).cast(x.dtype()) * x * x).sum());
            let found = scale.value_and_grad(loss)(&x).unwrap();
            scale = found.dynamic_scale;
            let what = format!("{} {factor}", case["settings"]);
            assert_eq!(
                i64::from(scale.fin_steps.item::<i32>().unwrap()),
                expected[0].as_i64().unwrap(),
                "{what}"
            );
            assert_eq!(
                f64::from(scale.scale.item::<f32>().unwrap()),
                expected[1].as_f64().unwrap(),
                "{what}"
            );
            assert_eq!(found.is_finite.item::<bool>().unwrap(), expected[2].as_bool().unwrap(), "{what}");
            assert_eq!(found.gradients.dtype().name(), expected[3].as_str().unwrap(), "{what}");
            for (g, expected) in
                found.gradients.to_vec::<f32>().unwrap().iter().zip(expected[4].as_array().unwrap())
            {
                match expected.as_f64() {
                    Some(expected) => {
                        assert!(
                            (f64::from(*g) - expected).abs() <= 1e-6 * expected.abs(),
                            "{what}: {g} {expected}"
                        );
                    }
                    None => assert!(!g.is_finite(), "{what}: {g} {expected}"),
                }
            }
        }
    }
    assert_eq!(cases.len(), 5);
}
