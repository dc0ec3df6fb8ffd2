//! Machine code of x86-64: the few instructions that loops are made of, in the encodings of AVX2 (VEX) and AVX-512 (EVEX).
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapters 2 and 3 to 5.

use rustc_hash::FxHashMap;

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

/// The last operand of a vector instruction, "r/m" in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    /// A vector register, or whatever register the instruction has there.
    Register(u8),
    /// Memory at a base, an index times a power of two, and a distance in bytes.
    Memory { base: Gpr, index: Option<(Gpr, u8)>, distance: i32 },
    /// A constant behind the code.
    Constant(Constant),
}

/// What is put behind the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// One lane.
    Single(u32),
    /// Eight equal lanes.
    Splat(u32),
    /// 16 lanes that count from this number on.
    Ramp(u32),
}

impl Constant {
    fn lanes(self) -> usize {
        match self {
            Constant::Single(_) => 1,
            Constant::Splat(_) => 8,
            Constant::Ramp(_) => 16,
        }
    }

    fn lane(self, lane: usize) -> u32 {
        match self {
            Constant::Single(bits) | Constant::Splat(bits) => bits,
            Constant::Ramp(first) => first + lane as u32,
        }
    }
}

/// A vector instruction: its opcode map, its mandatory prefix and its opcode; and the bytes that it reads of memory, for each
/// 64 that a vector of 512 bits has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mnemonic {
    map: u8,
    prefix: u8,
    opcode: u8,
    bytes: u8,
}

/// No prefix, 66, F3: as VEX and EVEX number them.
const NP: u8 = 0;
const P66: u8 = 1;
const PF3: u8 = 2;
/// The opcode maps 0F, 0F38 and 0F3A.
const M0F: u8 = 1;
const M0F38: u8 = 2;
const M0F3A: u8 = 3;

const fn full(map: u8, prefix: u8, opcode: u8) -> Mnemonic {
    Mnemonic { map, prefix, opcode, bytes: 64 }
}

const fn part(map: u8, prefix: u8, opcode: u8, bytes: u8) -> Mnemonic {
    Mnemonic { map, prefix, opcode, bytes }
}

