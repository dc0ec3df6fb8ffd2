//! Scaled dot-product attention, as functions.

use std::fmt;
use std::sync::Arc;

use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::PROBABILITY;
use crate::core::op::DotDimensions;
use crate::core::precision::OperandPrecision;
use crate::error::{Error, Result};
use crate::nn::function::{DotGeneralFn, EinsumFn};
use crate::nn::precision::compute_dtype;
use crate::numpy::einsum::{try_einsum_by, try_einsum_with};
use crate::ops::dot_general::DotOptions;
use crate::random::{self, Key};
use crate::scope::Scope;

/// The weights of keys for queries, `softmax(q·kᵀ / √depth)` along the keys, about to be computed.
///
/// Made by [`dot_product_attention_weights`]; the fields may be set one by one, or by methods of their names.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "nothing is computed before `run`"]
pub struct AttentionWeights {
    /// `[batch.., queries, heads, depth]`.
    pub query: Tensor,
    /// `[batch.., keys, heads, depth]`; of fewer heads, each for as many neighbouring heads of queries.
    pub key: Tensor,
    /// Added to the products; broadcasts to `[batch.., heads, queries, keys]`.
    pub bias: Option<Tensor>,
    /// False, or 0, where a query does not see a key; broadcasts to `[batch.., heads, queries, keys]`.
    pub mask: Option<Tensor>,
    /// The probability that a weight is dropped, from 0 to 1, and the key it is drawn with.
    pub dropout: Option<(f64, Key)>,
    /// Whether all examples and heads share one draw of dropout; true by default.
    pub broadcast_dropout: bool,
    /// The dtype of the computation; by default that of the mixture of the inputs.
    pub dtype: Option<DType>,
    /// Whether the softmax of halves is computed in `F32`.
    pub force_fp32_for_softmax: bool,
    /// Where the weights are stored before dropout, as `attention_weights` of the collection `intermediates`.
    pub sow_in: Option<Scope>,
    /// How exactly an accelerator is to compute products; see [`Precision`](crate::Precision), on which no number depends here.
    pub precision: OperandPrecision,
    /// What computes products in the sums of products; by default [`Tensor::try_dot_general_with`].
    pub einsum_dot_general: Option<DotGeneralFn>,
    /// What computes the sum of products of queries and keys, `...qhd,...khd->...hqk`; then nothing else may be said of products.
    pub einsum: Option<EinsumFn>,
}

/// Attention about to be computed: the sum of values, weighted by [`AttentionWeights`].
///
/// Made by [`dot_product_attention`]; the fields may be set one by one, or by methods of their names.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "nothing is computed before `run`"]
pub struct DotProductAttention {
    /// The weights.
    pub weights: AttentionWeights,
    /// `[batch.., keys, heads, depth of values]`.
    pub value: Tensor,
    /// What computes the sum of products of weights and values, `...hqk,...khd->...qhd`; it comes along with
    /// [`weights.einsum`](AttentionWeights::einsum).
    pub value_einsum: Option<EinsumFn>,
}

/// The weights of keys for queries: `softmax(q·kᵀ / √depth)` along the keys.
///
/// Queries are `[batch.., queries, heads, depth]`, keys `[batch.., keys, heads, depth]`, and the weights
/// `[batch.., heads, queries, keys]`. Keys may have fewer heads, a number that divides that of the queries: neighbouring heads of
/// queries share one then.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::dot_product_attention_weights;
///
/// let (q, k) = (Tensor::ones([2, 3, 4, 8]), Tensor::ones([2, 5, 4, 8]));
/// let weights = dot_product_attention_weights(&q, &k).run()?;
/// assert_eq!(weights.shape(), [2, 4, 3, 5]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Vaswani et al., arXiv:1706.03762; as `flax.linen.dot_product_attention_weights`.
pub fn dot_product_attention_weights(query: &Tensor, key: &Tensor) -> AttentionWeights {
    AttentionWeights {
        query: query.clone(),
        key: key.clone(),
        bias: None,
        mask: None,
        dropout: None,
        broadcast_dropout: true,
        dtype: None,
        force_fp32_for_softmax: false,
        sow_in: None,
        precision: OperandPrecision::Unsaid,
        einsum_dot_general: None,
        einsum: None,
    }
}

