//! The gradient with respect to the kernel.

use super::super::matmul::{View, product};
use super::super::microkernels::{Microkernels, WeightGradient};
use super::super::number::Number;
use super::super::scratch;
use super::super::simd::{self, Level};
use super::super::threads;
use super::Geometry;
use super::block::{Output, for_each, windows};
use super::forward::Places;
use super::frame::Frames;
use super::patches::Patches;
use super::phase::{Phase, phases};
use super::{deep_weight, depthwise};
use crate::tensor::memory;

/// Parts that the windows are summed in at most, and what their sums may take together in elements: they are written and
/// read once more than those of a single part.
const PARTS: usize = 16;
const PARTS_SIZE: usize = 1 << 18;
/// Windows that all weights are multiplied with before the next ones: what is read of them stays in the first cache.
const CHUNK: usize = 160;
/// Tiles that repacking gradients pays for.
const MANY_TILES: usize = 16;
/// Tiles that a thread is worth making windows ready again for.
const TILES_OF_A_SLAB: usize = 8;

/// Writes the gradient to `rhs_grad`; the geometry has been checked against the slices.
pub(super) fn weight_gradient<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    if lhs.is_empty() || out_grad.is_empty() || rhs_grad.is_empty() {
        return rhs_grad.fill(T::ZERO);
    }
    if let Some(micro) = deep_weight::applicable(level, geometry) {
        return deep_weight::weight_gradient(geometry, &micro, lhs, out_grad, rhs_grad);
    }
    rhs_grad.fill(T::ZERO);
    for phase in phases(geometry).iter().filter(|phase| phase.taps() > 0) {
        if depthwise::applies(geometry) {
            by_channel(geometry, phase, lhs, out_grad, rhs_grad);
        } else if let Some(micro) = Microkernels::of(level).filter(|_| !phase.is_identity()) {
            by_tiles(geometry, phase, &micro, lhs, out_grad, rhs_grad);
        } else {
            by_products(geometry, phase, lhs, out_grad, rhs_grad);
        }
    }
}

/// Sums over parts of the windows or bands in parallel, which are then added up in order.
struct Parts<'a> {
    geometry: &'a Geometry,
    phase: &'a Phase,
    /// How many windows or bands there are.
    units: usize,
    /// Whole numbers of these are in a part.
    step: usize,
    /// How many sums a part has, and where its slabs end, which threads may compute apart from each other.
    size: usize,
    slabs: Vec<usize>,
}

impl Parts<'_> {
    /// Calls `sum(state, units, slab, sums)` for each slab of each part, which adds to its sums, and then `finish(sums, tap, out)` for each part
    /// and tap of the phase in order, which adds a tap's sums to its gradient.
    fn run<T: Number, S>(
        &self,
        state: impl Fn() -> S + Sync + Send,
        sum: impl Fn(&mut S, std::ops::Range<usize>, usize, &mut [T]) + Sync + Send,
        finish: impl Fn(&[T], usize, &mut [T]) + Sync,
        rhs_grad: &mut [T],
    ) {
        let (geometry, size) = (self.geometry, self.size);
        let row = geometry.cin / geometry.groups * geometry.cout;
        let steps = self.units.div_ceil(self.step);
        let parts = steps.min(parts(size));
        let per_part = steps.div_ceil(parts) * self.step;
        let parts = self.units.div_ceil(per_part);
        let work = geometry.batch * self.phase.outs() * self.phase.taps() * row;
        scratch::with(|all| {
            all.clear();
            memory::resize(all, parts * size, T::ZERO);
            let output = Output::new(all);
            for_each(parts * self.slabs.len(), work, state, |state, index| {
                let (part, slab) = (index / self.slabs.len(), index % self.slabs.len());
                let start = if slab == 0 { 0 } else { self.slabs[slab - 1] };
                // SAFETY: every part has sums of its own, and slabs end where the next ones start.
                let sums = unsafe { output.slice(part * size + start, self.slabs[slab] - start) };
                sum(state, part * per_part..self.units.min((part + 1) * per_part), slab, sums);
            });
            let taps = self.phase.kernel_indices(&geometry.kernel);
            let add = |tap: usize, out: &mut [T]| {
                if let Some(mine) = taps.iter().position(|&t| t == tap) {
                    all.chunks_exact(size).for_each(|part| finish(part, mine, out));
                }
            };
            if threads::worth(parts * size) {
                threads::chunks(rhs_grad, row, add);
            } else {
                rhs_grad.chunks_exact_mut(row).enumerate().for_each(|(tap, out)| add(tap, out));
            }
        });
    }
}

