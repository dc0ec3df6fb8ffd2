//! Layers, and what they start from.

mod arguments;
mod attention;
mod batch_apply;
mod conv;
mod dense;
mod dense_general;
mod dropout;
mod einsum;
mod embed;
pub mod init;
pub mod losses;
mod norm;
mod precision;
mod prelu;
mod sequential;
mod support;

pub use crate::ops::pooling::{AvgPool, Pool, avg_pool, max_pool, min_pool};
pub use arguments::{AxisList, Constant, Sizes, Steps};
pub use attention::{
    Attend, AttentionFn, AttentionWeights, DotProductAttention, MultiHeadAttention,
    MultiHeadDotProductAttention, SelfAttention, combine_masks, dot_product_attention,
    dot_product_attention_weights, make_attention_mask, make_attention_mask_with, make_causal_mask,
};
pub use batch_apply::batch_apply;
pub use conv::{Conv, ConvLocal, ConvPadding, ConvTranspose};
pub use dense::Dense;
pub use dense_general::DenseGeneral;
pub use dropout::Dropout;
pub use einsum::Einsum;
pub use embed::Embed;
pub use norm::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm};
pub use prelu::PReLU;
pub use sequential::Sequential;
pub use support::merge_param;
