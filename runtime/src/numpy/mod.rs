//! Methods of tensors that are composed of primitives, as NumPy has them: `numpy` to the `lax` that `ops` is.

// First on the page of `Tensor`.
pub mod create;
pub mod create_range;

pub mod activation;
pub mod arithmetic;
pub mod averages;
pub mod bits;
pub mod convolution;
pub mod diagonals;
pub mod differences;
pub mod einsum;
pub mod equality;
pub mod fft;
pub mod floats;
pub mod grids;
pub mod histogram;
pub mod image;
pub mod indexing;
pub mod joining;
pub mod layout;
pub mod linalg;
pub mod masked;
pub mod nan;
pub mod nonzero;
pub mod operators;
pub mod orders;
mod paired;
pub mod pooling;
pub mod quantile;
pub mod ragged;
pub mod ravel;
pub mod reduce_precision;
pub mod segments;
pub mod selections;
pub mod sets;
pub mod signal;
pub mod softmax;
pub mod special;
pub mod splice;
pub mod statistics;
pub mod stats;
mod tapers;
pub mod tile;