pub const VMOVUPS_LOAD: Mnemonic = full(M0F, NP, 0x10);
pub const VMOVUPS_STORE: Mnemonic = full(M0F, NP, 0x11);
pub const VMOVSS_STORE: Mnemonic = part(M0F, PF3, 0x11, 4);
pub const VSQRTPS: Mnemonic = full(M0F, NP, 0x51);
pub const VADDPS: Mnemonic = full(M0F, NP, 0x58);
pub const VMULPS: Mnemonic = full(M0F, NP, 0x59);
pub const VCVTDQ2PS: Mnemonic = full(M0F, NP, 0x5B);
/// Towards zero.
pub const VCVTTPS2DQ: Mnemonic = full(M0F, PF3, 0x5B);
pub const VSUBPS: Mnemonic = full(M0F, NP, 0x5C);
pub const VMINPS: Mnemonic = full(M0F, NP, 0x5D);
pub const VDIVPS: Mnemonic = full(M0F, NP, 0x5E);
pub const VMAXPS: Mnemonic = full(M0F, NP, 0x5F);
pub const VCMPPS: Mnemonic = full(M0F, NP, 0xC2);
pub const VPCMPGTD: Mnemonic = full(M0F, P66, 0x66);
pub const VPCMPEQD: Mnemonic = full(M0F, P66, 0x76);
/// From a general register to the first lane.
pub const VMOVD: Mnemonic = part(M0F, P66, 0x6E, 4);
/// Shifts by a number: which one says the operand that other instructions have first.
pub const VPSHIFTD: Mnemonic = full(M0F, P66, 0x72);
pub const SHIFT_RIGHT_LOGICAL: u8 = 2;
pub const SHIFT_RIGHT_ARITHMETIC: u8 = 4;
pub const SHIFT_LEFT: u8 = 6;
pub const VPACKUSWB: Mnemonic = full(M0F, P66, 0x67);
/// From the first two lanes to memory.
pub const VMOVQ_STORE: Mnemonic = part(M0F, P66, 0xD6, 8);
pub const VPAND: Mnemonic = full(M0F, P66, 0xDB);
pub const VPOR: Mnemonic = full(M0F, P66, 0xEB);
pub const VPXOR: Mnemonic = full(M0F, P66, 0xEF);
pub const VPSUBD: Mnemonic = full(M0F, P66, 0xFA);
pub const VPADDD: Mnemonic = full(M0F, P66, 0xFE);
/// Between a mask and memory, or from a general register to a mask.
pub const KMOVW_LOAD: Mnemonic = part(M0F, NP, 0x90, 2);
pub const KMOVW_STORE: Mnemonic = part(M0F, NP, 0x91, 2);
pub const VBROADCASTSS: Mnemonic = part(M0F38, P66, 0x18, 4);
pub const VPABSD: Mnemonic = full(M0F38, P66, 0x1E);
pub const VPTESTMD: Mnemonic = full(M0F38, P66, 0x27);
pub const VPACKUSDW: Mnemonic = full(M0F38, P66, 0x2B);
pub const VMASKMOVPS_LOAD: Mnemonic = full(M0F38, P66, 0x2C);
pub const VMASKMOVPS_STORE: Mnemonic = full(M0F38, P66, 0x2E);
pub const VPMOVZXBD: Mnemonic = part(M0F38, P66, 0x31, 16);
pub const VPMOVDB_STORE: Mnemonic = part(M0F38, PF3, 0x31, 16);
pub const VPMOVZXWD: Mnemonic = part(M0F38, P66, 0x33, 32);
pub const VPMOVDW_STORE: Mnemonic = part(M0F38, PF3, 0x33, 32);
pub const VPMINSD: Mnemonic = full(M0F38, P66, 0x39);
pub const VPMINUD: Mnemonic = full(M0F38, P66, 0x3B);
pub const VPMAXSD: Mnemonic = full(M0F38, P66, 0x3D);
pub const VPMAXUD: Mnemonic = full(M0F38, P66, 0x3F);
pub const VPMULLD: Mnemonic = full(M0F38, P66, 0x40);
/// Shifts by numbers of their own for each lane.
pub const VPSRLVD: Mnemonic = full(M0F38, P66, 0x45);
pub const VPSRAVD: Mnemonic = full(M0F38, P66, 0x46);
pub const VPSLLVD: Mnemonic = full(M0F38, P66, 0x47);
pub const VPBROADCASTD: Mnemonic = part(M0F38, P66, 0x58, 4);
pub const VBLENDMPS: Mnemonic = full(M0F38, P66, 0x65);
/// From a general register.
pub const VPBROADCASTD_GPR: Mnemonic = part(M0F38, P66, 0x7C, 4);
/// first = first · last + second.
pub const VFMADD132PS: Mnemonic = full(M0F38, P66, 0x98);
/// first = second · first + last.
pub const VFMADD213PS: Mnemonic = full(M0F38, P66, 0xA8);
/// first = second · last + first.
pub const VFMADD231PS: Mnemonic = full(M0F38, P66, 0xB8);
pub const VPERMILPS: Mnemonic = full(M0F3A, P66, 0x04);
pub const VPERM2F128: Mnemonic = full(M0F3A, P66, 0x06);
/// `VROUNDPS` in the encoding of AVX, `VRNDSCALEPS` in that of AVX-512, with the same numbers for directions.
pub const VROUNDPS: Mnemonic = full(M0F3A, P66, 0x08);
/// Comparisons of integers without and with signs.
pub const VPCMPUD: Mnemonic = full(M0F3A, P66, 0x1E);
pub const VPCMPD: Mnemonic = full(M0F3A, P66, 0x1F);
pub const VSHUFF32X4: Mnemonic = full(M0F3A, P66, 0x23);
pub const VEXTRACTI128: Mnemonic = full(M0F3A, P66, 0x39);
pub const VBLENDVPS: Mnemonic = full(M0F3A, P66, 0x4A);
pub const VRANGEPS: Mnemonic = full(M0F3A, P66, 0x50);

/// The length of vectors in the encoding of AVX.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Length {
    L128 = 0,
    L256 = 1,
}

/// Which lanes an instruction of AVX-512 writes, and whether it writes 0 to the others; mask 0 stands for all lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    pub mask: u8,
    pub or_zero: bool,
}

/// All of them.
pub const ALL: Lanes = Lanes { mask: 0, or_zero: false };

/// A position in the code that a jump leads to.
#[derive(Clone, Copy)]
pub struct Label(usize);

