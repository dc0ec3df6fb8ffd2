//! Copies of elements at known places along any axes, in one pass.

use super::threads;

/// An axis, and the elements that are taken of it.
#[derive(Clone, Copy, Debug)]
pub struct Picked<'a> {
    /// What is between the axis before, or the beginning, and this one.
    pub before: usize,
    /// The elements of the axis.
    pub size: usize,
    /// The places that become elements of the result.
    pub places: &'a [usize],
}

/// Copies from `x`, `[before, size, .., before, size, inner]`, to `[before, places, .., before, places, inner]`.
///
/// # Panics
/// If there is no axis, a slice has not the length that its shape says, or there is no such place.
pub fn pick<T: Copy + Send + Sync>(axes: &[Picked<'_>], inner: usize, x: &[T], out: &mut [T]) {
    let elements =
        |size: fn(&Picked<'_>) -> usize| axes.iter().map(|a| a.before * size(a)).product::<usize>() * inner;
    assert_eq!(x.len(), elements(|a| a.size), "the argument has another size");
    assert_eq!(out.len(), elements(|a| a.places.len()), "the result has another size");
    for axis in axes {
        assert!(axis.places.iter().all(|&place| place < axis.size), "a place beyond {} elements", axis.size);
    }
    let Some((&last, outer)) = axes.split_last() else { panic!("no axis is picked from") };
    let lines = Lines { outer, last, inner };
    threads::split(out, inner, inner, |first, out| match inner {
        1 => lines.copy::<T>(x, first, out, |places, x, out| line::<T, 1>(places, x, out)),
        2 => lines.copy::<T>(x, first, out, |places, x, out| line::<T, 2>(places, x, out)),
        3 => lines.copy::<T>(x, first, out, |places, x, out| line::<T, 3>(places, x, out)),
        4 => lines.copy::<T>(x, first, out, |places, x, out| line::<T, 4>(places, x, out)),
        _ => lines.copy::<T>(x, first, out, |places, x, out| {
            for (out, &place) in out.chunks_exact_mut(inner).zip(places) {
                out.copy_from_slice(&x[place * inner..(place + 1) * inner]);
            }
        }),
    });
}

/// Elements of so few numbers that a call which copies each would take longer than the copy.
fn line<T: Copy, const N: usize>(places: &[usize], x: &[T], out: &mut [T]) {
    let x = x.as_chunks::<N>().0;
    for (out, &place) in out.as_chunks_mut::<N>().0.iter_mut().zip(places) {
        *out = x[place];
    }
}

/// The lines of the last axis, in the order of the result.
struct Lines<'a> {
    outer: &'a [Picked<'a>],
    last: Picked<'a>,
    inner: usize,
}

impl Lines<'_> {
    /// The line of the argument that a line of the result is copied from.
    fn source(&self, line: usize) -> usize {
        if self.outer.is_empty() {
            return line;
        }
        let (mut rest, mut from, mut stride) =
            (line / self.last.before, line % self.last.before, self.last.before);
        for axis in self.outer.iter().rev() {
            let count = axis.places.len();
            from += axis.places[rest % count] * stride;
            (rest, stride) = (rest / count, stride * axis.size);
            from += rest % axis.before * stride;
            (rest, stride) = (rest / axis.before, stride * axis.before);
        }
        from
    }

    /// Writes a part of the result from an element of the last axis on, counted over all lines: `copy` is given places, the line that
    /// they are of, and where its elements go. A line that is the same as the one before is copied from there.
    fn copy<T: Copy>(&self, x: &[T], first: usize, out: &mut [T], copy: impl Fn(&[usize], &[T], &mut [T])) {
        let (count, inner) = (self.last.places.len(), self.inner);
        let (length, source) = (count * inner, self.last.size * inner);
        let (mut number, mut at, mut done) = (first / count, first % count, 0);
        let mut before = None;
        while done < out.len() {
            let (above, rest) = out.split_at_mut(done);
            let end = rest.len().min(length - at * inner);
            let (now, from) = (&mut rest[..end], self.source(number));
            if at == 0 && before == Some(from) {
                now.copy_from_slice(&above[done - length..][..end]);
            } else {
                copy(&self.last.places[at..], &x[from * source..(from + 1) * source], now);
                before = (at == 0).then_some(from);
            }
            (number, at, done) = (number + 1, 0, done + end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_picked_from_one_axis_and_from_several() {
        let places: [&[usize]; 3] = [&[4, 0, 0, 2], &[1, 1, 0, 0, 0], &[2]];
        let sizes = [5, 2, 3];
        for axes in [&[0][..], &[1], &[0, 1], &[0, 2], &[0, 1, 2]] {
            for (before, inner) in [(1, 1), (3, 2), (2, 3), (1, 4), (2, 7)] {
                let picked: Vec<Picked<'_>> =
                    axes.iter().map(|&a| Picked { before, size: sizes[a], places: places[a] }).collect();
                let size: usize = picked.iter().map(|a| a.before * a.size).product::<usize>() * inner;
                let x: Vec<u32> = (0..size as u32).collect();
                let count: usize =
                    picked.iter().map(|a| a.before * a.places.len()).product::<usize>() * inner;
                let mut out = vec![u32::MAX; count];
                pick(&picked, inner, &x, &mut out);
                for (at, &found) in out.iter().enumerate() {
                    let (mut rest, mut from, mut stride) = (at / inner, at % inner, inner);
                    for axis in picked.iter().rev() {
                        let i = rest % axis.places.len();
                        rest /= axis.places.len();
                        from += (axis.places[i] + rest % axis.before * axis.size) * stride;
                        rest /= axis.before;
                        stride *= axis.size * axis.before;
                    }
                    assert_eq!(found, x[from], "{axes:?} {before} {inner} at {at}");
                }
            }
        }
    }

    #[test]
    fn lines_that_are_repeated_across_threads_are_whole() {
        // Each line of many comes twice, and threads begin anywhere.
        let (rows, columns) = (2000, 130);
        let x: Vec<u32> = (0..rows * columns).collect();
        let twice: Vec<usize> = (0..2 * rows as usize).map(|i| i / 2).collect();
        let shifted: Vec<usize> = (0..columns as usize).map(|i| (i + 1) % columns as usize).collect();
        let axes = [
            Picked { before: 1, size: rows as usize, places: &twice },
            Picked { before: 1, size: columns as usize, places: &shifted },
        ];
        let mut out = vec![0; 2 * x.len()];
        pick(&axes, 1, &x, &mut out);
        for (i, row) in out.chunks_exact(columns as usize).enumerate() {
            let expected = |j: usize| (i / 2) as u32 * columns + shifted[j] as u32;
            assert!(row.iter().enumerate().all(|(j, &y)| y == expected(j)), "row {i}");
        }
    }
}
