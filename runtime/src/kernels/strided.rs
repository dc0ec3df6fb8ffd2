//! Strided walks over several arrays, and copies of what lies on them: slices, reversals, gathers, scatters, padding.

use smallvec::SmallVec;

use super::threads;
use crate::scalar::number::Number;

/// The start of a window that lies outside of the operand.
pub const OUTSIDE: usize = usize::MAX;

/// How `N` arrays are read while one dense array is written, or read, row by row.
///
/// Neighbouring axes along which all arrays move alike are merged, so that most walks are over whole contiguous runs.
pub struct Strided<const N: usize> {
    /// Elements of an innermost row.
    pub row: usize,
    /// How far each array moves from one element of a row to the next.
    pub step: [isize; N],
    /// (size, stride of each array), innermost first, without the row itself.
    outer: SmallVec<[(usize, [isize; N]); 6]>,
}

impl<const N: usize> Strided<N> {
    /// Prepares a walk over axes of these sizes and strides, outermost first; no size may be 0.
    pub fn new(dims: impl DoubleEndedIterator<Item = (usize, [isize; N])>) -> Strided<N> {
        let mut merged: SmallVec<[(usize, [isize; N]); 6]> = SmallVec::new();
        for (size, step) in dims.rev().filter(|dim| dim.0 != 1) {
            match merged.last_mut() {
                Some((inner, inner_step)) if (0..N).all(|i| step[i] == inner_step[i] * *inner as isize) => {
                    *inner *= size;
                }
                _ => merged.push((size, step)),
            }
        }
        if merged.is_empty() {
            return Strided { row: 1, step: [1; N], outer: SmallVec::new() };
        }
        let (row, step) = merged.remove(0);
        Strided { row, step, outer: merged }
    }

    /// Calls `f(first element of the dense array, of each other array)` for rows `first..first + count`.
    pub fn rows(&self, first: usize, count: usize, f: &mut dyn FnMut(usize, [isize; N])) {
        let mut index: SmallVec<[usize; 6]> = SmallVec::new();
        let mut at = [0; N];
        let mut rest = first;
        for &(size, step) in &self.outer {
            let i = rest % size;
            rest /= size;
            index.push(i);
            (0..N).for_each(|k| at[k] += i as isize * step[k]);
        }
        for row in 0..count {
            f(row * self.row, at);
            for (i, &(size, step)) in index.iter_mut().zip(&self.outer) {
                *i += 1;
                (0..N).for_each(|k| at[k] += step[k]);
                if *i < size {
                    break;
                }
                (0..N).for_each(|k| at[k] -= size as isize * step[k]);
                *i = 0;
            }
        }
    }

    /// Calls `f(part of a row of the dense array, first element of each other array)` until all of `out` is written.
    pub fn write<T: Send>(&self, out: &mut [T], f: impl Fn(&mut [T], [isize; N]) + Sync) {
        if self.outer.is_empty() {
            return threads::split(out, 1, 1, |first, piece| f(piece, self.step.map(|s| s * first as isize)));
        }
        threads::split(out, self.row, self.row, |first, piece| {
            let count = piece.len() / self.row;
            self.rows(first, count, &mut |i, at| f(&mut piece[i..i + self.row], at));
        });
    }
}

/// Copies the elements of `x` on a walk that begins at `start`.
pub fn copy<T: Copy + Send + Sync>(layout: &Strided<1>, x: &[T], start: usize, out: &mut [T]) {
    let [step] = layout.step;
    layout.write(out, |out, [at]| {
        let at = start.wrapping_add_signed(at);
        match step {
            1 => out.copy_from_slice(&x[at..at + out.len()]),
            2.. => {
                out.iter_mut().zip(x[at..].iter().step_by(step as usize)).for_each(|(out, &x)| *out = x);
            }
            _ => {
                let back = x[..=at].iter().rev().step_by(step.unsigned_abs());
                out.iter_mut().zip(back).for_each(|(out, &x)| *out = x);
            }
        }
    });
}

