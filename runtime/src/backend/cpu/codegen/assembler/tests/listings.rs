//! Every level of a few kernels below the graph, compared with stored text.
//!
//! After a change, bless the texts by `FLAXEN_BLESS=1` and read the difference.

use std::fmt::Write as _;
use std::path::Path;

use super::disassemble;
use crate::array::DType;
use crate::array::DType::{Bool, F32, I32, U32};
use crate::backend::cpu::codegen::assembler::Listing;
use crate::backend::cpu::codegen::tile_program::{Draft, TileProgram};
use crate::backend::cpu::codegen::{Access, IterationSpace, KernelOp, KernelSpec, Owner};
use crate::kernels::simd::Level;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

fn map(op: ScalarOp, args: &[usize], space: IterationSpace) -> KernelOp {
    KernelOp::Map { op, args: args.into(), from: F32, to: F32, space }
}

fn spec(
    [rows, cols]: [usize; 2],
    inputs: Vec<(Access, DType)>,
    ops: Vec<KernelOp>,
    outs: &[usize],
) -> KernelSpec {
    KernelSpec {
        size: rows * cols,
        cols,
        donated: vec![None; inputs.len()],
        inputs,
        ops,
        outs: outs.iter().map(|&value| (value, Owner::Program)).collect(),
        joined: Vec::new(),
        over: None,
    }
}

/// `where(keep, max(x·a + x, y), 0)`, and whether the sum is less than y.
fn chain_with_a_mask() -> KernelSpec {
    let inputs = vec![(Access::Full, F32), (Access::Full, F32), (Access::Full, Bool), (Access::One, F32)];
    let ops = vec![
        map(ScalarOp::MulAdd, &[0, 3, 0], IterationSpace::Full),
        map(ScalarOp::Max, &[4, 1], IterationSpace::Full),
        map(ScalarOp::Sub, &[0, 0], IterationSpace::Full),
        map(ScalarOp::Select, &[2, 5, 6], IterationSpace::Full),
        KernelOp::Map {
            op: ScalarOp::Lt,
            args: [4, 1].as_slice().into(),
            from: F32,
            to: Bool,
            space: IterationSpace::Full,
        },
    ];
    spec([1, 1000], inputs, ops, &[7, 8])
}

/// Each row less its largest number, and the sum of that.
fn row_reduction() -> KernelSpec {
    let fold = |op, arg| KernelOp::Fold { op, arg, dtype: F32, space: IterationSpace::Row };
    let ops = vec![
        fold(ReduceOp::Max, 0),
        map(ScalarOp::Sub, &[0, 1], IterationSpace::Full),
        fold(ReduceOp::Sum, 2),
    ];
    spec([10, 100], vec![(Access::Full, F32)], ops, &[2, 3])
}

/// More values at a time than there are registers: powers of x, added up from the last to the first.
fn long_lives() -> KernelSpec {
    let mut ops = vec![map(ScalarOp::Sqrt, &[0], IterationSpace::Full)];
    ops.extend((1..40).map(|value| map(ScalarOp::Mul, &[value, 1], IterationSpace::Full)));
    ops.push(map(ScalarOp::Add, &[40, 39], IterationSpace::Full));
    ops.extend((41..78).map(|value| map(ScalarOp::Sub, &[value, 79 - value], IterationSpace::Full)));
    spec([1, 512], vec![(Access::Full, F32)], ops, &[78])
}

/// `where(i < rows, i·columns + j, -1)` of positions, compared without signs; and the position as a float.
fn positions_as_one() -> KernelSpec {
    let map = |op, args: &[usize], from, to| KernelOp::Map {
        op,
        args: args.into(),
        from,
        to,
        space: IterationSpace::Full,
    };
    let inputs = vec![
        (Access::Full, I32),
        (Access::Full, I32),
        (Access::One, I32),
        (Access::One, U32),
        (Access::One, I32),
    ];
    let ops = vec![
        map(ScalarOp::Cast, &[0], I32, U32),
        map(ScalarOp::Lt, &[5, 3], U32, Bool),
        map(ScalarOp::MulAdd, &[0, 2, 1], I32, I32),
        map(ScalarOp::Select, &[6, 7, 4], I32, I32),
        map(ScalarOp::Cast, &[8], I32, F32),
    ];
    spec([1, 1000], inputs, ops, &[8, 9])
}

/// All levels: what is computed, the programs of a tile, the vector IR, and machine code.
fn explain(spec: &KernelSpec, level: Level) -> String {
    let mut listing = Listing::default();
    let interpreted = TileProgram::new(spec);
    let Draft { program, .. } =
        interpreted.jit(spec, level, Some(&mut listing), None).expect("an instruction set");
    let mut text = format!("{spec}interpreter, {interpreted}compiled, {program}");
    for (number, one) in listing.loops.iter().enumerate() {
        write!(text, "loop {number}, vector IR:\n{}loop {number}, assembly:\n", one.ir).expect("text");
        for (operation, code) in &one.code {
            for (i, line) in disassemble(code).iter().enumerate() {
                let operation = if i == 0 { format!("; {operation}") } else { String::new() };
                writeln!(text, "{}", format!("    {line:<56}{operation}").trim_end()).expect("text");
            }
        }
    }
    text
}

fn compare(name: &str, spec: &KernelSpec) {
    for (level, set) in [(Level::Avx2, "avx2"), (Level::Avx512, "avx512")] {
        let file = format!("src/backend/cpu/codegen/assembler/tests/snapshots/{name}.{set}.txt");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let found = explain(spec, level);
        if std::env::var_os("FLAXEN_BLESS").is_some() {
            std::fs::write(&path, &found).expect("the text is written");
        }
        let expected = std::fs::read_to_string(&path).expect("the text is there");
        for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "{name} for {set}, line {}", number + 1);
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{name} for {set}");
    }
}

#[test]
fn a_chain_with_a_mask_is_compiled_as_before() {
    compare("chain_with_a_mask", &chain_with_a_mask());
}

#[test]
fn a_row_reduction_is_compiled_as_before() {
    compare("row_reduction", &row_reduction());
}

#[test]
fn values_that_find_no_register_are_spilled_as_before() {
    compare("long_lives", &long_lives());
}

#[test]
fn integers_are_compiled_as_before() {
    compare("positions_as_one", &positions_as_one());
}