/// Attention: `softmax(q·kᵀ / √depth)·v`.
///
/// Queries are `[batch.., queries, heads, depth]`, keys `[batch.., keys, heads, depth]`, values
/// `[batch.., keys, heads, depth of values]`, and the output `[batch.., queries, heads, depth of values]`.
///
/// Keys and values may have fewer heads than queries, a number that divides theirs: neighbouring heads of queries share one then,
/// which is not copied for each. That is grouped-query attention, and multi-query attention where they have one head.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::nn::{dot_product_attention, make_causal_mask};
///
/// let (x, two) = (Tensor::ones([2, 5, 4, 8]), Tensor::ones([2, 5, 2, 8]));
/// let mask = make_causal_mask(&Tensor::zeros([2, 5]))?;
/// let y = dot_product_attention(&x, &x, &x).mask(&mask).run()?;
/// assert_eq!(y.shape(), [2, 5, 4, 8]);
/// let grouped = dot_product_attention(&x, &two, &two).mask(&mask).run()?;
/// assert_eq!(grouped.shape(), [2, 5, 4, 8]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Vaswani et al., arXiv:1706.03762, as `flax.linen.dot_product_attention`; Ainslie et al., arXiv:2305.13245, and Shazeer,
/// arXiv:1911.02150, as PyTorch's `scaled_dot_product_attention` with `enable_gqa`.
pub fn dot_product_attention(query: &Tensor, key: &Tensor, value: &Tensor) -> DotProductAttention {
    let weights = dot_product_attention_weights(query, key);
    DotProductAttention { weights, value: value.clone(), value_einsum: None }
}

macro_rules! setters {
    ($ty:ident $($weights:ident)?) => {
        impl $ty {
            /// Adds to the products; broadcasts to `[batch.., heads, queries, keys]`.
            pub fn bias(mut self, bias: &Tensor) -> $ty {
                self$(.$weights)?.bias = Some(bias.clone());
                self
            }

            /// Hides keys from queries where it is false or 0; broadcasts to `[batch.., heads, queries, keys]`.
            ///
            /// A query that sees no key weighs them all alike.
            pub fn mask(mut self, mask: &Tensor) -> $ty {
                self$(.$weights)?.mask = Some(mask.clone());
                self
            }

            /// Drops weights with a probability, from 0 to 1, and scales the others so that their mean stays.
            pub fn dropout(mut self, rate: f64, key: &Key) -> $ty {
                self$(.$weights)?.dropout = Some((rate, key.clone()));
                self
            }

            /// Sets whether all examples and heads share one draw of dropout; true by default.
            pub fn broadcast_dropout(mut self, shared: bool) -> $ty {
                self$(.$weights)?.broadcast_dropout = shared;
                self
            }

            /// Sets the dtype of the computation.
            pub fn dtype(mut self, dtype: impl Into<Option<DType>>) -> $ty {
                self$(.$weights)?.dtype = dtype.into();
                self
            }

            /// Sets whether the softmax of halves is computed in `F32`; false by default.
            pub fn force_fp32_for_softmax(mut self, force: bool) -> $ty {
                self$(.$weights)?.force_fp32_for_softmax = force;
                self
            }

            /// Stores the weights before dropout, as `attention_weights` of the scope's `intermediates`.
            pub fn sow_in(mut self, scope: &Scope) -> $ty {
                self$(.$weights)?.sow_in = Some(scope.clone());
                self
            }

            /// Sets how exactly an accelerator is to compute products.
            pub fn precision(mut self, precision: impl Into<OperandPrecision>) -> $ty {
                self$(.$weights)?.precision = precision.into();
                self
            }

            /// Sets what computes products in the sums of products.
            pub fn einsum_dot_general(mut self, function: impl Into<Option<DotGeneralFn>>) -> $ty {
                self$(.$weights)?.einsum_dot_general = function.into();
                self
            }
        }
    };
}

setters!(AttentionWeights);
setters!(DotProductAttention weights);

impl DotProductAttention {
    /// Sets what computes the sums of products: that of queries and keys, `...qhd,...khd->...hqk`, and that of weights and values,
    /// `...hqk,...khd->...qhd`; Flax's `qk_attn_weights_einsum` and `attn_weights_value_einsum`.
    pub fn einsums(
        mut self,
        of_keys: impl Into<Option<EinsumFn>>,
        of_values: impl Into<Option<EinsumFn>>,
    ) -> DotProductAttention {
        self.weights.einsum = of_keys.into();
        self.value_einsum = of_values.into();
        self
    }
}

impl AttentionWeights {
    const OP: &'static str = "dot_product_attention_weights";

    /// Sets what computes the sum of products of queries and keys, `...qhd,...khd->...hqk`.
    pub fn einsum(mut self, function: impl Into<Option<EinsumFn>>) -> AttentionWeights {
        self.einsum = function.into();
        self
    }

