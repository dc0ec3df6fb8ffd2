//! The library's modules by the names that Flax has for them.
//!
//! A module is reachable from manifests and sources once it has a line in [`FIELDS`] and one in [`build`].

use std::sync::Arc;

use flaxen::OperandPrecision;
use flaxen::module::BoxedLayer;
use flaxen::nn::{
    Attend, AxisList, Constant, ConvGeneralCls, ConvGeneralFn, ConvLocal, ConvPadding, ConvTranspose,
    DenseGeneral, DotGeneralCls, DotGeneralFn, Einsum, EinsumCls, Embed, GroupNorm, InstanceNorm,
    MultiHeadAttention, MultiHeadDotProductAttention, PReLU, PromoteDtypeFn, RMSNorm, SelfAttention, Sizes,
    SpectralNorm, Steps, WeightNorm,
};
use flaxen::prelude::*;

use super::arguments::{Spec, set};
use super::models::{AnyModule, Arguments, Erased, as_layer, layer, module, plain, tensor};
use super::python::value::{Passing, Py};
use super::{Stop, recurrent};

/// The classes, and their fields as far as they are passed by position.
const FIELDS: [(&str, &[&str]); 28] = [
    ("BatchNorm", &["use_running_average", "axis", "momentum", "epsilon", "dtype"]),
    ("Bidirectional", &["forward_rnn", "backward_rnn", "merge_fn", "time_major", "return_carry"]),
    ("Conv", &["features", "kernel_size", "strides", "padding", "input_dilation", "kernel_dilation"]),
    ("ConvLocal", &["features", "kernel_size", "strides", "padding", "input_dilation", "kernel_dilation"]),
    ("ConvLSTMCell", &["features", "kernel_size", "strides", "padding", "use_bias"]),
    ("ConvTranspose", &["features", "kernel_size", "strides", "padding", "kernel_dilation", "use_bias"]),
    ("Dense", &["features", "use_bias", "dtype", "param_dtype"]),
    ("DenseGeneral", &["features", "axis", "batch_dims", "use_bias"]),
    ("Dropout", &["rate", "broadcast_dims", "deterministic", "rng_collection"]),
    ("Einsum", &["shape", "einsum_str", "use_bias"]),
    ("Embed", &["num_embeddings", "features", "dtype", "param_dtype"]),
    ("GRUCell", &["features", "gate_fn", "activation_fn", "kernel_init", "recurrent_kernel_init"]),
    ("GroupNorm", &["num_groups", "group_size", "epsilon", "dtype"]),
    ("InstanceNorm", &["epsilon", "dtype", "param_dtype", "use_bias", "use_scale"]),
    ("LSTMCell", &["features", "gate_fn", "activation_fn", "kernel_init", "recurrent_kernel_init"]),
    ("LayerNorm", &["epsilon", "dtype", "param_dtype", "use_bias", "use_scale"]),
    ("MGUCell", &["features", "gate_fn", "activation_fn", "kernel_init", "recurrent_kernel_init"]),
    ("MultiHeadAttention", &["num_heads", "dtype", "param_dtype", "qkv_features", "out_features"]),
    ("MultiHeadDotProductAttention", &["num_heads", "dtype", "param_dtype", "qkv_features", "out_features"]),
    ("OptimizedLSTMCell", &["features", "gate_fn", "activation_fn", "kernel_init", "recurrent_kernel_init"]),
    ("PReLU", &["param_dtype", "negative_slope_init"]),
    ("RMSNorm", &["epsilon", "dtype", "param_dtype", "use_scale"]),
    ("RNN", &["cell", "time_major", "return_carry", "reverse", "keep_order", "unroll"]),
    ("SelfAttention", &["num_heads", "dtype", "param_dtype", "qkv_features", "out_features"]),
    ("Sequential", &["layers"]),
    ("SimpleCell", &["features", "activation_fn", "kernel_init", "recurrent_kernel_init", "bias_init"]),
    ("SpectralNorm", &["layer_instance", "n_steps", "epsilon"]),
    ("WeightNorm", &["layer_instance", "epsilon", "dtype", "param_dtype", "use_scale"]),
];

