use std::sync::Arc;

use super::instruction::Action;
use super::tile_program::TileProgram;
use super::*;
use crate::array::DType;
use crate::kernels::simd::Level;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

fn bytes(x: &[f32]) -> &[u8] {
    bytemuck::cast_slice(x)
}

fn ramp(size: usize) -> Vec<f32> {
    (0..size).map(|i| (i * 7 % 13) as f32 - 6.0).collect()
}

fn map(op: ScalarOp, args: &[usize], space: IterationSpace) -> KernelOp {
    KernelOp::Map { op, args: args.into(), from: DType::F32, to: DType::F32, space }
}

fn fold(op: ReduceOp, arg: usize, space: IterationSpace) -> KernelOp {
    KernelOp::Fold { op, arg, dtype: DType::F32, space }
}

/// `x · row + column`, its sums over rows, over columns and of everything; and each less the largest of its row.
fn everything(rows: usize, cols: usize) {
    let (x, by_row, by_column) = (ramp(rows * cols), ramp(rows), ramp(cols));
    let kernel = Fused::new(&KernelSpec {
        size: rows * cols,
        cols,
        inputs: vec![
            (Access::Full, DType::F32),
            (access(&[rows, cols], &[rows, 1], cols), DType::F32),
            (access(&[rows, cols], &[cols], cols), DType::F32),
        ],
        ops: vec![
            map(ScalarOp::Mul, &[0, 1], IterationSpace::Full),
            map(ScalarOp::Add, &[3, 2], IterationSpace::Full),
            fold(ReduceOp::Sum, 4, IterationSpace::Row),
            fold(ReduceOp::Sum, 4, IterationSpace::Column),
            fold(ReduceOp::Sum, 4, IterationSpace::Total),
            fold(ReduceOp::Max, 4, IterationSpace::Row),
            map(ScalarOp::Sub, &[4, 8], IterationSpace::Full),
        ],
        outs: [5, 6, 7, 9].map(|value| (value, Owner::Program)).to_vec(),
        donated: vec![None; 3],
        joined: Vec::new(),
        over: None,
    });
    let (mut row, mut column, mut total, mut out) =
        (vec![0f32; rows], vec![0f32; cols], [0f32], vec![0f32; rows * cols]);
    let mut outs: [&mut [u8]; 4] = [
        bytemuck::cast_slice_mut(&mut row),
        bytemuck::cast_slice_mut(&mut column),
        bytemuck::cast_slice_mut(&mut total),
        bytemuck::cast_slice_mut(&mut out),
    ];
    kernel.run(&[&x, &by_row, &by_column].map(|x| Source::Bytes(bytes(x))), &mut outs);
    let at = |i: usize, j: usize| x[i * cols + j] * by_row[i] + by_column[j];
    let by_rows: Vec<f32> = (0..rows).map(|i| (0..cols).map(|j| at(i, j)).sum()).collect();
    let by_columns: Vec<f32> = (0..cols).map(|j| (0..rows).map(|i| at(i, j)).sum()).collect();
    assert_eq!((row, column), (by_rows.clone(), by_columns), "{rows}×{cols}");
    assert_eq!(total[0], by_rows.iter().sum::<f32>());
    for i in 0..rows {
        let largest = (0..cols).map(|j| at(i, j)).fold(f32::MIN, f32::max);
        assert!((0..cols).all(|j| out[i * cols + j] == at(i, j) - largest), "{rows}×{cols} row {i}");
    }
}

#[test]
fn rows_columns_and_totals_agree_with_loops_in_all_kinds_of_tiles() {
    for (rows, cols) in [(1, 2), (2, 3), (3, 2), (5, 100), (7, 511), (4, 513), (2, 3000), (500, 3), (1, 40)] {
        everything(rows, cols);
    }
}

