//! What AVX2 and AVX-512 have in common: operations that are one instruction in both, under the same opcode.

use super::x86::{
    Assembler, Constant, Mnemonic, Rm, SHIFT_LEFT, SHIFT_RIGHT_ARITHMETIC, SHIFT_RIGHT_LOGICAL, VADDPS,
    VCVTDQ2PS, VCVTTPS2DQ, VDIVPS, VFMADD132PS, VFMADD213PS, VFMADD231PS, VMAXPS, VMINPS, VMOVUPS_LOAD,
    VMULPS, VPABSD, VPADDD, VPAND, VPMAXSD, VPMAXUD, VPMINSD, VPMINUD, VPMULLD, VPOR, VPSHIFTD, VPSLLVD,
    VPSRAVD, VPSRLVD, VPSUBD, VPXOR, VROUNDPS, VSQRTPS, VSUBPS,
};
use crate::backend::cpu::codegen::assembler::frame::Frame;
use crate::backend::cpu::codegen::assembler::regalloc::{Arg, Inst, Reg};
use crate::backend::cpu::codegen::assembler::vector_ir::{Opcode, Relation, Rounding};

/// An instruction: `first = operation(second, last)`.
pub struct Plain {
    pub code: Mnemonic,
    pub first: Reg,
    pub second: Reg,
    pub last: Rm,
    /// Whether the last operand is one lane for all, where the instruction set has such operands.
    pub is_broadcast: bool,
    pub immediate: Option<u8>,
}

/// Whether an instruction can read this argument from memory.
pub fn folds(op: Opcode, arg: usize) -> bool {
    match op {
        // Of the last, another form of the instruction is taken.
        Opcode::Copy
        | Opcode::Sqrt
        | Opcode::Round(_)
        | Opcode::IntToFloat
        | Opcode::FloatToInt
        | Opcode::AbsInt
        | Opcode::MulAdd => true,
        Opcode::Cmp(_)
        | Opcode::CmpInt(_)
        | Opcode::CmpUint(_)
        | Opcode::ShlBy
        | Opcode::SarBy
        | Opcode::ShrBy
        | Opcode::Sub
        | Opcode::Div
        | Opcode::Max
        | Opcode::Min
        | Opcode::SubInt
        | Opcode::Select => arg == 1,
        // Arguments are exchanged.
        _ => op.is_commutative(),
    }
}

/// The memory of an argument, and whether that is one lane for all.
pub fn rm(arg: Arg, code: &mut Assembler, frame: &Frame, constant: fn(u32) -> Constant) -> (Rm, bool) {
    match arg {
        Arg::Register(register) | Arg::Mask(register) => (Rm::Register(register), false),
        Arg::Slot(slot) => (frame.slot(slot), false),
        Arg::Source(Opcode::Constant(bits)) => (Rm::Constant(constant(bits)), true),
        Arg::Source(Opcode::Scalar(array) | Opcode::ScalarHalf(array)) => (frame.scalar(array), true),
        Arg::Source(op) => (frame.array(op, code), matches!(op, Opcode::Row(_))),
    }
}

/// The register of an argument.
pub fn register(arg: Arg) -> Reg {
    match arg {
        Arg::Register(register) | Arg::Mask(register) => register,
        _ => unreachable!("this argument has a register"),
    }
}

/// The number of a comparison, without exceptions for quiet NaNs where there are some.
pub fn predicate(relation: Relation) -> u8 {
    match relation {
        Relation::Eq => 0x00,
        Relation::Unordered => 0x03,
        Relation::Ne => 0x04,
        Relation::Lt => 0x11,
        Relation::Le => 0x12,
        Relation::Ge => 0x1D,
        Relation::Gt => 0x1E,
    }
}

/// The number of a direction, without an exception for numbers that are not integers.
fn direction(rounding: Rounding) -> u8 {
    match rounding {
        Rounding::NearestEven => 8,
        Rounding::Down => 9,
        Rounding::Up => 10,
        Rounding::TowardsZero => 11,
    }
}

