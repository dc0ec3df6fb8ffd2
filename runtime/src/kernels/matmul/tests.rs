use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Small whole numbers: every dtype adds and multiplies them without rounding.
fn values<T: Number>(count: usize, seed: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7 + seed * 13 + i * i) % 5) as f64)).collect()
}

/// The definition, element by element, in `f64`.
fn expected<T: Number>(
    batch: &[usize],
    [m, k, n]: [usize; 3],
    lhs: &MatrixBatch<'_, T>,
    rhs: &MatrixBatch<'_, T>,
) -> Vec<f64> {
    let at = |o: &MatrixBatch<'_, T>, b: usize, i: usize, j: usize| {
        let (mut index, mut rest) = (o.offset as isize, b);
        for (&size, &stride) in batch.iter().zip(o.batch_strides).rev() {
            index += (rest % size) as isize * stride;
            rest /= size;
        }
        o.data[(index + i as isize * o.row_stride + j as isize * o.col_stride) as usize].to_f64()
    };
    let mut out = Vec::new();
    for b in 0..batch.iter().product() {
        for i in 0..m {
            for j in 0..n {
                out.push((0..k).map(|p| at(lhs, b, i, p) * at(rhs, b, p, j)).sum());
            }
        }
    }
    out
}

/// Strides of a matrix in one of four layouts, and how many elements it spans: row-major, column-major, with gaps, and
/// with reversed rows.
fn layout(kind: u8, rows: usize, cols: usize) -> (usize, isize, isize, usize) {
    let (r, c) = (rows as isize, cols as isize);
    match kind {
        0 => (0, c, 1, rows * cols),
        1 => (0, 1, r, rows * cols),
        2 => (1, 2 * c + 1, 2, 1 + rows * (2 * cols + 1)),
        _ => (rows.saturating_sub(1) * cols, -c, 1, rows * cols),
    }
}

fn agrees<T: Number>(
    batch: &[usize],
    [m, k, n]: [usize; 3],
    kinds: (u8, u8),
    shared_rhs: bool,
    modulus: f64,
) {
    let strides = |span: usize| -> Vec<isize> {
        let mut strides = vec![span as isize; batch.len()];
        for d in (1..batch.len()).rev() {
            strides[d - 1] = strides[d] * batch[d] as isize;
        }
        strides
    };
    let count = batch.iter().product::<usize>();
    let (offset, row_stride, col_stride, span) = layout(kinds.0, m, k);
    let (data, batch_strides) = (values::<T>(span * count, 1), strides(span));
    let lhs = MatrixBatch { data: &data, offset, row_stride, col_stride, batch_strides: &batch_strides };
    let (offset, row_stride, col_stride, span) = layout(kinds.1, k, n);
    let data = values::<T>(span * count, 2);
    let batch_strides = if shared_rhs { vec![0; batch.len()] } else { strides(span) };
    let rhs = MatrixBatch { data: &data, offset, row_stride, col_stride, batch_strides: &batch_strides };
    let mut out = vec![T::ONE; count * m * n];
    matmul(batch, [m, k, n], &lhs, &rhs, &mut out);
    let expected = expected(batch, [m, k, n], &lhs, &rhs);
    for (y, x) in out.iter().zip(&expected) {
        assert_eq!(y.to_f64(), T::from_f64(x % modulus).to_f64(), "{batch:?} {m}×{k}×{n} {kinds:?}");
    }
}