#[test]
fn any_other_broadcast_is_read_element_by_element() {
    let shape = [3, 4, 200];
    for other in [[3, 1, 200], [1, 4, 1], [3, 1, 1]] {
        let (x, y) = (ramp(2400), ramp(other.iter().product()));
        let kernel = Fused::new(&KernelSpec {
            size: 2400,
            cols: 2400,
            inputs: vec![(Access::Full, DType::F32), (access(&shape, &other, 2400), DType::F32)],
            ops: vec![map(ScalarOp::Add, &[0, 1], IterationSpace::Full)],
            outs: vec![(2, Owner::Program)],
            donated: vec![None; 2],
            joined: Vec::new(),
            over: None,
        });
        let mut out = vec![0f32; 2400];
        kernel.run(
            &[Source::Bytes(bytes(&x)), Source::Bytes(bytes(&y))],
            &mut [bytemuck::cast_slice_mut(&mut out)],
        );
        for (flat, &found) in out.iter().enumerate() {
            let (i, j, k) = (flat / 800, flat / 200 % 4, flat % 200);
            let at = |index: usize, axis: usize| if other[axis] == 1 { 0 } else { index };
            let position = (at(i, 0) * other[1] + at(j, 1)) * other[2] + at(k, 2);
            assert_eq!(found, x[flat] + y[position], "{other:?} at {flat}");
        }
    }
}

#[test]
fn a_result_may_take_the_memory_of_an_input_that_the_same_operation_reads() {
    let kernel = Fused::new(&KernelSpec {
        size: 1000,
        cols: 1000,
        inputs: vec![(Access::Full, DType::F32), (Access::One, DType::F32)],
        ops: vec![
            map(ScalarOp::Mul, &[0, 1], IterationSpace::Full),
            map(ScalarOp::Sub, &[0, 2], IterationSpace::Full),
        ],
        outs: vec![(3, Owner::Caller)],
        donated: vec![Some(Owner::Caller); 2],
        joined: Vec::new(),
        over: None,
    });
    assert_eq!(kernel.aliases(), [Some(0)]);
    let (mut x, half) = (ramp(1000), [0.5f32]);
    let expected: Vec<f32> = x.iter().map(|x| x - x * 0.5).collect();
    let sources = [Source::Result(0), Source::Bytes(bytes(&half))];
    kernel.run(&sources, &mut [bytemuck::cast_slice_mut(&mut x)]);
    assert_eq!(x, expected);
}

/// Sums and differences of the left and right halves of rows, side by side in rows of their own.
#[test]
fn parts_of_rows_are_read_and_written_where_they_lie() {
    for (rows, cols) in [(1, 5), (7, 40), (3, 700), (50, 33), (2, 5000)] {
        let half = |start: usize| (Access::Window(Window { start, pitch: 2 * cols }), DType::F32);
        let both = [IterationSpace::Full; 2];
        let ops = [ScalarOp::Add, ScalarOp::Sub].iter().zip(both);
        let spec = KernelSpec {
            size: rows * cols,
            cols,
            inputs: vec![half(0), half(cols)],
            ops: ops.map(|(&op, space)| map(op, &[0, 1], space)).collect(),
            outs: [2, 3].map(|value| (value, Owner::Program)).to_vec(),
            donated: vec![None; 2],
            joined: vec![2],
            over: None,
        };
        let (kernel, x) = (Fused::new(&spec), ramp(2 * rows * cols));
        let programs = Level::available().into_iter().map(|level| kernel.program_at(level));
        for program in programs.chain([kernel.interpreted()]) {
            let mut out = vec![0f32; 2 * rows * cols];
            let sources = [Source::Bytes(bytes(&x)); 2];
            program.run(&program.memory(&sources, &mut [bytemuck::cast_slice_mut(&mut out)]));
            for (i, &y) in out.iter().enumerate() {
                let (row, column) = (i / (2 * cols), i % cols);
                let (a, b) = (x[row * 2 * cols + column], x[row * 2 * cols + cols + column]);
                assert_eq!(y, if i % (2 * cols) < cols { a + b } else { a - b }, "{rows}×{cols} at {i}");
            }
        }
    }
}

#[test]
fn there_is_no_loop_for_what_a_dtype_does_not_have() {
    assert!(!supports(ScalarOp::Exp, DType::I32, DType::I32));
    assert!(
        !supports(ScalarOp::Xor, DType::F32, DType::F32)
            && !supports(ScalarOp::Clamp, DType::Bool, DType::Bool)
    );
    assert!(
        supports(ScalarOp::Cast, DType::F16, DType::Bool)
            && supports(ScalarOp::Select, DType::Bool, DType::Bool)
    );
}

/// Numbers from a seed, one after another.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }
}

