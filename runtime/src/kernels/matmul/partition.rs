//! Partitioning: how a batch of products is cut into blocks for threads, by shapes alone, never by the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::microkernels::MAX_COLUMNS;
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::{self, DisjointSlice};
use super::product::SHORT_K;
use super::{MatrixView, dot, product, skinny, streamed};
use crate::array::memory;
use crate::scalar::number::Number;

/// A batch of products.
pub(super) struct ProductBatch<'a, T> {
    pub size: [usize; 3],
    pub batch: &'a [usize],
    pub lhs: MatrixView<T>,
    pub rhs: MatrixView<T>,
    pub lhs_batch: &'a [isize],
    pub rhs_batch: &'a [isize],
}

/// Multiplications below which a batch stays on one thread (1 MFLOP).
const THRESHOLD: usize = 1 << 19;
/// Multiplications that a block should have: about 0.1 ms of work.
const BLOCK: usize = 1 << 22;
/// The same where each element is read or written once, so that memory is what takes time: about 50 µs of work.
const MEMORY_BOUND_BLOCK: usize = 1 << 18;
/// The least rows or columns of a block: thinner ones waste what `gemm` packs.
const MIN_SIDE: usize = 128;
/// Columns of a block of a product that streams by: long parts of rows, which memory gives faster.
const STREAMED_COLUMNS: usize = 384;
/// Outputs of no more elements than this are split along `k`, where that is long.
const SMALL_OUTPUT: usize = 1 << 16;
/// Parts that `k` is split into at most; their sums are added up in order.
const MAX_SPLITS: usize = 8;
/// Elements whose parts are added up at a time.
const SUMS: usize = 1 << 10;

/// # Safety
/// Both views are readable for all batch indices and their part of `size`; `out` has one element per batch index, row and
/// column.
pub(super) unsafe fn run<T: Number<Acc = T>>(
    products: &ProductBatch<'_, T>,
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let [m, k, n] = products.size;
    // Small batches stay on this thread, small products are grouped, large ones are cut up one by one.
    let count = out.len() / (m * n);
    let each = m * k * n;
    if count * each < THRESHOLD {
        for (index, out) in out.chunks_exact_mut(m * n).enumerate() {
            let (lhs, rhs) = products.matrices(index);
            // SAFETY: the caller's promise for this batch index.
            unsafe { product(products.size, lhs, rhs, out.as_mut_ptr(), n, false) };
        }
        epilogue(0, out);
    } else if each < 2 * BLOCK && count > 1 {
        let group = (BLOCK / each).clamp(1, count);
        threads::chunks(out, group * m * n, |first, outs| {
            for (i, out) in outs.chunks_exact_mut(m * n).enumerate() {
                let (lhs, rhs) = products.matrices(first * group + i);
                // SAFETY: the caller's promise for this batch index.
                unsafe { product(products.size, lhs, rhs, out.as_mut_ptr(), n, false) };
            }
            epilogue(first * group * m * n, outs);
        });
    } else {
        for (index, out) in out.chunks_exact_mut(m * n).enumerate() {
            let (lhs, rhs) = products.matrices(index);
            // SAFETY: the caller's promise for this batch index.
            unsafe {
                large(products.size, lhs, rhs, out, &|first, piece| epilogue(index * m * n + first, piece));
            };
        }
    }
}

impl<T> ProductBatch<'_, T> {
    /// The matrices with this row-major batch index.
    fn matrices(&self, index: usize) -> (MatrixView<T>, MatrixView<T>)
    where
        T: Copy,
    {
        let (mut lhs, mut rhs, mut rest) = (0, 0, index);
        for (d, &size) in self.batch.iter().enumerate().rev() {
            let i = (rest % size) as isize;
            rest /= size;
            lhs += i * self.lhs_batch[d];
            rhs += i * self.rhs_batch[d];
        }
        (
            MatrixView { start: self.lhs.start.wrapping_offset(lhs), ..self.lhs },
            MatrixView { start: self.rhs.start.wrapping_offset(rhs), ..self.rhs },
        )
    }
}

/// One large product.
///
/// # Safety
/// As [`product`], for `out` of `m × n` contiguous elements.
unsafe fn large<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (rows, cols) = match partition([m, k, n], lhs, rhs) {
        Partition::SplitK(depth) => {
            // SAFETY: the caller's promise.
            unsafe { split_k([m, k, n], depth, lhs, rhs, out) };
            return epilogue(0, out);
        }
        // SAFETY: the caller's promise, for a product that was found to fit.
        Partition::Skinny(level) => {
            return unsafe { skinny::product(level, [m, k, n], lhs, rhs, out, epilogue) };
        }
        Partition::Blocks(rows, cols) => (rows, cols),
    };
    let (down, across) = (m.div_ceil(rows), n.div_ceil(cols));
    let target = DisjointSlice::new(out);
    threads::parallel(down * across, &|block| {
        let (i, j) = (block / across * rows, block % across * cols);
        let size = [rows.min(m - i), k, cols.min(n - j)];
        // SAFETY: a block of the matrices that the caller vouches for; blocks of `out` are disjoint.
        unsafe { product(size, lhs.from(i, 0), rhs.from(0, j), target.from(i * n + j), n, false) };
        let (pieces, length) = if size[2] == n { (1, size[0] * n) } else { (size[0], size[2]) };
        for piece in 0..pieces {
            let first = (i + piece) * n + j;
            // SAFETY: part of this block, which is no other's: rows of it, or all of them where they follow each other.
            epilogue(first, unsafe { target.slice(first, length) });
        }
    });
}

