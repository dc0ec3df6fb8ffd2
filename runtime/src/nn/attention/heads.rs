//! Multi-head attention: projections, heads, and the output.

use super::cache::cached;
use super::dot_product::{AttentionFn, dot_product_attention};
use super::masks::local_window;
use super::rotary::RotaryEmbedding;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::PROBABILITY;
use crate::core::precision::OperandPrecision;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::nn::support::{features_of, merge_param};
use crate::nn::{DenseGeneral, DotGeneralCls, DotGeneralFn, EinsumCls, LayerNorm};
use crate::ops::create::iota;
use crate::random::Key;
use crate::scope::Initializer;

/// What multi-head attention is called with beside queries; all of it may be left out.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::{Attend, MultiHeadDotProductAttention};
///
/// let attention = MultiHeadDotProductAttention::new(4);
/// let (x, memory) = (Tensor::ones([2, 3, 8]), Tensor::ones([2, 7, 8]));
/// let call = Attend::new().keys(&memory).train(false);
/// let y = attention.init_with_output(key(0)).run(|m| m.call(&x, call))?.0;
/// assert_eq!(y.shape(), [2, 3, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attend {
    keys: Option<Tensor>,
    values: Option<Tensor>,
    mask: Option<Tensor>,
    bias: Option<Tensor>,
    positions: Option<Tensor>,
    train: Option<bool>,
    dropout_key: Option<Key>,
    sow_weights: bool,
}

impl Attend {
    /// Self-attention without a mask.
    pub fn new() -> Attend {
        Attend::default()
    }

    /// Sets what keys are made of, `[batch.., keys, features]`; by default what queries are made of.
    #[must_use]
    pub fn keys(self, keys: &Tensor) -> Attend {
        Attend { keys: Some(keys.clone()), ..self }
    }

    /// Sets what values are made of, `[batch.., keys, features]`; by default what keys are made of.
    #[must_use]
    pub fn values(self, values: &Tensor) -> Attend {
        Attend { values: Some(values.clone()), ..self }
    }

    /// Hides keys from queries where it is false or 0; broadcasts to `[batch.., heads, queries, keys]`.
    #[must_use]
    pub fn mask(self, mask: &Tensor) -> Attend {
        Attend { mask: Some(mask.clone()), ..self }
    }

    /// Adds to the products of queries and keys, such as [`make_alibi_bias`](super::make_alibi_bias); broadcasts to
    /// `[batch.., heads, queries, keys]`.
    #[must_use]
    pub fn bias(self, bias: &Tensor) -> Attend {
        Attend { bias: Some(bias.clone()), ..self }
    }

    /// Sets the positions of queries and keys for a [`RotaryEmbedding`](super::RotaryEmbedding), `[length]` or `[batch.., length]`; by
    /// default 0, 1, … and while decoding how many there were before.
    #[must_use]
    pub fn positions(self, positions: &Tensor) -> Attend {
        Attend { positions: Some(positions.clone()), ..self }
    }

    /// Says whether weights are dropped, **the opposite of Flax's `deterministic`**; needed if the layer has a `dropout_rate` and was not told by `deterministic`.
    #[must_use]
    pub fn train(self, train: impl Into<Option<bool>>) -> Attend {
        Attend { train: train.into(), ..self }
    }

    /// Sets the key of dropout; by default it is drawn from the stream `dropout`.
    #[must_use]
    pub fn dropout_key(self, key: &Key) -> Attend {
        Attend { dropout_key: Some(key.clone()), ..self }
    }

    /// Sets whether the weights are stored, as `attention_weights` of the collection `intermediates`.
    #[must_use]
    pub fn sow_weights(self, sow: bool) -> Attend {
        Attend { sow_weights: sow, ..self }
    }
}

/// Nothing beside queries.
impl From<()> for Attend {
    fn from((): ()) -> Attend {
        Attend::new()
    }
}

/// The configuration of a module of multi-head attention.
#[expect(clippy::struct_excessive_bools, reason = "Flax's attention has as many options")]
pub(super) struct MultiHead<'a> {
    pub num_heads: usize,
    pub num_kv_heads: Option<usize>,
    pub rotary: Option<&'a RotaryEmbedding>,
    pub local_window_size: Option<(usize, usize)>,
    pub qkv_features: Option<usize>,
    pub out_features: Option<usize>,
    pub broadcast_dropout: bool,
    pub dropout_rate: f64,
    pub deterministic: Option<bool>,
    pub dtype: Option<DType>,
    pub param_dtype: DType,
    pub kernel_init: &'a Initializer,
    pub out_kernel_init: &'a Initializer,
    pub bias_init: &'a Initializer,
    pub out_bias_init: &'a Initializer,
    pub use_bias: bool,
    pub attention_fn: Option<&'a AttentionFn>,
    pub decode: bool,
    pub normalize_qk: bool,
    pub force_fp32_for_softmax: bool,
    pub precision: &'a OperandPrecision,
    pub qkv_dot_general: GivenProduct<'a>,
    pub out_dot_general: GivenProduct<'a>,
    /// Of queries and keys, and of weights and values.
    pub einsums: [&'a Option<EinsumCls>; 2],
}

/// What computes the product of a projection.
type GivenProduct<'a> = (&'a Option<DotGeneralFn>, &'a Option<DotGeneralCls>);

