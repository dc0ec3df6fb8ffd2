//! Every instruction of the encoder is the one that was meant: for low and high registers, all kinds of memory, short and long
//! distances, masks and broadcasts.

use super::disassemble;
use crate::backend::cpu::codegen::isa::x86::{
    ALL, Assembler, Constant, Evex, Gpr, KMOVW_LOAD, KMOVW_STORE, Lanes, Length, Mnemonic, R8, R9, R10, R11,
    R12, R13, R15, RAX, RBP, RBX, RCX, RDX, RSI, RSP, Rm, SHIFT_LEFT, SHIFT_RIGHT_ARITHMETIC,
    SHIFT_RIGHT_LOGICAL, VADDPS, VBLENDMPS, VBLENDVPS, VBROADCASTSS, VCMPPS, VCVTDQ2PS, VCVTTPS2DQ, VDIVPS,
    VEXTRACTI128, VFMADD132PS, VFMADD213PS, VFMADD231PS, VMASKMOVPS_LOAD, VMASKMOVPS_STORE, VMAXPS, VMINPS,
    VMOVD, VMOVQ_STORE, VMOVSS_STORE, VMOVUPS_LOAD, VMOVUPS_STORE, VMULPS, VPABSD, VPACKUSDW, VPACKUSWB,
    VPADDD, VPAND, VPBROADCASTD, VPBROADCASTD_GPR, VPCMPD, VPCMPEQD, VPCMPGTD, VPCMPUD, VPERM2F128,
    VPERMILPS, VPMAXSD, VPMAXUD, VPMINSD, VPMINUD, VPMOVDB_STORE, VPMOVDW_STORE, VPMOVZXBD, VPMOVZXWD,
    VPMULLD, VPOR, VPSHIFTD, VPSLLVD, VPSRAVD, VPSRLVD, VPSUBD, VPTESTMD, VPXOR, VRANGEPS, VROUNDPS,
    VSHUFF32X4, VSQRTPS, VSUBPS, When,
};

