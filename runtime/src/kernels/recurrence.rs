//! First-order linear recurrences (scans) along one axis, step by step, and the shift that their derivatives need.

use super::reduce::Direction;
use super::scratch::Scratch;
use super::threads;
use crate::array::memory;
use crate::scalar::number::Number;

/// Whose factor multiplies the state on its way to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// That of the element.
    Own,
    /// That of the element before it, in the direction of the recurrence.
    Before,
}

/// Computes the states `s_i = b_i + a · s_before` along `axis`, where the first state is the first `b`.
///
/// `a` is the factor of element `i` or of the one before; the one that is left over is not read. Halves are carried in
/// `f32`.
///
/// # Panics
/// If a slice has not the length that `shape` says, or the axis is out of range.
pub fn recurrence<T: Number>(
    (a, b): (&[T], &[T]),
    shape: &[usize],
    axis: usize,
    (direction, factor): (Direction, Factor),
    out: &mut [T],
) {
    let (n, inner) = check(b, shape, axis, out);
    assert_eq!(a.len(), b.len(), "factors and summands differ in size");
    if b.is_empty() {
        return;
    }
    let slab = n * inner;
    let index = |step: usize| if direction == Direction::Forward { step } else { n - 1 - step };
    let factor_at = |step: usize| index(if factor == Factor::Own { step } else { step - 1 });
    // Steps depend on each other, so threads take whole slabs along the axis.
    threads::split(out, slab, 4 * slab, |first, out| {
        let mut states = Scratch::empty();
        memory::resize(&mut states, inner, T::Acc::ZERO);
        for (i, out) in out.chunks_exact_mut(slab).enumerate() {
            let (a, b) = (&a[(first + i) * slab..][..slab], &b[(first + i) * slab..][..slab]);
            if inner == 1 {
                let mut state = b[index(0)].widen();
                out[index(0)] = b[index(0)];
                for step in 1..n {
                    state = a[factor_at(step)].widen().mul_then_add(state, b[index(step)].widen());
                    out[index(step)] = T::narrow(state);
                }
                continue;
            }
            // Rows of the axis one after another, with a state for each column.
            let row = |i: usize| i * inner..(i + 1) * inner;
            for (state, &b) in states.iter_mut().zip(&b[row(index(0))]) {
                *state = b.widen();
            }
            out[row(index(0))].copy_from_slice(&b[row(index(0))]);
            for step in 1..n {
                let (a, b) = (&a[row(factor_at(step))], &b[row(index(step))]);
                for (((state, &a), &b), out) in
                    states.iter_mut().zip(a).zip(b).zip(&mut out[row(index(step))])
                {
                    *state = a.widen().mul_then_add(*state, b.widen());
                    *out = T::narrow(*state);
                }
            }
        }
    });
}

/// Moves the elements by one along `axis`: forward, element `i` becomes what element `i - 1` was. The one that is left
/// gets `fill`.
///
/// # Panics
/// As [`recurrence`].
pub fn shift<T: Copy + Send + Sync>(
    x: &[T],
    shape: &[usize],
    axis: usize,
    direction: Direction,
    fill: T,
    out: &mut [T],
) {
    let (n, inner) = check(x, shape, axis, out);
    if x.is_empty() {
        return;
    }
    let slab = n * inner;
    threads::split(out, slab, slab, |first, out| {
        for (x, out) in x[first * slab..].chunks_exact(slab).zip(out.chunks_exact_mut(slab)) {
            match direction {
                Direction::Forward => {
                    out[..inner].fill(fill);
                    out[inner..].copy_from_slice(&x[..slab - inner]);
                }
                Direction::Reverse => {
                    out[..slab - inner].copy_from_slice(&x[inner..]);
                    out[slab - inner..].fill(fill);
                }
            }
        }
    });
}

/// Size of the axis, and how many elements there are to an index of it.
fn check<T>(x: &[T], shape: &[usize], axis: usize, out: &[T]) -> (usize, usize) {
    assert_eq!(x.len(), shape.iter().product::<usize>(), "array and shape differ in size");
    assert_eq!(x.len(), out.len(), "results and array differ in size");
    (shape[axis], shape[axis + 1..].iter().product())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_carried_along_the_axis_in_both_directions() {
        let (a, b) = ([9.0, 2.0, 3.0], [1.0, 10.0, 100.0]);
        for (inner, shape) in [(1, vec![2, 3]), (2, vec![2, 3, 2])] {
            let broadcast = |x: [f64; 3]| {
                let row: Vec<f64> = x.iter().flat_map(|&x| vec![x; inner]).collect();
                [row.clone(), row].concat()
            };
            let run = |direction, factor| {
                let mut out = vec![0.0; 6 * inner];
                recurrence((&broadcast(a), &broadcast(b)), &shape, 1, (direction, factor), &mut out);
                out
            };
            assert_eq!(run(Direction::Forward, Factor::Own), broadcast([1.0, 12.0, 136.0]));
            assert_eq!(run(Direction::Forward, Factor::Before), broadcast([1.0, 19.0, 138.0]));
            assert_eq!(run(Direction::Reverse, Factor::Own), broadcast([1891.0, 210.0, 100.0]));
            assert_eq!(run(Direction::Reverse, Factor::Before), broadcast([621.0, 310.0, 100.0]));
        }
    }

    #[test]
    fn shifts_fill_the_place_that_is_left() {
        let mut out = [0; 6];
        shift(&[1, 2, 3, 4, 5, 6], &[2, 3], 1, Direction::Forward, 7, &mut out);
        assert_eq!(out, [7, 1, 2, 7, 4, 5]);
        shift(&[1, 2, 3, 4, 5, 6], &[3, 2], 0, Direction::Reverse, 7, &mut out);
        assert_eq!(out, [3, 4, 5, 6, 7, 7]);
    }
}
