//! K-blocked direct convolution, for many weights: sums over taps and input channels (the `k` of a matrix product) are cut into
//! blocks, so that the weights of a block, packed into panels just before they are used, and what they are multiplied with stay
//! in the caches while all windows of a strip go by. Each weight is read from memory once for thousands of windows.
//!
//! Source: K. Goto and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008), whose `kc`,
//! `mc` and `nc` are [`KC`], [`MC_TILES`] and [`KC_NC`] here. A halo tile takes the place of its packed left matrix.

use std::ops::Range;

use super::super::microkernels::{Ahead, MAX_COLUMNS, MAX_ROWS, Microkernels, OuterProduct};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::{for_each, wanted};
use super::filter::{Filter, FilterBlock};
use super::forward::OutputPositions;
use super::halo::{HaloTiles, Strip};
use super::polyphase::PolyphasePart;
use crate::array::memory;
use crate::scalar::number::Number;

/// Weights of a group from which on blocking pays.
const MIN_WEIGHTS: usize = 1 << 16;
/// Terms of a sum that are added up at a time, about: a panel of their weights takes a part of L2.
const KC: usize = 1024;
/// Channels of a block at least: a cache line of inputs.
const MIN_CHANNELS: usize = 16;
/// Packed weights that a thread works with at a time, at most (384 KiB of `f32`): they stay in L2.
const KC_NC: usize = 3 << 15;
/// Tiles of windows that all packed weights are multiplied with before the next ones: their inputs stay in L2, too.
const MC_TILES: usize = 12;
/// Windows and elements of the halo tile of a strip at most, where shapes allow.
const STRIP: (usize, usize) = (2048, 1 << 20);
/// Windows that packing weights again pays for, at least.
const MIN_WINDOWS: usize = 96;
/// Elements of a piece that is handed on.
const PIECE: usize = 1 << 14;

/// Returns the micro-kernels for a convolution with many weights: by sizes that do not depend on the batch.
pub(super) fn applicable<T: Number>(level: Level, geometry: &Geometry) -> Option<&'static Microkernels<T>> {
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
    let weights = geometry.kernel.iter().product::<usize>() * cin_each * cout_each;
    let micro = Microkernels::of(level)?;
    (weights >= MIN_WEIGHTS && cout_each >= micro.lanes).then_some(micro)
}

/// Channels of a block for so many taps.
fn channels(taps: usize, cin_each: usize) -> usize {
    let most = (KC / taps).clamp(MIN_CHANNELS.min(cin_each), cin_each);
    cin_each.div_ceil(cin_each.div_ceil(most)).next_multiple_of(MIN_CHANNELS).min(cin_each)
}

/// The convolution of a strip.
struct StripConvolution<'a, T> {
    geometry: &'a Geometry,
    micro: &'a Microkernels<T>,
    filter: Filter<'a, T>,
    halos: &'a HaloTiles<'a, T>,
    strip: Strip<T>,
    /// The taps of the polyphase part in the kernel, and how many are in a block.
    taps: Vec<usize>,
    each: usize,
    /// Output channels of a panel, and elements of its packed weights.
    width: usize,
    panel: usize,
    /// Where the outputs of each window are.
    rows: Vec<usize>,
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
    let (groups, cout, windows) = (geometry.groups, geometry.cout, geometry.batch * part.outs());
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let positions = OutputPositions::new(geometry, part);
    if part.taps() == 0 {
        // SAFETY: windows have outputs of their own.
        return (0..windows).for_each(|i| unsafe { out.slice(positions.of(i) * cout, cout) }.fill(T::ZERO));
    }
    let taps = part.kernel_indices(&geometry.kernel);
    let block = channels(taps.len(), cin_each);
    let each = taps.len().div_ceil(taps.len().div_ceil((KC / block).max(1)));
    let width = 2 * micro.lanes;
    let panel = each * block * width;
    let halos = HaloTiles::in_blocks(geometry, part, lhs, block, STRIP);
    let mut buffer = Scratch::new();
    // Strips one after the other: all threads share the packed weights of one and write its outputs.
    for index in 0..halos.strips() {
        let strip = halos.strip(index, &mut buffer);
        let (first, count) = (strip.first, strip.count);
        let work = count * taps.len() * cin_each * cout;
        let rows = (first..first + count).map(|window| positions.of(window) * cout).collect();
        let job = StripConvolution {
            geometry,
            micro,
            filter,
            halos: &halos,
            strip,
            taps: taps.clone(),
            each,
            width,
            panel,
            rows,
            out,
        };
        // Work is shared out over groups, panels of output channels and ranges of windows, in this order: threads have of
        // their own, and only where there are too few of those, several pack the same weights for windows of their own.
        let all = cout_each.div_ceil(width);
        let panels = (KC_NC / panel).clamp(1, all.div_ceil(wanted(work)));
        let panels = all.div_ceil(all.div_ceil(panels));
        let shares = cout_each.div_ceil(panels * width);
        let ranges = wanted(work).div_ceil(groups * shares).min(count.div_ceil(MIN_WINDOWS));
        let windows = count.div_ceil(ranges);
        for_each(
            groups * shares * ranges,
            work,
            || (),
            |(), index| {
                let (share, range) = (index / ranges, index % ranges);
                let (group, start) = (share / shares, share % shares * panels * width);
                let outputs = start..cout_each.min(start + panels * width);
                job.run(group, &outputs, &(range * windows..count.min((range + 1) * windows)));
            },
        );
        if part.whole {
            let piece = (PIECE / cout).max(1);
            for_each(
                count.div_ceil(piece),
                count * cout,
                || (),
                |(), index| {
                    let (start, windows) = (first + index * piece, piece.min(count - index * piece));
                    // SAFETY: pieces do not overlap, and nothing else is written any more.
                    epilogue(start * cout, unsafe { out.slice(start * cout, windows * cout) });
                },
            );
        }
    }
}