/// A spec of up to 40 operations over numbers and truth values, and of folds of rows; some inputs and results are parts of rows.
fn random_spec(dice: &mut Dice, rows: usize, cols: usize) -> KernelSpec {
    const ONE: [ScalarOp; 24] = [
        ScalarOp::Neg,
        ScalarOp::Relu,
        ScalarOp::Copy,
        ScalarOp::Powi(-1),
        ScalarOp::Powi(2),
        ScalarOp::Powi(3),
        ScalarOp::Abs,
        ScalarOp::Sign,
        ScalarOp::Exp,
        ScalarOp::Exp2,
        ScalarOp::Expm1,
        ScalarOp::Log,
        ScalarOp::Log2,
        ScalarOp::Log1p,
        ScalarOp::Sqrt,
        ScalarOp::Rsqrt,
        ScalarOp::Tanh,
        ScalarOp::Logistic,
        ScalarOp::Erf,
        ScalarOp::Floor,
        ScalarOp::Ceil,
        ScalarOp::Round,
        ScalarOp::Trunc,
        ScalarOp::Sin,
    ];
    const TWO: [ScalarOp; 6] =
        [ScalarOp::Add, ScalarOp::Sub, ScalarOp::Mul, ScalarOp::Div, ScalarOp::Max, ScalarOp::Min];
    const RELATIONS: [ScalarOp; 6] =
        [ScalarOp::Eq, ScalarOp::Ne, ScalarOp::Lt, ScalarOp::Le, ScalarOp::Gt, ScalarOp::Ge];
    const CLASSES: [ScalarOp; 4] = [ScalarOp::IsNan, ScalarOp::IsInf, ScalarOp::IsFinite, ScalarOp::Cast];
    const LOGIC: [ScalarOp; 4] = [ScalarOp::And, ScalarOp::Or, ScalarOp::Xor, ScalarOp::Not];
    const FOLDINGS: [ReduceOp; 4] = [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Max, ReduceOp::Min];
    let mut inputs = vec![(Access::Full, DType::F32), (Access::Full, DType::Bool)];
    let shapes: [&[usize]; 4] = [&[rows, cols], &[rows, 1], &[cols], &[1]];
    inputs.extend((0..dice.roll(5)).map(|_| (access(&[rows, cols], shapes[dice.roll(4)], cols), DType::F32)));
    for dtype in [DType::F32, DType::F32, DType::Bool].into_iter().take(dice.roll(4)) {
        // Of the same row, of those of an array, or of a larger one.
        let pitch = [0, cols, cols + dice.roll(40)][dice.roll(3)];
        let window = Window { start: dice.roll(20), pitch };
        inputs.push((Access::Window(window), dtype));
    }
    // Values for each element, and for each row.
    let mut numbers: Vec<(usize, IterationSpace)> = Vec::new();
    let mut truths: Vec<usize> = (1..inputs.len()).filter(|&value| inputs[value].1 == DType::Bool).collect();
    for (value, (access, dtype)) in inputs.iter().enumerate() {
        if *dtype == DType::F32 {
            let space =
                if matches!(access, Access::Rows) { IterationSpace::Row } else { IterationSpace::Full };
            numbers.push((value, space));
        }
    }
    let mut ops: Vec<KernelOp> = Vec::new();
    for _ in 0..2 + dice.roll(40) {
        let value = inputs.len() + ops.len();
        // Recent values more often, so that chains grow.
        let mut pick = |from: &[(usize, IterationSpace)]| {
            let recent = from.len().saturating_sub(6);
            if dice.roll(3) == 0 {
                from[dice.roll(from.len())]
            } else {
                from[recent + dice.roll(from.len() - recent)]
            }
        };
        let (x, y, z) = (pick(&numbers), pick(&numbers), pick(&numbers));
        let all_rows = |args: &[(usize, IterationSpace)]| {
            if args.iter().all(|&(_, space)| space == IterationSpace::Row) {
                IterationSpace::Row
            } else {
                IterationSpace::Full
            }
        };
        let map = |op: ScalarOp, args: &[usize], from: DType, to: DType, space: IterationSpace| {
            KernelOp::Map { op, args: args.into(), from, to, space }
        };
        let f32s = DType::F32;
        let truth = truths[dice.roll(truths.len())];
        let other = truths[dice.roll(truths.len())];
        let op = match dice.roll(12) {
            0..4 => {
                let space = all_rows(&[x, y]);
                map(TWO[dice.roll(6)], &[x.0, y.0], f32s, f32s, space)
            }
            4..6 => map(ONE[dice.roll(ONE.len())], &[x.0], f32s, f32s, x.1),
            6 => map(ScalarOp::MulAdd, &[x.0, y.0, z.0], f32s, f32s, all_rows(&[x, y, z])),
            7 => map(ScalarOp::Clamp, &[x.0, y.0, z.0], f32s, f32s, all_rows(&[x, y, z])),
            8 => map(ScalarOp::Select, &[truth, x.0, y.0], f32s, f32s, IterationSpace::Full),
            9 => match dice.roll(4) {
                0 => map(CLASSES[dice.roll(4)], &[x.0], f32s, DType::Bool, IterationSpace::Full),
                1 => {
                    let op = LOGIC[dice.roll(4)];
                    let args = [truth, other];
                    let args = if op == ScalarOp::Not { &args[..1] } else { &args };
                    map(op, args, DType::Bool, DType::Bool, IterationSpace::Full)
                }
                2 => map(ScalarOp::Cast, &[truth], DType::Bool, f32s, IterationSpace::Full),
                _ => map(RELATIONS[dice.roll(6)], &[x.0, y.0], f32s, DType::Bool, IterationSpace::Full),
            },
            _ if x.1 == IterationSpace::Full => fold(FOLDINGS[dice.roll(4)], x.0, IterationSpace::Row),
            _ => map(ScalarOp::Add, &[x.0, y.0], f32s, f32s, all_rows(&[x, y])),
        };
        if op.dtype() == DType::Bool {
            truths.push(value);
        } else {
            numbers.push((value, op.space()));
        }
        ops.push(op);
    }
    // What nobody reads is a result, and so are some others.
    let is_read = |value: usize| ops.iter().any(|op| op.args().contains(&value));
    let values = inputs.len()..inputs.len() + ops.len();
    let mut outs: Vec<usize> = values.filter(|&value| !is_read(value) || dice.roll(5) == 0).collect();
    // Of one dtype and kind, some lie side by side.
    let kind = |value: usize| {
        let op: &KernelOp = &ops[value - inputs.len()];
        (op.space() == IterationSpace::Full, op.dtype())
    };
    let first = kind(outs[dice.roll(outs.len())]);
    outs.sort_by_key(|&value| kind(value) == first);
    let alike = outs.iter().filter(|&&value| kind(value) == first).count();
    let joined = match dice.roll(alike + 1) {
        count if count < 2 || !first.0 => Vec::new(),
        count if count > 3 => vec![2, count - 2],
        count => vec![count],
    };
    KernelSpec {
        size: rows * cols,
        cols,
        donated: (0..inputs.len()).map(|_| (dice.roll(2) == 0).then_some(Owner::Caller)).collect(),
        inputs,
        outs: outs.into_iter().map(|value| (value, Owner::Caller)).collect(),
        ops,
        joined,
        over: None,
    }
}

