//! Weights in 8 bits, for models that are finished.
//!
//! [`int8`] turns the kernels of [`Dense`](super::Dense) and the tables of [`Embed`](super::Embed) into integers with a scale for each
//! channel ([`Quantized`]), a quarter of the memory. The same model runs with them: nothing is set in it. `Dense` and
//! `Embed::attend` round each row of their input to 16 bits and multiply integers, whose sums are exact, so that results are the same on
//! every processor; other layers that have such a parameter compute with `numbers · scale`.
//!
//! ```
//! use flaxen::nn::quantize;
//! use flaxen::prelude::*;
//!
//! let (model, x) = (sequential![Dense::new(64), Dense::new(3)], random::normal(&key(1), [4, 32]));
//! let variables = model.init(key(0)).call(&x)?;
//! let quantized = variables.with("params", quantize::int8(variables.dict("params")?)?);
//! assert_eq!(quantized.tensor("params/layers_0/kernel/int8")?.dtype(), DType::I8);
//! let (y, z) = (model.apply(&variables).call(&x)?, model.apply(&quantized).call(&x)?);
//! assert!(z.all_close(&y, 0.05, 0.05)?);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! Symmetric numbers, a scale for each channel, and inputs that are rounded as they come, are "dynamic quantisation" in PyTorch; see
//! R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference" (2018), arXiv:1806.08342.

use crate::core::Tensor;
use crate::error::Result;
use crate::variables::{Dict, Quantized, Value};

/// The least rows and columns of a matrix that is worth it.
const LEAST: usize = 8;

/// Parameters whose matrices are in 8 bits: `kernel`s, with a scale for each column, and `embedding`s, with one for each row, of two axes
/// and floats; not those with fewer than 8 rows or columns, and not what is quantised already.
///
/// # Errors
/// If a weight is not finite.
pub fn int8(params: &Dict) -> Result<Dict> {
    mapped(params, &|name, value| {
        let channels = match name {
            "kernel" => 1,
            "embedding" => 0,
            _ => return Ok(None),
        };
        let Some(weights) = value.as_tensor() else { return Ok(None) };
        let is_large = weights.rank() == 2 && weights.shape().iter().all(|&size| size >= LEAST);
        if !is_large || !weights.dtype().is_float() {
            return Ok(None);
        }
        Ok(Some(Quantized::new(weights, channels)?.to_dict().into()))
    })
}

/// Parameters without integers: the way back from [`int8`], but for what was rounded.
///
/// # Errors
/// If a value is of a transform that has returned.
pub fn dequantize(params: &Dict) -> Result<Dict> {
    mapped(params, &|_, value| {
        let weights = Quantized::of(value).map(|quantized| quantized.dequantized()).transpose()?;
        Ok(weights.map(Tensor::into))
    })
}

/// A dict in which some values are others, by their name and what they are.
fn mapped(dict: &Dict, f: &dyn Fn(&str, &Value) -> Result<Option<Value>>) -> Result<Dict> {
    let new = |(name, value): (&str, &Value)| {
        let value = match (f(name, value)?, value) {
            (Some(other), _) => other,
            (None, Value::Dict(inner)) if Quantized::of(value).is_none() => mapped(inner, f)?.into(),
            (None, _) => value.clone(),
        };
        Ok((name.to_owned(), value))
    };
    dict.iter().map(new).collect()
}