/// Whether a class is one of the library's modules.
pub fn is_class(class: &str) -> bool {
    FIELDS.iter().any(|(name, _)| *name == class)
}

/// The module of a class and the arguments of a call.
///
/// # Errors
/// If an argument is unknown, or says nothing.
pub fn of_call(class: &str, passing: Passing) -> Result<Arc<dyn AnyModule>, Stop> {
    let fields = FIELDS.iter().find(|(name, _)| *name == class).map_or(&[][..], |(_, fields)| fields);
    if passing.positional.len() > fields.len() {
        return Err(Stop::Unsupported(format!(
            "{class} with {} positional arguments",
            passing.positional.len()
        )));
    }
    let positional = fields.iter().zip(passing.positional).map(|(name, value)| ((*name).to_owned(), value));
    let arguments = positional.chain(passing.named).collect();
    let spec = Spec::new(class, arguments);
    let module = build(&spec)?;
    match spec.finish()?.first() {
        None => Ok(module),
        Some(unknown) => Err(Stop::Unsupported(format!("{class} of which {unknown}"))),
    }
}

/// A normalisation that takes a mask.
macro_rules! masked {
    ($norm:expr) => {
        layer($norm, &["mask"], |norm, arguments| {
            tensor(match arguments.array("mask") {
                None => norm.call(arguments.x()?),
                Some(mask) => norm.call_masked(arguments.x()?, mask),
            })
        })
        .shared()
    };
}

macro_rules! multi_head {
    ($module:ident, $spec:expr) => {
        set!($module::new($spec.required("num_heads")?), $spec;
            qkv_features: usize, out_features: usize, broadcast_dropout: bool, dropout_rate: f64, deterministic: bool,
            dtype: DType, param_dtype: DType, kernel_init: Initializer, out_kernel_init: Initializer,
            bias_init: Initializer, out_bias_init: Initializer, use_bias: bool, decode: bool, normalize_qk: bool,
            force_fp32_for_softmax: bool, precision: OperandPrecision, qkv_dot_general: DotGeneralFn,
            out_dot_general: DotGeneralFn, qkv_dot_general_cls: DotGeneralCls, out_dot_general_cls: DotGeneralCls,
            qk_attn_weights_einsum_cls: EinsumCls, attn_weights_value_einsum_cls: EinsumCls)
    };
}

/// Attention with all that its call may be given.
macro_rules! attention {
    ($module:ident, $spec:expr) => {
        attention!(
            $module,
            $spec,
            3,
            &["inputs_k", "inputs_v", "inputs_kv", "mask", "deterministic", "dropout_rng", "sow_weights"]
        )
    };
    ($module:ident, $spec:expr, $positional:literal, $keywords:expr) => {{
        let call = |attention: &$module, arguments: &Arguments| {
            tensor(attention.call(arguments.x()?, attend(arguments)?))
        };
        let attention = multi_head!($module, $spec);
        Erased::of_layer(attention, $positional, $keywords, call).shared()
    }};
}

fn attend(arguments: &Arguments) -> Result<Attend> {
    let mut call = Attend::new().train(arguments.flag("deterministic").map(|deterministic| !deterministic));
    let given = |position: usize, name: &str| -> Result<Option<Tensor>> {
        match arguments.positional.get(position) {
            Some(Py::Nothing) | None => Ok(arguments.array(name).cloned()),
            Some(value) => value.tensor().map(Some),
        }
    };
    if let Some(keys) = given(1, "inputs_k")?.or(arguments.array("inputs_kv").cloned()) {
        call = call.keys(&keys);
    }
    if let Some(values) = given(2, "inputs_v")? {
        call = call.values(&values);
    }
    if let Some(mask) = arguments.array("mask") {
        call = call.mask(mask);
    }
    if let Some(Py::Key(key)) = arguments.named.get("dropout_rng") {
        call = call.dropout_key(key);
    }
    Ok(call.sow_weights(arguments.flag("sow_weights").unwrap_or(false)))
}

