//! Convolutions with many weights: sums are cut into blocks of taps and channels, so that the weights of a block, packed just
//! before they are used, and what they are multiplied with stay in the caches while all windows go by. Each weight is read
//! from memory once for thousands of windows, in the way of Goto and van de Geijn's matrix product ("Anatomy of
//! high-performance matrix multiplication", ACM TOMS 34, 2008).

use std::ops::Range;

use super::super::microkernels::{MAX_COLUMNS, MAX_ROWS, Microkernels, OuterProduct};
use super::super::number::Number;
use super::super::scratch;
use super::super::simd::Level;
use super::Geometry;
use super::block::{Output, for_each, wanted};
use super::filter::{Filter, Part};
use super::forward::Places;
use super::frame::{Band, Frames};
use super::phase::Phase;
use crate::tensor::memory;

/// Weights of a group from which on they are many.
const MANY_WEIGHTS: usize = 1 << 16;
/// Terms of a sum that are added up at a time, about: a panel of their weights takes a part of the second cache.
const DEPTH: usize = 1024;
/// Channels of a block at least: a cache line of inputs.
const FEW_CHANNELS: usize = 16;
/// Packed weights that a thread works with at a time, at most (384 KiB of `f32`): they stay in the second cache.
const PACKED: usize = 3 << 15;
/// Tiles of windows that all packed weights are multiplied with before the next ones: their inputs stay in the second cache, too.
const TILES: usize = 12;
/// Windows and elements of the frame of a band at most, where shapes allow.
const BAND: (usize, usize) = (2048, 1 << 20);
/// Windows that packing weights again pays for, at least.
const FEW_WINDOWS: usize = 96;
/// Elements of a piece that is handed on.
const PIECE: usize = 1 << 14;

/// Returns the inner loops for a convolution with many weights: by sizes that do not depend on the batch.
pub(super) fn applicable<T: Number>(level: Level, geometry: &Geometry) -> Option<&'static Microkernels<T>> {
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
    let weights = geometry.kernel.iter().product::<usize>() * cin_each * cout_each;
    let micro = Microkernels::of(level)?;
    (weights >= MANY_WEIGHTS && cout_each >= micro.lanes).then_some(micro)
}

/// Channels of a block for so many taps.
fn channels(taps: usize, cin_each: usize) -> usize {
    let most = (DEPTH / taps).clamp(FEW_CHANNELS.min(cin_each), cin_each);
    cin_each.div_ceil(cin_each.div_ceil(most)).next_multiple_of(FEW_CHANNELS).min(cin_each)
}

/// The outputs of a band.
struct Job<'a, T> {
    geometry: &'a Geometry,
    micro: &'a Microkernels<T>,
    filter: Filter<'a, T>,
    frames: &'a Frames<'a, T>,
    band: Band<T>,
    /// The taps of the phase in the kernel, and how many are in a block.
    taps: Vec<usize>,
    each: usize,
    /// Output channels of a panel, and elements of its packed weights.
    width: usize,
    panel: usize,
    /// Where the outputs of each window are.
    rows: Vec<usize>,
    out: &'a Output<T>,
}

/// Writes the outputs of a phase.
pub(super) fn forward<T: Number>(
    geometry: &Geometry,
    phase: &Phase,
    micro: &Microkernels<T>,
    lhs: &[T],
    filter: Filter<'_, T>,
    out: &Output<T>,
    then: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (groups, cout, windows) = (geometry.groups, geometry.cout, geometry.batch * phase.outs());
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let places = Places::new(geometry, phase);
    if phase.taps() == 0 {
        // SAFETY: windows have outputs of their own.
        return (0..windows).for_each(|i| unsafe { out.slice(places.of(i) * cout, cout) }.fill(T::ZERO));
    }
    let taps = phase.kernel_indices(&geometry.kernel);
    let block = channels(taps.len(), cin_each);
    let each = taps.len().div_ceil(taps.len().div_ceil((DEPTH / block).max(1)));
    let width = 2 * micro.lanes;
    let panel = each * block * width;
    let frames = Frames::in_blocks(geometry, phase, lhs, block, BAND);
    scratch::with(|buffer| {
        for index in 0..frames.bands() {
            let band = frames.band(index, buffer);
            let (first, count) = (band.first, band.count);
            let work = count * taps.len() * cin_each * cout;
            let rows = (first..first + count).map(|window| places.of(window) * cout).collect();
            let job = Job {
                geometry,
                micro,
                filter,
                frames: &frames,
                band,
                taps: taps.clone(),
                each,
                width,
                panel,
                rows,
                out,
            };
            // Threads have panels of their own; only where there are too few of those, several pack the same weights.
            let all = cout_each.div_ceil(width);
            let panels = (PACKED / panel).clamp(1, all.div_ceil(wanted(work)));
            let panels = all.div_ceil(all.div_ceil(panels));
            let shares = cout_each.div_ceil(panels * width);
            let parts = wanted(work).div_ceil(groups * shares).min(count.div_ceil(FEW_WINDOWS));
            let windows = count.div_ceil(parts);
            for_each(
                groups * shares * parts,
                work,
                || (),
                |(), index| {
                    let (share, part) = (index / parts, index % parts);
                    let (group, start) = (share / shares, share % shares * panels * width);
                    let outputs = start..cout_each.min(start + panels * width);
                    job.run(group, &outputs, &(part * windows..count.min((part + 1) * windows)));
                },
            );
            if phase.whole {
                let piece = (PIECE / cout).max(1);
                for_each(
                    count.div_ceil(piece),
                    count * cout,
                    || (),
                    |(), index| {
                        let (start, windows) = (first + index * piece, piece.min(count - index * piece));
                        // SAFETY: pieces do not overlap, and nothing else is written any more.
                        then(start * cout, unsafe { out.slice(start * cout, windows * cout) });
                    },
                );
            }
        }
    });
}

