//! Flaxen: Flax Linen for Rust.

// Used by tests alone so far: tensors bring the dots that a plan is made of.
#[allow(dead_code)]
mod einsum;
pub mod kernels;