/// How many parts windows are summed in: by the number of sums of a part, never by the number of threads.
fn parts(size: usize) -> usize {
    let parts = (PARTS_SIZE / size).clamp(1, PARTS);
    1 << parts.ilog2()
}

/// Adds a tap's part of sums that are laid out as the kernel is.
fn add_tap<T: Number>(part: &[T], tap: usize, out: &mut [T]) {
    let part = &part[tap * out.len()..][..out.len()];
    simd::run(|| {
        for (y, &x) in out.iter_mut().zip(part) {
            *y = y.plus(x);
        }
    });
}

fn by_channel<T: Number<Acc = T>>(
    geometry: &Geometry,
    phase: &Phase,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let size = phase.taps() * geometry.cout;
    let (patches, places) = (Patches::new(geometry, phase, lhs), Places::new(geometry, phase));
    let step = windows(phase.taps());
    let units = geometry.batch * phase.outs();
    let parts = Parts { geometry, phase, units, step, size, slabs: vec![size] };
    let sum = |(): &mut (), windows: std::ops::Range<usize>, _: usize, sums: &mut [T]| {
        let part = (windows.start, windows.len());
        depthwise::add_weight_gradient(geometry, &patches, out_grad, &places, part, sums);
    };
    parts.run(|| (), sum, add_tap, rhs_grad);
}

fn by_products<T: Number<Acc = T>>(
    geometry: &Geometry,
    phase: &Phase,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let cout = geometry.cout;
    let size = phase.taps() * (geometry.cin / geometry.groups) * cout;
    let (patches, places) = (Patches::new(geometry, phase, lhs), Places::new(geometry, phase));
    let step = windows(size / cout);
    let units = geometry.batch * phase.outs();
    let parts = Parts { geometry, phase, units, step, size, slabs: vec![size] };
    let sum =
        |(buffer, rows): &mut (Vec<T>, Vec<T>), part: std::ops::Range<usize>, _: usize, sums: &mut [T]| {
            for first in part.clone().step_by(step) {
                let count = step.min(part.end - first);
                let gradient = if phase.whole {
                    &out_grad[first * cout..]
                } else {
                    rows.clear();
                    let places = (first..first + count).map(|window| places.of(window) * cout);
                    places.for_each(|place| rows.extend_from_slice(&out_grad[place..][..cout]));
                    rows.as_slice()
                };
                add_products(geometry, &patches, gradient, (first, count), buffer, sums);
            }
        };
    parts.run(Default::default, sum, add_tap, rhs_grad);
}

/// Adds transposed patches times gradients of some windows to `sums`, group by group.
fn add_products<T: Number<Acc = T>>(
    geometry: &Geometry,
    patches: &Patches<'_, T>,
    gradient: &[T],
    (first, count): (usize, usize),
    buffer: &mut Vec<T>,
    sums: &mut [T],
) {
    let cout = geometry.cout;
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, cout / geometry.groups);
    let depth = sums.len() / cout;
    assert!(gradient.len() >= count * cout);
    for g in 0..geometry.groups {
        let matrix = patches.matrix(first, count, g * cin_each..(g + 1) * cin_each, buffer);
        let transposed = View { row: matrix.col, col: matrix.row, ..matrix };
        let gradient = View { start: gradient.as_ptr(), row: cout as isize, col: 1 }.from(0, g * cout_each);
        // SAFETY: `matrix` and `gradient` have a row for each window; `sums` has one for each tap and channel of a group.
        unsafe {
            let target = sums.as_mut_ptr().add(g * cout_each);
            product([depth, count, cout_each], transposed, gradient, target, cout, true);
        }
    }
}