/// The only instruction that is written.
fn one(write: impl FnOnce(&mut Assembler)) -> String {
    let mut code = Assembler::default();
    write(&mut code);
    let end = code.position();
    let mut lines = disassemble(&code.finish().0[..end]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

/// What operands are there, and how they are written; `scale` is that of distances that are multiples of a vector.
fn memories() -> Vec<(Rm, String)> {
    let mut all = Vec::new();
    for (base, name) in [(RAX, "rax"), (RSP, "rsp"), (RBP, "rbp"), (R12, "r12"), (R13, "r13"), (R10, "r10")] {
        for (index, text) in [(None, ""), (Some((RCX, 2)), "+rcx*4"), (Some((R9, 0)), "+r9")] {
            for (distance, more) in [
                (0, ""),
                (4, "+4"),
                (64, "+0x40"),
                (-64, "-0x40"),
                (256, "+0x100"),
                (8128, "+0x1fc0"),
                (8192, "+0x2000"),
                (100_000, "+0x186a0"),
            ] {
                all.push((Rm::Memory { base, index, distance }, format!("[{name}{text}{more}]")));
            }
        }
    }
    all.push((Rm::Constant(Constant::Single(1)), "[constant]".into()));
    all
}

/// How the operands of an instruction are arranged.
#[derive(Clone, Copy)]
enum Form {
    /// The result and a last operand.
    Two,
    /// The result, another register, and a last operand.
    Three,
}

/// Instructions with the same operands in both encodings: what is called differently has two names.
const BOTH: [(Mnemonic, Form, &str, &str); 34] = [
    (VMOVUPS_LOAD, Form::Two, "vmovups", "vmovups"),
    (VSQRTPS, Form::Two, "vsqrtps", "vsqrtps"),
    (VCVTDQ2PS, Form::Two, "vcvtdq2ps", "vcvtdq2ps"),
    (VADDPS, Form::Three, "vaddps", "vaddps"),
    (VSUBPS, Form::Three, "vsubps", "vsubps"),
    (VMULPS, Form::Three, "vmulps", "vmulps"),
    (VDIVPS, Form::Three, "vdivps", "vdivps"),
    (VMAXPS, Form::Three, "vmaxps", "vmaxps"),
    (VMINPS, Form::Three, "vminps", "vminps"),
    (VPAND, Form::Three, "vpand", "vpandd"),
    (VPOR, Form::Three, "vpor", "vpord"),
    (VPXOR, Form::Three, "vpxor", "vpxord"),
    (VPADDD, Form::Three, "vpaddd", "vpaddd"),
    (VPSUBD, Form::Three, "vpsubd", "vpsubd"),
    (VCVTTPS2DQ, Form::Two, "vcvttps2dq", "vcvttps2dq"),
    (VPABSD, Form::Two, "vpabsd", "vpabsd"),
    (VPMULLD, Form::Three, "vpmulld", "vpmulld"),
    (VPMAXSD, Form::Three, "vpmaxsd", "vpmaxsd"),
    (VPMINSD, Form::Three, "vpminsd", "vpminsd"),
    (VPMAXUD, Form::Three, "vpmaxud", "vpmaxud"),
    (VPMINUD, Form::Three, "vpminud", "vpminud"),
    (VPSLLVD, Form::Three, "vpsllvd", "vpsllvd"),
    (VPSRAVD, Form::Three, "vpsravd", "vpsravd"),
    (VPSRLVD, Form::Three, "vpsrlvd", "vpsrlvd"),
    (VPCMPEQD, Form::Three, "vpcmpeqd", ""),
    (VFMADD132PS, Form::Three, "vfmadd132ps", "vfmadd132ps"),
    (VFMADD213PS, Form::Three, "vfmadd213ps", "vfmadd213ps"),
    (VFMADD231PS, Form::Three, "vfmadd231ps", "vfmadd231ps"),
    (VPACKUSDW, Form::Three, "vpackusdw", ""),
    (VPACKUSWB, Form::Three, "vpackuswb", ""),
    (VPCMPGTD, Form::Three, "vpcmpgtd", ""),
    (VMASKMOVPS_LOAD, Form::Three, "vmaskmovps", ""),
    (VBLENDMPS, Form::Three, "", "vblendmps"),
    (VSHUFF32X4, Form::Three, "", ""),
];

/// The text without the size of memory, which is said where it is not that of the registers.
fn plain(line: &str) -> String {
    let sizes = ["zmmword", "ymmword", "xmmword", "qword", "dword", "word", "byte"];
    sizes.iter().fold(line.to_owned(), |line, size| line.replace(&format!("{size} ptr "), ""))
}

#[test]
fn operations_of_both_sets_have_the_registers_that_were_meant() {
    for (code, form, vex, evex) in BOTH {
        let is_load = code == VMASKMOVPS_LOAD;
        for (first, second, last) in [(0, 1, 2), (7, 8, 15), (15, 3, 8), (9, 15, 0)] {
            let expected = |letter: &str, name: &str| match form {
                Form::Two => format!("{name} {letter}mm{first}, {letter}mm{last}"),
                Form::Three => format!("{name} {letter}mm{first}, {letter}mm{second}, {letter}mm{last}"),
            };
            let middle = if let Form::Two = form { 0 } else { second };
            if !vex.is_empty() && !is_load {
                let line = one(|asm| asm.vex(code, Length::L256, [first, middle], Rm::Register(last), None));
                assert_eq!(line, expected("y", vex));
            }
            if !evex.is_empty() {
                let line = one(|asm| asm.evex(code, first, middle, Rm::Register(last), Evex::default()));
                assert_eq!(line, expected("z", evex));
                let high = [first + 16, middle + 16, last + 16];
                let middle = if let Form::Two = form { 0 } else { high[1] };
                let line = one(|asm| asm.evex(code, high[0], middle, Rm::Register(high[2]), Evex::default()));
                let expected = match form {
                    Form::Two => format!("{evex} zmm{}, zmm{}", high[0], high[2]),
                    Form::Three => format!("{evex} zmm{}, zmm{}, zmm{}", high[0], high[1], high[2]),
                };
                assert_eq!(line, expected);
            }
        }
        for (memory, text) in memories() {
            let expected = |letter: &str, name: &str| match form {
                Form::Two => format!("{name} {letter}mm9, {text}"),
                Form::Three => format!("{name} {letter}mm9, {letter}mm10, {text}"),
            };
            let middle = if let Form::Two = form { 0 } else { 10 };
            if !vex.is_empty() {
                let line = one(|asm| asm.vex(code, Length::L256, [9, middle], memory, None));
                assert_eq!(plain(&line), expected("y", vex));
            }
            if !evex.is_empty() {
                let line = one(|asm| asm.evex(code, 9, middle, memory, Evex::default()));
                assert_eq!(plain(&line), expected("z", evex));
            }
        }
    }
}

#[test]
fn one_lane_of_memory_is_broadcast_and_its_distance_counts_in_lanes() {
    for (memory, text) in memories() {
        let how = Evex { is_broadcast: true, ..Evex::default() };
        let line = one(|asm| asm.evex(VADDPS, 31, 16, memory, how));
        assert_eq!(plain(&line), format!("vaddps zmm31, zmm16, {text}{{1to16}}"));
    }
}

#[test]
fn masks_select_lanes_and_may_clear_the_others() {
    let lanes = |mask, or_zero| Evex { lanes: Lanes { mask, or_zero }, ..Evex::default() };
    let memory = Rm::Memory { base: RBP, index: Some((RCX, 2)), distance: 128 };
    for (how, text) in [
        (lanes(1, true), "vmovups zmm17{k1}{z}, zmmword ptr [rbp+rcx*4+0x80]"),
        (lanes(7, false), "vmovups zmm17{k7}, zmmword ptr [rbp+rcx*4+0x80]"),
        (Evex { lanes: ALL, ..Evex::default() }, "vmovups zmm17, zmmword ptr [rbp+rcx*4+0x80]"),
    ] {
        assert_eq!(one(|asm| asm.evex(VMOVUPS_LOAD, 17, 0, memory, how)), text);
    }
    let store = one(|asm| asm.evex(VMOVUPS_STORE, 17, 0, memory, lanes(1, false)));
    assert_eq!(store, "vmovups zmmword ptr [rbp+rcx*4+0x80]{k1}, zmm17");
    let bytes = Rm::Memory { base: R15, index: Some((RCX, 0)), distance: 48 };
    let load = one(|asm| asm.evex(VPMOVZXBD, 30, 0, bytes, lanes(2, true)));
    assert_eq!(load, "vpmovzxbd zmm30{k2}{z}, xmmword ptr [r15+rcx+0x30]");
    let store = one(|asm| asm.evex(VPMOVDB_STORE, 30, 0, bytes, lanes(2, false)));
    assert_eq!(store, "vpmovdb xmmword ptr [r15+rcx+0x30]{k2}, zmm30");
    let load = one(|asm| asm.evex(VPMOVZXWD, 30, 0, bytes, lanes(2, true)));
    assert_eq!(load, "vpmovzxwd zmm30{k2}{z}, ymmword ptr [r15+rcx+0x30]");
    let store = one(|asm| asm.evex(VPMOVDW_STORE, 30, 0, bytes, lanes(2, false)));
    assert_eq!(store, "vpmovdw ymmword ptr [r15+rcx+0x30]{k2}, zmm30");
}

/// An instruction of AVX-512 and its text.
type Case = (&'static str, fn(&mut Assembler));

#[test]
fn operations_of_avx512_are_those_that_were_meant() {
    const NEAR: Rm = Rm::Memory { base: RSP, index: None, distance: 68 };
    let with = |immediate| Evex { immediate: Some(immediate), ..Evex::default() };
    let evex = |code, first, second, last, how| one(|asm| asm.evex(code, first, second, last, how));
    let register = Rm::Register;
    assert_eq!(
        evex(VCMPPS, 3, 18, register(25), with(0x11)),
        "vcmpltps k3, zmm18, zmm25".replace("lt", "lt_oq")
    );
    assert_eq!(evex(VPCMPD, 3, 18, register(25), with(5)), "vpcmpnltd k3, zmm18, zmm25");
    assert_eq!(evex(VPCMPUD, 2, 1, register(31), with(1)), "vpcmpltud k2, zmm1, zmm31");
    assert_eq!(evex(VPSHIFTD, SHIFT_RIGHT_LOGICAL, 2, register(9), with(16)), "vpsrld zmm2, zmm9, 0x10");
    assert_eq!(evex(VPTESTMD, 2, 20, register(20), Evex::default()), "vptestmd k2, zmm20, zmm20");
    assert_eq!(evex(VPCMPGTD, 1, 17, register(2), Evex::default()), "vpcmpgtd k1, zmm17, zmm2");
    assert_eq!(evex(VRANGEPS, 16, 1, register(31), with(5)), "vrangeps zmm16, zmm1, zmm31, 5");
    assert_eq!(evex(VROUNDPS, 16, 0, register(31), with(9)), "vrndscaleps zmm16, zmm31, 9");
    assert_eq!(evex(VPSHIFTD, SHIFT_LEFT, 29, register(30), with(23)), "vpslld zmm29, zmm30, 0x17");
    assert_eq!(evex(VPSHIFTD, SHIFT_RIGHT_ARITHMETIC, 2, register(9), with(31)), "vpsrad zmm2, zmm9, 0x1f");
    assert_eq!(evex(VSHUFF32X4, 0, 31, register(31), with(0x4E)), "vshuff32x4 zmm0, zmm31, zmm31, 0x4e");
    assert_eq!(evex(VPERMILPS, 0, 0, register(31), with(0xB1)), "vpermilps zmm0, zmm31, -0x4f");
    assert_eq!(evex(VBROADCASTSS, 18, 0, NEAR, Evex::default()), "vbroadcastss zmm18, dword ptr [rsp+0x44]");
    assert_eq!(evex(VPBROADCASTD_GPR, 18, 0, register(R11.0), Evex::default()), "vpbroadcastd zmm18, r11d");
    assert_eq!(evex(VMOVSS_STORE, 31, 0, NEAR, Evex::default()), "vmovss dword ptr [rsp+0x44], xmm31");
    let mask = |code, mask| one(|asm| asm.vex(code, Length::L128, [mask, 0], NEAR, None));
    assert_eq!(mask(KMOVW_LOAD, 7), "kmovw k7, word ptr [rsp+0x44]");
    assert_eq!(mask(KMOVW_STORE, 1), "kmovw word ptr [rsp+0x44], k1");
}

#[test]
fn operations_of_avx2_are_those_that_were_meant() {
    const FAR: Rm = Rm::Memory { base: R13, index: Some((R8, 0)), distance: 1000 };
    let vex = |code, length, both, last, immediate| one(|asm| asm.vex(code, length, both, last, immediate));
    let wide = |code, both, last, immediate| vex(code, Length::L256, both, last, immediate);
    let narrow = |code, both, last| vex(code, Length::L128, both, last, None);
    let register = Rm::Register;
    assert_eq!(wide(VCMPPS, [3, 8], register(15), Some(0x1E)), "vcmpgt_oqps ymm3, ymm8, ymm15");
    assert_eq!(wide(VBLENDVPS, [1, 9], register(12), Some(13 << 4)), "vblendvps ymm1, ymm9, ymm12, ymm13");
    assert_eq!(wide(VROUNDPS, [14, 0], register(9), Some(10)), "vroundps ymm14, ymm9, 0xa");
    let right = Some(31);
    assert_eq!(wide(VPSHIFTD, [SHIFT_RIGHT_LOGICAL, 9], register(14), right), "vpsrld ymm9, ymm14, 0x1f");
    assert_eq!(wide(VPSHIFTD, [SHIFT_RIGHT_ARITHMETIC, 1], register(2), right), "vpsrad ymm1, ymm2, 0x1f");
    assert_eq!(wide(VPSHIFTD, [SHIFT_LEFT, 15], register(8), Some(23)), "vpslld ymm15, ymm8, 0x17");
    assert_eq!(wide(VPERM2F128, [0, 15], register(15), Some(1)), "vperm2f128 ymm0, ymm15, ymm15, 1");
    assert_eq!(wide(VPERMILPS, [0, 0], register(15), Some(0x4E)), "vpermilps ymm0, ymm15, 0x4e");
    assert_eq!(wide(VBROADCASTSS, [9, 0], FAR, None), "vbroadcastss ymm9, dword ptr [r13+r8+0x3e8]");
    assert_eq!(wide(VPMOVZXBD, [9, 0], FAR, None), "vpmovzxbd ymm9, qword ptr [r13+r8+0x3e8]");
    assert_eq!(wide(VPMOVZXWD, [9, 0], FAR, None), "vpmovzxwd ymm9, xmmword ptr [r13+r8+0x3e8]");
    assert_eq!(
        wide(VMASKMOVPS_STORE, [9, 10], FAR, None),
        "vmaskmovps [r13+r8+0x3e8], ymm10, ymm9".replace(" [", " ymmword ptr [")
    );
    assert_eq!(wide(VMOVUPS_STORE, [9, 0], FAR, None), "vmovups ymmword ptr [r13+r8+0x3e8], ymm9");
    assert_eq!(wide(VEXTRACTI128, [9, 0], register(12), Some(1)), "vextracti128 xmm12, ymm9, 1");
    assert_eq!(wide(VPBROADCASTD, [9, 0], register(12), None), "vpbroadcastd ymm9, xmm12");
    assert_eq!(narrow(VPACKUSDW, [9, 8], register(12)), "vpackusdw xmm9, xmm8, xmm12");
    assert_eq!(narrow(VPACKUSWB, [9, 8], register(1)), "vpackuswb xmm9, xmm8, xmm1");
    assert_eq!(narrow(VMOVD, [9, 0], register(R11.0)), "vmovd xmm9, r11d");
    assert_eq!(narrow(VMOVQ_STORE, [9, 0], FAR), "vmovq qword ptr [r13+r8+0x3e8], xmm9");
    assert_eq!(narrow(VMOVSS_STORE, [9, 0], FAR), "vmovss dword ptr [r13+r8+0x3e8], xmm9");
}

#[test]
fn instructions_of_general_registers_are_those_that_were_meant() {
    let cases: [Case; 34] = [
        ("mov rax, [rdi+8]", |asm| asm.load(RAX, Gpr(7), 8)),
        ("mov r15, [r12]", |asm| asm.load(R15, R12, 0)),
        ("mov r10, [rdi+0x200]", |asm| asm.load(R10, Gpr(7), 512)),
        ("mov rsp, [rsp+8]", |asm| asm.load(RSP, RSP, 8)),
        ("mov [rsp+8], rax", |asm| asm.store(RAX, RSP, 8)),
        ("mov eax, [r13]", |asm| asm.load_half(RAX, R13, 0)),
        ("mov r9d, [rsp-0x40]", |asm| asm.load_half(R9, RSP, -64)),
        ("mov [rsp+0x80], eax", |asm| asm.store_half(RAX, RSP, 128)),
        ("movzx esi, [rax+r8]", |asm| asm.load_byte(RSI, RAX, R8, 0)),
        ("mov [rsp+r8+0x90], sil", |asm| asm.store_byte(RSI, RSP, R8, 144)),
        ("movzx esi, [rax+r8*2]", |asm| asm.load_word(RSI, RAX, Some(R8), 0)),
        ("movzx eax, [r13]", |asm| asm.load_word(RAX, R13, None, 0)),
        ("mov [rsp+r8*2+0x90], si", |asm| asm.store_word(RSI, RSP, R8, 144)),
        ("shl rax, 0x10", |asm| asm.shift_left(RAX, 16)),
        ("shl r11, 0x10", |asm| asm.shift_left(R11, 16)),
        ("prefetcht0 [r10+rcx*4+0x2000]", |asm| asm.prefetch(R10, RCX, 2, 8192)),
        ("push rbx", |asm| asm.push(RBX)),
        ("push r15", |asm| asm.push(R15)),
        ("pop rbp", |asm| asm.pop(RBP)),
        ("pop r12", |asm| asm.pop(R12)),
        ("mov rax, rsp", |asm| asm.copy(RAX, RSP)),
        ("mov r11, rcx", |asm| asm.copy(R11, RCX)),
        ("add r8, rdx", |asm| asm.add(R8, RDX)),
        ("cmp rcx, r8", |asm| asm.compare(RCX, R8)),
        ("cmp r9, [rsp]", |asm| asm.compare_memory(R9, RSP, 0)),
        ("test r11, r11", |asm| asm.test(R11)),
        ("xor r9, r9", |asm| asm.clear(R9)),
        ("add rcx, 0x10", |asm| asm.add_number(RCX, 16)),
        ("add r8, -0x1f", |asm| asm.add_number(R8, -31)),
        ("add rsp, -0x1000", |asm| asm.add_number(RSP, -4096)),
        ("and rsp, -0x40", |asm| asm.and_number(RSP, -64)),
        ("cmp r11, 8", |asm| asm.compare_number(R11, 8)),
        ("add rax, 0x186a0", |asm| asm.add_number(RAX, 100_000)),
        ("mov r8, rdx", |asm| asm.copy(R8, RDX)),
    ];
    for (text, write) in cases {
        assert_eq!(plain(&one(write)), text);
    }
    let mut code = Assembler::default();
    code.leave();
    assert_eq!(disassemble(&code.finish().0[..4]), ["vzeroupper", "ret"]);
}

#[test]
fn jumps_lead_where_they_should() {
    let mut code = Assembler::default();
    let again = code.here();
    code.clear(RCX);
    let jumps = [When::Zero, When::NotLess, When::NotGreater].map(|when| code.jump(when));
    code.jump_back(When::Less, again);
    jumps.into_iter().for_each(|jump| code.land(jump));
    let end = code.position();
    let (bytes, _) = code.finish();
    let all = iced_x86::Decoder::new(64, &bytes[..end], 0).into_iter().collect::<Vec<_>>();
    let targets: Vec<u64> = all[1..].iter().map(iced_x86::Instruction::near_branch_target).collect();
    assert_eq!(targets, [end as u64, end as u64, end as u64, 0]);
    let names: Vec<String> = disassemble(&bytes[..end]);
    assert_eq!(names[1..], ["je", "jge", "jle", "jl"]);
}

#[test]
fn constants_are_aligned_to_their_length_and_found_by_their_instruction() {
    let mut code = Assembler::default();
    let constants = [Constant::Single(7), Constant::Splat(8), Constant::Ramp(9), Constant::Single(10)];
    for constant in constants.into_iter().chain(constants) {
        code.vex(VCMPPS, Length::L256, [0, 1], Rm::Constant(constant), Some(0));
    }
    let end = code.position();
    let (bytes, _) = code.finish();
    let lane = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
    let all = iced_x86::Decoder::new(64, &bytes[..end], 0).into_iter();
    let at: Vec<usize> = all.map(|one| one.ip_rel_memory_address() as usize).collect();
    assert_eq!(at[..4], at[4..], "a constant is kept once");
    assert_eq!(at[..4].iter().map(|&at| lane(at)).collect::<Vec<_>>(), [7, 8, 9, 10]);
    assert_eq!((lane(at[1] + 28), lane(at[2] + 60)), (8, 24));
    assert!(at[1].is_multiple_of(32) && at[2].is_multiple_of(64));
}
