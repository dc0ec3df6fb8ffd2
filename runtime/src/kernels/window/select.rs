//! Which element of each window is the largest or smallest, and the gradients that go to it.

use super::super::number::{Number, narrow_all, widen_all};
use super::super::simd::{self, Kernel};
use super::super::threads;
use super::{Plan, Selection, WindowGeometry};

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
    let (slice, out_slice) = (plan.slice(), plan.out_slice());
    threads::split(out, out_slice, out_slice * plan.taps(), |first, outs| {
        for (i, out) in outs.chunks_exact_mut(out_slice).enumerate() {
            let start = (first + i) * slice;
            visit(&plan, selection, &data[start..][..slice], |place, taps, which| {
                for (c, (y, &tap)) in out[place..].iter_mut().zip(which).enumerate() {
                    *y = found(taps, tap).map_or(-1, |row| (start + row + c) as i64);
                }
            });
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
    let out_grad = widen_all(out_grad);
    narrow_all(grad, |grad| {
        grad.fill(T::Acc::ZERO);
        if out_grad.is_empty() {
            return;
        }
        threads::split(grad, slice, out_slice * plan.taps(), |first, grads| {
            for (i, grad) in grads.chunks_exact_mut(slice).enumerate() {
                let data = &data[(first + i) * slice..][..slice];
                let out_grad = &out_grad[(first + i) * out_slice..][..out_slice];
                visit(&plan, selection, data, |place, taps, which| {
                    let out_grad = &out_grad[place..][..plan.inner];
                    for (tap, row) in taps.iter().enumerate() {
                        let Some(row) = *row else { continue };
                        let grad = &mut grad[row..][..plan.inner];
                        simd::run(AddSelected { tap: tap as u32, which, out_grad, grad });
                    }
                });
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
            out[index as usize] = out[index as usize].plus(value.widen());
        }
    });
}

/// The tap that stands for padding.
const PADDING: u32 = u32::MAX;

/// Where the row of elements at this tap starts in the slice, unless it is padding.
#[inline(always)]
fn found(taps: &[Option<usize>], tap: u32) -> Option<usize> {
    if tap == PADDING { None } else { taps[tap as usize] }
}

/// Calls `see(place, taps, which)` for each window position of a slice: `place` is where its `inner` outputs start, `taps`
/// where the elements at each tap start in the slice, and `which` the selected tap for each of the `inner` outputs.
fn visit<T: Number>(
    plan: &Plan,
    selection: Selection,
    data: &[T],
    mut see: impl FnMut(usize, &[Option<usize>], &[u32]),
) {
    let windows = plan.axes.iter().map(|axis| axis.outs).product::<usize>();
    let (mut taps, mut before) = (Vec::new(), Vec::new());
    let (mut best, mut which) = (vec![T::ZERO; plan.inner], vec![PADDING; plan.inner]);
    for window in 0..windows {
        taps.clear();
        taps.push(Some(0));
        let (mut below, mut rest) = (windows, window);
        for axis in &plan.axes {
            below /= axis.outs;
            let o = rest / below;
            rest %= below;
            std::mem::swap(&mut taps, &mut before);
            taps.clear();
            for &start in &before {
                let element = |tap| Some(start? * axis.size + axis.element(o, tap)?);
                taps.extend((0..axis.window).map(element));
            }
        }
        taps.iter_mut().flatten().for_each(|start| *start *= plan.inner);
        let rows = Rows { data, taps: &taps, best: &mut best, which: &mut which };
        match selection {
            Selection::Largest => simd::run(Fold { rows, padding: T::LOWEST, keep: |x: T, y: T| x >= y }),
            Selection::Smallest => simd::run(Fold { rows, padding: T::HIGHEST, keep: |x: T, y: T| x <= y }),
        }
        see(window * plan.inner, &taps, &which);
    }
}

/// Adds gradients to the elements at one tap, where that is the selected one.
struct AddSelected<'a, T> {
    tap: u32,
    which: &'a [u32],
    out_grad: &'a [T],
    grad: &'a mut [T],
}

impl<T: Number> Kernel for AddSelected<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((grad, &g), &which) in self.grad.iter_mut().zip(self.out_grad).zip(self.which) {
            *grad = grad.plus(if which == self.tap { g } else { T::ZERO });
        }
    }
}

struct Rows<'a, T> {
    data: &'a [T],
    taps: &'a [Option<usize>],
    best: &'a mut [T],
    which: &'a mut [u32],
}

/// Goes over the taps of a window in order, for a row of windows side by side.
struct Fold<'a, T, F> {
    rows: Rows<'a, T>,
    padding: T,
    keep: F,
}

impl<T: Number, F: Fn(T, T) -> bool> Kernel for Fold<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Rows { data, taps, best, which } = self.rows;
        let inner = best.len();
        for (tap, start) in taps.iter().enumerate() {
            let Some(start) = *start else {
                for (best, which) in best.iter_mut().zip(which.iter_mut()) {
                    if tap == 0 || !(self.keep)(*best, self.padding) {
                        (*best, *which) = (self.padding, PADDING);
                    }
                }
                continue;
            };
            let row = &data[start..][..inner];
            if tap == 0 {
                best.copy_from_slice(row);
                which.fill(0);
                continue;
            }
            for ((best, which), &x) in best.iter_mut().zip(which.iter_mut()).zip(row) {
                let keep = (self.keep)(*best, x);
                *best = if keep { *best } else { x };
                *which = if keep { *which } else { tap as u32 };
            }
        }
    }
}
