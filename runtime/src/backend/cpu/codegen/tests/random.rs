//! Random kernels: compiled loops of every instruction set give the bits of the interpreter.

use crate::array::DType;
use crate::backend::cpu::codegen::instruction::Action;
use crate::backend::cpu::codegen::tile_program::TileProgram;
use crate::backend::cpu::codegen::{
    Access, Fused, IterationSpace, KernelOp, KernelSpec, Owner, Source, Window, access,
};
use crate::kernels::simd::Level;
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

fn fold(op: ReduceOp, arg: usize, space: IterationSpace) -> KernelOp {
    KernelOp::Fold { op, arg, dtype: DType::F32, space }
}

/// Numbers from a seed, one after another.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }
}

/// A spec of up to 40 operations over floats, integers and truth values, and of folds of rows; some inputs and results are parts of rows.
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
    let integer = [DType::I32, DType::U32];
    inputs.extend((0..dice.roll(5)).map(|i| {
        (access(&[rows, cols], shapes[if i < 2 { 0 } else { dice.roll(4) }], cols), integer[dice.roll(2)])
    }));
    inputs.extend(
        (0..dice.roll(5)).map(|i| {
            (access(&[rows, cols], shapes[if i < 2 { 0 } else { dice.roll(4) }], cols), DType::BF16)
        }),
    );
    // Values for each element, and for each row.
    let mut halves: Vec<(usize, IterationSpace)> = Vec::new();
    let mut integers: Vec<(usize, IterationSpace, DType)> = Vec::new();
    let mut numbers: Vec<(usize, IterationSpace)> = Vec::new();
    let mut truths: Vec<usize> = (1..inputs.len()).filter(|&value| inputs[value].1 == DType::Bool).collect();
    for (value, (access, dtype)) in inputs.iter().enumerate() {
        let space = if matches!(access, Access::Rows) { IterationSpace::Row } else { IterationSpace::Full };
        match dtype {
            DType::F32 => numbers.push((value, space)),
            DType::BF16 => halves.push((value, space)),
            DType::Bool => {}
            _ => integers.push((value, space, *dtype)),
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
        let op = match dice.roll(20) {
            16.. => random_half(dice, &halves, x, truth),
            12.. => random_integer(dice, &integers, x, truth),
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
        match op.dtype() {
            DType::Bool => truths.push(value),
            DType::F32 => numbers.push((value, op.space())),
            DType::BF16 => halves.push((value, op.space())),
            dtype => integers.push((value, op.space(), dtype)),
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

/// An operation over `bf16`, some from a float or to one.
fn random_half(
    dice: &mut Dice,
    halves: &[(usize, IterationSpace)],
    float: (usize, IterationSpace),
    truth: usize,
) -> KernelOp {
    const ONE: [ScalarOp; 12] = [
        ScalarOp::Neg,
        ScalarOp::Relu,
        ScalarOp::Copy,
        ScalarOp::Abs,
        ScalarOp::Sign,
        ScalarOp::Exp,
        ScalarOp::Tanh,
        ScalarOp::Sqrt,
        ScalarOp::Floor,
        ScalarOp::Powi(-1),
        ScalarOp::Powi(2),
        ScalarOp::Powi(3),
    ];
    const TWO: [ScalarOp; 6] =
        [ScalarOp::Add, ScalarOp::Sub, ScalarOp::Mul, ScalarOp::Div, ScalarOp::Max, ScalarOp::Min];
    const WIDE: [DType; 3] = [DType::F32, DType::I32, DType::Bool];
    let bf16 = DType::BF16;
    let map = |op: ScalarOp, args: &[usize], to: DType, space: IterationSpace| KernelOp::Map {
        op,
        args: args.into(),
        from: bf16,
        to,
        space,
    };
    if halves.is_empty() || dice.roll(6) == 0 {
        let (args, from) = (smallvec::smallvec![float.0], DType::F32);
        return KernelOp::Map { op: ScalarOp::Cast, args, from, to: bf16, space: float.1 };
    }
    let [x, y, z] = [(); 3].map(|()| halves[dice.roll(halves.len())]);
    let space = |args: &[(usize, IterationSpace)]| {
        let by_rows = args.iter().all(|&(_, space)| space == IterationSpace::Row);
        if by_rows { IterationSpace::Row } else { IterationSpace::Full }
    };
    match dice.roll(9) {
        0..3 => map(TWO[dice.roll(TWO.len())], &[x.0, y.0], bf16, space(&[x, y])),
        3 => map(ONE[dice.roll(ONE.len())], &[x.0], bf16, x.1),
        4 => map(ScalarOp::MulAdd, &[x.0, y.0, z.0], bf16, space(&[x, y, z])),
        5 => map(ScalarOp::Clamp, &[x.0, y.0, z.0], bf16, space(&[x, y, z])),
        6 => map(ScalarOp::Select, &[truth, x.0, y.0], bf16, IterationSpace::Full),
        7 => {
            let to = WIDE[dice.roll(3)];
            map(ScalarOp::Cast, &[x.0], to, if to == DType::Bool { IterationSpace::Full } else { x.1 })
        }
        _ => map(ScalarOp::Lt, &[x.0, y.0], DType::Bool, IterationSpace::Full),
    }
}

/// An operation over integers, some from a float or to one.
fn random_integer(
    dice: &mut Dice,
    integers: &[(usize, IterationSpace, DType)],
    float: (usize, IterationSpace),
    truth: usize,
) -> KernelOp {
    const ONE: [ScalarOp; 9] = [
        ScalarOp::Neg,
        ScalarOp::Not,
        ScalarOp::Relu,
        ScalarOp::Copy,
        ScalarOp::Abs,
        ScalarOp::Sign,
        ScalarOp::Powi(2),
        ScalarOp::Powi(3),
        ScalarOp::Cast,
    ];
    const TWO: [ScalarOp; 11] = [
        ScalarOp::Add,
        ScalarOp::Sub,
        ScalarOp::Mul,
        ScalarOp::Max,
        ScalarOp::Min,
        ScalarOp::And,
        ScalarOp::Or,
        ScalarOp::Xor,
        ScalarOp::ShiftLeft,
        ScalarOp::ShiftRight,
        ScalarOp::Div,
    ];
    const RELATIONS: [ScalarOp; 6] =
        [ScalarOp::Eq, ScalarOp::Ne, ScalarOp::Lt, ScalarOp::Le, ScalarOp::Gt, ScalarOp::Ge];
    let map = |op: ScalarOp, args: &[usize], from: DType, to: DType, space: IterationSpace| KernelOp::Map {
        op,
        args: args.into(),
        from,
        to,
        space,
    };
    if integers.is_empty() || dice.roll(8) == 0 {
        return map(ScalarOp::Cast, &[float.0], DType::F32, DType::I32, float.1);
    }
    let (x, _, dtype) = integers[dice.roll(integers.len())];
    let alike: Vec<usize> =
        (0..integers.len()).filter(|&at| integers[at].2 == dtype).map(|at| integers[at].0).collect();
    let (y, z) = (alike[dice.roll(alike.len())], alike[dice.roll(alike.len())]);
    let space = |args: &[usize]| {
        let by_rows =
            |arg: &usize| integers.iter().any(|&(at, space, _)| at == *arg && space == IterationSpace::Row);
        if args.iter().all(by_rows) { IterationSpace::Row } else { IterationSpace::Full }
    };
    match dice.roll(10) {
        0..4 => map(TWO[dice.roll(TWO.len())], &[x, y], dtype, dtype, space(&[x, y])),
        4 => map(ONE[dice.roll(ONE.len())], &[x], dtype, dtype, space(&[x])),
        5 => map(ScalarOp::MulAdd, &[x, y, z], dtype, dtype, space(&[x, y, z])),
        6 => map(ScalarOp::Clamp, &[x, y, z], dtype, dtype, space(&[x, y, z])),
        7 => map(ScalarOp::Select, &[truth, x, y], dtype, dtype, IterationSpace::Full),
        8 => {
            let to = [DType::F32, DType::Bool, DType::I32, DType::U32][dice.roll(4)];
            // Truth values are for each element here.
            let space = if to == DType::Bool { IterationSpace::Full } else { space(&[x]) };
            map(ScalarOp::Cast, &[x], dtype, to, space)
        }
        _ => map(RELATIONS[dice.roll(6)], &[x, y], dtype, DType::Bool, IterationSpace::Full),
    }
}

/// The bytes of all results, where each NaN is the same one: which of two an operation hands on is not said.
pub(super) fn results(
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
        } else if dtype == DType::BF16 {
            let halves = bytemuck::cast_slice_mut::<u8, half::bf16>(out);
            halves.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = half::bf16::NAN);
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
                let integer = |dice: &mut Dice| match dice.roll(6) {
                    0 => [i32::MIN, i32::MAX, -1, 0, 31, 32][dice.roll(6)],
                    1 => (dice.roll(1 << 16) as i32) << 16 | dice.roll(1 << 16) as i32,
                    _ => dice.roll(41) as i32 - 8,
                };
                match dtype {
                    DType::Bool => (0..count).map(|_| dice.roll(2) as u8).collect(),
                    DType::I32 | DType::U32 => {
                        (0..count).flat_map(|_| integer(&mut dice).to_ne_bytes()).collect()
                    }
                    DType::BF16 => {
                        let half = |dice: &mut Dice| half::bf16::from_f32(number(dice)).to_ne_bytes();
                        (0..count).flat_map(|_| half(&mut dice)).collect()
                    }
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
