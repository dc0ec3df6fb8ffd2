//! The modules of multi-head attention, which differ in their names.

use super::dot_product::AttentionFn;
use super::heads::{Attend, MultiHead};
use super::rotary::RotaryEmbedding;
use crate::array::DType;
use crate::core::Tensor;
use crate::core::precision::OperandPrecision;
use crate::error::Result;
use crate::module::Layer;
use crate::nn::{DotGeneralCls, DotGeneralFn, EinsumCls};
use crate::scope::Initializer;
use crate::{compact, init, module};

macro_rules! multi_head {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[module]
        pub struct $name {
            /// The number of heads, which divides `qkv_features`.
            pub num_heads: usize,
            /// The number of heads of keys and values, which divides `num_heads`; by default as many. Neighbouring heads of queries
            /// share one: grouped-query attention, and multi-query attention for 1.
            #[module(default)]
            pub num_kv_heads: Option<usize>,
            /// How queries and keys are turned by their positions; not at all by default.
            #[module(default)]
            pub rotary: Option<RotaryEmbedding>,
            /// How many positions before its own, and behind it, a query sees; all by default. While decoding the second number means
            /// nothing, and the cache is a ring of the first number and one, if it began with as many positions: it does not grow with the
            /// length, and there is no last position.
            #[module(default)]
            pub local_window_size: Option<(usize, usize)>,
            /// The features of queries, keys and values in all heads; by default those of the input.
            #[module(default)]
            pub qkv_features: Option<usize>,
            /// The features of the output; by default those of the input.
            #[module(default)]
            pub out_features: Option<usize>,
            /// Whether all examples and heads share one draw of dropout.
            #[module(default = true)]
            pub broadcast_dropout: bool,
            /// The probability that a weight is dropped while training, from 0 to 1.
            #[module(into, default = 0.0)]
            pub dropout_rate: f64,
            /// Whether no weights are dropped, for calls that do not say; none by default.
            #[module(default)]
            pub deterministic: Option<bool>,
            /// How exactly an accelerator is to compute products; see [`Precision`](crate::Precision), on which no number depends here.
            #[module(into, default = OperandPrecision::Unsaid)]
            pub precision: OperandPrecision,
            /// The dtype of the computation; by default that of the mixture of input and parameters.
            #[module(default)]
            pub dtype: Option<DType>,
            /// The dtype the parameters begin with.
            #[module(default = DType::F32)]
            pub param_dtype: DType,
            /// How the kernels of queries, keys and values begin.
            #[module(into, default = init::lecun_normal())]
            pub kernel_init: Initializer,
            /// How the kernel of the output begins; by default as the others.
            #[module(default)]
            pub out_kernel_init: Option<Initializer>,
            /// How the biases of queries, keys and values begin.
            #[module(into, default = init::zeros())]
            pub bias_init: Initializer,
            /// How the bias of the output begins; by default as the others.
            #[module(default)]
            pub out_bias_init: Option<Initializer>,
            /// Whether biases are added.
            #[module(default = true)]
            pub use_bias: bool,
            /// What computes attention; by default [`DotProductAttention::run`](crate::nn::DotProductAttention::run).
            #[module(default)]
            pub attention_fn: Option<AttentionFn>,
            /// Whether keys and values are cached, so that each call sees one position.
            #[module(default = false)]
            pub decode: bool,
            /// Whether queries and keys are normalised (arXiv:2302.05442).
            #[module(default = false)]
            pub normalize_qk: bool,
            /// Whether the softmax of halves is computed in `F32`.
            #[module(default = false)]
            pub force_fp32_for_softmax: bool,
            /// The product of the projections to queries, keys and values, in place of [`Tensor::try_dot_general_with`].
            #[module(default)]
            pub qkv_dot_general: Option<DotGeneralFn>,
            /// The product of the projection of the output, in place of [`Tensor::try_dot_general_with`].
            #[module(default)]
            pub out_dot_general: Option<DotGeneralFn>,
            /// What makes the product of each projection, for each call; it goes before `qkv_dot_general`.
            #[module(default)]
            pub qkv_dot_general_cls: Option<DotGeneralCls>,
            /// What makes the product of the projection of the output, for each call; it goes before `out_dot_general`.
            #[module(default)]
            pub out_dot_general_cls: Option<DotGeneralCls>,
            /// What makes the sum of products of queries and keys, `...qhd,...khd->...hqk`; it needs `attn_weights_value_einsum_cls`, too,
            /// and no `precision`.
            #[module(default)]
            pub qk_attn_weights_einsum_cls: Option<EinsumCls>,
            /// What makes the sum of products of weights and values, `...hqk,...khd->...qhd`.
            #[module(default)]
            pub attn_weights_value_einsum_cls: Option<EinsumCls>,
        }

        impl $name {
            /// The output for queries: `()` says self-attention without a mask, and [`Attend`] everything else.
            ///
            /// # Errors
            /// If shapes do not fit; if `dropout_rate` is no probability; if there is a `dropout_rate` and nothing says whether the model trains, or both the
            /// constructor and the call say it, or there is no random stream; if the cache is not mutable, or a call with a
            /// cache has more than one position.
            #[compact]
            pub fn call(&self, queries: &Tensor, call: impl Into<Attend>) -> Result<Tensor> {
                self.heads().attend(self, queries, call.into())
            }

            fn heads(&self) -> MultiHead<'_> {
                MultiHead {
                    num_heads: self.num_heads,
                    num_kv_heads: self.num_kv_heads,
                    rotary: self.rotary.as_ref(),
                    local_window_size: self.local_window_size,
                    qkv_features: self.qkv_features,
                    out_features: self.out_features,
                    broadcast_dropout: self.broadcast_dropout,
                    dropout_rate: self.dropout_rate,
                    deterministic: self.deterministic,
                    dtype: self.dtype,
                    param_dtype: self.param_dtype,
                    kernel_init: &self.kernel_init,
                    out_kernel_init: self.out_kernel_init.as_ref().unwrap_or(&self.kernel_init),
                    bias_init: &self.bias_init,
                    out_bias_init: self.out_bias_init.as_ref().unwrap_or(&self.bias_init),
                    use_bias: self.use_bias,
                    attention_fn: self.attention_fn.as_ref(),
                    decode: self.decode,
                    normalize_qk: self.normalize_qk,
                    force_fp32_for_softmax: self.force_fp32_for_softmax,
                    precision: &self.precision,
                    qkv_dot_general: (&self.qkv_dot_general, &self.qkv_dot_general_cls),
                    out_dot_general: (&self.out_dot_general, &self.out_dot_general_cls),
                    einsums: [&self.qk_attn_weights_einsum_cls, &self.attn_weights_value_einsum_cls],
                }
            }
        }

        /// Self-attention without a mask.
        impl Layer for $name {
            #[compact]
            fn call(&self, x: &Tensor) -> Result<Tensor> {
                self.heads().attend(self, x, Attend::new())
            }
        }
    };
}

