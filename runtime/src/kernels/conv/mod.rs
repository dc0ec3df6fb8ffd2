//! Convolutions over any number of spatial dimensions, channels last, and their two gradients.
//!
//! Layouts are fixed: inputs are `[batch, spatial.., cin]`, kernels `[kernel.., cin / groups, cout]`, outputs
//! `[batch, out.., cout]`. Nothing the size of all patches is ever in memory: blocks of them are gathered where a matrix
//! product finds them in the cache. A dilated input (a transposed convolution, the gradient of a strided one) is cut into
//! polyphase parts that read no inserted zeros. Results do not depend on how many threads there are.

mod blocking;
mod by_taps;
mod depthwise;
mod direct;
mod filter;
mod forward;
mod halo;
mod k_blocked;
mod k_blocked_weight;
mod patches;
mod polyphase;
#[cfg(test)]
mod tests;
mod weight;

use super::simd::Level;
use crate::kernels::halves::{narrow_all, narrow_with_epilogue, widen_all};
use crate::scalar::number::Number;
use filter::Filter;

/// The shape of a convolution; one entry per spatial dimension in each list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Number of examples.
    pub batch: usize,
    /// Sizes of the input.
    pub in_spatial: Vec<usize>,
    /// Sizes of the kernel.
    pub kernel: Vec<usize>,
    /// Sizes of the output; see [`out_size`](Self::out_size).
    pub out_spatial: Vec<usize>,
    /// Channels of the input, a multiple of `groups`.
    pub cin: usize,
    /// Channels of the output, a multiple of `groups`.
    pub cout: usize,
    /// Steps between windows.
    pub strides: Vec<usize>,
    /// Zeros in front of and behind the dilated input; negative ones crop it.
    pub padding: Vec<(isize, isize)>,
    /// Steps between input elements; greater than 1 inserts zeros.
    pub lhs_dilation: Vec<usize>,
    /// Steps between kernel elements.
    pub rhs_dilation: Vec<usize>,
    /// Groups of channels that are convolved apart from each other.
    pub groups: usize,
}

/// Returns the size of `size` elements that are `dilation` apart.
fn dilated(size: usize, dilation: usize) -> isize {
    if size == 0 { 0 } else { (size as isize - 1) * dilation as isize + 1 }
}

impl Geometry {
    /// Returns the size of the output along spatial dimension `d` that the other sizes imply.
    pub fn out_size(&self, d: usize) -> usize {
        let (low, high) = self.padding[d];
        let padded = dilated(self.in_spatial[d], self.lhs_dilation[d]) + low + high;
        let room = padded - dilated(self.kernel[d], self.rhs_dilation[d]);
        if room < 0 { 0 } else { room as usize / self.strides[d] + 1 }
    }

    fn lhs_len(&self) -> usize {
        self.batch * self.in_spatial.iter().product::<usize>() * self.cin
    }

    fn rhs_len(&self) -> usize {
        self.kernel.iter().product::<usize>() * self.cin / self.groups * self.cout
    }

    fn out_len(&self) -> usize {
        self.batch * self.out_spatial.iter().product::<usize>() * self.cout
    }

    /// Whether [`forward`] of a few examples gives the bits that it gives for all of them.
    pub(crate) fn is_same_in_any_batch(&self) -> bool {
        forward::is_same_in_any_batch(Level::chosen(), self)
    }

    fn check(&self, lhs: usize, rhs: usize, out: usize) {
        let rank = self.in_spatial.len();
        let lengths = [
            self.kernel.len(),
            self.out_spatial.len(),
            self.strides.len(),
            self.padding.len(),
            self.lhs_dilation.len(),
            self.rhs_dilation.len(),
        ];
        assert_eq!(lengths, [rank; 6], "every list has one entry per spatial dimension");
        let steps = [&self.strides, &self.lhs_dilation, &self.rhs_dilation];
        assert!(steps.iter().all(|steps| !steps.contains(&0)), "strides and dilations are at least 1");
        assert!(
            self.groups > 0 && self.cin.is_multiple_of(self.groups) && self.cout.is_multiple_of(self.groups),
            "{} groups divide {} and {} channels",
            self.groups,
            self.cin,
            self.cout
        );
        for d in 0..rank {
            assert_eq!(self.out_spatial[d], self.out_size(d), "output size of spatial dimension {d}");
        }
        assert_eq!([lhs, rhs, out], [self.lhs_len(), self.rhs_len(), self.out_len()], "elements");
    }

    /// Returns the transposed convolution, which maps gradients of the output to gradients of the input, for a flipped kernel.
    ///
    /// Strides and input dilation change places. From `o·stride - low + t·dilation = i·lhs_dilation`, the position that
    /// window `o` and tap `t` read, follows `i·lhs_dilation - low' + (last - t)·dilation = o·stride` with
    /// `low' = last·dilation - low`.
    fn reversed(&self) -> Self {
        Self {
            batch: self.batch,
            in_spatial: self.out_spatial.clone(),
            kernel: self.kernel.clone(),
            out_spatial: self.in_spatial.clone(),
            cin: self.cout,
            cout: self.cin,
            strides: self.lhs_dilation.clone(),
            padding: self.reversed_padding(),
            lhs_dilation: self.strides.clone(),
            rhs_dilation: self.rhs_dilation.clone(),
            groups: self.groups,
        }
    }

