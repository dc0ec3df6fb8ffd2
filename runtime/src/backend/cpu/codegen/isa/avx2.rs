//! AVX2 with FMA: vectors of 8 lanes, 16 of them, which are masks as well.
//!
//! There are no bytes or halves under a mask: those that are left of a row are copied to the stack and back one by one.

use super::Isa;
use super::common::{Plain, folds, plain, predicate, register, rm};
use super::x86::{
    Assembler, Constant, Gpr, Length, Mnemonic, RSP, Rm, SHIFT_RIGHT_LOGICAL, VBLENDVPS, VBROADCASTSS,
    VCMPPS, VEXTRACTI128, VMASKMOVPS_LOAD, VMASKMOVPS_STORE, VMOVD, VMOVQ_STORE, VMOVSS_STORE, VMOVUPS_LOAD,
    VMOVUPS_STORE, VPACKUSDW, VPACKUSWB, VPBROADCASTD, VPCMPEQD, VPCMPGTD, VPERM2F128, VPERMILPS, VPMOVZXBD,
    VPMOVZXWD, VPSHIFTD, When,
};
use crate::backend::cpu::codegen::assembler::frame::{END, Frame, INDEX, REST, ROWS, SPARE, Width};
use crate::backend::cpu::codegen::assembler::regalloc::{Arg, Inst, Reg};
use crate::backend::cpu::codegen::assembler::vector_ir::{BasicBlock, Opcode, Relation, Value};

pub struct Avx2;

