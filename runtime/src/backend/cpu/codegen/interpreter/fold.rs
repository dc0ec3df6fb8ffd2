//! Folding rows of a tile, in the order in which the reduction kernels fold them.

use crate::array::DType;
use crate::array::dtype::dispatch_float;
use crate::kernels::blocks::{read, wide, write};
use crate::kernels::halves::{narrow_into, widen_into};
use crate::kernels::reduce::{Fold, Max, Min, Prod, Sum, combine_rows, fold_run};
use crate::kernels::scratch::Scratch;
use crate::kernels::simd::SimdKernel;
use crate::scalar::number::Number;
use crate::scalar::reduce::ReduceOp;

/// Folds each of `rows` rows of `cols` elements to one.
///
/// # Safety
/// `x` points to as many aligned elements, `out` to `rows`, which nothing else reads or writes.
pub(crate) type FoldRows = unsafe fn(x: *const u8, rows: usize, cols: usize, out: *mut u8);

/// Loops that fold columns: rows of elements into accumulators, accumulators into others, and into results.
#[derive(Clone, Copy)]
pub(crate) struct FoldColumns {
    /// Bytes of an accumulator.
    pub width: usize,
    /// Writes the neutral element into `cols` accumulators.
    pub clear: unsafe fn(acc: *mut u8, cols: usize),
    /// Combines `rows` rows of elements into `cols` accumulators.
    pub add: unsafe fn(x: *const u8, rows: usize, cols: usize, acc: *mut u8),
    /// Combines `cols` accumulators into others.
    pub merge: unsafe fn(other: *const u8, cols: usize, acc: *mut u8),
    /// Rounds accumulators to results.
    pub finish: unsafe fn(acc: *const u8, cols: usize, out: *mut u8),
}

macro_rules! by_folding {
    ($op:expr, $dtype:expr, $make:ident) => {
        match $op {
            ReduceOp::Sum if !$dtype.is_float() => $make::<u32, Sum<u32>>(),
            ReduceOp::Sum => dispatch_float!($dtype, T => $make::<T, Sum<<T as Number>::Acc>>()),
            ReduceOp::Prod => dispatch_float!($dtype, T => $make::<T, Prod<<T as Number>::Acc>>()),
            ReduceOp::Max => dispatch_float!($dtype, T => $make::<T, Max<<T as Number>::Acc>>()),
            ReduceOp::Min => dispatch_float!($dtype, T => $make::<T, Min<<T as Number>::Acc>>()),
        }
    };
}

/// Whether a reduction can be part of a kernel: of floats, and counts. Others of integers are rare, and kernels of their own.
pub(crate) fn can_fold(op: ReduceOp, dtype: DType) -> bool {
    dtype.is_float() || (op == ReduceOp::Sum && matches!(dtype, DType::U32 | DType::I32))
}

pub(crate) fn fold_rows(op: ReduceOp, dtype: DType) -> FoldRows {
    by_folding!(op, dtype, rows)
}

pub(crate) fn fold_columns(op: ReduceOp, dtype: DType) -> FoldColumns {
    by_folding!(op, dtype, columns)
}

/// The loops of a reduction for a type that carries its own sums, and those around them for `bf16` and `f16`.
fn rows<T: Number, F: Fold<T = T::Acc>>() -> FoldRows {
    if size_of::<T>() == 2 { each_widened_row::<T, F> } else { each_row::<F> }
}

fn columns<T: Number, F: Fold<T = T::Acc>>() -> FoldColumns {
    let is_half = size_of::<T>() == 2;
    FoldColumns {
        width: size_of::<F::T>(),
        clear: clear::<F>,
        add: if is_half { add_widened::<T, F> } else { add::<F> },
        merge: merge::<F>,
        finish: if is_half { narrow::<T> } else { finish::<F> },
    }
}

struct EachRow<'a, F: Fold>(&'a [F::T], usize, &'a mut [F::T]);

impl<F: Fold> SimdKernel for EachRow<'_, F> {
    type Output = ();
    const VECTORS: bool = F::VECTORS;
    const WIDEST: bool = size_of::<F::T>() == 4;
    #[inline(always)]
    fn run(self) {
        for (x, out) in self.0.chunks_exact(self.1).zip(self.2) {
            *out = fold_run::<F>(x);
        }
    }
}

/// # Safety
/// As [`FoldRows`].
unsafe fn each_row<F: Fold<T: bytemuck::Pod>>(x: *const u8, rows: usize, cols: usize, out: *mut u8) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<F::T>(x, rows * cols), write::<F::T>(out, rows)) };
    wide(EachRow::<F>(x, cols, out));
}

