//! One product of two matrices on one thread: the choice of an algorithm by shape and layout.

use std::any::TypeId;

use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::transpose;
use super::{dot, gemv, integer, small, streamed};
use crate::scalar::number::Number;

/// A matrix whose element `(i, j)` is at `start + i·row + j·col`, in memory that someone else keeps alive.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct MatrixView<T> {
    pub start: *const T,
    pub row: isize,
    pub col: isize,
}

// SAFETY: a view is a shared reference to plain values; whoever reads through it vouches for its extent.
unsafe impl<T: Sync> Send for MatrixView<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatrixView<T> {}

impl<T> MatrixView<T> {
    /// The same matrix from element `(row, col)` on.
    pub fn from(self, row: usize, col: usize) -> Self {
        let offset = row as isize * self.row + col as isize * self.col;
        Self { start: self.start.wrapping_offset(offset), ..self }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }

    /// # Safety
    /// Element `(row, col)` is inside the matrix.
    #[inline(always)]
    pub unsafe fn at(self, row: usize, col: usize) -> T
    where
        T: Copy,
    {
        // SAFETY: the caller's promise.
        unsafe { *self.start.offset(row as isize * self.row + col as isize * self.col) }
    }
}

/// Products of no more multiplications than this are not worth a call of `gemm`, which packs its operands.
const SMALL: usize = 4096;
/// Sums of no more terms than this write more than they compute, in any size.
pub(super) const SHORT_K: usize = 8;

/// Computes `out = lhs · rhs`, or adds it to `out` if `accumulate`; rows of `out` are `out_row` apart.
///
/// `T` carries its own sums: it is not `bf16` or `f16`.
///
/// # Safety
/// `lhs` is a readable `m × k` matrix and `rhs` a `k × n` one; `out` is writable for `m` rows of `n` elements, which no one
/// else touches meanwhile.
pub(in super::super) unsafe fn product<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: all of these ask for what the caller promises; row 0 of `out` is `n` contiguous elements, and a single
    // column with `out_row == 1` is `m` contiguous ones.
    unsafe {
        if !accumulate {
            if let Some(micro) = dot::applicable(Level::chosen(), [m, k, n], lhs, rhs) {
                return dot::product(micro, [m, k, n], lhs, rhs, out, out_row);
            }
            // A row-major matrix times a vector is a vector times a matrix of contiguous columns.
            let (x, columns) = (MatrixView { row: 1, col: rhs.row, ..rhs }, lhs.transposed());
            if n == 1
                && out_row == 1
                && let Some(micro) = dot::applicable(Level::chosen(), [1, k, m], x, columns)
            {
                return dot::product(micro, [1, k, m], x, columns, out, m);
            }
        }
        // Then vectors, small products, and those that `gemm` is slower for or has no kernels for.
        if m == 1 && (rhs.col == 1 || rhs.row == 1) {
            let line = std::slice::from_raw_parts_mut(out, n);
            return gemv::product(k, MatrixView { row: lhs.col, ..lhs }, rhs, line, accumulate);
        }
        if n == 1 && out_row == 1 && (lhs.col == 1 || lhs.row == 1) {
            let column = std::slice::from_raw_parts_mut(out, m);
            return gemv::product(k, rhs, lhs.transposed(), column, accumulate);
        }
        if (m * k * n <= SMALL || k <= SHORT_K) && rhs.col == 1 {
            small::product([m, k, n], lhs, rhs, out, out_row, accumulate);
        } else if let Some(micro) = streamed::applicable(Level::chosen(), [m, k, n], lhs, rhs) {
            streamed::product(micro, [m, k, n], lhs, rhs, out, out_row, accumulate);
        } else if !is_float::<T>() {
            integer::product([m, k, n], lhs, rhs, out, out_row, accumulate);
        } else if rhs.row == 1 && rhs.col > 1 {
            by_transposed_blocks([m, k, n], lhs, rhs, out, out_row, accumulate);
        } else {
            by_gemm([m, k, n], lhs, rhs, out, out_row, accumulate);
        }
    }
}

