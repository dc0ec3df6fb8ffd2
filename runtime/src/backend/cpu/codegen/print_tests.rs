//! What kernel specs and tile programs print, compared with stored text.
//!
//! After a change, bless the texts by `FLAXEN_BLESS=1` and read the difference.

use std::path::Path;

use super::tile_program::TileProgram;
use super::{Access, IterationSpace, KernelOp, KernelSpec, Owner};
use crate::array::DType::F32;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

use IterationSpace::{Column, Full, Row, Total};

fn map(op: ScalarOp, args: &[usize], space: IterationSpace) -> KernelOp {
    KernelOp::Map { op, args: args.into(), from: F32, to: F32, space }
}

fn fold(op: ReduceOp, arg: usize, space: IterationSpace) -> KernelOp {
    KernelOp::Fold { op, arg, dtype: F32, space }
}

fn compare(name: &str, [rows, cols]: [usize; 2], inputs: &[Access], ops: Vec<KernelOp>, outs: &[usize]) {
    let spec = KernelSpec {
        size: rows * cols,
        cols,
        inputs: inputs.iter().map(|access| (access.clone(), F32)).collect(),
        ops,
        outs: outs.iter().map(|&value| (value, Owner::Program)).collect(),
        donated: vec![None; inputs.len()],
        joined: Vec::new(),
        over: None,
    };
    let found = format!("{spec}{}", TileProgram::new(&spec));
    let file = format!("src/backend/cpu/codegen/snapshots/{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("FLAXEN_BLESS").is_some() {
        std::fs::write(&path, &found).expect("the text is written");
    }
    assert_eq!(found, std::fs::read_to_string(&path).expect("the text is there"), "{name}");
}

/// `tanh(x · a + b)`, where `a` has a value for each row, and `b` is one.
#[test]
fn a_chain() {
    let ops = vec![
        map(ScalarOp::Mul, &[0, 1], Full),
        map(ScalarOp::Add, &[3, 2], Full),
        map(ScalarOp::Tanh, &[4], Full),
    ];
    compare("chain", [30, 40], &[Access::Full, Access::Rows, Access::One], ops, &[5]);
}

/// `exp(x - max) / sum` over rows.
#[test]
fn a_softmax() {
    let ops = vec![
        fold(ReduceOp::Max, 0, Row),
        map(ScalarOp::Sub, &[0, 1], Full),
        map(ScalarOp::Exp, &[2], Full),
        fold(ReduceOp::Sum, 3, Row),
        map(ScalarOp::Div, &[3, 4], Full),
    ];
    compare("softmax", [30, 40], &[Access::Full], ops, &[5]);
}

/// The sums of the columns of `x²`, and of all: known when all tiles are.
#[test]
fn sums_across_tiles() {
    let ops = vec![
        map(ScalarOp::Powi(2), &[0], Full),
        fold(ReduceOp::Sum, 1, Column),
        fold(ReduceOp::Sum, 1, Total),
    ];
    compare("sums_across_tiles", [300, 40], &[Access::Full], ops, &[2, 3]);
}
