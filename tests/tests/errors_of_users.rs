//! Errors on their way to a user: what `main`, `unwrap` and `?` make of them.

use std::error::Error as _;
use std::fmt;
use std::io;

use flaxen::Error;
use flaxen::prelude::*;

/// An error of a user's own, with one behind it.
#[derive(Debug)]
struct NoCity(io::Error);

impl fmt::Display for NoCity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such city")
    }
}

impl std::error::Error for NoCity {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn no_city() -> Error {
    Error::other(NoCity(io::Error::new(io::ErrorKind::NotFound, "no file of cities")))
}

#[module]
struct Looks {}

impl Looks {
    #[compact]
    fn call(&self, _x: &Tensor) -> Result<Tensor> {
        Err(no_city())
    }
}

#[module]
struct Net {}

impl Net {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = Dropout::new(0.5).call(&Dense::new(8).call(x)?, train)?;
        Dense::new(3).call(&x)
    }
}

/// Every kind of error that a run of a model easily makes.
fn errors() -> Vec<Error> {
    let model = Net::new();
    let x = Tensor::ones([4, 5]);
    let variables = model.init(key(0)).run(|m| m.call(&x, false)).unwrap();
    vec![
        model.apply(&variables).run(|m| m.call(&x, true)).unwrap_err(),
        model.apply(&variables).run(|m| m.call(&Tensor::ones([4, 6]), false)).unwrap_err(),
        jit(|x: Tensor| Ok(&x * x.item::<f32>()?)).call(x.clone()).unwrap_err(),
        jit(|x: Tensor| x.try_add(Tensor::ones([3]))).call(x.clone()).unwrap_err(),
        Dense::new(3).call(&x).unwrap_err(),
        no_city(),
    ]
}

#[test]
fn what_main_and_unwrap_print_is_the_text() {
    for error in errors() {
        assert_eq!(format!("{error:?}"), error.to_string());
        let unwrapped = |result: Result<()>| std::panic::catch_unwind(move || result.unwrap());
        let text = unwrapped(Err(error.clone())).unwrap_err();
        assert!(text.downcast_ref::<String>().unwrap().ends_with(&error.to_string()));
    }
}

#[test]
fn fields_are_shown_where_they_are_asked_for() {
    let missing = errors().swap_remove(0);
    assert!(matches!(missing, Error::MissingRng { .. }));
    let fields = format!("{missing:#?}");
    assert!(fields.starts_with("MissingRng {\n") && fields.contains("stream: \"dropout\""), "{fields}");
}

#[test]
fn an_error_of_a_users_own_is_had_back_from_inside_of_models_and_transforms() {
    let in_model = Looks::new().init(key(0)).run(|m| m.call(&Tensor::ones([1]))).unwrap_err();
    let in_jit = jit(|_: Tensor| Err::<Tensor, _>(no_city())).call(Tensor::ones([1])).unwrap_err();
    let in_grad = grad(|_: &Tensor| Err::<Tensor, _>(no_city()))(&Tensor::ones([1])).unwrap_err();
    for error in [in_model, in_jit, in_grad] {
        let found = error.downcast_ref::<NoCity>().expect("it was kept");
        assert_eq!(found.0.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("there is no such city"), "{error}");
        let source = error.source().expect("what was behind it is kept");
        assert_eq!(source.to_string(), "no file of cities");
        assert!(source.is::<io::Error>());
    }
}

#[test]
fn errors_of_files_need_no_conversion_in_closures() {
    let path = "/there/is/no/such/file";
    let f = jit(|x: Tensor| {
        let text = std::fs::read_to_string(path)?;
        Ok(x * text.len() as f32)
    });
    let error = f.call(Tensor::ones([2])).unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
}

#[test]
fn errors_are_equal_by_what_they_say() {
    assert_eq!(no_city(), no_city());
    assert_eq!(Error::msg("a"), Error::msg("a"));
    assert_ne!(Error::msg("there is no such city"), no_city());
}