/// The instruction of an operation, if both have the same.
pub fn plain(
    inst: &Inst,
    code: &mut Assembler,
    frame: &Frame,
    constant: fn(u32) -> Constant,
) -> Option<Plain> {
    let Inst::Op { op, to, args, .. } = inst else { return None };
    let two = |code| Some((code, None));
    let (mnemonic, immediate) = match *op {
        Opcode::Copy => two(VMOVUPS_LOAD),
        Opcode::Add => two(VADDPS),
        Opcode::Sub => two(VSUBPS),
        Opcode::Mul => two(VMULPS),
        Opcode::Div => two(VDIVPS),
        Opcode::Max => two(VMAXPS),
        Opcode::Min => two(VMINPS),
        Opcode::And => two(VPAND),
        Opcode::Or => two(VPOR),
        Opcode::Xor => two(VPXOR),
        Opcode::AddInt => two(VPADDD),
        Opcode::SubInt => two(VPSUBD),
        Opcode::MulInt => two(VPMULLD),
        Opcode::AbsInt => two(VPABSD),
        Opcode::MaxInt => two(VPMAXSD),
        Opcode::MinInt => two(VPMINSD),
        Opcode::MaxUint => two(VPMAXUD),
        Opcode::MinUint => two(VPMINUD),
        Opcode::ShlBy => two(VPSLLVD),
        Opcode::SarBy => two(VPSRAVD),
        Opcode::ShrBy => two(VPSRLVD),
        Opcode::Sqrt => two(VSQRTPS),
        Opcode::IntToFloat => two(VCVTDQ2PS),
        Opcode::FloatToInt => two(VCVTTPS2DQ),
        Opcode::Round(rounding) => Some((VROUNDPS, Some(direction(rounding)))),
        Opcode::Shl(by) | Opcode::Sar(by) | Opcode::Shr(by) => {
            let which = match op {
                Opcode::Shl(_) => SHIFT_LEFT,
                Opcode::Sar(_) => SHIFT_RIGHT_ARITHMETIC,
                _ => SHIFT_RIGHT_LOGICAL,
            };
            let last = Rm::Register(register(args[0]));
            let (first, second) = (which, *to);
            let immediate = Some(by);
            return Some(Plain { code: VPSHIFTD, first, second, last, is_broadcast: false, immediate });
        }
        Opcode::MulAdd => return Some(multiply_add(*to, args, code, frame, constant)),
        _ => None,
    }?;
    let (second, last) = match args[..] {
        [x] => (0, x),
        // What is in memory comes last.
        [x, y] if matches!(x, Arg::Slot(_) | Arg::Source(_)) => (register(y), x),
        [x, y] => (register(x), y),
        _ => unreachable!("these have one or two arguments"),
    };
    let (last, is_broadcast) = rm(last, code, frame, constant);
    Some(Plain { code: mnemonic, first: *to, second, last, is_broadcast, immediate })
}

/// The form that overwrites what is in the register of the result, and reads what is in memory.
fn multiply_add(
    to: Reg,
    args: &[Arg],
    code: &mut Assembler,
    frame: &Frame,
    constant: fn(u32) -> Constant,
) -> Plain {
    let [x, y, z] = [args[0], args[1], args[2]];
    let is_memory = |arg: Arg| matches!(arg, Arg::Slot(_) | Arg::Source(_));
    let own = Arg::Register(to);
    let (form, second, last) = if z == own && !(is_memory(x) && is_memory(y)) {
        let (x, y) = if is_memory(x) { (y, x) } else { (x, y) };
        (VFMADD231PS, x, y)
    } else {
        let factor = if x == own { y } else { x };
        if is_memory(factor) { (VFMADD132PS, z, factor) } else { (VFMADD213PS, factor, z) }
    };
    let (last, is_broadcast) = rm(last, code, frame, constant);
    Plain { code: form, first: to, second: register(second), last, is_broadcast, immediate: None }
}
