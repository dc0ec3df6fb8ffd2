//! Halo tiles: what a strip of windows reads of the input, as one block in which every window meets every tap.
//!
//! A tile has what its windows share with those of the next strips (the halo), zeros where padding is, and nothing that no window
//! reads. Inner loops over it need no bounds: `windows[i] + taps[t]` is always inside.

use std::cmp::Ordering;
use std::ops::Range;

use super::super::simd;
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::for_each;
use super::filter::CopyRows;
use super::polyphase::{PartAxis, PolyphasePart, gcd};
use crate::array::memory;
use crate::scalar::number::Number;

/// Elements of a halo tile and windows of a strip at most, where shapes allow: the outputs of a strip and what they are made of
/// stay in L2.
const ELEMENTS: usize = 1 << 16;
const WINDOWS: usize = 512;
/// Pieces that the rows of a halo tile in blocks are copied in at most.
const MAX_PIECES: usize = 64;
/// Windows of a strip at least, where more strips are wanted.
const MIN_WINDOWS: usize = 48;

/// How the windows of a polyphase part are cut into strips, and where in the halo tile of a strip its windows and taps are.
pub(super) struct HaloTiles<'a, T> {
    input: &'a [T],
    /// The batch and then the spatial dimensions.
    axes: Vec<PartAxis>,
    /// The axis that is cut; a strip has one window along those before it and all windows along those behind.
    cut: usize,
    /// Windows along the cut axis in a strip, but for the last one.
    each: usize,
    /// Whether no window reaches outside of the input, which then is the halo tile.
    in_place: bool,
    /// Channels that lie together in a halo tile, all positions of some of them before the next ones; `block` at most.
    pub blocks: Vec<Range<usize>>,
    block: usize,
    /// How far apart the inputs are that a halo tile has along each axis: none that no window reads.
    gaps: Vec<usize>,
    /// Distance between neighbours along each axis, in the input and in a halo tile.
    input_steps: Vec<usize>,
    steps: Vec<usize>,
    /// Sizes of a halo tile.
    sizes: Vec<usize>,
    /// Where each window of a strip is, from where its halo tile starts.
    pub windows: Vec<usize>,
    /// Where each tap is, from where its window is.
    pub taps: Vec<usize>,
}

/// Windows that follow each other, and their halo tile.
pub(super) struct Strip<T> {
    pub first: usize,
    pub count: usize,
    pub halo: *const T,
}

// SAFETY: a strip is a shared reference to plain values; whoever reads through it vouches for its extent.
unsafe impl<T: Sync> Sync for Strip<T> {}

impl<'a, T: Number> HaloTiles<'a, T> {
    /// The polyphase part has at least one window and one tap. Of few windows there are still about as many strips as `wanted`.
    pub fn new(geometry: &Geometry, part: &PolyphasePart, input: &'a [T], wanted: usize) -> Self {
        let windows = geometry.batch * part.outs();
        let most = windows.div_ceil(wanted).clamp(MIN_WINDOWS, WINDOWS);
        let all = std::iter::once(0..geometry.cin).collect();
        Self::with_blocks(geometry, part, input, (geometry.cin, all), (most, ELEMENTS))
    }

    /// The same for halo tiles in blocks of so many channels of a group, in order, and for strips of so many windows and elements.
    pub fn in_blocks(
        geometry: &Geometry,
        part: &PolyphasePart,
        input: &'a [T],
        block: usize,
        most: (usize, usize),
    ) -> Self {
        let cin_each = geometry.cin / geometry.groups;
        let blocks = (0..geometry.groups).flat_map(|g| {
            let (first, end) = (g * cin_each, (g + 1) * cin_each);
            (first..end).step_by(block).map(move |channel| channel..end.min(channel + block))
        });
        Self::with_blocks(geometry, part, input, (block, blocks.collect()), most)
    }