/// Copies windows of `x`, whose starts are looked up in a table; those outside of `x` become `fill`.
///
/// The first array of the walk is the table, the second `x`.
pub fn gather<T: Copy + Send + Sync>(layout: &Strided<2>, x: &[T], starts: &[usize], fill: T, out: &mut [T]) {
    let [next, step] = layout.step.map(|step| step as usize);
    layout.write(out, |out, at| {
        let [n, at] = at.map(|at| at as usize);
        let element = |start: usize, j: usize| if start == OUTSIDE { fill } else { x[start + at + j * step] };
        match (next, step) {
            (0, _) if starts[n] == OUTSIDE => out.fill(fill),
            (0, 1) => out.copy_from_slice(&x[starts[n] + at..][..out.len()]),
            (0, _) => out.iter_mut().enumerate().for_each(|(j, out)| *out = element(starts[n], j)),
            (1, _) => {
                out.iter_mut().zip(&starts[n..]).enumerate().for_each(|(j, (out, &s))| *out = element(s, j));
            }
            _ => out.iter_mut().enumerate().for_each(|(j, out)| *out = element(starts[n + j * next], j)),
        }
    });
}

/// The update that replaces an element; by name, so that all that scatter so share one instance for each width.
#[inline]
pub fn set<T: Copy>(out: &mut T, update: T) {
    *out = update;
}

/// The update that is added to an element; by name, as [`set`].
#[inline]
pub fn add<T: Number>(sum: &mut T, update: T) {
    *sum = sum.add(update);
}

/// Updates windows of `out`, whose starts are looked up in a table, one after another; those outside are left out.
///
/// The first array of the walk is the table, the second `out`. Each element sees its updates in their order, however many
/// threads there are.
pub fn scatter<T: Copy + Send + Sync, U: Copy + Send + Sync>(
    layout: &Strided<2>,
    updates: &[U],
    starts: &[usize],
    out: &mut [T],
    update: impl Fn(&mut T, U) + Sync,
) {
    if updates.is_empty() || out.is_empty() {
        return;
    }
    let row = layout.row;
    let apply = |out: &mut [T], updates: &[U]| {
        out.iter_mut().zip(updates).for_each(|(out, &u)| update(out, u));
    };
    if whole_rows(layout, starts, out.len()) && updates.len() >= threads::THRESHOLD {
        // Every thread reads the whole table and updates the rows it owns.
        let work = updates.len().div_ceil(out.len() / row);
        return threads::split(out, row, work, |first, piece| {
            let owned = first * row..first * row + piece.len();
            for (updates, &start) in updates.chunks_exact(row).zip(starts) {
                if owned.contains(&start) {
                    apply(&mut piece[start - owned.start..][..row], updates);
                }
            }
        });
    }
    let [next, step] = layout.step.map(|step| step as usize);
    // Elsewhere one thread goes through all updates in order, as starts may repeat.
    layout.rows(0, updates.len() / row, &mut |i, at| {
        let [n, at] = at.map(|at| at as usize);
        let updates = &updates[i..i + row];
        if (next, step) == (0, 1) {
            if starts[n] != OUTSIDE {
                apply(&mut out[starts[n] + at..][..row], updates);
            }
            return;
        }
        for (j, &u) in updates.iter().enumerate() {
            let start = starts[n + j * next];
            if start != OUTSIDE {
                update(&mut out[start + at + j * step], u);
            }
        }
    });
}

/// True if row `n` of the updates is for the `row` elements at `starts[n]`, and these are whole rows of the operand.
fn whole_rows(layout: &Strided<2>, starts: &[usize], size: usize) -> bool {
    const LEAST: usize = 16;
    let row = layout.row;
    row >= LEAST
        && layout.step == [0, 1]
        && layout.outer.iter().all(|(_, step)| step[1] == 0)
        && size.is_multiple_of(row)
        && starts.iter().all(|&start| start == OUTSIDE || start.is_multiple_of(row))
}