impl MultiHead<'_> {
    /// The output for queries; submodules and variables are those of the module.
    pub fn attend<M: Module>(&self, module: &M, queries: &Tensor, call: Attend) -> Result<Tensor> {
        let Attend { keys, values, mask, bias, positions, train, dropout_key, sow_weights } = call;
        PROBABILITY.check(M::NAME, "dropout_rate", self.dropout_rate)?;
        if keys.is_none() && values.is_some() {
            let message = "is given values without keys: give what both are made of as keys";
            return Err(Error::argument(M::NAME, message));
        }
        let keys = keys.unwrap_or_else(|| queries.clone());
        let values = values.unwrap_or_else(|| keys.clone());

        // Queries, keys and values are `[batch.., length, heads, depth]` from here on.
        let inputs = features_of(M::NAME, queries)?;
        let features = self.qkv_features.unwrap_or(inputs);
        let dense = self.projection::<M>(features, self.num_heads)?;
        let of_keys = self.projection::<M>(features, self.num_kv_heads.unwrap_or(self.num_heads))?;
        let mut query = module.child_named("query", dense).call(queries)?;
        let mut key = module.child_named("key", of_keys.clone()).call(&keys)?;
        let value = module.child_named("value", of_keys).call(&values)?;
        if self.normalize_qk {
            let norm = LayerNorm::new().use_bias(false).dtype(self.dtype).param_dtype(self.param_dtype);
            query = module.child_named("query_ln", norm.clone()).call(&query)?;
            key = module.child_named("key_ln", norm).call(&key)?;
        }
        if let Some(rotary) = self.rotary {
            let place = |x: &Tensor| match &positions {
                Some(positions) => Ok(positions.clone()),
                None => self.positions(module, x),
            };
            query = rotary.apply(&query, &place(&query)?)?;
            key = rotary.apply(&key, &place(&key)?)?;
        }

        // Decoding sees one query, and the keys and values of all positions up to now.
        let (key, value, mask, bias) = if self.decode {
            let window = self.local_window_size.map(|(left, _)| left);
            let cached = cached(module, &query, [key, value], [mask, bias], window)?;
            (cached.key, cached.value, cached.mask, cached.bias)
        } else {
            let mask = self.windowed(&query, &key, mask)?;
            (key, value, mask, bias)
        };

        let mut attention = dot_product_attention(&query, &key, &value)
            .broadcast_dropout(self.broadcast_dropout)
            .dtype(self.dtype)
            .force_fp32_for_softmax(self.force_fp32_for_softmax)
            .precision(self.precision.clone());
        let [of_keys, of_values] = self.einsums.map(|class| class.as_ref().map(|class| class.within(module)));
        attention = attention.einsums(of_keys, of_values);
        attention.weights.mask = mask;
        attention.weights.bias = bias;
        if self.dropout_rate > 0.0
            && !merge_param("deterministic", self.deterministic, train.map(|train| !train))?
        {
            let key = dropout_key.map_or_else(|| module.make_rng("dropout"), Ok)?;
            attention = attention.dropout(self.dropout_rate, &key);
        }
        if sow_weights {
            attention = attention.sow_in(&module.scope()?);
        }
        let x = match self.attention_fn {
            Some(function) => function.call(attention)?,
            None => attention.run()?,
        };

        let out = DenseGeneral::new(self.out_features.unwrap_or(inputs))
            .axis([-2, -1])
            .kernel_init(self.out_kernel_init)
            .bias_init(self.out_bias_init)
            .use_bias(self.use_bias)
            .dtype(self.dtype)
            .param_dtype(self.param_dtype)
            .precision(self.precision.clone())
            .dot_general(self.out_dot_general.0.clone())
            .dot_general_cls(self.out_dot_general.1.clone());
        module.child_named("out", out).call(&x)
    }

    /// The positions of queries or keys `[batch.., length, heads, depth]`: how many were before them.
    fn positions<M: Module>(&self, module: &M, x: &Tensor) -> Result<Tensor> {
        let positions = iota([x.shape()[x.rank() - 3]], DType::I32, 0)?;
        if !(self.decode && module.has_variable("cache", "cache_index")) {
            return Ok(positions);
        }
        let index = module.get_variable::<Tensor>("cache", "cache_index")?;
        index.map_or(Ok(positions.clone()), |index| positions.try_add(index))
    }

    /// The mask with what the window hides.
    fn windowed(&self, query: &Tensor, key: &Tensor, mask: Option<Tensor>) -> Result<Option<Tensor>> {
        let Some(window) = self.local_window_size else { return Ok(mask) };
        let length = |x: &Tensor| x.shape()[x.rank() - 3];
        let seen = local_window([length(query), length(key)], window)?;
        let mask = mask.map(|mask| mask.try_cast(DType::Bool)?.try_bitand(&seen)).transpose()?;
        Ok(Some(mask.unwrap_or(seen)))
    }

    /// The layer that makes so many heads of features, of the depth that all heads of queries give.
    fn projection<M: Module>(&self, features: usize, heads: usize) -> Result<DenseGeneral> {
        if self.num_heads == 0 || !features.is_multiple_of(self.num_heads) {
            let message = format!(
                "expects a number of heads that divides the {features} features, found {}",
                self.num_heads
            );
            return Err(Error::argument(M::NAME, message));
        }
        if heads == 0 || !self.num_heads.is_multiple_of(heads) {
            let message = format!(
                "expects a `num_kv_heads` that divides the {} heads of queries, found {heads}",
                self.num_heads
            );
            return Err(Error::argument(M::NAME, message));
        }
        Ok(DenseGeneral::new([heads, features / self.num_heads])
            .kernel_init(self.kernel_init)
            .bias_init(self.bias_init)
            .use_bias(self.use_bias)
            .dtype(self.dtype)
            .param_dtype(self.param_dtype)
            .precision(self.precision.clone())
            .dot_general(self.qkv_dot_general.0.clone())
            .dot_general_cls(self.qkv_dot_general.1.clone()))
    }
}
