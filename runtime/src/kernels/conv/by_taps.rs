//! Convolutions of many weights over few windows (the last stages of a network for images): one tap after the other, each with the
//! windows that it meets inside of the input, which are found through pointers where the input lies. There is no padding to multiply:
//! of windows of 3×3 over 4×4 positions, that is 31 % of the work.
//!
//! Weights stream by once: a panel of them is asked for while others are multiplied, and read where it lies, or packed just before its
//! use where more windows share it. Reversed ones are packed by blocks, as in [`k_blocked`](super::k_blocked). Every output is added
//! up in the same order.

use std::ops::Range;

use super::super::microkernels::{Ahead, MAX_COLUMNS, MAX_ROWS, Microkernels, OuterProduct};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::{for_each, wanted};
use super::filter::{Filter, FilterBlock};
use super::forward::OutputPositions;
use super::k_blocked;
use super::polyphase::PolyphasePart;
use crate::array::memory;
use crate::scalar::number::Number;

/// Windows of an example at most: of more, few meet padding.
const MAX_PLANE: usize = 64;
/// Channels of a group at least: a tile is loaded and stored once for each tap.
const MIN_CHANNELS: usize = 64;
/// Channels that are added up at a time, about: a panel of their weights stays in L1, and rows of weights that lie a power of two
/// apart in L2.
const KC: usize = 128;
/// Panels from the one that is multiplied to the one that is asked for: the next one would come too late.
const AHEAD: usize = 2;
/// Packed weights of a block that a thread works with at a time, at most (384 KiB of `f32`): they stay in L2.
const KC_NC: usize = 3 << 15;
/// Windows that all weights of a block are multiplied with before the next ones, about: so many outputs stay in L2.
const MC: usize = 256;
/// Windows that packing a panel pays for.
const MIN_PACKED: usize = 32;
/// Windows that are a thread's share at least, where several read the same weights.
const MIN_WINDOWS: usize = 96;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Elements of a piece that is handed on.
const PIECE: usize = 1 << 14;

/// Returns the micro-kernels for many weights and few windows: by sizes that do not depend on the batch.
pub(super) fn applicable<T: Number>(level: Level, geometry: &Geometry) -> Option<&'static Microkernels<T>> {
    let is_small = geometry.out_spatial.iter().product::<usize>() <= MAX_PLANE;
    let is_deep = geometry.cin / geometry.groups >= MIN_CHANNELS;
    if is_small && is_deep { k_blocked::applicable(level, geometry) } else { None }
}

/// A window that a tap meets inside of the input: where its input and its output are, from those of its example on.
#[derive(Clone, Copy)]
struct Meeting {
    input: usize,
    output: usize,
}

/// Returns the meetings of each tap, in row-major order, with the windows of an example.
fn meetings(geometry: &Geometry, part: &PolyphasePart, positions: &OutputPositions) -> Vec<Vec<Meeting>> {
    let taps: Vec<usize> = part.axes.iter().map(|axis| axis.taps).collect();
    let outs: Vec<usize> = part.axes.iter().map(|axis| axis.outs).collect();
    let digits = |mut index: usize, sizes: &[usize]| {
        let mut digits = vec![0; sizes.len()];
        for (digit, &size) in digits.iter_mut().zip(sizes).rev() {
            *digit = index % size;
            index /= size;
        }
        digits
    };
    let meeting = |tap: &[usize], window: usize| {
        let mut position = 0;
        for ((axis, tap), out) in part.axes.iter().zip(tap).zip(digits(window, &outs)) {
            let at = axis.origin + (out * axis.stride + tap * axis.dilation) as isize;
            let at = usize::try_from(at).ok().filter(|&at| at < axis.size)?;
            position = position * axis.size + at;
        }
        Some(Meeting { input: position * geometry.cin, output: positions.of(window) * geometry.cout })
    };
    (0..part.taps())
        .map(|tap| {
            let tap = digits(tap, &taps);
            (0..part.outs()).filter_map(|window| meeting(&tap, window)).collect()
        })
        .collect()
}

