//! Products with a banded matrix along one axis: every element of the result is a weighted sum of a few neighbours.

use super::simd::{self, SimdKernel};
use super::threads;
use crate::scalar::number::Number;

/// A matrix whose rows have their numbers next to each other, as many in each row.
#[derive(Clone, Debug)]
pub struct Bands {
    columns: usize,
    taps: usize,
    /// The column of the first number of each row.
    starts: Vec<usize>,
    /// The numbers of each row.
    weights: Vec<f64>,
}

/// NaN is itself here: equal steps are merged.
impl PartialEq for Bands {
    fn eq(&self, other: &Bands) -> bool {
        let bits = |bands: &Bands| bands.weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
        (self.columns, &self.starts) == (other.columns, &other.starts) && bits(self) == bits(other)
    }
}

impl Bands {
    /// Makes a matrix of so many columns from the first column and the numbers of each row; zeros at the ends are left out.
    ///
    /// # Panics
    /// If there are no columns, or a row reaches beyond them.
    pub fn new(columns: usize, rows: impl IntoIterator<Item = (usize, Vec<f64>)>) -> Bands {
        assert!(columns > 0, "a matrix without columns has no bands");
        let mut trimmed = Vec::new();
        for (start, weights) in rows {
            assert!(start + weights.len() <= columns, "a row reaches beyond {columns} columns");
            let first = weights.iter().position(|&w| w != 0.0).unwrap_or(0);
            let last = weights.iter().rposition(|&w| w != 0.0).map_or(first, |last| last + 1);
            trimmed.push((start + first, weights[first..last].to_vec()));
        }
        let taps = trimmed.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0).max(1);
        let mut bands = Bands { columns, taps, starts: Vec::new(), weights: Vec::new() };
        for (start, weights) in trimmed {
            let moved = start.min(columns - taps);
            let before = start - moved;
            bands.starts.push(moved);
            bands.weights.extend(
                (0..taps).map(|t| t.checked_sub(before).and_then(|t| weights.get(t)).copied().unwrap_or(0.0)),
            );
        }
        bands
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The first column and the numbers of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> (usize, &[f64]) {
        (self.starts[i], &self.weights[i * self.taps..(i + 1) * self.taps])
    }

    /// The transposed matrix.
    ///
    /// # Panics
    /// If there are no rows.
    pub fn transposed(&self) -> Bands {
        let rows = self.rows();
        let mut extents = vec![(rows, 0); self.columns];
        for i in 0..rows {
            let (start, weights) = self.row(i);
            for (column, _) in (start..).zip(weights).filter(|(_, w)| **w != 0.0) {
                let (first, end) = extents[column];
                extents[column] = (first.min(i), end.max(i + 1));
            }
        }
        let column = |j: usize, (first, end): (usize, usize)| {
            let weight = |i: usize| {
                let (start, weights) = self.row(i);
                j.checked_sub(start).and_then(|t| weights.get(t)).copied().unwrap_or(0.0)
            };
            (first.min(rows - 1), (first..end).map(weight).collect())
        };
        Bands::new(rows, extents.iter().enumerate().map(|(j, &extent)| column(j, extent)))
    }
}

/// Multiplies along the middle axis of `x`, `[outer, columns, inner]`, which becomes `[outer, rows, inner]`; halves are summed in `f32`.
///
/// # Panics
/// If a slice has not the length that its shape says.
pub fn banded_product<T: Number>(bands: &Bands, [outer, inner]: [usize; 2], x: &[T], out: &mut [T]) {
    let rows = bands.rows();
    assert_eq!(x.len(), outer * bands.columns * inner, "the argument has another size");
    assert_eq!(out.len(), outer * rows * inner, "the result has another size");
    if out.is_empty() {
        return;
    }
    let weights: Vec<T::Acc> = bands.weights.iter().map(|&w| T::from_f64(w).widen()).collect();
    threads::split(out, inner, inner * bands.taps, |first, out| {
        simd::run(Rows { bands, weights: &weights, inner, x, first, out });
    });
}

/// Rows of the result from a number on, counted over all of `outer`.
struct Rows<'a, T: Number> {
    bands: &'a Bands,
    weights: &'a [T::Acc],
    inner: usize,
    x: &'a [T],
    first: usize,
    out: &'a mut [T],
}

/// Elements of a row that are summed at once.
const BLOCK: usize = 32;

impl<T: Number> SimdKernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.inner {
            1 => self.narrow::<1>(),
            2 => self.narrow::<2>(),
            3 => self.narrow::<3>(),
            4 => self.narrow::<4>(),
            _ => self.wide(),
        }
    }
}

