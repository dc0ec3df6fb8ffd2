//! Separable reduction over windows: each window at once, or where windows overlap much one dimension after the other.

use super::super::scratch::Scratch;
use super::super::simd::{self, SimdKernel};
use super::super::threads;
use super::table::WindowTable;
use super::{WindowAxis, WindowPlan};
use crate::array::memory;
use crate::scalar::number::Number;

/// Reduces all slices; `neutral` is what `combine` leaves other elements unchanged by.
pub(super) fn reduce<T: Number>(
    plan: &WindowPlan,
    neutral: T,
    combine: impl Fn(T, T) -> T + Copy + Send + Sync,
    data: &[T],
    out: &mut [T],
) {
    let (slice, out_slice) = (plan.slice(), plan.out_slice());
    if plan.axes.is_empty() {
        return out.copy_from_slice(data);
    }
    if data.is_empty() || out.is_empty() {
        return out.fill(neutral);
    }
    if plan.inner > 1 && at_once(plan) {
        return reduce_at_once(plan, neutral, combine, data, out);
    }
    let passes = plan.axes.iter().map(|axis| axis.window).sum::<usize>();
    threads::split(out, out_slice, slice.max(out_slice) * passes, |first, outs| {
        let mut buffers = (Scratch::empty(), Scratch::empty());
        for (i, out) in outs.chunks_exact_mut(out_slice).enumerate() {
            let data = &data[(first + i) * slice..][..slice];
            reduce_slice(plan, neutral, combine, data, out, &mut buffers);
        }
    });
}

/// Whether reading all elements of each window costs less than intermediate results, which are also written: a pass over
/// memory counts for more than a read from the cache.
fn at_once(plan: &WindowPlan) -> bool {
    let direct = plan.axes.iter().map(|axis| axis.outs * axis.window).product::<usize>();
    let (mut before, mut behind) = (1, plan.axes.iter().map(|axis| axis.size).product::<usize>());
    let by_dimension = plan.axes.iter().map(|axis| {
        behind /= axis.size;
        let pass = before * axis.outs * (axis.window + 1) * behind;
        before *= axis.outs;
        pass
    });
    2 * direct <= 3 * by_dimension.sum::<usize>()
}

fn reduce_at_once<T: Number>(
    plan: &WindowPlan,
    neutral: T,
    combine: impl Fn(T, T) -> T + Copy + Send + Sync,
    data: &[T],
    out: &mut [T],
) {
    let (table, slice, inner) = (WindowTable::inside(plan), plan.slice(), plan.inner);
    // Each tap is also a read from somewhere else.
    threads::split(out, inner, 2 * inner * plan.taps(), |first, out| {
        simd::run(Windows { table: &table, slice, inner, neutral, combine, data, first, out });
    });
}

/// Elements that are reduced at a time: their results stay in registers.
const LANES: usize = 32;

/// Windows from `first` on, all elements of each at once.
struct Windows<'a, T, F> {
    table: &'a WindowTable,
    slice: usize,
    inner: usize,
    neutral: T,
    combine: F,
    data: &'a [T],
    first: usize,
    out: &'a mut [T],
}

impl<T: Number, F: Fn(T, T) -> T> SimdKernel for Windows<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        let windows = self.table.windows();
        let (mut slice, mut window) = (self.first / windows, self.first % windows);
        for out in self.out.chunks_exact_mut(self.inner) {
            let data = &self.data[slice * self.slice..][..self.slice];
            let rows = self.table.rows(window);
            window += 1;
            if window == windows {
                (slice, window) = (slice + 1, 0);
            }
            let (lanes, tail) = out.as_chunks_mut::<LANES>();
            let done = lanes.len() * LANES;
            for (l, out) in lanes.iter_mut().enumerate() {
                let mut best = [self.neutral; LANES];
                for &row in rows {
                    let x = &data[row * self.inner + l * LANES..][..LANES];
                    for j in 0..LANES {
                        best[j] = (self.combine)(best[j], x[j]);
                    }
                }
                *out = best;
            }
            tail.fill(self.neutral);
            for &row in rows {
                let x = &data[row * self.inner + done..][..tail.len()];
                for (y, &x) in tail.iter_mut().zip(x) {
                    *y = (self.combine)(*y, x);
                }
            }
        }
    }
}

