//! Loops over elements, with broadcasting: every closure becomes its own vectorised loop.
//!
//! Each row, or piece of one, runs under [`simd::run`](super::simd::run) as a whole. What lies between there and the innermost
//! loop is a struct with `#[inline(always)]` and not a closure, because only then is the loop compiled for the wide instruction
//! sets.

use super::broadcast::Broadcast;
use super::simd::Kernel;
use super::threads;

/// Writes `f(x)` for every element.
pub fn map<A: Copy + Sync, O: Send>(x: &[A], out: &mut [O], work: usize, f: impl Fn(A) -> O + Sync) {
    threads::split(out, 1, work, |first, out| {
        wide(Map { x: &x[first..][..out.len()], out, f: &f });
    });
}

struct Map<'a, A, O, F> {
    x: &'a [A],
    out: &'a mut [O],
    f: &'a F,
}

impl<A: Copy, O, F: Fn(A) -> O> Kernel for Map<'_, A, O, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = (self.f)(x);
        }
    }
}

/// Replaces every element by `f(x)`.
pub fn map_in_place<A: Copy + Send>(x: &mut [A], work: usize, f: impl Fn(A) -> A + Sync) {
    threads::split(x, 1, work, |_, x| wide(MapInPlace { x, f: &f }));
}

struct MapInPlace<'a, A, F> {
    x: &'a mut [A],
    f: &'a F,
}

impl<A: Copy, F: Fn(A) -> A> Kernel for MapInPlace<'_, A, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.x {
            *x = (self.f)(*x);
        }
    }
}

/// Writes `f(x, y)` for every pair, both broadcast to the output.
pub fn zip<A: Copy + Sync, B: Copy + Sync, O: Send>(
    layout: &Broadcast<2>,
    (x, y): (&[A], &[B]),
    out: &mut [O],
    work: usize,
    f: impl Fn(A, B) -> O + Sync,
) {
    rows(layout, out, work, &Zip { x, y, f });
}

struct Zip<'a, A, B, F> {
    x: &'a [A],
    y: &'a [B],
    f: F,
}

impl<A: Copy, B: Copy, O, F: Fn(A, B) -> O> Row<2, O> for Zip<'_, A, B, F> {
    #[inline(always)]
    fn row(&self, out: &mut [O], [i, j]: [usize; 2], step: [usize; 2]) {
        let (x, y, f) = (&self.x[i..], &self.y[j..], &self.f);
        match step {
            [0, 0] => out.iter_mut().for_each(|out| *out = f(x[0], y[0])),
            [0, _] => {
                let x = x[0];
                out.iter_mut().zip(y).for_each(|(out, &y)| *out = f(x, y));
            }
            [_, 0] => {
                let y = y[0];
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = f(x, y));
            }
            _ => out.iter_mut().zip(x).zip(y).for_each(|((out, &x), &y)| *out = f(x, y)),
        }
    }
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
    rows(layout, x, work, &ZipInPlace { y, f });
}

struct ZipInPlace<'a, B, F> {
    y: &'a [B],
    f: F,
}

impl<A: Copy, B: Copy, F: Fn(A, B) -> A> Row<1, A> for ZipInPlace<'_, B, F> {
    #[inline(always)]
    fn row(&self, x: &mut [A], [j]: [usize; 1], step: [usize; 1]) {
        let (y, f) = (&self.y[j..], &self.f);
        if step == [0] {
            let y = y[0];
            x.iter_mut().for_each(|x| *x = f(*x, y));
        } else {
            x.iter_mut().zip(y).for_each(|(x, &y)| *x = f(*x, y));
        }
    }
}

/// Writes `f(x, y, z)` for every triple, all broadcast to the output.
pub fn zip3<A: Copy + Sync, B: Copy + Sync, C: Copy + Sync, O: Send>(
    layout: &Broadcast<3>,
    (x, y, z): (&[A], &[B], &[C]),
    out: &mut [O],
    work: usize,
    f: impl Fn(A, B, C) -> O + Sync,
) {
    rows(layout, out, work, &Zip3 { x, y, z, f });
}

struct Zip3<'a, A, B, C, F> {
    x: &'a [A],
    y: &'a [B],
    z: &'a [C],
    f: F,
}

