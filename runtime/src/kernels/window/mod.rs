//! Reductions over windows of an array of any rank (pooling), and their gradients.
//!
//! Sums, products and extremes over a box are taken at once or, where boxes overlap much, one dimension after the other (a box is
//! separable), slice by slice so that what is between stays in the cache. Which element an extreme is, and so its gradient, follows JAX: the first of equals in row-major order.

mod reduce;
mod select;
mod table;
#[cfg(test)]
mod tests;

pub use select::{gather, scatter_add, select_and_scatter_add, select_indices};

use crate::kernels::halves::{narrow_all, widen_all};
use crate::scalar::number::Number;

/// The shape of a reduction over windows; one entry per dimension in each list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowGeometry {
    /// Sizes of the array.
    pub shape: Vec<usize>,
    /// Sizes of the window, at least 1.
    pub window: Vec<usize>,
    /// Steps between windows.
    pub strides: Vec<usize>,
    /// Neutral elements in front of and behind the dilated array; negative ones crop it.
    pub padding: Vec<(isize, isize)>,
    /// Steps between elements of the array; greater than 1 inserts neutral elements.
    pub base_dilation: Vec<usize>,
    /// Steps between elements of the window.
    pub window_dilation: Vec<usize>,
}

/// How the elements of a window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum; integers wrap around, `bf16` and `f16` are added in `f32`.
    Sum,
    /// Their product, carried like a sum.
    Product,
    /// The largest, or NaN if any is NaN.
    Max,
    /// The smallest, or NaN if any is NaN.
    Min,
}

/// Which element of a window is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The first of the largest.
    Max,
    /// The first of the smallest.
    Min,
}

impl WindowGeometry {
    /// Returns the shape of the result.
    pub fn out_shape(&self) -> Vec<usize> {
        (0..self.shape.len()).map(|d| self.axis(d).outs).collect()
    }

    fn axis(&self, d: usize) -> WindowAxis {
        let (low, high) = self.padding[d];
        let padded = dilated(self.shape[d], self.base_dilation[d]) + low + high;
        let room = padded - dilated(self.window[d], self.window_dilation[d]);
        let stride = self.strides[d];
        WindowAxis {
            size: self.shape[d],
            outs: if room < 0 { 0 } else { room as usize / stride + 1 },
            window: self.window[d],
            stride,
            low,
            base: self.base_dilation[d],
            dilation: self.window_dilation[d],
        }
    }

    fn check(&self, data: usize, out: usize) -> WindowPlan {
        let rank = self.shape.len();
        let lengths = [
            self.window.len(),
            self.strides.len(),
            self.padding.len(),
            self.base_dilation.len(),
            self.window_dilation.len(),
        ];
        assert_eq!(lengths, [rank; 5], "every list has one entry per dimension");
        let steps = [&self.window, &self.strides, &self.base_dilation, &self.window_dilation];
        assert!(
            steps.iter().all(|steps| !steps.contains(&0)),
            "windows, strides and dilations are at least 1"
        );
        let mut axes: Vec<WindowAxis> = (0..rank).map(|d| self.axis(d)).collect();
        let elements: [usize; 2] =
            [axes.iter().map(|axis| axis.size).product(), axes.iter().map(|axis| axis.outs).product()];
        assert_eq!([data, out], elements, "elements");
        let outer = axes.iter().take_while(|axis| axis.is_identity()).count();
        axes.drain(..outer);
        let trailing = axes.iter().rev().take_while(|axis| axis.is_identity()).count();
        let inner = axes.drain(axes.len() - trailing..).map(|axis| axis.size).product();
        WindowPlan { axes, inner }
    }

    /// Returns the geometry of the transposed sum: strides and base dilation change places, as for convolutions.
    pub(crate) fn reversed(&self) -> Self {
        let padding = (0..self.shape.len()).map(|d| {
            let axis = self.axis(d);
            let span = dilated(axis.window, axis.dilation);
            let low = span - 1 - axis.low;
            (low, dilated(axis.size, axis.base) - 1 + span - dilated(axis.outs, axis.stride) - low)
        });
        Self {
            shape: self.out_shape(),
            window: self.window.clone(),
            strides: self.base_dilation.clone(),
            padding: padding.collect(),
            base_dilation: self.strides.clone(),
            window_dilation: self.window_dilation.clone(),
        }
    }
}

/// Returns the size of `size` elements that are `dilation` apart.
fn dilated(size: usize, dilation: usize) -> isize {
    if size == 0 { 0 } else { (size as isize - 1) * dilation as isize + 1 }
}

/// One dimension: element `t` of window `o` is at `(o·stride + t·dilation - low) / base`, if that is a whole number.
#[derive(Clone, Copy, Debug)]
struct WindowAxis {
    size: usize,
    outs: usize,
    window: usize,
    stride: usize,
    low: isize,
    base: usize,
    dilation: usize,
}

impl WindowAxis {
    fn is_identity(&self) -> bool {
        self.window == 1 && self.stride == 1 && self.base == 1 && self.low == 0 && self.outs == self.size
    }

    /// The element that is at `tap` of window `out`, unless that is padding.
    #[inline(always)]
    fn element(&self, out: usize, tap: usize) -> Option<usize> {
        let position = (out * self.stride + tap * self.dilation) as isize - self.low;
        if self.base == 1 {
            return (position >= 0 && position < self.size as isize).then_some(position as usize);
        }
        let base = self.base as isize;
        (position >= 0 && position % base == 0 && position / base < self.size as isize)
            .then_some((position / base) as usize)
    }
}

/// A reduction of the slices along the first dimensions on their own, each `[axes.., inner]` with windows over the axes alone.
#[derive(Debug)]
struct WindowPlan {
    axes: Vec<WindowAxis>,
    inner: usize,
}

impl WindowPlan {
    fn slice(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product::<usize>() * self.inner
    }

    fn out_slice(&self) -> usize {
        self.axes.iter().map(|axis| axis.outs).product::<usize>() * self.inner
    }

    fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.window).product()
    }
}

/// Writes the reduction of each window of `data` to `out`; a window in padding alone gives the neutral element.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn reduce_window<T: Number>(geometry: &WindowGeometry, reduction: Reduction, data: &[T], out: &mut [T]) {
    let plan = geometry.check(data.len(), out.len());
    let data = widen_all(data);
    narrow_all(out, |out| match reduction {
        Reduction::Sum => reduce::reduce(&plan, T::Acc::ZERO, Number::add, &data, out),
        Reduction::Product => reduce::reduce(&plan, T::Acc::ONE, Number::mul, &data, out),
        Reduction::Max => reduce::reduce(&plan, T::Acc::MAX_IDENTITY, Number::maximum, &data, out),
        Reduction::Min => reduce::reduce(&plan, T::Acc::MIN_IDENTITY, Number::minimum, &data, out),
    });
}

/// Writes the transpose of [`Reduction::Sum`] to `grad`: each element's sum of `out_grad` over the windows that it is in.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn sum_gradient<T: Number>(geometry: &WindowGeometry, out_grad: &[T], grad: &mut [T]) {
    geometry.check(grad.len(), out_grad.len());
    if out_grad.is_empty() {
        return grad.fill(T::ZERO);
    }
    if !grad.is_empty() {
        reduce_window(&geometry.reversed(), Reduction::Sum, out_grad, grad);
    }
}
