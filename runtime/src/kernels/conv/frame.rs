//! The part of an input that a band of windows reads, as one block in which every window meets every tap.

use std::cmp::Ordering;

use super::super::number::Number;
use super::Geometry;
use super::phase::{Axis, Phase};
use crate::tensor::memory;

/// Elements of a frame and windows of a band at most, where shapes allow: the outputs of a band and what they are made of
/// stay in the second cache.
const ELEMENTS: usize = 1 << 16;
const WINDOWS: usize = 512;
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

impl<'a, T: Number> Frames<'a, T> {
    /// The phase has at least one window and one tap. Of few windows there are still about as many bands as `wanted`.
    pub fn new(geometry: &Geometry, phase: &Phase, input: &'a [T], wanted: usize) -> Self {
        let batch = Axis::plain(geometry.batch);
        let axes: Vec<Axis> = [batch].into_iter().chain(phase.axes.iter().copied()).collect();
        let in_place = axes
            .iter()
            .all(|axis| axis.origin >= 0 && axis.origin as usize + span(axis, axis.outs) <= axis.size);
        let products = |sizes: &[usize]| {
            let mut steps = vec![geometry.cin; sizes.len()];
            for d in (1..sizes.len()).rev() {
                steps[d - 1] = steps[d] * sizes[d];
            }
            steps
        };
        let input_steps = products(&axes.iter().map(|axis| axis.size).collect::<Vec<_>>());
        let windows = axes.iter().map(|axis| axis.outs).product::<usize>();
        let most = windows.div_ceil(wanted).clamp(FEW_WINDOWS, WINDOWS);
        let (cut, each) = cut(&axes, geometry.cin, most);
        let outs = |d: usize| match d.cmp(&cut) {
            Ordering::Less => 1,
            Ordering::Equal => each,
            Ordering::Greater => axes[d].outs,
        };
        let sizes: Vec<usize> = axes.iter().enumerate().map(|(d, axis)| span(axis, outs(d))).collect();
        let steps = if in_place { input_steps.clone() } else { products(&sizes) };
        let places = |count: &dyn Fn(usize) -> usize, step: &dyn Fn(usize) -> usize| {
            (0..axes.len()).fold(vec![0], |places: Vec<usize>, d| {
                let inner = (0..count(d)).map(|i| i * step(d));
                places.iter().flat_map(|place| inner.clone().map(move |inner| place + inner)).collect()
            })
        };
        let windows = places(&outs, &|d| axes[d].stride * steps[d]);
        let taps = places(&|d| axes[d].taps, &|d| axes[d].dilation * steps[d]);
        Self { input, axes, cut, each, in_place, input_steps, steps, sizes, windows, taps }
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
        let size = self.steps[0] * self.sizes[0];
        if buffer.len() < size {
            memory::resize(buffer, size, T::ZERO);
        }
        let last = self.axes.len() - 1;
        let height = |d: usize| if d == self.cut { span(&self.axes[d], outs) } else { self.sizes[d] };
        let width = height(last);
        let cin = self.steps[last];
        // Of each row, the part from `skip` to `end` is in the input.
        let skip = starts[last].min(0).unsigned_abs().min(width);
        let end =
            (self.axes[last].size as isize - starts[last]).clamp(skip as isize, width as isize) as usize;
        let mut index = vec![0; last];
        for _ in 0..(0..last).map(height).product() {
            let (mut from, mut to, mut inside) = (0, 0, skip < end);
            for (d, &i) in index.iter().enumerate() {
                let place = starts[d] + i as isize;
                inside &= place >= 0 && (place as usize) < self.axes[d].size;
                from = (from as isize + place * self.input_steps[d] as isize) as usize;
                to += i * self.steps[d];
            }
            let row = &mut buffer[to..to + width * cin];
            if inside {
                let from = from + (starts[last] + skip as isize) as usize * cin;
                row[..skip * cin].fill(T::ZERO);
                row[skip * cin..end * cin].copy_from_slice(&self.input[from..from + (end - skip) * cin]);
                row[end * cin..].fill(T::ZERO);
            } else {
                row.fill(T::ZERO);
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

/// The first axis along which a band of some windows, `most` of all, is small enough, and how many windows that is.
fn cut(axes: &[Axis], cin: usize, most: usize) -> (usize, usize) {
    for d in 0..axes.len() {
        let behind = &axes[d + 1..];
        let windows: usize = behind.iter().map(|axis| axis.outs).product();
        let before = axes[..d].iter().map(|axis| span(axis, 1));
        let plane: usize =
            before.chain(behind.iter().map(|axis| span(axis, axis.outs))).product::<usize>() * cin;
        let fits = |outs: usize| outs * windows <= most && span(&axes[d], outs) * plane <= ELEMENTS;
        if fits(1) || d + 1 == axes.len() {
            let outs = (2..=axes[d].outs.min(most)).take_while(|&outs| fits(outs)).last().unwrap_or(1);
            return (d, axes[d].outs.div_ceil(axes[d].outs.div_ceil(outs)));
        }
    }
    unreachable!("a batch is an axis")
}
