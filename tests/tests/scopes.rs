//! Scopes on their own: functions of a scope as models.

use flaxen::Error;
use flaxen::prelude::*;
use flaxen::scope::{self, PathPart};

fn bits(key: &random::Key) -> Vec<u32> {
    key.data().to_vec().expect("a concrete key")
}

#[test]
fn a_key_alone_is_the_stream_params() -> Result<()> {
    let rng = |s: &Scope| {
        assert!(s.has_rng("params") && !s.has_rng("dropout"));
        s.make_rng("params")
    };
    let (found, _) = scope::init(key(0)).run(rng)?;
    let expected = scope::fold_in_path(&key(0), [PathPart::Number(1)], false)?;
    assert_eq!(bits(&found), bits(&expected));
    Ok(())
}

#[test]
fn a_separator_keeps_paths_with_equal_letters_apart() -> Result<()> {
    let path = |parts: [&'static str; 2], separated| {
        let parts = parts.map(PathPart::Name).into_iter().chain([PathPart::Number(1)]);
        scope::fold_in_path(&key(0), parts, separated)
    };
    assert_eq!(bits(&path(["a", "bc"], false)?), bits(&path(["ab", "c"], false)?));
    assert_ne!(bits(&path(["a", "bc"], true)?), bits(&path(["ab", "c"], true)?));
    let draw = |rngs: Rngs, names: [&'static str; 2]| {
        let (found, _) = scope::init(rngs).run(|s| s.child(names[0])?.child(names[1])?.make_rng("params"))?;
        Ok::<_, Error>(bits(&found))
    };
    assert_eq!(draw(key(0).into(), ["a", "bc"])?, draw(key(0).into(), ["ab", "c"])?);
    let separated = || Rngs::new(key(0)).separated();
    assert_ne!(draw(separated(), ["a", "bc"])?, draw(separated(), ["ab", "c"])?);
    Ok(())
}

#[test]
fn a_scope_entered_again_goes_on_drawing() -> Result<()> {
    let run = scope::apply(Variables::new()).rngs(Rngs::none().with("test", key(0)));
    let (a, b) = run.run(|s| {
        let draw = || s.reentered_child("inner")?.make_rng("test");
        Ok((draw()?, draw()?))
    })?;
    assert_ne!(bits(&a), bits(&b));
    Ok(())
}

#[test]
fn a_missing_stream_is_served_from_params_and_a_missing_params_is_an_error() -> Result<()> {
    let (found, _) = scope::init(key(0)).run(|s| {
        let first = s.make_rng("noise")?;
        Ok((first, s.make_rng("params")?))
    })?;
    let expected = |count| scope::fold_in_path(&key(0), [PathPart::Number(count)], false);
    assert_eq!((bits(&found.0), bits(&found.1)), (bits(&expected(1)?), bits(&expected(2)?)));

    let error = scope::init(Rngs::none().with("dropout", key(0)))
        .run(|s| s.child("a")?.make_rng("params"))
        .expect_err("there is no such stream");
    assert!(
        matches!(&error, Error::MissingRng { stream, path, .. } if &**stream == "params" && &**path == "/a")
    );
    assert!(error.to_string().contains("`dropout`"), "{error}");
    Ok(())
}

#[test]
fn streams_are_given_as_one_key_each() -> Result<()> {
    for rngs in [Rngs::from(key(0)), Rngs::from([("params", key(0))])] {
        let (y, _) = scope::init(rngs).run(|s| s.make_rng("params"))?;
        assert_eq!(bits(&y), bits(&scope::fold_in_path(&key(0), [PathPart::Number(1)], false)?));
    }
    let many = random::key(0).split_n(2);
    let error = scope::init(many).run(|s| s.make_rng("params")).expect_err("two keys");
    assert!(matches!(error, Error::InvalidRng { .. }), "{error}");
    Ok(())
}

#[test]
fn a_parameter_of_another_shape_is_an_error_with_both_shapes() -> Result<()> {
    let f = |shape: [usize; 2]| move |s: &Scope| s.child("dense")?.param("kernel", init::ones(), shape);
    let (_, variables) = scope::init(key(0)).run(f([4, 2]))?;
    let error = scope::apply(&variables).run(f([3, 2])).expect_err("another shape");
    let text = error.to_string();
    assert!(matches!(error, Error::ParamShape { .. }));
    for part in ["`kernel`", "`/dense`", "[4, 2]", "[3, 2]"] {
        assert!(text.contains(part), "{text}");
    }
    Ok(())
}

