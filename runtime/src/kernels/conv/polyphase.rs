//! Polyphase decomposition: a convolution over a dilated input (a transposed one) as several over the input itself.
//!
//! Windows that start at the same remainder modulo the input dilation meet input elements, rather than inserted zeros, with
//! the same taps. So these windows and these taps make a convolution without input dilation: a polyphase part. Without input
//! dilation there is one part.
//!
//! Source: P. P. Vaidyanathan, "Multirate systems and filter banks" (1993), §4.3, for each spatial dimension by itself.

use super::Geometry;

/// One spatial dimension of a polyphase part: window `q` of `outs` is output `first_out + q·out_step`; its tap `j` of `taps` is
/// kernel element `first_tap + j·tap_step` and reads input `origin + q·stride + j·dilation`, if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartAxis {
    pub size: usize,
    pub outs: usize,
    pub first_out: usize,
    pub out_step: usize,
    pub taps: usize,
    pub first_tap: usize,
    pub tap_step: usize,
    pub origin: isize,
    pub stride: usize,
    pub dilation: usize,
}

impl PartAxis {
    /// One tap at each of `size` windows: what a batch is.
    pub fn plain(size: usize) -> Self {
        Self {
            size,
            outs: size,
            first_out: 0,
            out_step: 1,
            taps: 1,
            first_tap: 0,
            tap_step: 1,
            origin: 0,
            stride: 1,
            dilation: 1,
        }
    }

    /// The taps of window `q` that are inside the input, and what the first of them reads.
    #[inline(always)]
    pub fn inside(&self, q: usize) -> (std::ops::Range<usize>, usize) {
        let start = self.origin + (q * self.stride) as isize;
        let first = if start < 0 { start.unsigned_abs().div_ceil(self.dilation) } else { 0 };
        let room = self.size as isize - start;
        let end = if room <= 0 { 0 } else { (room as usize).div_ceil(self.dilation).min(self.taps) };
        if first >= end {
            return (0..0, 0);
        }
        (first..end, (start + (first * self.dilation) as isize) as usize)
    }

    /// Whether window `q` and tap `q` are both at `q` for the whole input: a kernel of one element, no padding, no stride.
    fn is_identity(&self) -> bool {
        let tail = self.outs == self.size && self.origin == 0;
        self.taps == 1 && tail && (self.stride == 1 || self.outs <= 1)
    }
}

/// A convolution without input dilation over some windows and taps of another.
#[derive(Debug)]
pub(super) struct PolyphasePart {
    pub axes: Vec<PartAxis>,
    /// Whether these are all windows and all taps.
    pub whole: bool,
}

impl PolyphasePart {
    /// Windows of one example.
    pub fn outs(&self) -> usize {
        self.axes.iter().map(|axis| axis.outs).product()
    }

    /// Taps of each window.
    pub fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.taps).product()
    }

    /// Whether each window reads just the input element at its own position.
    pub fn is_identity(&self) -> bool {
        self.whole && self.axes.iter().all(PartAxis::is_identity)
    }

    /// The row-major index of each tap in the kernel of the convolution.
    pub fn kernel_indices(&self, kernel: &[usize]) -> Vec<usize> {
        let mut indices = vec![0];
        for (axis, &size) in self.axes.iter().zip(kernel) {
            let inner = (0..axis.taps).map(|j| axis.first_tap + j * axis.tap_step);
            indices = indices.iter().flat_map(|i| inner.clone().map(move |j| i * size + j)).collect();
        }
        indices
    }

    /// The row-major index of each window in one example of the output of the convolution.
    pub fn out_indices(&self, out: &[usize]) -> Vec<usize> {
        let mut indices = vec![0];
        for (axis, &size) in self.axes.iter().zip(out) {
            let inner = (0..axis.outs).map(|q| axis.first_out + q * axis.out_step);
            indices = indices.iter().flat_map(|i| inner.clone().map(move |j| i * size + j)).collect();
        }
        indices
    }
}

/// Returns the polyphase parts of a convolution; those without windows are left out.
pub(super) fn polyphase_parts(geometry: &Geometry) -> Vec<PolyphasePart> {
    let mut parts = vec![PolyphasePart { axes: Vec::new(), whole: true }];
    for d in 0..geometry.kernel.len() {
        let axes = axes(geometry, d);
        parts = parts
            .iter()
            .flat_map(|part| {
                axes.iter().map(|&axis| PolyphasePart {
                    axes: part.axes.iter().copied().chain([axis]).collect(),
                    whole: part.whole && axes.len() == 1 && axis.taps == geometry.kernel[d],
                })
            })
            .collect();
    }
    parts
}

fn axes(geometry: &Geometry, d: usize) -> Vec<PartAxis> {
    let (inserted, stride, dilation) =
        (geometry.lhs_dilation[d], geometry.strides[d], geometry.rhs_dilation[d]);
    // Windows repeat their remainder modulo `inserted` every `out_step`, taps every `tap_step`; a window has at most one first
    // tap that meets an input element, and reads from there on without the inserted zeros.
    let out_step = inserted / gcd(inserted, stride);
    let tap_step = inserted / gcd(inserted, dilation);
    let (low, _) = geometry.padding[d];
    let position = |out: usize, tap: usize| (out * stride + tap * dilation) as isize - low;
    (0..out_step.min(geometry.out_spatial[d]))
        .map(|first_out| {
            let hits = |&tap: &usize| position(first_out, tap).rem_euclid(inserted as isize) == 0;
            let first_tap = (0..tap_step.min(geometry.kernel[d])).find(hits);
            let tap = first_tap.unwrap_or(0);
            PartAxis {
                size: geometry.in_spatial[d],
                outs: (geometry.out_spatial[d] - first_out).div_ceil(out_step),
                first_out,
                out_step,
                taps: first_tap.map_or(0, |tap| (geometry.kernel[d] - tap).div_ceil(tap_step)),
                first_tap: tap,
                tap_step,
                origin: position(first_out, tap).div_euclid(inserted as isize),
                stride: stride * out_step / inserted,
                dilation: dilation * tap_step / inserted,
            }
        })
        .collect()
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
