//! Folding rows of a tile, in the order in which the reduction kernels fold them.

use crate::array::DType;
use crate::array::dtype::dispatch;
use crate::kernels::blocks::{read, write};
use crate::kernels::reduce::{Fold, Max, Min, Prod, Sum, combine_rows, fold_run};
use crate::kernels::simd::{SimdKernel, wide};
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
    ($folding:expr, $dtype:expr, $make:ident) => {
        dispatch!($dtype, T => match $folding {
            ReduceOp::Sum => $make::<Sum<T>>(),
            ReduceOp::Prod => $make::<Prod<T>>(),
            ReduceOp::Max => $make::<Max<T>>(),
            ReduceOp::Min => $make::<Min<T>>(),
        })
    };
}

pub(crate) fn fold_rows(folding: ReduceOp, dtype: DType) -> FoldRows {
    by_folding!(folding, dtype, rows)
}

pub(crate) fn fold_columns(folding: ReduceOp, dtype: DType) -> FoldColumns {
    by_folding!(folding, dtype, columns)
}

fn rows<F: Fold<In: bytemuck::Pod, Out: bytemuck::Pod>>() -> FoldRows {
    each_row::<F>
}

fn columns<F: Fold<In: bytemuck::Pod, Acc: bytemuck::Pod, Out: bytemuck::Pod>>() -> FoldColumns {
    FoldColumns {
        width: size_of::<F::Acc>(),
        clear: clear::<F>,
        add: add::<F>,
        merge: merge::<F>,
        finish: finish::<F>,
    }
}

struct EachRow<'a, F: Fold>(&'a [F::In], usize, &'a mut [F::Out]);

impl<F: Fold> SimdKernel for EachRow<'_, F> {
    type Output = ();
    const WIDEST: bool = size_of::<F::In>() == 4;
    #[inline(always)]
    fn run(self) {
        for (x, out) in self.0.chunks_exact(self.1).zip(self.2) {
            *out = F::finish(fold_run::<F>(x));
        }
    }
}

/// # Safety
/// As [`FoldRows`].
unsafe fn each_row<F: Fold<In: bytemuck::Pod, Out: bytemuck::Pod>>(
    x: *const u8,
    rows: usize,
    cols: usize,
    out: *mut u8,
) {
    // SAFETY: the caller vouches for both.
    let (x, out) = unsafe { (read::<F::In>(x, rows * cols), write::<F::Out>(out, rows)) };
    wide(EachRow::<F>(x, cols, out));
}

/// # Safety
/// `acc` points to `cols` accumulators.
unsafe fn clear<F: Fold<Acc: bytemuck::Pod>>(acc: *mut u8, cols: usize) {
    // SAFETY: the caller vouches for it.
    unsafe { write::<F::Acc>(acc, cols) }.fill(F::IDENTITY);
}

struct AddRows<'a, F: Fold>(&'a [F::In], &'a mut [F::Acc]);

impl<F: Fold> SimdKernel for AddRows<'_, F> {
    type Output = ();
    const WIDEST: bool = size_of::<F::In>() == 4;
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
unsafe fn add<F: Fold<In: bytemuck::Pod, Acc: bytemuck::Pod>>(
    x: *const u8,
    rows: usize,
    cols: usize,
    acc: *mut u8,
) {
    // SAFETY: the caller vouches for both.
    let (x, acc) = unsafe { (read::<F::In>(x, rows * cols), write::<F::Acc>(acc, cols)) };
    wide(AddRows::<F>(x, acc));
}

/// # Safety
/// Both point to `cols` accumulators.
unsafe fn merge<F: Fold<Acc: bytemuck::Pod>>(other: *const u8, cols: usize, acc: *mut u8) {
    // SAFETY: the caller vouches for both.
    let (other, acc) = unsafe { (read::<F::Acc>(other, cols), write::<F::Acc>(acc, cols)) };
    combine_rows::<F>(acc, other);
}

/// # Safety
/// `acc` points to `cols` accumulators, `out` to as many results.
unsafe fn finish<F: Fold<Acc: bytemuck::Pod, Out: bytemuck::Pod>>(acc: *const u8, cols: usize, out: *mut u8) {
    // SAFETY: the caller vouches for both.
    let (acc, out) = unsafe { (read::<F::Acc>(acc, cols), write::<F::Out>(out, cols)) };
    out.iter_mut().zip(acc).for_each(|(out, &acc)| *out = F::finish(acc));
}
