//! Strided, batched matrix products (GEMM).
//!
//! `m`, `k` and `n` are the rows of the left matrix, the terms of each sum, and the columns of the right matrix. Most products of
//! `f32` and `f64` go to the `gemm` crate; those with a vector (GEMV), with a few rows, small ones and integers to loops of our own;
//! `bf16` and `f16` are computed in `f32` and rounded once at the end, `bf16` in pairs where the processor has an instruction for it.
//! How the work is cut into blocks depends on shapes only, never on the number of threads, and so do the results.

mod bytes;
mod dot;
mod gemv;
mod integer;
mod pairs;
mod partition;
mod product;
mod skinny;
mod small;
mod streamed;
#[cfg(test)]
mod tests;

pub use bytes::{ByteWeights, byte_matmul};
pub(crate) use bytes::{GREATEST, MAX_TERMS};
pub(super) use product::{MatrixView, product};

use std::any::TypeId;

use half::bf16;

use crate::kernels::halves::{Half, narrow_with_epilogue, widen_all};
use crate::kernels::simd::Level;
use crate::kernels::threads;
use crate::scalar::number::Number;

/// One side of a matrix product: a batch of matrices somewhere in a slice.
///
/// Element `(i, j)` of the matrix with batch index `b` is `data[offset + b·batch_strides + i·row_stride + j·col_stride]`;
/// any stride may be zero (broadcast) or negative (reversed), and a transposed matrix is one with its strides swapped.
#[derive(Clone, Copy, Debug)]
pub struct MatrixBatch<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Where the first element of the first matrix is.
    pub offset: usize,
    /// Distance between elements of consecutive rows.
    pub row_stride: isize,
    /// Distance between elements of consecutive columns.
    pub col_stride: isize,
    /// Distances between consecutive matrices, one per batch dimension.
    pub batch_strides: &'a [isize],
}

impl<'a, T> MatrixBatch<'a, T> {
    /// Describes one matrix of `cols` columns in row-major order.
    pub fn row_major(data: &'a [T], cols: usize) -> Self {
        Self { data, offset: 0, row_stride: cols as isize, col_stride: 1, batch_strides: &[] }
    }