impl Isa for Avx2 {
    fn label(&self) -> &'static str {
        "AVX2"
    }

    fn lanes(&self) -> usize {
        8
    }

    fn vectors(&self) -> Reg {
        16
    }

    fn masks(&self) -> Reg {
        0
    }

    fn scalar_bytes(&self) -> usize {
        32
    }

    fn folds(&self, op: Opcode, arg: usize) -> bool {
        folds(op, arg)
    }

    fn is_operand(&self, source: Opcode) -> bool {
        matches!(
            source,
            Opcode::Load(..)
                | Opcode::Column(..)
                | Opcode::Scalar(_)
                | Opcode::ScalarHalf(_)
                | Opcode::Constant(_)
        )
    }

    fn overwrites_argument(&self, op: Opcode) -> bool {
        op == Opcode::MulAdd
    }

    fn needs_temporary(&self, op: Opcode, _args: usize) -> bool {
        matches!(op, Opcode::StoreByte(..) | Opcode::StoreHalf(..))
    }

    /// Of numbers that differ, both are the same; of equal ones, each is the second, and the bits of both have the sign of 0.
    fn maximum_number(&self, block: &mut BasicBlock, x: Value, y: Value) -> Value {
        let (one, two) = (block.add(Opcode::Max, &[x, y]), block.add(Opcode::Max, &[y, x]));
        block.add(Opcode::And, &[one, two])
    }

    fn minimum_number(&self, block: &mut BasicBlock, x: Value, y: Value) -> Value {
        let (one, two) = (block.add(Opcode::Min, &[x, y]), block.add(Opcode::Min, &[y, x]));
        block.add(Opcode::Or, &[one, two])
    }

    /// There are "equal" and "greater", with signs; without signs, a number is the larger of two if that leaves it as it is.
    fn compare_integers(
        &self,
        block: &mut BasicBlock,
        relation: Relation,
        is_signed: bool,
        [x, y]: [Value; 2],
    ) -> Value {
        let (is_opposite, mask) = match (relation, is_signed) {
            (Relation::Eq | Relation::Ne, _) => {
                (relation == Relation::Ne, block.add(Opcode::CmpInt(Relation::Eq), &[x, y]))
            }
            (Relation::Gt | Relation::Le, true) => {
                (relation == Relation::Le, block.add(Opcode::CmpInt(Relation::Gt), &[x, y]))
            }
            (_, true) => (relation == Relation::Ge, block.add(Opcode::CmpInt(Relation::Gt), &[y, x])),
            (Relation::Le | Relation::Gt, false) => {
                let least = block.add(Opcode::MinUint, &[x, y]);
                (relation == Relation::Gt, block.add(Opcode::CmpInt(Relation::Eq), &[least, x]))
            }
            (_, false) => {
                let greatest = block.add(Opcode::MaxUint, &[x, y]);
                (relation == Relation::Lt, block.add(Opcode::CmpInt(Relation::Eq), &[greatest, x]))
            }
        };
        if is_opposite {
            let all = block.bits(u32::MAX);
            return block.add(Opcode::Xor, &[mask, all]);
        }
        mask
    }

    fn emit(&self, code: &mut Assembler, inst: &Inst, frame: &Frame) {
        if let Some(Plain { code: mnemonic, first, second, last, immediate, .. }) =
            plain(inst, code, frame, Constant::Splat)
        {
            return code.vex(mnemonic, Length::L256, [first, second], last, immediate);
        }
        match inst {
            Inst::Move { to, from } => wide(code, VMOVUPS_LOAD, *to, 0, Rm::Register(*from)),
            Inst::Spill { from, slot, .. } => wide(code, VMOVUPS_STORE, *from, 0, frame.slot(*slot)),
            Inst::Fill { to, slot, .. } => wide(code, VMOVUPS_LOAD, *to, 0, frame.slot(*slot)),
            Inst::Op {
                op: op @ (Opcode::StoreByte(array, at) | Opcode::StoreHalf(array, at)),
                args,
                temporary: Some(temporary),
                ..
            } => {
                let to = match args.len() {
                    1 => frame.array(*op, code),
                    _ => frame.copied(&frame.narrow_written, *array, *at),
                };
                store_narrow(code, *op, register(args[0]), *temporary, to);
            }
            Inst::Op { op, to, args, .. } => operation(code, *op, *to, args, frame),
        }
    }

    fn broadcast_scalar(&self, code: &mut Assembler, address: Gpr, distance: i32, to: i32) {
        wide(code, VBROADCASTSS, 0, 0, Rm::Memory { base: address, index: None, distance });
        wide(code, VMOVUPS_STORE, 0, 0, Rm::Memory { base: RSP, index: None, distance: to });
    }

    fn make_lanes(&self, code: &mut Assembler, frame: &Frame) {
        code.vex(VMOVD, Length::L128, [0, 0], Rm::Register(REST.0), None);
        wide(code, VPBROADCASTD, 0, 0, Rm::Register(0));
        for vector in 0..2 {
            wide(code, VPCMPGTD, 1, 0, Rm::Constant(Constant::Ramp(8 * u32::from(vector))));
            wide(code, VMOVUPS_STORE, 1, 0, frame.lanes(vector));
        }
    }

    fn begin_remainder(&self, code: &mut Assembler, frame: &Frame) {
        for &(array, at, width) in &frame.narrow_read {
            let base = frame.pointer(array, code);
            copy_rest(code, base, width, SPARE, RSP, [0, at]);
        }
    }

    fn end_remainder(&self, code: &mut Assembler, frame: &Frame) {
        for &(array, at, width) in &frame.narrow_written {
            let base = frame.pointer(array, code);
            copy_rest(code, base, width, RSP, SPARE, [at, 0]);
        }
    }
}

fn wide(code: &mut Assembler, mnemonic: Mnemonic, first: u8, second: u8, last: Rm) {
    code.vex(mnemonic, Length::L256, [first, second], last, None);
}

/// A loop that copies the bytes or halves that are left of a row; the spare register points to the first of them.
fn copy_rest(code: &mut Assembler, base: Gpr, width: Width, from: Gpr, to: Gpr, distances: [i32; 2]) {
    // The end of whole steps is found anew for each row.
    let counter = END;
    if base != SPARE {
        code.copy(SPARE, base);
    }
    code.add(SPARE, INDEX);
    if width == Width::Half {
        code.add(SPARE, INDEX);
    }
    code.clear(counter);
    let again = code.here();
    if width == Width::Half {
        code.load_word(ROWS, from, Some(counter), distances[0]);
        code.store_word(ROWS, to, counter, distances[1]);
    } else {
        code.load_byte(ROWS, from, counter, distances[0]);
        code.store_byte(ROWS, to, counter, distances[1]);
    }
    code.add_number(counter, 1);
    code.compare(counter, REST);
    code.jump_back(When::Less, again);
}

