//! Machine code of x86-64 with 512-bit vectors: the few instructions that loops are made of.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

/// A general register, by its number in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpr(pub u8);

pub const RAX: Gpr = Gpr(0);
pub const RCX: Gpr = Gpr(1);
pub const RDX: Gpr = Gpr(2);
pub const RBX: Gpr = Gpr(3);
pub const RSP: Gpr = Gpr(4);
pub const RBP: Gpr = Gpr(5);
pub const RSI: Gpr = Gpr(6);
pub const RDI: Gpr = Gpr(7);
pub const R8: Gpr = Gpr(8);
pub const R9: Gpr = Gpr(9);
pub const R10: Gpr = Gpr(10);
pub const R11: Gpr = Gpr(11);
pub const R12: Gpr = Gpr(12);
pub const R13: Gpr = Gpr(13);
pub const R14: Gpr = Gpr(14);
pub const R15: Gpr = Gpr(15);

/// A register of 16 numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zmm(pub u8);

/// A register of 16 truth values; number 0 stands for "all".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(pub u8);

pub const ALL: Mask = Mask(0);

/// Which lanes an instruction writes, and whether it writes 0 to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    pub mask: Mask,
    pub or_zero: bool,
}

pub const EVERY: Lanes = Lanes { mask: ALL, or_zero: false };

/// The last operand of a vector instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    Register(Zmm),
    /// Memory at a base, an index times a power of two, and a distance in bytes.
    Memory {
        base: Gpr,
        index: Option<(Gpr, u8)>,
        distance: i32,
        /// One number for all lanes.
        is_spread: bool,
    },
    /// A constant behind the code.
    Constant {
        bits: u32,
        is_spread: bool,
    },
}

/// A vector instruction, of elements of 32 bits: its table, prefix and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    table: u8,
    prefix: u8,
    number: u8,
}

const fn code(table: u8, prefix: u8, number: u8) -> Code {
    Code { table, prefix, number }
}

pub const ADD: Code = code(1, 0, 0x58);
pub const MULTIPLY: Code = code(1, 0, 0x59);
pub const SUBTRACT: Code = code(1, 0, 0x5C);
pub const LEAST: Code = code(1, 0, 0x5D);
pub const DIVIDE: Code = code(1, 0, 0x5E);
pub const LARGEST: Code = code(1, 0, 0x5F);
pub const ROOT: Code = code(1, 0, 0x51);
pub const LOAD: Code = code(1, 0, 0x10);
pub const STORE: Code = code(1, 0, 0x11);
pub const STORE_FIRST: Code = code(1, 2, 0x11);
pub const COMPARE: Code = code(1, 0, 0xC2);
pub const FROM_INTEGER: Code = code(1, 0, 0x5B);
pub const ADD_INTEGERS: Code = code(1, 1, 0xFE);
pub const SUBTRACT_INTEGERS: Code = code(1, 1, 0xFA);
pub const SHIFT: Code = code(1, 1, 0x72);
pub const AND: Code = code(1, 1, 0xDB);
pub const OR: Code = code(1, 1, 0xEB);
pub const XOR: Code = code(1, 1, 0xEF);
pub const SPREAD: Code = code(2, 1, 0x18);
pub const TEST: Code = code(2, 1, 0x27);
pub const BLEND: Code = code(2, 1, 0x65);
pub const LOAD_BYTES: Code = code(2, 1, 0x31);
pub const STORE_BYTES: Code = code(2, 2, 0x31);
/// first = second · first + third.
pub const MULTIPLY_FIRST: Code = code(2, 1, 0xA8);
/// first = second · third + first.
pub const ADD_TO_FIRST: Code = code(2, 1, 0xB8);
pub const ROUND: Code = code(3, 1, 0x08);
/// The [`LARGEST`] or [`LEAST`] that knows 0 from -0, and of a number and NaN takes the number.
pub const RANGE: Code = code(3, 1, 0x50);
/// Moves quarters of two registers.
pub const SHUFFLE_QUARTERS: Code = code(3, 1, 0x23);
/// Moves the numbers of each quarter.
pub const PERMUTE: Code = code(3, 1, 0x04);

/// A place in the code that a jump leads to.
#[derive(Clone, Copy)]
pub struct Label(usize);