    /// Describes the transpose of each matrix.
    pub fn transposed(self) -> Self {
        Self { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// The matrices, of elements that are `U`, as an operand of a product in pairs.
    fn brains<U: 'static>(&self, of: fn(MatrixView<U>) -> pairs::Brains) -> pairs::Side<'a>
    where
        T: 'static,
    {
        assert!(TypeId::of::<T>() == TypeId::of::<U>(), "the same type");
        let start = self.data[self.offset..].as_ptr().cast();
        let view = MatrixView { start, row: self.row_stride, col: self.col_stride };
        pairs::Side { first: of(view), batch: self.batch_strides }
    }

    /// Returns the range of `data` that the operand touches, or the reason why that is not inside `data`.
    fn range(&self, batch: &[usize], rows: usize, cols: usize) -> std::ops::Range<usize> {
        assert_eq!(batch.len(), self.batch_strides.len(), "one batch stride per batch dimension");
        let (mut low, mut high) = (0isize, 0isize);
        let mut step = |size: usize, stride: isize| {
            let reach = (size as isize - 1) * stride;
            low += reach.min(0);
            high += reach.max(0);
        };
        step(rows, self.row_stride);
        step(cols, self.col_stride);
        batch.iter().zip(self.batch_strides).for_each(|(&size, &stride)| step(size, stride));
        let (first, last) = (self.offset as isize + low, self.offset as isize + high);
        assert!(
            first >= 0 && (last as usize) < self.data.len(),
            "an operand of {rows}×{cols} reaches from {first} to {last} in {} elements",
            self.data.len()
        );
        first as usize..last as usize + 1
    }
}

/// Writes the matrix products `lhs · rhs` of each batch index to `out`, row-major `[batch.., m, n]`.
///
/// `lhs` holds `m × k` matrices and `rhs` `k × n` ones. Integers wrap around.
///
/// # Panics
/// If an operand reaches outside its slice, has not one batch stride per batch dimension, or `out` is not of
/// `batch · m · n` elements.
///
/// # Examples
/// ```
/// use flaxen::kernels::matmul::{MatrixBatch, matmul};
/// let (a, b) = ([1.0f32, 2.0, 3.0, 4.0], [5.0, 6.0]);
/// let mut out = [0.0; 2];
/// matmul(&[], [2, 2, 1], &MatrixBatch::row_major(&a, 2), &MatrixBatch::row_major(&b, 1), &mut out);
/// assert_eq!(out, [17.0, 39.0]);
/// ```
pub fn matmul<T: Number>(
    batch: &[usize],
    size: [usize; 3],
    lhs: &MatrixBatch<'_, T>,
    rhs: &MatrixBatch<'_, T>,
    out: &mut [T],
) {
    matmul_with_epilogue(batch, size, lhs, rhs, out, &|_, _| ());
}

/// As [`matmul`], and calls `epilogue(first, piece)` while a piece of the output from element `first` on is still in the cache.
///
/// A piece is part of a row or a number of whole rows. Pieces do not overlap and cover the output; `epilogue` may change them,
/// and is called from several threads. Biases and activations that go along with a product cost no pass over memory then.
///
/// # Panics
/// As [`matmul`].
///
/// # Examples
/// ```
/// use flaxen::kernels::matmul::{MatrixBatch, matmul_with_epilogue};
/// let (a, b, bias) = ([1.0f32, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, -8.0], [1.0, 2.0]);
/// let mut out = [0.0; 4];
/// let epilogue = |first: usize, piece: &mut [f32]| {
///     for (i, y) in piece.iter_mut().enumerate() {
///         *y = (*y + bias[(first + i) % 2]).max(0.0);
///     }
/// };
/// matmul_with_epilogue(&[], [2, 2, 2], &MatrixBatch::row_major(&a, 2), &MatrixBatch::row_major(&b, 2), &mut out, &epilogue);
/// assert_eq!(out, [20.0, 0.0, 44.0, 0.0]);
/// ```
pub fn matmul_with_epilogue<T: Number>(
    batch: &[usize],
    [m, k, n]: [usize; 3],
    lhs: &MatrixBatch<'_, T>,
    rhs: &MatrixBatch<'_, T>,
    out: &mut [T],
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    assert_eq!(out.len(), batch.iter().product::<usize>() * m * n, "elements of the product");
    if out.is_empty() {
        return;
    }
    if k == 0 {
        out.fill(T::ZERO);
        return epilogue(0, out);
    }
    let (left, right) = (lhs.range(batch, m, k), rhs.range(batch, k, n));
    if TypeId::of::<T>() == TypeId::of::<bf16>() && m >= pairs::MIN_ROWS {
        let (lhs, rhs) = (lhs.brains(pairs::Brains::Halves), rhs.brains(pairs::Brains::Halves));
        let products = pairs::Products { size: [m, k, n], batch, lhs, rhs };
        // SAFETY: `range` has checked both operands for all batch indices, rows and columns, no size is 0, and `out` has one element
        // per batch index, row and column.
        if unsafe { pairs::run(Level::chosen(), &products, bytemuck::cast_slice_mut(out)) } {
            return threads::split(out, n, n, |first, rows| epilogue(first * n, rows));
        }
    }
    let wide_left = widen_all(&lhs.data[left.clone()]);
    let wide_right = widen_all(&rhs.data[right.clone()]);
    // Each range holds every element that the strides reach, so the views below stay inside it.
    let view = |data: &[T::Acc], operand: &MatrixBatch<'_, T>, start: usize| MatrixView {
        start: data[operand.offset - start..].as_ptr(),
        row: operand.row_stride,
        col: operand.col_stride,
    };
    let products = partition::ProductBatch {
        size: [m, k, n],
        batch,
        lhs: view(&wide_left, lhs, left.start),
        rhs: view(&wide_right, rhs, right.start),
        lhs_batch: lhs.batch_strides,
        rhs_batch: rhs.batch_strides,
    };
    narrow_with_epilogue(out, n, epilogue, |wide, epilogue| {
        // SAFETY: `range` has checked both operands for all batch indices, rows and columns, and `out` has one element
        // per batch index, row and column.
        unsafe { partition::run(&products, wide, epilogue) }
    });
}

/// One side of a product of `bf16`, or of `f32` that are rounded to it first.
#[derive(Clone, Copy, Debug)]
pub enum RoundedBatch<'a> {
    /// As they are.
    Halves(MatrixBatch<'a, bf16>),
    /// To be rounded to nearest, ties to even.
    Floats(MatrixBatch<'a, f32>),
}

impl<'a> RoundedBatch<'a> {
    fn brains(&self, batch: &[usize], rows: usize, cols: usize) -> pairs::Side<'a> {
        match self {
            RoundedBatch::Halves(operand) => {
                operand.range(batch, rows, cols);
                operand.brains(pairs::Brains::Halves)
            }
            RoundedBatch::Floats(operand) => {
                operand.range(batch, rows, cols);
                operand.brains(pairs::Brains::Floats)
            }
        }
    }

    /// All of it, rounded: what `memory` holds then.
    fn rounded<'b>(&self, memory: &'b mut Vec<bf16>) -> MatrixBatch<'b, bf16>
    where
        'a: 'b,
    {
        match *self {
            RoundedBatch::Halves(operand) => operand,
            RoundedBatch::Floats(MatrixBatch { data, offset, row_stride, col_stride, batch_strides }) => {
                crate::array::memory::resize(memory, data.len(), bf16::ZERO);
                threads::split(memory, 1, 1, |first, piece| {
                    bf16::narrow_slice(&data[first..][..piece.len()], piece);
                });
                MatrixBatch { data: memory, offset, row_stride, col_stride, batch_strides }
            }
        }
    }
}

