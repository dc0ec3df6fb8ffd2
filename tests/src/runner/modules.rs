//! Modules by the names that manifests give them.

use flaxen::Value;
use flaxen::module::{BoxedLayer, IntoLayer};
use flaxen::nn::{
    Attend, AxisList, Constant, ConvLocal, ConvPadding, ConvTranspose, DenseGeneral, Einsum, Embed,
    GroupNorm, InstanceNorm, MultiHeadAttention, MultiHeadDotProductAttention, PReLU, RMSNorm, SelfAttention,
    Sizes, SpectralNorm, Steps, WeightNorm,
};
use flaxen::prelude::*;
use serde_json::Value as Json;

use super::Stop;
use super::arguments::{Spec, set};
use super::models::{Arguments, Method, Model};
use super::{recurrent, wrappers};
use crate::golden::Case;

/// A normalisation that takes a mask.
macro_rules! masked {
    ($norm:expr) => {
        Ok(boxed($norm, &["mask"], |norm, arguments| {
            tensor(match arguments.array("mask") {
                None => norm.call(arguments.x()?),
                Some(mask) => norm.call_masked(arguments.x()?, mask),
            })
        }))
    };
}

/// Attention with all that its call may be given.
macro_rules! attention {
    ($attention:expr) => {
        Ok(method(
            $attention,
            3,
            &["inputs_k", "inputs_v", "mask", "deterministic", "sow_weights"],
            |attention, arguments| tensor(attention.call(arguments.x()?, attend(arguments))),
        ))
    };
}

macro_rules! multi_head {
    ($module:ident, $spec:expr) => {
        set!($module::new($spec.required("num_heads")?), $spec;
            qkv_features: usize, out_features: usize, broadcast_dropout: bool, dropout_rate: f64, deterministic: bool,
            dtype: DType, param_dtype: DType, kernel_init: Initializer, out_kernel_init: Initializer,
            bias_init: Initializer, out_bias_init: Initializer, use_bias: bool, decode: bool, normalize_qk: bool,
            force_fp32_for_softmax: bool)
    };
}

fn attend(arguments: &Arguments) -> Attend {
    let mut call = Attend::new().train(arguments.flag("deterministic").map(|deterministic| !deterministic));
    if let Some(keys) = arguments.positional.get(1).or(arguments.array("inputs_k")) {
        call = call.keys(keys);
    }
    if let Some(values) = arguments.positional.get(2).or(arguments.array("inputs_v")) {
        call = call.values(values);
    }
    if let Some(mask) = arguments.array("mask") {
        call = call.mask(mask);
    }
    call.sow_weights(arguments.flag("sow_weights").unwrap_or(false))
}

/// The model of a case, with the method of a name.
pub fn model(case: &Case, spec: &Spec<'_>, name: &str) -> Result<Box<dyn Model>, Stop> {
    if let Some(model) = wrappers::model(case, spec, name)? {
        return Ok(model);
    }
    if let Some(model) = recurrent::model(spec)?.filter(|_| name == "__call__") {
        return Ok(model);
    }
    match (spec.class, name) {
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
        ("Einsum", "__call__") => Ok(boxed(einsum(spec)?, &["einsum_str"], |einsum, arguments| {
            tensor(match arguments.options.get("einsum_str").and_then(Json::as_str) {
                None => einsum.call(arguments.x()?),
                Some(equation) => einsum.call_with(arguments.x()?, equation),
            })
        })),
        ("Embed", "attend") => {
            Ok(boxed(embed(spec)?, &[], |embed, arguments| tensor(embed.attend(arguments.x()?))))
        }
        ("GroupNorm", "__call__") => masked!(group_norm(spec)?),
        ("InstanceNorm", "__call__") => masked!(instance_norm(spec)?),
        ("LayerNorm", "__call__") => masked!(layer_norm(spec)?),
        ("MultiHeadAttention", "__call__") => attention!(multi_head!(MultiHeadAttention, spec)),
        ("MultiHeadDotProductAttention", "__call__") => {
            attention!(multi_head!(MultiHeadDotProductAttention, spec))
        }
        ("SelfAttention", "__call__") => attention!(multi_head!(SelfAttention, spec)),
        ("RMSNorm", "__call__") => masked!(rms_norm(spec)?),
        ("SpectralNorm", "__call__") => {
            Ok(boxed(spectral_norm(spec)?, &["update_stats"], |norm, arguments| {
                let update = arguments.flag("update_stats");
                tensor(
                    norm.call(
                        arguments.x()?,
                        update.ok_or_else(|| Error::msg("a call without `update_stats`"))?,
                    ),
                )
            }))
        }
        (_, "__call__") => {
            Ok(boxed(layer(spec)?, &[], |layer, arguments| tensor(layer.call(arguments.x()?))))
        }
        (class, name) => Err(Stop::Unsupported(format!("the method `{name}` of {class}"))),
    }
}