/// When a jump is taken, after a comparison of signed numbers.
#[derive(Clone, Copy)]
pub enum When {
    Zero = 0x84,
    Less = 0x8C,
    NotLess = 0x8D,
}

/// Collects instructions.
#[derive(Default)]
pub struct Assembler {
    bytes: Vec<u8>,
    constants: Vec<u32>,
    /// Where the distance to a constant is to be written, and where its instruction ends.
    wanted: Vec<(usize, usize, usize)>,
}

impl Assembler {
    /// Where the next instruction is.
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// A place for jumps back.
    pub fn here(&self) -> Label {
        Label(self.bytes.len())
    }

    /// `first = operation(second, last)`, in some lanes; `at_end` is a parameter of the instruction.
    ///
    /// Instructions with fewer operands have `None` in the middle; masks and numbers of operations take the place of
    /// registers where the manual says so.
    pub fn vector(
        &mut self,
        code: Code,
        first: u8,
        second: Option<u8>,
        last: Operand,
        lanes: Lanes,
        at_end: Option<u8>,
    ) {
        let second = second.unwrap_or(0);
        let (index_bit, base_bit, is_spread) = match last {
            Operand::Register(Zmm(number)) => (number >> 4, number >> 3 & 1, false),
            Operand::Memory { base, index, is_spread, .. } => {
                (index.map_or(0, |(index, _)| index.0 >> 3), base.0 >> 3, is_spread)
            }
            Operand::Constant { is_spread, .. } => (0, 0, is_spread),
        };
        // A number alone is not a vector, but then the length of vectors is ignored.
        self.bytes.extend([
            0x62,
            (!first >> 3 & 1) << 7
                | (!index_bit & 1) << 6
                | (!base_bit & 1) << 5
                | (!first >> 4 & 1) << 4
                | code.table,
            (!second & 15) << 3 | 1 << 2 | code.prefix,
            u8::from(lanes.or_zero) << 7
                | 2 << 5
                | u8::from(is_spread) << 4
                | (!second >> 4 & 1) << 3
                | lanes.mask.0,
            code.number,
        ]);
        let constant = self.operand(first, last);
        self.bytes.extend(at_end);
        if let Some((at, constant)) = constant {
            self.wanted.push((at, constant, self.bytes.len()));
        }
    }

    /// Writes what says where the last operand is; returns where the distance to a constant is to be written, and its number.
    fn operand(&mut self, first: u8, last: Operand) -> Option<(usize, usize)> {
        let register = (first & 7) << 3;
        match last {
            Operand::Register(Zmm(number)) => self.bytes.push(0xC0 | register | number & 7),
            Operand::Memory { base, index, distance, .. } => {
                let (index, scale) = index.map_or((4, 0), |(index, scale)| (index.0 & 7, scale));
                // Without a distance there would be no base, if that were register 5 or 13.
                let is_near = distance == 0 && base.0 & 7 != 5;
                self.bytes.push(if is_near { 0x04 } else { 0x84 } | register);
                self.bytes.push(scale << 6 | index << 3 | base.0 & 7);
                if !is_near {
                    self.bytes.extend(distance.to_le_bytes());
                }
            }
            Operand::Constant { bits, .. } => {
                self.bytes.push(0x05 | register);
                let at = self.bytes.len();
                self.bytes.extend([0; 4]);
                let known = self.constants.iter().position(|&known| known == bits);
                let number = known.unwrap_or_else(|| {
                    self.constants.push(bits);
                    self.constants.len() - 1
                });
                return Some((at, number));
            }
        }
        None
    }

    /// Loads 64 bits from memory.
    pub fn load(&mut self, to: Gpr, base: Gpr, distance: i32) {
        self.bytes.extend([0x48 | to.0 >> 3 << 2 | base.0 >> 3, 0x8B]);
        self.at(to, base, distance);
    }

    /// Loads 32 bits from memory.
    pub fn load_half(&mut self, to: Gpr, base: Gpr, distance: i32) {
        self.bytes.extend([0x40 | to.0 >> 3 << 2 | base.0 >> 3, 0x8B]);
        self.at(to, base, distance);
    }

    /// Stores 32 bits.
    pub fn store_half(&mut self, from: Gpr, base: Gpr, distance: i32) {
        self.bytes.extend([0x40 | from.0 >> 3 << 2 | base.0 >> 3, 0x89]);
        self.at(from, base, distance);
    }