fn agrees_in_every_dtype(batch: &[usize], size: [usize; 3], kinds: (u8, u8), shared_rhs: bool) {
    agrees::<f32>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<f64>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<bf16>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<f16>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<i32>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<i64>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<u32>(batch, size, kinds, shared_rhs, f64::INFINITY);
    agrees::<u8>(batch, size, kinds, shared_rhs, 256.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn products_of_any_size_and_layout_follow_the_definition(
        batch in prop::collection::vec(0usize..4, 0..3),
        size in [0usize..20, 0usize..20, 0usize..20],
        kinds in (0u8..4, 0u8..4),
        shared in any::<bool>(),
    ) {
        agrees_in_every_dtype(&batch, size, kinds, shared);
    }
}

#[test]
fn large_products_are_cut_up_and_follow_the_definition() {
    for size in [
        [300, 200, 150],
        [5, 3000, 70],
        [3, 100_000, 4],
        [7, 90, 3000],
        [1, 2000, 900],
        [900, 2000, 1],
        [33, 250, 700],
        [6, 200, 900],
        [800, 1, 900],
    ] {
        for kinds in [(0, 0), (0, 1), (1, 1), (2, 3)] {
            agrees::<f32>(&[], size, kinds, false, f64::INFINITY);
            agrees::<i32>(&[2], size, kinds, true, f64::INFINITY);
        }
    }
    agrees_in_every_dtype(&[2], [3, 70, 9], (0, 1), true);
    agrees::<bf16>(&[3, 7], [40, 30, 50], (0, 1), true, f64::INFINITY);
    agrees::<f64>(&[70], [40, 30, 50], (1, 0), false, f64::INFINITY);
}

#[test]
fn every_element_is_handed_on_once_within_rows_or_in_whole_rows() {
    let cases: [(&[usize], [usize; 3]); 8] = [
        (&[], [3, 4, 5]),
        (&[70], [40, 30, 50]),
        (&[2], [300, 200, 150]),
        (&[], [3, 100_000, 4]),
        (&[], [16, 300, 4000]),
        (&[], [3, 300, 4000]),
        (&[2], [20, 300, 1700]),
        (&[3], [2, 0, 3]),
    ];
    for (batch, [m, k, n]) in cases {
        let count: usize = batch.iter().product();
        let (a, b) = (values::<f32>(count * m * k, 1), values::<f32>(k * n, 2));
        let strides = vec![(m * k) as isize; batch.len()];
        let lhs = MatrixBatch { batch_strides: &strides, ..MatrixBatch::row_major(&a, k) };
        let shared = vec![0; batch.len()];
        let rows_follow = MatrixBatch { batch_strides: &shared, ..MatrixBatch::row_major(&b, n) };
        let columns_follow =
            MatrixBatch { batch_strides: &shared, ..MatrixBatch::row_major(&b, k).transposed() };
        for rhs in [rows_follow, columns_follow] {
            let (mut plain, mut handed) = (vec![0f32; count * m * n], vec![0f32; count * m * n]);
            matmul(batch, [m, k, n], &lhs, &rhs, &mut plain);
            let epilogue = |first: usize, piece: &mut [f32]| {
                let within = first % n + piece.len() <= n;
                assert!(within || (first.is_multiple_of(n) && piece.len().is_multiple_of(n)));
                piece.iter_mut().enumerate().for_each(|(i, y)| *y = 2.0 * *y + ((first + i) % 1000) as f32);
            };
            matmul_with_epilogue(batch, [m, k, n], &lhs, &rhs, &mut handed, &epilogue);
            let expected = |(i, y): (usize, &f32)| 2.0 * y + (i % 1000) as f32;
            assert_eq!(handed, plain.iter().enumerate().map(expected).collect::<Vec<_>>());
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let noise = |count: usize| -> Vec<f32> { (0..count).map(|i| ((i * i) as f32 * 0.61).sin()).collect() };
    for [m, k, n] in [[257, 129, 200], [16, 70_000, 24], [9, 300, 4000], [30, 300, 1000], [1, 900, 1100]] {
        let (a, b) = (noise(m * k), noise(k * n));
        let run = |threads: usize| {
            let mut out = vec![0f32; m * n];
            crate::set_num_threads(threads);
            let mut transposed = out.clone();
            let (lhs, rhs) = (MatrixBatch::row_major(&a, k), MatrixBatch::row_major(&b, n));
            matmul(&[], [m, k, n], &lhs, &rhs, &mut out);
            let rhs = MatrixBatch::row_major(&b, k).transposed();
            matmul(&[], [m, k, n], &lhs, &rhs, &mut transposed);
            (out, transposed)
        };
        assert!(run(1) == run(2) && run(1) == run(3));
    }
}

#[test]
fn halves_are_rounded_once_at_the_end() {
    let (k, one, small) = (512, bf16::ONE, bf16::from_f32(1.0 / 512.0));
    let lhs: Vec<bf16> = (0..2 * k).map(|i| if i % k == 0 { one } else { small }).collect();
    let rhs = vec![one; 2 * k];
    let mut out = [bf16::ZERO; 4];
    matmul(&[], [2, k, 2], &MatrixBatch::row_major(&lhs, k), &MatrixBatch::row_major(&rhs, 2), &mut out);
    assert_eq!(out, [bf16::from_f32(1.0 + 511.0 / 512.0); 4]);
}

/// Any numbers, with what a sum of products of them is in `f64`, and the sum of magnitudes.
fn noise(count: usize, seed: usize) -> Vec<bf16> {
    (0..count).map(|i| bf16::from_f32(((i * i + seed) as f32 * 0.61).sin() * 3.0)).collect()
}

#[test]
fn products_of_bf16_stay_within_the_bound_of_sums_in_f32_in_every_order() {
    // Sums of more pairs than a panel has, rows of more than one block, and what is left over of each.
    for [m, k, n] in [[1, 700, 70], [13, 1031, 33], [1100, 40, 17], [40, 513, 100], [300, 64, 64], [5, 3, 2]]
    {
        for (kinds, batch) in [((0, 0), 1), ((0, 1), 2), ((1, 0), 1), ((1, 1), 2)] {
            let (a, b) = (noise(batch * m * k, 1), noise(batch * k * n, 2));
            let [(_, lr, lc, _), (_, rr, rc, _)] = [layout(kinds.0, m, k), layout(kinds.1, k, n)];
            let (ls, rs) = ([(m * k) as isize], [(k * n) as isize]);
            let lhs = MatrixBatch { data: &a, offset: 0, row_stride: lr, col_stride: lc, batch_strides: &ls };
            let rhs = MatrixBatch { data: &b, offset: 0, row_stride: rr, col_stride: rc, batch_strides: &rs };
            let mut out = vec![bf16::ZERO; batch * m * n];
            matmul(&[batch], [m, k, n], &lhs, &rhs, &mut out);
            let exact = expected(&[batch], [m, k, n], &lhs, &rhs);
            let magnitude = |x: &bf16| bf16::from_bits(x.to_bits() & 0x7FFF);
            let (a, b): (Vec<bf16>, Vec<bf16>) =
                (a.iter().map(magnitude).collect(), b.iter().map(magnitude).collect());
            let (lhs, rhs) = (MatrixBatch { data: &a, ..lhs }, MatrixBatch { data: &b, ..rhs });
            let magnitudes = expected(&[batch], [m, k, n], &lhs, &rhs);
            for ((y, x), magnitude) in out.iter().zip(exact).zip(magnitudes) {
                // A rounding of `f32` for each term, and one to `bf16`.
                let bound = k as f64 * 2f64.powi(-24) * magnitude;
                let bound = bound + (x.abs() + bound) * 2f64.powi(-8);
                assert!((y.to_f64() - x).abs() <= bound, "{m}×{k}×{n} {kinds:?}: {y} for {x}");
            }
        }
    }
}

#[test]
fn products_of_bf16_do_not_depend_on_the_number_of_threads() {
    for [m, k, n] in [[257, 1200, 200], [1, 900, 1100], [1100, 33, 40]] {
        let (a, b) = (noise(m * k, 3), noise(k * n, 4));
        let run = |threads: usize| {
            crate::set_num_threads(threads);
            let mut out = [vec![bf16::ZERO; m * n], vec![bf16::ZERO; m * n]];
            let lhs = MatrixBatch::row_major(&a, k);
            let rhs = [MatrixBatch::row_major(&b, n), MatrixBatch::row_major(&b, k).transposed()];
            rhs.iter().zip(&mut out).for_each(|(rhs, out)| matmul(&[], [m, k, n], &lhs, rhs, out));
            out
        };
        assert!(run(1) == run(2) && run(1) == run(3));
    }
}

#[test]
fn operands_in_f32_are_rounded_on_the_way_in_every_order() {
    for [m, k, n] in [[1, 70, 70], [13, 531, 33], [40, 64, 17], [3, 1, 2]] {
        for kinds in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)] {
            let [(left, lr, lc, span), (right, rr, rc, rhs_span)] =
                [layout(kinds.0, m, k), layout(kinds.1, k, n)];
            let wide =
                |count: usize| -> Vec<f32> { (0..count).map(|i| ((i * i) as f32 * 0.61).sin()).collect() };
            let narrow = |wide: &[f32]| -> Vec<bf16> { wide.iter().map(|&x| bf16::from_f32(x)).collect() };
            let (a, b) = (wide(span), wide(rhs_span));
            let (c, d) = (narrow(&a), narrow(&b));
            let lhs = MatrixBatch {
                data: &a[..],
                offset: left,
                row_stride: lr,
                col_stride: lc,
                batch_strides: &[],
            };
            let rhs = MatrixBatch {
                data: &b[..],
                offset: right,
                row_stride: rr,
                col_stride: rc,
                batch_strides: &[],
            };
            let narrow_lhs = MatrixBatch {
                data: &c[..],
                offset: left,
                row_stride: lr,
                col_stride: lc,
                batch_strides: &[],
            };
            let narrow_rhs = MatrixBatch {
                data: &d[..],
                offset: right,
                row_stride: rr,
                col_stride: rc,
                batch_strides: &[],
            };
            let of = |lhs, rhs| {
                let mut out = vec![bf16::ZERO; m * n];
                let twice = |_: usize, piece: &mut [bf16]| {
                    piece.iter_mut().for_each(|y| *y = bf16::from_f32(2.0 * y.to_f32()));
                };
                matmul_of_rounded(&[], [m, k, n], &lhs, &rhs, &mut out, &twice);
                out
            };
            let expected = of(RoundedBatch::Halves(narrow_lhs), RoundedBatch::Halves(narrow_rhs));
            assert_eq!(of(RoundedBatch::Floats(lhs), RoundedBatch::Halves(narrow_rhs)), expected);
            assert_eq!(of(RoundedBatch::Halves(narrow_lhs), RoundedBatch::Floats(rhs)), expected);
            assert_eq!(of(RoundedBatch::Floats(lhs), RoundedBatch::Floats(rhs)), expected);
        }
    }
}

#[test]
#[should_panic(expected = "reaches from 0 to 5 in 5 elements")]
fn an_operand_must_be_inside_its_slice() {
    let data = [0f32; 5];
    let operand = MatrixBatch::row_major(&data, 3);
    matmul(&[], [2, 3, 2], &operand, &operand.transposed(), &mut [0.0; 4]);
}
