//! Micro-kernels of depthwise convolutions: every channel by itself, channels along the lanes.
//!
//! Windows of a row that meet the same taps are one job: sums of a few windows and channels stay in registers over all taps, as in
//! E. Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD architectures" (SC 2018), where the
//! blocking is over windows alone, as no input is used for more than one output channel.

use super::vector::Vector;

/// A row of windows, evenly spaced, and the taps that all of them meet.
#[derive(Debug)]
pub struct DepthwiseRow<'a, T> {
    /// Of each tap: the input of the first window, and a weight for each channel.
    pub taps: &'a [(*const T, *const T)],
    pub windows: usize,
    pub channels: usize,
    /// Elements between the inputs of neighbouring windows.
    pub input_step: usize,
    /// Outputs of the first window, and elements between those of neighbours.
    pub out: *mut T,
    pub out_step: usize,
}

/// The same windows for the gradient with respect to the weights.
#[derive(Debug)]
pub struct DepthwiseGradient<'a, T> {
    /// Of each tap: the input of the first window, and the sums of each channel, which are added to.
    pub taps: &'a [(*const T, *mut T)],
    pub windows: usize,
    pub channels: usize,
    /// Elements between the inputs of neighbouring windows.
    pub input_step: usize,
    /// Gradients of the outputs of the first window, and elements between those of neighbours.
    pub gradient: *const T,
    pub gradient_step: usize,
}

/// Writes the outputs of a row, tiles of `M` windows and `N` vectors of channels at a time.
///
/// # Safety
/// All that is described is readable or writable; and as [`Vector`].
#[inline(always)]
pub(super) unsafe fn depthwise_row<V: Vector, const M: usize, const N: usize>(
    job: &DepthwiseRow<'_, V::Scalar>,
) {
    let mut channel = 0;
    // SAFETY: the caller's promise, for some channels each.
    unsafe {
        while channel + N * V::LANES <= job.channels {
            row_of_channels::<V, M, N>(job, channel, V::LANES);
            channel += N * V::LANES;
        }
        while channel < job.channels {
            row_of_channels::<V, M, 1>(job, channel, V::LANES.min(job.channels - channel));
            channel += V::LANES;
        }
    }
}

/// # Safety
/// As [`depthwise_row`], for `N` vectors from `channel` on, or the first `lanes` of one.
#[inline(always)]
unsafe fn row_of_channels<V: Vector, const M: usize, const N: usize>(
    job: &DepthwiseRow<'_, V::Scalar>,
    channel: usize,
    lanes: usize,
) {
    let mut window = 0;
    // SAFETY: the caller's promise, for some windows each.
    unsafe {
        while window + M <= job.windows {
            row_tile::<V, M, N>(job, (window, channel), lanes);
            window += M;
        }
        while window < job.windows {
            row_tile::<V, 1, N>(job, (window, channel), lanes);
            window += 1;
        }
    }
}

/// # Safety
/// As [`row_of_channels`], for `M` windows.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
unsafe fn row_tile<V: Vector, const M: usize, const N: usize>(
    job: &DepthwiseRow<'_, V::Scalar>,
    (window, channel): (usize, usize),
    lanes: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(std::mem::zeroed()); N]; M];
        for &(input, weights) in job.taps {
            let input = input.add(window * job.input_step + channel);
            let mut w = [sums[0][0]; N];
            for v in 0..N {
                w[v] = load(weights.add(channel + v * V::LANES), lanes);
            }
            for i in 0..M {
                for v in 0..N {
                    let x: V = load(input.add(i * job.input_step + v * V::LANES), lanes);
                    sums[i][v] = x.mul_add(w[v], sums[i][v]);
                }
            }
        }
        for i in 0..M {
            for v in 0..N {
                let to = job.out.add((window + i) * job.out_step + channel + v * V::LANES);
                store(sums[i][v], to, lanes);
            }
        }
    }
}

/// Adds what a row contributes to the sums of its taps, up to `M` taps and then up to `N` at a time.
///
/// # Safety
/// As [`depthwise_row`]; the sums of different taps do not overlap.
#[inline(always)]
pub(super) unsafe fn depthwise_gradient<V: Vector, const M: usize, const N: usize>(
    job: &DepthwiseGradient<'_, V::Scalar>,
) {
    for channel in (0..job.channels).step_by(V::LANES) {
        let lanes = V::LANES.min(job.channels - channel);
        let mut tap = 0;
        // SAFETY: the caller's promise, for some channels and taps each.
        unsafe {
            while tap + M <= job.taps.len() {
                gradient_tile::<V, M>(job, (tap, channel), lanes);
                tap += M;
            }
            while tap + N <= job.taps.len() {
                gradient_tile::<V, N>(job, (tap, channel), lanes);
                tap += N;
            }
            while tap < job.taps.len() {
                gradient_tile::<V, 1>(job, (tap, channel), lanes);
                tap += 1;
            }
        }
    }
}

/// # Safety
/// As [`depthwise_gradient`], for `M` taps from `tap` on, and the first `lanes` of the vector from `channel` on.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
unsafe fn gradient_tile<V: Vector, const M: usize>(
    job: &DepthwiseGradient<'_, V::Scalar>,
    (tap, channel): (usize, usize),
    lanes: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let inputs: [*const V::Scalar; M] = std::array::from_fn(|i| job.taps[tap + i].0.add(channel));
        let mut sums: [V; M] = std::array::from_fn(|i| load(job.taps[tap + i].1.add(channel), lanes));
        for window in 0..job.windows {
            let gradient: V = load(job.gradient.add(window * job.gradient_step + channel), lanes);
            for i in 0..M {
                let x: V = load(inputs[i].add(window * job.input_step), lanes);
                sums[i] = x.mul_add(gradient, sums[i]);
            }
        }
        for i in 0..M {
            store(sums[i], job.taps[tap + i].1.add(channel), lanes);
        }
    }
}

/// A vector, or the first `lanes` of one.
///
/// # Safety
/// So many elements are readable; and as [`Vector`].
#[inline(always)]
unsafe fn load<V: Vector>(from: *const V::Scalar, lanes: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_first(from, lanes) } }
}

/// Writes a vector, or the first `lanes` of one.
///
/// # Safety
/// So many elements are writable; and as [`Vector`].
#[inline(always)]
unsafe fn store<V: Vector>(vector: V, to: *mut V::Scalar, lanes: usize) {
    // SAFETY: the caller's promise; a vector has no more elements than the buffer.
    unsafe {
        if lanes == V::LANES {
            return vector.store(to);
        }
        let mut all = [std::mem::zeroed(); MOST_LANES];
        vector.store(all.as_mut_ptr());
        std::ptr::copy_nonoverlapping(all.as_ptr(), to, lanes);
    }
}

/// Elements of the widest vector.
const MOST_LANES: usize = 16;
