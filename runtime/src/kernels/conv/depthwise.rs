//! Depthwise convolution: every channel by itself, where a matrix product would be one column wide.

use super::super::microkernels::{DepthwiseGradient, DepthwiseRow, Microkernels};
use super::super::simd::{self, Level, SimdKernel};
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::for_each;
use super::forward::OutputPositions;
use super::patches::Patches;
use super::polyphase::PolyphasePart;
use crate::scalar::number::Number;

/// Windows that a thread takes at a time, for a thousand channels.
const BLOCK: usize = 1 << 14;

/// Whether each input channel is a group of its own, with few output channels.
pub(super) fn applies(geometry: &Geometry) -> bool {
    geometry.groups > 1 && geometry.groups == geometry.cin && geometry.cout <= 4 * geometry.cin
}

/// Windows that follow each other along the last dimension and meet the same taps.
struct Run<'a> {
    first: usize,
    count: usize,
    /// Elements between the inputs of neighbours.
    step: usize,
    /// Where the first window's patch is in the input, and which tap of the polyphase part it meets.
    taps: &'a [(usize, usize)],
}

impl Run<'_> {
    /// Where the output of the first window is, and elements between those of neighbours, for so many channels.
    fn outputs(&self, positions: &OutputPositions, cout: usize) -> (usize, usize) {
        let first = positions.of(self.first);
        let step = if self.count > 1 { positions.of(self.first + 1) - first } else { 0 };
        (first * cout, step * cout)
    }

    /// Whether all that the windows read, for so many channels, is inside of an input of so many elements.
    fn is_inside(&self, channels: usize, elements: usize) -> bool {
        let span = (self.count - 1) * self.step + channels;
        self.taps.iter().all(|(from, _)| from + span <= elements)
    }
}

/// Calls `visit` for windows `first..first + count`, as many at a time as meet the same taps.
fn visit_runs<T: Number>(
    patches: &Patches<'_, T>,
    first: usize,
    count: usize,
    mut visit: impl FnMut(&Run<'_>),
) {
    let axis = patches.last();
    // Windows from the first one with all taps inside up to this one have all of them.
    let reach = axis.origin + (axis.taps.saturating_sub(1) * axis.dilation) as isize;
    let whole_end = (axis.size as isize - reach).max(0).unsigned_abs().div_ceil(axis.stride);
    let mut taps = Vec::new();
    patches.rows(first, count, |windows, starts, q| {
        let (mut at, end) = (q, q + windows.len());
        while at < end {
            let (inside, index) = axis.inside(at);
            let next = if inside.len() == axis.taps { whole_end.clamp(at + 1, end) } else { at + 1 };
            taps.clear();
            for (outer, start) in starts.iter().enumerate() {
                let Some(start) = start else { continue };
                for (k, j) in inside.clone().enumerate() {
                    let from = start + (index + k * axis.dilation) * patches.cin;
                    taps.push((from, outer * axis.taps + j));
                }
            }
            let first = first + windows.start + at - q;
            visit(&Run { first, count: next - at, step: axis.stride * patches.cin, taps: &taps });
            at = next;
        }
    });
}

/// The kernel row of each tap of the polyphase part.
fn kernel_rows(geometry: &Geometry, part: &PolyphasePart) -> Vec<usize> {
    part.kernel_indices(&geometry.kernel).iter().map(|tap| tap * geometry.cout).collect()
}

/// The micro-kernels for a convolution with as many output channels as input channels.
fn microkernels<T: Number>(level: Level, geometry: &Geometry) -> Option<&'static Microkernels<T>> {
    Microkernels::of(level).filter(|_| geometry.cin == geometry.cout)
}

pub(super) fn forward<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    part: &PolyphasePart,
    lhs: &[T],
    rhs: &[T],
    out: &DisjointSlice<'_, T>,
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (cin, cout) = (geometry.cin, geometry.cout);
    let micro = microkernels::<T>(level, geometry);
    let patches = Patches::new(geometry, part, lhs);
    let (positions, rows) = (OutputPositions::new(geometry, part), kernel_rows(geometry, part));
    let (total, block) = (geometry.batch * part.outs(), (BLOCK / cout).max(16));
    for_each(
        total.div_ceil(block),
        total * part.taps() * cout,
        || (),
        |(), index| {
            let first = index * block;
            let count = block.min(total - first);
            let (mut pointers, mut pairs) = (Vec::new(), Vec::new());
            visit_runs(&patches, first, count, |run| {
                let (start, step) = run.outputs(&positions, cout);
                if let Some(micro) = micro {
                    assert!(run.is_inside(cin, lhs.len()));
                    pointers.clear();
                    pointers.extend(
                        run.taps
                            .iter()
                            .map(|&(from, tap)| (lhs[from..].as_ptr(), rhs[rows[tap]..][..cout].as_ptr())),
                    );
                    let job = DepthwiseRow {
                        taps: &pointers,
                        windows: run.count,
                        channels: cin,
                        input_step: run.step,
                        out: out.from(start),
                        out_step: step,
                    };
                    // SAFETY: the inputs have been checked, each tap has a weight for each channel, and windows have outputs of
                    // their own.
                    return unsafe { (micro.depthwise_row)(&job) };
                }
                for window in 0..run.count {
                    pairs.clear();
                    pairs.extend(run.taps.iter().map(|&(from, tap)| {
                        (&lhs[from + window * run.step..][..cin], &rhs[rows[tap]..][..cout])
                    }));
                    // SAFETY: windows have outputs of their own.
                    let out = unsafe { out.slice(start + window * step, cout) };
                    simd::run(Window { taps: &pairs, out });
                }
            });
            if part.whole {
                // SAFETY: as above.
                epilogue(first * cout, unsafe { out.slice(first * cout, count * cout) });
            }
        },
    );
}