multi_head! {
    /// Attention of several heads: `concat(softmax(Qₕ·Kₕᵀ / √depth)·Vₕ)·W + b`, where `Q`, `K`, `V` are linear in the
    /// inputs.
    ///
    /// Queries are `[batch.., queries, features]`; what keys and values are made of is `[batch.., keys, features]`, by
    /// default the same. The output is `[batch.., queries, out_features]`.
    ///
    /// # Parameters and variables
    /// - `query`, `key`, `value`: a `kernel` `[features, num_heads, depth]` and a `bias` `[num_heads, depth]` each, where
    ///   `depth` is `qkv_features / num_heads`; no biases if `use_bias` is false. Keys and values have `num_kv_heads`, if that is
    ///   given.
    /// - `out`: a `kernel` `[num_heads, depth, out_features]` and a `bias` `[out_features]`.
    /// - `query_ln`, `key_ln`: a `scale` `[depth]` each, if `normalize_qk` is true.
    /// - With `decode`, in the collection `cache`: `cached_key` and `cached_value`, `[batch.., length, num_heads, depth]`
    ///   (or `num_kv_heads`), and `cache_index`. `init` makes them of the length of its input; afterwards each call has one query, written at
    ///   the index, and sees what was written so far, which needs the collection to be mutable.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::nn::{Attend, MultiHeadDotProductAttention, make_causal_mask};
    ///
    /// let (attention, x) = (MultiHeadDotProductAttention::new(4), Tensor::ones([2, 5, 16]));
    /// let mask = make_causal_mask(&Tensor::zeros([2, 5]))?;
    /// let variables = attention.init(key(0)).run(|m| m.call(&x, Attend::new().mask(&mask)))?;
    /// assert_eq!(variables.tensor("params/query/kernel")?.shape(), [16, 4, 4]);
    /// let y = attention.apply(&variables).run(|m| m.call(&x, ()))?;
    /// assert_eq!(y.shape(), [2, 5, 16]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// As the decoders of today have it, with shared keys, rotary positions and a sliding window:
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::nn::{MultiHeadDotProductAttention, RotaryEmbedding};
    ///
    /// let attention = MultiHeadDotProductAttention::new(4)
    ///     .num_kv_heads(2)
    ///     .rotary(RotaryEmbedding::new())
    ///     .local_window_size((3, 0))
    ///     .use_bias(false);
    /// let variables = attention.init(key(0)).call(&Tensor::ones([2, 5, 16]))?;
    /// assert_eq!(variables.tensor("params/key/kernel")?.shape(), [16, 2, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// Vaswani et al., arXiv:1706.03762; as `flax.linen.MultiHeadDotProductAttention`, which has no `num_kv_heads`, `rotary` and
    /// `local_window_size`.
    MultiHeadDotProductAttention
}

multi_head! {
    /// [`MultiHeadDotProductAttention`] under its shorter name, after which automatic names are given, too.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::nn::MultiHeadAttention;
    ///
    /// let y = MultiHeadAttention::new(2).init_with_output(key(0)).call(&Tensor::ones([1, 3, 4]))?.0;
    /// assert_eq!(y.shape(), [1, 3, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// As `flax.linen.MultiHeadAttention`.
    MultiHeadAttention
}

multi_head! {
    /// [`MultiHeadDotProductAttention`] under the name that older models have for it where keys and values are made of what
    /// queries are made of.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::nn::SelfAttention;
    ///
    /// let y = SelfAttention::new(2).init_with_output(key(0)).call(&Tensor::ones([1, 3, 4]))?.0;
    /// assert_eq!(y.shape(), [1, 3, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// As `flax.linen.SelfAttention`, which is deprecated in Flax.
    SelfAttention
}