/// Register tiles of weights that go over all windows of a band; sums are `[taps, groups, cin, cout]`, with room behind the
/// channels of a group for whole vectors.
fn by_tiles<T: Number<Acc = T>>(
    geometry: &Geometry,
    phase: &Phase,
    micro: &Microkernels<T>,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let padded = cout_each.next_multiple_of(micro.lanes);
    let (frames, places) = (Frames::new(geometry, phase, lhs, 1), Places::new(geometry, phase));
    let tiles = Tiles::new(geometry, micro, &frames.taps);
    let tap_size = groups * cin_each * padded;
    let size = phase.taps() * tap_size;
    let slabs = tiles.slabs(parts(size), groups);
    let ends = slabs.iter().map(|slab| tiles.parts[slab.end - 1].end * groups * padded).collect();
    let parts = Parts { geometry, phase, units: frames.bands(), step: 1, size, slabs: ends };
    let in_place = phase.whole && padded == cout_each;
    let repacked = !in_place || (cout > 2 * micro.lanes && tiles.parts.len() >= MANY_TILES);
    let sum = |(): &mut (), bands: std::ops::Range<usize>, slab: usize, sums: &mut [T]| {
        let shape = Shape { geometry, micro, padded, tiles: slabs[slab].clone() };
        for index in bands {
            scratch::with(|buffer| {
                scratch::with(|rows| {
                    let band = frames.band(index, buffer);
                    let each = band.count.div_ceil(band.count.div_ceil(CHUNK));
                    for first in (0..band.count).step_by(each) {
                        let windows = &frames.windows[first..band.count.min(first + each)];
                        let first = band.first + first;
                        let gradient = if repacked {
                            repack(
                                geometry,
                                &places,
                                first..first + windows.len(),
                                (padded, 2 * micro.lanes),
                                out_grad,
                                rows,
                            );
                            Gradient { data: rows, row: None }
                        } else {
                            Gradient {
                                data: &out_grad[first * cout..][..windows.len() * cout],
                                row: Some(cout),
                            }
                        };
                        tiles.add(&shape, (band.frame, windows), &gradient, sums);
                    }
                });
            });
        }
    };
    let finish = |part: &[T], tap: usize, out: &mut [T]| {
        let part = &part[tap * tap_size..][..tap_size];
        for (g, part) in part.chunks_exact(cin_each * padded).enumerate() {
            for (out, part) in out.chunks_exact_mut(cout).zip(part.chunks_exact(padded)) {
                let out = &mut out[g * cout_each..][..cout_each];
                for (y, &x) in out.iter_mut().zip(part) {
                    *y = y.plus(x);
                }
            }
        }
    };
    let finish = |part: &[T], tap: usize, out: &mut [T]| simd::run(|| finish(part, tap, out));
    parts.run(|| (), sum, finish, rhs_grad);
}

/// Gradients of some windows.
struct Gradient<'a, T> {
    data: &'a [T],
    /// Distance between windows; without one, data are as [`repack`] leaves them.
    row: Option<usize>,
}

/// Copies the gradients of windows, as many channels at a time as tiles take, with zeros behind those of each group.
fn repack<T: Number>(
    geometry: &Geometry,
    places: &Places,
    windows: std::ops::Range<usize>,
    (padded, most): (usize, usize),
    out_grad: &[T],
    rows: &mut Vec<T>,
) {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let cout_each = cout / groups;
    rows.clear();
    for g in 0..groups {
        for channel in (0..padded).step_by(most) {
            let (width, used) = (most.min(padded - channel), most.min(cout_each - channel));
            for window in windows.clone() {
                let from = places.of(window) * cout + g * cout_each + channel;
                rows.extend_from_slice(&out_grad[from..from + used]);
                rows.resize(rows.len() + width - used, T::ZERO);
            }
        }
    }
}

/// What tiles are summed up for.
struct Shape<'a, T> {
    geometry: &'a Geometry,
    micro: &'a Microkernels<T>,
    /// Channels of a group in whole vectors.
    padded: usize,
    /// Which tiles.
    tiles: std::ops::Range<usize>,
}

