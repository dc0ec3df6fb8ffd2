//! Products of a few rows with a large matrix of contiguous rows, which streams by once: it is read as it lies, some rows of it at a
//! time, and each block of rows is asked for while the one before is multiplied. What takes time is memory.
//!
//! The blocks of `k` are those of K. Goto and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34,
//! 2008), whose packing would cost more here than it saves.

use super::super::microkernels::{Ahead, MAX_COLUMNS, MAX_ROWS, Microkernels, OuterProduct};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::MatrixView;
use crate::array::memory;
use crate::scalar::number::Number;

/// Rows of the left matrix; `gemm` is as fast for more, where packing pays, and for fewer.
const ROWS: std::ops::RangeInclusive<usize> = 6..=48;
/// Rows of the tiles of AVX-512 at most, and at least where there are several: lower ones load more than they compute.
const TILE: usize = 12;
const HIGH_TILE: usize = 10;
/// Terms of a sum that are added up at a time: so many rows of a panel stay in L1 for all tiles, and those of all columns of a
/// thread in L2 until they are used.
const KC: usize = 96;
/// Vectors of a panel.
const VECTORS: usize = 2;
/// Elements of the largest tile.
const EDGE: usize = MAX_ROWS * MAX_COLUMNS;

/// Whether the rows of a product are few, and both operands lie as they should.
pub(super) fn is_shaped<T>([m, _, n]: [usize; 3], lhs: MatrixView<T>, rhs: MatrixView<T>) -> bool {
    let has_high_tiles = m <= TILE || m.div_ceil(m.div_ceil(TILE)) >= HIGH_TILE;
    ROWS.contains(&m) && has_high_tiles && lhs.col == 1 && rhs.col == 1 && rhs.row >= n as isize
}

/// Returns the micro-kernels for a product, if these are the best for it.
pub(super) fn applicable<T: Number>(
    level: Level,
    size: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
) -> Option<&'static Microkernels<T>> {
    let micro = Microkernels::of(level)?;
    (is_shaped(size, lhs, rhs) && size[2] >= 2 * micro.lanes).then_some(micro)
}

/// Computes `out = lhs · rhs`, or adds it to `out`; rows of `out` are `out_row` apart.
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
    accumulate: bool,
) {
    let wide = VECTORS * micro.lanes;
    let mut packed = Scratch::<T>::empty();
    for p in (0..k).step_by(KC) {
        let depth = KC.min(k - p);
        for j in (0..n).step_by(wide) {
            let used = wide.min(n - j);
            let vectors = used.div_ceil(micro.lanes);
            let width = vectors * micro.lanes;
            let start = rhs.from(p, j);
            let panel = if used == width {
                start
            } else {
                // The last columns with zeros behind them, of which nobody reads more than there is.
                memory::resize(&mut packed, depth * width, T::ZERO);
                for (q, row) in packed.chunks_exact_mut(width).take(depth).enumerate() {
                    // SAFETY: the caller's promise.
                    let from = unsafe { std::slice::from_raw_parts(start.from(q, 0).start, used) };
                    row[..used].copy_from_slice(from);
                }
                MatrixView { start: packed.as_ptr(), row: width as isize, col: 1 }
            };
            let (q, c) = if j + wide < n { (p, j + wide) } else { (p + KC, 0) };
            let next = if q < k {
                Ahead::rows(rhs.from(q, c).start, rhs.row as usize, VECTORS)
            } else {
                Ahead::NOTHING
            };
            let block = Block {
                micro,
                depth,
                panel,
                vectors,
                used,
                next,
                out: out.wrapping_add(j),
                out_row,
                accumulate: accumulate || p > 0,
            };
            // SAFETY: the caller's promise, for some terms and columns.
            unsafe { block.multiply(m, lhs.from(0, p)) };
        }
    }
}

/// Some rows of a panel of the right matrix, and where their products go.
struct Block<'a, T> {
    micro: &'a Microkernels<T>,
    depth: usize,
    panel: MatrixView<T>,
    /// Vectors of the panel, and columns that there are.
    vectors: usize,
    used: usize,
    /// What is multiplied next.
    next: Ahead<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
}

