//! The gradient with respect to the kernel, as split-K: windows, over which it sums, are cut into ranges, whose partial sums are
//! computed in parallel and then added up in order. What computes a partial sum is chosen by shape: one channel at a time,
//! register tiles of weights over a halo tile, or a matrix product with patches.

use super::super::matmul::{MatrixView, product};
use super::super::microkernels::{Microkernels, WeightGradient};
use super::super::scratch::Scratch;
use super::super::simd::{self, Level};
use super::super::threads::{self, DisjointSlice};
use super::Geometry;
use super::blocking::{for_each, windows};
use super::forward::OutputPositions;
use super::halo::HaloTiles;
use super::patches::Patches;
use super::polyphase::{PolyphasePart, polyphase_parts};
use super::{depthwise, k_blocked_weight};
use crate::array::memory;
use crate::scalar::number::Number;

/// Ranges that windows are cut into at most, and elements of their partial sums together: these are written and read once more
/// than those of a single range.
const MAX_PARTIALS: usize = 16;
const PARTIALS_SIZE: usize = 1 << 18;
/// Windows that all weights are multiplied with before the next ones: what is read of them stays in L1.
const KC_WINDOWS: usize = 160;
/// Tiles that repacking gradients pays for.
const MIN_REPACKED_TILES: usize = 16;
/// Tiles that a thread is worth copying halo tiles again for.
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
    if let Some(micro) = k_blocked_weight::applicable(level, geometry) {
        return k_blocked_weight::weight_gradient(geometry, micro, lhs, out_grad, rhs_grad);
    }
    rhs_grad.fill(T::ZERO);
    for part in polyphase_parts(geometry).iter().filter(|part| part.taps() > 0) {
        if depthwise::applies(geometry) {
            by_channel(level, geometry, part, lhs, out_grad, rhs_grad);
        } else if let Some(micro) = Microkernels::of(level).filter(|_| !part.is_identity()) {
            by_tiles(geometry, part, micro, lhs, out_grad, rhs_grad);
        } else {
            by_products(geometry, part, lhs, out_grad, rhs_grad);
        }
    }
}

/// Partial sums over ranges of the windows or strips.
struct PartialSums<'a> {
    geometry: &'a Geometry,
    part: &'a PolyphasePart,
    /// How many windows or strips there are.
    units: usize,
    /// A range is a whole number of these.
    step: usize,
    /// How many sums a range has, and where its slabs end, which threads may compute apart from each other.
    size: usize,
    slabs: Vec<usize>,
}

impl PartialSums<'_> {
    /// Calls `sum(state, units, slab, sums)` for each slab of each range, which adds to its sums, and then
    /// `finish(sums, tap, out)` for each range and tap of the polyphase part in order, which adds a tap's sums to its gradient.
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
        // As many ranges as are allowed, of nearly the same size, whatever the number of threads.
        let partials = steps.min(max_ranges(size));
        let per_partial = steps.div_ceil(partials) * self.step;
        let partials = self.units.div_ceil(per_partial);
        let work = geometry.batch * self.part.outs() * self.part.taps() * row;
        let mut all = Scratch::new();
        all.clear();
        memory::resize(&mut all, partials * size, T::ZERO);
        let output = DisjointSlice::new(&mut all);
        for_each(partials * self.slabs.len(), work, state, |state, index| {
            let (partial, slab) = (index / self.slabs.len(), index % self.slabs.len());
            let start = if slab == 0 { 0 } else { self.slabs[slab - 1] };
            // SAFETY: every range has sums of its own, and slabs end where the next ones start.
            let sums = unsafe { output.slice(partial * size + start, self.slabs[slab] - start) };
            sum(state, partial * per_partial..self.units.min((partial + 1) * per_partial), slab, sums);
        });
        let taps = self.part.kernel_indices(&geometry.kernel);
        // The reduction of split-K: for each weight over the ranges in order.
        let add = |tap: usize, out: &mut [T]| {
            if let Some(own) = taps.iter().position(|&t| t == tap) {
                all.chunks_exact(size).for_each(|partial| finish(partial, own, out));
            }
        };
        if threads::worth(partials * size) {
            threads::chunks(rhs_grad, row, add);
        } else {
            rhs_grad.chunks_exact_mut(row).enumerate().for_each(|(tap, out)| add(tap, out));
        }
    }
}

/// How many ranges windows are cut into: by the number of sums of a range, never by the number of threads.
fn max_ranges(size: usize) -> usize {
    let partials = (PARTIALS_SIZE / size).clamp(1, MAX_PARTIALS);
    1 << partials.ilog2()
}

/// Adds a tap's sums, of partial sums that are laid out as the kernel is.
fn add_tap<T: Number>(partial: &[T], tap: usize, out: &mut [T]) {
    let sums = &partial[tap * out.len()..][..out.len()];
    simd::run(|| {
        for (y, &x) in out.iter_mut().zip(sums) {
            *y = y.add(x);
        }
    });
}