/// A layer, which makes one tensor of one tensor.
pub fn layer(spec: &Spec<'_>) -> Result<BoxedLayer, Stop> {
    Ok(match spec.class {
        "BatchNorm" => batch_norm(spec)?.into_layer(),
        "Conv" => conv(spec)?.into_layer(),
        "ConvLocal" => conv_local(spec)?.into_layer(),
        "ConvTranspose" => conv_transpose(spec)?.into_layer(),
        "Dense" => dense(spec)?.into_layer(),
        "DenseGeneral" => dense_general(spec)?.into_layer(),
        "Dropout" => dropout(spec)?.into_layer(),
        "Einsum" => einsum(spec)?.into_layer(),
        "Embed" => embed(spec)?.into_layer(),
        "GroupNorm" => group_norm(spec)?.into_layer(),
        "InstanceNorm" => instance_norm(spec)?.into_layer(),
        "LayerNorm" => layer_norm(spec)?.into_layer(),
        "MultiHeadAttention" => multi_head!(MultiHeadAttention, spec).into_layer(),
        "MultiHeadDotProductAttention" => multi_head!(MultiHeadDotProductAttention, spec).into_layer(),
        "SelfAttention" => multi_head!(SelfAttention, spec).into_layer(),
        "PReLU" => prelu(spec)?.into_layer(),
        "RMSNorm" => rms_norm(spec)?.into_layer(),
        "Sequential" => sequential(spec)?.into_layer(),
        "WeightNorm" => weight_norm(spec)?.into_layer(),
        class => {
            match wrappers::layer(class).map_or_else(|| recurrent::layer(spec), |layer| Ok(Some(layer)))? {
                Some(layer) => layer,
                None => return Err(Stop::Unsupported(format!("the module {class}"))),
            }
        }
    })
}

/// A module with a method that takes one tensor and keyword arguments.
pub fn boxed<M, F>(module: M, keywords: &'static [&'static str], call: F) -> Box<dyn Model>
where
    M: Module,
    F: Fn(&M, &Arguments) -> Result<Value> + 'static,
{
    method(module, 1, keywords, call)
}

/// A module with a method that takes some tensors and keyword arguments.
pub fn method<M, F>(
    module: M,
    positional: usize,
    keywords: &'static [&'static str],
    call: F,
) -> Box<dyn Model>
where
    M: Module,
    F: Fn(&M, &Arguments) -> Result<Value> + 'static,
{
    Box::new(Method { module, positional, keywords, call })
}

/// The output of a method that returns a tensor.
pub fn tensor(out: Result<Tensor>) -> Result<Value> {
    out.map(Value::from)
}

/// A function of a tensor by the name Flax has for it.
pub fn function(name: &str) -> Option<BoxedLayer> {
    Some(match name {
        "celu" => (|x: &Tensor| x.try_celu(1.0)).into_layer(),
        "elu" => (|x: &Tensor| x.try_elu(1.0)).into_layer(),
        "gelu" => Tensor::try_gelu.into_layer(),
        "glu" => (|x: &Tensor| x.try_glu(-1)).into_layer(),
        "hard_sigmoid" => Tensor::try_hard_sigmoid.into_layer(),
        "hard_silu" | "hard_swish" => Tensor::try_hard_silu.into_layer(),
        "hard_tanh" => Tensor::try_hard_tanh.into_layer(),
        "leaky_relu" => (|x: &Tensor| x.try_leaky_relu(0.01)).into_layer(),
        "log_sigmoid" => Tensor::try_log_sigmoid.into_layer(),
        "log_softmax" => (|x: &Tensor| x.try_log_softmax(-1)).into_layer(),
        "relu" => Tensor::try_relu.into_layer(),
        "relu6" => Tensor::try_relu6.into_layer(),
        "selu" => Tensor::try_selu.into_layer(),
        "sigmoid" => Tensor::try_logistic.into_layer(),
        "silu" | "swish" => Tensor::try_silu.into_layer(),
        "soft_sign" => Tensor::try_soft_sign.into_layer(),
        "softmax" => (|x: &Tensor| x.try_softmax(-1)).into_layer(),
        "softplus" => Tensor::try_softplus.into_layer(),
        "standardize" => (|x: &Tensor| x.try_standardize(-1, 1e-5)).into_layer(),
        "tanh" => Tensor::try_tanh.into_layer(),
        _ => return None,
    })
}

