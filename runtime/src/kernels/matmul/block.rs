//! One product of two matrices on one thread.

use std::any::TypeId;

use super::super::number::Number;
use super::{integer, tiny, vector};

/// A matrix whose element `(i, j)` is at `start + i·row + j·col`, in memory that someone else keeps alive.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct View<T> {
    pub start: *const T,
    pub row: isize,
    pub col: isize,
}

// SAFETY: a view is a shared reference to plain numbers; whoever reads through it vouches for its extent.
unsafe impl<T: Sync> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    /// The same matrix from element `(row, col)` on.
    pub fn from(self, row: usize, col: usize) -> Self {
        let offset = row as isize * self.row + col as isize * self.col;
        Self { start: self.start.wrapping_offset(offset), ..self }
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
const TINY: usize = 4096;
/// Sums of no more terms than this write more than they compute, in any size.
pub(super) const FLAT: usize = 8;

/// Computes `out = lhs · rhs`, or adds it to `out` if `accumulate`; rows of `out` are `out_row` apart.
///
/// `T` carries its own sums: it is not `bf16` or `f16`.
///
/// # Safety
/// `lhs` is a readable `m × k` matrix and `rhs` a `k × n` one; `out` is writable for `m` rows of `n` elements, which no one
/// else touches meanwhile.
pub(in super::super) unsafe fn product<T: Number<Acc = T>>(
    [m, k, n]: [usize; 3],
    lhs: View<T>,
    rhs: View<T>,
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
        if m == 1 && (rhs.col == 1 || rhs.row == 1) {
            let line = std::slice::from_raw_parts_mut(out, n);
            return vector::product(k, View { row: lhs.col, ..lhs }, rhs, line, accumulate);
        }
        if n == 1 && out_row == 1 && (lhs.col == 1 || lhs.row == 1) {
            let column = std::slice::from_raw_parts_mut(out, m);
            let transposed = View { row: lhs.col, col: lhs.row, ..lhs };
            return vector::product(k, rhs, transposed, column, accumulate);
        }
        if (m * k * n <= TINY || k <= FLAT) && rhs.col == 1 {
            tiny::product([m, k, n], lhs, rhs, out, out_row, accumulate);
        } else if [TypeId::of::<f32>(), TypeId::of::<f64>()].contains(&TypeId::of::<T>()) {
            gemm::gemm(
                m,
                n,
                k,
                out,
                1,
                out_row as isize,
                accumulate,
                lhs.start,
                lhs.col,
                lhs.row,
                rhs.start,
                rhs.col,
                rhs.row,
                T::ONE,
                T::ONE,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        } else {
            integer::product([m, k, n], lhs, rhs, out, out_row, accumulate);
        }
    }
}