/// # Safety
/// `acc` points to `cols` accumulators.
unsafe fn clear<F: Fold<T: bytemuck::Pod>>(acc: *mut u8, cols: usize) {
    // SAFETY: the caller vouches for it.
    unsafe { write::<F::T>(acc, cols) }.fill(F::IDENTITY);
}

struct AddRows<'a, F: Fold>(&'a [F::T], &'a mut [F::T]);

impl<F: Fold> SimdKernel for AddRows<'_, F> {
    type Output = ();
    const VECTORS: bool = F::VECTORS;
    const WIDEST: bool = size_of::<F::T>() == 4;
    #[inline(always)]
    fn run(self) {
        let AddRows(x, acc) = self;
        let cols = acc.len();
        if cols == 1 {
            acc[0] = F::combine(acc[0], fold_run::<F>(x));
            return;
        }
        // Four rows at a time read and write the accumulators a quarter as often.
        let mut fours = x.chunks_exact(4 * cols);
        for four in &mut fours {
            let (a, b) = four.split_at(2 * cols);
            let ((a, b), (c, d)) = (a.split_at(cols), b.split_at(cols));
            for ((((acc, &a), &b), &c), &d) in acc.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let front = F::combine(F::lift(a), F::lift(b));
                let back = F::combine(F::lift(c), F::lift(d));
                *acc = F::combine(*acc, F::combine(front, back));
            }
        }
        for row in fours.remainder().chunks_exact(cols) {
            for (acc, &x) in acc.iter_mut().zip(row) {
                *acc = F::combine(*acc, F::lift(x));
            }
        }
    }
}

/// # Safety
/// `x` points to as many elements, `acc` to `cols` accumulators.
unsafe fn add<F: Fold<T: bytemuck::Pod>>(x: *const u8, rows: usize, cols: usize, acc: *mut u8) {
    // SAFETY: the caller vouches for both.
    let (x, acc) = unsafe { (read::<F::T>(x, rows * cols), write::<F::T>(acc, cols)) };
    wide(AddRows::<F>(x, acc));
}

/// # Safety
/// Both point to `cols` accumulators.
unsafe fn merge<F: Fold<T: bytemuck::Pod>>(other: *const u8, cols: usize, acc: *mut u8) {
    // SAFETY: the caller vouches for both.
    let (other, acc) = unsafe { (read::<F::T>(other, cols), write::<F::T>(acc, cols)) };
    combine_rows::<F>(acc, other);
}

/// # Safety
/// `acc` points to `cols` accumulators, `out` to as many results.
unsafe fn finish<F: Fold<T: bytemuck::Pod>>(acc: *const u8, cols: usize, out: *mut u8) {
    // SAFETY: the caller vouches for both.
    let (acc, out) = unsafe { (read::<F::T>(acc, cols), write::<F::T>(out, cols)) };
    out.copy_from_slice(acc);
}

/// As [`each_row`], of halves.
///
/// # Safety
/// As [`FoldRows`].
unsafe fn each_widened_row<T: Number, F: Fold<T = T::Acc>>(
    x: *const u8,
    rows: usize,
    cols: usize,
    out: *mut u8,
) {
    let (mut wide, mut folded) = (Scratch::empty(), Scratch::empty());
    wide.resize(rows * cols, T::Acc::ZERO);
    folded.resize(rows, T::Acc::ZERO);
    // SAFETY: the caller vouches for both; the temporaries have room for all.
    unsafe {
        widen_into(read::<T>(x, rows * cols), &mut wide);
        each_row::<F>(wide.as_ptr().cast(), rows, cols, folded.as_mut_ptr().cast());
        narrow_into(&folded, write::<T>(out, rows));
    }
}

/// As [`add`], of halves.
///
/// # Safety
/// As [`add`].
unsafe fn add_widened<T: Number, F: Fold<T = T::Acc>>(x: *const u8, rows: usize, cols: usize, acc: *mut u8) {
    let mut wide = Scratch::empty();
    wide.resize(rows * cols, T::Acc::ZERO);
    // SAFETY: as above.
    unsafe {
        widen_into(read::<T>(x, rows * cols), &mut wide);
        add::<F>(wide.as_ptr().cast(), rows, cols, acc);
    }
}

/// As [`finish`], of halves.
///
/// # Safety
/// As [`finish`].
unsafe fn narrow<T: Number>(acc: *const u8, cols: usize, out: *mut u8) {
    // SAFETY: the caller vouches for both.
    unsafe { narrow_into(read::<T::Acc>(acc, cols), write::<T>(out, cols)) };
}
