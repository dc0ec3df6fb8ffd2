//! CPU kernels over plain slices; the only place with `unsafe`.
#![allow(unsafe_code)]
// Only code that is inlined into a function with target features is compiled for them.
#![allow(clippy::inline_always)]

pub(crate) mod arrays;
pub(crate) mod blocks;
pub mod broadcast;
pub mod conv;
pub mod elementwise;
pub mod halves;
pub mod linalg;
pub mod matmul;
mod merge;
mod microkernels;
pub mod recurrence;
pub mod reduce;
pub mod rows;
pub(crate) mod scratch;
pub mod simd;
pub mod sort;
pub mod strided;
pub mod threads;
pub mod threefry;
pub mod transpose;
pub mod unary;
mod unit_interval;
pub mod window;
