//! What factorisations by Householder reflections share: updates of rank two, and products of reflections.

use super::LinalgFloat;
use crate::array::memory;
use crate::kernels::matmul::{MatrixView, product};
use crate::kernels::microkernels::{MAX_UPDATE_ROWS, Microkernels, ROW_MULTIPLE, RowUpdate};
use crate::kernels::simd::Level;
use crate::kernels::threads;

/// The distance between rows of matrices that are factorised here: with zeros behind each row, loops need no ends.
pub(super) fn pitch(columns: usize) -> usize {
    columns.next_multiple_of(ROW_MULTIPLE)
}

/// Subtracts `Σ left[p] · right[p]ᵀ` from the rows of `matrix` from `row` on, and returns the sum of the new rows, each times its
/// `weight`, in `sum`: both for columns from `column` on, whose first few neighbours before them become unspecified.
///
/// Rows are `sum.len()` elements apart, which is what [`pitch`] says. `left` and `weight` have an entry for each row.
pub(super) fn update_rows<T: LinalgFloat>(
    matrix: &mut [T],
    (row, column): (usize, usize),
    left: [&[T]; 2],
    right: [&[T]; 2],
    weight: &[T],
    sum: &mut [T],
) {
    let pitch = sum.len();
    let rows = matrix.len() / pitch;
    assert!(
        left.iter().all(|x| x.len() >= rows)
            && right.iter().all(|x| x.len() == pitch)
            && weight.len() >= rows
    );
    sum.fill(T::ZERO);
    let from = column / ROW_MULTIPLE * ROW_MULTIPLE;
    let factors = |i: usize| [-left[0][i], -left[1][i], weight[i]];
    if let Some(micro) = Microkernels::<T>::of(Level::chosen()) {
        for i in (row..rows).step_by(MAX_UPDATE_ROWS) {
            let count = MAX_UPDATE_ROWS.min(rows - i);
            let at = |i: usize| i.min(rows - 1);
            let starts: [_; MAX_UPDATE_ROWS] =
                std::array::from_fn(|r| matrix[at(i + r) * pitch + from..].as_mut_ptr());
            let factors: [_; MAX_UPDATE_ROWS] = std::array::from_fn(|r| factors(at(i + r)));
            let job = RowUpdate {
                rows: &starts[..count],
                length: pitch - from,
                factors: &factors[..count],
                added: right.map(|x| x[from..].as_ptr()),
                sum: sum[from..].as_mut_ptr(),
            };
            // SAFETY: `count` different rows from `from` on are inside of the matrix, and all vectors have as many elements; the
            // machine has the instruction set.
            unsafe { (micro.row_update[count - 1])(&job) };
        }
    } else {
        for (i, line) in matrix.chunks_exact_mut(pitch).enumerate().skip(row) {
            let [first, second, weight] = factors(i);
            for k in from..pitch {
                line[k] = line[k] + first * right[0][k] + second * right[1][k];
                sum[k] = sum[k] + weight * line[k];
            }
        }
    }
    sum[from..column].fill(T::ZERO);
}

/// Writes the product of rows `row..` of `matrix` with the vector `x`, which is zero before `column`, to `out`, an entry for each row.
pub(super) fn multiply_rows<T: LinalgFloat>(
    matrix: &[T],
    (row, column): (usize, usize),
    x: &[T],
    out: &mut [T],
) {
    let pitch = x.len();
    let (rows, from) = (matrix.len() / pitch, column / ROW_MULTIPLE * ROW_MULTIPLE);
    if row >= rows {
        return;
    }
    let lhs = MatrixView { start: matrix[row * pitch + from..].as_ptr(), row: pitch as isize, col: 1 };
    let rhs = MatrixView { start: x[from..].as_ptr(), row: 1, col: 1 };
    let out = &mut out[row..rows];
    // SAFETY: the rest of each row and of the vector, and an entry for each row.
    unsafe { product([rows - row, pitch - from, 1], lhs, rhs, out.as_mut_ptr(), 1, false) };
}

/// Reflections that are applied at once.
const BLOCK: usize = 32;

