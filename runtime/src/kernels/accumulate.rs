//! Sums of many rows at positions: `x[i[n], ..] += u[n, ..]` for positions along the first axis.
//!
//! Two ways, of which sizes choose one, and never the number of threads, so that results do not depend on it:
//! - Where updates are many for each row of the result, they are cut into parts, each of which is summed by itself, and these sums
//!   are added in order. Every update is read once.
//! - Elsewhere updates are added in order: by one thread, or if rows are long, by several, each of which owns a part of the
//!   result, reads all positions, and adds what is its own.

use super::scratch::Scratch;
use super::simd::{self, SimdKernel};
use super::threads;
use crate::scalar::number::Number;

/// How many updates each part has for each row of the result, at least: the rows of all parts are few beside them.
const MANY: usize = 16;

/// Parts of the updates, at most.
const PARTS: usize = 16;

/// Elements of rows that take longer to add than positions take to look through.
const LONG: usize = 16;

/// Elements of rows that are asked for before they are added to: rows of fewer are read sooner than asked for.
const NEAR: usize = 8;

/// How many rows before.
const LATER: usize = 12;

/// Bytes of updates between those that are asked for and those that are added: within a page, where processors stop.
const COMING: usize = 2048;

/// Bytes of results that stay in the cache of a core anyway.
const CACHED: usize = 1 << 20;

/// Positions that are looked at before what is owned of them is added.
const AHEAD: usize = 512;

/// How positions along an axis are read.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Its size, which is not 0.
    pub size: i32,
    /// Negative positions count from the end.
    pub wrap: bool,
    /// Positions outside are moved inside; or else left out.
    pub clip: bool,
}

impl Axis {
    /// The position that an integer means; none below 0 or beyond the size is one.
    #[inline(always)]
    fn position(self, i: i32) -> i32 {
        let at = if self.wrap { i.wrapping_add(self.size & (i >> 31)) } else { i };
        if self.clip { at.clamp(0, self.size - 1) } else { at }
    }
}

/// Adds row `n` of `updates`, of `row` elements each, to the row of `out` at position `positions[n]`.
///
/// # Panics
/// If `out` is not `axis.size` rows, or there is not a row of updates for each position.
pub fn add_rows<T: Number>(row: usize, positions: &[i32], axis: Axis, updates: &[T], out: &mut [T]) {
    assert_eq!(out.len(), axis.size as usize * row, "rows of the result");
    assert_eq!(updates.len(), positions.len() * row, "rows of updates");
    if row == 0 {
        return;
    }
    let (count, rows) = (positions.len(), axis.size as usize);
    let parts = (count / (MANY * rows)).min(PARTS);
    if parts > 1 && updates.len() >= threads::THRESHOLD {
        return add_parts(row, parts, positions, axis, updates, out);
    }
    let pieces = if row >= LONG && updates.len() >= threads::THRESHOLD { threads::count() } else { 1 };
    if pieces == 1 {
        return add_all(row, positions, axis, updates, out);
    }
    let rows = rows.div_ceil(pieces);
    threads::chunks(out, rows * row, |piece, out| {
        simd::run(Owned { row, positions, axis, updates, first: piece * rows, out });
    });
}

/// Adds the sums of each of so many parts of the updates.
fn add_parts<T: Number>(
    row: usize,
    parts: usize,
    positions: &[i32],
    axis: Axis,
    updates: &[T],
    out: &mut [T],
) {
    let (count, size) = (positions.len(), out.len());
    let mut sums: Scratch<T> = Scratch::new();
    sums.resize(parts * size, T::ZERO);
    threads::chunks(&mut sums, size, |part, sums| {
        // What leaves a number as it is when added, zeros of both signs among them.
        sums.fill(T::from_f64(-0.0));
        let (from, to) = (count * part / parts, count * (part + 1) / parts);
        add_all(row, &positions[from..to], axis, &updates[from * row..to * row], sums);
    });
    threads::split(out, 1, parts, |first, piece| {
        for part in sums.chunks_exact(size) {
            piece.iter_mut().zip(&part[first..]).for_each(|(out, &sum)| *out = out.add(sum));
        }
    });
}