/// When a jump is taken, after a comparison of signed numbers.
#[derive(Clone, Copy)]
pub enum When {
    Zero = 0x84,
    Less = 0x8C,
    NotLess = 0x8D,
    NotGreater = 0x8E,
}

/// Where instructions begin, and what they are for.
pub type Mark = (usize, String);

/// Collects instructions.
#[derive(Default)]
pub struct Assembler {
    bytes: Vec<u8>,
    constants: Vec<Constant>,
    known: FxHashMap<Constant, usize>,
    /// Where the distance to a constant is to be written, the constant, and where its instruction ends.
    wanted: Vec<(usize, usize, usize)>,
    /// For those who want to read it.
    marks: Option<Vec<Mark>>,
}

impl Assembler {
    /// Keeps what instructions are for from now on.
    pub fn keep_marks(&mut self) {
        self.marks.get_or_insert_default();
    }

    /// Says what the next instructions are for.
    pub fn mark(&mut self, text: impl FnOnce() -> String) {
        if let Some(marks) = &mut self.marks {
            marks.push((self.bytes.len(), text()));
        }
    }

    /// Where the next instruction is.
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// A label for jumps back.
    pub fn here(&self) -> Label {
        Label(self.bytes.len())
    }

    /// `first = operation(second, last)` in the encoding of AVX-512, with vectors of 512 bits, in some lanes; `broadcast` if
    /// memory has one lane for all of them.
    ///
    /// Instructions with fewer operands have 0 in the middle; masks and numbers of operations stand for registers where
    /// the manual says so.
    pub fn evex(&mut self, code: Mnemonic, first: u8, second: u8, last: Rm, how: Evex) {
        let (x, b) = match last {
            Rm::Register(number) => (number >> 4 & 1, number >> 3 & 1),
            Rm::Memory { base, index, .. } => (index.map_or(0, |(index, _)| index.0 >> 3), base.0 >> 3),
            Rm::Constant(_) => (0, 0),
        };
        // A number alone is not a vector, but then the length of vectors is ignored.
        self.bytes.extend([
            0x62,
            (!first >> 3 & 1) << 7 | (!x & 1) << 6 | (!b & 1) << 5 | (!first >> 4 & 1) << 4 | code.map,
            (!second & 15) << 3 | 1 << 2 | code.prefix,
            u8::from(how.lanes.or_zero) << 7
                | 2 << 5
                | u8::from(how.is_broadcast) << 4
                | (!second >> 4 & 1) << 3
                | how.lanes.mask,
            code.opcode,
        ]);
        // Distances of one byte count in units of what is read.
        let unit = if how.is_broadcast { 4 } else { i32::from(code.bytes) };
        self.last(first, last, unit, how.immediate);
    }

    /// `first = operation(second, last)` in the encoding of AVX, as [`evex`](Assembler::evex).
    pub fn vex(
        &mut self,
        code: Mnemonic,
        length: Length,
        [first, second]: [u8; 2],
        last: Rm,
        immediate: Option<u8>,
    ) {
        let (x, b) = match last {
            Rm::Register(number) => (0, number >> 3 & 1),
            Rm::Memory { base, index, .. } => (index.map_or(0, |(index, _)| index.0 >> 3), base.0 >> 3),
            Rm::Constant(_) => (0, 0),
        };
        let rest = (!second & 15) << 3 | (length as u8) << 2 | code.prefix;
        let r = (!first >> 3 & 1) << 7;
        if code.map == M0F && x == 0 && b == 0 {
            self.bytes.extend([0xC5, r | rest, code.opcode]);
        } else {
            self.bytes.extend([0xC4, r | (!x & 1) << 6 | (!b & 1) << 5 | code.map, rest, code.opcode]);
        }
        self.last(first, last, 1, immediate);
    }

    /// Writes what says where the last operand is, and an immediate.
    fn last(&mut self, first: u8, last: Rm, unit: i32, immediate: Option<u8>) {
        let register = (first & 7) << 3;
        let mut constant = None;
        match last {
            Rm::Register(number) => self.bytes.push(0xC0 | register | number & 7),
            Rm::Memory { base, index, distance } => self.memory(register, base, index, distance, unit),
            Rm::Constant(value) => {
                self.bytes.push(0x05 | register);
                let number = *self.known.entry(value).or_insert_with(|| {
                    self.constants.push(value);
                    self.constants.len() - 1
                });
                constant = Some((self.bytes.len(), number));
                self.bytes.extend([0; 4]);
            }
        }
        self.bytes.extend(immediate);
        if let Some((at, number)) = constant {
            self.wanted.push((at, number, self.bytes.len()));
        }
    }

