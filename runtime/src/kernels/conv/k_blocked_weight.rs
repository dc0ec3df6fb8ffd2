//! The gradient with respect to many weights, K-blocked over windows (the `k` of this product): each weight is summed over
//! hundreds of windows in a register before it is written, while a panel of gradients of the output stays in L1.
//!
//! Source: K. Goto and R. A. van de Geijn, as for [`k_blocked`](super::k_blocked); panels of gradients are the packed right matrix.

use std::ops::Range;

use super::super::microkernels::{MAX_ADJACENT, MAX_COLUMNS, Microkernels, WeightGradient};
use super::super::scratch::Scratch;
use super::super::simd::{self, Level};
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::for_each;
use super::filter::CopyRows;
use super::forward::OutputPositions;
use super::halo::{HaloTiles, Strip};
use super::polyphase::polyphase_parts;
use crate::array::memory;
use crate::scalar::number::Number;

/// Weights of a group from which on they are many: partial sums over windows, side by side, would not stay in a cache.
const MIN_WEIGHTS: usize = 1 << 17;
/// Channels of a block of the input, about: the inputs of a tile are neighbours, and those of its windows lie close.
const MC_CHANNELS: usize = 56;
/// Windows and elements of the halo tile of a strip at most, where shapes allow: it stays in L2, mostly.
const STRIP: (usize, usize) = (384, 1 << 18);
/// Windows that all weights of a tap are multiplied with before the next ones.
const KC_WINDOWS: usize = 256;

/// Returns the micro-kernels for a gradient of many weights: by sizes that do not depend on the batch.
pub(super) fn applicable<T: Number>(level: Level, geometry: &Geometry) -> Option<&'static Microkernels<T>> {
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
    let weights = geometry.kernel.iter().product::<usize>() * cin_each * cout_each;
    let micro = Microkernels::of(level)?;
    (weights >= MIN_WEIGHTS && cout_each >= micro.lanes).then_some(micro)
}

/// Writes the gradient to `rhs_grad`; nothing is empty, and the geometry has been checked against the slices.
pub(super) fn weight_gradient<T: Number>(
    geometry: &Geometry,
    micro: &Microkernels<T>,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let parts = polyphase_parts(geometry);
    let written = parts.iter().all(|part| part.whole);
    if !written {
        rhs_grad.fill(T::ZERO);
    }
    let cin_each = geometry.cin / geometry.groups;
    let most = micro.max_adjacent;
    // What each strip of windows adds is added to the output by one thread for each tap and panel: no partial sums are kept.
    // Tiles of one height, and whole numbers of them in a block.
    let height = cin_each.div_ceil(cin_each.div_ceil(most));
    let block = (height * (MC_CHANNELS / height).max(1)).min(cin_each);
    let out = DisjointSlice::new(rhs_grad);
    for part in parts.iter().filter(|part| part.taps() > 0) {
        let halos = HaloTiles::in_blocks(geometry, part, lhs, block, STRIP);
        let positions = OutputPositions::new(geometry, part);
        let taps = part.kernel_indices(&geometry.kernel);
        let mut buffer = Scratch::new();
        let mut gradient = Scratch::new();
        for index in 0..halos.strips() {
            let strip = halos.strip(index, &mut buffer);
            let width = 2 * micro.lanes;
            pack(geometry, (&positions, part.whole), &strip, width, out_grad, &mut gradient);
            let add = !written || index > 0;
            let job = StripGradient {
                geometry,
                micro,
                height,
                halos: &halos,
                strip,
                gradient: &gradient,
                add,
                out: &out,
            };
            job.run(&taps);
        }
    }
}

/// Copies the gradients of the windows of a strip, a panel of channels after the other, with zeros behind those of each group.
fn pack<T: Number>(
    geometry: &Geometry,
    (positions, is_whole): (&OutputPositions, bool),
    strip: &Strip<T>,
    width: usize,
    out_grad: &[T],
    packed: &mut Vec<T>,
) {
    let cout_each = geometry.cout / geometry.groups;
    let panels = cout_each.div_ceil(width);
    let size = geometry.groups * panels * strip.count * width;
    memory::resize(packed, packed.len().max(size), T::ZERO);
    let output = DisjointSlice::new(packed);
    for_each(
        geometry.groups * panels,
        size,
        || (),
        |(), index| {
            let (group, first) = (index / panels, index % panels * width);
            let used = width.min(cout_each - first);
            // SAFETY: panels do not overlap.
            let panel = unsafe { output.slice(index * strip.count * width, strip.count * width) };
            let from =
                |window: usize| &out_grad[positions.of(window) * geometry.cout + group * cout_each + first..];
            let copy = |from: &[T], to: &mut [T]| {
                simd::run(CopyRows { from, step: geometry.cout, count: used, to, width });
            };
            // Windows whose outputs follow each other are copied at once.
            if is_whole {
                copy(from(strip.first), panel);
            } else {
                let rows = panel.chunks_exact_mut(width).enumerate();
                rows.for_each(|(window, row)| copy(from(strip.first + window), row));
            }
        },
    );
}

