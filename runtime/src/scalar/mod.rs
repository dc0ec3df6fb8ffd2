//! What is computed of single elements: the element-wise functions and reductions by name, and their meaning for each dtype.

// Only code that is inlined into a function with target features is compiled for them.
#![allow(clippy::inline_always)]

pub mod arith;
pub mod bits;
pub mod cast;
pub mod math;
pub mod number;
pub mod op;
pub mod reduce;
pub mod rounding;
pub mod signed;
