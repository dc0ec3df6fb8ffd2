//! Reductions and cumulative operations over axes of dense row-major arrays.
//!
//! Neighbouring axes of the same kind are merged first, which leaves a few alternating groups; then either runs
//! are folded along themselves or rows are folded element by element, whichever is contiguous. Sums are pairwise above
//! blocks (N. J. Higham, "The accuracy of floating point summation", 1993), and every order is fixed by the shape, so
//! results do not depend on the number of threads. `bf16` and `f16` are accumulated in `f32` and rounded once.

mod arg;
mod cumulative;
mod fold;
mod layout;
mod runs;

pub use arg::{arg_max, arg_min};
pub use cumulative::{Direction, cum_log_sum_exp, cum_max, cum_min, cum_prod, cum_sum};
pub use fold::LogAddExp;

use fold::{All, Any};
pub(crate) use fold::{Fold, Max, Min, Prod, Sum};
pub(crate) use runs::{BLOCK, LANES, combine_rows, fold_run};

use std::cell::RefCell;

use layout::{AxisGroup, AxisGroups, Traversal, merge_axes};

use super::halves::{narrow_all, widen_all, widen_into};
use super::scratch::Scratch;
use super::threads;
use crate::array::memory;
use crate::scalar::number::Number;

/// Sums over `axes`; the sum of nothing is zero.
///
/// # Panics
/// If `x` or `out` has not the length that `shape` and `axes` say, or `axes` are out of range or not distinct.
pub fn sum<T: Number>(x: &[T], shape: &[usize], axes: &[usize], out: &mut [T]) {
    reduce_numbers::<T, Sum<T::Acc>>(x, shape, axes, out);
}

/// Multiplies over `axes`; the product of nothing is one.
///
/// # Panics
/// As [`sum`].
pub fn prod<T: Number>(x: &[T], shape: &[usize], axes: &[usize], out: &mut [T]) {
    reduce_numbers::<T, Prod<T::Acc>>(x, shape, axes, out);
}

/// Takes the maximum over `axes`, NaN if there is one; that of nothing is [`Number::MAX_IDENTITY`].
///
/// # Panics
/// As [`sum`].
pub fn max<T: Number>(x: &[T], shape: &[usize], axes: &[usize], out: &mut [T]) {
    reduce_numbers::<T, Max<T::Acc>>(x, shape, axes, out);
}

/// Takes the minimum over `axes`, NaN if there is one; that of nothing is [`Number::MIN_IDENTITY`].
///
/// # Panics
/// As [`sum`].
pub fn min<T: Number>(x: &[T], shape: &[usize], axes: &[usize], out: &mut [T]) {
    reduce_numbers::<T, Min<T::Acc>>(x, shape, axes, out);
}

/// Tells whether any of the booleans (0 is false) over `axes` is true, as 0 or 1; none of nothing is.
///
/// # Panics
/// As [`sum`].
pub fn any(x: &[u8], shape: &[usize], axes: &[usize], out: &mut [u8]) {
    reduce::<Any>(Source::Slice(x), shape, axes, out);
}

/// Tells whether all booleans (0 is false) over `axes` are true, as 0 or 1; all of nothing are.
///
/// # Panics
/// As [`sum`].
pub fn all(x: &[u8], shape: &[usize], axes: &[usize], out: &mut [u8]) {
    reduce::<All>(Source::Slice(x), shape, axes, out);
}

/// Columns that are folded at a time, so that accumulators stay in L1.
const TILE: usize = 1024;
/// With as many results as this, there is enough to share out among threads without cutting reductions to pieces.
const MANY_RESULTS: usize = 4096;
/// Elements, as a power of two, that a piece of a reduction has at least.
const PIECE_BITS: u32 = 15;
/// The most pieces that a reduction is cut into.
const MAX_PIECES: usize = 64;

/// Halves in runs of at least so many elements are widened run by run.
const LONG_RUN: usize = 64;

fn reduce_numbers<T: Number, F: Fold<T = T::Acc>>(x: &[T], shape: &[usize], axes: &[usize], out: &mut [T]) {
    let is_half = size_of::<T>() != size_of::<T::Acc>();
    let is_long = |run: &AxisGroup| run.reduced && run.size >= LONG_RUN;
    if is_half && merge_axes(shape, axes).last().is_some_and(is_long) {
        let widen = |first: usize, wide: &mut [T::Acc]| widen_into(&x[first..][..wide.len()], wide);
        let x = Source::Halves { widen: &widen, first: 0, len: x.len() };
        return narrow_all(out, |out| reduce::<F>(x, shape, axes, out));
    }
    let x = widen_all(x);
    narrow_all(out, |out| reduce::<F>(Source::Slice(&x), shape, axes, out));
}

/// What is reduced.
#[derive(Clone, Copy)]
enum Source<'a, A> {
    /// Elements as they are carried.
    Slice(&'a [A]),
    /// `len` halves from `first` on, which `widen(first, wide)` widens: a run at a time, which stays in the cache.
    Halves { widen: &'a (dyn Fn(usize, &mut [A]) + Sync), first: usize, len: usize },
}

impl<'a, A: Copy> Source<'a, A> {
    fn len(self) -> usize {
        match self {
            Source::Slice(x) => x.len(),
            Source::Halves { len, .. } => len,
        }
    }

    fn part(self, at: usize, len: usize) -> Source<'a, A> {
        match self {
            Source::Slice(x) => Source::Slice(&x[at..at + len]),
            Source::Halves { widen, first, .. } => Source::Halves { widen, first: first + at, len },
        }
    }

    /// A run, which may be in `wide`.
    fn run<'s>(self, at: usize, len: usize, wide: &'s mut Vec<A>, blank: A) -> &'s [A]
    where
        'a: 's,
    {
        match self {
            Source::Slice(x) => &x[at..at + len],
            Source::Halves { widen, first, .. } => {
                memory::resize(wide, len, blank);
                widen(first + at, wide);
                wide
            }
        }
    }
}