fn sequential(spec: &Spec<'_>) -> Result<Sequential, Stop> {
    let list = spec.json("layers").and_then(Json::as_array);
    let list = list.ok_or_else(|| Stop::Unsupported("Sequential without a list of layers".into()))?;
    let one = |json: &Json| match json.as_str() {
        None => whole_layer(&Spec::read(json)?),
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

fn conv_local(spec: &Spec<'_>) -> Result<ConvLocal, Stop> {
    let (features, kernel_size) = (spec.required("features")?, spec.required::<Sizes>("kernel_size")?);
    Ok(set!(ConvLocal::new(features, kernel_size), spec;
        strides: Steps, padding: ConvPadding, input_dilation: Steps, kernel_dilation: Steps, use_bias: bool,
        mask: Constant, dtype: DType, param_dtype: DType, kernel_init: Initializer, bias_init: Initializer))
}

fn conv_transpose(spec: &Spec<'_>) -> Result<ConvTranspose, Stop> {
    let (features, kernel_size) = (spec.required("features")?, spec.required::<Sizes>("kernel_size")?);
    Ok(set!(ConvTranspose::new(features, kernel_size), spec;
        strides: Steps, padding: ConvPadding, kernel_dilation: Steps, use_bias: bool, mask: Constant, dtype: DType,
        param_dtype: DType, kernel_init: Initializer, bias_init: Initializer, transpose_kernel: bool))
}

fn dense_general(spec: &Spec<'_>) -> Result<DenseGeneral, Stop> {
    Ok(set!(DenseGeneral::new(spec.required::<Sizes>("features")?), spec;
        axis: AxisList, batch_dims: AxisList, use_bias: bool, dtype: DType, param_dtype: DType,
        kernel_init: Initializer, bias_init: Initializer))
}

fn einsum(spec: &Spec<'_>) -> Result<Einsum, Stop> {
    Ok(set!(Einsum::new(spec.required::<Sizes>("shape")?), spec;
        einsum_str: String, use_bias: bool, dtype: DType, param_dtype: DType, kernel_init: Initializer,
        bias_init: Initializer, preferred_element_type: DType))
}

fn embed(spec: &Spec<'_>) -> Result<Embed, Stop> {
    Ok(set!(Embed::new(spec.required("num_embeddings")?, spec.required("features")?), spec;
        dtype: DType, param_dtype: DType, embedding_init: Initializer))
}

fn prelu(spec: &Spec<'_>) -> Result<PReLU, Stop> {
    Ok(set!(PReLU::new(), spec; param_dtype: DType, negative_slope_init: f64))
}

fn group_norm(spec: &Spec<'_>) -> Result<GroupNorm, Stop> {
    Ok(set!(GroupNorm::new(), spec;
        num_groups "or none": usize, group_size: usize, epsilon: f64, dtype: DType, param_dtype: DType,
        use_bias: bool, use_scale: bool, bias_init: Initializer, scale_init: Initializer, reduction_axes: AxisList,
        axis_name: String, use_fast_variance: bool, force_float32_reductions: bool))
}

fn instance_norm(spec: &Spec<'_>) -> Result<InstanceNorm, Stop> {
    Ok(set!(InstanceNorm::new(), spec;
        epsilon: f64, dtype: DType, param_dtype: DType, use_bias: bool, use_scale: bool, bias_init: Initializer,
        scale_init: Initializer, feature_axes: AxisList, axis_name: String, use_fast_variance: bool,
        force_float32_reductions: bool))
}

fn rms_norm(spec: &Spec<'_>) -> Result<RMSNorm, Stop> {
    Ok(set!(RMSNorm::new(), spec;
        epsilon: f64, dtype: DType, param_dtype: DType, use_scale: bool, scale_init: Initializer,
        reduction_axes: AxisList, feature_axes: AxisList, axis_name: String, use_fast_variance: bool,
        force_float32_reductions: bool))
}

fn spectral_norm(spec: &Spec<'_>) -> Result<SpectralNorm<BoxedLayer>, Stop> {
    Ok(set!(SpectralNorm::new(inner(spec, "layer_instance")?), spec;
        n_steps: usize, epsilon: f64, dtype: DType, param_dtype: DType, error_on_non_matrix: bool,
        collection_name: String))
}

fn weight_norm(spec: &Spec<'_>) -> Result<WeightNorm<BoxedLayer>, Stop> {
    let mut norm = set!(WeightNorm::new(inner(spec, "layer_instance")?), spec;
        epsilon: f64, dtype: DType, param_dtype: DType, use_scale: bool, scale_init: Initializer);
    if spec.given("feature_axes").is_some() {
        norm = norm.feature_axes(spec.get::<AxisList>("feature_axes")?.unwrap_or(AxisList(Vec::new())));
    }
    if spec.given("variable_filter").is_some() {
        norm = norm.variable_filter(spec.get::<Vec<String>>("variable_filter")?.unwrap_or_default());
    }
    Ok(norm)
}

/// The layer that an argument describes.
fn inner(spec: &Spec<'_>, name: &'static str) -> Result<BoxedLayer, Stop> {
    let json =
        spec.json(name).ok_or_else(|| Stop::Unsupported(format!("{} without `{name}`", spec.class)))?;
    whole_layer(&Spec::read(json)?)
}

/// A layer inside of another one, of which every argument must be known.
fn whole_layer(spec: &Spec<'_>) -> Result<BoxedLayer, Stop> {
    let layer = layer(spec)?;
    match spec.finish()?.first() {
        None => Ok(layer),
        Some(unknown) => Err(Stop::Unsupported(format!("an inner layer of which {unknown}"))),
    }
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
