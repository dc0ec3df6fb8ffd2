//! Outer-product micro-kernels: a tile of sums in registers, to which each step of the sum adds a column times a row.
//!
//! Two of them, which differ in what a step is: a tap and an input channel of a convolution (or a row of the right matrix of a
//! product), or a window of a gradient with respect to weights.

use super::vector::Vector;
use crate::simd;

/// A few rows times a panel of a few vectors. The rows are found through pointers, each as segments at the same offsets: a row
/// of a matrix is one segment; the window of a convolution is a segment of input channels for each tap, which is not copied to
/// a matrix of patches first, as in M. Dukhan, "The indirect convolution algorithm" (2019).
pub struct OuterProduct<'a, T> {
    pub rows: &'a [*const T],
    /// Where the segments of a row start, and how long each is.
    pub segments: &'a [usize],
    pub length: usize,
    /// A row for each element of each segment, `panel_row` elements apart.
    pub panel: *const T,
    pub panel_row: usize,
    /// Where the sums of each row go, or what they are added to.
    pub out: &'a [*mut T],
    pub accumulate: bool,
    pub ahead: Ahead<T>,
}

/// Weights that will be wanted soon, and are asked for while others are multiplied: one row for each row of the panel, so that memory
/// and arithmetic go on side by side. No hardware prefetcher expects rows that are far from each other.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<T> {
    pub start: *const T,
    /// Distance between its rows; 0 asks for nothing.
    pub row: usize,
    /// Vectors of each row that are asked for.
    pub vectors: usize,
}

impl<T> Ahead<T> {
    /// Asks for nothing.
    pub const NOTHING: Ahead<T> = Ahead { start: std::ptr::null(), row: 0, vectors: 0 };

    /// So many vectors of rows that are evenly spaced.
    pub fn rows(start: *const T, row: usize, vectors: usize) -> Ahead<T> {
        Ahead { start, row, vectors }
    }

    /// The part of one of several tiles that are multiplied with a panel, for vectors of so many elements: memory gives what is asked
    /// for at an even pace.
    #[must_use]
    pub fn share(&self, tile: usize, tiles: usize, lanes: usize) -> Ahead<T> {
        let (first, end) = (tile * self.vectors / tiles, (tile + 1) * self.vectors / tiles);
        if first == end {
            return Ahead::NOTHING;
        }
        Ahead { start: self.start.wrapping_add(first * lanes), vectors: end - first, ..*self }
    }
}

/// # Safety
/// All that is described is readable or writable, for `M` rows and `N` vectors; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn outer_product<V: Vector, const M: usize, const N: usize>(
    job: &OuterProduct<'_, V::Scalar>,
) {
    let rows: &[*const V::Scalar; M] = job.rows.try_into().expect("a pointer per row");
    let out: &[*mut V::Scalar; M] = job.out.try_into().expect("an output per row");
    let (mut panel, length, panel_row) = (job.panel, job.length, job.panel_row);
    let mut ahead = job.ahead.start;
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(std::mem::zeroed());
        let mut sums = [[zero; N]; M];
        // What is added to is not in L1, but will be by the time that it is needed.
        if job.accumulate {
            for i in 0..M {
                for v in 0..N {
                    simd::prefetch_l2(out[i].add(v * V::LANES));
                }
            }
        }
        for &segment in job.segments {
            let mut at = segment;
            let end = segment + length;
            // Two elements at a time: there are fewer registers than pointers, and each is loaded once for both.
            while at + 2 <= end {
                if job.ahead.row != 0 {
                    for u in 0..2 {
                        for v in 0..N.min(job.ahead.vectors) {
                            simd::prefetch_l2(ahead.wrapping_add(u * job.ahead.row + v * V::LANES));
                        }
                    }
                    ahead = ahead.wrapping_add(2 * job.ahead.row);
                }
                let mut w = [[zero; N]; 2];
                for u in 0..2 {
                    for v in 0..N {
                        w[u][v] = V::load(panel.add(u * panel_row + v * V::LANES));
                    }
                }
                for i in 0..M {
                    for u in 0..2 {
                        let x = V::splat(*rows[i].add(at + u));
                        for v in 0..N {
                            sums[i][v] = x.mul_add(w[u][v], sums[i][v]);
                        }
                    }
                }
                panel = panel.add(2 * panel_row);
                at += 2;
            }
            if at < end {
                let mut w = [zero; N];
                for v in 0..N {
                    w[v] = V::load(panel.add(v * V::LANES));
                }
                for i in 0..M {
                    let x = V::splat(*rows[i].add(at));
                    for v in 0..N {
                        sums[i][v] = x.mul_add(w[v], sums[i][v]);
                    }
                }
                panel = panel.add(panel_row);
                ahead = ahead.wrapping_add(job.ahead.row);
            }
        }
        for i in 0..M {
            for v in 0..N {
                let to = out[i].add(v * V::LANES);
                if job.accumulate {
                    sums[i][v] = V::load(to).add(sums[i][v]);
                }
                sums[i][v].store(to);
            }
        }
    }
}

