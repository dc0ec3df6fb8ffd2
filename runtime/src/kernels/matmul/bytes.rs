//! Products with weights of 8 bits: each row of the left matrix is rounded to 16 bits by a scale of its own (dynamic quantisation), so
//! that all sums are exact in integers, on every processor the same ones.
//!
//! 16 bits are two products of bytes, which is as fast as `bf16`. With 8 bits a single large number leaves few steps for the others of its
//! row: of sentence embeddings, some lost 1 % of their cosine similarity, and with 16 bits none loses more than by the weights.

use super::super::microkernels::{BYTE_COLUMNS, BYTE_ROWS, ByteProduct, byte_product};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::{self, DisjointSlice};
use crate::array::memory;

/// The greatest magnitude of a rounded number: its upper byte is between -127 and 127.
pub(crate) const GREATEST: f32 = 127.0 * 256.0;
/// Terms of a sum at most: 2¹⁶·255·127 is less than 2³¹.
pub const MAX_TERMS: usize = 1 << 16;
/// What is added to upper bytes, so that they have no sign, as the instruction wants one side to be.
const SHIFT: i32 = 128;

/// A matrix of weights of 8 bits with a scale for each column.
#[derive(Clone, Copy, Debug)]
pub struct ByteWeights<'a> {
    /// The numbers, between -127 and 127.
    pub numbers: &'a [i8],
    /// Whether columns are contiguous, and not rows.
    pub is_transposed: bool,
    /// What the numbers of each column are multiplied with.
    pub scale: &'a [f32],
}

/// The number that a row is divided by before it is rounded, and the one that its sums are multiplied with, from its greatest magnitude.
fn row_scale(greatest: f32) -> (f32, f32) {
    (if greatest == 0.0 { 0.0 } else { GREATEST / greatest }, greatest / GREATEST)
}

/// Writes the product of a row-major `m × k` matrix with `k × n` weights to `out`.
///
/// Each row `x` becomes the integers next to `32512·x / max|x|`, ties to even. The sums of their upper and of their lower bytes with the
/// weights' integers are exact; `256·upper + lower`, in `f32`, is multiplied with `max|x| / 32512` times the scale of the column. A row
/// with a NaN or an infinite number gives NaN.
///
/// # Panics
/// If a slice has another size, or `k` is more than `MAX_TERMS`.
///
/// # Examples
/// ```
/// use flaxen::kernels::matmul::{ByteWeights, byte_matmul};
/// let weights = ByteWeights { numbers: &[127, 0, 0, 127], is_transposed: false, scale: &[2.0, 1.0] };
/// let mut out = [0.0; 2];
/// byte_matmul([1, 2, 2], &[32512.0, -256.0], &weights, &mut out);
/// assert_eq!(out, [2.0 * 127.0 * 32512.0, -127.0 * 256.0]);
/// ```
pub fn byte_matmul([m, k, n]: [usize; 3], lhs: &[f32], weights: &ByteWeights<'_>, out: &mut [f32]) {
    assert_eq!([lhs.len(), weights.numbers.len(), out.len()], [m * k, k * n, m * n], "elements of a matrix");
    assert!(k <= MAX_TERMS && weights.scale.len() == n, "few enough terms, and a scale for each column");
    if out.is_empty() {
        return;
    }
    let fours = k.div_ceil(4);
    let (mut packed, mut scales) = (Scratch::<u32>::new(), Scratch::<f32>::new());
    let words = sized(&mut packed, 2 * m * fours, 0);
    let by_rows = sized(&mut scales, m, 0.0);
    let all = DisjointSlice::new(words);
    threads::split(by_rows, 1, 4 * k, |first, scales| {
        for (i, scale) in (first..).zip(scales) {
            // SAFETY: the words of a row, which has one index.
            *scale = round_row(&lhs[i * k..][..k], unsafe { all.slice(2 * i * fours, 2 * fours) });
        }
    });
    let (words, by_rows) = (&packed[..2 * m * fours], &scales[..m]);
    let (level, target) = (Level::chosen(), DisjointSlice::new(out));
    let panel = |panel: usize| {
        let column = panel * BYTE_COLUMNS;
        let columns = BYTE_COLUMNS.min(n - column);
        let mut memory = Scratch::<u32>::new();
        let panel = sized(&mut memory, fours * BYTE_COLUMNS, 0);
        let shifted = pack(weights, [k, n], column, columns, panel);
        for first in (0..m).step_by(BYTE_ROWS / 2) {
            let count = (BYTE_ROWS / 2).min(m - first);
            // Upper and lower bytes of each row.
            let rows: [_; BYTE_ROWS] =
                std::array::from_fn(|i| words[(2 * first + i.min(2 * count - 1)) * fours..].as_ptr());
            let mut sums = [0i32; BYTE_ROWS * BYTE_COLUMNS];
            let job = ByteProduct {
                rows: &rows[..2 * count],
                fours,
                panel: panel.as_ptr(),
                out: sums.as_mut_ptr(),
            };
            // SAFETY: rows and panel have so many fours, and there are sums for each row.
            unsafe { byte_product(level, &job) };
            for i in 0..count {
                // SAFETY: this part of a row is no other panel's.
                let out = unsafe { target.slice((first + i) * n + column, columns) };
                let scale = &weights.scale[column..];
                let (upper, lower) = sums[2 * i * BYTE_COLUMNS..].split_at(BYTE_COLUMNS);
                for (j, y) in out.iter_mut().enumerate() {
                    let sum = (upper[j] - shifted[j]) as f32 * 256.0 + lower[j] as f32;
                    *y = sum * (by_rows[first + i] * scale[j]);
                }
            }
        }
    };
    let panels = n.div_ceil(BYTE_COLUMNS);
    if threads::worth(m * k * n / 8) {
        threads::parallel(panels, &panel);
    } else {
        (0..panels).for_each(panel);
    }
}

