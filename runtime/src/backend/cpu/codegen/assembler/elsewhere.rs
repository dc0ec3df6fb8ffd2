//! No loops are compiled for other processors.

use std::fmt;

use super::super::instruction::{ArrayId, Instruction};
use super::super::tile_program::Prologue;
use crate::backend::cpu::codegen::spec::KernelSpec;

/// What no tile program has here.
pub struct JitLoop {
    pub reads: Vec<ArrayId>,
    pub writes: Vec<ArrayId>,
    pub has_rows: bool,
}

impl JitLoop {
    /// Never called.
    ///
    /// # Safety
    /// Nothing is done.
    pub unsafe fn run(&self, _places: &[*mut u8], _rows: usize, _cols: usize) {}
}

/// What no tile program has here.
pub struct ExecMemory;

/// Instruction sets, of which there are none here.
pub mod isa {
    use crate::kernels::simd::Level;

    pub trait Isa: Sync {}

    pub fn of(_level: Level) -> Option<&'static dyn Isa> {
        None
    }
}

pub struct Space<'a> {
    pub spec: &'a KernelSpec,
    pub aliases: &'a [Option<usize>],
    pub prologue: &'a [(Prologue, usize, ArrayId)],
    pub isa: &'static dyn isa::Isa,
    pub prefetch: Option<i32>,
}

pub fn assemble(
    body: Vec<Instruction>,
    _space: &Space<'_>,
    _listing: Option<&mut Listing>,
) -> (Vec<Instruction>, Option<ExecMemory>) {
    (body, None)
}

/// What no tile program has here.
#[derive(Default)]
pub struct Listing;

impl fmt::Display for Listing {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
