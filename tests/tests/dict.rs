//! Dicts and variables: values that share, never change in place, and print themselves.

use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen::variables::{Boxed, Partitioned, unbox};
use flaxen_tests::data::Data;
use flaxen_tests::golden::Case;
use flaxen_tests::numbers::scalar;
use flaxen_tests::values::{dict_of_json, of_json, random_dict};

fn golden(id: &str) -> serde_json::Value {
    Case::load("tree_utils").scenario(id)["result"].clone()
}

fn sample() -> Dict {
    Dict::from([("c", 2i32)]).with("a/b", 1i32)
}

fn address(dict: &Dict, path: &str) -> usize {
    dict.tensor(path).unwrap().array().unwrap().address()
}

#[test]
fn every_scenario_of_the_golden_case_has_a_test() {
    let in_dict_flatten = [
        "flatten",
        "flatten_sep",
        "flatten_keep_empty",
        "flatten_keep_empty_sep",
        "flatten_is_leaf",
        "roundtrip_keep_empty",
        "roundtrip_loses_empty",
        "unflatten_sep",
        "flatten_empty_dict",
        "flatten_empty_dict_keep",
    ];
    let in_dict_traversal = ["path_aware_map", "model_param_traversal", "model_param_traversal_paths"];
    let here = [
        "frozen_repr",
        "frozen_eq_dict",
        "frozen_inner_type",
        "frozen_pop",
        "core_pop",
        "core_pop_missing",
        "core_copy",
        "tree_leaves_order",
        "pretty_repr",
    ];
    // Only a dict has `flatten`, none has `d["x"] = 1`, and tensors have no hash.
    let ruled_out_by_types = ["flatten_non_dict", "frozen_setitem", "hash_equal"];
    let mut known = [&in_dict_flatten[..], &in_dict_traversal, &here, &ruled_out_by_types].concat();
    let case = Case::load("tree_utils");
    let scenarios = case.expect()["scenarios"].as_array().unwrap();
    let mut ids: Vec<&str> = scenarios.iter().map(|scenario| scenario["id"].as_str().unwrap()).collect();
    known.sort_unstable();
    ids.sort_unstable();
    assert_eq!(known, ids);
}

#[test]
fn a_change_is_not_seen_by_the_dict_it_was_made_from() {
    let mut source = BTreeMap::from([("a".to_owned(), scalar(1.))]);
    let dict = Dict::from(source.clone());
    source.insert("b".to_owned(), scalar(2.));
    let changed = dict.with("a", scalar(3.)).with("c/d", scalar(4.));
    assert_eq!(dict, Dict::from([("a", 1f32)]));
    assert_eq!(changed, Dict::new().with("a", 3f32).with("c/d", 4f32));
    assert_eq!(changed.pop("c/d").unwrap().1, Dict::new().with("a", 3f32).with("c", Dict::new()));
}

#[test]
fn what_did_not_change_is_shared() {
    let dict = Dict::new().with("a/x", Tensor::ones([64])).with("b/x", Tensor::ones([64]));
    let changed = dict.with("b/x", Tensor::zeros([64]));
    assert_eq!(address(&dict, "a/x"), address(&changed, "a/x"));
    assert_ne!(address(&dict, "b/x"), address(&changed, "b/x"));
}

#[test]
fn a_map_over_a_dict_gives_a_dict_also_inside_tuples() {
    let doubled = tree::map(&sample(), |x| Ok(x * 2)).unwrap();
    assert_eq!(doubled, Dict::from([("c", 4i32)]).with("a/b", 2i32));
    let (dict, alone) = tree::map(&(sample(), Tensor::from(5i32)), |x| Ok(x * 2)).unwrap();
    assert_eq!(dict, doubled);
    assert_eq!(alone.item::<i32>(), Ok(10));
}

#[test]
fn pop_gives_the_value_and_the_rest() {
    let expected = golden("frozen_pop");
    // The scenario pops `a` from `{a: 1, c: 2}`.
    let dict = Dict::from([("a", 1i32), ("c", 2)]);
    let (value, rest) = dict.pop("a").unwrap();
    assert_eq!((rest.into(), value), (of_json(&expected[0]), of_json(&expected[1])));
    assert_eq!(dict.len(), 2, "the dict itself keeps the entry");
}

