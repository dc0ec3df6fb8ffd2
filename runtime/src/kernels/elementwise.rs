//! Loops over elements, with broadcasting: every closure becomes its own vectorised loop.

use super::broadcast::Broadcast;
use super::threads;

/// Writes `f(x)` for every element.
pub fn map<A: Copy + Sync, O: Send>(x: &[A], out: &mut [O], work: usize, f: impl Fn(A) -> O + Sync) {
    threads::split(out, 1, work, |first, piece| {
        for (out, &x) in piece.iter_mut().zip(&x[first..]) {
            *out = f(x);
        }
    });
}

/// Replaces every element by `f(x)`.
pub fn map_in_place<A: Copy + Send>(x: &mut [A], work: usize, f: impl Fn(A) -> A + Sync) {
    threads::split(x, 1, work, |_, piece| piece.iter_mut().for_each(|x| *x = f(*x)));
}

/// Writes `f(x, y)` for every pair, both broadcast to the output.
pub fn zip<A: Copy + Sync, B: Copy + Sync, O: Send>(
    layout: &Broadcast<2>,
    (x, y): (&[A], &[B]),
    out: &mut [O],
    work: usize,
    f: impl Fn(A, B) -> O + Sync,
) {
    rows(layout, out, work, |out, [i, j]| match layout.step {
        [1, 1] => out.iter_mut().zip(&x[i..]).zip(&y[j..]).for_each(|((out, &x), &y)| *out = f(x, y)),
        [1, _] => {
            let y = y[j];
            out.iter_mut().zip(&x[i..]).for_each(|(out, &x)| *out = f(x, y));
        }
        [_, 1] => {
            let x = x[i];
            out.iter_mut().zip(&y[j..]).for_each(|(out, &y)| *out = f(x, y));
        }
        _ => out.iter_mut().for_each(|out| *out = f(x[i], y[j])),
    });
}

/// Replaces every `x` by `f(x, y)`, `y` broadcast to the shape of `x`.
///
/// `layout` describes `y` alone.
pub fn zip_in_place<A: Copy + Send, B: Copy + Sync>(
    layout: &Broadcast<1>,
    x: &mut [A],
    y: &[B],
    work: usize,
    f: impl Fn(A, B) -> A + Sync,
) {
    rows(layout, x, work, |x, [j]| match layout.step {
        [1] => x.iter_mut().zip(&y[j..]).for_each(|(x, &y)| *x = f(*x, y)),
        _ => {
            let y = y[j];
            x.iter_mut().for_each(|x| *x = f(*x, y));
        }
    });
}

/// Writes `f(x, y, z)` for every triple, all broadcast to the output.
pub fn zip3<A: Copy + Sync, B: Copy + Sync, C: Copy + Sync, O: Send>(
    layout: &Broadcast<3>,
    (x, y, z): (&[A], &[B], &[C]),
    out: &mut [O],
    work: usize,
    f: impl Fn(A, B, C) -> O + Sync,
) {
    rows(layout, out, work, |out, [i, j, k]| {
        if layout.step == [1, 1, 1] {
            let all = out.iter_mut().zip(&x[i..]).zip(&y[j..]).zip(&z[k..]);
            return all.for_each(|(((out, &x), &y), &z)| *out = f(x, y, z));
        }
        let [a, b, c] = layout.step;
        for (n, out) in out.iter_mut().enumerate() {
            *out = f(x[i + n * a], y[j + n * b], z[k + n * c]);
        }
    });
}

/// Copies `x`, broadcast to the output.
pub fn expand<A: Copy + Sync + Send>(layout: &Broadcast<1>, x: &[A], out: &mut [A]) {
    rows(layout, out, 1, |out, [i]| match layout.step {
        [1] => out.copy_from_slice(&x[i..i + out.len()]),
        _ => out.fill(x[i]),
    });
}

/// Calls `f(row of the output, where it starts in each array)` for pieces of rows, over threads where it pays.
fn rows<const N: usize, O: Send>(
    layout: &Broadcast<N>,
    out: &mut [O],
    work: usize,
    f: impl Fn(&mut [O], [usize; N]) + Sync,
) {
    if layout.is_flat() {
        return threads::split(out, 1, work, |first, piece| f(piece, layout.step.map(|step| first * step)));
    }
    let row = layout.row;
    threads::split(out, row, work * row, |first, piece| {
        let count = piece.len() / row;
        layout.rows(first, count, |start, at| f(&mut piece[start..start + row], at));
    });
}