/// Adds all rows in order.
fn add_all<T: Number>(row: usize, positions: &[i32], axis: Axis, updates: &[T], out: &mut [T]) {
    let all = All { row, positions, axis, updates, out };
    match row {
        // Nothing of a vector.
        1 => all.short::<1>(),
        _ => simd::run(all),
    }
}

/// See [`add_all`].
struct All<'a, T> {
    row: usize,
    positions: &'a [i32],
    axis: Axis,
    updates: &'a [T],
    out: &'a mut [T],
}

impl<T: Number> SimdKernel for All<'_, T> {
    type Output = ();
    const VECTORS: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        // Rows of a known size are a few instructions, without loops and without checks of each element.
        match self.row {
            2 => self.short::<2>(),
            3 => self.short::<3>(),
            4 => self.short::<4>(),
            8 => self.short::<8>(),
            16 => self.short::<16>(),
            row => {
                let All { positions, axis, updates, out, .. } = self;
                for (n, (updates, &i)) in updates.chunks_exact(row).zip(positions).enumerate() {
                    fetch(row, positions, axis, n, out.as_ptr());
                    let at = axis.position(i) as u32 as usize;
                    if at < axis.size as usize {
                        add_row(&mut out[at * row..][..row], updates);
                    }
                }
            }
        }
    }
}

impl<T: Number> All<'_, T> {
    /// Rows of `ROW` elements.
    #[inline(always)]
    fn short<const ROW: usize>(self) {
        let All { positions, axis, updates, out, .. } = self;
        let is_far = size_of_val(out) > CACHED;
        let start: *const T = out.as_ptr();
        let (out, updates) = (out.as_chunks_mut::<ROW>().0, updates.as_chunks::<ROW>().0);
        for (n, (&i, updates)) in positions.iter().zip(updates).enumerate() {
            if ROW >= NEAR {
                simd::prefetch(updates.as_ptr().cast::<u8>().wrapping_add(COMING));
                if is_far {
                    fetch(ROW, positions, axis, n, start);
                }
            }
            // Below 0 is beyond all, too.
            if let Some(out) = out.get_mut(axis.position(i) as u32 as usize) {
                add_array(out, updates);
            }
        }
    }
}

/// Asks for the row that is added to after some others.
#[inline(always)]
fn fetch<T>(row: usize, positions: &[i32], axis: Axis, n: usize, start: *const T) {
    if let Some(&i) = positions.get(n + LATER) {
        // Any address may be asked for.
        simd::prefetch(start.wrapping_add(axis.position(i) as u32 as usize * row));
    }
}

/// By value, as the compiler does not see that the two are different memory.
#[inline(always)]
fn add_array<T: Number, const N: usize>(out: &mut [T; N], updates: &[T; N]) {
    let (mut x, y) = (*out, *updates);
    for k in 0..N {
        x[k] = x[k].add(y[k]);
    }
    *out = x;
}

#[inline(always)]
fn add_row<T: Number>(out: &mut [T], updates: &[T]) {
    let ((out, rest), (updates, more)) = (out.as_chunks_mut::<LONG>(), updates.as_chunks::<LONG>());
    for (out, updates) in out.iter_mut().zip(updates) {
        add_array(out, updates);
    }
    let ((out, rest), (updates, more)) = (rest.as_chunks_mut::<4>(), more.as_chunks::<4>());
    for (out, updates) in out.iter_mut().zip(updates) {
        add_array(out, updates);
    }
    for (out, &update) in rest.iter_mut().zip(more) {
        *out = out.add(update);
    }
}

/// Adds what belongs to the rows of `out`, the first of which is row `first` of the result.
///
/// It is picked without branches, which nobody could foretell.
struct Owned<'a, T> {
    row: usize,
    positions: &'a [i32],
    axis: Axis,
    updates: &'a [T],
    first: usize,
    out: &'a mut [T],
}