#[test]
fn pop_of_variables_gives_variables() {
    let variables = Variables::from([("params", sample()), ("s", Dict::new())]);
    let (params, rest): (Dict, Variables) = variables.pop("params").unwrap();
    assert_eq!(params, sample());
    assert_eq!(rest, Variables::from([("s", Dict::new())]));
    let dict = dict_of_json(&serde_json::json!({"params": 1, "s": 2}));
    let (value, rest) = dict.pop("params").unwrap();
    assert_eq!((rest.into(), value), (of_json(&golden("core_pop")[0]), of_json(&golden("core_pop")[1])));
}

#[test]
fn pop_of_what_is_not_there_says_what_is() {
    assert_eq!(Case::load("tree_utils").scenario("core_pop_missing")["error"]["cls"], "KeyError");
    let error = Dict::from([("s", 2i32)]).pop("params").unwrap_err();
    assert!(matches!(&error, Error::KeyNotFound { path, .. } if path == "params"), "{error:?}");
    assert_eq!(error.to_string(), "there is no `params`: at the top there is `s`");
    let error = sample().pop("a/x").unwrap_err().to_string();
    assert_eq!(error, "there is no `a/x`: in `a` there is `b`");
    let error = Variables::new().pop("params").unwrap_err().to_string();
    assert_eq!(error, "there is no `params`: at the top there is nothing");
}

#[test]
fn extended_replaces_entries_at_the_top() {
    assert_eq!(Value::from(sample().extended([("z", 9i32)])), of_json(&golden("core_copy")));
    let replaced = sample().extended([("a", Dict::from([("x", 3i32)]))]);
    assert_eq!(replaced, Dict::from([("c", 2i32)]).with("a/x", 3i32));
    let nothing = Dict::new();
    assert_eq!(sample().extended(&nothing), sample());
    let variables = Variables::from([("params", sample())]);
    let both = variables.extended([("state", Dict::new()), ("params", Dict::new())]);
    assert_eq!(both, Variables::from([("params", Dict::new()), ("state", Dict::new())]));
}

#[test]
fn merge_goes_into_dicts_on_both_sides() {
    let merged = sample().merge(&Dict::new().with("a/x", 3i32).with("c/d", 4i32));
    assert_eq!(merged, Dict::new().with("a/b", 1i32).with("a/x", 3i32).with("c/d", 4i32));
}

#[test]
fn a_clone_is_equal_and_shares_everything() {
    let dict = Dict::new().with("a/x", Tensor::ones([64]));
    let copy = dict.clone();
    assert_eq!(copy, dict);
    assert_eq!(address(&copy, "a/x"), address(&dict, "a/x"));
}

#[test]
fn equality_is_of_content_whatever_the_order_of_insertion() {
    assert_eq!(golden("frozen_eq_dict"), serde_json::json!([true, true]));
    let (ab, ba) = (Dict::from([("a", 1i32), ("b", 2)]), Dict::from([("b", 2i32), ("a", 1)]));
    assert_eq!(ab, ba);
    assert_ne!(ab, Dict::from([("a", 1i32), ("b", 3)]));
    assert_ne!(ab, Dict::from([("a", 1i32)]));
    assert_ne!(ab, Dict::from([("a", 1u8), ("b", 2)]), "dtypes differ");
    assert_ne!(Dict::from([("a", [1i32])]), Dict::from([("a", 1i32)]), "shapes differ");
    assert_eq!(Dict::from([("a", f32::NAN)]), Dict::from([("a", f32::NAN)]), "bit for bit");
}

#[test]
fn iteration_gives_nested_dicts() {
    assert_eq!(golden("frozen_inner_type"), "FrozenDict");
    let dict = sample();
    let entries: Vec<(&str, &Value)> = (&dict).into_iter().collect();
    assert_eq!(entries[0], ("a", &Dict::from([("b", 1i32)]).into()));
    assert_eq!(entries[1], ("c", &2i32.into()));
    let again: Dict = dict.clone().into_iter().collect();
    assert_eq!(again, dict);
    let variables = Variables::from([("params", dict.clone())]);
    for (collection, entries) in &variables {
        assert_eq!((collection, entries), ("params", &dict));
    }
    assert_eq!(variables.clone().into_iter().collect::<Variables>(), variables);
    assert_eq!(variables.iter().next_back(), Some(("params", &dict)));
}