/// The lowest halves or bytes of eight integers, of which nothing else is left: packed to 16 bits, and to 8.
fn store_narrow(code: &mut Assembler, op: Opcode, x: Reg, temporary: Reg, to: Rm) {
    code.vex(VEXTRACTI128, Length::L256, [x, 0], Rm::Register(temporary), Some(1));
    code.vex(VPACKUSDW, Length::L128, [temporary, x], Rm::Register(temporary), None);
    if let Opcode::StoreHalf(..) = op {
        return code.vex(VMOVUPS_STORE, Length::L128, [temporary, 0], to, None);
    }
    code.vex(VPACKUSWB, Length::L128, [temporary, temporary], Rm::Register(temporary), None);
    code.vex(VMOVQ_STORE, Length::L128, [temporary, 0], to, None);
}

/// The code of an operation that AVX-512 has in another form.
fn operation(code: &mut Assembler, op: Opcode, to: Reg, args: &[Arg], frame: &Frame) {
    match op {
        Opcode::Load(..) | Opcode::Column(..) => {
            let from = frame.array(op, code);
            match args.first() {
                Some(&mask) => wide(code, VMASKMOVPS_LOAD, to, register(mask), from),
                None => wide(code, VMOVUPS_LOAD, to, 0, from),
            }
        }
        Opcode::LoadByte(array, at) | Opcode::LoadHalf(array, at) => {
            let from = match args.first() {
                Some(_) => frame.copied(&frame.narrow_read, array, at),
                None => frame.array(op, code),
            };
            let mnemonic = if let Opcode::LoadByte(..) = op { VPMOVZXBD } else { VPMOVZXWD };
            wide(code, mnemonic, to, 0, from);
        }
        Opcode::Row(_) => {
            let from = frame.array(op, code);
            wide(code, VBROADCASTSS, to, 0, from);
        }
        Opcode::Scalar(_) | Opcode::ScalarHalf(_) | Opcode::Constant(_) => {
            let (from, _) = rm(Arg::Source(op), code, frame, Constant::Splat);
            wide(code, VMOVUPS_LOAD, to, 0, from);
        }
        Opcode::Lanes(vector) => wide(code, VMOVUPS_LOAD, to, 0, frame.lanes(vector)),
        Opcode::Cmp(relation) => {
            let (last, _) = rm(args[1], code, frame, Constant::Splat);
            let predicate = Some(predicate(relation));
            code.vex(VCMPPS, Length::L256, [to, register(args[0])], last, predicate);
        }
        Opcode::CmpInt(relation) => {
            let (last, _) = rm(args[1], code, frame, Constant::Splat);
            let mnemonic = if relation == Relation::Eq { VPCMPEQD } else { VPCMPGTD };
            wide(code, mnemonic, to, register(args[0]), last);
        }
        Opcode::NonZero => {
            wide(code, VPCMPGTD, to, register(args[0]), Rm::Constant(Constant::Splat(0)));
        }
        Opcode::Select => {
            let (last, _) = rm(args[1], code, frame, Constant::Splat);
            let mask = Some(register(args[0]) << 4);
            code.vex(VBLENDVPS, Length::L256, [to, register(args[2])], last, mask);
        }
        Opcode::MaskToInt => {
            let mask = Rm::Register(register(args[0]));
            code.vex(VPSHIFTD, Length::L256, [SHIFT_RIGHT_LOGICAL, to], mask, Some(31));
        }
        Opcode::Swap(bit) => {
            let x = register(args[0]);
            // Halves of the vector, halves of each half, neighbours.
            match bit {
                4 => code.vex(VPERM2F128, Length::L256, [to, x], Rm::Register(x), Some(0x01)),
                2 => code.vex(VPERMILPS, Length::L256, [to, 0], Rm::Register(x), Some(0x4E)),
                _ => code.vex(VPERMILPS, Length::L256, [to, 0], Rm::Register(x), Some(0xB1)),
            }
        }
        Opcode::Store(..) => {
            let (x, memory) = (register(args[0]), frame.array(op, code));
            match args.get(1) {
                Some(&mask) => wide(code, VMASKMOVPS_STORE, x, register(mask), memory),
                None => wide(code, VMOVUPS_STORE, x, 0, memory),
            }
        }
        Opcode::StoreRow(_) => {
            let (x, memory) = (register(args[0]), frame.array(op, code));
            code.vex(VMOVSS_STORE, Length::L128, [x, 0], memory, None);
        }
        _ => unreachable!("{op} is no operation of its own"),
    }
}
