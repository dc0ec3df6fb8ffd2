//! Methods of tensors that are composed of primitives, as NumPy has them: `numpy` to the `lax` that `ops` is.

pub mod activation;
pub mod arithmetic;
pub mod convolution;
pub mod create;
pub mod create_range;
pub mod einsum;
pub mod image;
pub mod indexing;
pub mod linalg;
pub mod nonzero;
pub mod operators;
pub mod pooling;
pub mod ragged;
pub mod segments;
pub mod sets;
pub mod splice;
pub mod statistics;
pub mod tile;