/// Some taps and channels of the windows of a strip.
struct KBlock<'a, T> {
    halo: *const T,
    /// Where the taps are.
    taps: &'a [usize],
    channels: usize,
    /// Whether there are outputs to add to.
    add: bool,
}

impl<T: Number> StripConvolution<'_, T> {
    /// Computes some output channels of a group in some windows of the strip.
    fn run(&self, group: usize, outputs: &Range<usize>, windows: &Range<usize>) {
        let cin_each = self.geometry.cin / self.geometry.groups;
        let blocks = self.halos.blocks.len() / self.geometry.groups;
        let panels = outputs.len().div_ceil(self.width);
        let chunks = self.taps.len().div_ceil(self.each);
        let filter_block = |step: usize| {
            let block = &self.halos.blocks[group * blocks + step / chunks];
            let taps = step % chunks * self.each;
            FilterBlock {
                group,
                taps: &self.taps[taps..self.taps.len().min(taps + self.each)],
                channels: block.start - group * cin_each..block.end - group * cin_each,
                outputs: outputs.clone(),
            }
        };
        let height = self.micro.height(windows.len());
        let mut packed = Scratch::<T>::new();
        let size = packed.len().max(panels * self.panel);
        memory::resize(&mut packed, size, T::ZERO);
        // Goto's loops, from the outside: blocks of `k` (channels and taps), whose weights are packed; `MC_TILES` tiles of windows;
        // panels of output channels; and, in `tiles`, the micro-kernel for each tile.
        for step in 0..blocks * chunks {
            let filter_block = filter_block(step);
            self.filter.pack(
                self.geometry,
                &filter_block,
                (self.width, self.micro.lanes),
                self.panel,
                &mut packed,
            );
            let index = group * blocks + step / chunks;
            let halo = self.strip.halo.wrapping_add(index * self.halos.block_size());
            let taps = step % chunks * self.each;
            let taps = &self.halos.taps[taps..taps + filter_block.taps.len()];
            let block = KBlock { halo, taps, channels: filter_block.channels.len(), add: step > 0 };
            for start in windows.clone().step_by(height * MC_TILES) {
                let windows = start..windows.end.min(start + height * MC_TILES);
                for (panel, packed) in packed.chunks_exact(self.panel).take(panels).enumerate() {
                    let first = outputs.start + panel * self.width;
                    let outputs = first..outputs.end.min(first + self.width);
                    self.tiles(&block, packed, (group, outputs), (&windows, height));
                }
            }
        }
    }

    /// Multiplies a block with a panel of weights, in some windows, so many in a tile.
    fn tiles(
        &self,
        block: &KBlock<'_, T>,
        packed: &[T],
        (group, outputs): (usize, Range<usize>),
        (windows, height): (&Range<usize>, usize),
    ) {
        let &KBlock { halo, taps, channels, add } = block;
        let vectors = if outputs.len() <= self.micro.lanes { 1 } else { 2 };
        let width = vectors * self.micro.lanes;
        assert!(packed.len() >= taps.len() * channels * width);
        let first = group * (self.geometry.cout / self.geometry.groups) + outputs.start;
        let mut edge = [T::ZERO; MAX_ROWS * MAX_COLUMNS];
        for start in windows.clone().step_by(height) {
            let count = height.min(windows.end - start);
            let positions = &self.halos.windows[start..start + count];
            let rows = &self.rows[start..start + count];
            let inputs: [_; MAX_ROWS] =
                std::array::from_fn(|i| halo.wrapping_add(positions[i.min(count - 1)]));
            // A tile at the edge of the output is computed whole in a buffer, of which the part that exists is copied.
            let whole = outputs.len() == width;
            let edges = edge.as_mut_ptr();
            let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                if whole {
                    self.out.from(rows[i.min(count - 1)] + first)
                } else {
                    edges.wrapping_add(i * MAX_COLUMNS)
                }
            });
            // SAFETY: these windows and channels are no one else's, and not used while the slice lives.
            let row = |i: usize| unsafe { self.out.slice(rows[i] + first, outputs.len()) };
            if !whole && add {
                for (i, edge) in edge.chunks_exact_mut(MAX_COLUMNS).take(count).enumerate() {
                    edge[..outputs.len()].copy_from_slice(row(i));
                }
            }
            let job = OuterProduct {
                rows: &inputs[..count],
                segments: taps,
                length: channels,
                panel: packed.as_ptr(),
                panel_row: width,
                out: &targets[..count],
                accumulate: add,
                ahead: Ahead::NOTHING,
            };
            // SAFETY: a block of the halo tile has `channels` elements at every tap of its windows, the panel has `width` weights
            // for each tap and channel, and every target takes `width` elements: those of the edge tile, or outputs of this window.
            unsafe { self.micro.outer_product[vectors - 1][count - 1](&job) };
            if !whole {
                for (i, edge) in edge.chunks_exact(MAX_COLUMNS).take(count).enumerate() {
                    row(i).copy_from_slice(&edge[..outputs.len()]);
                }
            }
        }
    }
}
