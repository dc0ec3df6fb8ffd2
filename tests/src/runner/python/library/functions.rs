//! Functions of `flax.linen`, `jax.nn`, `jax.lax` and `optax`.

use flaxen::Padding;
use flaxen::nn::{combine_masks, dot_product_attention, make_attention_mask, make_causal_mask};
use flaxen::prelude::*;

use crate::runner::python::reader::Reader;
use crate::runner::python::value::Py;

type Activation = fn(&Tensor) -> Result<Tensor>;

/// Activations of one tensor without arguments, by all their names.
const ACTIVATIONS: [(&str, Activation); 19] = [
    ("hard_sigmoid", Tensor::try_hard_sigmoid),
    ("hard_silu", Tensor::try_hard_silu),
    ("hard_swish", Tensor::try_hard_silu),
    ("hard_tanh", Tensor::try_hard_tanh),
    ("log_sigmoid", Tensor::try_log_sigmoid),
    ("relu", Tensor::try_relu),
    ("relu6", Tensor::try_relu6),
    ("selu", Tensor::try_selu),
    ("sigmoid", Tensor::try_logistic),
    ("logistic", Tensor::try_logistic),
    ("silu", Tensor::try_silu),
    ("swish", Tensor::try_silu),
    ("soft_sign", Tensor::try_soft_sign),
    ("softplus", Tensor::try_softplus),
    ("tanh", Tensor::try_tanh),
    ("stop_gradient", |x| Ok(x.stop_gradient())),
    ("square", Tensor::try_square),
    ("rsqrt", Tensor::try_rsqrt),
    ("erf", Tensor::try_erf),
];

/// Functions with arguments of their own.
const OTHERS: [&str; 23] = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "leaky_relu",
    "log_softmax",
    "softmax",
    "standardize",
    "one_hot",
    "avg_pool",
    "max_pool",
    "min_pool",
    "make_causal_mask",
    "make_attention_mask",
    "combine_masks",
    "dot_product_attention",
    "activation",
    "logsumexp",
    "normalize",
    "top_k",
    "compact",
    "nowrap",
    "is_array",
];

/// Whether there is a function of a name.
pub fn is_known(name: &str) -> bool {
    ACTIVATIONS.iter().any(|(known, _)| *known == name) || OTHERS.contains(&name)
}

/// Calls a function; None if it is unknown.
///
/// # Errors
/// If an argument does not fit.
pub fn call(name: &str, reader: &mut Reader<'_>) -> Result<Option<Py>> {
    if let Some((_, function)) = ACTIVATIONS.iter().find(|(known, _)| *known == name) {
        return Ok(Some(Py::Tensor(function(&reader.tensor(0, "x")?)?)));
    }
    let axis =
        |reader: &mut Reader<'_>| -> Result<isize> { Ok(reader.get::<isize>(1, "axis")?.unwrap_or(-1)) };
    Ok(Some(Py::Tensor(match name {
        "celu" => {
            let x = reader.tensor(0, "x")?;
            x.try_celu(reader.get::<f64>(1, "alpha")?.unwrap_or(1.0))?
        }
        "elu" => {
            let x = reader.tensor(0, "x")?;
            x.try_elu(reader.get::<f64>(1, "alpha")?.unwrap_or(1.0))?
        }
        "leaky_relu" => {
            let x = reader.tensor(0, "x")?;
            x.try_leaky_relu(reader.get::<f64>(1, "negative_slope")?.unwrap_or(0.01))?
        }
        "gelu" => {
            let x = reader.tensor(0, "x")?;
            if reader.get(1, "approximate")?.unwrap_or(true) { x.try_gelu()? } else { x.try_gelu_exact()? }
        }
        "glu" => reader.tensor(0, "x")?.try_glu(axis(reader)?)?,
        "softmax" => reader.tensor(0, "x")?.try_softmax(axis(reader)?)?,
        "log_softmax" => reader.tensor(0, "x")?.try_log_softmax(axis(reader)?)?,
        "standardize" => {
            let (x, axis) = (reader.tensor(0, "x")?, axis(reader)?);
            x.try_standardize(axis, reader.get::<f64>(3, "epsilon")?.unwrap_or(1e-5))?
        }
        "one_hot" => {
            let (x, size) = (reader.tensor(0, "x")?, reader.required(1, "num_classes")?);
            let dtype = reader.get(3, "dtype")?.unwrap_or(DType::F32);
            x.try_one_hot(size, reader.get::<isize>(2, "axis")?.unwrap_or(-1), dtype)?
        }
        "avg_pool" | "max_pool" | "min_pool" => pool(name, reader)?,
        "make_causal_mask" => {
            let x = reader.tensor(0, "x")?;
            let mask = make_causal_mask(&x)?;
            mask.try_cast(reader.get(2, "dtype")?.unwrap_or(mask.dtype()))?
        }
        "make_attention_mask" => {
            let mask =
                make_attention_mask(&reader.tensor(0, "query_input")?, &reader.tensor(1, "key_input")?)?;
            mask.try_cast(reader.get(9, "dtype")?.unwrap_or(mask.dtype()))?
        }
        "combine_masks" => {
            let masks = reader.rest();
            let some = masks.iter().filter(|mask| !matches!(mask, Py::Nothing));
            let some: Vec<Tensor> = some.map(Py::tensor).collect::<Result<_>>()?;
            let dtype = reader.get(99, "dtype")?;
            match combine_masks(some.iter().map(Some))? {
                Some(mask) => mask.try_cast(dtype.unwrap_or(mask.dtype()))?,
                None => return Ok(Some(Py::Nothing)),
            }
        }
        "dot_product_attention" => attention(reader)?,
        "l2_loss" | "squared_error" => {
            let predictions = reader.tensor(0, "predictions")?;
            let targets = reader.some(1, "targets").map(|targets| targets.tensor()).transpose()?;
            let errors = targets.map_or(Ok(predictions.clone()), |targets| predictions.try_sub(&targets))?;
            let squared = errors.try_square()?;
            if name == "l2_loss" { squared * 0.5 } else { squared }
        }
        "softmax_cross_entropy" => {
            losses::try_softmax_cross_entropy(&reader.tensor(0, "logits")?, &reader.tensor(1, "labels")?)?
        }
        "softmax_cross_entropy_with_integer_labels" => losses::try_softmax_cross_entropy_with_integer_labels(
            &reader.tensor(0, "logits")?,
            &reader.tensor(1, "labels")?,
        )?,
        "sigmoid_binary_cross_entropy" => losses::try_sigmoid_binary_cross_entropy(
            &reader.tensor(0, "logits")?,
            &reader.tensor(1, "labels")?,
        )?,
        "top_k" => {
            let (values, indices) = reader.tensor(0, "operand")?.try_top_k(reader.required(1, "k")?)?;
            return Ok(Some(Py::tuple(vec![Py::Tensor(values), Py::Tensor(indices)])));
        }
        "vmap" | "jit" | "checkpoint" | "remat" => return transformed(name, reader).map(Some),
        _ => return Ok(None),
    })))
}