fn sized<T: Copy>(memory: &mut Vec<T>, count: usize, zero: T) -> &mut [T] {
    if memory.len() < count {
        memory::resize(memory, count, zero);
    }
    &mut memory[..count]
}

/// Rounds a row to integers, of which it writes the upper bytes and then the lower ones, four in a word, and returns what its sums are
/// to be multiplied with.
fn round_row(row: &[f32], words: &mut [u32]) -> f32 {
    // A NaN is passed over here, and makes the scale NaN below.
    let greatest = row.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
    let (factor, scale) = row_scale(greatest);
    let (upper, lower) = words.split_at_mut(words.len() / 2);
    for ((upper, lower), four) in upper.iter_mut().zip(lower).zip(row.chunks(4)) {
        let mut bytes = [[0u8; 4]; 2];
        for (t, &x) in four.iter().enumerate() {
            let number = (x * factor).round_ties_even() as i32;
            (bytes[0][t], bytes[1][t]) = (((number >> 8) + SHIFT) as u8, number as u8);
        }
        [*upper, *lower] = bytes.map(u32::from_le_bytes);
    }
    if row.iter().any(|x| x.is_nan()) || greatest.is_infinite() { f32::NAN } else { scale }
}

/// Packs columns of weights, and returns by column what is too much in each sum because of [`SHIFT`].
fn pack(
    weights: &ByteWeights<'_>,
    [k, n]: [usize; 2],
    column: usize,
    columns: usize,
    panel: &mut [u32],
) -> [i32; BYTE_COLUMNS] {
    let mut shifted = [0; BYTE_COLUMNS];
    for (p, row) in panel.chunks_exact_mut(BYTE_COLUMNS).enumerate() {
        let terms = 4.min(k - 4 * p);
        let mut fours = [[0u8; 4]; BYTE_COLUMNS];
        for (j, four) in fours.iter_mut().enumerate().take(columns) {
            for (t, byte) in four.iter_mut().enumerate().take(terms) {
                let at = if weights.is_transposed {
                    (column + j) * k + 4 * p + t
                } else {
                    (4 * p + t) * n + column + j
                };
                *byte = weights.numbers[at] as u8;
                shifted[j] += SHIFT * i32::from(weights.numbers[at]);
            }
        }
        row.iter_mut().zip(fours).for_each(|(word, four)| *word = u32::from_le_bytes(four));
    }
    shifted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd;

    #[test]
    fn products_are_those_of_integers_at_every_level_and_in_both_orders() {
        for [m, k, n] in [[1, 1, 1], [3, 7, 33], [14, 130, 70], [130, 64, 96]] {
            let lhs: Vec<f32> = (0..m * k).map(|i| ((i * i) as f32 * 0.61).sin()).collect();
            let numbers: Vec<i8> =
                (0..k * n).map(|i| (i * 37 % 255) as u8 as i8).map(|x| x.max(-127)).collect();
            let turned: Vec<i8> = (0..k * n).map(|i| numbers[i % k * n + i / k]).collect();
            let scale: Vec<f32> = (0..n).map(|j| 0.01 * (j + 1) as f32).collect();
            let mut expected = vec![0.0; m * n];
            for (i, out) in expected.chunks_exact_mut(n).enumerate() {
                let row = &lhs[i * k..][..k];
                let greatest = row.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
                let number = |x: f32| (x * (32512.0 / greatest)).round_ties_even() as i64;
                for (j, y) in out.iter_mut().enumerate() {
                    let sum = |part: &dyn Fn(i64) -> i64| -> i64 {
                        (0..k).map(|p| part(number(row[p])) * i64::from(numbers[p * n + j])).sum()
                    };
                    let (upper, lower) = (sum(&|x| x.div_euclid(256)), sum(&|x| x.rem_euclid(256)));
                    *y = (upper as f32 * 256.0 + lower as f32) * (greatest / 32512.0 * scale[j]);
                }
            }
            let before = Level::chosen();
            for level in Level::available() {
                simd::force(level);
                for (numbers, is_transposed) in [(&numbers, false), (&turned, true)] {
                    let weights = ByteWeights { numbers, is_transposed, scale: &scale };
                    let mut out = vec![1.0; m * n];
                    byte_matmul([m, k, n], &lhs, &weights, &mut out);
                    assert_eq!(out, expected, "{level:?} {m}×{k}×{n}");
                }
            }
            simd::force(before);
        }
    }

    #[test]
    fn rows_of_zeros_give_zeros_and_rows_with_nan_or_infinity_nan() {
        let weights = ByteWeights { numbers: &[1, 2], is_transposed: false, scale: &[1.0] };
        let mut out = [1.0; 3];
        byte_matmul([3, 2, 1], &[0.0, 0.0, 1.0, f32::NAN, f32::INFINITY, 1.0], &weights, &mut out);
        assert!(out[0] == 0.0 && out[1].is_nan() && out[2].is_nan());
    }
}