/// As [`matmul_with_epilogue`] of `bf16`, of operands that may be `f32` and are rounded to `bf16` on the way.
///
/// Where the processor multiplies pairs of `bf16`, an operand is rounded while it is packed, and not written anywhere else.
///
/// # Panics
/// As [`matmul`].
///
/// # Examples
/// ```
/// use flaxen::kernels::matmul::{MatrixBatch, RoundedBatch, matmul_of_rounded};
/// use half::bf16;
/// let (a, b) = ([1.0f32 + 1.0 / 512.0, 2.0, 3.0, 4.0], [bf16::ONE; 2]);
/// let (lhs, rhs) = (MatrixBatch::row_major(&a, 2), MatrixBatch::row_major(&b, 1));
/// let mut out = [bf16::ZERO; 2];
/// matmul_of_rounded(&[], [2, 2, 1], &RoundedBatch::Floats(lhs), &RoundedBatch::Halves(rhs), &mut out, &|_, _| ());
/// assert_eq!(out.map(bf16::to_f32), [3.0, 7.0]);
/// ```
pub fn matmul_of_rounded(
    batch: &[usize],
    size: [usize; 3],
    lhs: &RoundedBatch<'_>,
    rhs: &RoundedBatch<'_>,
    out: &mut [bf16],
    epilogue: &(dyn Fn(usize, &mut [bf16]) + Sync),
) {
    let [m, k, n] = size;
    assert_eq!(out.len(), batch.iter().product::<usize>() * m * n, "elements of the product");
    if !out.is_empty() && k > 0 {
        let (lhs, rhs) = (lhs.brains(batch, m, k), rhs.brains(batch, k, n));
        let products = pairs::Products { size, batch, lhs, rhs };
        // SAFETY: as in `matmul_with_epilogue`.
        if unsafe { pairs::run(Level::chosen(), &products, out) } {
            return threads::split(out, n, n, |first, rows| epilogue(first * n, rows));
        }
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (lhs, rhs) = (lhs.rounded(&mut left), rhs.rounded(&mut right));
    matmul_with_epilogue(batch, size, &lhs, &rhs, out, epilogue);
}

/// Whether products of `bf16` multiply pairs, for matrices with these strides of rows and columns, in this process.
pub(crate) fn multiplies_pairs(size: [usize; 3], lhs: (isize, isize), rhs: (isize, isize)) -> bool {
    size[0] >= pairs::MIN_ROWS
        && pairs::orders(size, lhs.into(), rhs.into()).is_some()
        && pairs::is_available(Level::chosen())
}

/// Whether the pieces that [`matmul_with_epilogue`] finishes are whole rows, for matrices with these strides of rows and columns.
pub(crate) fn has_whole_rows<T: Number>(
    batch: &[usize],
    size: [usize; 3],
    lhs: (isize, isize),
    rhs: (isize, isize),
) -> bool {
    // What is rounded at the end is handed on when all of it is there.
    if size.contains(&0) || TypeId::of::<T>() != TypeId::of::<T::Acc>() {
        return true;
    }
    let view = |(row, col)| MatrixView::<T::Acc> { start: std::ptr::null(), row, col };
    partition::has_whole_rows(batch.iter().product(), size, view(lhs), view(rhs))
}

/// Whether a product repacks its right matrix, or reads it out of order, because that has contiguous columns instead of rows: as much work as transposing it once would be. Of both matrices, the strides of rows and columns.
pub(crate) fn repacks<T: Number>(size: [usize; 3], lhs: (isize, isize), rhs: (isize, isize)) -> bool {
    let view = |(row, col)| MatrixView::<T::Acc> { start: std::ptr::null(), row, col };
    product::repacks(size, view(lhs), view(rhs))
}
