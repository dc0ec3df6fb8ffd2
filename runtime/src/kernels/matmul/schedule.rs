//! How a batch of products is cut into blocks for threads: by shapes alone, never by the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::number::Number;
use super::super::simd::Level;
use super::super::threads::{self, DisjointSlice};
use super::block::FLAT;
use super::{View, dot, product, skinny};
use crate::tensor::memory;

/// A batch of products.
pub(super) struct Job<'a, T> {
    pub size: [usize; 3],
    pub batch: &'a [usize],
    pub lhs: View<T>,
    pub rhs: View<T>,
    pub lhs_batch: &'a [isize],
    pub rhs_batch: &'a [isize],
}

/// Multiplications below which a job stays on one thread (1 MFLOP).
const THRESHOLD: usize = 1 << 19;
/// Multiplications that a block should have: about 0.1 ms of work.
const BLOCK: usize = 1 << 22;
/// The same where each element is read or written once, so that memory is what takes time: about 50 µs of work.
const VECTOR_BLOCK: usize = 1 << 18;
/// The least rows or columns of a block: thinner ones waste what `gemm` packs.
const THIN: usize = 128;
/// Outputs of no more elements than this are split along `k`, where that is long.
const SMALL_OUTPUT: usize = 1 << 16;
/// Parts that `k` is split into at most; their sums are added up in order.
const PARTS: usize = 8;

/// # Safety
/// Both views are readable for all batch indices and their part of `size`; `out` has one element per batch index, row and
/// column.
pub(super) unsafe fn run<T: Number<Acc = T>>(
    job: &Job<'_, T>,
    out: &mut [T],
    then: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let [m, k, n] = job.size;
    let count = out.len() / (m * n);
    let each = m * k * n;
    if count * each < THRESHOLD {
        for (index, out) in out.chunks_exact_mut(m * n).enumerate() {
            let (lhs, rhs) = job.matrices(index);
            // SAFETY: the caller's promise for this batch index.
            unsafe { product(job.size, lhs, rhs, out.as_mut_ptr(), n, false) };
        }
        then(0, out);
    } else if each < 2 * BLOCK && count > 1 {
        let group = (BLOCK / each).clamp(1, count);
        threads::chunks(out, group * m * n, |first, outs| {
            for (i, out) in outs.chunks_exact_mut(m * n).enumerate() {
                let (lhs, rhs) = job.matrices(first * group + i);
                // SAFETY: the caller's promise for this batch index.
                unsafe { product(job.size, lhs, rhs, out.as_mut_ptr(), n, false) };
            }
            then(first * group * m * n, outs);
        });
    } else {
        for (index, out) in out.chunks_exact_mut(m * n).enumerate() {
            let (lhs, rhs) = job.matrices(index);
            // SAFETY: the caller's promise for this batch index.
            unsafe { one(job.size, lhs, rhs, out, &|first, piece| then(index * m * n + first, piece)) };
        }
    }
}

impl<T> Job<'_, T> {
    /// The matrices with this row-major batch index.
    fn matrices(&self, index: usize) -> (View<T>, View<T>)
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
            View { start: self.lhs.start.wrapping_offset(lhs), ..self.lhs },
            View { start: self.rhs.start.wrapping_offset(rhs), ..self.rhs },
        )
    }
}

/// One large product.
///
/// # Safety
/// As [`product`], for `out` of `m × n` contiguous elements.
unsafe fn one<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    lhs: View<T>,
    rhs: View<T>,
    out: &mut [T],
    then: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (rows, cols) = match way([m, k, n], lhs, rhs) {
        Way::Deep(depth) => {
            // SAFETY: the caller's promise.
            unsafe { split_depth([m, k, n], depth, lhs, rhs, out) };
            return then(0, out);
        }
        // SAFETY: the caller's promise, for a product that was found to fit.
        Way::Skinny(level) => return unsafe { skinny::product(level, [m, k, n], lhs, rhs, out, then) },
        Way::Blocks(rows, cols) => (rows, cols),
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
            then(first, unsafe { target.slice(first, length) });
        }
    });
}

/// How a large product is cut.
enum Way {
    /// Parts of the sum, so many terms each.
    Deep(usize),
    /// All rows of a few columns each.
    Skinny(Level),
    /// Blocks of so many rows and columns.
    Blocks(usize, usize),
}

fn way<T: Number>([m, k, n]: [usize; 3], lhs: View<T>, rhs: View<T>) -> Way {
    let wanted = (m * k * n).div_ceil(if m == 1 || n == 1 || k <= FLAT { VECTOR_BLOCK } else { BLOCK });
    // A vector times contiguous rows reads memory in order only where it is cut along `k`.
    let rows_follow = (m == 1 && rhs.col == 1) || (n == 1 && lhs.row == 1);
    if m * n <= SMALL_OUTPUT && (k >= 4 * m.max(n) || (rows_follow && k > 1)) {
        return Way::Deep(k.div_ceil(wanted.clamp(2, PARTS)));
    }
    let level = Level::chosen();
    // The matrix is best read as it lies, or rearranged once for all rows, and not by every block.
    if dot::applicable(level, [m, k, n], lhs, rhs).is_none()
        && skinny::applicable(level, [m, k, n], lhs, rhs).is_some()
    {
        return Way::Skinny(level);
    }
    // Every block of columns reads a row-major `lhs` as it is; every block of rows would pack `rhs` again.
    if n > THIN && (m <= THIN || (lhs.col == 1 && n >= 2 * THIN)) {
        Way::Blocks(m, n.div_ceil(wanted.min(n.div_ceil(THIN))).next_multiple_of(THIN))
    } else {
        Way::Blocks(m.div_ceil(wanted.min(m.div_ceil(THIN))), n)
    }
}

/// Whether all pieces of `count` products are whole rows; of the views, only the strides matter.
pub(super) fn has_whole_rows<T: Number>(
    count: usize,
    [m, k, n]: [usize; 3],
    lhs: View<T>,
    rhs: View<T>,
) -> bool {
    let each = m * k * n;
    if count * each < THRESHOLD || (each < 2 * BLOCK && count > 1) {
        return true;
    }
    // Whatever level is chosen by then.
    if skinny::is_shaped(m, lhs, rhs) && !dot::is_shaped([m, k, n], lhs, rhs) {
        return false;
    }
    match way([m, k, n], lhs, rhs) {
        Way::Deep(_) => true,
        Way::Skinny(_) => false,
        Way::Blocks(_, cols) => cols >= n,
    }
}

/// Counts products in parts. The parity of the digits alternates for every other, every fourth, … product as well, so that
/// each weight of a model has its turns.
static TURNS: AtomicUsize = AtomicUsize::new(0);

/// A product with a small output and a long sum: parts of the sum in parallel, added up in order.
///
/// # Safety
/// As [`one`].
unsafe fn split_depth<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    depth: usize,
    lhs: View<T>,
    rhs: View<T>,
    out: &mut [T],
) {
    let count = k.div_ceil(depth);
    let mut parts = memory::zeroed(count * m * n);
    let target = DisjointSlice::new(&mut parts);
    // Neighbours change places every now and then: what a thread has read last may still be in its cache.
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
    out.fill(T::ZERO);
    for part in parts.chunks_exact(m * n) {
        for (y, &x) in out.iter_mut().zip(part) {
            *y = y.plus(x);
        }
    }
}