#[test]
fn a_parameter_that_is_any_tree_is_compared_leaf_by_leaf() -> Result<()> {
    let f = |n: usize| {
        move |s: &Scope| s.param_with("pair", |key| (random::normal(key, [n]), vec![Tensor::zeros([n])]))
    };
    let ((first, _), variables) = scope::init(key(0)).run(f(3))?;
    let (again, zeros) = scope::apply(&variables).run(f(3))?;
    assert_eq!(first.to_vec::<f32>()?, again.to_vec::<f32>()?);
    assert_eq!(zeros[0].shape(), [3]);
    let error = scope::apply(&variables).run(f(4)).expect_err("another shape");
    assert!(matches!(error, Error::ParamShape { .. }), "{error}");
    Ok(())
}

#[test]
fn a_second_layer_of_params_is_an_error_that_says_what_to_pass() {
    let inner = Variables::from([("params", Dict::new().with("w", Tensor::ones([1])))]);
    let nested = Variables::from([("params", Dict::from(inner))]);
    let error = scope::apply(&nested).run(|_| Ok(())).expect_err("params in params");
    assert!(matches!(error, Error::InvalidVariables { .. }));
    assert!(error.to_string().contains(".pop(\"params\")"), "{error}");
}

#[test]
fn a_collection_that_is_no_dict_is_refused() {
    let dict = Dict::new().with("params", Tensor::ones([1]));
    let error = Variables::try_from(dict).expect_err("a tensor is no collection");
    assert!(error.to_string().contains("`params`"), "{error}");
}

#[test]
fn an_immutable_collection_cannot_be_written() {
    let put = |s: &Scope| s.put_variable("state", "test", Tensor::from(123.0f32));
    let error = scope::init(key(0)).mutable("params").run(put).expect_err("`state` is immutable");
    assert!(matches!(&error, Error::Immutable { collection, name, path, .. }
        if &**collection == "state" && &**name == "test" && &**path == "/"));
}

#[test]
fn a_missing_parameter_is_an_error_with_its_path_and_what_is_there() {
    let f = |s: &Scope| s.child("dense")?.param("kernel", init::ones(), [1]);
    let some = Variables::from([("params", Dict::new().with("dense/bias", Tensor::ones([1])))]);
    let error = scope::apply(&some).run(f).expect_err("no kernel");
    assert!(matches!(&error, Error::ParamNotFound { name, path, available }
        if &**name == "kernel" && &**path == "/dense" && available == &["bias"]));
    for none in [Variables::new(), Variables::from([("params", Dict::new())])] {
        let error = scope::apply(&none).run(f).expect_err("no params");
        assert!(matches!(error, Error::CollectionNotFound { .. }), "{error}");
    }
}

#[test]
fn a_variable_knows_whether_it_can_be_set() -> Result<()> {
    let f = |s: &Scope| {
        let test = s.variable("test", "value", || Tensor::from(0.0f32))?;
        Ok((test.is_mutable(), test.set(1.0f32).is_ok()))
    };
    let variables = Variables::from([("test", Dict::new().with("value", Tensor::from(0.0f32)))]);
    assert_eq!(scope::apply(&variables).mutable("test").run(f)?.0, (true, true));
    assert_eq!(scope::apply(&variables).mutable("other").run(f)?.0, (false, false));
    assert_eq!(scope::apply(&variables).run(f)?, (false, false));
    Ok(())
}

#[test]
fn a_variable_of_an_empty_collection_is_an_error_of_its_own() {
    let variable = |s: &Scope| s.variable("test", "v", || Tensor::from(0.0f32)).map(|_| ());
    let error = scope::apply(Variables::new()).run(variable).expect_err("no collection");
    assert!(matches!(error, Error::CollectionNotFound { .. }), "{error}");
    let some = Variables::from([("test", Dict::new().with("other", Tensor::from(0.0f32)))]);
    let error = scope::apply(&some).run(variable).expect_err("no variable");
    assert!(matches!(error, Error::VariableNotFound { .. }), "{error}");
}

#[test]
fn an_existing_variable_needs_no_initial_value() -> Result<()> {
    let f = |s: &Scope| s.existing_variable::<Tensor>("test", "v").map(|v| v.get());
    let some = Variables::from([("test", Dict::new().with("v", Tensor::from(5.0f32)))]);
    assert_eq!(scope::apply(&some).run(f)?.item::<f32>()?, 5.0);
    assert!(scope::apply(Variables::new()).mutable("test").run(f).is_err());
    Ok(())
}

