//! Instruction sets: what a compiled loop needs to know of a processor, and the code for each operation of the vector IR.
//!
//! A further instruction set is one more file with an implementation of [`Isa`], and a line in [`of`]. Loops and stack frames
//! are made of general registers by an [`Assembler`], which is that of the processor's architecture.

mod avx2;
mod avx512;
mod common;
pub mod x86;

use crate::backend::cpu::codegen::assembler::frame::Frame;
use crate::backend::cpu::codegen::assembler::regalloc::{Inst, Reg};
use crate::backend::cpu::codegen::assembler::vector_ir::{BasicBlock, Opcode, Relation, Value};
use crate::kernels::simd::Level;
pub use x86::{Assembler, Gpr};

/// The instruction set that loops are compiled for at a level, if there is one.
pub fn of(level: Level) -> Option<&'static dyn Isa> {
    match level {
        Level::Portable => None,
        Level::Avx2 => Some(&avx2::Avx2),
        Level::Avx512 => Some(&avx512::Avx512),
    }
}

/// Describes an instruction set with vectors of 32-bit lanes.
pub trait Isa: Sync {
    fn label(&self) -> &'static str;

    /// Lanes of a vector.
    fn lanes(&self) -> usize;

    /// Registers for vectors.
    fn vectors(&self) -> Reg;

    /// Registers for masks, the first of them for what is left of a row; none where masks are vectors.
    fn masks(&self) -> Reg;

    /// Bytes that a number for all lanes takes on the stack, so that instructions can read it.
    fn scalar_bytes(&self) -> usize;

    /// Whether an instruction can read this argument from memory; one does so with one argument at most.
    fn folds(&self, op: Opcode, arg: usize) -> bool;

    /// Whether instructions can read a source from memory as it is.
    fn is_operand(&self, source: Opcode) -> bool;

    /// Whether the result takes the register of an argument.
    fn overwrites_argument(&self, op: Opcode) -> bool;

    /// Whether an operation of so many arguments needs a register besides.
    fn needs_temporary(&self, op: Opcode, args: usize) -> bool;

    /// Writes down [`Opcode::MaximumNumber`] in operations that there are; NaNs do not matter.
    fn maximum_number(&self, block: &mut BasicBlock, x: Value, y: Value) -> Value;

    /// Writes down [`Opcode::MinimumNumber`] in operations that there are; NaNs do not matter.
    fn minimum_number(&self, block: &mut BasicBlock, x: Value, y: Value) -> Value;

    /// Writes down [`Opcode::CmpInt`], or [`Opcode::CmpUint`] of integers without a sign, in operations that there are.
    fn compare_integers(
        &self,
        block: &mut BasicBlock,
        relation: Relation,
        is_signed: bool,
        args: [Value; 2],
    ) -> Value;

    /// Writes the code of an operation.
    fn emit(&self, code: &mut Assembler, inst: &Inst, frame: &Frame);

    /// Broadcasts the number at a distance from an address to the stack, before the loop; registers may be overwritten.
    fn broadcast_scalar(&self, code: &mut Assembler, address: Gpr, distance: i32, to: i32);

    /// Makes the masks of what is left of each row, before the loop; registers may be overwritten.
    fn make_lanes(&self, code: &mut Assembler, frame: &Frame);

    /// Before what is left of a row is computed.
    fn begin_remainder(&self, code: &mut Assembler, frame: &Frame);

    /// After what is left of a row has been computed.
    fn end_remainder(&self, code: &mut Assembler, frame: &Frame);
}