impl<T: Number> Block<'_, T> {
    /// Multiplies so many rows with the panel.
    ///
    /// # Safety
    /// As [`product`]; the panel has `depth` rows of whole vectors.
    unsafe fn multiply(&self, m: usize, lhs: MatrixView<T>) {
        let &Block { micro, depth, panel, vectors, used, out_row, accumulate, .. } = self;
        let height = micro.height(m);
        let (tiles, is_whole) = (m.div_ceil(height), used == vectors * micro.lanes);
        let mut edge = [T::ZERO; EDGE];
        for tile in 0..tiles {
            let i = tile * height;
            let count = height.min(m - i);
            let rows: [_; MAX_ROWS] = std::array::from_fn(|r| lhs.from(i + r.min(count - 1), 0).start);
            let at = |r: usize| self.out.wrapping_add((i + r.min(count - 1)) * out_row);
            // A tile at the edge of the output is computed whole in a buffer, of which the part that exists is copied.
            let edges = edge.as_mut_ptr();
            let pitch = vectors * micro.lanes;
            let targets: [_; MAX_ROWS] = std::array::from_fn(|r| {
                if is_whole { at(r) } else { edges.wrapping_add(r.min(count - 1) * pitch) }
            });
            // SAFETY: `used` elements of rows that the caller vouches for.
            let row = |r: usize| unsafe { std::slice::from_raw_parts_mut(at(r), used) };
            if !is_whole && accumulate {
                for (r, edge) in edge.chunks_exact_mut(pitch).take(count).enumerate() {
                    edge[..used].copy_from_slice(row(r));
                }
            }
            let job = OuterProduct {
                rows: &rows[..count],
                segments: &[0],
                length: depth,
                panel: panel.start,
                panel_row: panel.row as usize,
                out: &targets[..count],
                accumulate,
                ahead: self.next.share(tile, tiles, micro.lanes),
            };
            // SAFETY: the caller's promise; the targets of a panel that is not whole are rows of the edge tile.
            unsafe { micro.outer_product[vectors - 1][count - 1](&job) };
            if !is_whole {
                for (r, edge) in edge.chunks_exact(pitch).take(count).enumerate() {
                    row(r).copy_from_slice(&edge[..used]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows_the_definition<T: Number>(level: Level, [m, k, n]: [usize; 3], accumulate: bool) {
        let Some(micro) = Microkernels::<T>::of(level) else { return };
        let values = |count: usize, by: usize| -> Vec<T> {
            (0..count).map(|i| T::from_f64((i * by % 11) as f64 - 5.0)).collect()
        };
        // Rows do not follow each other, and nothing may be read or written behind the last ones.
        let (lhs, rhs) = (values((m - 1) * (k + 3) + k, 7), values((k - 1) * (n + 2) + n, 3));
        let mut out = vec![T::from_f64(0.5); (m - 1) * (n + 1) + n];
        let left = MatrixView { start: lhs.as_ptr(), row: (k + 3) as isize, col: 1 };
        let right = MatrixView { start: rhs.as_ptr(), row: (n + 2) as isize, col: 1 };
        // SAFETY: the slices end where the last row does, and the level is one of this machine.
        unsafe { product(micro, [m, k, n], left, right, out.as_mut_ptr(), n + 1, accumulate) };
        for (index, &y) in out.iter().enumerate() {
            let (i, j) = (index / (n + 1), index % (n + 1));
            let sum = |j: usize| {
                (0..k).map(|p| lhs[i * (k + 3) + p].to_f64() * rhs[p * (n + 2) + j].to_f64()).sum::<f64>()
            };
            let before = if accumulate || j == n { 0.5 } else { 0.0 };
            let expected = before + if j == n { 0.0 } else { sum(j) };
            assert_eq!(y.to_f64(), expected, "{level:?} {m}×{k}×{n} at {i}, {j}");
        }
    }

    #[test]
    fn streamed_products_follow_the_definition_at_every_level() {
        for level in Level::available() {
            for m in [2, 5, 12, 13, 16, 31] {
                for (k, n) in [(1, 64), (9, 33), (128, 128), (129, 71), (300, 90), (70, 16)] {
                    follows_the_definition::<f32>(level, [m, k, n], k % 2 == 0);
                    follows_the_definition::<f64>(level, [m, k, n], m % 2 == 0);
                }
            }
        }
    }
}