/// How the weights of a phase are cut into register tiles.
struct Tiles {
    /// By tap and channel of a group: where the input is, from its window.
    places: Vec<usize>,
    /// Parts of `places`.
    parts: Vec<std::ops::Range<usize>>,
    /// Whether the inputs of a tile follow each other.
    neighbours: bool,
}

impl Tiles {
    fn new<T>(geometry: &Geometry, micro: &Microkernels<T>, taps: &[usize]) -> Self {
        let cin_each = geometry.cin / geometry.groups;
        let places: Vec<usize> = taps.iter().flat_map(|tap| (0..cin_each).map(move |ci| tap + ci)).collect();
        // A tile's weights may be of several taps where sums of those follow each other.
        let together = if geometry.groups == 1 { places.len() } else { cin_each };
        let follows = |run: &[usize]| run.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let row = places.windows(2).position(|pair| pair[1] != pair[0] + 1);
        let row = row.map_or(places.len(), |end| end + 1).min(together);
        let cut = |run: usize, most: usize| -> Vec<_> {
            let each = run.div_ceil(run.div_ceil(most));
            let starts = (0..places.len()).step_by(run);
            starts
                .flat_map(|start| {
                    let end = places.len().min(start + run);
                    (start..end).step_by(each).map(move |first| first..end.min(first + each))
                })
                .collect()
        };
        let (any, rows) = (cut(together, micro.max_weights), cut(row, micro.max_adjacent));
        let neighbours = rows.len() <= any.len() && rows.iter().all(|part| follows(&places[part.clone()]));
        Self { parts: if neighbours { rows } else { any }, places, neighbours }
    }

    /// Tiles that threads may compute apart from each other, where there are fewer parts than threads.
    fn slabs(&self, parts: usize, groups: usize) -> Vec<std::ops::Range<usize>> {
        let tiles = self.parts.len();
        let wanted = threads::count().div_ceil(parts);
        // Sums of several groups lie between each other.
        let most = if groups == 1 { tiles / TILES_OF_A_SLAB } else { 1 };
        let each = tiles.div_ceil(wanted.min(most).max(1));
        (0..tiles).step_by(each).map(|first| first..tiles.min(first + each)).collect()
    }

    /// Adds what some windows contribute to `sums`, those of the shape's tiles.
    fn add<T: Number>(
        &self,
        shape: &Shape<'_, T>,
        (frame, windows): (*const T, &[usize]),
        gradient: &Gradient<'_, T>,
        sums: &mut [T],
    ) {
        let &Shape { geometry, micro, padded, .. } = shape;
        let groups = geometry.groups;
        let cin_each = geometry.cin / groups;
        let parts = &self.parts[shape.tiles.clone()];
        let start = parts[0].start * groups;
        for g in 0..groups {
            for channel in (0..padded).step_by(2 * micro.lanes) {
                let vectors = ((padded - channel) / micro.lanes).min(2);
                let first = (g * padded + channel) * if gradient.row.is_some() { 1 } else { windows.len() };
                for part in parts {
                    let row = (part.start / cin_each * groups + g) * cin_each + part.start % cin_each;
                    let target = &mut sums[(row - start) * padded + channel..];
                    let job = WeightGradient {
                        input: frame.wrapping_add(g * cin_each),
                        windows,
                        offsets: &self.places[part.clone()],
                        gradient: gradient.data[first..].as_ptr(),
                        gradient_row: gradient.row.unwrap_or(vectors * micro.lanes),
                        sums: target.as_mut_ptr(),
                        sums_row: padded,
                        accumulate: true,
                    };
                    let of = if self.neighbours {
                        micro.adjacent_weight_gradient[vectors - 1].as_slice()
                    } else {
                        micro.weight_gradient[vectors - 1].as_slice()
                    };
                    // SAFETY: the frame has an input at the place of each weight in its windows, `gradient` whole vectors
                    // from these channels on for each of them, and `sums` for each weight; `neighbours` has been checked.
                    unsafe { of[part.len() - 1](&job) };
                }
            }
        }
    }
}
