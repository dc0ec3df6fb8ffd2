//! Select-and-scatter: which element of each window is the largest or smallest, and the gradients that go to it (XLA's
//! `SelectAndScatter`).

use super::super::simd::{self, SimdKernel};
use super::super::threads;
use super::table::{PADDING, WindowTable};
use super::{Selection, WindowGeometry};
use crate::kernels::halves::{narrow_all, widen_all};
use crate::scalar::number::Number;

/// Writes the flat index in `data` of the element that is selected from each window to `out`; -1 where it is padding.
///
/// As in JAX, padding takes part as -∞ (or +∞), elements are compared in row-major order, and one that is not at least as
/// large (or small) as the next gives way to it, as a NaN always does.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn select_indices<T: Number>(
    geometry: &WindowGeometry,
    selection: Selection,
    data: &[T],
    out: &mut [i64],
) {
    let plan = geometry.check(data.len(), out.len());
    if out.is_empty() {
        return;
    }
    let data = widen_all(data);
    let (slice, table) = (plan.slice(), WindowTable::all(&plan));
    threads::split(out, plan.out_slice(), plan.out_slice() * plan.taps(), |first, outs| {
        for (i, out) in outs.chunks_exact_mut(plan.out_slice()).enumerate() {
            let start = (first + i) * slice;
            let select = Select { table: &table, inner: plan.inner, data: &data[start..][..slice] };
            // Lane by lane the number of the window's tap that won, which the window's rows turn into an index; a tap in the padding has
            // no row.
            let see = |window: usize, c: usize, rows: &[usize], which: &[u32]| {
                let out = &mut out[window * plan.inner + c..];
                for (l, (y, &tap)) in out.iter_mut().zip(which).enumerate() {
                    let row = rows.get(tap as usize).map(|row| row * plan.inner + c + l);
                    *y = row.map_or(-1, |row| (start + row) as i64);
                }
            };
            match selection {
                Selection::Max => {
                    simd::run(VisitSelected {
                        select,
                        padding: T::Acc::MAX_IDENTITY,
                        keep: |x, y| x >= y,
                        see,
                    });
                }
                Selection::Min => {
                    simd::run(VisitSelected {
                        select,
                        padding: T::Acc::MIN_IDENTITY,
                        keep: |x, y| x <= y,
                        see,
                    });
                }
            }
        }
    });
}

/// Writes the gradient of a windowed maximum or minimum of `data` to `grad`: `out_grad` of each window goes to the element
/// that [`select_indices`] selects.
///
/// # Panics
/// If slices or sizes do not fit the geometry.
pub fn select_and_scatter_add<T: Number>(
    geometry: &WindowGeometry,
    selection: Selection,
    data: &[T],
    out_grad: &[T],
    grad: &mut [T],
) {
    let plan = geometry.check(data.len(), out_grad.len());
    assert_eq!(grad.len(), data.len(), "elements of the gradient");
    let (slice, out_slice) = (plan.slice(), plan.out_slice());
    if grad.is_empty() {
        return;
    }
    let (data, out_grad) = (widen_all(data), widen_all(out_grad));
    narrow_all(grad, |grad| {
        grad.fill(T::Acc::ZERO);
        if out_grad.is_empty() {
            return;
        }
        // Windows of a slice may overlap: one thread adds all of them, in order.
        let table = WindowTable::all(&plan);
        threads::split(grad, slice, out_slice * plan.taps(), |first, grads| {
            for (i, grad) in grads.chunks_exact_mut(slice).enumerate() {
                let data = &data[(first + i) * slice..][..slice];
                let out_grad = &out_grad[(first + i) * out_slice..][..out_slice];
                // One loop for each comparison, so that it is known when compiling.
                let select = Select { table: &table, inner: plan.inner, data };
                match selection {
                    Selection::Max => {
                        simd::run(Scatter {
                            select,
                            padding: T::Acc::MAX_IDENTITY,
                            keep: |x, y| x >= y,
                            out_grad,
                            grad,
                        });
                    }
                    Selection::Min => {
                        simd::run(Scatter {
                            select,
                            padding: T::Acc::MIN_IDENTITY,
                            keep: |x, y| x <= y,
                            out_grad,
                            grad,
                        });
                    }
                }
            }
        });
    });
}

/// Writes `data[index]` to `out` for each index, zero for -1: the derivative of a windowed maximum along `data`.
///
/// # Panics
/// If an index is outside `data`, or there are not as many as outputs.
pub fn gather<T: Number>(indices: &[i64], data: &[T], out: &mut [T]) {
    assert_eq!(indices.len(), out.len(), "an index per output");
    threads::split(out, 1, 2, |first, out| {
        for (y, &index) in out.iter_mut().zip(&indices[first..]) {
            *y = if index < 0 { T::ZERO } else { data[index as usize] };
        }
    });
}

