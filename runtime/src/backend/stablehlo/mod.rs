//! Programs as text in StableHLO, which XLA, JAX and IREE read.
//!
//! One match over [`Op`](crate::core::op::Op) writes every operation, in dialects `func` and `stablehlo` alone. A function of elements
//! that StableHLO does not have is a composition of those that it has, by the formulas of [`scalar::math`](crate::scalar::math); what
//! many places need is a private function beside `main`.

mod body;
mod constants;
mod contraction;
mod control;
mod elementwise;
mod error_functions;
mod factorizations;
mod fourier;
mod functions;
mod gamma_functions;
mod graph;
mod incomplete_functions;
mod indexing;
mod jacobi;
mod lanes;
mod module;
mod movement;
mod random;
mod reductions;
mod samplers;
mod scans;
mod signature;
mod sorting;
mod special;
mod special_functions;
mod types;
mod value;
mod windows;

pub(crate) use module::{Argument, Lowering, lower};
pub(crate) use signature::{Leaf, Signature};
