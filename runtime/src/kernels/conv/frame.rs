//! The part of an input that a band of windows reads, as one block in which every window meets every tap.

use std::cmp::Ordering;
use std::ops::Range;

use super::super::number::Number;
use super::super::simd;
use super::Geometry;
use super::block::{Output, for_each};
use super::filter::CopyRows;
use super::phase::{Axis, Phase, gcd};
use crate::tensor::memory;

/// Elements of a frame and windows of a band at most, where shapes allow: the outputs of a band and what they are made of
/// stay in the second cache.
const ELEMENTS: usize = 1 << 16;
const WINDOWS: usize = 512;
/// Pieces that the rows of a frame in blocks are copied in at most.
const PIECES: usize = 64;
/// Windows of a band at least, where more bands are wanted.
const FEW_WINDOWS: usize = 48;

/// How the windows of a phase are cut into bands, and where in the frame of a band its windows and taps are.
pub(super) struct Frames<'a, T> {
    input: &'a [T],
    /// The batch and then the spatial dimensions.
    axes: Vec<Axis>,
    /// The axis that is cut; a band has one window along those before it and all windows along those behind.
    cut: usize,
    /// Windows along the cut axis in a band, but for the last one.
    each: usize,
    /// Whether no window reaches outside of the input, which then is the frame.
    in_place: bool,
    /// Channels that lie together in a frame, all places of some of them before the next ones; `block` at most.
    pub blocks: Vec<Range<usize>>,
    block: usize,
    /// How far apart the inputs are that a frame has along each axis: none that no window reads.
    gaps: Vec<usize>,
    /// Distance between neighbours along each axis, in the input and in a frame.
    input_steps: Vec<usize>,
    steps: Vec<usize>,
    /// Sizes of a frame.
    sizes: Vec<usize>,
    /// Where each window of a band is, from where its frame starts.
    pub windows: Vec<usize>,
    /// Where each tap is, from where its window is.
    pub taps: Vec<usize>,
}

/// Windows that follow each other, and their frame.
pub(super) struct Band<T> {
    pub first: usize,
    pub count: usize,
    pub frame: *const T,
}

// SAFETY: a band is a shared reference to plain numbers; whoever reads through it vouches for its extent.
unsafe impl<T: Sync> Sync for Band<T> {}

impl<'a, T: Number> Frames<'a, T> {
    /// The phase has at least one window and one tap. Of few windows there are still about as many bands as `wanted`.
    pub fn new(geometry: &Geometry, phase: &Phase, input: &'a [T], wanted: usize) -> Self {
        let windows = geometry.batch * phase.outs();
        let most = windows.div_ceil(wanted).clamp(FEW_WINDOWS, WINDOWS);
        let all = std::iter::once(0..geometry.cin).collect();
        Self::with_blocks(geometry, phase, input, (geometry.cin, all), (most, ELEMENTS))
    }

    /// The same for frames in blocks of so many channels of a group, in order, and for bands of so many windows and elements.
    pub fn in_blocks(
        geometry: &Geometry,
        phase: &Phase,
        input: &'a [T],
        block: usize,
        most: (usize, usize),
    ) -> Self {
        let cin_each = geometry.cin / geometry.groups;
        let blocks = (0..geometry.groups).flat_map(|g| {
            let (first, end) = (g * cin_each, (g + 1) * cin_each);
            (first..end).step_by(block).map(move |channel| channel..end.min(channel + block))
        });
        Self::with_blocks(geometry, phase, input, (block, blocks.collect()), most)
    }

    fn with_blocks(
        geometry: &Geometry,
        phase: &Phase,
        input: &'a [T],
        (block, blocks): (usize, Vec<Range<usize>>),
        most: (usize, usize),
    ) -> Self {
        let batch = Axis::plain(geometry.batch);
        let axes: Vec<Axis> = [batch].into_iter().chain(phase.axes.iter().copied()).collect();
        let in_place = blocks.len() == 1
            && axes
                .iter()
                .all(|axis| axis.origin >= 0 && axis.origin as usize + span(axis, axis.outs) <= axis.size);
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
        let places = |count: &dyn Fn(usize) -> usize, step: &dyn Fn(usize) -> usize| {
            (0..axes.len()).fold(vec![0], |places: Vec<usize>, d| {
                let inner = (0..count(d)).map(|i| i * step(d));
                places.iter().flat_map(|place| inner.clone().map(move |inner| place + inner)).collect()
            })
        };
        let windows = places(&outs, &|d| axes[d].stride / gaps[d] * steps[d]);
        let taps = places(&|d| axes[d].taps, &|d| axes[d].dilation / gaps[d] * steps[d]);
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

    /// Elements of a block of a frame, from the start of which the next one starts.
    pub fn block_size(&self) -> usize {
        self.steps[0] * self.sizes[0]
    }

    /// How many bands there are.
    pub fn bands(&self) -> usize {
        let before: usize = self.axes[..self.cut].iter().map(|axis| axis.outs).product();
        before * self.axes[self.cut].outs.div_ceil(self.each)
    }

    /// Makes the frame of a band ready, in `buffer` if need be.
    ///
    /// Reading `windows[i] + taps[t] + c` elements behind the frame is inside it for `i < count` and `c < cin`.
    pub fn band(&self, index: usize, buffer: &mut Vec<T>) -> Band<T> {
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
        let frame = if self.in_place {
            let offset: usize =
                starts.iter().zip(&self.input_steps).map(|(&i, step)| i as usize * step).sum();
            self.input[offset..].as_ptr()
        } else {
            self.copy(&starts, outs, buffer);
            buffer.as_ptr()
        };
        Band { first, count, frame }
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
        let output = Output::new(buffer);
        if self.blocks.len() == 1 {
            return self.copy_rows(starts, &height, 0..rows, &output);
        }
        let each = rows.div_ceil(PIECES);
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
        buffer: &Output<T>,
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
        for _ in rows {
            let (mut from, mut to, mut inside) = (0, 0, skip < end);
            for (d, &i) in index.iter().enumerate() {
                let place = starts[d] + (i * self.gaps[d]) as isize;
                inside &= place >= 0 && (place as usize) < self.axes[d].size;
                from = (from as isize + place * self.input_steps[d] as isize) as usize;
                to += i * self.steps[d];
            }
            for (index, channels) in self.blocks.iter().enumerate() {
                // SAFETY: rows and blocks have places of their own.
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

/// What `outs` windows along an axis reach over.
fn span(axis: &Axis, outs: usize) -> usize {
    outs.saturating_sub(1) * axis.stride + axis.taps.saturating_sub(1) * axis.dilation + 1
}

/// How far apart the inputs are that windows along an axis read.
fn gap(axis: &Axis) -> usize {
    let stride = if axis.outs > 1 { axis.stride } else { 0 };
    let dilation = if axis.taps > 1 { axis.dilation } else { 0 };
    gcd(stride, dilation).max(1)
}

/// The first axis along which a band of some windows, `most` of all, and its frame are small enough, and how many windows
/// that is.
fn cut(
    axes: &[Axis],
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