    /// Asks for the cache line at an address.
    pub fn prefetch(&mut self, base: Gpr, index: Gpr, scale: u8, distance: i32) {
        self.bytes.extend([0x40 | index.0 >> 3 << 1 | base.0 >> 3, 0x0F, 0x18, 0x8C]);
        self.bytes.push(scale << 6 | (index.0 & 7) << 3 | base.0 & 7);
        self.bytes.extend(distance.to_le_bytes());
    }

    fn at(&mut self, register: Gpr, base: Gpr, distance: i32) {
        self.bytes.extend([0x84 | (register.0 & 7) << 3, 0x20 | base.0 & 7]);
        self.bytes.extend(distance.to_le_bytes());
    }

    pub fn push(&mut self, register: Gpr) {
        self.bytes.extend([0x40 | register.0 >> 3, 0x50 | register.0 & 7]);
    }

    pub fn pop(&mut self, register: Gpr) {
        self.bytes.extend([0x40 | register.0 >> 3, 0x58 | register.0 & 7]);
    }

    fn between(&mut self, number: u8, to: Gpr, from: Gpr) {
        self.bytes.extend([0x48 | from.0 >> 3 << 2 | to.0 >> 3, number]);
        self.bytes.push(0xC0 | (from.0 & 7) << 3 | to.0 & 7);
    }

    pub fn copy(&mut self, to: Gpr, from: Gpr) {
        self.between(0x89, to, from);
    }

    pub fn add(&mut self, to: Gpr, from: Gpr) {
        self.between(0x01, to, from);
    }

    pub fn compare(&mut self, register: Gpr, with: Gpr) {
        self.between(0x39, register, with);
    }

    /// Compares with 0.
    pub fn test(&mut self, register: Gpr) {
        self.between(0x85, register, register);
    }

    pub fn clear(&mut self, register: Gpr) {
        self.between(0x31, register, register);
    }

    pub fn add_number(&mut self, to: Gpr, number: i32) {
        self.bytes.extend([0x48 | to.0 >> 3, 0x81, 0xC0 | to.0 & 7]);
        self.bytes.extend(number.to_le_bytes());
    }

    /// Counts the bits that are set.
    pub fn count_bits(&mut self, to: Gpr, from: Gpr) {
        self.bytes.extend([0xF3, 0x48 | to.0 >> 3 << 2 | from.0 >> 3, 0x0F, 0xB8]);
        self.bytes.push(0xC0 | (to.0 & 7) << 3 | from.0 & 7);
    }

    /// Sets a mask to the lowest bits of one of the first eight registers.
    pub fn mask(&mut self, to: Mask, from: Gpr) {
        self.bytes.extend([0xC5, 0xF8, 0x92, 0xC0 | to.0 << 3 | from.0 & 7]);
    }

    /// Jumps to a place before.
    pub fn jump_back(&mut self, when: When, label: Label) {
        self.bytes.extend([0x0F, when as u8]);
        let distance = label.0 as i64 - (self.bytes.len() + 4) as i64;
        self.bytes.extend((distance as i32).to_le_bytes());
    }

    /// Jumps to a place that is found later.
    pub fn jump(&mut self, when: When) -> Label {
        self.bytes.extend([0x0F, when as u8, 0, 0, 0, 0]);
        Label(self.bytes.len())
    }

    /// Makes a jump lead here.
    pub fn land(&mut self, jump: Label) {
        let distance = (self.bytes.len() - jump.0) as u32;
        self.bytes[jump.0 - 4..jump.0].copy_from_slice(&distance.to_le_bytes());
    }

    /// Returns from the function, leaving vectors as other code expects them.
    pub fn leave(&mut self) {
        self.bytes.extend([0xC5, 0xF8, 0x77, 0xC3]);
    }

    /// All instructions, with the constants behind them.
    pub fn finish(mut self) -> Vec<u8> {
        let first = self.bytes.len().next_multiple_of(64);
        self.bytes.resize(first, 0xCC);
        for (at, constant, end) in std::mem::take(&mut self.wanted) {
            let distance = (first + 4 * constant - end) as u32;
            self.bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.bytes.extend(self.constants.iter().flat_map(|bits| bits.to_le_bytes()));
        self.bytes
    }
}