/// `jit` and `checkpoint` change nothing but speed and memory; no other transforms are known.
fn transformed(name: &str, reader: &mut Reader<'_>) -> Result<Py> {
    match name {
        "vmap" => Err(Error::msg("`jax.vmap` within a source is unknown")),
        _ => reader.value(0, "fun"),
    }
}

fn pool(name: &str, reader: &mut Reader<'_>) -> Result<Tensor> {
    let (x, window) = (reader.tensor(0, "inputs")?, reader.sizes(1, "window_shape")?);
    let strides = reader.some_sizes(2, "strides")?.unwrap_or_default();
    let padding = match reader.some(3, "padding") {
        None => Padding::Valid,
        Some(Py::Text(text)) => match &*text {
            "SAME" => Padding::Same,
            "SAME_LOWER" => Padding::SameLower,
            "VALID" => Padding::Valid,
            other => return Err(Error::msg(format!("the padding {other:?}"))),
        },
        Some(pairs) => {
            let pair = |pair: &Py| match pair.items().as_deref() {
                Ok([Py::Whole(before), Py::Whole(after)]) => Ok((*before as isize, *after as isize)),
                _ => Err(Error::msg(format!("the padding {pair:?}"))),
            };
            Padding::Explicit(pairs.items()?.iter().map(pair).collect::<Result<_>>()?)
        }
    };
    match name {
        "avg_pool" => {
            let counts = reader.get(4, "count_include_pad")?.unwrap_or(true);
            avg_pool(&x, window).strides(strides).padding(padding).count_include_pad(counts).run()
        }
        "max_pool" => max_pool(&x, window).strides(strides).padding(padding).run(),
        _ => min_pool(&x, window).strides(strides).padding(padding).run(),
    }
}

fn attention(reader: &mut Reader<'_>) -> Result<Tensor> {
    let (query, key) = (reader.tensor(0, "query")?, reader.tensor(1, "key")?);
    let value = reader.tensor(2, "value")?;
    let mut attention = dot_product_attention(&query, &key, &value);
    if let Some(bias) = reader.some(3, "bias") {
        attention = attention.bias(&bias.tensor()?);
    }
    if let Some(mask) = reader.some(4, "mask") {
        attention = attention.mask(&mask.tensor()?);
    }
    let shared = reader.get(5, "broadcast_dropout")?.unwrap_or(true);
    let key = reader.some(6, "dropout_rng");
    let rate = reader.get::<f64>(7, "dropout_rate")?.unwrap_or(0.0);
    let trains = !reader.get(8, "deterministic")?.unwrap_or(false);
    if let (Some(Py::Key(key)), true) = (key, trains && rate > 0.0) {
        attention = attention.dropout(rate, &key).broadcast_dropout(shared);
    }
    attention.run()
}
