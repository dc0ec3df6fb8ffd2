//! Sequences of plane rotations, which iterations find one after the other and apply to a matrix many at a time.

use super::LinalgFloat;
use crate::array::memory;
use crate::kernels::microkernels::{Microkernels, ROTATED_VECTORS, ROW_MULTIPLE, Rotations};
use crate::kernels::simd::Level;
use crate::kernels::threads;

/// Bytes of a row of a strip: four vectors of the widest kind.
const STRIP_BYTES: usize = 256;
/// Rotations that are kept before they are applied.
const KEPT: usize = 1 << 12;

/// The rows of a matrix whose neighbours are rotated, in strips of a few columns, which stay in the cache and are independent.
pub(super) struct RotatedRows<T> {
    strips: Vec<T>,
    rows: usize,
    columns: usize,
    width: usize,
    /// The first row and the number of rotations of each sweep.
    sweeps: Vec<(usize, usize)>,
    /// Cosines and sines of all sweeps.
    angles: Vec<[T; 2]>,
}

impl<T: LinalgFloat> RotatedRows<T> {
    /// Takes the rows of a matrix, which are `pitch` apart.
    pub fn new(matrix: &[T], columns: usize, pitch: usize) -> Self {
        let rows = matrix.len() / pitch.max(1);
        let width = (STRIP_BYTES / size_of::<T>()).min(columns.next_multiple_of(ROW_MULTIPLE)).max(1);
        let mut strips = memory::filled(T::ZERO, columns.div_ceil(width) * width * rows);
        for (number, strip) in strips.chunks_exact_mut((rows * width).max(1)).enumerate() {
            let from = number * width;
            let length = width.min(columns - from);
            for (to, row) in strip.chunks_exact_mut(width).zip(matrix.chunks_exact(pitch)) {
                to[..length].copy_from_slice(&row[from..from + length]);
            }
        }
        RotatedRows { strips, rows, columns, width, sweeps: Vec::new(), angles: Vec::new() }
    }

    /// Rotates rows `first` and `first + 1`, then `first + 1` and `first + 2`, and so on; each pair is a cosine and a sine.
    pub fn rotate(&mut self, first: usize, angles: &[[f64; 2]]) {
        self.sweeps.push((first, angles.len()));
        self.angles.extend(angles.iter().map(|angle| angle.map(T::from_f64)));
        if self.angles.len() > KEPT {
            self.apply();
        }
    }

    fn apply(&mut self) {
        let (rows, width) = (self.rows, self.width);
        let work = 4 * width * self.angles.len();
        let (sweeps, all) = (&self.sweeps, &self.angles);
        threads::split(&mut self.strips, (rows * width).max(1), work, |_, strips| {
            for strip in strips.chunks_exact_mut(rows * width) {
                let mut rest = &all[..];
                for &(first, count) in sweeps {
                    let angles;
                    (angles, rest) = rest.split_at(count);
                    rotate(&mut strip[first * width..(first + count + 1) * width], width, angles);
                }
            }
        });
        self.sweeps.clear();
        self.angles.clear();
    }

    /// Returns the rows when all rotations are applied.
    pub fn finish(mut self) -> Finished<T> {
        self.apply();
        Finished(self)
    }
}

/// Rows that all rotations are applied to.
pub(super) struct Finished<T>(RotatedRows<T>);

impl<T: LinalgFloat> Finished<T> {
    /// Writes rows, in an order, each times a factor, to the rows of a matrix.
    pub fn rows_into(&self, order: impl Iterator<Item = (usize, T)>, out: &mut [T]) {
        let RotatedRows { strips, rows, columns, width, .. } = &self.0;
        for (out, (row, factor)) in out.chunks_exact_mut((*columns).max(1)).zip(order) {
            for (number, out) in out.chunks_mut(*width).enumerate() {
                let from = (number * rows + row) * width;
                out.iter_mut().zip(&strips[from..]).for_each(|(out, &x)| *out = x * factor);
            }
        }
    }

    /// Writes rows, in an order, each times a factor, to the columns of a matrix.
    pub fn columns_into(&self, order: impl Iterator<Item = (usize, T)>, out: &mut [T]) {
        let RotatedRows { strips, rows, columns, width, .. } = &self.0;
        let order: Vec<(usize, T)> = order.collect();
        for (i, out) in out.chunks_exact_mut(order.len().max(1)).enumerate().take(*columns) {
            let strip = &strips[i / width * rows * width + i % width..];
            out.iter_mut().zip(&order).for_each(|(out, &(row, factor))| *out = strip[row * width] * factor);
        }
    }
}

/// Rotates the rows of a strip, each with the next one.
fn rotate<T: LinalgFloat>(strip: &mut [T], width: usize, angles: &[[T; 2]]) {
    assert_eq!(strip.len(), (angles.len() + 1) * width, "a row more than rotations");
    if let Some(micro) = Microkernels::<T>::of(Level::chosen()) {
        let mut column = 0;
        while column < width {
            let many = column + ROTATED_VECTORS * micro.lanes <= width;
            let job = Rotations { row: strip[column..].as_mut_ptr(), pitch: width, angles };
            // SAFETY: a row more than rotations, and in each as many vectors as these columns have: the width is a multiple of
            // what the widest vector holds. The machine has the instruction set.
            unsafe { (micro.rotations[usize::from(many)])(&job) };
            column += if many { ROTATED_VECTORS * micro.lanes } else { micro.lanes };
        }
        return;
    }
    for (i, &[c, s]) in angles.iter().enumerate() {
        let (x, y) = strip[i * width..(i + 2) * width].split_at_mut(width);
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::noise;
    use super::*;

    #[test]
    fn rotations_of_neighbours_are_those_of_their_rows() {
        for (rows, columns) in [(2, 1), (3, 5), (6, 100), (40, 33)] {
            let pitch = columns + 3;
            let matrix = noise::<f64>(7, rows * pitch);
            let mut plain: Vec<Vec<f64>> = matrix.chunks(pitch).map(|row| row[..columns].to_vec()).collect();
            let mut rotated = RotatedRows::new(&matrix, columns, pitch);
            for (first, last) in [(0, rows - 1), (rows / 2, rows - 1), (0, rows / 2)] {
                let angles: Vec<[f64; 2]> =
                    (first..last).map(|i| (i as f64).sin_cos()).map(|(s, c)| [c, s]).collect();
                for (i, &[c, s]) in (first..last).zip(&angles) {
                    let (x, y) = (plain[i].clone(), plain[i + 1].clone());
                    plain[i] = x.iter().zip(&y).map(|(x, y)| c * x + s * y).collect();
                    plain[i + 1] = x.iter().zip(&y).map(|(x, y)| c * y - s * x).collect();
                }
                rotated.rotate(first, &angles);
            }
            let finished = rotated.finish();
            let mut by_rows = vec![0.0; rows * columns];
            finished.rows_into((0..rows).map(|i| (i, 1.0)), &mut by_rows);
            let mut by_columns = vec![0.0; rows * columns];
            finished.columns_into((0..rows).rev().map(|i| (i, -1.0)), &mut by_columns);
            for i in 0..rows {
                for k in 0..columns {
                    assert!((by_rows[i * columns + k] - plain[i][k]).abs() < 1e-13);
                    assert_eq!(by_columns[k * rows + rows - 1 - i], -by_rows[i * columns + k]);
                }
            }
        }
    }
}
