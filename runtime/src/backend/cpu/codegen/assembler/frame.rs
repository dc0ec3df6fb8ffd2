//! The stack frame of a loop, and what each general register is for.

use rustc_hash::FxHashMap;

use super::super::instruction::ArrayId;
use super::isa::Isa;
use super::isa::x86::{
    Assembler, Gpr, R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Rm,
};
use super::vector_ir::{BasicBlock, Opcode};
use crate::kernels::reduce;

/// The pointers to all arrays.
pub const ARRAYS: Gpr = RDI;
/// On entry, the number of rows; later for a byte that is copied.
pub const ROWS: Gpr = RSI;
/// Elements of a row that are computed in whole steps.
pub const COLS: Gpr = RDX;
/// The element.
pub const INDEX: Gpr = RCX;
pub const END: Gpr = R8;
pub const ROW: Gpr = R9;
/// Elements that are left of each row.
pub const REST: Gpr = R11;
/// The element of the row.
pub const COLUMN: Gpr = RBX;
/// For pointers that have no register of their own.
pub const SPARE: Gpr = RAX;
const POINTERS: [Gpr; 6] = [R10, RBP, R12, R13, R14, R15];
/// What belongs to the caller.
pub const SAVED: [Gpr; 6] = [RBX, RBP, R12, R13, R14, R15];

/// Elements of a step, as many as reductions fold apart.
pub const STEP: usize = reduce::LANES;
/// Frames begin at cache lines.
pub const LINE: i32 = 64;

/// How wide the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits, as lanes are.
    Whole,
}

/// What is found where, the same in all blocks of a loop.
///
/// From the stack pointer on: the number of rows, the caller's stack pointer, numbers for all lanes, masks of what is left of a
/// row, bytes and halves that are copied one by one, values without a register.
pub struct Frame {
    pointers: FxHashMap<ArrayId, Gpr>,
    /// Where single numbers are, and how wide they are in their arrays.
    pub scalars: Vec<(ArrayId, i32, Width)>,
    lanes: i32,
    /// Where pointers without a register are that move from row to row.
    moving: Vec<(ArrayId, i32)>,
    /// Arrays of bytes and halves that are read, and written, and where their last elements are copied.
    pub narrow_read: Vec<(ArrayId, i32, Width)>,
    pub narrow_written: Vec<(ArrayId, i32, Width)>,
    slots: i32,
    pub vector: i32,
    pub size: i32,
}

impl Frame {
    /// Where the number of rows is.
    pub const ROWS: i32 = 0;
    /// Where the stack pointer of the caller is.
    pub const CALLER: i32 = 8;

    /// The frame of a loop whose blocks read and write what this one does, and need so many slots; the pointers to `windows` move
    /// from row to row.
    pub fn new(block: &BasicBlock, windows: &[(ArrayId, i32)], isa: &dyn Isa, slots: usize) -> Frame {
        let mut counts: FxHashMap<ArrayId, usize> = FxHashMap::default();
        let vector = 4 * isa.lanes() as i32;
        let mut size = LINE;
        let mut claim = |bytes: i32| {
            let at = size;
            size += bytes;
            at
        };
        let (mut scalars, mut narrow_read, mut narrow_written) = (Vec::new(), Vec::new(), Vec::new());
        for node in &block.nodes {
            if let Some(array) = node.op.array() {
                *counts.entry(array).or_default() += 1;
            }
            let (array, width) = match node.op {
                Opcode::Scalar(array) => (array, Width::Whole),
                Opcode::ScalarHalf(array) => (array, Width::Half),
                _ => continue,
            };
            scalars.push((array, claim(isa.scalar_bytes() as i32), width));
        }
        let lanes = claim(4 * STEP as i32);
        for node in &block.nodes {
            match node.op {
                Opcode::LoadByte(array, _) => narrow_read.push((array, claim(STEP as i32), Width::Byte)),
                Opcode::StoreByte(array, _) => narrow_written.push((array, claim(STEP as i32), Width::Byte)),
                Opcode::LoadHalf(array, _) => narrow_read.push((array, claim(2 * STEP as i32), Width::Half)),
                Opcode::StoreHalf(array, _) => {
                    narrow_written.push((array, claim(2 * STEP as i32), Width::Half));
                }
                _ => {}
            }
        }
        let mut arrays: Vec<(ArrayId, usize)> = counts.into_iter().collect();
        arrays.sort_unstable_by_key(|&(array, count)| (std::cmp::Reverse(count), array));
        let pointers: FxHashMap<ArrayId, Gpr> =
            arrays.iter().zip(POINTERS).map(|(&(array, _), register)| (array, register)).collect();
        let elsewhere = windows.iter().filter(|(array, _)| !pointers.contains_key(array));
        let moving = elsewhere.map(|&(array, _)| (array, claim(8))).collect();
        let slots_at = (size + LINE - 1) / LINE * LINE;
        let size = slots_at + slots as i32 * vector;
        Frame { pointers, scalars, lanes, moving, narrow_read, narrow_written, slots: slots_at, vector, size }
    }

