//! The gradient with respect to the kernel.

use super::super::matmul::{View, product};
use super::super::number::Number;
use super::super::scratch;
use super::super::simd::{self, Level};
use super::super::threads;
use super::Geometry;
use super::block::{Output, for_each, windows};
use super::depthwise;
use super::engine::{Engine, engine};
use super::forward::Places;
use super::frame::{Band, Frames};
use super::patches::Patches;
use super::phase::{Phase, phases};
use super::tile::Weights;

/// Parts that the windows are summed in at most, and what their sums may take together in elements.
const PARTS: usize = 16;
const PARTS_SIZE: usize = 1 << 22;
/// Windows that all weights are multiplied with before the next ones: what is read of them stays in the first cache.
const CHUNK: usize = 96;

/// Writes the gradient to `rhs_grad`; the geometry has been checked against the slices.
pub(super) fn weight_gradient<T: Number<Acc = T>>(
    level: Level,
    geometry: &Geometry,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    rhs_grad.fill(T::ZERO);
    if lhs.is_empty() || out_grad.is_empty() || rhs_grad.is_empty() {
        return;
    }
    for phase in phases(geometry).iter().filter(|phase| phase.taps() > 0) {
        if depthwise::applies(geometry) {
            by_channel(geometry, phase, lhs, out_grad, rhs_grad);
        } else if let Some(engine) = engine::<T>(level).filter(|_| !phase.is_identity()) {
            by_tiles(geometry, phase, &engine, lhs, out_grad, rhs_grad);
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
    /// How many sums a part has.
    size: usize,
}

impl Parts<'_> {
    /// Calls `sum(state, units, sums)` for each part, which adds to its sums, and then `finish(sums, tap, out)` for each part
    /// and tap of the phase in order, which adds a tap's sums to its gradient.
    fn run<T: Number, S>(
        &self,
        state: impl Fn() -> S + Sync + Send,
        sum: impl Fn(&mut S, std::ops::Range<usize>, &mut [T]) + Sync + Send,
        finish: impl Fn(&[T], usize, &mut [T]) + Sync,
        rhs_grad: &mut [T],
    ) {
        let (geometry, size) = (self.geometry, self.size);
        let row = geometry.cin / geometry.groups * geometry.cout;
        let steps = self.units.div_ceil(self.step);
        let parts = steps.min((PARTS_SIZE / size).clamp(2, PARTS));
        let per_part = steps.div_ceil(parts) * self.step;
        let parts = self.units.div_ceil(per_part);
        let work = geometry.batch * self.phase.outs() * self.phase.taps() * row;
        scratch::with(|all| {
            all.clear();
            all.resize(parts * size, T::ZERO);
            let output = Output::new(all);
            for_each(parts, work, state, |state, part| {
                // SAFETY: every part has sums of its own.
                let sums = unsafe { output.slice(part * size, size) };
                sum(state, part * per_part..self.units.min((part + 1) * per_part), sums);
            });
            let taps = self.phase.kernel_indices(&geometry.kernel);
            let add = |tap: usize, out: &mut [T]| {
                if let Some(mine) = taps.iter().position(|&t| t == tap) {
                    all.chunks_exact(size).for_each(|part| finish(part, mine, out));
                }
            };
            if parts * size < threads::THRESHOLD {
                rhs_grad.chunks_exact_mut(row).enumerate().for_each(|(tap, out)| add(tap, out));
            } else {
                threads::chunks(rhs_grad, row, add);
            }
        });
    }
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
    let parts = Parts { geometry, phase, units: geometry.batch * phase.outs(), step, size };
    let sum = |(): &mut (), windows: std::ops::Range<usize>, sums: &mut [T]| {
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
    let parts = Parts { geometry, phase, units: geometry.batch * phase.outs(), step, size };
    let sum = |(buffer, rows): &mut (Vec<T>, Vec<T>), part: std::ops::Range<usize>, sums: &mut [T]| {
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
    engine: &Engine<T>,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let padded = cout_each.next_multiple_of(engine.lanes);
    let (frames, places) = (Frames::new(geometry, phase, lhs), Places::new(geometry, phase));
    let tiles = Tiles::new(geometry, engine, &frames.taps);
    let tap_size = groups * cin_each * padded;
    let parts = Parts { geometry, phase, units: frames.bands(), step: 1, size: phase.taps() * tap_size };
    let sum = |(): &mut (), bands: std::ops::Range<usize>, sums: &mut [T]| {
        for index in bands {
            scratch::with(|buffer| {
                scratch::with(|rows| {
                    let band = frames.band(index, buffer);
                    let in_place = phase.whole && padded == cout_each;
                    let gradient = if in_place {
                        &out_grad[band.first * cout..][..band.count * cout]
                    } else {
                        whole_vectors(geometry, &places, &band, padded, out_grad, rows)
                    };
                    let gradient_row = gradient.len() / band.count;
                    let chunks = gradient.chunks(CHUNK * gradient_row);
                    for (gradient, windows) in chunks.zip(frames.windows[..band.count].chunks(CHUNK)) {
                        tiles.add(geometry, engine, (band.frame, windows), gradient, sums);
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

/// The gradients of a band's windows, each group's channels with zeros behind them.
fn whole_vectors<'a, T: Number>(
    geometry: &Geometry,
    places: &Places,
    band: &Band<T>,
    padded: usize,
    out_grad: &[T],
    rows: &'a mut Vec<T>,
) -> &'a [T] {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let row = groups * padded;
    rows.clear();
    rows.resize(band.count * row, T::ZERO);
    for (i, row) in rows.chunks_exact_mut(row).enumerate() {
        let from = &out_grad[places.of(band.first + i) * cout..][..cout];
        for (row, from) in row.chunks_exact_mut(padded).zip(from.chunks_exact(cout / groups)) {
            row[..from.len()].copy_from_slice(from);
        }
    }
    rows
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
    fn new<T>(geometry: &Geometry, engine: &Engine<T>, taps: &[usize]) -> Self {
        let cin_each = geometry.cin / geometry.groups;
        let places: Vec<usize> =
            taps.iter().flat_map(|tap| (0..cin_each).map(move |ci| tap + ci)).collect();
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
        let (any, rows) = (cut(together, engine.most_weights), cut(row, engine.most_neighbours));
        let neighbours = rows.len() <= any.len() && rows.iter().all(|part| follows(&places[part.clone()]));
        Self { parts: if neighbours { rows } else { any }, places, neighbours }
    }

    /// Adds what some windows contribute to `sums`.
    fn add<T: Number>(
        &self,
        geometry: &Geometry,
        engine: &Engine<T>,
        (frame, windows): (*const T, &[usize]),
        gradient: &[T],
        sums: &mut [T],
    ) {
        let groups = geometry.groups;
        let cin_each = geometry.cin / groups;
        let padded = sums.len() / self.places.len() / groups;
        let gradient_row = gradient.len() / windows.len();
        for g in 0..groups {
            for channel in (0..padded).step_by(2 * engine.lanes) {
                let vectors = ((padded - channel) / engine.lanes).min(2);
                for part in &self.parts {
                    let row = (part.start / cin_each * groups + g) * cin_each + part.start % cin_each;
                    let target = &mut sums[row * padded + channel..];
                    let job = Weights {
                        frame: frame.wrapping_add(g * cin_each),
                        windows,
                        places: &self.places[part.clone()],
                        gradient: gradient[g * padded + channel..].as_ptr(),
                        gradient_row,
                        sums: target.as_mut_ptr(),
                        sums_row: padded,
                    };
                    let of = if self.neighbours {
                        engine.neighbours[vectors - 1][part.len() - 1]
                    } else {
                        engine.weights[vectors - 1][part.len() - 1]
                    };
                    // SAFETY: the frame has an input at the place of each weight in its windows, `gradient` whole vectors
                    // from these channels on for each of them, and `sums` for each weight; `neighbours` has been checked.
                    unsafe { of(&job) };
                }
            }
        }
    }
}
