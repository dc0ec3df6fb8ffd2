//! Depthwise convolution: every channel by itself, where a matrix product would be one column wide.

use super::super::simd::{self, SimdKernel};
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

/// Calls `visit(window, taps)` for windows `first..first + count`; `taps` are where each one's patch is in the input, and
/// which tap of the polyphase part it meets.
fn visit_windows<T: Number>(
    patches: &Patches<'_, T>,
    first: usize,
    count: usize,
    mut visit: impl FnMut(usize, &[(usize, usize)]),
) {
    let axis = patches.last();
    let mut taps = Vec::new();
    patches.rows(first, count, |windows, starts, q| {
        for (i, window) in windows.enumerate() {
            taps.clear();
            let (inside, index) = axis.inside(q + i);
            for (outer, start) in starts.iter().enumerate() {
                let Some(start) = start else { continue };
                for (k, j) in inside.clone().enumerate() {
                    let from = start + (index + k * axis.dilation) * patches.cin;
                    taps.push((from, outer * axis.taps + j));
                }
            }
            visit(first + window, &taps);
        }
    });
}

/// The kernel row of each tap of the polyphase part.
fn kernel_rows(geometry: &Geometry, part: &PolyphasePart) -> Vec<usize> {
    part.kernel_indices(&geometry.kernel).iter().map(|tap| tap * geometry.cout).collect()
}

pub(super) fn forward<T: Number<Acc = T>>(
    geometry: &Geometry,
    part: &PolyphasePart,
    lhs: &[T],
    rhs: &[T],
    out: &DisjointSlice<'_, T>,
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (cin, cout) = (geometry.cin, geometry.cout);
    let patches = Patches::new(geometry, part, lhs);
    let (positions, rows) = (OutputPositions::new(geometry, part), kernel_rows(geometry, part));
    let (total, block) = (geometry.batch * part.outs(), (BLOCK / cout).max(16));
    for_each(total.div_ceil(block), total * part.taps() * cout, Vec::new, |pairs: &mut Vec<_>, index| {
        let first = index * block;
        let count = block.min(total - first);
        visit_windows(&patches, first, count, |window, taps| {
            pairs.clear();
            pairs.extend(taps.iter().map(|&(from, tap)| (&lhs[from..][..cin], &rhs[rows[tap]..][..cout])));
            // SAFETY: windows have outputs of their own.
            let out = unsafe { out.slice(positions.of(window) * cout, cout) };
            simd::run(Window { taps: pairs, out });
        });
        if part.whole {
            // SAFETY: as above.
            epilogue(first * cout, unsafe { out.slice(first * cout, count * cout) });
        }
    });
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
    geometry: &Geometry,
    patches: &Patches<'_, T>,
    out_grad: &[T],
    positions: &OutputPositions,
    (first, count): (usize, usize),
    sums: &mut [T],
) {
    let (cin, cout) = (geometry.cin, geometry.cout);
    visit_windows(patches, first, count, |window, taps| {
        let gradient = &out_grad[positions.of(window) * cout..][..cout];
        for &(from, tap) in taps {
            let (x, sum) = (&patches.input[from..][..cin], &mut sums[tap * cout..][..cout]);
            simd::run(AddProducts { x, gradient, sum });
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
