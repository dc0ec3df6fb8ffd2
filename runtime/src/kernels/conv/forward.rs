//! The convolution itself.

use super::super::matmul::{View, product};
use super::super::number::Number;
use super::super::simd::Level;
use super::Geometry;
use super::block::{Output, for_each, windows};
use super::filter::Filter;
use super::patches::Patches;
use super::phase::{Phase, phases};
use super::{deep, depthwise, direct};
use crate::tensor::memory;

/// Writes the convolution to `out` and calls `then` for all of it, piece by piece; the geometry has been checked against the
/// slices.
pub(super) fn forward<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    lhs: &[T],
    filter: Filter<'_, T>,
    out: &mut [T],
    then: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    if out.is_empty() {
        return;
    }
    if lhs.is_empty() || filter.is_empty() {
        out.fill(T::ZERO);
        return then(0, out);
    }
    let output = Output::new(out);
    let phases = phases(geometry);
    if let Some(micro) = deep::applicable(level, geometry) {
        for phase in &phases {
            deep::forward(geometry, phase, &micro, lhs, filter, &output, then);
        }
    } else {
        filter.with_plain(geometry, |rhs| {
            for phase in &phases {
                if depthwise::applies(geometry) {
                    depthwise::forward(geometry, phase, lhs, rhs, &output, then);
                } else if let Some(way) = direct::applicable(level, geometry, phase) {
                    direct::forward(geometry, phase, &way, lhs, rhs, &output, then);
                } else {
                    by_products(geometry, phase, lhs, rhs, &output, then);
                }
            }
        });
    }
    if !phases.iter().all(|phase| phase.whole) {
        then(0, out);
    }
}

/// Whether each output is summed in the same order whatever the size of the batch: `gemm` chooses by all of its sizes.
pub(super) fn is_same_in_any_batch(level: Level, geometry: &Geometry) -> bool {
    let is_deep = deep::applicable::<f32>(level, geometry).is_some()
        && deep::applicable::<f64>(level, geometry).is_some();
    depthwise::applies(geometry)
        || is_deep
        || phases(geometry).iter().all(|phase| {
            direct::applicable::<f32>(level, geometry, phase).is_some()
                && direct::applicable::<f64>(level, geometry, phase).is_some()
        })
}

/// Terms of a sum that are multiplied at a time, about, where there are more than twice as many.
const LONG: usize = 1024;

/// Gathers blocks of patches and multiplies them with the kernel, group by group.
fn by_products<T: Number<Acc = T>>(
    geometry: &Geometry,
    phase: &Phase,
    lhs: &[T],
    rhs: &[T],
    out: &Output<T>,
    then: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (groups, cin, cout) = (geometry.groups, geometry.cin, geometry.cout);
    let (cin_each, cout_each) = (cin / groups, cout / groups);
    let patches = Patches::new(geometry, phase, lhs);
    let picked: Vec<T>;
    let weights = if phase.whole {
        rhs
    } else {
        let taps = phase.kernel_indices(&geometry.kernel);
        picked =
            taps.iter().flat_map(|tap| &rhs[tap * cin_each * cout..][..cin_each * cout]).copied().collect();
        &picked
    };
    let places = Places::new(geometry, phase);
    let (taps, depth) = (phase.taps(), phase.taps() * cin_each);
    // Of a long sum, some channels at a time: blocks of few windows would have the weights packed again and again.
    let step = if depth > 2 * LONG { (LONG / taps).clamp(1, cin_each) } else { cin_each };
    let (total, block) = (geometry.batch * phase.outs(), windows(taps * step));
    let work = total * depth * cout;
    for_each(
        total.div_ceil(block),
        work,
        Default::default,
        |(buffer, rows, part): &mut (Vec<T>, Vec<T>, Vec<T>), index| {
            let first = index * block;
            let count = block.min(total - first);
            let target = if phase.whole {
                out.from(first * cout)
            } else {
                memory::resize(rows, count * cout, T::ZERO);
                rows.as_mut_ptr()
            };
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
                        View { start: weights.as_ptr(), row: cout as isize, col: 1 }
                            .from(start, g * cout_each)
                    } else {
                        part.clear();
                        for tap in weights.chunks_exact(cin_each * cout) {
                            let rows = &tap[channels.start * cout..channels.end * cout];
                            rows.chunks_exact(cout)
                                .for_each(|row| part.extend_from_slice(&row[g * cout_each..][..cout_each]));
                        }
                        View { start: part.as_ptr(), row: cout_each as isize, col: 1 }
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
            if phase.whole {
                // SAFETY: windows have outputs of their own.
                then(first * cout, unsafe { out.slice(first * cout, count * cout) });
            } else {
                for (i, row) in rows.chunks_exact(cout).take(count).enumerate() {
                    // SAFETY: windows have outputs of their own.
                    unsafe { out.slice(places.of(first + i) * cout, cout) }.copy_from_slice(row);
                }
            }
        },
    );
}

/// Which output each window of a phase is.
pub(super) struct Places {
    /// By window of an example; empty if a window's number is its output's.
    indices: Vec<usize>,
    example: usize,
}

impl Places {
    pub fn new(geometry: &Geometry, phase: &Phase) -> Self {
        let indices = if phase.whole { Vec::new() } else { phase.out_indices(&geometry.out_spatial) };
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