/// The bytes of all results, where each NaN is the same one: which of two an operation hands on is not said.
fn results(
    program: &TileProgram,
    spec: &KernelSpec,
    inputs: &[Vec<u8>],
    rows: usize,
    cols: usize,
) -> Vec<Vec<u8>> {
    let aliases = program.aliases.clone();
    let whole = spec.whole();
    let mut outs: Vec<Vec<u8>> = (spec.outs[..whole].iter().zip(&aliases))
        .map(|(&(value, _), alias)| {
            let op = &spec.ops[value - spec.inputs.len()];
            let count = if op.space() == IterationSpace::Row { rows } else { rows * cols };
            alias.map_or_else(|| vec![0; count * op.dtype().size()], |input| inputs[input].clone())
        })
        .collect();
    let dtype = |out: usize| spec.ops[spec.outs[out].0 - spec.inputs.len()].dtype();
    let mut dtypes: Vec<DType> = (0..whole).map(dtype).collect();
    for &count in &spec.joined {
        let joined = dtype(spec.outs.len() - 1);
        dtypes.push(joined);
        outs.push(vec![0; count * rows * cols * joined.size()]);
    }
    let source = |(i, bytes): (usize, &'_ Vec<u8>)| match aliases.iter().position(|&alias| alias == Some(i)) {
        Some(out) => Err(out),
        None => Ok(bytes.clone()),
    };
    let kept: Vec<Result<Vec<u8>, usize>> = inputs.iter().enumerate().map(source).collect();
    let sources: Vec<Source<'_>> = (kept.iter())
        .map(|kept| match kept {
            Ok(bytes) => Source::Bytes(bytes),
            Err(out) => Source::Result(*out),
        })
        .collect();
    let mut slices: Vec<&mut [u8]> = outs.iter_mut().map(Vec::as_mut_slice).collect();
    program.run(&program.memory(&sources, &mut slices));
    for (out, dtype) in outs.iter_mut().zip(dtypes) {
        if dtype == DType::F32 {
            for x in bytemuck::cast_slice_mut::<u8, f32>(out).iter_mut().filter(|x| x.is_nan()) {
                *x = f32::NAN;
            }
        }
    }
    outs
}

