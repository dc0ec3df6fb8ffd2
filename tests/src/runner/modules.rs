//! Modules by the names that manifests give them.

use flaxen::Value;
use flaxen::module::{BoxedLayer, IntoLayer};
use flaxen::nn::{AxisList, Constant, ConvPadding, Sizes, Steps};
use flaxen::prelude::*;
use serde_json::Value as Json;

use super::Stop;
use super::arguments::{Spec, set};
use super::models::{Arguments, Method, Model};
use super::wrappers;
use crate::golden::Case;

/// The model of a case, with the method of a name.
pub fn model(case: &Case, spec: &Spec<'_>, method: &str) -> Result<Box<dyn Model>, Stop> {
    if let Some(model) = wrappers::model(case, spec, method)? {
        return Ok(model);
    }
    match (spec.class, method) {
        ("BatchNorm", "__call__") => {
            let keywords = &["use_running_average", "mask"];
            Ok(boxed(batch_norm(spec)?, keywords, |norm, arguments| {
                let train = arguments.flag("use_running_average").map(|running| !running);
                tensor(match arguments.array("mask") {
                    None => norm.call(arguments.x()?, train),
                    Some(mask) => norm.call_masked(arguments.x()?, train, mask),
                })
            }))
        }
        ("Dropout", "__call__") => {
            Ok(boxed(dropout(spec)?, &["deterministic"], |dropout, arguments| {
                tensor(dropout.call(
                    arguments.x()?,
                    arguments.flag("deterministic").map(|deterministic| !deterministic),
                ))
            }))
        }
        ("LayerNorm", "__call__") => Ok(boxed(layer_norm(spec)?, &["mask"], |norm, arguments| {
            tensor(match arguments.array("mask") {
                None => norm.call(arguments.x()?),
                Some(mask) => norm.call_masked(arguments.x()?, mask),
            })
        })),
        (_, "__call__") => {
            Ok(boxed(layer(spec)?, &[], |layer, arguments| tensor(layer.call(arguments.x()?))))
        }
        (class, method) => Err(Stop::Unsupported(format!("the method `{method}` of {class}"))),
    }
}

/// A layer, which makes one tensor of one tensor.
pub fn layer(spec: &Spec<'_>) -> Result<BoxedLayer, Stop> {
    Ok(match spec.class {
        "BatchNorm" => batch_norm(spec)?.into_layer(),
        "Conv" => conv(spec)?.into_layer(),
        "Dense" => dense(spec)?.into_layer(),
        "Dropout" => dropout(spec)?.into_layer(),
        "LayerNorm" => layer_norm(spec)?.into_layer(),
        "Sequential" => sequential(spec)?.into_layer(),
        class => return Err(Stop::Unsupported(format!("the module {class}"))),
    })
}

/// A module with a method that takes one tensor and keyword arguments.
pub fn boxed<M, F>(module: M, keywords: &'static [&'static str], call: F) -> Box<dyn Model>
where
    M: Module,
    F: Fn(&M, &Arguments) -> Result<Value> + 'static,
{
    Box::new(Method { module, positional: 1, keywords, call })
}

/// The output of a method that returns a tensor.
pub fn tensor(out: Result<Tensor>) -> Result<Value> {
    out.map(Value::from)
}

/// A function of a tensor by the name Flax has for it.
fn function(name: &str) -> Option<BoxedLayer> {
    Some(match name {
        "elu" => (|x: &Tensor| x.try_elu(1.0)).into_layer(),
        "gelu" => Tensor::try_gelu.into_layer(),
        "leaky_relu" => (|x: &Tensor| x.try_leaky_relu(0.01)).into_layer(),
        "log_sigmoid" => Tensor::try_log_sigmoid.into_layer(),
        "log_softmax" => (|x: &Tensor| x.try_log_softmax(-1)).into_layer(),
        "relu" => Tensor::try_relu.into_layer(),
        "selu" => Tensor::try_selu.into_layer(),
        "sigmoid" => Tensor::try_logistic.into_layer(),
        "silu" | "swish" => Tensor::try_silu.into_layer(),
        "softmax" => (|x: &Tensor| x.try_softmax(-1)).into_layer(),
        "softplus" => Tensor::try_softplus.into_layer(),
        "tanh" => Tensor::try_tanh.into_layer(),
        _ => return None,
    })
}

fn sequential(spec: &Spec<'_>) -> Result<Sequential, Stop> {
    let list = spec.json("layers").and_then(Json::as_array);
    let list = list.ok_or_else(|| Stop::Unsupported("Sequential without a list of layers".into()))?;
    let one = |json: &Json| match json.as_str() {
        None => {
            let inner = Spec::read(json)?;
            let layer = layer(&inner)?;
            match inner.finish()?.first() {
                None => Ok(layer),
                Some(unknown) => Err(Stop::Unsupported(format!("a layer of Sequential of which {unknown}"))),
            }
        }
        Some(name) => {
            let name = name.trim_start_matches("<fn ").trim_end_matches('>');
            function(name).ok_or_else(|| Stop::Unsupported(format!("the function `{name}`")))
        }
    };
    Ok(Sequential::new(list.iter().map(one).collect::<Result<_, _>>()?))
}

fn dense(spec: &Spec<'_>) -> Result<Dense, Stop> {
    Ok(set!(Dense::new(spec.required("features")?), spec;
        use_bias: bool, dtype: DType, param_dtype: DType, kernel_init: Initializer, bias_init: Initializer))
}

fn conv(spec: &Spec<'_>) -> Result<Conv, Stop> {
    let (features, kernel_size) = (spec.required("features")?, spec.required::<Sizes>("kernel_size")?);
    Ok(set!(Conv::new(features, kernel_size), spec;
        strides: Steps, padding: ConvPadding, input_dilation: Steps, kernel_dilation: Steps,
        feature_group_count: usize, use_bias: bool, mask: Constant, dtype: DType, param_dtype: DType,
        kernel_init: Initializer, bias_init: Initializer))
}

fn dropout(spec: &Spec<'_>) -> Result<Dropout, Stop> {
    Ok(set!(Dropout::new(spec.required::<f64>("rate")?), spec;
        broadcast_dims: AxisList, deterministic: bool, rng_collection: String))
}

fn batch_norm(spec: &Spec<'_>) -> Result<BatchNorm, Stop> {
    Ok(set!(BatchNorm::new(), spec;
        use_running_average: bool, axis: AxisList, momentum: f64, epsilon: f64, dtype: DType, param_dtype: DType,
        use_bias: bool, use_scale: bool, bias_init: Initializer, scale_init: Initializer, axis_name: String,
        use_fast_variance: bool, force_float32_reductions: bool))
}

fn layer_norm(spec: &Spec<'_>) -> Result<LayerNorm, Stop> {
    Ok(set!(LayerNorm::new(), spec;
        epsilon: f64, dtype: DType, param_dtype: DType, use_bias: bool, use_scale: bool, bias_init: Initializer,
        scale_init: Initializer, reduction_axes: AxisList, feature_axes: AxisList, axis_name: String,
        use_fast_variance: bool, force_float32_reductions: bool))
}