/// Copies `x` into `out`, padded: per axis its size, elements of padding before it, and elements of padding between two.
///
/// Negative padding takes away. `shape` is that of `out`.
pub fn pad<T: Copy + Send + Sync>(
    x: &[T],
    axes: &[(usize, isize, usize)],
    shape: &[usize],
    value: T,
    out: &mut [T],
) {
    let mut merged: SmallVec<[PadAxis; 6]> = SmallVec::new();
    for (&(size, low, between), &out) in axes.iter().zip(shape) {
        let axis = PadAxis { size, out, low, between };
        match merged.last_mut() {
            Some(outer) if outer.is_plain() && axis.is_plain() => {
                *outer = PadAxis { size: outer.size * size, out: outer.out * out, low: 0, between: 0 };
            }
            _ => merged.push(axis),
        }
    }
    let Some((first, inner)) = merged.split_first() else { return out.copy_from_slice(x) };
    let (block_in, block_out) = (PadAxis::elements(inner, |a| a.size), PadAxis::elements(inner, |a| a.out));
    threads::split(out, block_out, block_out, |from, piece| {
        pad_axis(x, *first, inner, (block_in, block_out), (from, value), piece);
    });
}

#[derive(Clone, Copy)]
struct PadAxis {
    size: usize,
    out: usize,
    low: isize,
    between: usize,
}

impl PadAxis {
    fn is_plain(self) -> bool {
        self.low == 0 && self.between == 0 && self.size == self.out
    }

    fn elements(axes: &[PadAxis], size: impl Fn(&PadAxis) -> usize) -> usize {
        axes.iter().map(size).product()
    }
}

