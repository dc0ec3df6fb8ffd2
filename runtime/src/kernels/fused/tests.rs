use super::*;
use crate::tensor::DType;

fn bytes(x: &[f32]) -> &[u8] {
    bytemuck::cast_slice(x)
}

fn ramp(size: usize) -> Vec<f32> {
    (0..size).map(|i| (i * 7 % 13) as f32 - 6.0).collect()
}

fn map(code: Code, args: &[usize], extent: Extent) -> Op {
    Op::Map { code, args: args.into(), from: DType::F32, to: DType::F32, extent }
}

fn fold(folding: Folding, arg: usize, extent: Extent) -> Op {
    Op::Fold { folding, arg, dtype: DType::F32, extent }
}

/// `x · row + column`, its sums over rows, over columns and of everything; and each less the largest of its row.
fn everything(rows: usize, cols: usize) {
    let (x, by_row, by_column) = (ramp(rows * cols), ramp(rows), ramp(cols));
    let kernel = Fused::new(&Recipe {
        size: rows * cols,
        cols,
        inputs: vec![
            (Access::Full, DType::F32),
            (access(&[rows, cols], &[rows, 1], cols), DType::F32),
            (access(&[rows, cols], &[cols], cols), DType::F32),
        ],
        ops: vec![
            map(Code::Mul, &[0, 1], Extent::Full),
            map(Code::Add, &[3, 2], Extent::Full),
            fold(Folding::Sum, 4, Extent::Row),
            fold(Folding::Sum, 4, Extent::Column),
            fold(Folding::Sum, 4, Extent::Total),
            fold(Folding::Max, 4, Extent::Row),
            map(Code::Sub, &[4, 8], Extent::Full),
        ],
        outs: [5, 6, 7, 9].map(|value| (value, Owner::Program)).to_vec(),
        dying: vec![None; 3],
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
        let kernel = Fused::new(&Recipe {
            size: 2400,
            cols: 2400,
            inputs: vec![(Access::Full, DType::F32), (access(&shape, &other, 2400), DType::F32)],
            ops: vec![map(Code::Add, &[0, 1], Extent::Full)],
            outs: vec![(2, Owner::Program)],
            dying: vec![None; 2],
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
    let kernel = Fused::new(&Recipe {
        size: 1000,
        cols: 1000,
        inputs: vec![(Access::Full, DType::F32), (Access::One, DType::F32)],
        ops: vec![map(Code::Mul, &[0, 1], Extent::Full), map(Code::Sub, &[0, 2], Extent::Full)],
        outs: vec![(3, Owner::Caller)],
        dying: vec![Some(Owner::Caller); 2],
        over: None,
    });
    assert_eq!(kernel.in_place(), [Some(0)]);
    let (mut x, half) = (ramp(1000), [0.5f32]);
    let expected: Vec<f32> = x.iter().map(|x| x - x * 0.5).collect();
    let sources = [Source::Result(0), Source::Bytes(bytes(&half))];
    kernel.run(&sources, &mut [bytemuck::cast_slice_mut(&mut x)]);
    assert_eq!(x, expected);
}

#[test]
fn there_is_no_loop_for_what_a_dtype_does_not_have() {
    assert!(!supports(Code::Function(crate::kernels::math::UnaryOp::Exp), DType::I32, DType::I32));
    assert!(!supports(Code::Xor, DType::F32, DType::F32) && !supports(Code::Clamp, DType::Bool, DType::Bool));
    assert!(
        supports(Code::Cast, DType::F16, DType::Bool) && supports(Code::Select, DType::Bool, DType::Bool)
    );
}