fn is_float<T: 'static>() -> bool {
    [TypeId::of::<f32>(), TypeId::of::<f64>()].contains(&TypeId::of::<T>())
}

/// As [`product`], by `gemm`; its crates for `f32` and `f64` alone, because those of complex numbers take as long to compile.
///
/// # Safety
/// As [`product`], of `f32` or `f64`.
unsafe fn by_gemm<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
) {
    // Its micro-kernels write columns, so that rows are written as those of the transposed product.
    let ([m, n], lhs, rhs, [out_row, out_col]) = if out_row > 1 {
        ([n, m], rhs.transposed(), lhs.transposed(), [1, out_row as isize])
    } else {
        ([m, n], lhs, rhs, [out_row as isize, 1])
    };
    macro_rules! by {
        ($gemm:path, $t:ty) => {
            // SAFETY: the caller's promise; the types are equal.
            unsafe {
                $gemm()(
                    m,
                    n,
                    k,
                    out.cast::<$t>(),
                    out_col,
                    out_row,
                    accumulate,
                    lhs.start.cast::<$t>(),
                    lhs.col,
                    lhs.row,
                    rhs.start.cast::<$t>(),
                    rhs.col,
                    rhs.row,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm_common::Parallelism::None,
                );
            }
        };
    }
    if TypeId::of::<T>() == TypeId::of::<f32>() {
        by!(gemm_f32::gemm::f32::get_gemm_fn, f32);
    } else {
        assert!(TypeId::of::<T>() == TypeId::of::<f64>(), "integers have a product of their own");
        by!(gemm_f64::gemm::f64::get_gemm_fn, f64);
    }
}

/// Rows and columns of a block of the right matrix that is transposed at a time: it stays in L2.
const KC: usize = 512;
const NC: usize = 128;

/// As [`product`], of a right matrix with contiguous columns, which is transposed block by block. `gemm` takes up to three times
/// as long as that for its own packing, where columns are a power of two apart.
///
/// # Safety
/// As [`product`], for an `rhs` with contiguous columns that are more than 1 apart.
unsafe fn by_transposed_blocks<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    lhs: MatrixView<T>,
    rhs: MatrixView<T>,
    out: *mut T,
    out_row: usize,
    accumulate: bool,
) {
    let mut packed = Scratch::<T>::new();
    for (j, p) in (0..n).step_by(NC).flat_map(|j| (0..k).step_by(KC).map(move |p| (j, p))) {
        let (width, depth) = (NC.min(n - j), KC.min(k - p));
        let (columns, pitch) = (rhs.from(p, j), rhs.col as usize);
        if packed.len() < width * depth {
            packed.resize(width * depth, T::ZERO);
        }
        // SAFETY: from the first element of these columns to the last one.
        let data = unsafe { std::slice::from_raw_parts(columns.start, (width - 1) * pitch + depth) };
        transpose::square(data, (depth, width), (width, pitch), &mut packed);
        let rows = MatrixView { start: packed.as_ptr(), row: width as isize, col: 1 };
        let out = out.wrapping_add(j);
        // SAFETY: a part of what the caller vouches for.
        unsafe { product([m, depth, width], lhs.from(0, p), rows, out, out_row, accumulate || p > 0) };
    }
}

/// Rows up to which columns are read as fast as rows, and rows from which on products take so long that packing does not matter.
const FEW_ROWS: usize = 8;
const MANY_ROWS: usize = 512;

/// Whether [`product`] takes longer because the right matrix has contiguous columns; of the views, only the strides matter.
pub(super) fn repacks<T: Number<Acc = T>>(size: [usize; 3], lhs: MatrixView<T>, rhs: MatrixView<T>) -> bool {
    let [m, _, n] = size;
    let is_read_as_it_is = rhs.col == 1
        || (m == 1 && rhs.row == 1)
        || (n == 1 && lhs.col == 1)
        || (is_float::<T>() && m >= MANY_ROWS)
        || (m <= FEW_ROWS && dot::applicable(Level::best(), size, lhs, rhs).is_some());
    !is_read_as_it_is
}