/// Some taps and channels of the windows of a band.
struct Block<'a, T> {
    frame: *const T,
    /// Where the taps are.
    taps: &'a [usize],
    channels: usize,
    /// Whether there are outputs to add to.
    add: bool,
}

impl<T: Number> Job<'_, T> {
    /// Computes some output channels of a group in some windows of the band.
    fn run(&self, group: usize, outputs: &Range<usize>, windows: &Range<usize>) {
        let cin_each = self.geometry.cin / self.geometry.groups;
        let blocks = self.frames.blocks.len() / self.geometry.groups;
        let panels = outputs.len().div_ceil(self.width);
        let chunks = self.taps.len().div_ceil(self.each);
        let part = |step: usize| {
            let block = &self.frames.blocks[group * blocks + step / chunks];
            let taps = step % chunks * self.each;
            Part {
                group,
                taps: &self.taps[taps..self.taps.len().min(taps + self.each)],
                channels: block.start - group * cin_each..block.end - group * cin_each,
                outputs: outputs.clone(),
            }
        };
        let height = self.micro.height(windows.len());
        scratch::with(|packed: &mut Vec<T>| {
            let size = packed.len().max(panels * self.panel);
            memory::resize(packed, size, T::ZERO);
            for step in 0..blocks * chunks {
                let part = part(step);
                self.filter.pack(self.geometry, &part, (self.width, self.micro.lanes), self.panel, packed);
                let index = group * blocks + step / chunks;
                let frame = self.band.frame.wrapping_add(index * self.frames.block_size());
                let taps = step % chunks * self.each;
                let taps = &self.frames.taps[taps..taps + part.taps.len()];
                let block = Block { frame, taps, channels: part.channels.len(), add: step > 0 };
                for start in windows.clone().step_by(height * TILES) {
                    let windows = start..windows.end.min(start + height * TILES);
                    for (panel, packed) in packed.chunks_exact(self.panel).take(panels).enumerate() {
                        let first = outputs.start + panel * self.width;
                        let outputs = first..outputs.end.min(first + self.width);
                        self.tiles(&block, packed, (group, outputs), (&windows, height));
                    }
                }
            }
        });
    }

    /// Multiplies a block with a panel of weights, in some windows, so many in a tile.
    fn tiles(
        &self,
        block: &Block<'_, T>,
        packed: &[T],
        (group, outputs): (usize, Range<usize>),
        (windows, height): (&Range<usize>, usize),
    ) {
        let &Block { frame, taps, channels, add } = block;
        let vectors = if outputs.len() <= self.micro.lanes { 1 } else { 2 };
        let width = vectors * self.micro.lanes;
        assert!(packed.len() >= taps.len() * channels * width);
        let first = group * (self.geometry.cout / self.geometry.groups) + outputs.start;
        let mut spare = [T::ZERO; MAX_ROWS * MAX_COLUMNS];
        for start in windows.clone().step_by(height) {
            let count = height.min(windows.end - start);
            let places = &self.frames.windows[start..start + count];
            let rows = &self.rows[start..start + count];
            let inputs: [_; MAX_ROWS] = std::array::from_fn(|i| frame.wrapping_add(places[i.min(count - 1)]));
            let whole = outputs.len() == width;
            let spares = spare.as_mut_ptr();
            let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                if whole {
                    self.out.from(rows[i.min(count - 1)] + first)
                } else {
                    spares.wrapping_add(i * MAX_COLUMNS)
                }
            });
            // SAFETY: these windows and channels are no one else's, and not used while the slice lives.
            let row = |i: usize| unsafe { self.out.slice(rows[i] + first, outputs.len()) };
            if !whole && add {
                for (i, spare) in spare.chunks_exact_mut(MAX_COLUMNS).take(count).enumerate() {
                    spare[..outputs.len()].copy_from_slice(row(i));
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
            };
            // SAFETY: a block of the frame has `channels` numbers at every tap of its windows, the panel has `width` weights
            // for each tap and channel, and every target takes `width` numbers: spare ones, or outputs of this window.
            unsafe { self.micro.outer_product[vectors - 1][count - 1](&job) };
            if !whole {
                for (i, spare) in spare.chunks_exact(MAX_COLUMNS).take(count).enumerate() {
                    row(i).copy_from_slice(&spare[..outputs.len()]);
                }
            }
        }
    }
}
