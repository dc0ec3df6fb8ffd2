//! Positions of extremes.

use super::fold::{Fold, Max, Min};
use super::runs::fold_run;
use crate::kernels::halves::widen_all;
use crate::kernels::threads;
use crate::scalar::number::Number;

/// Finds where along `axis` the first maximum is; the first NaN counts as one.
///
/// # Panics
/// If `x` or `out` has not the length that `shape` and `axis` say, or the axis is out of range, of size zero while
/// there are results, or longer than an `i32` counts.
pub fn arg_max<T: Number>(x: &[T], shape: &[usize], axis: usize, out: &mut [i32]) {
    arg_extreme::<T::Acc, Max<T::Acc>>(&widen_all(x), shape, axis, out, |x, best| x > best);
}

/// Finds where along `axis` the first minimum is; the first NaN counts as one.
///
/// # Panics
/// As [`arg_max`].
pub fn arg_min<T: Number>(x: &[T], shape: &[usize], axis: usize, out: &mut [i32]) {
    arg_extreme::<T::Acc, Min<T::Acc>>(&widen_all(x), shape, axis, out, |x, best| x < best);
}

/// Columns that are searched at a time, so that the best so far stay in L1.
const TILE: usize = 1024;

fn arg_extreme<T: Number, F: Fold<T = T>>(
    x: &[T],
    shape: &[usize],
    axis: usize,
    out: &mut [i32],
    better: impl Fn(T, T) -> bool + Sync + Send,
) {
    let n = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    assert_eq!(x.len(), shape.iter().product::<usize>(), "array and shape differ in size");
    assert_eq!(
        out.len(),
        shape[..axis].iter().product::<usize>() * inner,
        "results and shape differ in size"
    );
    if out.is_empty() {
        return;
    }
    assert!(n > 0 && i32::try_from(n).is_ok(), "no position among {n}");
    // Along a contiguous axis, the extreme first and then where it is: both loops are vectors.
    if inner == 1 {
        return threads::split(out, 1, 2 * n, |first, out| {
            for (row, out) in x[first * n..].chunks_exact(n).zip(out) {
                let best = fold_run::<F>(row);
                let position = if best.is_nan() {
                    row.iter().position(|x| x.is_nan())
                } else {
                    row.iter().position(|x| *x == best)
                };
                *out = position.map_or(0, |i| i as i32);
            }
        });
    }
    // A tile of columns at a time. Selections instead of branches: a NaN wins over what is none, and nothing wins over a NaN.
    threads::split(out, 1, 2 * n, |first, out| {
        let mut best = [T::ZERO; TILE];
        let mut done = 0;
        while done < out.len() {
            let (outer, column) = ((first + done) / inner, (first + done) % inner);
            let tile = TILE.min(inner - column).min(out.len() - done);
            let out = &mut out[done..done + tile];
            let row = |i: usize| &x[(outer * n + i) * inner + column..][..tile];
            best[..tile].copy_from_slice(row(0));
            out.fill(0);
            for i in 1..n {
                for ((out, best), &x) in out.iter_mut().zip(&mut best).zip(row(i)) {
                    let wins = better(x, *best) || x.is_nan() && !best.is_nan();
                    let stays = best.is_nan();
                    *out = if wins && !stays { i as i32 } else { *out };
                    *best = if wins && !stays { x } else { *best };
                }
            }
            done += tile;
        }
    });
}