impl<A: Copy, B: Copy, C: Copy, O, F: Fn(A, B, C) -> O> Row<3, O> for Zip3<'_, A, B, C, F> {
    #[inline(always)]
    fn row(&self, out: &mut [O], [i, j, k]: [usize; 3], step: [usize; 3]) {
        let (x, y, z, f) = (&self.x[i..], &self.y[j..], &self.z[k..], &self.f);
        let (x0, y0, z0) = (x[0], y[0], z[0]);
        // Every mixture has its own loop, where an operand either moves or stands in a register.
        match step {
            [0, 0, 0] => out.iter_mut().for_each(|out| *out = f(x0, y0, z0)),
            [0, 0, _] => out.iter_mut().zip(z).for_each(|(out, &z)| *out = f(x0, y0, z)),
            [0, _, 0] => out.iter_mut().zip(y).for_each(|(out, &y)| *out = f(x0, y, z0)),
            [_, 0, 0] => out.iter_mut().zip(x).for_each(|(out, &x)| *out = f(x, y0, z0)),
            [0, _, _] => out.iter_mut().zip(y).zip(z).for_each(|((out, &y), &z)| *out = f(x0, y, z)),
            [_, 0, _] => out.iter_mut().zip(x).zip(z).for_each(|((out, &x), &z)| *out = f(x, y0, z)),
            [_, _, 0] => out.iter_mut().zip(x).zip(y).for_each(|((out, &x), &y)| *out = f(x, y, z0)),
            _ => {
                let all = out.iter_mut().zip(x).zip(y).zip(z);
                all.for_each(|(((out, &x), &y), &z)| *out = f(x, y, z));
            }
        }
    }
}

/// Replaces every `x` by `f(x, y, z)`, `y` and `z` broadcast to the shape of `x`.
///
/// `layout` describes `y` and `z`.
pub fn zip3_in_place<A: Copy + Send, B: Copy + Sync, C: Copy + Sync>(
    layout: &Broadcast<2>,
    x: &mut [A],
    (y, z): (&[B], &[C]),
    work: usize,
    f: impl Fn(A, B, C) -> A + Sync,
) {
    rows(layout, x, work, &Zip3InPlace { y, z, f });
}

struct Zip3InPlace<'a, B, C, F> {
    y: &'a [B],
    z: &'a [C],
    f: F,
}

impl<A: Copy, B: Copy, C: Copy, F: Fn(A, B, C) -> A> Row<2, A> for Zip3InPlace<'_, B, C, F> {
    #[inline(always)]
    fn row(&self, x: &mut [A], [j, k]: [usize; 2], step: [usize; 2]) {
        let (y, z, f) = (&self.y[j..], &self.z[k..], &self.f);
        let (y0, z0) = (y[0], z[0]);
        match step {
            [0, 0] => x.iter_mut().for_each(|x| *x = f(*x, y0, z0)),
            [0, _] => x.iter_mut().zip(z).for_each(|(x, &z)| *x = f(*x, y0, z)),
            [_, 0] => x.iter_mut().zip(y).for_each(|(x, &y)| *x = f(*x, y, z0)),
            _ => x.iter_mut().zip(y).zip(z).for_each(|((x, &y), &z)| *x = f(*x, y, z)),
        }
    }
}

/// Copies `x`, broadcast to the output.
pub fn expand<A: Copy + Sync + Send>(layout: &Broadcast<1>, x: &[A], out: &mut [A]) {
    rows(layout, out, 1, &Expand { x });
}

struct Expand<'a, A> {
    x: &'a [A],
}

impl<A: Copy> Row<1, A> for Expand<'_, A> {
    #[inline(always)]
    fn row(&self, out: &mut [A], [i]: [usize; 1], step: [usize; 1]) {
        match step {
            [0] => out.fill(self.x[i]),
            _ => out.copy_from_slice(&self.x[i..i + out.len()]),
        }
    }
}

/// How one row of the output is computed.
trait Row<const N: usize, O> {
    /// Fills a row whose operands start at `at`; each moves along with the row or, where its step is 0, stands still.
    fn row(&self, out: &mut [O], at: [usize; N], step: [usize; N]);
}

/// Computes rows, over threads where it pays.
fn rows<const N: usize, O: Send, R: Row<N, O> + Sync>(
    layout: &Broadcast<N>,
    out: &mut [O],
    work: usize,
    row: &R,
) {
    let step = layout.step;
    walk(layout, out, work, &|out, at| wide(OneRow { out, at, step, row }));
}