impl<T: Number> SimdKernel for Owned<'_, T> {
    type Output = ();
    const VECTORS: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        let Owned { row, positions, axis, updates, first, out } = self;
        let (first, owned) = (first as u32, (out.len() / row) as u32);
        let mut found = [(0u32, 0u32); AHEAD];
        for (positions, updates) in positions.chunks(AHEAD).zip(updates.chunks(AHEAD * row)) {
            let mut count = 0;
            for (n, &i) in positions.iter().enumerate() {
                let at = (axis.position(i) as u32).wrapping_sub(first);
                // `count` is at most `n`.
                found[count % AHEAD] = (n as u32, at);
                count += usize::from(at < owned);
            }
            for (k, &(n, at)) in found[..count].iter().enumerate() {
                // What is beyond the last one is of earlier rows, and asked for in vain.
                let (later, there) = found[(k + LATER) % AHEAD];
                simd::prefetch(updates.as_ptr().wrapping_add(later as usize * row));
                simd::prefetch(out.as_ptr().wrapping_add(there as usize * row));
                add_row(&mut out[at as usize * row..][..row], &updates[n as usize * row..][..row]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(row: usize, positions: &[i32], axis: Axis, updates: &[u32], out: &mut [u32]) {
        for (n, &i) in positions.iter().enumerate() {
            let at = if axis.wrap && i < 0 { i64::from(i) + i64::from(axis.size) } else { i.into() };
            let at = if axis.clip { at.clamp(0, i64::from(axis.size) - 1) } else { at };
            if (0..i64::from(axis.size)).contains(&at) {
                let at = at as usize * row;
                (0..row).for_each(|j| {
                    out[at + j] = out[at + j].wrapping_mul(1).wrapping_add(updates[n * row + j]);
                });
            }
        }
    }

    #[test]
    fn rows_are_added_where_positions_say() {
        for (size, count, row) in [
            (5, 40, 3),
            (300, 9001, 1),
            (9, 2000, 8),
            (7, 0, 2),
            (4000, 90_000, 4),
            (31, 40_000, 8),
            (700, 9000, 33),
        ] {
            for (wrap, clip) in [(true, false), (false, false), (true, true), (false, true)] {
                let axis = Axis { size, wrap, clip };
                // From before the first to behind the last.
                let positions: Vec<i32> = (0..count)
                    .map(|n| (n * 7919 % (3 * i64::from(size)) - i64::from(size) - 2) as i32)
                    .collect();
                let updates: Vec<u32> = (0..count as usize * row).map(|n| n as u32).collect();
                let mut out: Vec<u32> = (0..size as usize * row).map(|n| n as u32 * 3).collect();
                let mut slow = out.clone();
                add_rows(row, &positions, axis, &updates, &mut out);
                expected(row, &positions, axis, &updates, &mut slow);
                assert!(out == slow, "{size} {count} {row} {axis:?}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        let before = threads::count();
        for (size, count, row) in [(40, 40_000, 8), (100_000, 300_000, 1), (5000, 30_000, 16)] {
            let positions: Vec<i32> =
                (0..count).map(|n: i32| n.wrapping_mul(7919).rem_euclid(size)).collect();
            let updates: Vec<f32> = (0..count as usize * row).map(|n| 1.0 / (n + 1) as f32).collect();
            let run = |threads: usize| {
                threads::set_count(threads);
                let mut out = vec![0.1f32; size as usize * row];
                add_rows(row, &positions, Axis { size, wrap: true, clip: false }, &updates, &mut out);
                out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let alone = run(1);
            assert!([2, 3, 5].iter().all(|&threads| run(threads) == alone), "{size} {count} {row}");
        }
        threads::set_count(before);
    }

    #[test]
    fn a_sum_of_nothing_keeps_the_sign_of_zero() {
        let mut out = [-0.0f32, 1.0];
        let positions = vec![1; threads::THRESHOLD];
        add_rows(
            1,
            &positions,
            Axis { size: 2, wrap: true, clip: false },
            &vec![1.0; positions.len()],
            &mut out,
        );
        assert_eq!((out[0].to_bits(), out[1]), ((-0.0f32).to_bits(), 1.0 + threads::THRESHOLD as f32));
    }
}