fn by_channel<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    part: &PolyphasePart,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let size = part.taps() * geometry.cout;
    let (patches, positions) = (Patches::new(geometry, part, lhs), OutputPositions::new(geometry, part));
    let step = windows(part.taps());
    let units = geometry.batch * part.outs();
    let partials = PartialSums { geometry, part, units, step, size, slabs: vec![size] };
    let sum = |(): &mut (), windows: std::ops::Range<usize>, _: usize, sums: &mut [T]| {
        let range = (windows.start, windows.len());
        depthwise::add_weight_gradient(level, geometry, &patches, out_grad, &positions, range, sums);
    };
    partials.run(|| (), sum, add_tap, rhs_grad);
}

fn by_products<T: Number<Acc = T>>(
    geometry: &Geometry,
    part: &PolyphasePart,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let cout = geometry.cout;
    let size = part.taps() * (geometry.cin / geometry.groups) * cout;
    let (patches, positions) = (Patches::new(geometry, part, lhs), OutputPositions::new(geometry, part));
    let step = windows(size / cout);
    let units = geometry.batch * part.outs();
    let partials = PartialSums { geometry, part, units, step, size, slabs: vec![size] };
    let sum = |(buffer, rows): &mut (Scratch<T>, Scratch<T>),
               range: std::ops::Range<usize>,
               _: usize,
               sums: &mut [T]| {
        for first in range.clone().step_by(step) {
            let count = step.min(range.end - first);
            let gradient = if part.whole {
                &out_grad[first * cout..]
            } else {
                rows.clear();
                let positions = (first..first + count).map(|window| positions.of(window) * cout);
                positions.for_each(|position| rows.extend_from_slice(&out_grad[position..][..cout]));
                rows.as_slice()
            };
            add_products(geometry, &patches, gradient, (first, count), buffer, sums);
        }
    };
    partials.run(Default::default, sum, add_tap, rhs_grad);
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
        let transposed = MatrixView { row: matrix.col, col: matrix.row, ..matrix };
        let gradient =
            MatrixView { start: gradient.as_ptr(), row: cout as isize, col: 1 }.from(0, g * cout_each);
        // SAFETY: `matrix` and `gradient` have a row for each window; `sums` has one for each tap and channel of a group.
        unsafe {
            let target = sums.as_mut_ptr().add(g * cout_each);
            product([depth, count, cout_each], transposed, gradient, target, cout, true);
        }
    }
}

/// Register tiles of weights that go over all windows of a strip; sums are `[taps, groups, cin, cout]`, with room behind the
/// channels of a group for whole vectors.
fn by_tiles<T: Number<Acc = T>>(
    geometry: &Geometry,
    part: &PolyphasePart,
    micro: &Microkernels<T>,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let padded = cout_each.next_multiple_of(micro.lanes);
    let (halos, positions) = (HaloTiles::new(geometry, part, lhs, 1), OutputPositions::new(geometry, part));
    let tiles = WeightTiles::new(geometry, micro, &halos.taps);
    let tap_size = groups * cin_each * padded;
    let size = part.taps() * tap_size;
    let slabs = tiles.slabs(max_ranges(size), groups);
    let ends = slabs.iter().map(|slab| tiles.ranges[slab.end - 1].end * groups * padded).collect();
    let partials = PartialSums { geometry, part, units: halos.strips(), step: 1, size, slabs: ends };
    // Gradients are read where they are if they have whole vectors, and few tiles read them; else they are repacked into panels.
    let in_place = part.whole && padded == cout_each;
    let repacked = !in_place || (cout > 2 * micro.lanes && tiles.ranges.len() >= MIN_REPACKED_TILES);
    let sum = |(): &mut (), strips: std::ops::Range<usize>, slab: usize, sums: &mut [T]| {
        let shape = TileShape { geometry, micro, padded, tiles: slabs[slab].clone() };
        // All tiles of weights meet a block of windows before the next one, so that its inputs and gradients stay in L1.
        for index in strips {
            let mut buffer = Scratch::new();
            let mut rows = Scratch::new();
            let strip = halos.strip(index, &mut buffer);
            let each = strip.count.div_ceil(strip.count.div_ceil(KC_WINDOWS));
            for first in (0..strip.count).step_by(each) {
                let windows = &halos.windows[first..strip.count.min(first + each)];
                let first = strip.first + first;
                let gradient = if repacked {
                    repack(
                        geometry,
                        &positions,
                        first..first + windows.len(),
                        (padded, 2 * micro.lanes),
                        out_grad,
                        &mut rows,
                    );
                    Gradient { data: &rows, row: None }
                } else {
                    Gradient { data: &out_grad[first * cout..][..windows.len() * cout], row: Some(cout) }
                };
                tiles.add(&shape, (strip.halo, windows), &gradient, sums);
            }
        }
    };
    let finish = |partial: &[T], tap: usize, out: &mut [T]| {
        let partial = &partial[tap * tap_size..][..tap_size];
        for (g, group) in partial.chunks_exact(cin_each * padded).enumerate() {
            for (out, sums) in out.chunks_exact_mut(cout).zip(group.chunks_exact(padded)) {
                let out = &mut out[g * cout_each..][..cout_each];
                for (y, &x) in out.iter_mut().zip(sums) {
                    *y = y.add(x);
                }
            }
        }
    };
    let finish = |partial: &[T], tap: usize, out: &mut [T]| simd::run(|| finish(partial, tap, out));
    partials.run(|| (), sum, finish, rhs_grad);
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
    positions: &OutputPositions,
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
                let from = positions.of(window) * cout + g * cout_each + channel;
                rows.extend_from_slice(&out_grad[from..from + used]);
                rows.resize(rows.len() + width - used, T::ZERO);
            }
        }
    }
}