fn walk<const N: usize, O: Send>(
    layout: &Broadcast<N>,
    out: &mut [O],
    work: usize,
    row: &(dyn Fn(&mut [O], [usize; N]) + Sync),
) {
    if layout.is_flat() {
        return threads::split(out, 1, work, |first, out| row(out, layout.step.map(|step| first * step)));
    }
    let size = layout.row;
    threads::split(out, size, work * size, |first, out| {
        let count = out.len() / size;
        layout.rows(first, count, &mut |start, at| row(&mut out[start..start + size], at));
    });
}

struct OneRow<'a, const N: usize, O, R> {
    out: &'a mut [O],
    at: [usize; N],
    step: [usize; N],
    row: &'a R,
}

impl<const N: usize, O, R: Row<N, O>> Kernel for OneRow<'_, N, O, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.row.row(self.out, self.at, self.step);
    }
}

/// Runs a loop compiled for the best instruction set.
///
/// A build without optimisation has no vectors to gain, and three copies of each of these loops to compile: it has one.
#[inline]
fn wide<K: Kernel<Output = ()>>(kernel: K) {
    #[cfg(not(debug_assertions))]
    super::simd::run(kernel);
    #[cfg(debug_assertions)]
    kernel.run();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Element `flat` of the output, read from an array of `shape` that is broadcast to `out`.
    fn read(out: &[usize], shape: &[usize], flat: usize) -> usize {
        let (mut rest, mut at, mut stride) = (flat, 0, 1);
        for (k, &size) in out.iter().rev().enumerate() {
            let own = shape.len().checked_sub(k + 1).map_or(1, |axis| shape[axis]);
            at += if own == 1 { 0 } else { rest % size * stride };
            stride *= own;
            rest /= size;
        }
        at
    }

    const SHAPES: [&[usize]; 6] = [&[3, 5, 37], &[37], &[3, 1, 37], &[5, 1], &[], &[3, 1, 1]];

    fn values(shape: &[usize], from: i32) -> Vec<i32> {
        (0..shape.iter().product::<usize>() as i32).map(|i| from + i).collect()
    }

    #[test]
    fn every_mixture_of_moving_and_standing_operands_of_two_is_read_right() {
        let out_shape = SHAPES[0];
        for a in SHAPES {
            for b in SHAPES {
                let (x, y) = (values(a, 1), values(b, 1000));
                let mut out = vec![0; 3 * 5 * 37];
                zip(&Broadcast::new(out_shape, [a, b]), (&x, &y), &mut out, 1, |x, y| x - 3 * y);
                let expected = |at| x[read(out_shape, a, at)] - 3 * y[read(out_shape, b, at)];
                assert!(out.iter().enumerate().all(|(at, &z)| z == expected(at)), "{a:?} {b:?}");
                if a == out_shape {
                    let mut x = x.clone();
                    zip_in_place(&Broadcast::new(out_shape, [b]), &mut x, &y, 1, |x, y| x - 3 * y);
                    assert_eq!(x, out);
                }
            }
        }
    }

    #[test]
    fn every_mixture_of_moving_and_standing_operands_of_three_is_read_right() {
        let out_shape = SHAPES[0];
        let f = |x: i32, y: i32, z: i32| x - 3 * y + 7 * z;
        for a in SHAPES {
            for b in SHAPES {
                for c in SHAPES {
                    let (x, y, z) = (values(a, 1), values(b, 1000), values(c, -500));
                    let mut out = vec![0; 3 * 5 * 37];
                    zip3(&Broadcast::new(out_shape, [a, b, c]), (&x, &y, &z), &mut out, 1, f);
                    let at = |shape, at| read(out_shape, shape, at);
                    let expected = |i| f(x[at(a, i)], y[at(b, i)], z[at(c, i)]);
                    assert!(out.iter().enumerate().all(|(i, &z)| z == expected(i)), "{a:?} {b:?} {c:?}");
                    if a == out_shape {
                        let mut x = x.clone();
                        zip3_in_place(&Broadcast::new(out_shape, [b, c]), &mut x, (&y, &z), 1, f);
                        assert_eq!(x, out);
                    }
                }
            }
        }
    }

    #[test]
    fn work_on_several_threads_is_the_same() {
        let size = threads::THRESHOLD + 3;
        let x: Vec<f32> = (0..size).map(|i| i as f32).collect();
        let mut out = vec![0.0; size];
        map(&x, &mut out, 8, |x| x + 0.5);
        assert!(out.iter().zip(&x).all(|(&out, &x)| out == x + 0.5));
        map_in_place(&mut out, 8, |x| x - 0.5);
        assert_eq!(out, x);
    }
}
