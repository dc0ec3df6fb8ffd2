//! CPU kernels over plain slices; the only place with `unsafe`.
#![allow(unsafe_code)]

pub mod conv;
pub mod linalg;
pub mod math;
pub mod matmul;
pub mod sort;
pub mod threads;
pub mod threefry;
pub mod window;
