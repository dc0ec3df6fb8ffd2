//! The small modules that cases define for themselves, which manifests describe in words.

use flaxen::prelude::*;

use super::Stop;
use super::arguments::Spec;
use super::models::Model;
use super::modules::{boxed, tensor};
use crate::golden::Case;

/// The module of a case, if it is one of these.
pub fn model(case: &Case, spec: &Spec<'_>, method: &str) -> Result<Option<Box<dyn Model>>, Stop> {
    let described = case.manifest()["description"].as_str().unwrap_or_default();
    Ok(match (spec.class, method) {
        ("MLPDrop", "__call__") => Some(boxed(MlpDrop::new(), &["train"], |mlp, arguments| {
            tensor(mlp.call(arguments.x()?, arguments.flag("train").unwrap_or(false)))
        })),
        ("Sequential", "__call__")
            if described.starts_with("compact: Sequential([Dense(4), relu, Dense(2), log_softmax])") =>
        {
            Some(boxed(Nested::new(), &[], |nested, arguments| tensor(nested.call(arguments.x()?))))
        }
        _ => None,
    })
}

#[module]
struct MlpDrop;

impl MlpDrop {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = Dense::new(6).call(x)?;
        let x = Dropout::new(0.5).call(&x, train)?;
        let x = Dense::new(6).call(&x)?.relu();
        let x = Dropout::new(0.25).call(&x, train)?;
        Dense::new(2).call(&x)
    }
}

/// Layers that are the children of who makes the list.
#[module]
struct Nested;

impl Layer for Nested {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let layers =
            sequential![self.child(Dense::new(4)), Tensor::relu, self.child(Dense::new(2)), |x: &Tensor| x
                .log_softmax(-1)];
        self.child(layers).call(x)
    }
}
