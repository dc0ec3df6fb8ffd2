//! The weights of a convolution, as they are given or reversed for a gradient, and how they are packed into panels.

use std::ops::Range;

use super::super::scratch::Scratch;
use super::super::simd::{self, SimdKernel};
use super::super::transpose::{square, transpose};
use super::Geometry;
use crate::array::memory;
use crate::scalar::number::Number;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Weights `[taps, cin / groups, cout]` of a convolution, or of the one whose [reverse](Geometry::reversed) it is: with the
/// taps in reverse order, and input and output channels of each group swapped.
#[derive(Clone, Copy)]
pub(super) enum Filter<'a, T> {
    Plain(&'a [T]),
    Reversed(&'a [T]),
}

/// Some weights of a group: a block of the right matrix, in the words of a matrix product.
pub(super) struct FilterBlock<'a> {
    pub group: usize,
    pub taps: &'a [usize],
    /// Channels of the input, and of the output, of the group.
    pub channels: Range<usize>,
    pub outputs: Range<usize>,
}

impl<T: Number> Filter<'_, T> {
    pub fn is_empty(self) -> bool {
        let (Filter::Plain(data) | Filter::Reversed(data)) = self;
        data.is_empty()
    }

    /// Calls `f` with the weights as those of a convolution of this geometry.
    pub fn with_plain(self, geometry: &Geometry, f: impl FnOnce(&[T])) {
        let data = match self {
            Filter::Plain(data) => return f(data),
            Filter::Reversed(data) => data,
        };
        let groups = geometry.groups;
        let (cin_each, cout_each) = (geometry.cin / groups, geometry.cout / groups);
        let mut plain = Scratch::<T>::new();
        memory::resize(&mut plain, data.len(), T::ZERO);
        let tap = cout_each * geometry.cin;
        for (tap, out) in data.chunks_exact(tap).rev().zip(plain.chunks_exact_mut(tap)) {
            transpose(tap, &[cout_each, groups, cin_each], &[2, 1, 0], out);
        }
        f(&plain);
    }

    /// Copies weights to panels of `width` output channels, the last of which may be narrower; a panel has a row for each tap
    /// and channel, with zeros behind the channels that there are, and starts `panel` elements behind the one before.
    pub fn pack(
        self,
        geometry: &Geometry,
        block: &FilterBlock<'_>,
        (width, narrow): (usize, usize),
        panel: usize,
        packed: &mut [T],
    ) {
        let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
        let channels = block.channels.len();
        for (index, packed) in packed.chunks_mut(panel).take(block.outputs.len().div_ceil(width)).enumerate()
        {
            let first = block.outputs.start + index * width;
            let outputs = first..block.outputs.end.min(first + width);
            let width = if outputs.len() <= narrow { narrow } else { width };
            let taps = block.taps.iter().zip(packed.chunks_exact_mut(channels * width));
            match self {
                Filter::Plain(data) => {
                    for (tap, to) in taps {
                        let row = (tap * cin_each + block.channels.start) * geometry.cout;
                        let from = &data[row + block.group * cout_each + outputs.start..];
                        simd::run(CopyRows { from, step: geometry.cout, count: outputs.len(), to, width });
                    }
                }
                // Rows of weights are columns here: each tap's block is transposed, from the last tap on.
                Filter::Reversed(data) => {
                    let last = data.len() / (cout_each * geometry.cin) - 1;
                    let start = |tap: usize| {
                        let row = (last - tap) * cout_each + outputs.start;
                        row * geometry.cin + block.group * cin_each + block.channels.start
                    };
                    for (index, (&tap, to)) in taps.enumerate() {
                        if outputs.len() < width {
                            to.fill(T::ZERO);
                        }
                        // The rows of the next tap are far away: no hardware prefetcher expects them.
                        if let Some(&next) = block.taps.get(index + 1) {
                            for row in 0..outputs.len() {
                                let row = data.as_ptr().wrapping_add(start(next) + row * geometry.cin);
                                (0..channels)
                                    .step_by(LINE / size_of::<T>())
                                    .for_each(|i| simd::prefetch_l2(row.wrapping_add(i)));
                            }
                        }
                        let from = start(tap);
                        square(&data[from..], (channels, width), (outputs.len(), geometry.cin), to);
                    }
                }
            }
        }
    }
}

/// Copies the first `count` elements of rows that are `step` apart to rows of `width`, and writes zeros behind them.
pub(super) struct CopyRows<'a, T> {
    pub from: &'a [T],
    pub step: usize,
    pub count: usize,
    pub to: &'a mut [T],
    pub width: usize,
}

/// Elements that are copied at a time.
const LANES: usize = 16;

impl<T: Number> SimdKernel for CopyRows<'_, T> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;

    #[inline(always)]
    fn run(self) {
        match (self.count, self.width) {
            (32, 32) => return self.run_whole::<32>(),
            (16, 16) => return self.run_whole::<16>(),
            (8, 8) => return self.run_whole::<8>(),
            _ => {}
        }
        for (to, from) in self.to.chunks_exact_mut(self.width).zip(self.from.chunks(self.step)) {
            let (to, rest) = to.split_at_mut(self.count);
            let (mut to, mut from) = (to.chunks_exact_mut(LANES), from[..self.count].chunks_exact(LANES));
            for (to, from) in to.by_ref().zip(from.by_ref()) {
                to.copy_from_slice(&from[..LANES]);
            }
            for (to, &from) in to.into_remainder().iter_mut().zip(from.remainder()) {
                *to = from;
            }
            if !rest.is_empty() {
                rest.fill(T::ZERO);
            }
        }
    }
}

impl<T: Number> CopyRows<'_, T> {
    /// The same for whole rows of a length that the compiler knows.
    #[inline(always)]
    fn run_whole<const N: usize>(self) {
        for (to, from) in self.to.chunks_exact_mut(N).zip(self.from.chunks(self.step)) {
            to.copy_from_slice(&from[..N]);
        }
    }
}
