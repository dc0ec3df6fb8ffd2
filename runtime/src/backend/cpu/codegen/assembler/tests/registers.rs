//! Laws of register allocation.

use smallvec::SmallVec;

use crate::backend::cpu::codegen::assembler::regalloc::{Arg, Class, Inst, Pinned, Reg, allocate, pressure};
use crate::backend::cpu::codegen::assembler::vector_ir::{BasicBlock, Opcode, Relation, Value};
use crate::backend::cpu::codegen::isa::{self, Isa};
use crate::kernels::simd::Level;

fn sets() -> [&'static dyn Isa; 2] {
    [Level::Avx2, Level::Avx512].map(|level| isa::of(level).expect("it has an instruction set"))
}

/// A block of so many operations over values that live long: sums, products with a sum, choices.
fn random_block(seed: u64, operations: usize) -> BasicBlock {
    let mut state = seed;
    let mut roll = |sides: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % sides
    };
    let mut block = BasicBlock::default();
    let mut values: Vec<Value> = (0..4).map(|array| block.add(Opcode::Load(array, 0), &[])).collect();
    values.extend((0..3).map(|i| block.constant(1.5 + i as f32)));
    values.push(block.add(Opcode::Scalar(9), &[]));
    values.push(block.add(Opcode::Row(8), &[]));
    let mut masks: Vec<Value> = Vec::new();
    for _ in 0..operations {
        let [x, y, z] = [0; 3].map(|_| values[roll(values.len())]);
        match roll(8) {
            6 => values.push(block.add(Opcode::MulInt, &[x, y])),
            7 => values.push(block.add(Opcode::ShlBy, &[x, y])),
            0 | 1 => values.push(block.add(Opcode::Add, &[x, y])),
            2 => values.push(block.add(Opcode::Sub, &[x, y])),
            3 => values.push(block.add(Opcode::MulAdd, &[x, y, z])),
            4 => masks.push(block.add(Opcode::Cmp(Relation::Lt), &[x, y])),
            _ if masks.is_empty() => {}
            _ => {
                let mask = masks[roll(masks.len())];
                values.push(block.add(Opcode::Select, &[mask, x, y]));
            }
        }
    }
    for (array, &value) in values.iter().enumerate().skip(9) {
        block.add(Opcode::Store(100 + array as u16, 0), &[value]);
    }
    block.pruned()
}

/// What is in registers and slots, as expressions of the block: runs instructions, and gives what is stored where.
fn stores(insts: &[Inst], pinned: &Pinned) -> Vec<(u16, String)> {
    // By class and register.
    let mut held: [Vec<String>; 2] = [vec!["?".into(); 32], vec!["?".into(); 8]];
    let vector = Class::Vector as usize;
    let mut slots: Vec<String> = vec!["?".into(); 1000];
    for &(op, register) in &pinned.kept {
        held[vector][usize::from(register)] = op.to_string();
    }
    let mut stored = Vec::new();
    for inst in insts {
        match inst {
            Inst::Move { to, from } => {
                let value = held[vector][usize::from(*from)].clone();
                held[vector][usize::from(*to)] = value;
            }
            Inst::Spill { class, from, slot } => {
                slots[*slot].clone_from(&held[*class as usize][usize::from(*from)]);
            }
            Inst::Fill { class, to, slot } => {
                held[*class as usize][usize::from(*to)].clone_from(&slots[*slot]);
            }
            Inst::Op { op, class, to, args, .. } => {
                let args: SmallVec<[String; 3]> = (args.iter())
                    .map(|arg| match arg {
                        Arg::Register(register) => held[vector][usize::from(*register)].clone(),
                        Arg::Mask(register) => held[Class::Mask as usize][usize::from(*register)].clone(),
                        Arg::Slot(slot) => slots[*slot].clone(),
                        Arg::Source(op) => op.to_string(),
                    })
                    .collect();
                if let Opcode::Store(array, _) = op {
                    stored.push((*array, args[0].clone()));
                    continue;
                }
                let value = if args.is_empty() { op.to_string() } else { digest(&op.to_string(), &args) };
                held[*class as usize][usize::from(*to)] = value;
            }
        }
    }
    stored
}

/// A short name for an expression.
fn digest(op: &str, args: &[String]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (op, args).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What a block stores, by its definition.
fn expected(block: &BasicBlock) -> Vec<(u16, String)> {
    let mut values: Vec<String> = Vec::new();
    let mut stored = Vec::new();
    for node in &block.nodes {
        let args: Vec<String> = node.args().iter().map(|&arg| values[arg].clone()).collect();
        if let Opcode::Store(array, _) = node.op {
            stored.push((array, args[0].clone()));
        }
        let is_source = args.is_empty();
        values.push(if is_source { node.op.to_string() } else { digest(&node.op.to_string(), &args) });
    }
    stored
}

fn is_spill(inst: &Inst) -> bool {
    matches!(inst, Inst::Spill { .. })
}

#[test]
fn instructions_store_what_the_block_says_however_few_registers_there_are() {
    for isa in sets() {
        for kept in [0, 3, isa.vectors() - 6] {
            let sources =
                [Opcode::Constant(1.5f32.to_bits()), Opcode::Scalar(9), Opcode::Constant(2.5f32.to_bits())];
            let kept: Vec<(Opcode, Reg)> = (0..kept)
                .map(|i| (sources.get(usize::from(i)).copied().unwrap_or(Opcode::Lanes(9)), 6 + i))
                .collect();
            let pinned = Pinned { kept, accumulators: Vec::new() };
            for seed in 0..40 {
                let block = random_block(seed, 10 + 4 * seed as usize);
                let (insts, slots) = allocate(&block, isa, &pinned);
                assert_eq!(stores(&insts, &pinned), expected(&block), "{} {seed}", isa.label());
                assert_eq!(
                    insts.iter().filter(|inst| is_spill(inst)).count(),
                    slots,
                    "each value at most once"
                );
            }
        }
    }
}

#[test]
fn nothing_is_spilled_where_no_more_values_live_than_there_are_registers() {
    let mut spared = 0;
    for isa in sets() {
        for seed in 0..60 {
            let block = random_block(seed, 8 + seed as usize);
            let (insts, _) = allocate(&block, isa, &Pinned::default());
            let vectors =
                insts.iter().filter(|inst| matches!(inst, Inst::Spill { class: Class::Vector, .. }));
            if pressure(&block, isa) <= usize::from(isa.vectors()) {
                assert_eq!(vectors.count(), 0, "{} {seed}", isa.label());
                spared += 1;
            }
        }
    }
    assert!((20..120).contains(&spared), "{spared} blocks have few values");
}

#[test]
fn an_instruction_reads_one_argument_from_memory_at_most_and_masks_from_registers() {
    for isa in sets() {
        for seed in 0..40 {
            let block = random_block(seed, 60);
            for inst in allocate(&block, isa, &Pinned::default()).0 {
                let Inst::Op { op, args, to, .. } = inst else { continue };
                let in_memory: Vec<usize> =
                    (0..args.len()).filter(|&i| matches!(args[i], Arg::Slot(_) | Arg::Source(_))).collect();
                assert!(in_memory.len() <= 1 && in_memory.iter().all(|&i| isa.folds(op, i)), "{op} {args:?}");
                if op == Opcode::Select && isa.masks() > 0 {
                    assert!(matches!(args[0], Arg::Mask(1..)), "the first mask is that of what is left");
                }
                if isa.overwrites_argument(op) {
                    assert!(args.contains(&Arg::Register(to)), "{op} {args:?} to {to}");
                }
            }
        }
    }
}
