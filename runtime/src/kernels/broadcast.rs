//! Broadcasting: walks several arrays of different shapes as if they had the shape of one, by strides of zero.

use smallvec::SmallVec;

/// How `N` dense arrays are read while one output is written row by row.
///
/// Axes along which all arrays move alike are merged, so that most broadcasts are one or two loops.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Broadcast<const N: usize> {
    /// Elements of an innermost row.
    pub row: usize,
    /// Per array: 1 if it moves along a row, 0 if it stands.
    pub step: [usize; N],
    /// (size, stride of each array), innermost first, without the row itself.
    outer: SmallVec<[(usize, [usize; N]); 6]>,
}

impl<const N: usize> Broadcast<N> {
    /// Prepares to read arrays of `shapes` under the shape `out`, which they must broadcast to.
    pub fn new(out: &[usize], shapes: [&[usize]; N]) -> Broadcast<N> {
        let mut merged: SmallVec<[(usize, [usize; N]); 6]> = SmallVec::new();
        let mut strides = [1; N];
        for (k, &size) in out.iter().rev().enumerate() {
            let mut step = [0; N];
            for i in 0..N {
                let own = shapes[i].len().checked_sub(k + 1).map_or(1, |axis| shapes[i][axis]);
                step[i] = if own == 1 { 0 } else { strides[i] };
                strides[i] *= own;
            }
            if size == 1 {
                continue;
            }
            match merged.last_mut() {
                Some((inner, inner_step)) if (0..N).all(|i| step[i] == inner_step[i] * *inner) => {
                    *inner *= size;
                }
                _ => merged.push((size, step)),
            }
        }
        if merged.is_empty() {
            return Broadcast { row: 1, step: [0; N], outer: SmallVec::new() };
        }
        let (row, step) = merged.remove(0);
        Broadcast { row, step, outer: merged }
    }

    /// Prepares to read arrays of `size` elements that have the shape of the output.
    pub fn flat(size: usize) -> Broadcast<N> {
        Broadcast { row: size, step: [1; N], outer: SmallVec::new() }
    }

    /// True if every array is read from front to back, like the output.
    pub fn is_flat(&self) -> bool {
        self.outer.is_empty()
    }

    /// How far each array is read: the elements from its first to its last one.
    pub fn reach(&self) -> [usize; N] {
        std::array::from_fn(|k| {
            let rows: usize = self.outer.iter().map(|(size, step)| (size - 1) * step[k]).sum();
            1 + rows + (self.row - 1) * self.step[k]
        })
    }

    /// Calls `f(first output element, first element of each array)` for rows `first..first + count`.
    // Inlined, so that `f` is compiled for the instruction set of the caller.
    #[inline(always)]
    // Not generic over `f`: every kernel would bring its own copy.
    pub fn rows(&self, first: usize, count: usize, f: &mut dyn FnMut(usize, [usize; N])) {
        let mut index: SmallVec<[usize; 6]> = SmallVec::new();
        let mut at = [0; N];
        let mut rest = first;
        for &(size, step) in &self.outer {
            let i = rest % size;
            rest /= size;
            index.push(i);
            (0..N).for_each(|k| at[k] += i * step[k]);
        }
        for row in 0..count {
            f(row * self.row, at);
            for (i, &(size, step)) in index.iter_mut().zip(&self.outer) {
                *i += 1;
                (0..N).for_each(|k| at[k] += step[k]);
                if *i < size {
                    break;
                }
                (0..N).for_each(|k| at[k] -= size * step[k]);
                *i = 0;
            }
        }
    }
}

impl Broadcast<1> {
    /// The step along a row, the elements of a row, and where all rows are one step apart, that step.
    ///
    /// None for a single row; `usize::MAX` where rows are apart in several ways.
    pub fn pattern(&self) -> (usize, usize, Option<usize>) {
        let between = match self.outer[..] {
            [] => None,
            [(_, [step])] => Some(step),
            _ => Some(usize::MAX),
        };
        (self.step[0], self.row, between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(out: &[usize], shapes: [&[usize]; N]) -> Vec<[usize; N]> {
        let layout = Broadcast::new(out, shapes);
        let size: usize = out.iter().product();
        let mut seen = vec![];
        layout.rows(0, size / layout.row, &mut |start, at| {
            assert_eq!(start, seen.len());
            for j in 0..layout.row {
                let mut here = at;
                (0..N).for_each(|k| here[k] += j * layout.step[k]);
                seen.push(here);
            }
        });
        seen
    }

    #[test]
    fn rows_visit_what_broadcasting_pairs() {
        for (out, a, b) in [
            (&[2, 3, 4][..], &[2, 3, 4][..], &[3, 1][..]),
            (&[2, 3, 4], &[4], &[2, 1, 1]),
            (&[2, 3, 4], &[], &[2, 3, 4]),
            (&[1, 1], &[1], &[]),
            (&[5, 1, 2], &[1, 2], &[5, 1, 1]),
        ] {
            let pairs = read(out, [a, b]);
            for (flat, pair) in pairs.iter().enumerate() {
                for (shape, at) in [a, b].iter().zip(pair) {
                    let (mut rest, mut expected, mut stride) = (flat, 0, 1);
                    for (k, &size) in out.iter().rev().enumerate() {
                        let own = shape.len().checked_sub(k + 1).map_or(1, |axis| shape[axis]);
                        expected += if own == 1 { 0 } else { rest % size * stride };
                        stride *= own;
                        rest /= size;
                    }
                    assert_eq!(*at, expected, "{out:?} {a:?} {b:?} at {flat}");
                }
            }
        }
    }

    #[test]
    fn equal_shapes_are_one_row() {
        let layout = Broadcast::new(&[4, 5], [&[4, 5], &[]]);
        assert!(layout.is_flat());
        assert_eq!((layout.row, layout.step), (20, [1, 0]));
        assert!(Broadcast::flat(20) == Broadcast::new(&[4, 5], [&[4, 5], &[4, 5]]));
    }
}