/// The module of a class.
///
/// # Errors
/// If the class or an argument is unknown.
pub fn build(spec: &Spec<'_>) -> Result<Arc<dyn AnyModule>, Stop> {
    Ok(match spec.class {
        "BatchNorm" => layer(batch_norm(spec)?, &["use_running_average", "mask"], |norm, arguments| {
            let train = arguments.flag("use_running_average").map(|running| !running);
            tensor(match arguments.array("mask") {
                None => norm.call(arguments.x()?, train),
                Some(mask) => norm.call_masked(arguments.x()?, train, mask),
            })
        })
        .shared(),
        "Conv" => plain(conv(spec)?).shared(),
        "ConvLocal" => plain(conv_local(spec)?).shared(),
        "ConvTranspose" => plain(conv_transpose(spec)?).shared(),
        "Dense" => plain(dense(spec)?).shared(),
        "DenseGeneral" => plain(dense_general(spec)?).shared(),
        "Dropout" => layer(dropout(spec)?, &["deterministic", "rng"], |dropout, arguments| {
            let train = arguments.flag("deterministic").map(|deterministic| !deterministic);
            tensor(match arguments.named.get("rng") {
                Some(Py::Key(key)) if train != Some(false) => dropout.call_with_key(arguments.x()?, key),
                _ => dropout.call(arguments.x()?, train),
            })
        })
        .shared(),
        "Einsum" => layer(einsum(spec)?, &["einsum_str"], |einsum, arguments| {
            tensor(match arguments.text("einsum_str") {
                None => einsum.call(arguments.x()?),
                Some(equation) => einsum.call_with(arguments.x()?, equation),
            })
        })
        .shared(),
        "Embed" => plain(embed(spec)?)
            .method("attend", 1, &[], |embed, arguments| tensor(embed.attend(arguments.x()?)))
            .shared(),
        "GroupNorm" => masked!(group_norm(spec)?),
        "InstanceNorm" => masked!(instance_norm(spec)?),
        "LayerNorm" => masked!(layer_norm(spec)?),
        "MultiHeadAttention" => attention!(MultiHeadAttention, spec),
        "MultiHeadDotProductAttention" => attention!(MultiHeadDotProductAttention, spec),
        "PReLU" => plain(prelu(spec)?).shared(),
        "RMSNorm" => masked!(rms_norm(spec)?),
        "SelfAttention" => {
            attention!(SelfAttention, spec, 1, &["mask", "deterministic", "dropout_rng", "sow_weights"])
        }
        "Sequential" => sequential(spec)?.shared(),
        "SpectralNorm" => module(spectral_norm(spec)?, 1, &["update_stats"], |norm, arguments| {
            let update = arguments.flag("update_stats");
            let update = update.ok_or_else(|| Error::msg("a call without `update_stats`"))?;
            tensor(norm.call(arguments.x()?, update))
        })
        .shared(),
        "WeightNorm" => plain(weight_norm(spec)?).shared(),
        class => match recurrent::build(spec)? {
            Some(module) => module,
            None => return Err(Stop::Unsupported(format!("the module {class}"))),
        },
    })
}

/// Layers one after another; what each returns are the arguments of the next.
fn sequential(spec: &Spec<'_>) -> Result<Erased<Sequential>, Stop> {
    let list = spec.value("layers").map(Py::items).transpose()?;
    let list = list.ok_or_else(|| Stop::Unsupported("Sequential without a list of layers".into()))?;
    let layers = list.iter().map(|value| layer_of(value, spec)).collect::<Result<Vec<_>, Stop>>()?;
    let call = |layers: &Sequential, arguments: &Arguments| match &arguments.positional[..] {
        [Py::Tensor(x)] => tensor(layers.call(x)),
        [one] => layers.call_tree(&one.tree()?),
        several => layers.call_tree(&Py::tuple(several.to_vec()).tree()?),
    };
    Ok(Erased::of_layer(Sequential::new(layers), 8, &[], call))
}