    /// An operand in memory; distances of one byte count in units of so many bytes.
    fn memory(&mut self, register: u8, base: Gpr, index: Option<(Gpr, u8)>, distance: i32, unit: i32) {
        let (index, scale) = index.map_or((4, 0), |(index, scale)| (index.0 & 7, scale));
        // Without a distance there would be no base, if that were register 5 or 13.
        let is_here = distance == 0 && base.0 & 7 != 5;
        let near = (distance % unit == 0).then_some(distance / unit).and_then(|near| i8::try_from(near).ok());
        let mode = match near {
            Some(_) if is_here => 0x00,
            Some(_) => 0x40,
            None => 0x80,
        };
        self.bytes.push(mode | register | 4);
        self.bytes.push(scale << 6 | index << 3 | base.0 & 7);
        match near {
            Some(_) if is_here => {}
            Some(near) => self.bytes.push(near as u8),
            None => self.bytes.extend(distance.to_le_bytes()),
        }
    }

    /// An instruction of general registers, with an operand in memory.
    fn general(&mut self, is_wide: bool, code: &[u8], register: Gpr, base: Gpr, distance: i32) {
        self.bytes.push(if is_wide { 0x48 } else { 0x40 } | register.0 >> 3 << 2 | base.0 >> 3);
        self.bytes.extend(code);
        self.memory((register.0 & 7) << 3, base, None, distance, 1);
    }

    /// Loads 64 bits from memory.
    pub fn load(&mut self, to: Gpr, base: Gpr, distance: i32) {
        self.general(true, &[0x8B], to, base, distance);
    }

    /// Stores 64 bits.
    pub fn store(&mut self, from: Gpr, base: Gpr, distance: i32) {
        self.general(true, &[0x89], from, base, distance);
    }

    /// Loads 32 bits from memory.
    pub fn load_half(&mut self, to: Gpr, base: Gpr, distance: i32) {
        self.general(false, &[0x8B], to, base, distance);
    }

    /// Stores 32 bits.
    pub fn store_half(&mut self, from: Gpr, base: Gpr, distance: i32) {
        self.general(false, &[0x89], from, base, distance);
    }

    /// Loads a byte, with zeros before it.
    pub fn load_byte(&mut self, to: Gpr, base: Gpr, index: Gpr, distance: i32) {
        self.byte(&[0x0F, 0xB6], to, base, index, distance);
    }

    /// Stores the lowest byte.
    pub fn store_byte(&mut self, from: Gpr, base: Gpr, index: Gpr, distance: i32) {
        self.byte(&[0x88], from, base, index, distance);
    }

    /// Loads 16 bits, with zeros before them, at an index of such elements.
    pub fn load_word(&mut self, to: Gpr, base: Gpr, index: Option<Gpr>, distance: i32) {
        let high = index.map_or(0, |index| index.0 >> 3);
        self.bytes.extend([0x40 | to.0 >> 3 << 2 | high << 1 | base.0 >> 3, 0x0F, 0xB7]);
        self.memory((to.0 & 7) << 3, base, index.map(|index| (index, 1)), distance, 1);
    }

    /// Stores the lowest 16 bits.
    pub fn store_word(&mut self, from: Gpr, base: Gpr, index: Gpr, distance: i32) {
        self.bytes.extend([0x66, 0x40 | from.0 >> 3 << 2 | index.0 >> 3 << 1 | base.0 >> 3, 0x89]);
        self.memory((from.0 & 7) << 3, base, Some((index, 1)), distance, 1);
    }

    fn byte(&mut self, code: &[u8], register: Gpr, base: Gpr, index: Gpr, distance: i32) {
        self.bytes.push(0x40 | register.0 >> 3 << 2 | index.0 >> 3 << 1 | base.0 >> 3);
        self.bytes.extend(code);
        self.memory((register.0 & 7) << 3, base, Some((index, 0)), distance, 1);
    }

    /// Asks for the cache line at an address.
    pub fn prefetch(&mut self, base: Gpr, index: Gpr, scale: u8, distance: i32) {
        const T0: u8 = 1 << 3;
        self.bytes.extend([0x40 | index.0 >> 3 << 1 | base.0 >> 3, 0x0F, 0x18]);
        self.memory(T0, base, Some((index, scale)), distance, 1);
    }