/// How a large product is cut.
enum Partition {
    /// Split-K: parts of each sum, so many terms each.
    SplitK(usize),
    /// Tall-skinny: all rows of a panel of columns each.
    Skinny(Level),
    /// Blocks of so many rows and columns.
    Blocks(usize, usize),
}

fn partition<T: Number>([m, k, n]: [usize; 3], lhs: MatrixView<T>, rhs: MatrixView<T>) -> Partition {
    let each = m * k * n;
    let is_memory_bound = m == 1 || n == 1 || k <= SHORT_K;
    // A product of a step of a loop, which nothing else runs beside, takes ten times as long as handing half of it on.
    let wanted = if is_memory_bound {
        each.div_ceil(MEMORY_BOUND_BLOCK)
    } else {
        each.div_ceil(BLOCK).max(if each >= BLOCK / 2 { 2 } else { 1 })
    };
    let is_streamed = streamed::is_shaped([m, k, n], lhs, rhs) && n >= 2 * MIN_SIDE;
    // A vector times contiguous rows reads memory in order only where it is cut along `k`.
    let rows_follow = (m == 1 && rhs.col == 1) || (n == 1 && lhs.row == 1);
    if m * n <= SMALL_OUTPUT && !is_streamed && (k >= 4 * m.max(n) || (rows_follow && k > 1)) {
        return Partition::SplitK(k.div_ceil(wanted.clamp(2, MAX_SPLITS)));
    }
    let level = Level::chosen();
    // The matrix is best read as it lies, or packed once for all rows, and not by every block.
    if dot::applicable(level, [m, k, n], lhs, rhs).is_none()
        && skinny::applicable(level, [m, k, n], lhs, rhs).is_some()
    {
        return Partition::Skinny(level);
    }
    if is_streamed {
        let blocks = wanted.min(n.div_ceil(STREAMED_COLUMNS)).max(wanted.min(2));
        return Partition::Blocks(m, n.div_ceil(blocks).next_multiple_of(MAX_COLUMNS));
    }
    // Every block of columns reads a row-major `lhs` as it is; every block of rows would pack `rhs` again.
    if n > MIN_SIDE && (m <= MIN_SIDE || (lhs.col == 1 && n >= 2 * MIN_SIDE)) {
        Partition::Blocks(m, n.div_ceil(wanted.min(n.div_ceil(MIN_SIDE))).next_multiple_of(MIN_SIDE))
    } else {
        Partition::Blocks(m.div_ceil(wanted.min(m.div_ceil(MIN_SIDE))), n)
    }
}

/// Whether all pieces of `count` products are whole rows; of the views, only the strides matter.
pub(super) fn has_whole_rows<T: Number>(
    count: usize,
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
) -> bool {
    let each = m * k * n;
    if count * each < THRESHOLD || (each < 2 * BLOCK && count > 1) {
        return true;
    }
    // Whatever level is chosen by then.
    if skinny::is_shaped(m, lhs, rhs) && !dot::is_shaped([m, k, n], lhs, rhs) {
        return false;
    }
    match partition([m, k, n], lhs, rhs) {
        Partition::SplitK(_) => true,
        Partition::Skinny(_) => false,
        Partition::Blocks(_, cols) => cols >= n,
    }
}

/// Counts split products. The parity of the binary digits alternates for every other, every fourth, … product as well (the
/// Thue–Morse sequence), so that each weight of a model has its turns.
static TURNS: AtomicUsize = AtomicUsize::new(0);

/// Split-K, for a small output and a long sum: partial products over parts of `k` in parallel, added up in order.
///
/// # Safety
/// As [`large`].
unsafe fn split_k<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    depth: usize,
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: &mut [T],
) {
    let count = k.div_ceil(depth);
    let mut parts = Scratch::new();
    if parts.len() < count * m * n {
        memory::resize(&mut parts, count * m * n, T::ZERO);
    }
    let target = DisjointSlice::new(&mut parts);
    // Adjacent parts trade threads every now and then: what a thread has read last may still be in its cache.
    let is_turned = TURNS.fetch_add(1, Ordering::Relaxed).count_ones() % 2 == 1;
    let turned = usize::from(is_turned && count.is_multiple_of(2));
    threads::parallel(count, &|index| {
        let part = index ^ turned;
        let p = part * depth;
        // SAFETY: a part of the matrices that the caller vouches for; parts have outputs of their own.
        unsafe {
            let out = target.from(part * m * n);
            product([m, depth.min(k - p), n], lhs.from(0, p), rhs.from(p, 0), out, n, false);
        }
    });
    let parts = &parts[..count * m * n];
    threads::split(out, 1, count, |first, piece| {
        // What is added up stays in L1 for all parts.
        for (at, sums) in piece.chunks_mut(SUMS).enumerate() {
            let begin = first + at * SUMS;
            sums.fill(T::ZERO);
            for part in parts.chunks_exact(m * n) {
                for (y, &x) in sums.iter_mut().zip(&part[begin..]) {
                    *y = y.add(x);
                }
            }
        }
    });
}