    fn with_blocks(
        geometry: &Geometry,
        part: &PolyphasePart,
        input: &'a [T],
        (block, blocks): (usize, Vec<Range<usize>>),
        most: (usize, usize),
    ) -> Self {
        let batch = PartAxis::plain(geometry.batch);
        let axes: Vec<PartAxis> = [batch].into_iter().chain(part.axes.iter().copied()).collect();
        let in_place = blocks.len() == 1
            && axes
                .iter()
                .all(|axis| axis.origin >= 0 && axis.origin as usize + span(axis, axis.outs) <= axis.size);
        // Of inputs that windows skip along an axis, a tile has none: both strides and dilations shrink by the gap.
        let gaps: Vec<usize> = axes.iter().map(|axis| if in_place { 1 } else { gap(axis) }).collect();
        let products = |sizes: &[usize], inner: usize| {
            let mut steps = vec![inner; sizes.len()];
            for d in (1..sizes.len()).rev() {
                steps[d - 1] = steps[d] * sizes[d];
            }
            steps
        };
        let input_steps = products(&axes.iter().map(|axis| axis.size).collect::<Vec<_>>(), geometry.cin);
        let extent = |d: usize, outs: usize| (span(&axes[d], outs) - 1) / gaps[d] + 1;
        let (cut, each) = cut(&axes, extent, geometry.cin, most);
        let outs = |d: usize| match d.cmp(&cut) {
            Ordering::Less => 1,
            Ordering::Equal => each,
            Ordering::Greater => axes[d].outs,
        };
        let sizes: Vec<usize> = (0..axes.len()).map(|d| extent(d, outs(d))).collect();
        let steps = if in_place { input_steps.clone() } else { products(&sizes, block) };
        // Offsets of all index tuples in row-major order; those of windows and taps add up, as both are linear in the index.
        let offsets = |count: &dyn Fn(usize) -> usize, step: &dyn Fn(usize) -> usize| {
            (0..axes.len()).fold(vec![0], |offsets: Vec<usize>, d| {
                let inner = (0..count(d)).map(|i| i * step(d));
                offsets.iter().flat_map(|offset| inner.clone().map(move |inner| offset + inner)).collect()
            })
        };
        let windows = offsets(&outs, &|d| axes[d].stride / gaps[d] * steps[d]);
        let taps = offsets(&|d| axes[d].taps, &|d| axes[d].dilation / gaps[d] * steps[d]);
        Self {
            input,
            axes,
            cut,
            each,
            in_place,
            blocks,
            block,
            gaps,
            input_steps,
            steps,
            sizes,
            windows,
            taps,
        }
    }

    /// Elements of a block of a halo tile, from the start of which the next one starts.
    pub fn block_size(&self) -> usize {
        self.steps[0] * self.sizes[0]
    }

    /// How many strips there are.
    pub fn strips(&self) -> usize {
        let before: usize = self.axes[..self.cut].iter().map(|axis| axis.outs).product();
        before * self.axes[self.cut].outs.div_ceil(self.each)
    }

    /// Returns a strip with its halo tile, which is copied to `buffer` unless the input itself serves.
    ///
    /// Reading `windows[i] + taps[t] + c` elements behind the halo tile is inside it for `i < count` and `c < cin`.
    pub fn strip(&self, index: usize, buffer: &mut Vec<T>) -> Strip<T> {
        // Strips are counted in row-major order: over the axes before the cut one, each of one window, and then along that.
        let axis = &self.axes[self.cut];
        let per_line = axis.outs.div_ceil(self.each);
        let (line, out) = (index / per_line, index % per_line * self.each);
        let outs = self.each.min(axis.outs - out);
        let mut starts: Vec<isize> = self.axes.iter().map(|axis| axis.origin).collect();
        starts[self.cut] += (out * axis.stride) as isize;
        let mut rest = line;
        for d in (0..self.cut).rev() {
            starts[d] += (rest % self.axes[d].outs * self.axes[d].stride) as isize;
            rest /= self.axes[d].outs;
        }
        let per_out = self.windows.len() / self.each;
        let (first, count) = ((line * axis.outs + out) * per_out, outs * per_out);
        let halo = if self.in_place {
            let offset: usize =
                starts.iter().zip(&self.input_steps).map(|(&i, step)| i as usize * step).sum();
            self.input[offset..].as_ptr()
        } else {
            self.copy(&starts, outs, buffer);
            buffer.as_ptr()
        };
        Strip { first, count, halo }
    }

    /// Copies the box at `starts`, of `outs` windows along the cut axis, and writes zeros where it is outside of the input.
    fn copy(&self, starts: &[isize], outs: usize, buffer: &mut Vec<T>) {
        let size = self.block_size() * self.blocks.len();
        if buffer.len() < size {
            memory::resize(buffer, size, T::ZERO);
        }
        let last = self.axes.len() - 1;
        let height = |d: usize| {
            if d == self.cut { (span(&self.axes[d], outs) - 1) / self.gaps[d] + 1 } else { self.sizes[d] }
        };
        let rows = (0..last).map(height).product();
        let output = DisjointSlice::new(buffer);
        if self.blocks.len() == 1 {
            return self.copy_rows(starts, &height, 0..rows, &output);
        }
        let each = rows.div_ceil(MAX_PIECES);
        for_each(
            rows.div_ceil(each),
            size,
            || (),
            |(), piece| {
                self.copy_rows(starts, &height, piece * each..rows.min((piece + 1) * each), &output);
            },
        );
    }

