//! Loops that are assembled for a plan: what an interpreter does operation by operation over a tile, they do element by
//! element in registers.
//!
//! The operations are those of the interpreter, rounding by rounding, so both give the same bits, and the interpreter is
//! what these loops are tested against. It stays in charge of whatever has no vector operation here, and of machines
//! without 512-bit vectors.
//!
//! `schedule` sorts the instructions of a plan into loops (`segment`), `lower` says what each of them is made of (`graph`),
//! `layout` and `body` find registers, and `emit` writes machine code, of which `x86` knows the encoding and `pages` the
//! memory.

#[cfg(target_arch = "x86_64")]
mod body;
#[cfg(target_arch = "x86_64")]
mod emit;
#[cfg(target_arch = "x86_64")]
mod graph;
#[cfg(target_arch = "x86_64")]
mod layout;
#[cfg(target_arch = "x86_64")]
mod lower;
#[cfg(target_arch = "x86_64")]
mod pages;
#[cfg(target_arch = "x86_64")]
mod schedule;
#[cfg(target_arch = "x86_64")]
mod segment;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(target_arch = "x86_64"))]
#[allow(dead_code)]
#[path = "elsewhere.rs"]
mod schedule;

pub use schedule::{Native, Pages, Space, assemble};
