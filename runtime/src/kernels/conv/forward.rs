//! The convolution itself: each polyphase part in the way that suits its shape, or as im2col, the matrix product of patches and
//! kernel (see [`patches`](super::patches)).

use super::super::matmul::{MatrixView, product};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::{for_each, windows};
use super::filter::Filter;
use super::patches::Patches;
use super::polyphase::{PolyphasePart, polyphase_parts};
use super::{by_taps, depthwise, direct, k_blocked};
use crate::array::memory;
use crate::scalar::number::Number;

/// Writes the convolution to `out` and calls `epilogue` for all of it, piece by piece; the geometry has been checked against the
/// slices.
pub(super) fn forward<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    lhs: &[T],
    filter: Filter<'_, T>,
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    if out.is_empty() {
        return;
    }
    if lhs.is_empty() || filter.is_empty() {
        out.fill(T::ZERO);
        return epilogue(0, out);
    }
    let output = DisjointSlice::new(out);
    let parts = polyphase_parts(geometry);
    // All parts in one way, by sizes that do not depend on the batch, so that examples have the same bits in any batch.
    if let Some(micro) = by_taps::applicable(level, geometry) {
        for part in &parts {
            by_taps::forward(geometry, part, micro, lhs, filter, &output, epilogue);
        }
    } else if let Some(micro) = k_blocked::applicable(level, geometry) {
        for part in &parts {
            k_blocked::forward(geometry, part, micro, lhs, filter, &output, epilogue);
        }
    } else {
        filter.with_plain(geometry, |rhs| {
            for part in &parts {
                if depthwise::applies(geometry) {
                    depthwise::forward(level, geometry, part, lhs, rhs, &output, epilogue);
                } else if let Some(method) = direct::applicable(level, geometry, part) {
                    direct::forward(geometry, part, &method, lhs, rhs, &output, epilogue);
                } else {
                    by_products(geometry, part, lhs, rhs, &output, epilogue);
                }
            }
        });
    }
    if !parts.iter().all(|part| part.whole) {
        epilogue(0, out);
    }
}

/// Whether each output is summed in the same order whatever the size of the batch: `gemm` chooses by all of its sizes.
pub(super) fn is_same_in_any_batch(level: Level, geometry: &Geometry) -> bool {
    let is_k_blocked = k_blocked::applicable::<f32>(level, geometry).is_some()
        && k_blocked::applicable::<f64>(level, geometry).is_some();
    depthwise::applies(geometry)
        || is_k_blocked
        || polyphase_parts(geometry).iter().all(|part| {
            direct::applicable::<f32>(level, geometry, part).is_some()
                && direct::applicable::<f64>(level, geometry, part).is_some()
        })
}

/// Terms of a sum that are multiplied at a time, about, where there are more than twice as many.
const KC: usize = 1024;

/// Gathers blocks of patches and multiplies them with the kernel, group by group.
fn by_products<T: Number<Acc = T>>(
    geometry: &Geometry,
    part: &PolyphasePart,
    lhs: &[T],
    rhs: &[T],
    out: &DisjointSlice<'_, T>,
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (groups, cin, cout) = (geometry.groups, geometry.cin, geometry.cout);
    let (cin_each, cout_each) = (cin / groups, cout / groups);
    let patches = Patches::new(geometry, part, lhs);
    let picked: Vec<T>;
    let weights = if part.whole {
        rhs
    } else {
        let taps = part.kernel_indices(&geometry.kernel);
        picked =
            taps.iter().flat_map(|tap| &rhs[tap * cin_each * cout..][..cin_each * cout]).copied().collect();
        &picked
    };
    let positions = OutputPositions::new(geometry, part);
    let (taps, depth) = (part.taps(), part.taps() * cin_each);
    // Of a long sum, some channels at a time: blocks of few windows would have the weights packed again and again.
    let step = if depth > 2 * KC { (KC / taps).clamp(1, cin_each) } else { cin_each };
    let (total, block) = (geometry.batch * part.outs(), windows(taps * step));
    let work = total * depth * cout;
    for_each(
        total.div_ceil(block),
        work,
        Default::default,
        |(buffer, rows, packed): &mut (Scratch<T>, Scratch<T>, Scratch<T>), index| {
            let first = index * block;
            let count = block.min(total - first);
            let target = if part.whole {
                out.from(first * cout)
            } else {
                memory::resize(rows, count * cout, T::ZERO);
                rows.as_mut_ptr()
            };
            // The product of each group and block of channels is added to those before; a kernel whose rows of these channels are
            // not evenly spaced is packed.
            for g in 0..groups {
                for start in (0..cin_each).step_by(step) {
                    let channels = start..cin_each.min(start + step);
                    let matrix = patches.matrix(
                        first,
                        count,
                        g * cin_each + start..g * cin_each + channels.end,
                        buffer,
                    );
                    let kernel = if channels.len() == cin_each || taps == 1 {
                        MatrixView { start: weights.as_ptr(), row: cout as isize, col: 1 }
                            .from(start, g * cout_each)
                    } else {
                        packed.clear();
                        for tap in weights.chunks_exact(cin_each * cout) {
                            let rows = &tap[channels.start * cout..channels.end * cout];
                            rows.chunks_exact(cout)
                                .for_each(|row| packed.extend_from_slice(&row[g * cout_each..][..cout_each]));
                        }
                        MatrixView { start: packed.as_ptr(), row: cout_each as isize, col: 1 }
                    };
                    let size = [count, taps * channels.len(), cout_each];
                    // SAFETY: `matrix` has a row for each window and `kernel` one for each tap and channel of the group; the
                    // windows of this block are no one else's.
                    unsafe {
                        let target = target.wrapping_add(g * cout_each);
                        product(size, matrix, kernel, target, cout, start > 0);
                    }
                }
            }
            if part.whole {
                // SAFETY: windows have outputs of their own.
                epilogue(first * cout, unsafe { out.slice(first * cout, count * cout) });
            } else {
                for (i, row) in rows.chunks_exact(cout).take(count).enumerate() {
                    // SAFETY: windows have outputs of their own.
                    unsafe { out.slice(positions.of(first + i) * cout, cout) }.copy_from_slice(row);
                }
            }
        },
    );
}

/// Which output each window of a polyphase part is.
pub(super) struct OutputPositions {
    /// By window of an example; empty if a window's index is its output's.
    indices: Vec<usize>,
    example: usize,
}

impl OutputPositions {
    pub fn new(geometry: &Geometry, part: &PolyphasePart) -> Self {
        let indices = if part.whole { Vec::new() } else { part.out_indices(&geometry.out_spatial) };
        Self { indices, example: geometry.out_spatial.iter().product() }
    }

    /// The output of a window, both counted over all examples.
    pub fn of(&self, window: usize) -> usize {
        if self.indices.is_empty() {
            return window;
        }
        let windows = self.indices.len();
        window / windows * self.example + self.indices[window % windows]
    }
}
