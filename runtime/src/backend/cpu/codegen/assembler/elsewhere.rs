//! Nothing is assembled for other processors.

use super::super::instruction::{Instruction, Place};
use super::super::plan::Prologue;
use crate::backend::cpu::codegen::spec::KernelSpec;

/// What no plan has here.
pub struct Native {
    pub reads: Vec<Place>,
    pub writes: Vec<Place>,
    pub has_rows: bool,
}

impl Native {
    /// Never called.
    ///
    /// # Safety
    /// Nothing is done.
    pub unsafe fn run(&self, _places: &[*mut u8], _rows: usize, _cols: usize) {}
}

/// What no plan has here.
pub struct Pages;

pub struct Space<'a> {
    pub recipe: &'a KernelSpec,
    pub in_place: &'a [Option<usize>],
    pub prologue: &'a [(Prologue, usize, Place)],
    pub ahead: Option<i32>,
}

pub fn assemble(body: Vec<Instruction>, _space: &Space<'_>) -> (Vec<Instruction>, Option<Pages>) {
    (body, None)
}
