//! Pairwise summation, and other folds in the same order: along one contiguous run, or many of them element by element.
//!
//! Blocks are folded one element after the other, in lanes, and their results as a balanced tree, so that the error of a sum of n
//! elements grows with log n (N. J. Higham, "The accuracy of floating point summation", 1993). The order depends on lengths alone.

use super::fold::Fold;
use crate::array::memory;
use crate::kernels::scratch::Scratch;

/// Independent accumulators along a run; they hide the latency of an addition.
pub(crate) const LANES: usize = 16;
/// Elements that are folded into lanes before results are combined pairwise.
pub(crate) const BLOCK: usize = 512;
/// Rows that are folded one after the other before results are combined pairwise.
const ROWS: usize = 32;
/// Rows narrower than this are folded several at a time.
pub(super) const NARROW: usize = 16;
/// Elements of the narrow rows that are folded at a time, roughly.
const WIDE: usize = 64;

/// Folds `leaf(first), …, leaf(last - 1)` as a balanced tree above stretches of `stretch` leaves.
pub(super) fn pairwise<V>(
    first: usize,
    last: usize,
    stretch: usize,
    leaf: &dyn Fn(usize) -> V,
    combine: &dyn Fn(V, V) -> V,
) -> V {
    if last - first <= stretch {
        let start = leaf(first);
        return (first + 1..last).fold(start, |acc, i| combine(acc, leaf(i)));
    }
    let middle = first + (last - first).div_ceil(2);
    combine(pairwise(first, middle, stretch, leaf, combine), pairwise(middle, last, stretch, leaf, combine))
}

/// Folds a contiguous run into one value.
#[inline(always)]
pub(crate) fn fold_run<F: Fold>(run: &[F::T]) -> F::T {
    if run.len() < LANES {
        return run.iter().fold(F::IDENTITY, |acc, &x| F::combine(acc, F::lift(x)));
    }
    // One block needs no tree, and is then compiled into the caller.
    if run.len() <= BLOCK {
        return fold_block::<F>(run);
    }
    let block = |i: usize| fold_block::<F>(&run[i * BLOCK..((i + 1) * BLOCK).min(run.len())]);
    pairwise(0, run.len().div_ceil(BLOCK), 1, &block, &F::combine)
}

#[inline(always)]
fn fold_block<F: Fold>(block: &[F::T]) -> F::T {
    let (chunks, rest) = block.as_chunks::<LANES>();
    let mut lanes = [F::IDENTITY; LANES];
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = F::combine(*lane, F::lift(x));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = F::combine(*lane, F::lift(x));
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = F::combine(lanes[i], lanes[i + width]);
        }
    }
    lanes[0]
}

/// Folds the rows that start at `start(first), …, start(last - 1)` element by element into `acc`.
pub(super) fn fold_rows<F: Fold>(
    x: &[F::T],
    first: usize,
    last: usize,
    start: &dyn Fn(usize) -> usize,
    acc: &mut [F::T],
) {
    let width = acc.len();
    let row = |i: usize| &x[start(i)..][..width];
    // The same balanced tree as for runs, but of whole rows.
    if last - first > ROWS {
        let middle = first + (last - first).div_ceil(2);
        fold_rows::<F>(x, first, middle, start, acc);
        let mut other = Scratch::new();
        memory::resize(&mut other, width, F::IDENTITY);
        fold_rows::<F>(x, middle, last, start, &mut other);
        combine_rows::<F>(acc, &other);
        return;
    }
    for (acc, &x) in acc.iter_mut().zip(row(first)) {
        *acc = F::lift(x);
    }
    // Four rows at a time, so that the accumulators are read and written once for four.
    let mut i = first + 1;
    while i + 4 <= last {
        let (x0, x1, x2, x3) = (row(i), row(i + 1), row(i + 2), row(i + 3));
        for ((((acc, &x0), &x1), &x2), &x3) in acc.iter_mut().zip(x0).zip(x1).zip(x2).zip(x3) {
            let front = F::combine(F::lift(x0), F::lift(x1));
            let back = F::combine(F::lift(x2), F::lift(x3));
            *acc = F::combine(*acc, F::combine(front, back));
        }
        i += 4;
    }
    for i in i..last {
        for (acc, &x) in acc.iter_mut().zip(row(i)) {
            *acc = F::combine(*acc, F::lift(x));
        }
    }
}

/// Combines `other` into `acc` element by element.
pub(crate) fn combine_rows<F: Fold>(acc: &mut [F::T], other: &[F::T]) {
    for (acc, &other) in acc.iter_mut().zip(other) {
        *acc = F::combine(*acc, other);
    }
}

/// Combines rows of `width` elements as a balanced tree, into the first one.
pub(super) fn combine_pairwise<F: Fold>(rows: &mut [F::T], width: usize) {
    let count = rows.len() / width;
    if count > 1 {
        let (left, right) = rows.split_at_mut(count.div_ceil(2) * width);
        combine_pairwise::<F>(left, width);
        combine_pairwise::<F>(right, width);
        combine_rows::<F>(&mut left[..width], &right[..width]);
    }
}

/// Folds adjacent rows of `width < NARROW` elements into the first `width` of the result.
///
/// As many rows as give a decent vector length are taken for one wide row, which is folded together at the end.
pub(super) fn fold_narrow_rows<F: Fold>(x: &[F::T], width: usize) -> [F::T; NARROW] {
    let wide = WIDE / width * width;
    let wide_rows = x.len() / wide;
    let mut acc = [F::IDENTITY; NARROW];
    if wide_rows > 0 {
        let mut wide_acc = [F::IDENTITY; WIDE];
        fold_rows::<F>(x, 0, wide_rows, &|i| i * wide, &mut wide_acc[..wide]);
        for row in wide_acc[..wide].chunks_exact(width) {
            combine_rows::<F>(&mut acc, row);
        }
    }
    for row in x[wide_rows * wide..].chunks_exact(width) {
        for (acc, &x) in acc.iter_mut().zip(row) {
            *acc = F::combine(*acc, F::lift(x));
        }
    }
    acc
}
