//! AVX-512 (F, BW, DQ, VL): vectors of 16 lanes, 32 of them, with masks in registers of their own.

use super::common::{folds, plain, predicate, register, rm};
use super::x86::{
    ALL, Assembler, Constant, Evex, Gpr, KMOVW_LOAD, KMOVW_STORE, Lanes, Length, Rm, VBLENDMPS, VBROADCASTSS,
    VCMPPS, VMOVSS_STORE, VMOVUPS_LOAD, VMOVUPS_STORE, VPBROADCASTD_GPR, VPCMPD, VPCMPGTD, VPCMPUD,
    VPERMILPS, VPMOVDB_STORE, VPMOVDW_STORE, VPMOVZXBD, VPMOVZXWD, VPTESTMD, VRANGEPS, VSHUFF32X4,
};
use super::{Isa, x86};
use crate::backend::cpu::codegen::assembler::frame::{Frame, REST, SPARE};
use crate::backend::cpu::codegen::assembler::regalloc::{Arg, Class, Inst, Reg};
use crate::backend::cpu::codegen::assembler::vector_ir::{BasicBlock, Opcode, Relation, Value};

pub struct Avx512;

/// Of [`VRANGEPS`]: the sign is that of what is taken.
const OWN_SIGN: u8 = 4;
const GREATEST: u8 = OWN_SIGN | 1;
const SMALLEST: u8 = OWN_SIGN;

/// Mask 0 stands for all lanes, so the registers of masks are counted from 1.
fn mask(register: Reg) -> u8 {
    register + 1
}

/// The lanes that a load or a store has: those of its last argument, if that is a mask.
fn lanes(arg: Option<&Arg>, or_zero: bool) -> Lanes {
    match arg {
        Some(&Arg::Mask(register)) => Lanes { mask: mask(register), or_zero },
        _ => ALL,
    }
}

fn some(lanes: Lanes) -> Evex {
    Evex { lanes, ..Evex::default() }
}

fn with(immediate: u8) -> Evex {
    Evex { immediate: Some(immediate), ..Evex::default() }
}

/// The number of a comparison of integers.
fn integer_predicate(relation: Relation) -> u8 {
    match relation {
        Relation::Eq => 0,
        Relation::Lt => 1,
        Relation::Le => 2,
        Relation::Ne => 4,
        Relation::Ge => 5,
        Relation::Gt => 6,
        Relation::Unordered => unreachable!("integers are ordered"),
    }
}

impl Isa for Avx512 {
    fn label(&self) -> &'static str {
        "AVX-512"
    }

    fn lanes(&self) -> usize {
        16
    }

    fn vectors(&self) -> Reg {
        32
    }

    fn masks(&self) -> Reg {
        7
    }

    fn scalar_bytes(&self) -> usize {
        4
    }

    fn folds(&self, op: Opcode, arg: usize) -> bool {
        folds(op, arg)
    }

    fn is_operand(&self, source: Opcode) -> bool {
        matches!(
            source,
            Opcode::Load(..)
                | Opcode::Column(..)
                | Opcode::Row(_)
                | Opcode::Scalar(_)
                | Opcode::ScalarHalf(_)
                | Opcode::Constant(_)
        )
    }

    fn overwrites_argument(&self, op: Opcode) -> bool {
        op == Opcode::MulAdd
    }

    fn needs_temporary(&self, _op: Opcode, _args: usize) -> bool {
        false
    }

    fn maximum_number(&self, block: &mut BasicBlock, x: Value, y: Value) -> Value {
        block.add(Opcode::MaximumNumber, &[x, y])
    }

    fn minimum_number(&self, block: &mut BasicBlock, x: Value, y: Value) -> Value {
        block.add(Opcode::MinimumNumber, &[x, y])
    }

    fn compare_integers(
        &self,
        block: &mut BasicBlock,
        relation: Relation,
        is_signed: bool,
        args: [Value; 2],
    ) -> Value {
        let op = if is_signed { Opcode::CmpInt } else { Opcode::CmpUint };
        block.add(op(relation), &args)
    }

    fn emit(&self, code: &mut Assembler, inst: &Inst, frame: &Frame) {
        if let Some(plain) = plain(inst, code, frame, Constant::Single) {
            let how = Evex { is_broadcast: plain.is_broadcast, immediate: plain.immediate, lanes: ALL };
            return code.evex(plain.code, plain.first, plain.second, plain.last, how);
        }
        match inst {
            Inst::Move { to, from } => code.evex(VMOVUPS_LOAD, *to, 0, Rm::Register(*from), Evex::default()),
            Inst::Spill { class: Class::Vector, from, slot } => {
                code.evex(VMOVUPS_STORE, *from, 0, frame.slot(*slot), Evex::default());
            }
            Inst::Fill { class: Class::Vector, to, slot } => {
                code.evex(VMOVUPS_LOAD, *to, 0, frame.slot(*slot), Evex::default());
            }
            Inst::Spill { class: Class::Mask, from, slot } => {
                code.vex(KMOVW_STORE, Length::L128, [mask(*from), 0], frame.slot(*slot), None);
            }
            Inst::Fill { class: Class::Mask, to, slot } => {
                code.vex(KMOVW_LOAD, Length::L128, [mask(*to), 0], frame.slot(*slot), None);
            }
            Inst::Op { op, to, args, .. } => operation(code, *op, *to, args, frame),
        }
    }

    fn broadcast_scalar(&self, code: &mut Assembler, address: Gpr, distance: i32, to: i32) {
        code.load_half(SPARE, address, distance);
        code.store_half(SPARE, x86::RSP, to);
    }

    fn make_lanes(&self, code: &mut Assembler, _frame: &Frame) {
        code.evex(VPBROADCASTD_GPR, 0, 0, Rm::Register(REST.0), Evex::default());
        code.evex(VPCMPGTD, mask(0), 0, Rm::Constant(Constant::Ramp(0)), Evex::default());
    }

    fn begin_remainder(&self, _code: &mut Assembler, _frame: &Frame) {}

    fn end_remainder(&self, _code: &mut Assembler, _frame: &Frame) {}
}