/// The weights of a tap in a panel: a row for each channel, `row` elements apart.
struct Weights<'a, T> {
    panel: &'a [T],
    row: usize,
    /// What will be wanted soon.
    ahead: Ahead<T>,
}

/// The convolution of a polyphase part.
struct Convolution<'a, T> {
    geometry: &'a Geometry,
    micro: &'a Microkernels<T>,
    lhs: &'a [T],
    filter: Filter<'a, T>,
    /// The weights, unless they are reversed.
    plain: Option<&'a [T]>,
    /// The taps of the polyphase part in the kernel.
    taps: Vec<usize>,
    meetings: Vec<Vec<Meeting>>,
    /// Windows of an example, and examples that go by at a time.
    plane: usize,
    examples: usize,
    /// Channels of a block.
    block: usize,
    /// Output channels of a panel.
    width: usize,
    positions: OutputPositions,
    out: &'a DisjointSlice<'a, T>,
}

/// Writes the outputs of a polyphase part.
pub(super) fn forward<T: Number>(
    geometry: &Geometry,
    part: &PolyphasePart,
    micro: &Microkernels<T>,
    lhs: &[T],
    filter: Filter<'_, T>,
    out: &DisjointSlice<'_, T>,
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (groups, cout, plane) = (geometry.groups, geometry.cout, part.outs());
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let windows = geometry.batch * plane;
    let positions = OutputPositions::new(geometry, part);
    let plain = match filter {
        Filter::Plain(data) => Some(data),
        Filter::Reversed(_) => None,
    };
    let job = Convolution {
        geometry,
        micro,
        lhs,
        filter,
        plain,
        taps: part.kernel_indices(&geometry.kernel),
        meetings: meetings(geometry, part, &positions),
        plane,
        examples: (MC / plane).max(1),
        block: cin_each.div_ceil(cin_each.div_ceil(KC)),
        width: 2 * micro.lanes,
        positions,
        out,
    };
    // Work is shared out over groups, panels of output channels and ranges of examples, in this order: threads have weights of
    // their own, and only where there are too few, several pack the same ones for examples of their own.
    let work = windows * part.taps() * cin_each * cout;
    let all = cout_each.div_ceil(job.width);
    let most = if plain.is_some() { all } else { KC_NC / job.packed_panel().max(1) };
    let panels = most.clamp(1, all.div_ceil(wanted(work)));
    let panels = all.div_ceil(all.div_ceil(panels));
    let shares = all.div_ceil(panels);
    let ranges =
        wanted(work).div_ceil(groups * shares).min(windows.div_ceil(MIN_WINDOWS)).min(geometry.batch).max(1);
    let examples = geometry.batch.div_ceil(ranges);
    for_each(
        groups * shares * ranges,
        work,
        || (),
        |(), index| {
            let (share, range) = (index / ranges, index % ranges);
            let (group, start) = (share / shares, share % shares * panels * job.width);
            let outputs = start..cout_each.min(start + panels * job.width);
            job.run(group, &outputs, range * examples..geometry.batch.min((range + 1) * examples));
        },
    );
    if part.whole {
        let piece = (PIECE / cout).max(1);
        for_each(
            windows.div_ceil(piece),
            windows * cout,
            || (),
            |(), index| {
                let (start, count) = (index * piece, piece.min(windows - index * piece));
                // SAFETY: pieces do not overlap, and nothing else is written any more.
                epilogue(start * cout, unsafe { out.slice(start * cout, count * cout) });
            },
        );
    }
}