/// What tiles are summed up for.
struct TileShape<'a, T> {
    geometry: &'a Geometry,
    micro: &'a Microkernels<T>,
    /// Channels of a group in whole vectors.
    padded: usize,
    /// Which tiles.
    tiles: std::ops::Range<usize>,
}

/// How the weights of a polyphase part are cut into register tiles.
struct WeightTiles {
    /// By tap and channel of a group: where the input is, from its window.
    offsets: Vec<usize>,
    /// Ranges of `offsets`, a tile each.
    ranges: Vec<std::ops::Range<usize>>,
    /// Whether the inputs of a tile are adjacent.
    adjacent: bool,
}

impl WeightTiles {
    fn new<T>(geometry: &Geometry, micro: &Microkernels<T>, taps: &[usize]) -> Self {
        let cin_each = geometry.cin / geometry.groups;
        let offsets: Vec<usize> = taps.iter().flat_map(|tap| (0..cin_each).map(move |ci| tap + ci)).collect();
        // Tiles are cut in two ways, and adjacent inputs win where they need no more tiles. A tile's weights may be of several taps where sums of those follow each other.
        let together = if geometry.groups == 1 { offsets.len() } else { cin_each };
        let follows = |run: &[usize]| run.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let row = offsets.windows(2).position(|pair| pair[1] != pair[0] + 1);
        let row = row.map_or(offsets.len(), |end| end + 1).min(together);
        let cut = |run: usize, most: usize| -> Vec<_> {
            let each = run.div_ceil(run.div_ceil(most));
            let starts = (0..offsets.len()).step_by(run);
            starts
                .flat_map(|start| {
                    let end = offsets.len().min(start + run);
                    (start..end).step_by(each).map(move |first| first..end.min(first + each))
                })
                .collect()
        };
        let (any, rows) = (cut(together, micro.max_weights), cut(row, micro.max_adjacent));
        let adjacent = rows.len() <= any.len() && rows.iter().all(|range| follows(&offsets[range.clone()]));
        Self { ranges: if adjacent { rows } else { any }, offsets, adjacent }
    }

    /// Tiles that threads may compute apart from each other, where there are fewer ranges of windows than threads.
    fn slabs(&self, partials: usize, groups: usize) -> Vec<std::ops::Range<usize>> {
        let tiles = self.ranges.len();
        let wanted = threads::count().div_ceil(partials);
        // Sums of several groups lie between each other.
        let most = if groups == 1 { tiles / TILES_OF_A_SLAB } else { 1 };
        let each = tiles.div_ceil(wanted.min(most).max(1));
        (0..tiles).step_by(each).map(|first| first..tiles.min(first + each)).collect()
    }

    /// Adds what some windows contribute to `sums`, those of the shape's tiles.
    fn add<T: Number>(
        &self,
        shape: &TileShape<'_, T>,
        (halo, windows): (*const T, &[usize]),
        gradient: &Gradient<'_, T>,
        sums: &mut [T],
    ) {
        let &TileShape { geometry, micro, padded, .. } = shape;
        let groups = geometry.groups;
        let cin_each = geometry.cin / groups;
        let ranges = &self.ranges[shape.tiles.clone()];
        let start = ranges[0].start * groups;
        for g in 0..groups {
            for channel in (0..padded).step_by(2 * micro.lanes) {
                let vectors = ((padded - channel) / micro.lanes).min(2);
                let first = (g * padded + channel) * if gradient.row.is_some() { 1 } else { windows.len() };
                // Sums are in the order of taps, groups, channels: a tile's rows start at its first tap and channel.
                for range in ranges {
                    let row = (range.start / cin_each * groups + g) * cin_each + range.start % cin_each;
                    let target = &mut sums[(row - start) * padded + channel..];
                    let job = WeightGradient {
                        input: halo.wrapping_add(g * cin_each),
                        windows,
                        offsets: &self.offsets[range.clone()],
                        gradient: gradient.data[first..].as_ptr(),
                        gradient_row: gradient.row.unwrap_or(vectors * micro.lanes),
                        sums: target.as_mut_ptr(),
                        sums_row: padded,
                        accumulate: true,
                    };
                    let of = if self.adjacent {
                        micro.adjacent_weight_gradient[vectors - 1].as_slice()
                    } else {
                        micro.weight_gradient[vectors - 1].as_slice()
                    };
                    // SAFETY: the halo tile has an input at the offset of each weight in its windows, `gradient` whole vectors
                    // from these channels on for each of them, and `sums` for each weight; `adjacent` has been checked.
                    unsafe { of[range.len() - 1](&job) };
                }
            }
        }
    }
}