    pub fn push(&mut self, register: Gpr) {
        self.bytes.extend([0x40 | register.0 >> 3, 0x50 | register.0 & 7]);
    }

    pub fn pop(&mut self, register: Gpr) {
        self.bytes.extend([0x40 | register.0 >> 3, 0x58 | register.0 & 7]);
    }

    fn between(&mut self, opcode: u8, to: Gpr, from: Gpr) {
        self.bytes.extend([0x48 | from.0 >> 3 << 2 | to.0 >> 3, opcode]);
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

    /// Compares with 64 bits of memory.
    pub fn compare_memory(&mut self, register: Gpr, base: Gpr, distance: i32) {
        self.general(true, &[0x3B], register, base, distance);
    }

    /// Compares with 0.
    pub fn test(&mut self, register: Gpr) {
        self.between(0x85, register, register);
    }

    pub fn clear(&mut self, register: Gpr) {
        self.between(0x31, register, register);
    }

    fn with_number(&mut self, operation: u8, register: Gpr, number: i32) {
        let near = i8::try_from(number).ok();
        let opcode = if near.is_some() { 0x83 } else { 0x81 };
        self.bytes.extend([0x48 | register.0 >> 3, opcode, 0xC0 | operation << 3 | register.0 & 7]);
        match near {
            Some(near) => self.bytes.push(near as u8),
            None => self.bytes.extend(number.to_le_bytes()),
        }
    }

    pub fn add_number(&mut self, to: Gpr, number: i32) {
        self.with_number(0, to, number);
    }

    /// Moves bits towards the more significant end.
    pub fn shift_left(&mut self, register: Gpr, by: u8) {
        self.bytes.extend([0x48 | register.0 >> 3, 0xC1, 0xE0 | register.0 & 7, by]);
    }

    pub fn and_number(&mut self, to: Gpr, number: i32) {
        self.with_number(4, to, number);
    }

    pub fn compare_number(&mut self, register: Gpr, number: i32) {
        self.with_number(7, register, number);
    }

    /// Jumps to a position before.
    pub fn jump_back(&mut self, when: When, label: Label) {
        self.bytes.extend([0x0F, when as u8]);
        let distance = label.0 as i64 - (self.bytes.len() + 4) as i64;
        self.bytes.extend((distance as i32).to_le_bytes());
    }

    /// Jumps to a position that is found later.
    pub fn jump(&mut self, when: When) -> Label {
        self.bytes.extend([0x0F, when as u8, 0, 0, 0, 0]);
        Label(self.bytes.len())
    }

    /// Makes a jump lead here.
    pub fn land(&mut self, jump: Label) {
        let distance = (self.bytes.len() - jump.0) as u32;
        self.bytes[jump.0 - 4..jump.0].copy_from_slice(&distance.to_le_bytes());
    }

    /// Returns from the function, with the upper halves of vectors cleared as other code expects them (`VZEROUPPER`).
    pub fn leave(&mut self) {
        self.bytes.extend([0xC5, 0xF8, 0x77, 0xC3]);
    }

    /// All instructions, with the constants behind them, the longest first, so that each is aligned to its length; and what
    /// instructions are for.
    pub fn finish(mut self) -> (Vec<u8>, Vec<Mark>) {
        let mut order: Vec<usize> = (0..self.constants.len()).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(self.constants[number].lanes()));
        let first = self.bytes.len().next_multiple_of(64);
        self.bytes.resize(first, 0xCC);
        let mut positions = vec![0; self.constants.len()];
        for number in order {
            let constant = self.constants[number];
            positions[number] = self.bytes.len();
            let lanes = (0..constant.lanes()).flat_map(|lane| constant.lane(lane).to_le_bytes());
            self.bytes.extend(lanes);
        }
        for (at, number, end) in std::mem::take(&mut self.wanted) {
            let distance = (positions[number] - end) as u32;
            self.bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        (self.bytes, self.marks.unwrap_or_default())
    }
}

/// What instructions of AVX-512 have besides their operands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evex {
    pub lanes: Lanes,
    /// Whether memory has one lane for all.
    pub is_broadcast: bool,
    pub immediate: Option<u8>,
}
