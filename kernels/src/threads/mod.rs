//! Data parallelism: splits work over threads, above a threshold only.
//!
//! Every output element is computed by one thread in a fixed order, so results do not depend on how many threads there
//! are. Work is handed to threads that stay; while they spin that costs a microsecond or two, and a hundred once they sleep.
//! So less work is worth it while they are awake, which they are during a compiled function and shortly after any job.
//!
//! There are as many threads as cores, or as `FLAXEN_NUM_THREADS` says, or [`set_count`]. A kernel that is called by a part
//! of another one, or while another thread's kernel has the workers, runs on the thread that calls it.

//! A thread may have [threads of its own](with_own) for its kernels, as ranks of a program have that share one machine.

mod disjoint;
mod pool;

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

#[doc(hidden)]
pub use disjoint::DisjointSlice;
use pool::Pool;

/// What all threads share that have no pool of their own.
static POOL: Pool = Pool::new();

/// Pools that were some thread's own, and wait for the next one: their workers sleep.
static SPARE: Mutex<Vec<&'static Pool>> = Mutex::new(Vec::new());

thread_local! {
    /// The pool of this thread, if it is not the one that all share.
    static OWN: Cell<Option<&'static Pool>> = const { Cell::new(None) };
}

#[inline]
fn pool() -> &'static Pool {
    OWN.get().unwrap_or(&POOL)
}

/// Runs `f` with threads of its own for the kernels that this thread calls: so many, this one included, and one at least.
///
/// # Examples
/// ```
/// use flaxen_kernels::threads;
///
/// assert_eq!(threads::with_own(1, threads::count), 1);
/// ```
pub fn with_own<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(&'static Pool, Option<&'static Pool>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWN.set(self.1);
            SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
        }
    }
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let own = spare.unwrap_or_else(|| Box::leak(Box::new(Pool::new())));
    own.set_threads(threads.max(1));
    let _restore = Restore(own, OWN.replace(Some(own)));
    f()
}

/// Scalar operations from which on threads that sleep are worth waking.
pub const THRESHOLD: usize = 1 << 18;
/// Scalar operations from which on threads that are awake are worth their while.
const THRESHOLD_AWAKE: usize = 1 << 15;

/// Returns how many threads kernels run on, the calling one included.
#[inline]
pub fn count() -> usize {
    pool().threads()
}

/// Sets how many threads kernels run on from now on, the calling one included; 0 stands for what it was at first.
///
/// That is what the variable `FLAXEN_NUM_THREADS` says, or one for each core. There are 256 at most. Results do not depend on it.
///
/// # Examples
/// ```
/// # mod flaxen { pub use flaxen_kernels::threads::{count as num_threads, set_count as set_num_threads}; }
/// flaxen::set_num_threads(1);
/// assert_eq!(flaxen::num_threads(), 1);
/// ```
pub fn set_count(threads: usize) {
    pool().set_threads(threads);
}

/// Whether so many scalar operations are worth several threads at this moment.
#[inline]
pub fn worth(work: usize) -> bool {
    work >= THRESHOLD_AWAKE && (work >= THRESHOLD || pool().is_awake()) && count() > 1
}

/// Keeps threads from sleeping between kernels while it lives.
pub struct Awake(&'static Pool);

/// Wakes the threads, and keeps them awake for kernels that follow each other.
#[inline]
pub fn awake() -> Awake {
    let pool = pool();
    pool.keep_awake();
    Awake(pool)
}

impl Drop for Awake {
    #[inline]
    fn drop(&mut self) {
        self.0.let_sleep();
    }
}

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
    let pieces = if units > 1 { pieces(total).min(units) } else { 1 };
    if pieces == 1 {
        return f(0, out);
    }
    let per_piece = units.div_ceil(pieces);
    chunks_dyn(out, per_piece * unit, &|i, piece| f(i * per_piece, piece));
}

/// Returns into how many pieces to cut so many scalar operations: 1 if threads are not worth it.
#[doc(hidden)]
#[inline]
pub fn pieces(work: usize) -> usize {
    if !worth(work) {
        return 1;
    }
    // Twice as many pieces as threads evens out a thread that the system slows down.
    (2 * count()).min(work / (THRESHOLD_AWAKE / 2)).max(2)
}

/// Calls `f` with the number of each chunk of `size` elements, the last one maybe shorter, and the chunk, on all threads.
///
/// # Panics
/// If `size` is zero.
pub fn chunks<T: Send>(out: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    chunks_dyn(out, size, &f);
}

fn chunks_dyn<T: Send>(out: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    assert!(size > 0, "chunks of no elements");
    let (length, out) = (out.len(), DisjointSlice::new(out));
    parallel(length.div_ceil(size), &|i| {
        let first = i * size;
        // SAFETY: a part of `out` that no other index has; each index is taken once.
        f(i, unsafe { out.slice(first, size.min(length - first)) });
    });
}

/// Calls `f` with each number below `count`, on any thread, in any order.
pub fn parallel(count: usize, f: &(dyn Fn(usize) + Sync)) {
    pool().run(count, f);
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

    #[test]
    fn threads_of_its_own_serve_one_thread_alone() {
        let shared = count();
        let sums: Vec<usize> = std::thread::scope(|scope| {
            let own = |threads| {
                move || {
                    with_own(threads, || {
                        assert_eq!(count(), threads);
                        // Also on the workers, which are of this pool.
                        let counts = Mutex::new(vec![0; 64]);
                        parallel(64, &|i| counts.lock().unwrap()[i] = count());
                        counts.into_inner().unwrap().iter().sum()
                    })
                }
            };
            let all: Vec<_> = [1, 2, 3].map(|threads| scope.spawn(own(threads))).into();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(sums, [64, 128, 192]);
        assert_eq!(count(), shared);
    }

    #[test]
    fn chunks_cover_everything_and_the_last_one_may_be_shorter() {
        for (length, size) in [(10, 3), (9, 3), (1, 5), (0, 1)] {
            let mut out = vec![0; length];
            chunks(&mut out, size, |i, chunk| chunk.fill(i + 1));
            assert!(out.iter().enumerate().all(|(at, &x)| x == at / size + 1));
        }
    }
}