#[test]
fn variables_of_a_child_are_those_of_the_parent_under_its_name() -> Result<()> {
    let (seen, variables) = scope::apply(Variables::new()).mutable(true).run(|s| {
        let child = s.child("child")?;
        child.put_variable("state", "v", Tensor::from(1.0f32))?;
        Ok((s.variables(), child.variables()))
    })?;
    assert_eq!(seen.0, variables);
    assert_eq!(seen.1, Variables::from([("state", Dict::new().with("v", Tensor::from(1.0f32)))]));
    assert!(variables.contains("state/child/v"));
    Ok(())
}

#[test]
fn a_dict_is_merged_into_the_dict_that_is_there() -> Result<()> {
    let ((), variables) = scope::apply(Variables::new()).mutable(true).run(|s| {
        s.put_variable("state", "d", Dict::new().with("a/x", Tensor::from(1.0f32)))?;
        s.put_variable("state", "d", Dict::new().with("a/y", Tensor::from(2.0f32)))
    })?;
    assert_eq!(variables.dict("state/d/a")?.keys().collect::<Vec<_>>(), ["x", "y"]);
    Ok(())
}

#[test]
fn lazy_init_computes_parameters_only() -> Result<()> {
    let dense = |s: &Scope, x: &Tensor| {
        let kernel = s.param("kernel", init::lecun_normal(), [x.shape()[1], 8])?;
        x.try_dot(&kernel)
    };
    let x = Tensor::abstract_value(Aval::new([1024, 128], DType::F32));
    let lazy = scope::lazy_init(key(0)).run(|s| dense(s, &x))?;
    let (_, eager) = scope::init(key(0)).run(|s| dense(s, &Tensor::ones([1, 128])))?;
    assert_eq!(lazy, eager);
    Ok(())
}

#[test]
fn lazy_init_refuses_parameters_that_depend_on_numbers_of_the_input() {
    let x = Tensor::abstract_value(Aval::new([3], DType::F32));
    let error = scope::lazy_init(key(0))
        .run(|s| {
            s.param_with("free", |_| Tensor::zeros(x.shape()))?;
            s.param_with("bound", |_| &x * 2.0)
        })
        .expect_err("`bound` depends on values");
    assert_eq!(error, Error::LazyInit { variables: vec!["params/bound".to_owned()] });
}

#[test]
fn a_name_is_taken_once_and_a_collection_is_a_namespace() -> Result<()> {
    let zero = || Tensor::from(0.0f32);
    scope::init(key(0)).run(|s| {
        s.variable("a", "v", zero)?;
        s.variable("b", "v", zero)?;
        for error in [
            s.variable("a", "v", zero).err(),
            s.child("v").err(),
            s.sow("c", "w", &zero()).and_then(|_| s.child("w")).err(),
        ] {
            assert!(matches!(error, Some(Error::NameInUse { .. })), "{error:?}");
        }
        s.child("w2")?;
        assert!(matches!(s.param("w2", init::zeros(), [1]), Err(Error::NameInUse { kind: "param", .. })));
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_scope_is_of_no_use_after_its_run() -> Result<()> {
    let (scope, variables) = scope::init(key(0)).run(|s| {
        s.param("w", init::ones(), [1])?;
        s.child("a")
    })?;
    assert!(!scope.is_valid());
    for error in [
        scope.param("w", init::ones(), [1]).err(),
        scope.make_rng("params").err(),
        scope.child("b").err(),
        scope.put_variable("params", "w", Tensor::from(0.0f32)).err(),
    ] {
        assert!(matches!(&error, Some(Error::InvalidScope { path }) if &**path == "/a"), "{error:?}");
    }
    assert_eq!(variables.tensor("params/w")?.to_vec::<f32>()?, [1.0]);
    Ok(())
}

#[test]
fn scopes_know_their_path() -> Result<()> {
    scope::init(key(0)).run(|root| {
        let leaf = root.child("a")?.child("b")?;
        assert_eq!((root.name(), leaf.name()), (None, Some("b")));
        assert_eq!(leaf.path_text(), "/a/b");
        assert_eq!(leaf.parent().and_then(Scope::name), Some("a"));
        assert!(leaf.root() == root && leaf != *root);
        assert!(leaf.is_initializing());
        Ok(())
    })?;
    Ok(())
}
