//! Random streams of modules.

use flaxen::prelude::*;
use flaxen::scope::{PathPart, fold_in_path};
use flaxen_tests::modules::{numbers, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

/// Draws keys, and makes a submodule that does.
#[module]
struct Draws;

impl Draws {
    #[compact]
    fn draw(&self, stream: &str) -> Result<Vec<u32>> {
        self.make_rng(stream)?.data().to_vec()
    }

    #[compact]
    fn in_child(&self, streams: &[&str]) -> Result<Vec<Vec<u32>>> {
        let child = self.child_named("child", Draws::new());
        streams.iter().map(|stream| child.draw(stream)).collect()
    }

    #[compact]
    fn has(&self, streams: &[&str]) -> Result<Vec<bool>> {
        Ok(streams.iter().map(|stream| self.has_rng(stream)).collect())
    }
}

fn bits(key: &random::Key, parts: &[PathPart<'_>]) -> Result<Vec<u32>> {
    fold_in_path(key, parts.iter().copied(), false)?.data().to_vec()
}

#[test]
fn a_key_alone_makes_the_same_parameters_as_the_stream_params() -> Result<()> {
    let model = Dense::new(4);
    let alone = model.init(key(0)).call(&x())?;
    for rngs in [Rngs::from([("params", key(0))]), Rngs::new(key(0)), Rngs::none().with("params", key(0))] {
        assert_eq!(model.init(rngs).call(&x())?, alone);
    }
    assert_eq!(model.init(Rngs::new(key(0)).with("dropout", key(1))).call(&x())?, alone);
    assert_ne!(model.init(key(1)).call(&x())?, alone);
    Ok(())
}

#[test]
fn many_keys_are_no_random_stream() {
    let many = random::key(0).split_n(3);
    for rngs in [Rngs::new(many.clone()), Rngs::new(key(0)).with("dropout", many)] {
        let error = root_error(Dense::new(4).init(rngs).call(&x()));
        assert!(matches!(error, Error::InvalidRng { .. }), "{error:?}");
        assert!(error.to_string().contains("one key per stream"), "{error}");
    }
}

#[test]
fn an_unbound_module_has_no_random_streams() {
    assert!(!Draws::new().has_rng("params"));
    let error = root_error(Draws::new().make_rng("params"));
    assert!(matches!(&error, Error::Unbound { module: "Draws", .. }), "{error:?}");
}

#[test]
fn a_module_knows_the_streams_it_was_given() -> Result<()> {
    let asked = ["params", "dropout", "noise"];
    let has = |rngs: Rngs| Draws::new().apply(Variables::new()).rngs(rngs).run(|m| m.has(&asked));
    assert_eq!(has(key(0).into())?, [true, false, false]);
    assert_eq!(has(Rngs::none().with("noise", key(0)))?, [false, false, true]);
    assert_eq!(has(Rngs::new(key(0)).with("dropout", key(1)))?, [true, true, false]);
    assert_eq!(has(Rngs::none())?, [false; 3]);
    Ok(())
}

#[test]
fn a_single_key_serves_every_stream_and_counts_for_all_of_them() -> Result<()> {
    let expected = |count| bits(&key(7), &[PathPart::Name("child"), PathPart::Number(count)]);
    let expected = [expected(1)?, expected(2)?, expected(3)?];
    let streams = ["params", "dropout", "params"];
    let drawn = Draws::new().apply(Variables::new()).rngs(key(7)).run(|m| m.in_child(&streams))?;
    assert_eq!(drawn, expected);
    let (drawn, _) = Draws::new().init_with_output(key(7)).run(|m| m.in_child(&streams))?;
    assert_eq!(drawn, expected);
    Ok(())
}

#[test]
fn a_stream_of_its_own_counts_by_itself() -> Result<()> {
    let rngs = Rngs::new(key(7)).with("dropout", key(8));
    let streams = ["params", "dropout", "params", "dropout"];
    let drawn = Draws::new().apply(Variables::new()).rngs(rngs).run(|m| m.in_child(&streams))?;
    let expected = |seed, count| bits(&key(seed), &[PathPart::Name("child"), PathPart::Number(count)]);
    assert_eq!(drawn, [expected(7, 1)?, expected(8, 1)?, expected(7, 2)?, expected(8, 2)?]);
    Ok(())
}

#[test]
fn a_missing_stream_is_an_error_that_names_it_its_module_and_the_streams_there_are() {
    let model = Draws::new();
    let run = model.apply(Variables::new()).rngs(Rngs::none().with("noise", key(0)));
    let error = root_error(run.run(|m| m.in_child(&["dropout"])));
    assert!(
        matches!(&error, Error::MissingRng { stream, path, .. } if &**stream == "dropout" && &**path == "/child"),
        "{error:?}"
    );
    assert!(error.to_string().contains("`noise`") && error.to_string().contains("\"dropout\""), "{error}");
    let error = root_error(Draws::new().apply(Variables::new()).run(|m| m.draw("params")));
    assert!(matches!(&error, Error::MissingRng { stream, .. } if &**stream == "params"), "{error:?}");
}

#[test]
fn a_module_called_again_draws_anew_and_an_apply_begins_again() -> Result<()> {
    #[module]
    struct Twice {
        #[setup(Dropout::new(0.5))]
        dropout: Dropout,
    }
    impl Twice {
        #[compact]
        fn run(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
            Ok((self.dropout.call(x, true)?, self.dropout.call(x, true)?))
        }
        #[compact]
        fn run_inline(&self, x: &Tensor) -> Result<Tensor> {
            Dropout::new(0.5).call(x, true)
        }
        #[compact]
        fn run_inline_twice(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
            Ok((self.run_inline(x)?, self.run_inline(x)?))
        }
    }
    let x = Tensor::ones([100]);
    let run = || {
        let rngs = Rngs::none().with("dropout", key(0));
        Twice::new().apply(Variables::new()).rngs(rngs).run(|m| {
            let (a, b) = m.run(&x)?;
            let (c, d) = (m.run_inline(&x)?, m.run_inline(&x)?);
            let (e, f) = m.run_inline_twice(&x)?;
            Ok([a, b, c, d, e, f].map(|y| numbers(&y)))
        })
    };
    let drawn = run()?;
    for (i, a) in drawn.iter().enumerate() {
        assert!(drawn[..i].iter().all(|b| a != b), "draw {i} is an earlier one");
    }
    assert_eq!(run()?, drawn);
    Ok(())
}

#[test]
fn init_makes_the_same_parameters_under_jit() -> Result<()> {
    #[module]
    struct Model;
    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = Dense::new(4).call(x)?.tanh();
            let x = Dropout::new(0.5).call(&x, true)?;
            Dense::new(2).call(&x)
        }
    }
    let init = |key: random::Key| Model::new().init(key).call(&x());
    assert_eq!(jit(init).call(key(3))?, init(key(3))?);
    Ok(())
}
