//! Flaxen: Flax Linen for Rust.

pub mod kernels;