fn reduce<F: Fold>(x: Source<'_, F::T>, shape: &[usize], axes: &[usize], out: &mut [F::T]) {
    let groups = merge_axes(shape, axes);
    let results: usize = groups.iter().filter(|g| !g.reduced).map(|g| g.size).product();
    assert_eq!(x.len(), shape.iter().product::<usize>(), "array and shape differ in size");
    assert_eq!(out.len(), results, "results and shape differ in size");
    if x.len() == 0 {
        return out.fill(F::IDENTITY);
    }
    // A reduction along the outermost axis to few results is cut into pieces, whose results are combined pairwise at the end.
    let pieces = match groups.first() {
        Some(first) if first.reduced && results < MANY_RESULTS => {
            MAX_PIECES.min(first.size).min(x.len() >> PIECE_BITS).min(x.len() / (8 * results))
        }
        _ => 1,
    };
    if pieces < 2 {
        return fold_axes::<F>(x, groups, out);
    }
    let rows = groups[0].size.div_ceil(pieces);
    let row = x.len() / groups[0].size;
    let pieces = groups[0].size.div_ceil(rows);
    let mut partial = Scratch::empty();
    memory::resize(&mut partial, pieces * results, F::IDENTITY);
    threads::split(&mut partial, results, rows * row, |first, partial| {
        for (i, partial) in partial.chunks_exact_mut(results).enumerate() {
            let begin = (first + i) * rows;
            let end = (begin + rows).min(groups[0].size);
            let mut groups = groups.clone();
            groups[0].size = end - begin;
            fold_axes::<F>(x.part(begin * row, (end - begin) * row), groups, partial);
        }
    });
    runs::combine_pairwise::<F>(&mut partial, results);
    out.copy_from_slice(&partial[..results]);
}

/// Folds the reduced groups of a non-empty array; each of `out` is made in one go.
fn fold_axes<F: Fold>(x: Source<'_, F::T>, groups: AxisGroups, out: &mut [F::T]) {
    let mut traversal = Traversal::new(&groups);
    let work = x.len() / out.len();
    let width = traversal.run;
    // Three ways, by what is contiguous: runs that are reduced, narrow rows that are adjacent, and rows in tiles of columns.
    if traversal.run_reduced {
        let runs = traversal.reduced.count();
        if runs == 1 {
            return threads::split(out, 1, work, |first, out| {
                let mut wide = Scratch::empty();
                for (i, out) in out.iter_mut().enumerate() {
                    *out = runs::fold_run::<F>(x.run((first + i) * width, width, &mut wide, F::IDENTITY));
                }
            });
        }
        return threads::split(out, 1, work, |first, out| {
            let wide = RefCell::new(Scratch::empty());
            for (i, out) in out.iter_mut().enumerate() {
                let base = traversal.kept.offset(first + i);
                let run = |i| {
                    let at = base + traversal.reduced.offset(i);
                    runs::fold_run::<F>(x.run(at, width, &mut wide.borrow_mut(), F::IDENTITY))
                };
                *out = runs::pairwise(0, runs, 8, &run, &F::combine);
            }
        });
    }
    let Source::Slice(x) = x else { unreachable!("halves are read in runs") };
    if width < runs::NARROW
        && let Some(rows) = traversal.take_adjacent_rows()
    {
        let slabs = traversal.reduced.count();
        return threads::split(out, width, work * width, |first, out| {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let base = traversal.kept.offset(first + i);
                let slab = |i| {
                    let x = &x[base + traversal.reduced.offset(i)..][..rows * width];
                    runs::fold_narrow_rows::<F>(x, width)
                };
                let combine = |mut acc: [F::T; runs::NARROW], other: [F::T; runs::NARROW]| {
                    runs::combine_rows::<F>(&mut acc, &other);
                    acc
                };
                let acc = runs::pairwise(0, slabs, 1, &slab, &combine);
                out.copy_from_slice(&acc[..width]);
            }
        });
    }
    let rows = traversal.reduced.count();
    // A piece of the output may begin and end inside of a row: tiles end at rows and at the piece.
    threads::split(out, 1, work, |first, out| {
        // Not in the results themselves, whose addresses may differ from those of rows by a multiple of 4 KiB.
        let mut acc = [F::IDENTITY; TILE];
        let mut done = 0;
        while done < out.len() {
            let column = (first + done) % width;
            let tile = TILE.min(width - column).min(out.len() - done);
            let base = traversal.kept.offset((first + done) / width) + column;
            runs::fold_rows::<F>(x, 0, rows, &|i| base + traversal.reduced.offset(i), &mut acc[..tile]);
            out[done..done + tile].copy_from_slice(&acc[..tile]);
            done += tile;
        }
    });
}

#[cfg(test)]
mod tests;
