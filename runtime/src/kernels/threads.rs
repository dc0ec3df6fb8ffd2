//! Splitting work over threads, above a threshold only.
//!
//! Every output element is computed by one thread in a fixed order, so results do not depend on how many threads there
//! are. Handing work to another thread costs about 20 µs, so small work stays where it is.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Scalar operations below which a kernel stays on its own thread.
pub const THRESHOLD: usize = 1 << 18;

/// Calls `f(first_unit, units)` for pieces of `out` that are whole numbers of `unit` elements.
///
/// `work` is the rough cost of one unit in scalar operations: it decides whether threads are worth it. Pieces are
/// disjoint and cover `out`; `f` must compute each unit by itself.
///
/// # Panics
/// If `unit` is zero while `out` is not empty, or does not divide its length.
pub fn split<T: Send>(out: &mut [T], unit: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    split_dyn(out, unit, work, &f);
}

// One copy for each element type, not one for each kernel.
fn split_dyn<T: Send>(out: &mut [T], unit: usize, work: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    if out.is_empty() {
        return;
    }
    assert!(unit > 0 && out.len().is_multiple_of(unit), "{} elements in units of {unit}", out.len());
    let units = out.len() / unit;
    let total = units.saturating_mul(work.max(1));
    let threads = if total < THRESHOLD { 1 } else { rayon::current_num_threads() };
    if threads == 1 || units == 1 {
        return f(0, out);
    }
    // Twice as many pieces as threads evens out a thread that the system slows down.
    let pieces = (2 * threads).min(units).min((total / (THRESHOLD / 4)).max(2));
    let per_piece = units.div_ceil(pieces);
    chunks_dyn(out, per_piece * unit, &|i, piece| f(i * per_piece, piece));
}

/// Calls `f` with the number of each chunk of `size` elements, the last one maybe shorter, and the chunk, on all threads.
///
/// # Panics
/// If `size` is zero.
pub fn chunks<T: Send>(out: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    chunks_dyn(out, size, &f);
}

fn chunks_dyn<T: Send>(out: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let chunks: Vec<Mutex<&mut [T]>> = out.chunks_mut(size).map(Mutex::new).collect();
    parallel(chunks.len(), &|i| f(i, &mut chunks[i].lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Calls `f` with each number below `count`, on any thread, in any order.
// Not generic: every closure given to a parallel iterator costs about a hundred functions of compile time.
pub fn parallel(count: usize, f: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(f);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_visited_once_with_its_index() {
        for (units, unit, work) in [(1, 7, 1), (5, 3, 1), (1000, 3, 10_000), (3, 1, 1 << 20), (0, 1, 1)] {
            let mut out = vec![0usize; units * unit];
            split(&mut out, unit, work, |first, piece| {
                for (i, row) in piece.chunks_mut(unit).enumerate() {
                    for x in row.iter_mut() {
                        *x += first + i + 1;
                    }
                }
            });
            assert!(out.iter().enumerate().all(|(i, &x)| x == i / unit + 1));
        }
    }
}