/// Writes the blocks of `axis` from index `from` on.
fn pad_axis<T: Copy>(
    x: &[T],
    axis: PadAxis,
    inner: &[PadAxis],
    (block_in, block_out): (usize, usize),
    (from, value): (usize, T),
    out: &mut [T],
) {
    let blocks = out.len() / block_out;
    if inner.is_empty() && axis.between == 0 {
        // One run of the input between two runs of padding.
        let shift = from as isize - axis.low;
        let start = (-shift).clamp(0, blocks as isize) as usize;
        let end = (axis.size as isize - shift).clamp(start as isize, blocks as isize) as usize;
        out[..start].fill(value);
        if start < end {
            out[start..end].copy_from_slice(&x[start.wrapping_add_signed(shift)..][..end - start]);
        }
        return out[end..].fill(value);
    }
    let pitch = axis.between as isize + 1;
    let below = inner.split_first().map(|(next, rest)| {
        let sizes = (PadAxis::elements(rest, |a| a.size), PadAxis::elements(rest, |a| a.out));
        (*next, rest, sizes)
    });
    // Blocks that fall on padding, outside or between elements, are filled; others are padded along the next axis.
    for (i, out) in out.chunks_exact_mut(block_out).enumerate() {
        let at = (from + i) as isize - axis.low;
        if at < 0 || at % pitch != 0 || at / pitch >= axis.size as isize {
            out.fill(value);
            continue;
        }
        let x = &x[(at / pitch) as usize * block_in..][..block_in];
        match below {
            None => out[0] = x[0],
            Some((next, rest, sizes)) => pad_axis(x, next, rest, sizes, (0, value), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize) -> Vec<usize> {
        (0..n).collect()
    }

    #[test]
    fn a_walk_reads_what_its_strides_say() {
        let x = ramp(60);
        for (dims, start) in [
            (&[(3, 20), (4, 5), (5, 1)][..], 0),
            (&[(2, 20), (4, -5), (3, 2)], 15),
            (&[(3, -20), (1, 7), (5, -1)], 44),
            (&[], 7),
        ] {
            let size: usize = dims.iter().map(|dim| dim.0).product();
            let mut out = vec![0; size];
            copy(&Strided::new(dims.iter().map(|&(n, s)| (n, [s]))), &x, start, &mut out);
            for (flat, &value) in out.iter().enumerate() {
                let (mut rest, mut at) = (flat, start as isize);
                for &(n, stride) in dims.iter().rev() {
                    at += (rest % n) as isize * stride;
                    rest /= n;
                }
                assert_eq!(value, at as usize, "{dims:?}");
            }
        }
    }

    #[test]
    fn a_long_contiguous_walk_is_one_row() {
        let layout = Strided::new([(4, [20]), (4, [5]), (5, [1])].into_iter());
        assert_eq!((layout.row, layout.outer.len()), (80, 0));
        let x = ramp(1 << 20);
        let mut out = vec![0; x.len() - 1];
        copy(&Strided::new([(out.len(), [1])].into_iter()), &x, 1, &mut out);
        assert!(out == x[1..]);
    }

    #[test]
    fn padding_by_blocks_is_padding_element_by_element() {
        let cases: &[&[(usize, isize, isize, usize)]] = &[
            &[(5, 2, 3, 0)],
            &[(5, -1, -2, 0)],
            &[(4, 1, -2, 2)],
            &[(4, -2, 1, 1), (3, 0, 0, 0), (2, 1, 1, 0)],
            &[(2, 0, 0, 0), (3, 0, 0, 0), (4, -5, 9, 0)],
            &[(0, 2, 1, 3), (2, 0, 1, 0)],
            &[(2, 1, 0, 1), (3, 0, 2, 1)],
        ];
        for axes in cases {
            let size: usize = axes.iter().map(|a| a.0).product();
            let x: Vec<usize> = (1..=size).collect();
            let padded = |&(n, low, high, between): &(usize, isize, isize, usize)| {
                (n as isize + low + high + (n.saturating_sub(1) * between) as isize) as usize
            };
            let shape: Vec<usize> = axes.iter().map(padded).collect();
            let mut out = vec![9999; shape.iter().product()];
            let of_kernel: Vec<_> = axes.iter().map(|a| (a.0, a.1, a.3)).collect();
            pad(&x, &of_kernel, &shape, 0, &mut out);
            for (flat, &value) in out.iter().enumerate() {
                let (mut rest, mut at, mut stride, mut inside) = (flat, 0, 1, true);
                for (&(n, low, _, between), &size) in axes.iter().zip(&shape).rev() {
                    let i = (rest % size) as isize - low;
                    rest /= size;
                    let pitch = between as isize + 1;
                    inside &= i >= 0 && i % pitch == 0 && i / pitch < n as isize;
                    at += (i / pitch) * stride;
                    stride *= n as isize;
                }
                assert_eq!(value, if inside { at as usize + 1 } else { 0 }, "{axes:?} at {flat}");
            }
        }
    }

    #[test]
    fn scattering_rows_on_threads_keeps_the_order_of_updates() {
        let (rows, row, count) = (37, 16, threads::THRESHOLD / 8);
        let starts: Vec<usize> =
            (0..count).map(|n| if n % 11 == 0 { OUTSIDE } else { n * 7919 % rows * row }).collect();
        let layout = Strided::new([(count, [1, 0]), (row, [0, 1])].into_iter());
        let updates = ramp(count * row);
        let mut out = vec![0usize; rows * row];
        let step = |out: &mut usize, u: usize| *out = out.wrapping_mul(31).wrapping_add(u);
        scatter(&layout, &updates, &starts, &mut out, step);
        let mut expected = vec![0usize; rows * row];
        for (n, &start) in starts.iter().enumerate().filter(|(_, start)| **start != OUTSIDE) {
            (0..row).for_each(|j| step(&mut expected[start + j], updates[n * row + j]));
        }
        assert!(out == expected);
    }
}