/// The code of an operation that AVX2 has in another form.
fn operation(code: &mut Assembler, op: Opcode, to: Reg, args: &[Arg], frame: &Frame) {
    let all = Evex::default();
    match op {
        Opcode::Load(..) | Opcode::Column(..) => {
            let from = frame.array(op, code);
            code.evex(VMOVUPS_LOAD, to, 0, from, some(lanes(args.first(), true)));
        }
        Opcode::LoadByte(..) => {
            let from = frame.array(op, code);
            code.evex(VPMOVZXBD, to, 0, from, some(lanes(args.first(), true)));
        }
        Opcode::LoadHalf(..) => {
            let from = frame.array(op, code);
            code.evex(VPMOVZXWD, to, 0, from, some(lanes(args.first(), true)));
        }
        Opcode::Row(_) | Opcode::Scalar(_) | Opcode::ScalarHalf(_) | Opcode::Constant(_) => {
            let (from, _) = rm(Arg::Source(op), code, frame, Constant::Single);
            code.evex(VBROADCASTSS, to, 0, from, all);
        }
        Opcode::MaximumNumber | Opcode::MinimumNumber => {
            let (second, last) =
                if let Arg::Register(x) = args[0] { (x, args[1]) } else { (register(args[1]), args[0]) };
            let (last, is_broadcast) = rm(last, code, frame, Constant::Single);
            let which = if op == Opcode::MaximumNumber { GREATEST } else { SMALLEST };
            code.evex(VRANGEPS, to, second, last, Evex { is_broadcast, ..with(which) });
        }
        Opcode::Cmp(relation) => {
            let (last, is_broadcast) = rm(args[1], code, frame, Constant::Single);
            let how = Evex { is_broadcast, ..with(predicate(relation)) };
            code.evex(VCMPPS, mask(to), register(args[0]), last, how);
        }
        Opcode::CmpInt(relation) | Opcode::CmpUint(relation) => {
            let (last, is_broadcast) = rm(args[1], code, frame, Constant::Single);
            let how = Evex { is_broadcast, ..with(integer_predicate(relation)) };
            let mnemonic = if let Opcode::CmpInt(_) = op { VPCMPD } else { VPCMPUD };
            code.evex(mnemonic, mask(to), register(args[0]), last, how);
        }
        Opcode::NonZero => {
            let x = register(args[0]);
            code.evex(VPTESTMD, mask(to), x, Rm::Register(x), all);
        }
        Opcode::Select => {
            let (last, is_broadcast) = rm(args[1], code, frame, Constant::Single);
            let how = Evex { is_broadcast, ..some(lanes(args.first(), false)) };
            code.evex(VBLENDMPS, to, register(args[2]), last, how);
        }
        Opcode::MaskToInt => {
            let one = Rm::Constant(Constant::Single(1));
            code.evex(VBROADCASTSS, to, 0, one, some(lanes(args.first(), true)));
        }
        Opcode::Swap(bit) => {
            let x = register(args[0]);
            // Halves of the vector, quarters, halves of each quarter, neighbours.
            match bit {
                8 => code.evex(VSHUFF32X4, to, x, Rm::Register(x), with(0x4E)),
                4 => code.evex(VSHUFF32X4, to, x, Rm::Register(x), with(0xB1)),
                2 => code.evex(VPERMILPS, to, 0, Rm::Register(x), with(0x4E)),
                _ => code.evex(VPERMILPS, to, 0, Rm::Register(x), with(0xB1)),
            }
        }
        Opcode::Store(..) => {
            let to = frame.array(op, code);
            code.evex(VMOVUPS_STORE, register(args[0]), 0, to, some(lanes(args.get(1), false)));
        }
        Opcode::StoreByte(..) => {
            let to = frame.array(op, code);
            code.evex(VPMOVDB_STORE, register(args[0]), 0, to, some(lanes(args.get(1), false)));
        }
        Opcode::StoreHalf(..) => {
            let to = frame.array(op, code);
            code.evex(VPMOVDW_STORE, register(args[0]), 0, to, some(lanes(args.get(1), false)));
        }
        Opcode::StoreRow(_) => {
            let to = frame.array(op, code);
            code.evex(VMOVSS_STORE, register(args[0]), 0, to, all);
        }
        _ => unreachable!("{op} is no operation of its own"),
    }
}
