//! Dot-product micro-kernels: a tile of sums in registers, each lane of which has a part of a dot product's terms.
//!
//! They are for short sides: a row and a column are both read along the sum, several of each at a time, so that what is loaded
//! is used several times. Adding up the lanes at the end costs as much as a few steps.

use super::vector::Vector;
use crate::simd;

/// A few rows in segments, as those of [`OuterProduct`](super::OuterProduct), times a few packed columns.
pub struct PackedDots<'a, T> {
    pub rows: &'a [*const T],
    pub segments: &'a [usize],
    pub length: usize,
    /// By segment, column and element, with zeros up to whole vectors.
    pub columns: *const T,
    pub out: &'a [*mut T],
}

/// # Safety
/// All that is described is readable or writable, for `M` rows and `N` columns; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn packed_dots<V: Vector, const M: usize, const N: usize>(job: &PackedDots<'_, V::Scalar>) {
    let rows: &[*const V::Scalar; M] = job.rows.try_into().expect("a pointer per row");
    let out: &[*mut V::Scalar; M] = job.out.try_into().expect("an output per row");
    let length = job.length;
    let padded = length.next_multiple_of(V::LANES);
    let mut columns = job.columns;
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(std::mem::zeroed());
        let mut sums = [[zero; N]; M];
        // Columns are padded with zeros to whole vectors; rows are not, so the last vector of a segment is loaded in part.
        for &segment in job.segments {
            let mut c = 0;
            while c < length {
                let mut w = [zero; N];
                for v in 0..N {
                    w[v] = V::load(columns.add(v * padded + c));
                }
                for i in 0..M {
                    let from = rows[i].add(segment + c);
                    let x =
                        if c + V::LANES <= length { V::load(from) } else { V::load_first(from, length - c) };
                    for v in 0..N {
                        sums[i][v] = x.mul_add(w[v], sums[i][v]);
                    }
                }
                c += V::LANES;
            }
            columns = columns.add(N * padded);
        }
        for i in 0..M {
            for v in 0..N {
                *out[i].add(v) = sums[i][v].sum();
            }
        }
    }
}

/// A few rows times contiguous columns as they are, one tile of columns after the other.
pub struct Dots<'a, T> {
    pub rows: &'a [*const T],
    /// The first column, and how far the next one is from it.
    pub column: *const T,
    pub pitch: isize,
    pub depth: usize,
    /// Where the products of each row go.
    pub out: &'a [*mut T],
    pub tiles: usize,
    /// How far what is asked for meanwhile is from what is multiplied; 0 if nothing is. Columns are too short for a hardware
    /// prefetcher to find out where they go on.
    pub ahead: isize,
}

/// # Safety
/// All that is described is readable or writable, for `M` rows and tiles of `N` columns; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn dots<V: Vector, const M: usize, const N: usize>(job: &Dots<'_, V::Scalar>) {
    let rows: &[*const V::Scalar; M] = job.rows.try_into().expect("a pointer per row");
    let out: &[*mut V::Scalar; M] = job.out.try_into().expect("an output per row");
    let whole = job.depth - job.depth % V::LANES;
    let left = job.depth - whole;
    for tile in 0..job.tiles {
        let first = job.column.wrapping_offset((tile * N) as isize * job.pitch);
        let columns: [*const V::Scalar; N] =
            std::array::from_fn(|v| first.wrapping_offset(v as isize * job.pitch));
        // SAFETY: the caller's promise.
        unsafe {
            let zero = V::splat(std::mem::zeroed());
            let mut sums = [[zero; N]; M];
            // A vector of each column stays in its register while the rows pass.
            let mut p = 0;
            while p < whole {
                if job.ahead != 0 {
                    for v in 0..N {
                        simd::prefetch_l2(columns[v].wrapping_offset(job.ahead).wrapping_add(p));
                    }
                }
                let mut w = [zero; N];
                for v in 0..N {
                    w[v] = V::load(columns[v].add(p));
                }
                for i in 0..M {
                    let x = V::load(rows[i].add(p));
                    for v in 0..N {
                        sums[i][v] = x.mul_add(w[v], sums[i][v]);
                    }
                }
                p += V::LANES;
            }
            if left > 0 {
                for i in 0..M {
                    let x = V::load_first(rows[i].add(p), left);
                    for v in 0..N {
                        sums[i][v] = x.mul_add(V::load_first(columns[v].add(p), left), sums[i][v]);
                    }
                }
            }
            for i in 0..M {
                V::store_sums(sums[i], out[i].add(tile * N));
            }
        }
    }
}
