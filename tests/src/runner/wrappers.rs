//! The small modules that cases define for themselves, which manifests describe in words.

use flaxen::module::{BoxedLayer, IntoLayer, TreeLayer};
use flaxen::nn::{SpectralNorm, WeightNorm};
use flaxen::prelude::*;
use serde_json::Value as Json;

use super::Stop;
use super::arguments::Spec;
use super::models::Model;
use super::modules::{boxed, tensor};
use crate::golden::Case;

/// The layer of a class, if it is one of these.
pub fn layer(class: &str) -> Option<BoxedLayer> {
    match class {
        "Two" => Some(Two::new().into_layer()),
        "Add" => Some(Add::new().into_layer()),
        _ => None,
    }
}

/// The module of a case, if it is one of these.
pub fn model(case: &Case, spec: &Spec<'_>, method: &str) -> Result<Option<Box<dyn Model>>, Stop> {
    let described = case.description();
    Ok(match (spec.class, method) {
        ("MLPDrop", "__call__") => Some(boxed(MlpDrop::new(), &["train"], |mlp, arguments| {
            tensor(mlp.call(arguments.x()?, arguments.flag("train").unwrap_or(false)))
        })),
        ("Sequential", "__call__")
            if described.starts_with("compact: Sequential([Dense(4), relu, Dense(2), log_softmax])") =>
        {
            Some(boxed(Nested::new(), &[], |nested, arguments| tensor(nested.call(arguments.x()?))))
        }
        ("SN", "__call__") => {
            let module = Sn::new(spec.required("features")?).n_steps(spec.get("n_steps")?.unwrap_or(1));
            Some(boxed(module, &["train"], |module, arguments| {
                tensor(module.call(arguments.x()?, arguments.flag("train").unwrap_or(false)))
            }))
        }
        ("WN", "__call__") => {
            let mut norm = WeightNorm::new(Dense::new(spec.required("features")?));
            for (name, value) in spec.json("kw").and_then(Json::as_object).into_iter().flatten() {
                norm = match (&name[..], value) {
                    ("use_scale", Json::Bool(use_scale)) => norm.use_scale(*use_scale),
                    ("variable_filter", Json::Null) => norm.variable_filter([]),
                    _ => return Err(Stop::Unsupported(format!("WeightNorm({name}={value})"))),
                };
            }
            Some(boxed(Wn::new(norm), &[], |module, arguments| tensor(module.call(arguments.x()?))))
        }
        _ => None,
    })
}

#[module]
struct Sn {
    features: usize,
    #[module(default = 1)]
    n_steps: usize,
}

impl Sn {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let dense = self.child(Dense::new(self.features));
        SpectralNorm::new(dense).n_steps(self.n_steps).call(x, train)
    }
}

#[module]
struct Wn {
    /// The wrapper and its layer; the layer becomes a child of this module.
    norm: WeightNorm<Dense>,
}

impl Layer for Wn {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut norm = self.norm.clone();
        norm.layer_instance = self.child(norm.layer_instance);
        self.child(norm).call(x)
    }
}

/// One tensor in, two out.
#[module]
struct Two;

impl TreeLayer for Two {
    type Input = Tensor;
    type Output = (Tensor, Tensor);

    #[compact]
    fn call(&self, x: Tensor) -> Result<(Tensor, Tensor)> {
        Ok((Dense::new(3).call(&x)?, Dense::new(2).call(&x)?))
    }
}

/// Two tensors in, one out.
#[module]
struct Add;

impl TreeLayer for Add {
    type Input = (Tensor, Tensor);
    type Output = Tensor;

    #[compact]
    fn call(&self, (a, b): (Tensor, Tensor)) -> Result<Tensor> {
        Ok(Dense::new(2).call(&a)? + Dense::new(2).call(&b)?)
    }
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