#[test]
fn extend_adds_entries() {
    let mut dict = Dict::from([("a", 1i32)]);
    let kept = dict.clone();
    dict.extend([("b", 2i32), ("a", 3)]);
    assert_eq!(dict, Dict::from([("a", 3i32), ("b", 2)]));
    assert_eq!(kept, Dict::from([("a", 1i32)]));
    let mut variables = Variables::default();
    variables.extend([("params", dict.clone())]);
    assert_eq!(variables, Variables::new().with("params", dict));
}

#[test]
fn leaves_are_in_the_order_of_names() {
    let numbers =
        |dict: &Dict| -> Vec<i32> { tree::leaves(dict).iter().map(|x| x.item().unwrap()).collect() };
    let expected = golden("tree_leaves_order");
    assert_eq!(serde_json::json!(numbers(&Dict::from([("b", 1i32), ("a", 2)]))), expected[0]);
    let structure = tree::Structure::of(&sample());
    let again: Dict = structure.build(tree::leaves(&sample()).into_iter().cloned());
    assert_eq!(again, sample());
}

#[test]
fn display_is_flaxs_pretty_repr() {
    let inside = |text: &str| text.strip_prefix("FrozenDict(").unwrap().strip_suffix(')').unwrap().to_owned();
    assert_eq!(sample().to_string(), inside(golden("frozen_repr").as_str().unwrap()));
    let dict = Dict::new().with("a/b", 1i32);
    assert_eq!(dict.to_string(), inside(golden("pretty_repr").as_str().unwrap()));
    assert_eq!(format!("{dict:#?}"), dict.to_string());
    assert_eq!(Value::from(dict.clone()).to_string(), dict.to_string());
    assert_eq!(
        Variables::from([("params", dict)]).to_string(),
        "{\n    params: {\n        a: {\n            b: 1,\n        },\n    },\n}"
    );
    assert_eq!(Dict::new().to_string(), "{}");
    assert_eq!(Dict::from([("a", Dict::new())]).to_string(), "{\n    a: {},\n}");
    assert_eq!(Value::from(3i32).to_string(), "3");
}

#[test]
fn debug_is_one_line_of_dtypes_and_shapes() {
    let dict =
        Dict::new().with("Dense_0/kernel", Tensor::zeros([3, 2])).with("Dense_0/bias", Tensor::zeros([2]));
    assert_eq!(format!("{dict:?}"), "{Dense_0: {bias: f32[2], kernel: f32[3,2]}}");
    let sown = Dict::from([("h", vec![Tensor::zeros([2])]), ("none", vec![])]);
    assert_eq!(
        format!("{:?}", Variables::from([("intermediates", sown)])),
        "{intermediates: {h: (f32[2],), none: ()}}"
    );
    assert_eq!(format!("{:?}", Value::from(("a".len() as i64, true))), "(i32[], bool[])");
}

#[test]
fn small_tensors_print_their_numbers_and_large_ones_what_they_are() {
    let dict = Dict::new()
        .with("bias", [1f32, 2.5])
        .with("cube", Tensor::from_vec([1i32, 2, 3, 4], [2, 1, 2]))
        .with("kernel", Tensor::zeros([3, 3]))
        .with("words", Tensor::full_of([8], 1e-12, DType::F64));
    let words = ["1.e-12"; 8].join(" ");
    assert_eq!(
        dict.to_string(),
        format!(
            "{{\n    bias: [1.  2.5],\n    cube: [[[1 2]] [[3 4]]],\n    kernel: f32[3,3],\n    words: [{words}],\n}}"
        )
    );
    let seen = jit(|dict: Dict| {
        assert_eq!(dict.to_string(), "{\n    b: f32[2],\n}", "a traced value has no elements");
        Ok(dict)
    });
    seen.call(Dict::from([("b", [1f32, 2.])])).unwrap();
}

#[test]
fn every_kind_of_value_has_a_text() {
    #[derive(Tree)]
    struct Line {
        slope: Tensor,
        offset: Option<Tensor>,
        #[tree(static)]
        degree: usize,
    }
    let line = Line { slope: Tensor::zeros([9]), offset: None, degree: 1 };
    let boxed = Boxed::new(Tensor::zeros([3, 3]), Partitioned::new(["embed", ""]));
    let dict = Dict::new()
        .with("boxed", boxed)
        .with("line", Value::of(&line))
        .with("sown", vec![Dict::from([("a", 1i32)])])
        .with("train", Value::of(&Static(true)));
    assert_eq!(
        format!("{dict:?}"),
        "{boxed: f32[3,3] in Partitioned { names: [Some(\"embed\"), None] }, \
         line: Line {slope: f32[9], offset: None, degree: 1}, sown: ({a: i32[]},), train: true}"
    );
    assert_eq!(
        Dict::from([("sown", vec![Dict::from([("a", 1i32)])])]).to_string(),
        "{\n    sown: (\n        {\n            a: 1,\n        },\n    ),\n}"
    );
}

