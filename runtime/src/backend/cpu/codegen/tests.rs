mod random;

use std::sync::Arc;

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
        let found = random::results(kernel.program_at(level), &spec, &[bytes(&x).to_vec()], 1, 100);
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