const RARE: [f32; 6] = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40];

/// 4,400 kernels in optimised builds.
const SEEDS: std::ops::Range<u64> = if cfg!(debug_assertions) { 7..8 } else { 7..18 };

/// Runs random kernels by the interpreter and by compiled loops of each instruction set; returns how many loops there were,
/// and how many instructions were left to the interpreter.
fn compare(seed: u64, cases: usize) -> (usize, usize) {
    let mut dice = Dice(seed);
    let (mut loops, mut others) = (0, 0);
    for case in 0..cases {
        let (rows, cols) = (1 + dice.roll(40), [1, 3, 15, 16, 17, 64, 100, 130, 600][dice.roll(9)]);
        let spec = random_spec(&mut dice, rows, cols);
        let inputs: Vec<Vec<u8>> = (spec.inputs.iter())
            .map(|(access, dtype)| {
                let count = match access {
                    Access::One => 1,
                    Access::Full => rows * cols,
                    Access::Rows => rows,
                    Access::Window(window) => window.element(rows - 1, cols),
                    _ => cols,
                };
                let number = |dice: &mut Dice| match dice.roll(20) {
                    0 => RARE[dice.roll(6)],
                    _ => (dice.roll(4001) as f32 - 2000.0) / 300.0,
                };
                match dtype {
                    DType::Bool => (0..count).map(|_| dice.roll(2) as u8).collect(),
                    _ => (0..count).flat_map(|_| number(&mut dice).to_ne_bytes()).collect(),
                }
            })
            .collect();
        let kernel = Fused::new(&spec);
        let interpreted = results(kernel.interpreted(), &spec, &inputs, rows, cols);
        for level in Level::available().into_iter().filter(|&level| level > Level::Portable) {
            let program = kernel.program_at(level);
            let compiled = program.body.iter().filter(|step| matches!(step.action, Action::Jit(_))).count();
            (loops, others) = (loops + compiled, others + program.body.len() - compiled);
            let found = results(program, &spec, &inputs, rows, cols);
            assert!(found == interpreted, "case {case} of {seed} at {level:?}: {rows}×{cols}");
        }
    }
    (loops, others)
}

#[test]
fn compiled_loops_give_the_bits_of_the_interpreter() {
    let (loops, others) = SEEDS.fold((0, 0), |(loops, others), seed| {
        let (more_loops, more_others) = compare(seed, 400);
        (loops + more_loops, others + more_others)
    });
    // Sines, and folds of the shortest and longest rows, have no loops.
    assert!(Level::best() == Level::Portable || loops > 2 * others, "{loops} loops, {others} others");
}

#[test]
fn a_copy_outlives_its_array_when_a_result_overwrites_that() {
    let spec = KernelSpec {
        size: 100,
        cols: 100,
        inputs: vec![(Access::Full, DType::F32)],
        ops: vec![
            map(ScalarOp::Copy, &[0], IterationSpace::Full),
            map(ScalarOp::Neg, &[0], IterationSpace::Full),
            map(ScalarOp::Powi(2), &[1], IterationSpace::Full),
        ],
        outs: vec![(2, Owner::Caller), (3, Owner::Caller)],
        donated: vec![Some(Owner::Caller)],
        joined: Vec::new(),
        over: None,
    };
    let kernel = Fused::new(&spec);
    assert_eq!(kernel.aliases(), [Some(0), None]);
    let x = ramp(100);
    let expected = [x.iter().map(|x| -x).collect::<Vec<f32>>(), x.iter().map(|x| x * x).collect()];
    for level in Level::available() {
        let found = results(kernel.program_at(level), &spec, &[bytes(&x).to_vec()], 1, 100);
        assert_eq!(found, expected.each_ref().map(|out| bytes(out).to_vec()), "{level:?}");
    }
}