#[test]
fn whatever_becomes_a_tensor_or_a_tuple_becomes_a_value() {
    let tensor = |value: Value| value.tensor().unwrap().clone();
    assert_eq!(tensor(1.5f32.into()).item::<f32>(), Ok(1.5));
    assert_eq!(tensor(true.into()).dtype(), DType::Bool);
    assert_eq!(tensor([[1i32, 2], [3, 4]].into()).shape(), [2, 2]);
    assert_eq!(tensor(vec![1u8, 2, 3].into()).shape(), [3]);
    assert_eq!(tensor((&[1i64, 2][..]).into()).shape(), [2]);
    assert_eq!(tensor(ndarray::arr2(&[[1f32, 2.]]).into()).shape(), [1, 2]);
    assert_eq!(Value::from((1i32, [2f32, 3.], sample())).tuple().unwrap().len(), 3);
    assert_eq!(Value::from(vec![scalar(1.), scalar(2.)]), Value::from([scalar(1.), scalar(2.)]));
    assert_eq!(
        Value::from((scalar(1.), scalar(2.))),
        Value::from(vec![Value::from(1f32), Value::from(2f32)])
    );
    assert_eq!(
        Value::from(Variables::from([("params", sample())])),
        Dict::from([("params", sample())]).into()
    );
}

#[test]
fn a_path_to_something_else_is_an_error_that_says_so() {
    let dict = sample().with("s", vec![scalar(1.)]);
    for (path, expected) in [("c", "found a tensor i32[]"), ("s", "found a tuple of 1")] {
        let error = dict.dict(path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(path), "{error}");
    }
    assert!(
        dict.tensor("a").unwrap_err().to_string().contains("expected a tensor at `a`, found a dict of `b`")
    );
    assert!(dict.try_with("c/x", 1i32).unwrap_err().to_string().contains("expected a dict at `c`"));
    assert!(dict.try_with("", 1i32).unwrap_err().to_string().contains("the path is empty"));
    assert!(dict.at("").is_err() && dict.pop("").is_err());
    let error = Variables::try_from(dict).unwrap_err().to_string();
    assert!(error.contains("the collection `c` should be a dict"), "{error}");
}

#[test]
fn random_dicts_pass_through_every_transform() {
    for seed in 0..100 {
        let dict = random_dict(&mut Data::new(seed), 3, true);
        let dict = tree::map(&dict, |x| Ok(x.cast(DType::F32))).unwrap();
        let doubled = dict.map(|x| Ok(x * 2.0)).unwrap();
        assert_eq!(
            jit(|d: Dict| d.map(|x| Ok(x * 2.0))).call(dict.clone()).unwrap(),
            doubled,
            "{seed}: {dict}"
        );
        let squares = |d: &Dict| {
            let sums = tree::leaves(d).into_iter().map(|x| x.square().sum());
            Ok(sums.fold(Tensor::from(0f32), |a, b| a + b))
        };
        assert_eq!(grad(squares)(&dict).unwrap(), doubled, "{seed}: {dict}");
        if tree::count(&dict) > 0 {
            let rows = dict.map(|x| Ok(Tensor::stack(&[x.clone(), x * 3.0], 0))).unwrap();
            let mapped = vmap(|d: Dict| d.map(|x| Ok(x * 2.0))).call(rows.clone()).unwrap();
            assert_eq!(mapped, rows.map(|x| Ok(x * 2.0)).unwrap(), "{seed}: {dict}");
        }
    }
}