    /// The padding of the [transposed](Self::reversed) convolution.
    pub(crate) fn reversed_padding(&self) -> Vec<(isize, isize)> {
        let axis = |d: usize| {
            let span = dilated(self.kernel[d], self.rhs_dilation[d]);
            let low = span - 1 - self.padding[d].0;
            let reach = dilated(self.in_spatial[d], self.lhs_dilation[d]) - 1 + span;
            (low, reach - dilated(self.out_spatial[d], self.strides[d]) - low)
        };
        (0..self.kernel.len()).map(axis).collect()
    }
}

/// Writes the convolution (without flipping the kernel, as XLA has it) of `lhs` and `rhs` to `out`.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn forward<T: Number>(geometry: &Geometry, lhs: &[T], rhs: &[T], out: &mut [T]) {
    forward_with_epilogue(geometry, lhs, rhs, out, &|_, _| ());
}

/// As [`forward`], and calls `epilogue(first, piece)` while a piece of the output from element `first` on is still in the cache.
///
/// Pieces are whole numbers of rows of `cout` channels, do not overlap and cover the output; `epilogue` may change them, and is
/// called from several threads. Biases and activations that go along with a convolution cost no pass over memory then.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
///
/// # Examples
/// ```
/// use flaxen::kernels::conv::{Geometry, forward_with_epilogue};
/// let geometry = Geometry {
///     batch: 1,
///     in_spatial: vec![3],
///     kernel: vec![2],
///     out_spatial: vec![2],
///     cin: 1,
///     cout: 1,
///     strides: vec![1],
///     padding: vec![(0, 0)],
///     lhs_dilation: vec![1],
///     rhs_dilation: vec![1],
///     groups: 1,
/// };
/// let mut out = [0.0f32; 2];
/// let relu = |_: usize, piece: &mut [f32]| piece.iter_mut().for_each(|y| *y = y.max(0.0));
/// forward_with_epilogue(&geometry, &[1.0, 2.0, -5.0], &[1.0, 1.0], &mut out, &relu);
/// assert_eq!(out, [3.0, 0.0]);
/// ```
pub fn forward_with_epilogue<T: Number>(
    geometry: &Geometry,
    lhs: &[T],
    rhs: &[T],
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    geometry.check(lhs.len(), rhs.len(), out.len());
    forward_at(Level::chosen(), geometry, lhs, rhs, out, epilogue);
}

fn forward_at<T: Number>(
    level: Level,
    geometry: &Geometry,
    lhs: &[T],
    rhs: &[T],
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (lhs, rhs) = (widen_all(lhs), widen_all(rhs));
    narrow_with_epilogue(out, geometry.cout, epilogue, |out, epilogue| {
        forward::forward(level, geometry, &lhs, Filter::Plain(&rhs), out, epilogue);
    });
}

/// Writes the gradient with respect to the input of [`forward`] to `lhs_grad`.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn input_gradient<T: Number>(geometry: &Geometry, out_grad: &[T], rhs: &[T], lhs_grad: &mut [T]) {
    input_gradient_at(Level::chosen(), geometry, out_grad, rhs, lhs_grad);
}

fn input_gradient_at<T: Number>(
    level: Level,
    geometry: &Geometry,
    out_grad: &[T],
    rhs: &[T],
    lhs_grad: &mut [T],
) {
    geometry.check(lhs_grad.len(), rhs.len(), out_grad.len());
    if out_grad.is_empty() || rhs.is_empty() {
        return lhs_grad.fill(T::ZERO);
    }
    let (out_grad, rhs) = (widen_all(out_grad), widen_all(rhs));
    let reversed = geometry.reversed();
    narrow_all(lhs_grad, |out| {
        forward::forward(level, &reversed, &out_grad, Filter::Reversed(&rhs), out, &|_, _| ());
    });
}

/// Writes the gradient with respect to the kernel of [`forward`] to `rhs_grad`.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn weight_gradient<T: Number>(geometry: &Geometry, lhs: &[T], out_grad: &[T], rhs_grad: &mut [T]) {
    weight_gradient_at(Level::chosen(), geometry, lhs, out_grad, rhs_grad);
}

fn weight_gradient_at<T: Number>(
    level: Level,
    geometry: &Geometry,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    geometry.check(lhs.len(), rhs_grad.len(), out_grad.len());
    let (lhs, out_grad) = (widen_all(lhs), widen_all(out_grad));
    narrow_all(rhs_grad, |out| weight::weight_gradient(level, geometry, &lhs, &out_grad, out));
}
