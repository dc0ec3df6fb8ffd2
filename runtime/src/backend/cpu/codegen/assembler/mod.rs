//! The assembler: loops that are compiled just in time for a program. What the interpreter does operation by operation over a
//! tile, they do element by element in registers.
//!
//! The operations are those of the interpreter, rounding by rounding, so both give the same bits, and the interpreter is
//! what these loops are tested against. It stays in charge of whatever has no vector operation here, and of machines
//! without an instruction set in [`isa`].
//!
//! The way of a kernel: [`loops`] sorts the instructions of a program into loops (list scheduling), [`lower`] writes each
//! loop in the [`vector_ir`], [`unroll`] makes blocks for several vectors and for what is left of a row, [`regalloc`] finds registers
//! (furthest next use), [`nest`] puts the blocks into a loop nest with a stack [`frame`], the [`isa`] writes machine code, and
//! [`exec_memory`] keeps it.

#[cfg(target_arch = "x86_64")]
mod exec_memory;
#[cfg(target_arch = "x86_64")]
pub mod frame;
#[cfg(target_arch = "x86_64")]
mod halves;
#[cfg(target_arch = "x86_64")]
mod integers;
#[cfg(target_arch = "x86_64")]
mod listing;
#[cfg(target_arch = "x86_64")]
mod loops;
#[cfg(target_arch = "x86_64")]
mod lower;
#[cfg(target_arch = "x86_64")]
mod nest;
#[cfg(target_arch = "x86_64")]
pub mod regalloc;
#[cfg(target_arch = "x86_64")]
mod symbol;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
#[cfg(target_arch = "x86_64")]
mod unroll;
#[cfg(target_arch = "x86_64")]
pub mod vector_ir;

#[cfg(not(target_arch = "x86_64"))]
#[allow(dead_code)]
#[path = "elsewhere.rs"]
mod loops;

#[cfg(target_arch = "x86_64")]
pub(super) use super::isa;
#[cfg(not(target_arch = "x86_64"))]
pub use loops::isa;
pub use loops::{ExecMemory, JitLoop, Listing, Space, assemble};
