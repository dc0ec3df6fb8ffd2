//! Attention: weighted means of values, with weights by how well keys fit to queries.

mod alibi;
mod cache;
mod dot_product;
mod heads;
mod masks;
mod multi_head;
mod rotary;
mod scaled;

pub use alibi::{alibi_slopes, make_alibi_bias};
pub use dot_product::{
    AttentionFn, AttentionWeights, DotProductAttention, dot_product_attention, dot_product_attention_weights,
};
pub use heads::Attend;
pub use masks::{
    combine_masks, make_attention_mask, make_attention_mask_with, make_causal_mask, make_sliding_window_mask,
};
pub use multi_head::{MultiHeadAttention, MultiHeadDotProductAttention, SelfAttention};
pub use rotary::{RotaryEmbedding, RotaryScaling};
pub use scaled::{ScaledDotProductAttention, scaled_dot_product_attention};
