//! Many elementwise operations and reductions in one pass over memory.
//!
//! A `KernelSpec` says what is computed of each element; `Fused` runs it over tiles that stay in the L1 cache: one
//! indirect call for each operation and tile, vectorised loops within. Elementwise operations perform the very roundings
//! they perform one by one. Tiles, and the order in which reductions combine them, depend on shapes alone, so results do not depend
//! on the number of threads.

// Only code that is inlined into a function with target features is compiled for them.
#![allow(clippy::inline_always)]
#![allow(unsafe_code)]

mod assembled;
mod assembler;
mod builder;
mod compile;
// Some of it is for compiled loops alone, of which other processors have none.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod instruction;
mod interned;
mod interpreter;
#[cfg(target_arch = "x86_64")]
mod isa;
mod print;
#[cfg(test)]
mod print_tests;
mod run;
mod slots;
mod spec;
#[cfg(test)]
mod tests;
mod tile_program;
mod tiling;

pub(crate) use interpreter::fold::can_fold;
pub(crate) use run::{Fused, Source};
pub(crate) use spec::{Access, IterationSpace, KernelOp, KernelSpec, Owner, Window, supports};
pub(crate) use tile_program::{LONGEST_ROW, access};