fn reduce_slice<T: Number>(
    plan: &WindowPlan,
    neutral: T,
    combine: impl Fn(T, T) -> T + Copy + Send + Sync,
    data: &[T],
    out: &mut [T],
    (from, to): &mut (Scratch<T>, Scratch<T>),
) {
    let (last, before) = plan.axes.split_last().expect("a dimension with windows");
    let mut inner = plan.slice();
    for (d, axis) in before.iter().enumerate() {
        inner /= axis.size;
        let lines = before[..d].iter().map(|axis| axis.outs).product::<usize>();
        to.clear();
        memory::resize(to, lines * axis.outs * inner, neutral);
        let source = if d == 0 { data } else { from.as_slice() };
        pass(axis, inner, combine, source, to);
        std::mem::swap(from, to);
    }
    out.fill(neutral);
    pass(last, plan.inner, combine, if before.is_empty() { data } else { from }, out);
}

/// Combines windows along one dimension of `[lines, axis, inner]` into `out`, which holds the neutral element.
fn pass<T: Number>(
    axis: &WindowAxis,
    inner: usize,
    combine: impl Fn(T, T) -> T + Copy + Send + Sync,
    data: &[T],
    out: &mut [T],
) {
    let (size, outs) = (axis.size * inner, axis.outs * inner);
    if inner == 1 {
        threads::split(out, outs, outs * axis.window, |first, lines| {
            let data = &data[first * size..];
            simd::run(WindowsAlongLines { axis, combine, data, out: lines });
        });
    } else if inner > 1 {
        threads::split(out, inner, inner * axis.window, |first, rows| {
            for (i, row) in rows.chunks_exact_mut(inner).enumerate() {
                let (line, o) = ((first + i) / axis.outs, (first + i) % axis.outs);
                let line = &data[line * size..][..size];
                for x in (0..axis.window).filter_map(|tap| axis.element(o, tap)) {
                    simd::run(CombineRows { combine, data: &line[x * inner..][..inner], out: row });
                }
            }
        });
    }
}

/// One contiguous row combined into another.
struct CombineRows<'a, T, F> {
    combine: F,
    data: &'a [T],
    out: &'a mut [T],
}

impl<T: Number, F: Fn(T, T) -> T> SimdKernel for CombineRows<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        for (y, &x) in self.out.iter_mut().zip(self.data) {
            *y = (self.combine)(*y, x);
        }
    }
}

/// Lines whose windows lie along the line itself.
struct WindowsAlongLines<'a, T, F> {
    axis: &'a WindowAxis,
    combine: F,
    data: &'a [T],
    out: &'a mut [T],
}

impl<T: Number, F: Fn(T, T) -> T> SimdKernel for WindowsAlongLines<'_, T, F> {
    type Output = ();
    const VECTORS: bool = !T::IS_INTEGER;
    const WIDEST: bool = T::IS_F32;

    #[inline(always)]
    fn run(self) {
        let axis = self.axis;
        for (line, out) in self.out.chunks_exact_mut(axis.outs).enumerate() {
            let data = &self.data[line * axis.size..][..axis.size];
            for tap in 0..axis.window {
                if axis.base > 1 {
                    for (o, y) in out.iter_mut().enumerate() {
                        if let Some(x) = axis.element(o, tap) {
                            *y = (self.combine)(*y, data[x]);
                        }
                    }
                    continue;
                }
                let position = (tap * axis.dilation) as isize - axis.low;
                let skip = if position < 0 { position.unsigned_abs().div_ceil(axis.stride) } else { 0 };
                let from = (position + (skip * axis.stride) as isize) as usize;
                if skip >= out.len() || from >= data.len() {
                    continue;
                }
                if axis.stride == 1 {
                    for (y, &x) in out[skip..].iter_mut().zip(&data[from..]) {
                        *y = (self.combine)(*y, x);
                    }
                } else {
                    for (y, &x) in out[skip..].iter_mut().zip(data[from..].iter().step_by(axis.stride)) {
                        *y = (self.combine)(*y, x);
                    }
                }
            }
        }
    }
}