/// Channels whose sums stay in registers over all taps.
const LANES: usize = 64;

/// One window: the sum over its taps of input times kernel, by channel.
struct Window<'a, T> {
    taps: &'a [(&'a [T], &'a [T])],
    out: &'a mut [T],
}

impl<T: Number> SimdKernel for Window<'_, T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        let same = self.taps.first().is_none_or(|(x, w)| x.len() == w.len());
        let mut done = 0;
        if same {
            for out in self.out.chunks_exact_mut(LANES) {
                let mut sums = [T::ZERO; LANES];
                for (x, w) in self.taps {
                    let (x, w) = (&x[done..][..LANES], &w[done..][..LANES]);
                    for c in 0..LANES {
                        sums[c] = x[c].mul_then_add(w[c], sums[c]);
                    }
                }
                out.copy_from_slice(&sums);
                done += LANES;
            }
        }
        let out = &mut self.out[done..];
        out.fill(T::ZERO);
        for (x, w) in self.taps {
            let (x, w) = (&x[done..], &w[done..]);
            add_products(x, w, out);
        }
    }
}

/// Adds `x·w` to `out`, where each element of `x` goes with one or several consecutive ones of `w` and `out`.
#[inline(always)]
fn add_products<T: Number>(x: &[T], w: &[T], out: &mut [T]) {
    if x.len() == out.len() {
        for ((y, &x), &w) in out.iter_mut().zip(x).zip(w) {
            *y = x.mul_then_add(w, *y);
        }
        return;
    }
    let each = out.len() / x.len();
    for ((out, &x), w) in out.chunks_exact_mut(each).zip(x).zip(w.chunks_exact(each)) {
        for (y, &w) in out.iter_mut().zip(w) {
            *y = x.mul_then_add(w, *y);
        }
    }
}

/// Adds the kernel gradient over windows `first..first + count` to `sums`, which has a row of `cout` for each tap of the polyphase part.
pub(super) fn add_weight_gradient<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    patches: &Patches<'_, T>,
    out_grad: &[T],
    positions: &OutputPositions,
    (first, count): (usize, usize),
    sums: &mut [T],
) {
    let (cin, cout) = (geometry.cin, geometry.cout);
    let micro = microkernels::<T>(level, geometry);
    let mut pointers = Vec::new();
    visit_runs(patches, first, count, |run| {
        let (start, step) = run.outputs(positions, cout);
        if let Some(micro) = micro {
            assert!(run.is_inside(cin, patches.input.len()));
            let gradient = out_grad[start..][..(run.count - 1) * step + cout].as_ptr();
            assert!(run.taps.iter().all(|(_, tap)| (tap + 1) * cout <= sums.len()));
            let of_taps = sums.as_mut_ptr();
            pointers.clear();
            pointers.extend(
                run.taps
                    .iter()
                    .map(|&(from, tap)| (patches.input[from..].as_ptr(), of_taps.wrapping_add(tap * cout))),
            );
            let job = DepthwiseGradient {
                taps: &pointers,
                windows: run.count,
                channels: cin,
                input_step: run.step,
                gradient,
                gradient_step: step,
            };
            // SAFETY: inputs and gradients have been checked, and each tap has sums of its own.
            return unsafe { (micro.depthwise_gradient)(&job) };
        }
        for window in 0..run.count {
            let gradient = &out_grad[start + window * step..][..cout];
            for &(from, tap) in run.taps {
                let x = &patches.input[from + window * run.step..][..cin];
                simd::run(AddProducts { x, gradient, sum: &mut sums[tap * cout..][..cout] });
            }
        }
    });
}

struct AddProducts<'a, T> {
    x: &'a [T],
    gradient: &'a [T],
    sum: &'a mut [T],
}

impl<T: Number> SimdKernel for AddProducts<'_, T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        add_products(self.x, self.gradient, self.sum);
    }
}
