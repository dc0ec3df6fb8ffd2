//! CPU kernels over plain slices; the only room with `unsafe`.
//!
//! From the bottom up: [`simd`], [`threads`], `scratch` and `microkernels` are what the others are made of; [`matmul`] and
//! [`conv`] block operands for the caches around the micro-kernels (`conv` calls the products of `matmul`, never the other way);
//! the rest are loops over elements, rows, windows and axes. Results do not depend on the number of threads.
#![allow(unsafe_code)]
// Only code that is inlined into a function with target features is compiled for them.
#![allow(clippy::inline_always)]

pub mod accumulate;
pub(crate) mod arrays;
pub mod banded;
pub(crate) mod blocks;
pub mod broadcast;
pub mod conv;
pub mod elementwise;
pub mod gamma;
pub mod halves;
pub(crate) mod lanes;
pub mod linalg;
pub mod matmul;
mod merge;
pub mod pick;
pub mod recurrence;
pub mod reduce;
pub mod rows;
pub mod sort;
pub mod strided;
pub mod threefry;
pub mod transpose;
mod unit_interval;
pub mod window;

use flaxen_kernels::microkernels;
pub(crate) use flaxen_kernels::scratch;
#[doc(inline)]
pub use flaxen_kernels::{fourier, simd, threads};
