//! Cumulative operations (prefix sums, scans) along one axis, blocked: the elements of a block are accumulated from nothing and
//! combined with the total of all blocks before.

use super::fold::{Fold, LogAddExp, LogSumExp, Max, Min, Prod, Sum};
use crate::array::memory;
use crate::kernels::halves::{narrow_all, widen_all};
use crate::kernels::scratch::Scratch;
use crate::kernels::threads;
use crate::scalar::number::Number;

/// From which end of the axis a cumulative operation starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Element `i` covers `0..=i`.
    Forward,
    /// Element `i` covers `i..n`.
    Reverse,
}

/// Computes cumulative sums along `axis`.
///
/// # Panics
/// If `x` or `out` has not the length that `shape` says, or the axis is out of range.
pub fn cum_sum<T: Number>(x: &[T], shape: &[usize], axis: usize, direction: Direction, out: &mut [T]) {
    let x = widen_all(x);
    narrow_all(out, |out| scan::<Sum<T::Acc>>(&x, shape, axis, direction, out));
}

/// Computes cumulative products along `axis`.
///
/// # Panics
/// As [`cum_sum`].
pub fn cum_prod<T: Number>(x: &[T], shape: &[usize], axis: usize, direction: Direction, out: &mut [T]) {
    let x = widen_all(x);
    narrow_all(out, |out| scan::<Prod<T::Acc>>(&x, shape, axis, direction, out));
}

/// Computes cumulative maxima along `axis`, NaN from the first NaN on.
///
/// # Panics
/// As [`cum_sum`].
pub fn cum_max<T: Number>(x: &[T], shape: &[usize], axis: usize, direction: Direction, out: &mut [T]) {
    let x = widen_all(x);
    narrow_all(out, |out| scan::<Max<T::Acc>>(&x, shape, axis, direction, out));
}

/// Computes cumulative minima along `axis`, NaN from the first NaN on.
///
/// # Panics
/// As [`cum_sum`].
pub fn cum_min<T: Number>(x: &[T], shape: &[usize], axis: usize, direction: Direction, out: &mut [T]) {
    let x = widen_all(x);
    narrow_all(out, |out| scan::<Min<T::Acc>>(&x, shape, axis, direction, out));
}

/// Computes logarithms of cumulative sums of exponentials along `axis`, without overflow.
///
/// # Panics
/// As [`cum_sum`].
pub fn cum_log_sum_exp<T: Number<Acc: LogAddExp>>(
    x: &[T],
    shape: &[usize],
    axis: usize,
    direction: Direction,
    out: &mut [T],
) {
    let x = widen_all(x);
    narrow_all(out, |out| scan::<LogSumExp<T::Acc>>(&x, shape, axis, direction, out));
}

/// Elements that are accumulated from nothing before they are added to what came before.
///
/// The error of a sum of n elements then grows with `n / BLOCK + BLOCK` instead of n.
const BLOCK: usize = 128;

fn scan<F: Fold>(x: &[F::T], shape: &[usize], axis: usize, direction: Direction, out: &mut [F::T]) {
    let n = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    assert_eq!(x.len(), shape.iter().product::<usize>(), "array and shape differ in size");
    assert_eq!(out.len(), x.len(), "results and array differ in size");
    if x.is_empty() {
        return;
    }
    // Along a contiguous axis, runs by themselves, from whichever end.
    if inner == 1 {
        return threads::split(out, n, 4 * n, |first, out| {
            for (x, out) in x[first * n..].chunks_exact(n).zip(out.chunks_exact_mut(n)) {
                match direction {
                    Direction::Forward => scan_run::<F>(x.chunks(BLOCK), out.chunks_mut(BLOCK), false),
                    Direction::Reverse => scan_run::<F>(x.rchunks(BLOCK), out.rchunks_mut(BLOCK), true),
                }
            }
        });
    }
    // Rows of the axis one after another, with a total of the blocks before and one of this block for each column.
    let slab = n * inner;
    threads::split(out, slab, 2 * slab, |first, out| {
        let mut columns = Scratch::empty();
        memory::resize(&mut columns, inner, (F::IDENTITY, F::IDENTITY));
        for (x, out) in x[first * slab..].chunks_exact(slab).zip(out.chunks_exact_mut(slab)) {
            columns.fill((F::IDENTITY, F::IDENTITY));
            for step in 0..n {
                let i = if direction == Direction::Forward { step } else { n - 1 - step };
                let row = i * inner..(i + 1) * inner;
                if step % BLOCK == 0 {
                    for (before, block) in columns.iter_mut() {
                        *before = F::combine(*before, *block);
                        *block = F::IDENTITY;
                    }
                }
                for (((before, block), &x), out) in columns.iter_mut().zip(&x[row.clone()]).zip(&mut out[row])
                {
                    *block = F::combine(*block, F::lift(x));
                    *out = F::combine(*before, *block);
                }
            }
        }
    });
}

/// Scans a contiguous run that comes in blocks.
fn scan_run<'a, F: Fold>(
    x: impl Iterator<Item = &'a [F::T]>,
    out: impl Iterator<Item = &'a mut [F::T]>,
    reverse: bool,
) {
    let mut before = F::IDENTITY;
    for (x, out) in x.zip(out) {
        let mut block = F::IDENTITY;
        let mut step = |x: F::T| {
            block = F::combine(block, F::lift(x));
            F::combine(before, block)
        };
        if reverse {
            out.iter_mut().zip(x).rev().for_each(|(out, &x)| *out = step(x));
        } else {
            out.iter_mut().zip(x).for_each(|(out, &x)| *out = step(x));
        }
        before = F::combine(before, block);
    }
}