/// A few weights (a tap and an input channel each) times a few vectors of output channels, summed over windows.
pub struct WeightGradient<'a, T> {
    pub input: *const T,
    /// Where each window starts in the input.
    pub windows: &'a [usize],
    /// Where the input of each weight is, from the start of a window.
    pub offsets: &'a [usize],
    /// Gradients of the output, a row for each window.
    pub gradient: *const T,
    pub gradient_row: usize,
    /// A row for each weight, which is added to or written.
    pub sums: *mut T,
    pub sums_row: usize,
    pub accumulate: bool,
}

/// # Safety
/// All that is described is readable or writable, for `M` weights and `N` vectors; and as [`Vector`].
#[inline(always)]
pub(super) unsafe fn weight_gradient<V: Vector, const M: usize, const N: usize>(
    job: &WeightGradient<'_, V::Scalar>,
) {
    let offsets: &[usize; M] = job.offsets.try_into().expect("an offset per weight");
    let from = offsets.map(|offset| job.input.wrapping_add(offset));
    // SAFETY: the caller's promise.
    unsafe { sum_over_windows::<V, M, N>(job, |i, window| from[i].wrapping_add(window)) }
}

/// As [`weight_gradient`], for weights with adjacent inputs: one pointer serves all of them, so a tile may have more rows.
///
/// # Safety
/// As [`weight_gradient`].
#[inline(always)]
pub(super) unsafe fn adjacent_weight_gradient<V: Vector, const M: usize, const N: usize>(
    job: &WeightGradient<'_, V::Scalar>,
) {
    let offsets: &[usize; M] = job.offsets.try_into().expect("an offset per weight");
    let from = job.input.wrapping_add(offsets[0]);
    // SAFETY: the caller's promise.
    unsafe { sum_over_windows::<V, M, N>(job, |i, window| from.wrapping_add(window).wrapping_add(i)) }
}

/// # Safety
/// As [`weight_gradient`]; `input(i, window)` points to the input of weight `i` of a window.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
unsafe fn sum_over_windows<V: Vector, const M: usize, const N: usize>(
    job: &WeightGradient<'_, V::Scalar>,
    input: impl Fn(usize, usize) -> *const V::Scalar,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(std::mem::zeroed()); N]; M];
        let at = |i: usize, v: usize| job.sums.add(i * job.sums_row + v * V::LANES);
        if job.accumulate {
            for i in 0..M {
                for v in 0..N {
                    simd::prefetch_l2(at(i, v));
                }
            }
        }
        // Each window adds the outer product of its inputs and its gradients.
        let mut gradient = job.gradient;
        for &window in job.windows {
            let mut g = [sums[0][0]; N];
            for v in 0..N {
                g[v] = V::load(gradient.add(v * V::LANES));
            }
            for i in 0..M {
                let x = V::splat(*input(i, window));
                for v in 0..N {
                    sums[i][v] = x.mul_add(g[v], sums[i][v]);
                }
            }
            gradient = gradient.wrapping_add(job.gradient_row);
        }
        for i in 0..M {
            for v in 0..N {
                if job.accumulate {
                    sums[i][v] = V::load(at(i, v)).add(sums[i][v]);
                }
                sums[i][v].store(at(i, v));
            }
        }
    }
}