/// Writes the transpose of [`gather`] to `out`: the sum of the values at each index, in the order of the values.
///
/// # Panics
/// If an index is outside `out`, or there are not as many as values.
pub fn scatter_add<T: Number>(indices: &[i64], values: &[T], out: &mut [T]) {
    assert_eq!(indices.len(), values.len(), "an index per value");
    narrow_all(out, |out| {
        out.fill(T::Acc::ZERO);
        for (&index, value) in indices.iter().zip(values).filter(|(index, _)| **index >= 0) {
            out[index as usize] = out[index as usize].add(value.widen());
        }
    });
}

/// The tap that stands for padding.
const NONE: u32 = u32::MAX;

/// Elements that are selected from at a time: the best of them stay in registers.
const LANES: usize = 32;

/// The windows of a slice.
struct Select<'a, T> {
    table: &'a WindowTable,
    inner: usize,
    data: &'a [T],
}

impl<T: Number> Select<'_, T> {
    /// The selected tap of `L` windows side by side, from element `c` of each row on.
    #[inline(always)]
    fn pick<const L: usize>(
        &self,
        rows: &[usize],
        c: usize,
        padding: T,
        keep: &impl Fn(T, T) -> bool,
    ) -> [u32; L] {
        let (mut best, mut which) = ([padding; L], [NONE; L]);
        for (tap, &row) in rows.iter().enumerate() {
            if row == PADDING {
                for l in 0..L {
                    let kept = tap > 0 && keep(best[l], padding);
                    best[l] = if kept { best[l] } else { padding };
                    which[l] = if kept { which[l] } else { NONE };
                }
                continue;
            }
            let x = &self.data[row * self.inner + c..][..L];
            for l in 0..L {
                let kept = tap > 0 && keep(best[l], x[l]);
                best[l] = if kept { best[l] } else { x[l] };
                which[l] = if kept { which[l] } else { tap as u32 };
            }
        }
        which
    }
}

/// Calls `see(window, c, rows, which)` for each window and elements from `c` on.
struct VisitSelected<'a, T, K, S> {
    select: Select<'a, T>,
    padding: T,
    keep: K,
    see: S,
}

impl<T: Number, K: Fn(T, T) -> bool, S: FnMut(usize, usize, &[usize], &[u32])> SimdKernel
    for VisitSelected<'_, T, K, S>
{
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(mut self) {
        for window in 0..self.select.table.windows() {
            let rows = self.select.table.rows(window);
            let whole = self.select.inner - self.select.inner % LANES;
            for c in (0..whole).step_by(LANES) {
                (self.see)(window, c, rows, &self.select.pick::<LANES>(rows, c, self.padding, &self.keep));
            }
            for c in whole..self.select.inner {
                (self.see)(window, c, rows, &self.select.pick::<1>(rows, c, self.padding, &self.keep));
            }
        }
    }
}

/// Adds the gradient of each window of a slice to the element that is selected.
struct Scatter<'a, T, K> {
    select: Select<'a, T>,
    padding: T,
    keep: K,
    out_grad: &'a [T],
    grad: &'a mut [T],
}

impl<T: Number, K: Fn(T, T) -> bool> Scatter<'_, T, K> {
    #[inline(always)]
    fn add<const L: usize>(&mut self, window: usize, c: usize) {
        let Self { select, padding, keep, out_grad, grad } = self;
        let rows = select.table.rows(window);
        let which = select.pick::<L>(rows, c, *padding, keep);
        let out_grad = &out_grad[window * select.inner + c..][..L];
        for (tap, &row) in rows.iter().enumerate().filter(|(_, row)| **row != PADDING) {
            let grad = &mut grad[row * select.inner + c..][..L];
            for l in 0..L {
                grad[l] = grad[l].add(if which[l] == tap as u32 { out_grad[l] } else { T::ZERO });
            }
        }
    }
}

impl<T: Number, K: Fn(T, T) -> bool> SimdKernel for Scatter<'_, T, K> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(mut self) {
        let inner = self.select.inner;
        for window in 0..self.select.table.windows() {
            for c in (0..inner - inner % LANES).step_by(LANES) {
                self.add::<LANES>(window, c);
            }
            for c in inner - inner % LANES..inner {
                self.add::<1>(window, c);
            }
        }
    }
}
