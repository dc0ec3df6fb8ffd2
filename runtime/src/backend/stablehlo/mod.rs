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
mod functions;
mod graph;
mod module;
mod movement;
mod random;
mod reductions;
mod signature;
mod types;
mod value;

pub(crate) use module::{Argument, Lowering, lower};
pub(crate) use signature::{Leaf, Signature};