#[test]
fn a_dict_given_away_is_written_into_and_a_shared_one_is_not() {
    let f = jit(|d: Dict| d.map(|x| Ok(x + 1.0)));
    let new = || Dict::new().with("a/x", Tensor::ones([64])).with("b", vec![Tensor::ones([64])]);
    let dict = new();
    let before = address(&dict, "a/x");
    let out = f.call(dict).unwrap();
    let after = [address(&out, "a/x"), out["b"][0].tensor().unwrap().array().unwrap().address()];
    assert!(after.contains(&before), "the buffer was not used again");

    let dict = new();
    let held = dict.clone();
    let out = f.call(dict).unwrap();
    assert_eq!(held, new());
    assert_ne!(address(&out, "a/x"), address(&held, "a/x"));

    let dict = new();
    let part = dict.dict("a").unwrap().clone();
    f.call(dict).unwrap();
    assert_eq!(part, Dict::from([("x", Tensor::ones([64]))]), "a part held elsewhere");
}

/// The deepest values there are: dicts, tuples and boxes in turns, with a tensor inside.
fn deepest() -> Dict {
    let mut dict = Dict::from([("x", 1f32)]);
    // A round is two levels.
    for round in 0..(Dict::MAX_DEPTH - 1) / 2 {
        let inner: Value = match round % 3 {
            0 => vec![dict].into(),
            1 => Boxed::new(dict, Partitioned::new([""])).into(),
            _ => Dict::from([("inner", dict)]).into(),
        };
        dict = Dict::from([("value", inner), ("beside", 1i32.into())]);
    }
    Dict::from([("top", dict)])
}

#[test]
fn the_deepest_values_fit_the_stack_of_a_thread() {
    std::thread::scope(|scope| {
        let work = || {
            let dict = deepest();
            let doubled = tree::map(&dict, |x| Ok(x * 2)).unwrap();
            assert!(dict != doubled && dict == deepest());
            assert_eq!(tree::count(&dict), Dict::MAX_DEPTH / 2);
            assert!(tree::leaves_with_path(&dict).iter().any(|(path, _)| path.steps().len() > 200));
            assert!(format!("{dict:?}").len() < 20_000 && dict.to_string().contains("x: 1."));
            assert_eq!(dict.merge(&doubled), doubled);
            assert_eq!(Value::of(&dict), Value::from(dict.clone()));
            assert_eq!(unbox(&unbox(&dict).unwrap()).unwrap(), unbox(&dict).unwrap());
            let step = jit(|dict: Dict| dict.map(|x| Ok(x * 2)));
            assert_eq!(
                step.call(step.call(dict.clone()).unwrap()).unwrap(),
                tree::map(&dict, |x| Ok(x * 4)).unwrap()
            );
            let nested = ["a"; Dict::MAX_DEPTH];
            let named = Dict::new().with(nested, 1f32);
            assert_eq!(Dict::unflatten(named.flatten("/")).unwrap(), named);
            assert_eq!(named.map_with_path(|_, value| Ok(value.clone())).unwrap(), named);
            assert_eq!(named.pop(nested).unwrap().0, 1f32.into());
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, work).unwrap();
    });
}

#[test]
fn what_would_be_nested_deeper_is_refused_where_it_is_made() {
    fn panics<T>(f: impl FnOnce() -> T) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(f()))).is_err()
    }
    let deepest = deepest();
    let too_deep =
        |message: String| assert!(message.contains("more than 256 dicts, tuples and boxes"), "{message}");
    too_deep(Dict::new().try_with("a", deepest.clone()).unwrap_err().to_string());
    too_deep(Dict::new().try_with(vec!["a"; 12_000].join("/"), 1f32).unwrap_err().to_string());
    too_deep(Dict::unflatten([(vec!["a"; 257], 1f32)]).unwrap_err().to_string());
    too_deep(sample().map_with_path(|_, _| Ok(deepest.clone())).unwrap_err().to_string());
    too_deep(sample().update("c", |_| Ok(deepest.clone())).unwrap_err().to_string());
    assert!(panics(|| Dict::from([("a", deepest.clone())])));
    assert!(panics(|| Dict::new().extended([("a", deepest.clone())].into_iter().collect::<Dict>())));
    assert!(panics(|| Value::from(vec![deepest.clone()])));
    assert!(panics(|| Value::from((1f32, deepest.clone()))));
    assert!(panics(|| Boxed::new(deepest.clone(), Partitioned::new([""]))));
    assert!(panics(|| Variables::new().with("params", deepest.clone())));
    assert!(panics(|| Value::of(&(deepest.clone(),))));
    // As a whole it may stand anywhere.
    assert_eq!(Variables::try_from(deepest.clone()).unwrap().as_dict(), &deepest);
}
