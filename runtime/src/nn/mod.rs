//! Linen's layers, and what they start from: the same names, options, defaults, parameters and values.
//!
//! - Linear: [`Dense`], [`DenseGeneral`], [`Einsum`], [`Embed`].
//! - Convolutions: [`Conv`], [`ConvTranspose`], [`ConvLocal`]; pooling by [`avg_pool`], [`max_pool`], [`min_pool`] and [`pool`],
//!   or into as many bins as wanted by [`adaptive_avg_pool`] and [`adaptive_max_pool`].
//! - Normalisation: [`BatchNorm`], [`LayerNorm`], [`RMSNorm`], [`GroupNorm`], [`InstanceNorm`]; of weights, [`WeightNorm`] and
//!   [`SpectralNorm`].
//! - Attention: [`MultiHeadDotProductAttention`] and its kin, [`dot_product_attention`], masks; [`RotaryEmbedding`] and
//!   [`make_alibi_bias`] for positions; [`SwiGLU`] behind it.
//! - Recurrent: [`Rnn`] and [`Bidirectional`] over sequences, of [`LstmCell`], [`OptimizedLstmCell`], [`GruCell`], [`MguCell`],
//!   [`SimpleCell`], [`ConvLstmCell`], or a [`Cell`] of your own.
//! - [`Dropout`], [`PReLU`], and [activations](activation) as functions, which are methods of [`Tensor`](crate::Tensor), too.
//! - [`Sequential`] and [`batch_apply`], which put others together.
//! - [`Lora`], which trains adapters beside the layers of a finished model.
//! - [`init`]: how parameters begin.
//!
//! Layers of one tensor are a [`Layer`](crate::Layer). Those that are told more by each call have a `call` of their own with
//! more arguments: whether the model trains, for [`BatchNorm`] and [`Dropout`]; keys, values and masks, for attention. They are
//! a `Layer`, too, so that they can stand in a list of layers, where options of the constructor say what the call does not.
//!
//! A layer computes in the dtype of the mixture of its input and parameters, unless its `dtype` says another one; parameters
//! begin with its `param_dtype`.

pub mod activation;
mod arguments;
mod attention;
mod batch_apply;
mod conv;
mod dense;
mod dense_general;
mod dropout;
mod einsum;
mod embed;
mod function;
pub mod init;
mod injected;
mod lora;
pub mod losses;
mod norm;
mod precision;
mod prelu;
pub mod quantize;
mod recurrent;
mod sequential;
mod support;
mod swiglu;

pub use crate::numpy::pooling::{
    AvgPool, Pool, adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool, min_pool, pool,
};
pub use activation::{
    celu, elu, gelu, gelu_exact, glu, hard_sigmoid, hard_silu, hard_swish, hard_tanh, leaky_relu,
    log_sigmoid, log_softmax, mish, one_hot, relu, relu6, selu, sigmoid, silu, soft_sign, softmax, softplus,
    sparse_plus, sparse_sigmoid, squareplus, standardize, swish, tanh,
};
pub use arguments::{AxisList, Constant, Names, Sizes, Steps};
pub use attention::{
    Attend, AttentionFn, AttentionWeights, DotProductAttention, MultiHeadAttention,
    MultiHeadDotProductAttention, RotaryEmbedding, RotaryScaling, ScaledDotProductAttention, SelfAttention,
    alibi_slopes, combine_masks, dot_product_attention, dot_product_attention_weights, make_alibi_bias,
    make_attention_mask, make_attention_mask_with, make_causal_mask, make_sliding_window_mask,
    scaled_dot_product_attention,
};
pub use batch_apply::batch_apply;
pub use conv::{Conv, ConvLocal, ConvPadding, ConvTranspose};
pub use dense::Dense;
pub use dense_general::DenseGeneral;
pub use dropout::Dropout;
pub use einsum::Einsum;
pub use embed::Embed;
pub use function::{ActivationFn, ConvGeneralFn, DotGeneralFn, EinsumFn, MergeFn, PromoteDtypeFn};
pub use injected::{ConvGeneralCls, ConvGeneralOp, DotGeneralCls, DotGeneralOp, EinsumCls, EinsumOp};
pub use lora::Lora;
pub use norm::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, SpectralNorm, WeightNorm};
pub use precision::promote_dtype;
pub use prelu::PReLU;
pub use recurrent::{
    Bidirectional, Cell, ConvLstmCell, GruCell, LstmCell, MguCell, OptimizedLstmCell, Recurrent, Rnn,
    Sequence, SimpleCell, SplitRngs, VariableAxes, flip_sequences,
};
pub use sequential::Sequential;
pub use support::merge_param;
pub use swiglu::SwiGLU;