    /// Copies some rows along the last axis of the box.
    fn copy_rows(
        &self,
        starts: &[isize],
        height: &(dyn Fn(usize) -> usize + Sync),
        rows: Range<usize>,
        buffer: &DisjointSlice<'_, T>,
    ) {
        let last = self.axes.len() - 1;
        let (width, start, gap, block) = (height(last), starts[last], self.gaps[last], self.block);
        let cin = self.input_steps[last];
        // Of each row, the part from `skip` to `end` is in the input.
        let skip = start.min(0).unsigned_abs().div_ceil(gap).min(width);
        let room = (self.axes[last].size as isize - start).max(0).unsigned_abs().div_ceil(gap);
        let end = room.clamp(skip, width);
        let mut index = vec![0; last];
        let mut rest = rows.start;
        for d in (0..last).rev() {
            index[d] = rest % height(d);
            rest /= height(d);
        }
        // Rows of the tile in row-major order: where each is in the input and in the tile, or whether it is padding as a whole.
        for _ in rows {
            let (mut from, mut to, mut inside) = (0, 0, skip < end);
            for (d, &i) in index.iter().enumerate() {
                let input = starts[d] + (i * self.gaps[d]) as isize;
                inside &= input >= 0 && (input as usize) < self.axes[d].size;
                from = (from as isize + input * self.input_steps[d] as isize) as usize;
                to += i * self.steps[d];
            }
            for (index, channels) in self.blocks.iter().enumerate() {
                // SAFETY: rows and blocks do not overlap.
                let row = unsafe { buffer.slice(index * self.block_size() + to, width * block) };
                if !inside {
                    row.fill(T::ZERO);
                    continue;
                }
                let from = from + (start + (skip * gap) as isize) as usize * cin + channels.start;
                row[..skip * block].fill(T::ZERO);
                let (middle, tail) = row[skip * block..].split_at_mut((end - skip) * block);
                tail.fill(T::ZERO);
                if channels.len() == cin && gap == 1 {
                    middle.copy_from_slice(&self.input[from..from + middle.len()]);
                } else {
                    let (from, step) = (&self.input[from..], gap * cin);
                    simd::run(CopyRows { from, step, count: channels.len(), to: middle, width: block });
                }
            }
            for d in (0..last).rev() {
                index[d] += 1;
                if index[d] < height(d) {
                    break;
                }
                index[d] = 0;
            }
        }
    }
}

/// How many inputs `outs` windows along an axis span.
fn span(axis: &PartAxis, outs: usize) -> usize {
    outs.saturating_sub(1) * axis.stride + axis.taps.saturating_sub(1) * axis.dilation + 1
}

/// How far apart the inputs are that windows along an axis read.
fn gap(axis: &PartAxis) -> usize {
    let stride = if axis.outs > 1 { axis.stride } else { 0 };
    let dilation = if axis.taps > 1 { axis.dilation } else { 0 };
    gcd(stride, dilation).max(1)
}

/// The first axis along which a strip of some windows, `most` of all, and its halo tile are small enough, and how many windows
/// that is.
fn cut(
    axes: &[PartAxis],
    extent: impl Fn(usize, usize) -> usize,
    cin: usize,
    (most, elements): (usize, usize),
) -> (usize, usize) {
    for d in 0..axes.len() {
        let behind = d + 1..axes.len();
        let windows: usize = axes[behind.clone()].iter().map(|axis| axis.outs).product();
        let before = (0..d).map(|d| extent(d, 1));
        let plane: usize = before.chain(behind.map(|d| extent(d, axes[d].outs))).product::<usize>() * cin;
        let fits = |outs: usize| outs * windows <= most && extent(d, outs) * plane <= elements;
        if fits(1) || d + 1 == axes.len() {
            let outs = (2..=axes[d].outs.min(most)).take_while(|&outs| fits(outs)).last().unwrap_or(1);
            return (d, axes[d].outs.div_ceil(axes[d].outs.div_ceil(outs)));
        }
    }
    unreachable!("a batch is an axis")
}
