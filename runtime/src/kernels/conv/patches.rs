//! im2col: gathers the patches that windows see, a block of windows at a time, so that a convolution is a matrix product.
//!
//! Source: K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document processing" (2006).

use super::super::matmul::MatrixView;
use super::Geometry;
use super::polyphase::{PartAxis, PolyphasePart};
use crate::array::memory;
use crate::scalar::number::Number;

/// Where the patches of a polyphase part are read from.
pub(super) struct Patches<'a, T> {
    pub part: &'a PolyphasePart,
    pub input: &'a [T],
    pub cin: usize,
    /// Input elements of one example, and windows of one.
    example: usize,
    windows: usize,
    /// Distance between neighbours along each spatial dimension of the input.
    steps: Vec<usize>,
}

/// Where a row of windows (along the last dimension) begins in the input, by tap of the other dimensions.
type Starts = Vec<Option<usize>>;

impl<'a, T: Number> Patches<'a, T> {
    pub fn new(geometry: &Geometry, part: &'a PolyphasePart, input: &'a [T]) -> Self {
        let mut steps = vec![geometry.cin; geometry.in_spatial.len()];
        for d in (1..steps.len()).rev() {
            steps[d - 1] = steps[d] * geometry.in_spatial[d];
        }
        let example = geometry.in_spatial.iter().product::<usize>() * geometry.cin;
        Self { part, input, cin: geometry.cin, example, windows: part.outs(), steps }
    }

    /// Calls `visit(windows, starts, q)` for each row of the windows `first..first + count` of all examples: `windows` are
    /// counted from `first`, the first of them is window `q` along the last dimension.
    pub fn rows(
        &self,
        first: usize,
        count: usize,
        mut visit: impl FnMut(std::ops::Range<usize>, &[Option<usize>], usize),
    ) {
        let width = self.part.axes.last().map_or(1, |axis| axis.outs);
        let (mut window, end) = (first, first + count);
        let mut starts = Vec::new();
        while window < end {
            let (row, q) = (window / width, window % width);
            let length = (width - q).min(end - window);
            self.starts(row, self.windows / width, &mut starts);
            visit(window - first..window - first + length, &starts, q);
            window += length;
        }
    }

    fn starts(&self, row: usize, rows: usize, starts: &mut Starts) {
        starts.clear();
        starts.push(Some(row / rows * self.example));
        let outer = &self.part.axes[..self.part.axes.len().saturating_sub(1)];
        let mut below = rows;
        let mut rest = row % rows;
        for (axis, &step) in outer.iter().zip(&self.steps) {
            below /= axis.outs;
            let q = rest / below;
            rest %= below;
            let (inside, index) = axis.inside(q);
            let tap = |start: Option<usize>, j: usize| {
                let index = index + j.wrapping_sub(inside.start).wrapping_mul(axis.dilation);
                start.filter(|_| inside.contains(&j)).map(|start| start + index * step)
            };
            let before = std::mem::take(starts);
            starts.extend(
                before
                    .iter()
                    .flat_map(|&start| (0..axis.taps).map(move |j| (start, j)))
                    .map(|(s, j)| tap(s, j)),
            );
        }
    }

    /// The last axis; for no spatial dimension at all, one window with one tap.
    pub fn last(&self) -> PartAxis {
        self.part.axes.last().copied().unwrap_or(PartAxis::plain(1))
    }

    /// Returns the patches of windows `first..first + count` as a matrix with a row per window and a column per tap and
    /// channel of `channels`; it is in `buffer`, or in the input itself where patches are single elements.
    pub fn matrix(
        &self,
        first: usize,
        count: usize,
        channels: std::ops::Range<usize>,
        buffer: &mut Vec<T>,
    ) -> MatrixView<T> {
        if self.part.is_identity() {
            let start = self.input[first * self.cin + channels.start..].as_ptr();
            return MatrixView { start, row: self.cin as isize, col: 1 };
        }
        let depth = self.part.taps() * channels.len();
        buffer.clear();
        memory::resize(buffer, count * depth, T::ZERO);
        if self.cin == 1 {
            self.gather_by_tap(first, count, buffer);
            MatrixView { start: buffer.as_ptr(), row: 1, col: count as isize }
        } else {
            self.gather_by_window(first, count, channels, buffer);
            MatrixView { start: buffer.as_ptr(), row: depth as isize, col: 1 }
        }
    }

    /// A row of `buffer` per window, from whole runs of channels.
    fn gather_by_window(
        &self,
        first: usize,
        count: usize,
        channels: std::ops::Range<usize>,
        buffer: &mut [T],
    ) {
        let (axis, cin, each) = (self.last(), self.cin, channels.len());
        let depth = self.part.taps() * each;
        let runs = each == cin && axis.dilation == 1;
        self.rows(first, count, |windows, starts, q| {
            for (i, window) in windows.enumerate() {
                let (inside, index) = axis.inside(q + i);
                if inside.is_empty() {
                    continue;
                }
                let patch = &mut buffer[window * depth..][..depth];
                for (taps, start) in patch.chunks_exact_mut(axis.taps * each).zip(starts) {
                    let Some(start) = start else { continue };
                    if runs {
                        let source = &self.input[start + index * cin..][..inside.len() * cin];
                        taps[inside.start * each..inside.end * each].copy_from_slice(source);
                        continue;
                    }
                    for (k, tap) in
                        taps[inside.start * each..inside.end * each].chunks_exact_mut(each).enumerate()
                    {
                        let from = start + (index + k * axis.dilation) * cin + channels.start;
                        tap.copy_from_slice(&self.input[from..][..each]);
                    }
                }
            }
        });
    }

    /// A row of `buffer` per tap, for inputs of one channel: there, neighbouring windows are longer runs than a patch.
    fn gather_by_tap(&self, first: usize, count: usize, buffer: &mut [T]) {
        let axis = self.last();
        self.rows(first, count, |windows, starts, q| {
            for (outer, start) in starts.iter().enumerate() {
                let Some(start) = *start else { continue };
                for j in 0..axis.taps {
                    let row = &mut buffer[(outer * axis.taps + j) * count..][windows.clone()];
                    let index = axis.origin + (q * axis.stride + j * axis.dilation) as isize;
                    let skip = if index < 0 { index.unsigned_abs().div_ceil(axis.stride) } else { 0 };
                    let from = index + (skip * axis.stride) as isize;
                    if skip >= row.len() || from >= axis.size as isize {
                        continue;
                    }
                    let source = &self.input[start..][from as usize..axis.size];
                    if axis.stride == 1 {
                        let length = source.len().min(row.len() - skip);
                        row[skip..][..length].copy_from_slice(&source[..length]);
                    } else {
                        for (y, &x) in row[skip..].iter_mut().zip(source.iter().step_by(axis.stride)) {
                            *y = x;
                        }
                    }
                }
            }
        });
    }
}
