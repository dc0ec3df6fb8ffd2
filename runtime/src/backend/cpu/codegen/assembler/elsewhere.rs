//! No loops are compiled for other processors.

use std::fmt;

use super::super::assembled::Assembled;
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

    /// Never called.
    pub fn new(reads: Vec<ArrayId>, writes: Vec<ArrayId>, has_rows: bool, _: usize, _: usize) -> JitLoop {
        JitLoop { reads, writes, has_rows }
    }

    /// Never called.
    pub fn link(&mut self, _memory: &ExecMemory, _kernel: usize) {}
}

/// What no tile program has here.
pub struct ExecMemory;

impl ExecMemory {
    /// None, as nothing is compiled.
    pub fn new(_pieces: &[&[u8]]) -> Option<(ExecMemory, Vec<usize>)> {
        None
    }
}

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
    pub multiple: usize,
}

pub fn assemble(body: &[Instruction], _space: &Space<'_>, _listing: Option<&mut Listing>) -> Assembled {
    Assembled::nothing(body.len())
}

/// What no tile program has here.
#[derive(Default)]
pub struct Listing;

impl fmt::Display for Listing {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
