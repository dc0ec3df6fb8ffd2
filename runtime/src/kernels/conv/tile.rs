//! Inner loops that keep their sums in registers, for each instruction set.

use super::vector::{Vector, fetch};

/// A few windows times a few vectors of output channels, summed over all taps and input channels.
pub(in super::super) struct Forward<'a, T> {
    /// Where each window is; a tap of it is `taps[t]` elements behind, `cin` of them.
    pub windows: &'a [*const T],
    pub taps: &'a [usize],
    pub cin: usize,
    /// A row for each tap and channel, `row` elements apart.
    pub weights: *const T,
    pub row: usize,
    /// Where the channels of each window go, or what they are added to.
    pub out: &'a [*mut T],
    pub add: bool,
}

/// # Safety
/// All that is described is readable or writable, for `M` windows and `N` vectors; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn forward<V: Vector, const M: usize, const N: usize>(job: &Forward<'_, V::Scalar>) {
    let windows: &[*const V::Scalar; M] = job.windows.try_into().expect("a pointer per window");
    let out: &[*mut V::Scalar; M] = job.out.try_into().expect("an output per window");
    let (mut weights, cin, row) = (job.weights, job.cin, job.row);
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(std::mem::zeroed());
        let mut sums = [[zero; N]; M];
        // What is added to is not in the first cache, but will be by the time that it is needed.
        if job.add {
            for i in 0..M {
                for v in 0..N {
                    fetch(out[i].add(v * V::LANES));
                }
            }
        }
        for &tap in job.taps {
            let mut at = tap;
            let end = tap + cin;
            // Two channels at a time: there are fewer registers than pointers, and each is loaded once for both.
            while at + 2 <= end {
                let mut w = [[zero; N]; 2];
                for u in 0..2 {
                    for v in 0..N {
                        w[u][v] = V::load(weights.add(u * row + v * V::LANES));
                    }
                }
                for i in 0..M {
                    for u in 0..2 {
                        let x = V::splat(*windows[i].add(at + u));
                        for v in 0..N {
                            sums[i][v] = x.times_plus(w[u][v], sums[i][v]);
                        }
                    }
                }
                weights = weights.add(2 * row);
                at += 2;
            }
            if at < end {
                let mut w = [zero; N];
                for v in 0..N {
                    w[v] = V::load(weights.add(v * V::LANES));
                }
                for i in 0..M {
                    let x = V::splat(*windows[i].add(at));
                    for v in 0..N {
                        sums[i][v] = x.times_plus(w[v], sums[i][v]);
                    }
                }
                weights = weights.add(row);
            }
        }
        for i in 0..M {
            for v in 0..N {
                let to = out[i].add(v * V::LANES);
                if job.add {
                    sums[i][v] = V::load(to).plus(sums[i][v]);
                }
                sums[i][v].store(to);
            }
        }
    }
}

/// A few windows times a few output channels, each a dot product over all taps and input channels.
pub(in super::super) struct Dots<'a, T> {
    pub windows: &'a [*const T],
    pub taps: &'a [usize],
    pub cin: usize,
    /// By tap, output channel and input channel, with zeros up to whole vectors of input channels.
    pub weights: *const T,
    pub out: &'a [*mut T],
}

/// # Safety
/// All that is described is readable or writable, for `M` windows and `N` output channels; and as [`Vector`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
pub(super) unsafe fn dots<V: Vector, const M: usize, const N: usize>(job: &Dots<'_, V::Scalar>) {
    let windows: &[*const V::Scalar; M] = job.windows.try_into().expect("a pointer per window");
    let out: &[*mut V::Scalar; M] = job.out.try_into().expect("an output per window");
    let cin = job.cin;
    let padded = cin.next_multiple_of(V::LANES);
    let mut weights = job.weights;
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(std::mem::zeroed());
        let mut sums = [[zero; N]; M];
        for &tap in job.taps {
            let mut c = 0;
            while c < cin {
                let mut w = [zero; N];
                for v in 0..N {
                    w[v] = V::load(weights.add(v * padded + c));
                }
                for i in 0..M {
                    let from = windows[i].add(tap + c);
                    let x = if c + V::LANES <= cin { V::load(from) } else { V::load_first(from, cin - c) };
                    for v in 0..N {
                        sums[i][v] = x.times_plus(w[v], sums[i][v]);
                    }
                }
                c += V::LANES;
            }
            weights = weights.add(N * padded);
        }
        for i in 0..M {
            for v in 0..N {
                *out[i].add(v) = sums[i][v].sum();
            }
        }
    }
}

/// A few weights (a tap and an input channel each) times a few vectors of output channels, summed over windows.
pub(in super::super) struct Weights<'a, T> {
    pub frame: *const T,
    /// Where each window is in the frame.
    pub windows: &'a [usize],
    /// Where each weight's input is, from its window.
    pub places: &'a [usize],
    /// Gradients of the output, a row for each window.
    pub gradient: *const T,
    pub gradient_row: usize,
    /// A row for each weight, which is added to or written.
    pub sums: *mut T,
    pub sums_row: usize,
    pub add: bool,
}

/// # Safety
/// All that is described is readable or writable, for `M` weights and `N` vectors; and as [`Vector`].
#[inline(always)]
pub(super) unsafe fn weights<V: Vector, const M: usize, const N: usize>(job: &Weights<'_, V::Scalar>) {
    let places: &[usize; M] = job.places.try_into().expect("a place per weight");
    let from = places.map(|place| job.frame.wrapping_add(place));
    // SAFETY: the caller's promise.
    unsafe { add_up::<V, M, N>(job, |i, window| from[i].wrapping_add(window)) }
}

/// As [`weights`], for inputs that follow each other: one pointer serves all of them, so a tile may be larger.
///
/// # Safety
/// As [`weights`].
#[inline(always)]
pub(super) unsafe fn neighbours<V: Vector, const M: usize, const N: usize>(job: &Weights<'_, V::Scalar>) {
    let places: &[usize; M] = job.places.try_into().expect("a place per weight");
    let from = job.frame.wrapping_add(places[0]);
    // SAFETY: the caller's promise.
    unsafe { add_up::<V, M, N>(job, |i, window| from.wrapping_add(window).wrapping_add(i)) }
}

/// # Safety
/// As [`weights`]; `input(i, window)` points to the input of weight `i` of a window.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
unsafe fn add_up<V: Vector, const M: usize, const N: usize>(
    job: &Weights<'_, V::Scalar>,
    input: impl Fn(usize, usize) -> *const V::Scalar,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(std::mem::zeroed()); N]; M];
        let at = |i: usize, v: usize| job.sums.add(i * job.sums_row + v * V::LANES);
        if job.add {
            for i in 0..M {
                for v in 0..N {
                    fetch(at(i, v));
                }
            }
        }
        let mut gradient = job.gradient;
        for &window in job.windows {
            let mut g = [sums[0][0]; N];
            for v in 0..N {
                g[v] = V::load(gradient.add(v * V::LANES));
            }
            for i in 0..M {
                let x = V::splat(*input(i, window));
                for v in 0..N {
                    sums[i][v] = x.times_plus(g[v], sums[i][v]);
                }
            }
            gradient = gradient.wrapping_add(job.gradient_row);
        }
        for i in 0..M {
            for v in 0..N {
                if job.add {
                    sums[i][v] = V::load(at(i, v)).plus(sums[i][v]);
                }
                sums[i][v].store(at(i, v));
            }
        }
    }
}
