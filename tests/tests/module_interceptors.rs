//! Interceptors of methods.

use std::sync::{Arc, Mutex};

use flaxen::module::{Observed, intercept_methods};
use flaxen::prelude::*;
use flaxen_tests::modules::{numbers, root_error};

fn x() -> Tensor {
    Tensor::ones([1])
}

/// Adds 1, and multiplies by a parameter that begins as 1.
#[module]
struct Foo {
    #[module(default = 1.0)]
    add: f32,
}

impl Foo {
    #[compact]
    fn scaled(&self, x: &Tensor, by: f32) -> Result<Tensor> {
        Ok(x * by)
    }

    /// Not compact, and so not intercepted.
    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        self.scaled(x, 2.0)
    }
}

impl Layer for Foo {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok((x + self.add) * self.param("scale", init::ones(), [1])?)
    }
}

#[module]
struct Outer {
    #[setup(Foo::new().add(10.0))]
    of_setup: Foo,
}

impl Layer for Outer {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.of_setup.call(x)?;
        Foo::new().call(&x)
    }
}

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, line: String) {
    log.lock().expect("no panic").push(line);
}

fn noted(log: &Log) -> Vec<String> {
    log.lock().expect("no panic").clone()
}

fn tensor(observed: Observed) -> Result<Tensor> {
    match observed {
        Observed::Tree(value) => value.tensor().cloned(),
        other => Err(Error::msg(format!("{other:?} is no tensor"))),
    }
}

/// Runs `f` under an interceptor that notes every call as it begins and ends.
fn logged<T>(f: impl FnOnce() -> Result<T>) -> Result<(T, Vec<String>)> {
    let log = Log::default();
    let inner = log.clone();
    let out = intercept_methods(
        move |call, next| {
            let what = format!(
                "/{} {}.{}",
                call.module().path().join("/"),
                call.module().type_name(),
                call.method()
            );
            note(&inner, format!("{what} begins"));
            let out = next();
            note(&inner, format!("{what} ends"));
            out
        },
        f,
    )?;
    Ok((out, noted(&log)))
}

#[test]
fn an_interceptor_sees_module_method_and_arguments_and_calls_through() -> Result<()> {
    let model = Foo::new().add(2.0);
    let seen = Log::default();
    let inner = seen.clone();
    let (y, variables) = intercept_methods(
        move |call, next| {
            let foo = call.module().downcast_ref::<Foo>().ok_or_else(|| Error::msg("a `Foo`"))?;
            assert!(call.module().is::<Foo>() && !call.module().is::<Dense>());
            assert!(call.module().scope().is_initializing() && call.module().name().is_none());
            note(&inner, format!("{} of add {} on {:?}", call.method(), foo.add, call.inputs()[0].0));
            assert_eq!(tensor(call.inputs()[0].1.clone())?.to_vec::<f32>()?, [1.0]);
            next()
        },
        || model.init_with_output(key(0)).call(&x()),
    )?;
    assert_eq!(numbers(&y), [3.0]);
    assert!(variables.contains("params/scale"));
    assert_eq!(noted(&seen), ["call of add 2 on \"x\""]);
    Ok(())
}

#[test]
fn arguments_that_are_no_tensors_are_seen_as_text() -> Result<()> {
    let (y, _) = logged(|| Foo::new().apply(Variables::new()).run(|m| m.scaled(&x(), 3.0)))?;
    assert_eq!(numbers(&y), [3.0]);
    intercept_methods(
        |call, next| {
            assert_eq!(call.inputs()[1], ("by", Observed::Text("3.0".to_owned())));
            next()
        },
        || Foo::new().apply(Variables::new()).run(|m| m.scaled(&x(), 3.0)),
    )?;
    Ok(())
}

#[test]
fn every_compact_method_is_intercepted_and_no_plain_one() -> Result<()> {
    let run = || Foo::new().init_with_output(key(0)).run(|m| m.call(&m.plain(&x())?));
    let expected = ["/ Foo.scaled begins", "/ Foo.scaled ends", "/ Foo.call begins", "/ Foo.call ends"];
    assert_eq!(logged(run)?.1, expected);
    Ok(())
}

#[test]
fn methods_of_submodules_are_intercepted_within_those_that_call_them() -> Result<()> {
    let ((y, _), log) = logged(|| Outer::new().init_with_output(key(0)).call(&x()))?;
    assert_eq!(numbers(&y), [12.0]);
    let expected = [
        "/ Outer.call begins",
        "/of_setup Foo.call begins",
        "/of_setup Foo.call ends",
        "/Foo_0 Foo.call begins",
        "/Foo_0 Foo.call ends",
        "/ Outer.call ends",
    ];
    assert_eq!(log, expected);
    Ok(())
}

#[test]
fn an_interceptor_may_answer_without_calling_the_method() -> Result<()> {
    let variables = intercept_methods(
        |_, _| Ok(Observed::Tree(Tensor::from([7.0f32]).into())),
        || Foo::new().init_with_output(key(0)).call(&x()),
    );
    let (y, variables) = variables?;
    assert_eq!(numbers(&y), [7.0]);
    assert!(variables.is_empty());
    Ok(())
}

#[test]
fn an_interceptor_may_replace_the_outputs_of_some_modules() -> Result<()> {
    let negate_setup = || {
        intercept_methods(
            |call, next| match (call.module().name().as_deref(), next()?) {
                (Some("of_setup"), out) => Ok(Observed::Tree((-tensor(out)?).into())),
                (_, out) => Ok(out),
            },
            || Outer::new().init_with_output(key(0)).call(&x()),
        )
    };
    // 1 + 10, negated, + 1.
    assert_eq!(numbers(&negate_setup()?.0), [-10.0]);
    Ok(())
}

#[test]
fn of_two_interceptors_the_outer_one_runs_around_the_inner_one() -> Result<()> {
    let log = Log::default();
    let interceptor = |name: &'static str, by: f32| {
        let log = log.clone();
        move |_: &flaxen::module::MethodCall<'_>, next: &mut flaxen::module::Next<'_>| {
            note(&log, format!("{name} begins"));
            let out = tensor(next()?)? * by + 1.0;
            note(&log, format!("{name} ends"));
            Ok(Observed::Tree(out.into()))
        }
    };
    let y = intercept_methods(interceptor("outer", 10.0), || {
        intercept_methods(interceptor("inner", 100.0), || {
            Foo::new().apply(Variables::new()).run(|m| m.scaled(&x(), 1.0))
        })
    })?;
    assert_eq!(noted(&log), ["outer begins", "inner begins", "inner ends", "outer ends"]);
    // (1 · 100 + 1) · 10 + 1.
    assert_eq!(numbers(&y), [1011.0]);
    Ok(())
}

#[test]
fn an_interceptor_is_gone_after_its_function_even_if_that_failed() -> Result<()> {
    let error = intercept_methods(|_, _| Err(Error::msg("refused")), || Foo::new().init(key(0)).call(&x()));
    assert_eq!(root_error(error), Error::msg("refused"));
    assert!(Foo::new().init(key(0)).call(&x()).is_ok());
    Ok(())
}

#[test]
fn an_interceptor_that_answers_with_another_type_is_an_error() {
    let run = || Foo::new().init(key(0)).call(&x());
    let text = intercept_methods(|_, _| Ok(Observed::Text("none".to_owned())), run);
    let error = root_error(text);
    assert!(matches!(&error, Error::Interceptor { method, .. } if &**method == "call"), "{error:?}");
    let twice = intercept_methods(
        |_, next| {
            next()?;
            next()
        },
        run,
    );
    assert!(root_error(twice).to_string().contains("call it once"));
}