/// What the windows of a strip add to the gradient.
struct StripGradient<'a, T> {
    geometry: &'a Geometry,
    micro: &'a Microkernels<T>,
    /// Channels of a tile.
    height: usize,
    halos: &'a HaloTiles<'a, T>,
    strip: Strip<T>,
    /// Gradients in panels.
    gradient: &'a [T],
    /// Whether there are sums already.
    add: bool,
    out: &'a DisjointSlice<'a, T>,
}

impl<T: Number> StripGradient<'_, T> {
    fn run(&self, taps: &[usize]) {
        let Geometry { groups, cin, cout, .. } = *self.geometry;
        let (cout_each, width) = (cout / groups, 2 * self.micro.lanes);
        let panels = cout_each.div_ceil(width);
        let work = self.strip.count * taps.len() * cin / groups * cout;
        for_each(
            groups * panels * taps.len(),
            work,
            || (),
            |(), index| {
                let (panel, tap) = (index / taps.len(), index % taps.len());
                let first = panel % panels * width;
                let outputs = first..cout_each.min(first + width);
                self.tap(panel, (panel / panels, outputs), (taps[tap], self.halos.taps[tap]));
            },
        );
    }

    /// The weights of a tap for a panel of output channels of a group.
    fn tap(&self, panel: usize, (group, outputs): (usize, Range<usize>), (tap, offset): (usize, usize)) {
        let Geometry { groups, cin, cout, .. } = *self.geometry;
        let (cin_each, cout_each, count) = (cin / groups, cout / groups, self.strip.count);
        let width = 2 * self.micro.lanes;
        let gradient = &self.gradient[panel * count * width..][..count * width];
        // A panel of few channels has a vector of zeros behind them, which need not be multiplied.
        let vectors = if outputs.len() <= self.micro.lanes { 1 } else { 2 };
        let whole = outputs.len() == vectors * self.micro.lanes;
        let mut edge = [T::ZERO; MAX_ADJACENT * MAX_COLUMNS];
        // Around the micro-kernel, from the outside: windows in blocks of `KC_WINDOWS`, blocks of channels, tiles of their weights.
        let blocks = self.halos.blocks.len() / groups;
        let each = count.div_ceil(count.div_ceil(KC_WINDOWS));
        for start in (0..count).step_by(each) {
            let windows = &self.halos.windows[start..count.min(start + each)];
            let add = self.add || start > 0;
            for index in group * blocks..(group + 1) * blocks {
                let block = &self.halos.blocks[index];
                let halo = self.strip.halo.wrapping_add(index * self.halos.block_size() + offset);
                for channel in block.clone().step_by(self.height) {
                    let weights = self.height.min(block.end - channel);
                    let row = (tap * cin_each + channel - group * cin_each) * cout
                        + group * cout_each
                        + outputs.start;
                    let offsets: [_; MAX_ADJACENT] = std::array::from_fn(|i| channel - block.start + i);
                    let job = WeightGradient {
                        input: halo,
                        windows,
                        offsets: &offsets[..weights],
                        gradient: gradient[start * width..].as_ptr(),
                        gradient_row: width,
                        sums: if whole { self.out.from(row) } else { edge.as_mut_ptr() },
                        sums_row: if whole { cout } else { MAX_COLUMNS },
                        accumulate: add && whole,
                    };
                    // SAFETY: a block of the halo tile has these channels at every tap of its windows, `gradient` two vectors for
                    // each window, and the target takes whole vectors for each weight: those of the edge tile, or this tap's in the output.
                    unsafe { self.micro.adjacent_weight_gradient[vectors - 1][weights - 1](&job) };
                    if !whole {
                        for (i, edge) in edge.chunks_exact(MAX_COLUMNS).take(weights).enumerate() {
                            // SAFETY: these weights are no one else's.
                            let sums = unsafe { self.out.slice(row + i * cout, outputs.len()) };
                            for (sum, &x) in sums.iter_mut().zip(edge) {
                                *sum = if add { sum.add(x) } else { x };
                            }
                        }
                    }
                }
            }
        }
    }
}