    /// Copies pointers that move and have no register to where they may be changed.
    pub fn place_moving(&self, code: &mut Assembler) {
        for &(array, at) in &self.moving {
            code.load(SPARE, ARRAYS, 8 * i32::from(array));
            code.store(SPARE, RSP, at);
        }
    }

    /// Moves the pointer to an array by so many bytes.
    pub fn advance(&self, array: ArrayId, bytes: i32, code: &mut Assembler) {
        if let Some(register) = self.register(array) {
            code.add_number(register, bytes);
        } else if let Some(&(_, at)) = self.moving.iter().find(|(known, _)| *known == array) {
            code.load(SPARE, RSP, at);
            code.add_number(SPARE, bytes);
            code.store(SPARE, RSP, at);
        }
    }

    /// The arrays whose pointers have a register, in order.
    pub fn pointers(&self) -> Vec<(ArrayId, Gpr)> {
        let mut pointers: Vec<(ArrayId, Gpr)> =
            self.pointers.iter().map(|(&array, &to)| (array, to)).collect();
        pointers.sort_unstable_by_key(|&(array, _)| array);
        pointers
    }

    /// The register that points to an array, if it has one.
    pub fn register(&self, array: ArrayId) -> Option<Gpr> {
        self.pointers.get(&array).copied()
    }

    /// The register that points to an array; the spare one is loaded for those that have none.
    pub fn pointer(&self, array: ArrayId, code: &mut Assembler) -> Gpr {
        self.register(array).unwrap_or_else(|| {
            match self.moving.iter().find(|(known, _)| *known == array) {
                Some(&(_, at)) => code.load(SPARE, RSP, at),
                None => code.load(SPARE, ARRAYS, 8 * i32::from(array)),
            }
            SPARE
        })
    }

    fn stack(distance: i32) -> Rm {
        Rm::Memory { base: RSP, index: None, distance }
    }

    pub fn slot(&self, slot: usize) -> Rm {
        Frame::stack(self.slots + slot as i32 * self.vector)
    }

    /// Where the mask of what is left of a row is.
    pub fn lanes(&self, vector: u8) -> Rm {
        Frame::stack(self.lanes + i32::from(vector) * self.vector)
    }

    pub fn scalar(&self, array: ArrayId) -> Rm {
        let at = self.scalars.iter().find(|(known, ..)| *known == array);
        Frame::stack(
            at.map_or_else(|| unreachable!("all numbers have a array on the stack"), |&(_, at, _)| at),
        )
    }

    /// Where the last elements of an array of bytes or halves are copied.
    pub fn copied(&self, arrays: &[(ArrayId, i32, Width)], array: ArrayId, vector: u8) -> Rm {
        let Some(&(_, at, width)) = arrays.iter().find(|(known, ..)| *known == array) else {
            unreachable!("all bytes and halves have a array on the stack")
        };
        let bytes = if width == Width::Half { 2 } else { 1 };
        Frame::stack(at + i32::from(vector) * self.vector / 4 * bytes)
    }

    /// The memory of an array that an operation reads or writes.
    pub fn array(&self, op: Opcode, code: &mut Assembler) -> Rm {
        let (array, index, scale, vectors) = match op {
            Opcode::Load(array, at) | Opcode::Store(array, at) => (array, INDEX, 2, at),
            Opcode::LoadByte(array, at) | Opcode::StoreByte(array, at) => (array, INDEX, 0, at),
            Opcode::LoadHalf(array, at) | Opcode::StoreHalf(array, at) => (array, INDEX, 1, at),
            Opcode::Column(array, at) => (array, COLUMN, 2, at),
            Opcode::Row(array) | Opcode::StoreRow(array) => (array, ROW, 2, 0),
            _ => unreachable!("only these have arrays"),
        };
        let base = self.pointer(array, code);
        let distance = i32::from(vectors) * ((self.vector / 4) << scale);
        Rm::Memory { base, index: Some((index, scale)), distance }
    }
}
