//! Models of training that are written for the library, too, as users write them.

use std::sync::Arc;

use flaxen::Value;
use flaxen::prelude::*;
use serde_json::Value as Json;

use super::Stop;
use super::arguments::Spec;
use super::models::{AnyModule, Arguments, module, tensor};
use super::python::value::Names;
use super::subject::value_of;
use crate::seeds::lstm_classifier::LstmClassifier;
use crate::seeds::resnet::TinyResNet;
use crate::seeds::transformer_lm::TinyLm;
use crate::seeds::vae::Vae;

/// The model of a class and its attributes, if there is one.
///
/// # Errors
/// If an attribute is missing.
pub fn model(described: &Json) -> Result<Option<Arc<dyn AnyModule>>, Stop> {
    let attributes = described["args"].as_object().into_iter().flatten();
    let names = Names::new(None);
    let attributes = attributes.map(|(name, value)| Ok((name.clone(), value_of(value, &names)?)));
    let spec =
        Spec::new(described["cls"].as_str().unwrap_or_default(), attributes.collect::<Result<_, Stop>>()?);
    let size = |name| spec.required::<usize>(name);
    Ok(Some(match spec.class {
        "TinyResNet" => {
            let model = TinyResNet::new(size("num_classes")?, spec.required("stages")?, size("width")?);
            module(model, 1, &["train"], |model, arguments| {
                tensor(model.call(arguments.x()?, arguments.flag("train").unwrap_or(true)))
            })
            .shared()
        }
        "TinyLM" => {
            let dropout = spec.get("dropout")?.unwrap_or(0.0);
            let model = TinyLm::new(
                size("vocab")?,
                size("dim")?,
                size("layers")?,
                size("heads")?,
                size("max_len")?,
                dropout,
            );
            module(model, 1, &["deterministic"], |model, arguments| {
                tensor(model.call(arguments.x()?, !arguments.flag("deterministic").unwrap_or(true)))
            })
            .shared()
        }
        "LSTMClassifier" => {
            let model = LstmClassifier::new(size("vocab")?, size("dim")?, size("hidden")?, size("classes")?);
            let call = |model: &LstmClassifier, arguments: &Arguments| {
                Ok(Value::of(&model.call(arguments.x()?, arguments.tensor(1)?)?))
            };
            module(model, 2, &[], call).shared()
        }
        "VAE" => {
            let model = Vae::new(size("hidden")?, size("latents")?, size("out")?);
            let call = |model: &Vae, arguments: &Arguments| {
                let train = !arguments.flag("deterministic").unwrap_or(false);
                model.call(arguments.x()?, train).map(Value::from)
            };
            module(model, 1, &["deterministic"], call).shared()
        }
        _ => return Ok(None),
    }))
}
