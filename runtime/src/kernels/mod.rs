//! CPU kernels over plain slices; the only place with `unsafe`.
#![allow(unsafe_code)]
// Only code that is inlined into a function with target features is compiled for them.
#![allow(clippy::inline_always)]

pub mod arith;
pub mod bits;
pub mod broadcast;
pub mod cast;
pub mod conv;
pub mod elementwise;
pub mod fused;
mod interned;
pub mod linalg;
pub mod math;
pub mod matmul;
mod merge;
mod microkernels;
pub mod number;
pub mod recurrence;
pub mod reduce;
pub mod rounding;
pub mod rows;
pub(crate) mod scratch;
pub mod signed;
pub mod simd;
pub mod sort;
pub mod strided;
pub mod threads;
pub mod threefry;
pub mod transpose;
mod unit_interval;
pub mod window;