/// A module or a function as a layer.
fn layer_of(value: &Py, spec: &Spec<'_>) -> Result<BoxedLayer, Stop> {
    let no_layer = || Stop::Unsupported(format!("{}: {} as a layer", spec.class, value.kind()));
    as_layer(value).ok_or_else(no_layer)
}

fn dense(spec: &Spec<'_>) -> Result<Dense, Stop> {
    Ok(set!(Dense::new(spec.required("features")?), spec;
        use_bias: bool, dtype: DType, param_dtype: DType, kernel_init: Initializer, bias_init: Initializer, precision: OperandPrecision, promote_dtype: PromoteDtypeFn, dot_general: DotGeneralFn, dot_general_cls: DotGeneralCls))
}

fn conv(spec: &Spec<'_>) -> Result<Conv, Stop> {
    let (features, kernel_size) = (spec.required("features")?, spec.required::<Sizes>("kernel_size")?);
    Ok(set!(Conv::new(features, kernel_size), spec;
        strides: Steps, padding: ConvPadding, input_dilation: Steps, kernel_dilation: Steps,
        feature_group_count: usize, use_bias: bool, mask: Constant, dtype: DType, param_dtype: DType,
        kernel_init: Initializer, bias_init: Initializer, precision: OperandPrecision, promote_dtype: PromoteDtypeFn, conv_general_dilated: ConvGeneralFn, conv_general_dilated_cls: ConvGeneralCls))
}

fn conv_local(spec: &Spec<'_>) -> Result<ConvLocal, Stop> {
    let (features, kernel_size) = (spec.required("features")?, spec.required::<Sizes>("kernel_size")?);
    Ok(set!(ConvLocal::new(features, kernel_size), spec;
        strides: Steps, padding: ConvPadding, input_dilation: Steps, kernel_dilation: Steps, use_bias: bool,
        mask: Constant, dtype: DType, param_dtype: DType, kernel_init: Initializer, bias_init: Initializer, precision: OperandPrecision, promote_dtype: PromoteDtypeFn))
}

fn conv_transpose(spec: &Spec<'_>) -> Result<ConvTranspose, Stop> {
    let (features, kernel_size) = (spec.required("features")?, spec.required::<Sizes>("kernel_size")?);
    Ok(set!(ConvTranspose::new(features, kernel_size), spec;
        strides: Steps, padding: ConvPadding, kernel_dilation: Steps, use_bias: bool, mask: Constant, dtype: DType,
        param_dtype: DType, kernel_init: Initializer, bias_init: Initializer, transpose_kernel: bool, precision: OperandPrecision, promote_dtype: PromoteDtypeFn, preferred_element_type: DType))
}

fn dense_general(spec: &Spec<'_>) -> Result<DenseGeneral, Stop> {
    Ok(set!(DenseGeneral::new(spec.required::<Sizes>("features")?), spec;
        axis: AxisList, batch_dims: AxisList, use_bias: bool, dtype: DType, param_dtype: DType,
        kernel_init: Initializer, bias_init: Initializer, precision: OperandPrecision, promote_dtype: PromoteDtypeFn, dot_general: DotGeneralFn, dot_general_cls: DotGeneralCls))
}

fn einsum(spec: &Spec<'_>) -> Result<Einsum, Stop> {
    Ok(set!(Einsum::new(spec.required::<Sizes>("shape")?), spec;
        einsum_str: String, use_bias: bool, dtype: DType, param_dtype: DType, kernel_init: Initializer,
        bias_init: Initializer, preferred_element_type: DType, precision: OperandPrecision, promote_dtype: PromoteDtypeFn))
}

fn embed(spec: &Spec<'_>) -> Result<Embed, Stop> {
    Ok(set!(Embed::new(spec.required("num_embeddings")?, spec.required("features")?), spec;
        dtype: DType, param_dtype: DType, embedding_init: Initializer, promote_dtype: PromoteDtypeFn))
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

/// The layer that an argument is.
fn inner(spec: &Spec<'_>, name: &'static str) -> Result<BoxedLayer, Stop> {
    let missing = || Stop::Unsupported(format!("{} without `{name}`", spec.class));
    layer_of(spec.value(name).ok_or_else(missing)?, spec)
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