impl<T: Number> Rows<'_, T> {
    /// Calls `f` with what a row is made of: the elements of all its neighbours, their weights, and where it goes.
    #[inline(always)]
    fn each(self, mut f: impl FnMut(&[T], &[T::Acc], &mut [T])) {
        let Rows { bands, weights, inner, x, first, out } = self;
        let (rows, taps) = (bands.starts.len(), bands.taps);
        let (mut slab, mut i) = (first / rows, first % rows);
        for out in out.chunks_exact_mut(inner) {
            let from = (slab * bands.columns + bands.starts[i]) * inner;
            f(&x[from..from + taps * inner], &weights[i * taps..(i + 1) * taps], out);
            i += 1;
            if i == rows {
                (slab, i) = (slab + 1, 0);
            }
        }
    }

    /// Rows of `N` elements, the sums of which fit registers.
    #[inline(always)]
    fn narrow<const N: usize>(self) {
        self.each(|x, weights, out| {
            let mut sums = [T::Acc::ZERO; N];
            for (x, &weight) in x.as_chunks::<N>().0.iter().zip(weights) {
                for k in 0..N {
                    sums[k] = x[k].widen().mul_then_add(weight, sums[k]);
                }
            }
            for k in 0..N {
                out[k] = T::narrow(sums[k]);
            }
        });
    }

    #[inline(always)]
    fn wide(self) {
        let inner = self.inner;
        self.each(|x, weights, out| {
            for (b, out) in out.chunks_mut(BLOCK).enumerate() {
                let from = b * BLOCK;
                if let Ok(out) = <&mut [T; BLOCK]>::try_from(&mut *out) {
                    let mut sums = [T::Acc::ZERO; BLOCK];
                    for (x, &weight) in x.chunks_exact(inner).zip(weights) {
                        let x: &[T] = &x[from..from + BLOCK];
                        for k in 0..BLOCK {
                            sums[k] = x[k].widen().mul_then_add(weight, sums[k]);
                        }
                    }
                    for k in 0..BLOCK {
                        out[k] = T::narrow(sums[k]);
                    }
                } else {
                    for (k, out) in out.iter_mut().enumerate() {
                        let line = x.chunks_exact(inner).zip(weights);
                        let sum = line.fold(T::Acc::ZERO, |sum, (x, &weight)| {
                            x[from + k].widen().mul_then_add(weight, sum)
                        });
                        *out = T::narrow(sum);
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Bands {
        Bands::new(5, [(0, vec![0.5, 0.25]), (1, vec![0.0, 2.0, -1.0]), (4, vec![3.0]), (2, vec![0.0, 0.0])])
    }

    fn dense(bands: &Bands) -> Vec<f64> {
        let mut all = vec![0.0; bands.rows() * bands.columns()];
        for i in 0..bands.rows() {
            let (start, weights) = bands.row(i);
            all[i * bands.columns() + start..][..weights.len()].copy_from_slice(weights);
        }
        all
    }

    #[test]
    fn rows_hold_the_numbers_that_they_were_given() {
        #[rustfmt::skip]
        let expected = [
            0.5, 0.25, 0.0, 0.0, 0.0,
            0.0, 0.0, 2.0, -1.0, 0.0,
            0.0, 0.0, 0.0, 0.0, 3.0,
            0.0, 0.0, 0.0, 0.0, 0.0,
        ];
        assert_eq!(dense(&example()), expected);
        let transposed = dense(&example().transposed());
        assert!((0..20).all(|at| transposed[at % 5 * 4 + at / 5] == expected[at]));
        assert_eq!(dense(&example().transposed().transposed()), expected);
    }

    #[test]
    fn products_are_those_of_the_dense_matrix_for_rows_of_any_length() {
        let bands = example();
        let matrix = dense(&bands);
        for inner in [1, 2, 3, 4, 5, 32, 70] {
            let x: Vec<f64> = (0..2 * 5 * inner).map(|i| ((i * 37) % 23) as f64 - 7.0).collect();
            let mut out = vec![9.0; 2 * 4 * inner];
            banded_product(&bands, [2, inner], &x, &mut out);
            for (at, &found) in out.iter().enumerate() {
                let (slab, i, k) = (at / inner / 4, at / inner % 4, at % inner);
                let expected: f64 = (0..5).map(|j| matrix[i * 5 + j] * x[(slab * 5 + j) * inner + k]).sum();
                assert!((found - expected).abs() < 1e-12);
            }
        }
    }
}