    /// The sum of products of two operands, by what was given.
    fn product(
        &self,
        einsum: Option<&EinsumFn>,
        equation: &str,
        lhs: &Tensor,
        rhs: &Tensor,
    ) -> Result<Tensor> {
        let options = DotOptions::new().precision(self.precision.clone());
        match (einsum, &self.einsum_dot_general) {
            (Some(_), dot) if dot.is_some() || self.precision != OperandPrecision::Unsaid => {
                let message = "is given an einsum, and a precision or product that is of no use to it: give one of them";
                Err(Error::argument(Self::OP, message))
            }
            (Some(einsum), _) => einsum.call(equation, lhs, rhs),
            (None, None) => try_einsum_with(equation, &[lhs, rhs], &options),
            (None, Some(dot)) => {
                let product = |x: &Tensor, y: &Tensor, dimensions: &DotDimensions, options: &DotOptions| {
                    dot.call(x, y, dimensions, options)
                };
                try_einsum_by(equation, &[lhs, rhs], &options, &product)
            }
        }
    }

    /// Computes the weights.
    ///
    /// # Errors
    /// If queries and keys differ in rank, batch or depth; if the heads of the keys do not divide those of the queries; if bias or mask does not broadcast to the weights; if the rate
    /// of dropout is no probability.
    pub fn run(self) -> Result<Tensor> {
        if let Some((rate, _)) = &self.dropout {
            PROBABILITY.check(Self::OP, "dropout", *rate)?;
        }
        let dtype = compute_dtype(Self::OP, self.dtype, [&self.query, &self.key])?;
        let (query, key) = (self.query.try_cast(dtype)?, self.key.try_cast(dtype)?);
        let group = group(&query, &key).filter(|_| query.shape().last() == key.shape().last());
        let Some(group) = group else {
            let found = format!("queries {} and keys {}", query.aval(), key.aval());
            return Err(Error::shape(
                Self::OP,
                found,
                "`[batch.., length, heads, depth]`, but for the length alike, or with heads of keys that divide those of queries",
            ));
        };
        // By the root of the depth, so that the variance of the logits does not grow with it.
        let depth = query.shape()[query.rank() - 1];
        let query = query.try_div(query.like((depth as f64).sqrt()))?;
        let weights = |equation, query: &Tensor| self.product(self.einsum.as_ref(), equation, query, &key);
        let mut weights = if group == 1 {
            weights("...qhd,...khd->...hqk", &query)?
        } else {
            let query = split_axis(&query, query.rank() - 2, group)?;
            let weights = weights("...qhgd,...khd->...hgqk", &query)?;
            join_axes(&weights, weights.rank() - 4)?
        };
        if let Some(bias) = &self.bias {
            weights = weights.try_add(broadcast("bias", bias, weights.shape())?)?;
        }
        if let Some(mask) = &self.mask {
            let mask = broadcast("mask", &mask.try_cast(DType::Bool)?, weights.shape())?;
            weights = mask.try_select(&weights, weights.like(lowest(dtype)))?;
        }
        // The sum of exponentials loses digits in half precision.
        let weights = if self.force_fp32_for_softmax && dtype != DType::F32 {
            weights.try_cast(DType::F32)?.try_softmax(-1)?
        } else {
            weights.try_softmax(-1)?.try_cast(dtype)?
        };
        if let Some(scope) = &self.sow_in {
            scope.sow("intermediates", "attention_weights", &weights)?;
        }
        match &self.dropout {
            Some((rate, key)) if *rate > 0.0 => self.apply_dropout(&weights, *rate, key, dtype),
            _ => Ok(weights),
        }
    }

    fn apply_dropout(&self, weights: &Tensor, rate: f64, key: &Key, dtype: DType) -> Result<Tensor> {
        if rate == 1.0 {
            return Ok(weights.zeros_like());
        }
        let keep = 1.0 - rate;
        let mut shape = weights.shape().to_vec();
        if self.broadcast_dropout {
            let pairs = shape.len() - 2;
            shape[..pairs].fill(1);
        }
        let kept = random::try_bernoulli(key, keep as f32, shape)?.try_cast(dtype)?;
        weights.try_mul(kept.try_div(kept.like(keep))?)
    }
}

