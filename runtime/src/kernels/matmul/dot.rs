//! Products in inner-product form, of few rows with a matrix of contiguous columns: each element is a dot product, several rows
//! and columns at a time, so that each value that is loaded is used several times. The matrix is read once, as it lies; packing
//! it would cost as much as multiplying it, if rows are few.

use super::super::microkernels::{Dots, MAX_DOT_ROWS, Microkernels};
use super::super::simd::Level;
use super::MatrixView;
use crate::scalar::number::Number;

/// Terms of a sum for each row, at least: adding up the lanes of a sum takes as long as that many terms, and is done for each
/// row, where a matrix is packed once for all of them.
const MIN_TERMS: usize = 8;
/// Elements of the columns that all rows are multiplied with, one after another: they stay in L1.
const L1_ELEMENTS: usize = 1 << 12;

/// Whether these micro-kernels are the best for a product, where there are any.
pub(super) fn is_shaped<T>([m, k, _]: [usize; 3], lhs: MatrixView<T>, rhs: MatrixView<T>) -> bool {
    k >= MIN_TERMS * m && lhs.col == 1 && rhs.row == 1 && rhs.col != 1
}

/// The micro-kernels for a product, if these are the best for it.
pub(super) fn applicable<T: Number>(
    level: Level,
    size: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
) -> Option<&'static Microkernels<T>> {
    is_shaped(size, lhs, rhs).then(|| Microkernels::of(level)).flatten()
}

/// Computes `out = lhs · rhs`; rows of `out` are `out_row` apart.
///
/// # Safety
/// `lhs` is a readable `m × k` matrix and `rhs` a `k × n` one, both as [`is_shaped`] wants them; `out` is writable for `m` rows
/// of `n` elements, which no one else touches meanwhile; the machine has the instruction set of the micro-kernels.
pub(super) unsafe fn product<T: Number>(
    micro: &Microkernels<T>,
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
) {
    let mut j = 0;
    while j < n {
        let left = (n - j) / micro.dot_columns;
        let (columns, count, loops) = match left.min((L1_ELEMENTS / (k * micro.dot_columns)).max(1)) {
            0 => (1, n - j, &micro.single_column_dots),
            count => (micro.dot_columns, count, &micro.dots),
        };
        for i in (0..m).step_by(MAX_DOT_ROWS) {
            let rows = MAX_DOT_ROWS.min(m - i);
            let starts: [_; MAX_DOT_ROWS] = std::array::from_fn(|r| lhs.from(i + r.min(rows - 1), 0).start);
            let targets: [_; MAX_DOT_ROWS] =
                std::array::from_fn(|r| out.wrapping_add((i + r.min(rows - 1)) * out_row + j));
            let job = Dots {
                rows: &starts[..rows],
                column: rhs.from(0, j).start,
                pitch: rhs.col,
                depth: k,
                out: &targets[..rows],
                tiles: count,
                // The next columns, while the first rows pass.
                ahead: if i == 0 { (columns * count) as isize * rhs.col } else { 0 },
            };
            // SAFETY: rows `i..i + rows` and columns `j..j + columns * count` are inside of what the caller vouches for.
            unsafe { loops[rows - 1](&job) };
        }
        j += columns * count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows_the_definition<T: Number>(level: Level, [m, k, n]: [usize; 3], gap: usize) {
        let Some(micro) = Microkernels::<T>::of(level) else { return };
        let values = |count: usize, by: usize| -> Vec<T> {
            (0..count).map(|i| T::from_f64((i * by % 11) as f64 - 5.0)).collect()
        };
        // Neither rows nor columns follow each other, and nothing may be read or written behind the last ones.
        let pitch = k + gap;
        let (lhs, rhs) = (values((m - 1) * pitch + k, 7), values((n - 1) * pitch + k, 3));
        let mut out = vec![T::from_f64(0.5); (m - 1) * (n + 1) + n];
        let left = MatrixView { start: lhs.as_ptr(), row: pitch as isize, col: 1 };
        let right = MatrixView { start: rhs.as_ptr(), row: 1, col: pitch as isize };
        // SAFETY: the slices end where the last row or column does, and the level is one of this machine.
        unsafe { product(micro, [m, k, n], left, right, out.as_mut_ptr(), n + 1) };
        for (index, &y) in out.iter().enumerate() {
            let (i, j) = (index / (n + 1), index % (n + 1));
            let sum = |j: usize| {
                (0..k).map(|p| lhs[i * pitch + p].to_f64() * rhs[j * pitch + p].to_f64()).sum::<f64>()
            };
            let expected = if j == n { 0.5 } else { sum(j) };
            assert_eq!(y.to_f64(), expected, "{level:?} {m}×{k}×{n} at {i}, {j}");
        }
    }

    #[test]
    fn products_of_a_few_rows_follow_the_definition_at_every_level() {
        for level in Level::available() {
            for m in 1..=13 {
                for (k, n) in [(1, 1), (5, 3), (16, 4), (33, 19), (71, 6), (700, 11)] {
                    follows_the_definition::<f32>(level, [m, k, n], m % 3);
                    follows_the_definition::<f64>(level, [m, k, n], m % 2);
                }
            }
        }
    }
}