impl<T: Number> Convolution<'_, T> {
    /// Elements of the packed weights of a panel: of one tap, or of all taps of weights that are reversed.
    fn packed_panel(&self) -> usize {
        let taps = if self.plain.is_some() { 1 } else { self.taps.len() };
        taps * self.block * self.width
    }

    /// Computes some output channels of a group in some examples.
    fn run(&self, group: usize, outputs: &Range<usize>, examples: Range<usize>) {
        let cin_each = self.geometry.cin / self.geometry.groups;
        let first = group * (self.geometry.cout / self.geometry.groups) + outputs.start;
        for window in examples.start * self.plane..examples.end * self.plane {
            let start = self.positions.of(window) * self.geometry.cout + first;
            // SAFETY: these windows and channels are no one else's.
            unsafe { self.out.slice(start, outputs.len()) }.fill(T::ZERO);
        }
        if self.taps.is_empty() {
            return;
        }
        let panels = outputs.len().div_ceil(self.width);
        let mut packed = Scratch::<T>::empty();
        let held = if self.plain.is_some() { 1 } else { panels };
        memory::resize(&mut packed, held * self.packed_panel(), T::ZERO);
        for start in (0..cin_each).step_by(self.block) {
            let channels = start..cin_each.min(start + self.block);
            let filter = FilterBlock { group, taps: &self.taps, channels, outputs: outputs.clone() };
            if self.plain.is_none() {
                let widths = (self.width, self.micro.lanes);
                self.filter.pack(self.geometry, &filter, widths, self.packed_panel(), &mut packed);
            }
            for start in examples.clone().step_by(self.examples) {
                let examples = start..examples.end.min(start + self.examples);
                for (tap, panel) in
                    (0..self.taps.len()).flat_map(|tap| (0..panels).map(move |panel| (tap, panel)))
                {
                    let weights =
                        self.weights(&filter, (tap, panel), examples.len() * self.plane, &mut packed);
                    let first = outputs.start + panel * self.width;
                    let outputs = first..outputs.end.min(first + self.width);
                    let block = FilterBlock { outputs, channels: filter.channels.clone(), ..filter };
                    self.tiles(&block, &weights, &self.meetings[tap], examples.clone());
                }
            }
        }
    }

    /// The weights of a tap and a panel of a block, for so many windows: those of reversed ones are packed already.
    fn weights<'b>(
        &'b self,
        block: &FilterBlock<'_>,
        (tap, panel): (usize, usize),
        windows: usize,
        packed: &'b mut [T],
    ) -> Weights<'b, T> {
        let first = block.outputs.start + panel * self.width;
        let outputs = first..block.outputs.end.min(first + self.width);
        let channels = block.channels.clone();
        let width = outputs.len().next_multiple_of(self.micro.lanes);
        let size = channels.len() * width;
        let Some(data) = self.plain else {
            let start = panel * self.packed_panel() + tap * size;
            return Weights { panel: &packed[start..start + size], row: width, ahead: Ahead::NOTHING };
        };
        let ahead = self.ahead(data, block, tap, panel);
        if outputs.len() == width && windows < MIN_PACKED {
            let place = self.place(block.group, tap, channels.start, first);
            let end = place + (channels.len() - 1) * self.geometry.cout + width;
            return Weights { panel: &data[place..end], row: self.geometry.cout, ahead };
        }
        let one = FilterBlock { group: block.group, taps: &self.taps[tap..=tap], channels, outputs };
        self.filter.pack(self.geometry, &one, (self.width, self.micro.lanes), self.packed_panel(), packed);
        Weights { panel: &packed[..size], row: width, ahead }
    }

    /// Where the weights of a tap, from a channel and an output of a group on, lie in the kernel.
    fn place(&self, group: usize, tap: usize, channel: usize, output: usize) -> usize {
        let (cin_each, cout_each) =
            (self.geometry.cin / self.geometry.groups, self.geometry.cout / self.geometry.groups);
        (self.taps[tap] * cin_each + channel) * self.geometry.cout + group * cout_each + output
    }

    /// The panel that is read [`AHEAD`] panels after one of a block, if there is one.
    fn ahead(&self, data: &[T], block: &FilterBlock<'_>, tap: usize, panel: usize) -> Ahead<T> {
        let cin_each = self.geometry.cin / self.geometry.groups;
        let panels = block.outputs.len().div_ceil(self.width);
        let (next, panel) = (tap + (panel + AHEAD) / panels, (panel + AHEAD) % panels);
        let (blocks, tap) = (next / self.taps.len(), next % self.taps.len());
        let channel = block.channels.start + blocks * self.block;
        if channel >= cin_each {
            return Ahead::NOTHING;
        }
        let place = self.place(block.group, tap, channel, block.outputs.start + panel * self.width);
        let lines = (self.width * size_of::<T>()).div_ceil(LINE);
        Ahead::rows(data.as_ptr().wrapping_add(place), self.geometry.cout, lines)
    }

    /// Adds the products of a tap's weights, some channels of a panel, to the windows of some examples.
    fn tiles(
        &self,
        block: &FilterBlock<'_>,
        weights: &Weights<'_, T>,
        meetings: &[Meeting],
        examples: Range<usize>,
    ) {
        let Geometry { cin, cout, groups, .. } = *self.geometry;
        let &FilterBlock { group, ref channels, ref outputs, .. } = block;
        let vectors = outputs.len().div_ceil(self.micro.lanes);
        let width = vectors * self.micro.lanes;
        assert!(weights.panel.len() >= (channels.len() - 1) * weights.row + width);
        let is_whole = outputs.len() == width;
        let (from, to) = (group * (cin / groups) + channels.start, group * (cout / groups) + outputs.start);
        let example = (self.lhs.len() / self.geometry.batch, self.example_out());
        let count = meetings.len() * examples.len();
        let height = self.micro.height(count);
        let tiles = count.div_ceil(height);
        let mut edge = [T::ZERO; MAX_ROWS * MAX_COLUMNS];
        // The meeting that comes next, and its example.
        let (mut meeting, mut at) = (0, examples.start);
        for tile in 0..tiles {
            let used = height.min(count - tile * height);
            let (mut inputs, mut rows) = ([self.lhs.as_ptr(); MAX_ROWS], [0; MAX_ROWS]);
            for (input, row) in inputs.iter_mut().zip(&mut rows).take(used) {
                let Meeting { input: position, output } = meetings[meeting];
                *input = self.lhs[at * example.0 + position + from..].as_ptr();
                *row = at * example.1 + output + to;
                meeting += 1;
                if meeting == meetings.len() {
                    (meeting, at) = (0, at + 1);
                }
            }
            // A tile at the edge of the output is computed whole in a buffer, of which the part that exists is copied.
            let edges = edge.as_mut_ptr();
            let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                if is_whole { self.out.from(rows[i]) } else { edges.wrapping_add(i * MAX_COLUMNS) }
            });
            // SAFETY: these windows and channels are no one else's, and not used while the slice lives.
            let row = |i: usize| unsafe { self.out.slice(rows[i], outputs.len()) };
            if !is_whole {
                for (i, edge) in edge.chunks_exact_mut(MAX_COLUMNS).take(used).enumerate() {
                    edge[..outputs.len()].copy_from_slice(row(i));
                }
            }
            let job = OuterProduct {
                rows: &inputs[..used],
                segments: &[0],
                length: channels.len(),
                panel: weights.panel.as_ptr(),
                panel_row: weights.row,
                out: &targets[..used],
                accumulate: true,
                ahead: weights.ahead.share(tile, tiles, self.micro.lanes),
            };
            // SAFETY: a meeting is inside of the input, which has all channels there; the panel has `width` weights for each channel;
            // every target takes `width` elements: those of the edge tile, or outputs of this window.
            unsafe { self.micro.outer_product[vectors - 1][used - 1](&job) };
            if !is_whole {
                for (i, edge) in edge.chunks_exact(MAX_COLUMNS).take(used).enumerate() {
                    row(i).copy_from_slice(&edge[..outputs.len()]);
                }
            }
        }
    }

    /// Elements of an example of the output.
    fn example_out(&self) -> usize {
        self.geometry.out_spatial.iter().product::<usize>() * self.geometry.cout
    }
}