impl DotProductAttention {
    /// Computes the output.
    ///
    /// # Errors
    /// As [`AttentionWeights::run`]; if the values do not have the keys' batch, length and heads.
    pub fn run(self) -> Result<Tensor> {
        const OP: &str = "dot_product_attention";
        let DotProductAttention { mut weights, value, value_einsum } = self;
        if weights.einsum.is_some() != value_einsum.is_some() {
            let message =
                "is given one einsum: give that of queries and keys and that of weights and values together";
            return Err(Error::argument(OP, message));
        }
        let dtype = compute_dtype(OP, weights.dtype, [&weights.query, &weights.key, &value])?;
        let length = |x: &Tensor| x.rank().checked_sub(3).map(|axis| x.shape()[axis]);
        if heads(&value).is_none()
            || heads(&value) != heads(&weights.key)
            || length(&value) != length(&weights.key)
        {
            let found = format!("values {} for keys {}", value.aval(), weights.key.aval());
            return Err(Error::shape(
                OP,
                found,
                "values `[batch.., keys, heads, depth]` as the keys, but for the depth",
            ));
        }
        weights.dtype = Some(dtype);
        let (of_keys, value) = (weights.clone().run()?, value.try_cast(dtype)?);
        let product =
            |equation, of_keys: &Tensor| weights.product(value_einsum.as_ref(), equation, of_keys, &value);
        match group(&weights.query, &weights.key) {
            None | Some(1) => product("...hqk,...khd->...qhd", &of_keys),
            Some(group) => {
                let of_keys = split_axis(&of_keys, of_keys.rank() - 3, group)?;
                let y = product("...hgqk,...khd->...qhgd", &of_keys)?;
                join_axes(&y, y.rank() - 3)
            }
        }
    }
}

/// How many heads of queries share one of the keys, if both fit together.
fn group(query: &Tensor, key: &Tensor) -> Option<usize> {
    let ((batch, queries), (same, keys)) = (heads(query)?, heads(key)?);
    if batch != same {
        return None;
    }
    if queries == keys {
        Some(1)
    } else {
        queries.checked_rem(keys).filter(|&rest| rest == 0).map(|_| queries / keys)
    }
}

/// Heads `[.., heads, ..]` as `[.., heads / group, group, ..]`.
fn split_axis(x: &Tensor, axis: usize, group: usize) -> Result<Tensor> {
    let mut shape = x.shape().to_vec();
    shape[axis] /= group;
    shape.insert(axis + 1, group);
    x.try_reshape(shape)
}

/// An axis and the next one as one.
fn join_axes(x: &Tensor, axis: usize) -> Result<Tensor> {
    let mut shape = x.shape().to_vec();
    shape[axis] *= shape.remove(axis + 1);
    x.try_reshape(shape)
}

/// Batch sizes and number of heads of `[batch.., length, heads, depth]`.
fn heads(x: &Tensor) -> Option<(&[usize], usize)> {
    match x.shape() {
        [batch @ .., _, heads, _] => Some((batch, *heads)),
        _ => None,
    }
}

#[track_caller]
fn broadcast(what: &str, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    x.try_broadcast_to(shape).map_err(|_| {
        let expected = format!("a {what} that broadcasts to the weights' shape {shape:?}");
        Error::shape(AttentionWeights::OP, format!("{}", x.aval()), expected)
    })
}

/// The least number of a dtype: after a softmax it is 0, and if all are, they stay alike, where infinities give NaN.
fn lowest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => half::f16::MIN.into(),
        DType::BF16 => half::bf16::MIN.into(),
        DType::F64 => f64::MIN,
        _ => f32::MIN.into(),
    }
}

/// What computes attention in [`MultiHeadDotProductAttention`](super::MultiHeadDotProductAttention), from heads of queries,
/// keys and values: [`DotProductAttention::run`], or a closure in its place.
#[derive(Clone)]
pub struct AttentionFn(Arc<dyn Fn(DotProductAttention) -> Result<Tensor> + Send + Sync>);

impl AttentionFn {
    /// Any function of what is to be computed.
    pub fn new(
        function: impl Fn(DotProductAttention) -> Result<Tensor> + Send + Sync + 'static,
    ) -> AttentionFn {
        AttentionFn(Arc::new(function))
    }

    pub(super) fn call(&self, attention: DotProductAttention) -> Result<Tensor> {
        (self.0)(attention)
    }
}

impl<F: Fn(DotProductAttention) -> Result<Tensor> + Send + Sync + 'static> From<F> for AttentionFn {
    fn from(function: F) -> AttentionFn {
        AttentionFn::new(function)
    }
}

/// A function is equal to itself and its clones.
impl PartialEq for AttentionFn {
    fn eq(&self, other: &AttentionFn) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for AttentionFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<closure>")
    }
}