/// Returns the first `rows` rows of the transpose of the product `H₀ · H₁ · …` of the reflections `Hⱼ = I - τⱼ vⱼ vⱼᵀ`, of which
/// row `j` of `reflections` holds `vⱼ`: zero before entry `j + offset`, and one there. Rows are `pitch` apart, of `n` columns.
///
/// Blocks of reflections are one matrix `I - Vᵀ T V` each (R. Schreiber and C. Van Loan, "A storage-efficient WY representation for
/// products of Householder transformations", 1989), from the last one to the first, so that each meets only what it changes.
pub(super) fn product_of_reflections<T: LinalgFloat>(
    (reflections, taus): (&[T], &[T]),
    offset: usize,
    rows: usize,
    n: usize,
) -> Vec<T> {
    let pitch = pitch(n);
    let mut z = memory::filled(T::ZERO, rows * pitch);
    for (i, row) in z.chunks_exact_mut(pitch.max(1)).enumerate().take(n) {
        row[i] = T::ONE;
    }
    for start in (0..taus.len()).step_by(BLOCK).rev() {
        let (count, first) = (BLOCK.min(taus.len() - start), start + offset);
        if first >= rows {
            continue;
        }
        let length = n - first;
        let v = &reflections[start * pitch + first..];
        let v = MatrixView { start: v.as_ptr(), row: pitch as isize, col: 1 };
        let factor = triangular_factor(v, &taus[start..start + count], length);
        threads::split(&mut z[first * pitch..], pitch, 4 * count * length, |_, z| {
            let m = z.len() / pitch;
            let mut w = memory::filled(T::ZERO, 2 * m * count);
            let (w, weighted) = w.split_at_mut(m * count);
            let view = |x: &[T], row: usize| MatrixView { start: x.as_ptr(), row: row as isize, col: 1 };
            let rest = &mut z[first..];
            // SAFETY: `m` rows of `z` from column `first` on, `count` reflections from there on, and matrices of what they make;
            // nobody else has these rows.
            unsafe {
                product([m, length, count], view(rest, pitch), v.transposed(), w.as_mut_ptr(), count, false);
                let factor = view(&factor, count).transposed();
                product([m, count, count], view(w, count), factor, weighted.as_mut_ptr(), count, false);
                product([m, count, length], view(weighted, count), v, rest.as_mut_ptr(), pitch, true);
            }
        });
    }
    z
}

/// Returns `-T`, row-major and upper triangular, with `H₀ · H₁ · … = I - Vᵀ T V`.
fn triangular_factor<T: LinalgFloat>(v: MatrixView<T>, taus: &[T], length: usize) -> Vec<T> {
    let count = taus.len();
    let mut gram = memory::filled(T::ZERO, count * count);
    // SAFETY: as many rows as there are reflections, of `length` elements, and a matrix of their products.
    unsafe { product([count, length, count], v, v.transposed(), gram.as_mut_ptr(), count, false) };
    let mut factor = memory::filled(T::ZERO, count * count);
    for (j, &tau) in taus.iter().enumerate() {
        for i in 0..j {
            // The columns before hold -T, and so the sign is that of -T, too.
            let sum = (i..j).fold(T::ZERO, |sum, k| sum + factor[i * count + k] * gram[k * count + j]);
            factor[i * count + j] = -tau * sum;
        }
        factor[j * count + j] = -tau;
    }
    factor
}

#[cfg(test)]
mod tests {
    use super::super::testing::{noise, product as plain_product, transposed};
    use super::*;

    #[test]
    fn a_product_of_reflections_is_that_of_their_matrices_one_after_the_other() {
        for (n, count, offset) in [(5, 4, 1), (50, 48, 1), (70, 70, 0), (40, 3, 0)] {
            let pitch = pitch(n);
            let mut reflections = vec![0.0f64; count * pitch];
            let mut taus = vec![0.0f64; count];
            let mut expected: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
            for j in 0..count {
                let v = &mut reflections[j * pitch..j * pitch + n];
                v[j + offset..].copy_from_slice(&noise::<f64>(j as u64, n - j - offset));
                v[j + offset] = 1.0;
                taus[j] = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
                let h: Vec<f64> = (0..n * n)
                    .map(|at| f64::from(u8::from(at / n == at % n)) - taus[j] * v[at / n] * v[at % n])
                    .collect();
                expected = plain_product(&expected, &h, n, n, n);
            }
            let expected = transposed(&expected, n, n);
            for rows in [n, n / 2] {
                let z = product_of_reflections((&reflections, &taus), offset, rows, n);
                for (i, row) in z.chunks_exact(pitch).enumerate() {
                    assert!((0..n).all(|k| (row[k] - expected[i * n + k]).abs() < 1e-12), "{n} {count} {i}");
                }
            }
        }
    }

    #[test]
    fn rows_are_updated_and_summed_in_one_pass() {
        for (rows, columns, row, column) in [(1, 1, 0, 0), (7, 40, 2, 19), (9, 16, 1, 3)] {
            let pitch = pitch(columns);
            let before = noise::<f32>(1, rows * pitch);
            let (left, right) =
                ([2, 3].map(|seed| noise::<f32>(seed, rows)), [4, 5].map(|seed| noise::<f32>(seed, pitch)));
            let weight = noise::<f32>(6, rows);
            let (mut matrix, mut sum) = (before.clone(), vec![9.0f32; pitch]);
            let (l, r) = (left.each_ref().map(|x| &x[..]), right.each_ref().map(|x| &x[..]));
            update_rows(&mut matrix, (row, column), l, r, &weight, &mut sum);
            for k in column..pitch {
                let mut total = 0.0;
                for i in row..rows {
                    let expected =
                        before[i * pitch + k] - left[0][i] * right[0][k] - left[1][i] * right[1][k];
                    assert!((matrix[i * pitch + k] - expected).abs() < 1e-6);
                    total += weight[i] * expected;
                }
                assert!((sum[k] - total).abs() < 1e-5);
            }
            assert!(
                sum[..column].iter().all(|&x| x == 0.0) && matrix[..row * pitch] == before[..row * pitch]
            );
        }
    }
}