#[test]
fn no_loop_writes_behind_its_rows() {
    for (rows, cols) in (1..50).map(|cols| (3, cols)).chain([(1, 2047)]) {
        let ops = vec![
            map(ScalarOp::Neg, &[0], IterationSpace::Full),
            KernelOp::Map {
                op: ScalarOp::Lt,
                args: [0, 1].as_slice().into(),
                from: DType::F32,
                to: DType::Bool,
                space: IterationSpace::Full,
            },
            fold(ReduceOp::Max, 2, IterationSpace::Row),
        ];
        let spec = KernelSpec {
            size: rows * cols,
            cols,
            inputs: vec![(Access::Full, DType::F32), (Access::Rows, DType::F32)],
            ops,
            outs: [2, 3, 4].map(|value| (value, Owner::Program)).to_vec(),
            donated: vec![None; 2],
            joined: Vec::new(),
            over: None,
        };
        let (kernel, x, by_row) = (Fused::new(&spec), ramp(rows * cols), ramp(rows));
        let sources = [&x, &by_row].map(|x| Source::Bytes(bytes(x)));
        for level in Level::available() {
            let (mut negated, mut largest) = (vec![7f32; rows * cols + 32], vec![7f32; rows + 32]);
            let mut less = vec![7u8; rows * cols + 32];
            let mut outs: [&mut [u8]; 3] = [
                bytemuck::cast_slice_mut(&mut negated[..rows * cols]),
                &mut less[..rows * cols],
                bytemuck::cast_slice_mut(&mut largest[..rows]),
            ];
            let program = kernel.program_at(level);
            program.run(&program.memory(&sources, &mut outs));
            assert!((0..rows * cols).all(|i| negated[i] == -x[i]), "{level:?} {cols}");
            assert!(
                (0..rows * cols).all(|i| (less[i] == 1) == (x[i] < by_row[i / cols])),
                "{level:?} {cols}"
            );
            assert!(
                negated[rows * cols..].iter().chain(&largest[rows..]).all(|&x| x == 7.0),
                "{level:?} {cols}"
            );
            assert_eq!(less[rows * cols..], [7; 32], "{level:?} {cols}");
        }
    }
}

#[test]
fn a_kernel_is_explained_on_all_levels() {
    let text = Fused::new(&small(100)).explain();
    let levels = ["kernel of 100 elements", "%3 = tanh %2", "tiles of"];
    let compiled = ["loop 0, vector IR:", "%2 = add %0, %1", "loop 0, AVX"];
    assert!(levels.iter().all(|level| text.contains(level)), "{text}");
    let has_loops = Level::chosen() > Level::Portable;
    assert!(compiled.iter().all(|level| text.contains(level) == has_loops), "{text}");
}

/// `tanh(x + 1)` of so many elements.
fn small(size: usize) -> KernelSpec {
    KernelSpec {
        size,
        cols: size,
        inputs: vec![(Access::Full, DType::F32), (Access::One, DType::F32)],
        ops: vec![
            map(ScalarOp::Add, &[0, 1], IterationSpace::Full),
            map(ScalarOp::Tanh, &[2], IterationSpace::Full),
        ],
        outs: vec![(3, Owner::Program)],
        donated: vec![None; 2],
        joined: Vec::new(),
        over: None,
    }
}

#[test]
fn equal_specs_share_a_kernel_as_long_as_somebody_holds_it() {
    let first = Fused::shared(small(1234));
    assert!(Arc::ptr_eq(&first, &Fused::shared(small(1234))));
    assert!(!Arc::ptr_eq(&first, &Fused::shared(small(1235))));
    let aliases = KernelSpec { donated: vec![Some(Owner::Program), None], ..small(1234) };
    assert!(!Arc::ptr_eq(&first, &Fused::shared(aliases)));
    let horizontal = |sizes: &[usize]| Fused::horizontal(small(1234), sizes.into());
    let second = horizontal(&[1234, 7]);
    assert!(Arc::ptr_eq(&second, &horizontal(&[1234, 7])));
    assert!(!Arc::ptr_eq(&second, &horizontal(&[1234, 8])) && !Arc::ptr_eq(&first, &second));
    let gone = Arc::downgrade(&first);
    drop(first);
    assert!(gone.upgrade().is_none(), "its memory is given back");
}
